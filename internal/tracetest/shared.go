// SPDX-License-Identifier: Apache-2.0

// Package tracetest finds the shared captures and builds synthetic traces for
// tests of every other package. It is imported by tests only.
package tracetest

import (
	"os"
	"path/filepath"
	"testing"
)

// Root returns the repository's root: the nearest parent folder with go.mod.
func Root(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			tb.Fatal("no go.mod in any parent folder of the test")
		}
		dir = parent
	}
}

// Shared returns the path of a file of the shared data library, or skips the
// test with the missing file's name. The library is the folder
// $LAYERSCOPE_SHARED, or "shared" beside the repository.
func Shared(tb testing.TB, name string) string {
	tb.Helper()
	base := os.Getenv("LAYERSCOPE_SHARED")
	if base == "" {
		base = filepath.Join(Root(tb), "..", "shared")
	}
	path := filepath.Join(base, filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		tb.Skipf("shared data absent: %s (set LAYERSCOPE_SHARED)", name)
	}
	return path
}
