// SPDX-License-Identifier: Apache-2.0

package archtest

import (
	"go/ast"
	"slices"
	"strconv"
	"strings"
)

// checkImports holds a file's imports against its package's rule.
func (c *Checker) checkImports(pkg string, rule Rule, f *file) {
	for _, spec := range f.ast.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser has checked it
		}
		line := f.fset.Position(spec.Pos()).Line
		if ours, ok := c.ours(imported); ok {
			if !c.mayImport(pkg, rule, f.test, ours) {
				c.report("%s:%d: imports %s, which %s may not (internal/archtest/table.go)", f.path, line, ours, rule.Packages)
			}
			continue
		}
		c.checkOutside(pkg, f, line, imported)
	}
}

// ours returns the path of an import below the module.
func (c *Checker) ours(imported string) (string, bool) {
	if imported == c.Module {
		return ".", true
	}
	return strings.CutPrefix(imported, c.Module+"/")
}

func (c *Checker) mayImport(pkg string, rule Rule, test bool, imported string) bool {
	if matchAny(rule.Imports, imported) {
		return true
	}
	return test && (imported == pkg || matchAny(rule.Tests, imported) || matchAny(c.TestImports, imported))
}

func (c *Checker) checkOutside(pkg string, f *file, line int, imported string) {
	for _, d := range c.Outside {
		if !match(d.Module+"/...", imported) {
			continue
		}
		switch {
		case d.Test && !f.test && !isTestOnly(c.TestImports, pkg):
			c.report("%s:%d: imports %s, which is for tests", f.path, line, imported)
		case !d.Test && !f.test && !matchAny(d.In, pkg):
			c.report("%s:%d: imports %s, which is for %s", f.path, line, imported, strings.Join(d.In, ", "))
		}
		return
	}
	if first, _, _ := strings.Cut(imported, "/"); strings.Contains(first, ".") {
		c.report("%s:%d: imports %s: a new dependency needs an ADR and a line in internal/archtest/table.go", f.path, line, imported)
	}
}

// isTestOnly reports whether pkg is itself imported by tests alone.
func isTestOnly(testImports []string, pkg string) bool { return matchAny(testImports, pkg) }

// impurePackages may not be imported by pure packages.
var impurePackages = []string{
	"context", "flag", "io/fs", "io/ioutil", "log", "log/slog", "net", "net/http", "os", "os/exec", "os/signal", "path/filepath",
	"runtime/pprof", "runtime/trace", "syscall", "testing", "unsafe",
}

// impureFuncs may not be used by pure packages: clocks, the shared random
// source, the standard streams. For math/rand the list names what is allowed.
var impureFuncs = map[string][]string{
	"time": {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer", "LoadLocation", "Local"},
	"fmt":  {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
}

var seededRandom = []string{"New", "NewPCG", "NewChaCha8", "NewSource", "NewZipf", "Rand", "Source", "PCG", "ChaCha8", "Zipf"}

// checkPure looks for doors to the outside in a file of a pure package.
func (c *Checker) checkPure(f *file) {
	names := make(map[string]string) // local name of an import → its path
	for _, spec := range f.ast.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		if slices.Contains(impurePackages, imported) {
			c.report("%s:%d: a pure package imports %s", f.path, f.fset.Position(spec.Pos()).Line, imported)
		}
		name := strings.TrimSuffix(imported, "/v2")
		name = name[strings.LastIndexByte(name, '/')+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = imported
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, ok := sel.X.(*ast.Ident)
		if !ok {
			return true
		}
		imported := names[x.Name]
		impure := slices.Contains(impureFuncs[imported], sel.Sel.Name)
		if imported == "math/rand" || imported == "math/rand/v2" {
			impure = !slices.Contains(seededRandom, sel.Sel.Name)
		}
		if impure {
			c.report("%s:%d: a pure package uses %s.%s", f.path, f.fset.Position(sel.Pos()).Line, x.Name, sel.Sel.Name)
		}
		return true
	})
}
