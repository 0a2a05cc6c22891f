// SPDX-License-Identifier: Apache-2.0

package objects_test

import (
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/layerscope/layerscope/reports/internal/storetest"
	"github.com/layerscope/layerscope/reports/objects"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDir(t *testing.T) {
	root := filepath.Join(t.TempDir(), "not", "yet", "there")
	storetest.Run(t, objects.Dir(root), storetest.Gaps{})
	left, err := filepath.Glob(filepath.Join(root, ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// What a crash left is no object, and goes when it is old.
func TestDirSweeps(t *testing.T) {
	root := t.TempDir()
	for name, age := range map[string]time.Duration{"young": time.Hour, "old": 50 * time.Hour} {
		file := filepath.Join(root, ".new", name)
		at := time.Now().Add(-age)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o777), os.WriteFile(file, []byte("half"), 0o666), os.Chtimes(file, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	s := objects.Dir(root)
	if _, err := s.Put(t.Context(), "a", storetest.Content("x")); err != nil {
		t.Fatal(err)
	}
	if got := storetest.Names(t, s, ""); len(got) != 1 || got[0] != "a" {
		t.Errorf("%v", got)
	}
	left, err := filepath.Glob(filepath.Join(root, ".new", "*"))
	if err != nil || len(left) != 1 || filepath.Base(left[0]) != "young" {
		t.Errorf("%v %v", left, err)
	}
}

// Nothing outside of the root is read or written, whatever links there are.
func TestDirLinks(t *testing.T) {
	base := t.TempDir()
	root, outside := filepath.Join(base, "root"), filepath.Join(base, "outside")
	for _, dir := range []string{root, outside} {
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(root, "link")); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	s := objects.Dir(root)
	if _, err := objects.ReadAll(t.Context(), s, "link/secret", 100); err == nil {
		t.Error("read through a link")
	}
	if _, err := s.Put(t.Context(), "link/new", storetest.Content("x")); err == nil {
		t.Error("written through a link")
	}
	entries, err := os.ReadDir(outside)
	if err != nil || len(entries) != 1 {
		t.Errorf("%v %v", entries, err)
	}
}

// A file that somebody edits is another generation.
func TestDirEdited(t *testing.T) {
	root := t.TempDir()
	s := objects.Dir(root)
	if _, err := s.Put(t.Context(), "a", storetest.Content("before")); err != nil {
		t.Fatal(err)
	}
	f, err := objects.Open(t.Context(), s, "a")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(root, "a")
	later := f.Info.Time.Add(time.Second)
	if err := errors.Join(os.WriteFile(name, []byte("behind"), 0o666), os.Chtimes(name, later, later)); err != nil {
		t.Fatal(err)
	}
	if n, err := f.ReadAt(make([]byte, 3), 0); n != 0 || !errors.Is(err, objects.ErrChanged) {
		t.Errorf("%d %v", n, err)
	}
}

// The CRC32C of two texts is that of both, joined.
func TestJoinCRC32C(t *testing.T) {
	sum := func(b []byte) uint32 { return crc32.Checksum(b, objects.Castagnoli) }
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.SliceOf(rapid.Byte()).Draw(t, "a"), rapid.SliceOf(rapid.Byte()).Draw(t, "b")
		if got, want := objects.JoinCRC32C(sum(a), sum(b), int64(len(b))), sum(append(a, b...)); got != want {
			t.Fatalf("%08x, want %08x", got, want)
		}
	})
	// A GiB of zeros is 64 times 16 MiB of them.
	zeros := sum(make([]byte, 16<<20))
	whole := zeros
	for range 63 {
		whole = objects.JoinCRC32C(whole, zeros, 16<<20)
	}
	half := zeros
	for n := int64(16 << 20); n < 512<<20; n *= 2 {
		half = objects.JoinCRC32C(half, half, n)
	}
	if got := objects.JoinCRC32C(half, half, 512<<20); got != whole {
		t.Errorf("%08x by doubling, %08x one by one", got, whole)
	}
}

func FuzzCheckName(f *testing.F) {
	for _, seed := range []string{"", "a/b", "../a", "a/../b", "/a", "a\\b", "nightly/2026-11-24/79e14de/report.md", "a\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if objects.CheckName(name) == nil && (!filepath.IsLocal(name) || strings.HasPrefix(name, "/") || filepath.ToSlash(filepath.Clean(name)) != name) {
			t.Fatalf("%q", name)
		}
	})
}
