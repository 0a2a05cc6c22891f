// SPDX-License-Identifier: Apache-2.0

//go:build unix

package objects

import (
	"context"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func contentOf(text string) Content {
	return Content{Data: strings.NewReader(text), Size: int64(len(text)), CRC32C: crc32.Checksum([]byte(text), Castagnoli)}
}

func listed(t *testing.T, s Store, prefix string) string {
	t.Helper()
	var names []string
	for o, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, o.Name)
	}
	return strings.Join(names, " ")
}

// A pipe is no object: opening one would wait for its writer.
func TestDirPipe(t *testing.T) {
	root := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(root, "pipe"), 0o666); err != nil {
		t.Skip("no pipes here:", err)
	}
	s := Dir(root)
	done := make(chan error, 1)
	go func() {
		_, err := s.Stat(context.Background(), "pipe")
		done <- err
	}()
	select {
	case err := <-done:
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("waits for the pipe's writer")
	}
	if got := listed(t, s, ""); got != "" {
		t.Errorf("listed: %s", got)
	}
}

// A root that is a link is the directory it leads to; a link out of the root is
// nothing, and so is a prefix out of it.
func TestDirListLinks(t *testing.T) {
	base := t.TempDir()
	root, link := filepath.Join(base, "root"), filepath.Join(base, "link")
	if _, err := Dir(root).Put(t.Context(), "manual/a/b", contentOf("x")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(filepath.Join(base, "outside"), nil, 0o666), os.Symlink("root", link),
		os.Symlink("../outside", filepath.Join(root, "out")), os.Symlink("manual/a/b", filepath.Join(root, "in"))); err != nil {
		t.Fatal(err)
	}
	s := Dir(link)
	if got := listed(t, s, ""); got != "in manual/a/b" {
		t.Errorf("listed: %s", got)
	}
	if got := listed(t, s, "manual/a"); got != "manual/a/b" {
		t.Errorf("listed below manual/a: %s", got)
	}
	for o, err := range s.List(t.Context(), "../") {
		if err == nil {
			t.Errorf("listed %s, outside of the root", o.Name)
		}
	}
	for o, err := range s.List(t.Context(), "") {
		if now, statErr := s.Stat(t.Context(), o.Name); err != nil || statErr != nil || now.Generation != o.Generation {
			t.Errorf("%s: listed with generation %d (%v), has %d (%v)", o.Name, o.Generation, err, now.Generation, statErr)
		}
	}
}

// Without links, too, the second of two writers gets an error, and what the first
// one wrote stays.
func TestDirWithoutLinks(t *testing.T) {
	if err := (&os.LinkError{Op: "linkat", Err: syscall.EPERM}); !noLinks(err) {
		t.Errorf("%v: taken for another error", err)
	}
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, name := range []string{"first", "second"} {
		if err := root.WriteFile(name+".temp", []byte(name), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := renameTo(root, "first.temp", "a"); err != nil {
		t.Fatal(err)
	}
	if err := renameTo(root, "second.temp", "a"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("the second: %v, want that the name is taken", err)
	}
	if got, err := root.ReadFile("a"); string(got) != "first" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if err := renameTo(root, "gone.temp", "b"); err == nil {
		t.Error("renamed nothing")
	}
	if _, err := root.Stat("b"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left behind: %v", err)
	}
}
