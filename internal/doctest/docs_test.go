// SPDX-License-Identifier: Apache-2.0

package doctest

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layerscope/layerscope/internal/tracetest"
)

var update = flag.Bool("update", false, "rewrite the outputs in README.md and docs/")

// documents lists what is checked: README.md and docs/**.md without the ADRs,
// which record what was.
func documents(t *testing.T, root string) []string {
	t.Helper()
	var paths []string
	if _, err := os.Stat(filepath.Join(root, "README.md")); err == nil {
		paths = append(paths, "README.md")
	}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(p string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "adr":
			return filepath.SkipDir
		case filepath.Ext(p) == ".md":
			rel, err := filepath.Rel(root, p)
			paths = append(paths, rel)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestDocs(t *testing.T) {
	root := tracetest.Root(t)
	if _, err := os.Stat(filepath.Join(root, "cmd", "layerscope")); err != nil {
		t.Skip("documentation not run: there is no cmd/layerscope")
	}
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("documentation not run: there is no sh")
	}
	binary := ""
	for _, name := range documents(t, root) {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		blocks, err := extract(string(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(blocks) == 0 {
			continue
		}
		if binary == "" {
			binary = build(t, root)
		}
		t.Run(name, func(t *testing.T) {
			d := document{makefile: filepath.Join(root, "Makefile"), dir: scratch(t, root, binary), bin: filepath.Dir(binary), update: *update}
			for _, b := range blocks {
				runBlock(t, &d, b)
			}
			if fresh := apply(string(text), d.edits); *update && fresh != string(text) {
				if err := os.WriteFile(filepath.Join(root, name), []byte(fresh), 0o666); err != nil {
					t.Fatal(err)
				}
				t.Logf("rewrote %d outputs", len(d.edits))
			}
		})
	}
}

// build makes the binary that the commands run, without the cloud clients.
func build(t *testing.T, root string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "layerscope")
	cmd := exec.Command("go", "build", "-trimpath", "-tags", "nocloud", "-o", binary, "./cmd/layerscope")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build ./cmd/layerscope: %v\n%s", err, out)
	}
	return binary
}

// scratch makes a folder that looks like the repository to the commands of one
// document: its testdata and docs, and the binary in bin.
func scratch(t *testing.T, root, binary string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"testdata", "docs"} {
		if _, err := os.Stat(filepath.Join(root, name)); err != nil {
			continue
		}
		if err := os.CopyFS(filepath.Join(dir, name), os.DirFS(filepath.Join(root, name))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(binary, filepath.Join(dir, "bin", "layerscope")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func runBlock(t *testing.T, d *document, b block) {
	t.Run("line "+strconv.Itoa(b.line), func(t *testing.T) {
		if b.skip != "" {
			t.Skip("documentation not run: " + b.skip)
		}
		for i, c := range b.commands {
			status := 0
			if i == len(b.commands)-1 {
				status = b.exit
			}
			skip, err := d.check(t.Context(), b, c, status)
			if err != nil {
				t.Errorf("line %d: $ %s\n%v", c.line, c.text, err)
			} else if skip != "" {
				t.Logf("line %d: $ %s: not run: %s", c.line, c.text, skip)
			}
		}
	})
}

const manual = `# Manual

` + "```" + `console
$ layerscope twice a
a
a
$ make demo
demo
$ cat out
` + "```" + `

<!-- doctest: exit 3 -->
` + "```" + `console
$ layerscope fail >out; cat out && layerscope fail
old text
` + "```" + `
`

// The whole way with a stand-in for the binary: compare, exit codes, -update.
func TestDocument(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("there is no make")
	}
	bin, root := t.TempDir(), t.TempDir()
	script := "#!/bin/sh\ncase $1 in twice) echo $2; echo $2;; fail) echo failing; echo why >&2; exit 3;; esac\n"
	if err := os.WriteFile(filepath.Join(bin, "layerscope"), []byte(script), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "Makefile"), []byte("demo-run:\n\t@echo demo; $(BIN) twice x\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	blocks, err := extract(manual)
	if err != nil {
		t.Fatal(err)
	}
	d := document{makefile: filepath.Join(root, "Makefile"), dir: t.TempDir(), bin: bin}
	var got []string
	for _, b := range blocks {
		for _, c := range b.commands {
			_, err := d.check(t.Context(), b, c, b.exit)
			got = append(got, fmt.Sprint(err))
		}
	}
	for i, want := range []string{
		"<nil>",
		"prints something else",        // two more lines than documented
		"exit status 1, want 0\ncat: ", // no such file yet
		"prints something else",
	} {
		if !strings.HasPrefix(got[i], want) {
			t.Errorf("command %d: %s, want %s…", i, got[i], want)
		}
	}
	d.update = true
	if _, err := d.check(t.Context(), blocks[0], blocks[0].commands[1], 0); err != nil {
		t.Error(err)
	}
	if _, err := d.check(t.Context(), blocks[1], blocks[1].commands[0], 3); err != nil {
		t.Error(err)
	}
	want := strings.Replace(manual, "\ndemo\n", "\ndemo\nx\nx\n", 1)
	want = strings.Replace(want, "old text\n", "failing\nfailing\n", 1)
	if diff := cmp.Diff(want, apply(manual, d.edits)); diff != "" {
		t.Errorf("-update (-want +got):\n%s", diff)
	}
}
