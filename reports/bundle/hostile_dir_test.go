// SPDX-License-Identifier: Apache-2.0

//go:build unix

package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestHostileDirectory: a bundle's directory may lie as well as an archive. What
// is wrong is named, and neither a packed nor a smaller bundle is made of it.
func TestHostileDirectory(t *testing.T) {
	good := member{name: "logs/a", data: "hello"}
	zero := strings.Repeat("0", 64)
	outside := put(t, t.TempDir(), "outside", "hello")
	lie := func(edit func(m *Manifest)) func(dir string) error {
		return func(dir string) error {
			text, err := os.ReadFile(filepath.Join(dir, manifestFile))
			if err != nil {
				return err
			}
			m, err := parseManifest(text)
			if err != nil {
				return err
			}
			edit(m)
			if text, err = json.Marshal(m); err != nil {
				return err
			}
			return errors.Join(os.WriteFile(filepath.Join(dir, manifestFile), text, 0o666), os.WriteFile(filepath.Join(dir, checksumsFile), formatChecksums(m, text), 0o666))
		}
	}
	for _, c := range []struct {
		name   string
		change func(dir string) error
		want   string // in problems, missing, changed or extra
	}{
		{"parent", lie(func(m *Manifest) { m.Files[0].Path = "../a" }), `entry "../a": leads out`},
		{"absolute", lie(func(m *Manifest) { m.Files[0].Path = outside }), `entry "` + outside + `": an absolute path`},
		{"case", lie(func(m *Manifest) { m.Files = append(m.Files, File{Path: "LOGS/b", SHA256: zero}) }), `entry "LOGS/b": differs from "logs" in nothing but case`},
		{"wrong hash", lie(func(m *Manifest) { m.Files[0].SHA256 = zero }), "logs/a"},
		{"wrong size", lie(func(m *Manifest) { m.Files[0].Bytes = 6 }), "logs/a"},
		{"invented", lie(func(m *Manifest) { m.Files = append(m.Files, File{Path: "logs/b", SHA256: zero}) }), "logs/b"},
		{"too many", lie(func(m *Manifest) {
			for i := range maxFiles {
				m.Files = append(m.Files, File{Path: fmt.Sprintf("x/%d", i), SHA256: zero})
			}
		}), fmt.Sprintf(`entry "x/%d": the manifest lists 100001 files`, maxFiles-1)},
		{"a link to the same content", func(dir string) error {
			return errors.Join(os.Remove(dir+"/logs/a"), os.Symlink(outside, dir+"/logs/a"))
		}, "logs/a: a symbolic link"},
		{"a linked directory", func(dir string) error {
			return errors.Join(os.RemoveAll(dir+"/logs"), os.Symlink(filepath.Dir(outside), dir+"/logs"))
		}, "logs: a symbolic link"},
		{"a linked manifest", func(dir string) error {
			return errors.Join(os.Rename(dir+"/manifest.json", outside+".json"), os.Symlink(outside+".json", dir+"/manifest.json"))
		}, "manifest.json: a symbolic link"},
		{"a pipe, which nobody writes to", func(dir string) error {
			return errors.Join(os.Remove(dir+"/logs/a"), syscall.Mkfifo(dir+"/logs/a", 0o666))
		}, "logs/a: a pipe"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			for _, f := range append(lists(t, good), good) {
				put(t, dir, f.name, f.data)
			}
			if err := c.change(dir); err != nil {
				t.Fatal(err)
			}
			r := verified(t, dir)
			all := append(append(append(r.Problems, r.Missing...), r.Changed...), r.Extra...)
			if r.OK() || !strings.Contains(strings.Join(all, "\n"), c.want) {
				t.Errorf("verify: %+v, wanted %q", r, c.want)
			}
			parent := filepath.Dir(dir)
			if err := Pack(dir, filepath.Join(parent, "run.tar.zst")); err == nil {
				t.Error("packed")
			}
			if _, err := Retain(dir, filepath.Join(parent, "small"), RetainOptions{Set: "full"}); err == nil {
				t.Error("retained")
			}
			if entries, err := os.ReadDir(parent); err != nil || len(entries) != 1 {
				t.Errorf("made beside it: %v, %v", entries, err)
			}
		})
	}
}

// What is planted in the place where a bundle is made leads nowhere.
func TestHostileStage(t *testing.T) {
	dir := t.TempDir()
	outside := put(t, dir, "outside/precious", "keep me")
	capture := put(t, dir, "c.xplane.pb", "x")
	partial := filepath.Join(dir, ".run.partial")
	for _, plant := range []func() error{
		func() error { return os.Symlink(filepath.Dir(outside), filepath.Join(partial, "artifacts")) },
		func() error { return os.Symlink(outside, filepath.Join(partial, reportFile)) },
		func() error { return os.Symlink(filepath.Dir(outside), filepath.Join(partial, "more")) },
		func() error { return os.WriteFile(filepath.Join(partial, "inputs"), nil, 0o666) },
		func() error { return os.Symlink(outside, partial+".journal") },
		func() error { return os.Remove(partial + ".journal") },
		func() error {
			return os.WriteFile(partial+".journal", []byte(`{"name":"../outside/precious","source":"`+capture+`"}`+"\n{{{"), 0o666)
		},
	} {
		if err := errors.Join(os.RemoveAll(filepath.Join(dir, "run")), os.MkdirAll(partial, 0o777), plant()); err != nil {
			t.Fatal(err)
		}
		_, err := Create(filepath.Join(dir, "run"), Options{Captures: []string{capture}})
		if err == nil && !verified(t, filepath.Join(dir, "run")).OK() {
			t.Error("made, and doesn't verify")
		}
		if text, err := os.ReadFile(outside); err != nil || string(text) != "keep me" {
			t.Errorf("outside: %q, %v", text, err)
		}
		if entries, _ := os.ReadDir(filepath.Dir(outside)); len(entries) != 1 {
			t.Errorf("written outside: %v", entries)
		}
	}
}
