// SPDX-License-Identifier: Apache-2.0

package archtest

import (
	"go/ast"
	"go/token"
	"os"
	"path"
	"slices"
	"strings"
)

const (
	maxFileLines = 400
	maxFuncLines = 60
	spdx         = "// SPDX-License-Identifier: Apache-2.0"
)

// vagueNames say nothing about a package's job.
var vagueNames = []string{"base", "common", "helper", "helpers", "misc", "models", "shared", "types", "util", "utils"}

// checkFile holds one file to the budgets. Generated files are exempt, tests
// have no length limits.
func (c *Checker) checkFile(f *file) {
	if ast.IsGenerated(f.ast) {
		return
	}
	if f.first != spdx {
		c.report("%s:1: the first line isn't %q", f.path, spdx)
	}
	if f.test {
		return
	}
	if f.lines > maxFileLines && !c.excepted(f.path) {
		c.report("%s: %d lines, budget %d", f.path, f.lines, maxFileLines)
	}
	for _, decl := range f.ast.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		from, to := f.fset.Position(fn.Pos()).Line, f.fset.Position(fn.End()).Line
		if n := to - from + 1; n > maxFuncLines && !c.excepted(f.path+":"+fn.Name.Name) {
			c.report("%s:%d: func %s has %d lines, budget %d", f.path, from, fn.Name.Name, n, maxFuncLines)
		}
	}
}

// assembly checks a .s file, which has no budget but a licence.
func (c *Checker) assembly(p, rel string) {
	src, err := os.ReadFile(p)
	if err != nil {
		c.report("%s: %v", rel, err)
		return
	}
	if first, _, _ := strings.Cut(string(src), "\n"); first != spdx && !strings.HasPrefix(first, "// Code generated") {
		c.report("%s:1: the first line isn't %q", rel, spdx)
	}
}

func (c *Checker) excepted(name string) bool {
	if _, ok := c.Exceptions[name]; !ok {
		return false
	}
	c.used[name] = true
	return true
}

// checkNames wants a telling package name and a package comment, and of a
// public package an example that runs.
func (c *Checker) checkNames(pkg string, files []*file) {
	if slices.Contains(vagueNames, path.Base(pkg)) {
		c.report("%s: the name says nothing about the package's job", pkg)
	}
	documented, example, source := false, false, false
	for _, f := range files {
		if f.ignore {
			continue
		}
		source = source || !f.test
		documented = documented || !f.test && f.ast.Doc.Text() != ""
		example = example || f.test && hasExample(f.ast)
	}
	if !source {
		return // tests only
	}
	if !documented {
		c.report("%s: no package comment", pkg)
	}
	public := !slices.Contains(strings.Split(pkg, "/"), "internal") && !strings.HasPrefix(pkg, "cmd/")
	if public && !example {
		c.report("%s: a public package without a runnable Example in example_test.go", pkg)
	}
}

func hasExample(f *ast.File) bool {
	return slices.ContainsFunc(f.Decls, func(d ast.Decl) bool {
		fn, ok := d.(*ast.FuncDecl)
		return ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Example")
	})
}

// checkExported counts the exported top-level names: functions, types,
// constants, variables; methods and fields belong to their types.
func (c *Checker) checkExported(pkg string, rule Rule, files []*file) {
	if rule.Exported == 0 {
		return
	}
	names := make(map[string]bool)
	for _, f := range files {
		if !f.test && !f.ignore {
			for _, decl := range f.ast.Decls {
				addExported(names, decl)
			}
		}
	}
	if n := len(names); n > rule.Exported && !c.excepted(pkg) {
		c.report("%s: %d exported names, budget %d", pkg, n, rule.Exported)
	}
}

func addExported(names map[string]bool, decl ast.Decl) {
	add := func(id *ast.Ident) {
		if id.IsExported() {
			names[id.Name] = true
		}
	}
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			add(d.Name)
		}
	case *ast.GenDecl:
		if enumeration(d) {
			return // go doc lists the values with their type: one thing to learn
		}
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				add(s.Name)
			case *ast.ValueSpec:
				for _, id := range s.Names {
					add(id)
				}
			}
		}
	}
}

// enumeration says whether a declaration is a block of constants of one exported
// type of the package.
func enumeration(d *ast.GenDecl) bool {
	if d.Tok != token.CONST || len(d.Specs) == 0 {
		return false
	}
	first, ok := d.Specs[0].(*ast.ValueSpec)
	if !ok || first.Type == nil {
		return false
	}
	id, ok := first.Type.(*ast.Ident)
	return ok && id.IsExported()
}
