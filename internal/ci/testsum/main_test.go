// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// A module with one package for each way a package can end.
const module = `
-- go.mod --
module example.com/m
go 1.24
-- good/good_test.go --
package good
import "testing"
func TestPlain(t *testing.T) {}
func TestParent(t *testing.T) {
	t.Run("a", func(t *testing.T) {})
	t.Run("b", func(t *testing.T) { t.Log("quiet"); t.Skip("shared data absent: b.pb") })
}
func TestSkipped(t *testing.T) { t.Log("said first"); t.Skipf("shared data absent: %s\n(set X)", "a.pb") }
func TestBare(t *testing.T) { t.SkipNow() }
-- bad/bad_test.go --
package bad
import "testing"
func TestFine(t *testing.T) { t.Log("must not show") }
func TestParent(t *testing.T) {
	t.Run("wrong", func(t *testing.T) { t.Error("one is not two") })
	t.Run("right", func(t *testing.T) {})
}
-- dies/dies_test.go --
package dies
import "testing"
func TestBefore(t *testing.T) {}
func TestPanic(t *testing.T) { t.Run("sub", func(t *testing.T) { panic("boom") }) }
func TestNever(t *testing.T) {}
-- exits/exits_test.go --
package exits
import ("os"; "testing")
func TestMain(m *testing.M) { m.Run(); os.Exit(7) }
func TestFine(t *testing.T) {}
-- broken/broken.go --
package broken
var x int = "text"
-- broken/broken_test.go --
package broken
import "testing"
func TestX(t *testing.T) {}
-- none/none.go --
package none
`

func write(t *testing.T, archive string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range txtar.Parse([]byte(archive)).Files {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestRun(t *testing.T) {
	t.Chdir(write(t, module))
	t.Setenv("GOFLAGS", "")
	t.Setenv("GOWORK", "off")
	for _, c := range []struct {
		pkg    string
		status int
		last   string
		shows  []string
		hides  []string
	}{
		{"./good", 0, "2 passed, 0 failed, 3 skipped",
			[]string{"ok  \texample.com/m/good\t", "skipped 2: shared data absent\n", " TestSkipped: a.pb (set X)\n", " TestParent/b: b.pb\n", "skipped 1: no reason given\n    example.com/m/good TestBare\n"},
			[]string{"quiet", "said first", "PASS"}},
		{"./bad", 1, "2 passed, 1 failed, 0 skipped",
			[]string{"one is not two", "--- FAIL: TestParent/wrong", "FAIL\texample.com/m/bad"},
			[]string{"must not show"}},
		{"./dies", 1, "1 passed, 1 failed, 0 skipped", []string{"panic: boom", "FAIL\texample.com/m/dies"}, []string{"TestNever"}},
		{"./exits", 1, "1 passed, 1 failed, 0 skipped", []string{"FAIL\texample.com/m/exits"}, nil},
		{"./broken", 1, "0 passed, 1 failed, 0 skipped", []string{"broken.go:2:13: cannot use", "[build failed]"}, nil},
		{"./none", 0, "0 passed, 0 failed, 0 skipped", nil, []string{"no test files"}},
		{"./...", 1, "6 passed, 4 failed, 3 skipped", []string{"ok  \texample.com/m/good\t", "boom", "one is not two"}, nil},
		{"./missing", 1, "0 passed, 1 failed, 0 skipped", []string{"missing"}, nil},
	} {
		t.Run(c.pkg, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "summary")
			var out, errs bytes.Buffer
			status := run([]string{"-o", file, "-count=1", c.pkg}, &out, &errs)
			if status != c.status {
				t.Errorf("status %d, want %d", status, c.status)
			}
			for _, s := range c.shows {
				if !strings.Contains(out.String(), s) {
					t.Errorf("output lacks %q", s)
				}
			}
			for _, s := range c.hides {
				if strings.Contains(out.String(), s) {
					t.Errorf("output has %q", s)
				}
			}
			if !strings.HasSuffix(out.String(), "\n"+c.last+"\n") && out.String() != c.last+"\n" {
				t.Errorf("the last line isn't %q", c.last)
			}
			if b, err := os.ReadFile(file); err != nil || string(b) != c.last+"\n" {
				t.Errorf("-o wrote %q, %v", b, err)
			}
			if t.Failed() {
				t.Logf("output:\n%s\nerrors:\n%s", out.String(), errs.String())
			}
		})
	}
}

func TestReason(t *testing.T) {
	for _, c := range []struct{ output, want string }{
		{"=== RUN   TestX\n    x_test.go:10: needs a TPU\n--- SKIP: TestX (0.00s)\n", "needs a TPU"},
		{"=== RUN   TestX\n    x_test.go:9: log\n    x_test.go:10: why\n        and how\n    --- SKIP: TestX/a (0.00s)\n", "why and how"},
		{"--- SKIP: TestX (0.00s)\n", "no reason given"},
		{"stray print\n", "no reason given"},
	} {
		if got := reason(c.output); got != c.want {
			t.Errorf("reason(%q) = %q, want %q", c.output, got, c.want)
		}
	}
}

// A failure is printed when its event arrives, not when the run ends.
func TestFailureIsPrintedAtOnce(t *testing.T) {
	var out bytes.Buffer
	s := newSummary(&out)
	for _, line := range []string{
		`{"Action":"run","Package":"p","Test":"TestX"}`,
		`{"Action":"output","Package":"p","Test":"TestX","Output":"    x_test.go:1: bad\n"}`,
		`not an event`,
		`{"Action":"fail","Package":"p","Test":"TestX"}`,
	} {
		if err := s.read(strings.NewReader(line + "\n")); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff("not an event\n    x_test.go:1: bad\n", out.String()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestManySkipsAreCut(t *testing.T) {
	var out bytes.Buffer
	s := newSummary(&out)
	for range 13 {
		s.skips = append(s.skips, skip{testID{"p", "TestX"}, "no accelerator"})
	}
	s.writeSkipped(&out)
	if !regexp.MustCompile(`^skipped 13: no accelerator\n(    p TestX\n){10}    and 3 more\n$`).MatchString(out.String()) {
		t.Errorf("listing:\n%s", out.String())
	}
}
