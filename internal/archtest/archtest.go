// SPDX-License-Identifier: Apache-2.0

// Package archtest holds the architecture against the code: who may import
// whom, which packages stay pure, and the house's budgets. It is one test; the
// table is in table.go.
package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// A Rule is what the packages of a pattern may do.
type Rule struct {
	Packages string   // a package, or "x/..." for x and all below
	Imports  []string // packages of this module they may import, as patterns
	Tests    []string // and their tests besides, as patterns
	Pure     bool     // values in, values out: no files, clocks, logging, contexts
	Exported int      // exported top-level names; 0: no limit
}

// A Dependency is a module, or a package of the standard library, that not
// everybody may import.
type Dependency struct {
	Module string   // import path prefix
	In     []string // packages that may use it, as patterns; "..." is all
	Test   bool     // tests only, anywhere
}

// A Checker holds a source tree against rules.
type Checker struct {
	Module      string // module path of the tree
	Rules       []Rule
	TestImports []string
	Outside     []Dependency
	Exceptions  map[string]string

	problems []string
	used     map[string]bool // exceptions that were needed
}

// A file is a parsed source file.
type file struct {
	path   string // slash-separated, below the root
	test   bool
	ignore bool // //go:build ignore: a program of its own
	lines  int
	first  string
	fset   *token.FileSet
	ast    *ast.File
}

// Check reads every Go file below root and returns what is wrong, sorted.
// Folders named testdata or vendor, hidden ones and nested modules are left out.
func (c *Checker) Check(root string) ([]string, error) {
	c.problems, c.used = nil, make(map[string]bool)
	packages := make(map[string][]*file)
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			return skipFolder(p, rel, d.Name())
		}
		switch path.Ext(rel) {
		case ".go":
			if f := c.parse(p, rel); f != nil {
				packages[path.Dir(rel)] = append(packages[path.Dir(rel)], f)
			}
		case ".s":
			c.assembly(p, rel)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for pkg, files := range packages {
		c.checkPackage(pkg, files)
	}
	for name, why := range c.Exceptions {
		if strings.TrimSpace(why) == "" {
			c.report("exceptions: %s: no reason given", name)
		}
		if !c.used[name] {
			c.report("exceptions: %s: no longer needed", name)
		}
	}
	slices.Sort(c.problems)
	return c.problems, nil
}

func skipFolder(p, rel, name string) error {
	if rel == "." {
		return nil
	}
	if name == "testdata" || name == "vendor" || name[0] == '.' || name[0] == '_' {
		return filepath.SkipDir
	}
	if _, err := os.Stat(filepath.Join(p, "go.mod")); err == nil {
		return filepath.SkipDir
	}
	return nil
}

func (c *Checker) report(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

func (c *Checker) parse(p, rel string) *file {
	src, err := os.ReadFile(p)
	if err != nil {
		c.report("%s: %v", rel, err)
		return nil
	}
	f := &file{path: rel, test: strings.HasSuffix(rel, "_test.go"), fset: token.NewFileSet()}
	f.lines = strings.Count(string(src), "\n")
	f.first, _, _ = strings.Cut(string(src), "\n")
	f.ast, err = parser.ParseFile(f.fset, rel, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		c.report("%s: doesn't parse: %v", rel, err)
		return nil
	}
	for _, group := range f.ast.Comments {
		for _, line := range group.List {
			f.ignore = f.ignore || line.Text == "//go:build ignore" && line.Pos() < f.ast.Package
		}
	}
	return f
}

// rule returns the most specific rule for a package: its own, else that of the
// nearest folder above.
func (c *Checker) rule(pkg string) (Rule, bool) {
	var best Rule
	found := false
	for _, r := range c.Rules {
		if r.Packages == pkg {
			return r, true
		}
		if match(r.Packages, pkg) && len(r.Packages) > len(best.Packages) {
			best, found = r, true
		}
	}
	return best, found
}

// match reports whether pkg is pattern, or below it if it ends in "/...".
func match(pattern, pkg string) bool {
	if pattern == "..." {
		return true
	}
	prefix, below := strings.CutSuffix(pattern, "/...")
	return pkg == prefix || below && strings.HasPrefix(pkg, prefix+"/")
}

func matchAny(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, pkg) })
}

func (c *Checker) checkPackage(pkg string, files []*file) {
	c.checkNames(pkg, files)
	for _, f := range files {
		c.checkFile(f)
	}
	rule, ok := c.rule(pkg)
	if !ok {
		c.report("%s: unknown package: add it to the table in internal/archtest/table.go", pkg)
		return
	}
	for _, f := range files {
		if !f.ignore {
			c.checkImports(pkg, rule, f)
		}
		if rule.Pure && !f.test {
			c.checkPure(f)
		}
	}
	c.checkExported(pkg, rule, files)
}
