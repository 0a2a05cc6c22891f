// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// A member is one entry of a packed bundle.
type member struct {
	name, data string
	kind       byte
}

func packed(t testing.TB, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Mode: 0o644, Typeflag: tar.TypeReg, Size: int64(len(m.data))}
		if m.kind != 0 {
			h.Typeflag, h.Size, h.Linkname = m.kind, 0, m.data
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if m.kind == 0 {
			if _, err := io.WriteString(w, m.data); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// lists makes the manifest and checksums of files, so that hostile ones are
// refused for what they are.
func lists(t testing.TB, files ...member) []member {
	t.Helper()
	m := Manifest{Schema: schema, Redaction: "none"}
	for _, f := range files {
		sum := sha256.Sum256([]byte(f.data))
		m.Files = append(m.Files, File{Path: f.name, Bytes: int64(len(f.data)), SHA256: hex.EncodeToString(sum[:]), Role: "log"})
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return []member{{name: manifestFile, data: string(text)}, {name: checksumsFile, data: string(formatChecksums(&m, text))}}
}

func TestHostile(t *testing.T) {
	good := member{name: "logs/a", data: "hello"}
	with := func(extra ...member) []member { return append(append(lists(t, good), good), extra...) }
	lying := func(edit func(*File)) []member {
		all := lists(t, good)
		m, err := parseManifest([]byte(all[0].data))
		if err != nil {
			t.Fatal(err)
		}
		edit(&m.Files[0])
		text, _ := json.Marshal(m)
		all[0].data, all[1].data = string(text), string(formatChecksums(m, text))
		return append(all, good)
	}
	for _, c := range []struct {
		name    string
		members []member
		want    string
	}{
		{"parent", with(member{name: "../evil", data: "x"}), `entry "../evil": leads out`},
		{"inner parent", with(member{name: "logs/../../evil", data: "x"}), `entry "logs/../../evil": leads out`},
		{"absolute", with(member{name: "/tmp/evil", data: "x"}), `entry "/tmp/evil": an absolute path`},
		{"backslash", with(member{name: `..\evil`, data: "x"}), `entry "..\\evil": has a backslash`},
		{"drive", with(member{name: "C:evil", data: "x"}), "a colon"},
		{"symlink", with(member{name: "logs/l", data: "/etc/passwd", kind: tar.TypeSymlink}), `entry "logs/l": a symbolic link`},
		{"hard link", with(member{name: "logs/l", data: "logs/a", kind: tar.TypeLink}), `entry "logs/l": a link`},
		{"device", with(member{name: "logs/d", kind: tar.TypeChar}), `entry "logs/d": a device`},
		{"pipe", with(member{name: "logs/p", kind: tar.TypeFifo}), `entry "logs/p": a pipe`},
		{"directory", with(member{name: "logs", kind: tar.TypeDir}), `entry "logs`},
		{"case", with(member{name: "logs/A", data: "x"}), `entry "logs/A": differs from "logs/a" in nothing but case`},
		{"case of a directory", with(member{name: "Logs/b", data: "x"}), `entry "Logs/b": differs from "logs" in nothing but case`},
		{"file as directory", with(member{name: "logs/a/b", data: "x"}), `entry "logs/a/b": "logs/a" is a file`},
		{"twice", with(good), `entry "logs/a": is there twice`},
		{"unlisted", with(member{name: "logs/b", data: "x"}), `entry "logs/b": is not in manifest.json`},
		{"wrong hash", append(lists(t, good), member{name: "logs/a", data: "jello"}), `entry "logs/a": its SHA-256 is`},
		{"wrong size", append(lists(t, good), member{name: "logs/a", data: "hello!"}), `entry "logs/a": 6 bytes, manifest.json says 5`},
		{"missing", lists(t, good), "logs/a: missing"},
		{"no manifest", []member{good}, `entry "logs/a": the first entry, wanted manifest.json`},
		{"no checksums", []member{lists(t, good)[0], good}, "checksums.txt: missing"},
		{"other checksums", []member{lists(t, good)[0], lists(t, member{name: "logs/a", data: "other"})[1], good}, "disagree about its hash"},
		{"huge", lying(func(f *File) { f.Bytes = 1 << 50 }), `entry "logs/a": the manifest lists more than`},
		{"negative", lying(func(f *File) { f.Bytes = -1 }), `entry "logs/a": -1 bytes`},
		{"parents", lying(func(f *File) { f.Parents = []string{"12"} }), `entry "logs/a": parent "12" is not in the bundle`},
		{"manifest leads out", lying(func(f *File) { f.Path = "../a" }), `entry "../a": leads out`},
		{"manifest of itself", lying(func(f *File) { f.Path = manifestFile }), `entry "manifest.json": lists itself`},
		{"nothing", nil, "holds no manifest.json"},
	} {
		t.Run(c.name, func(t *testing.T) { refused(t, packed(t, c.members...), c.want) })
	}
	t.Run("no zstd", func(t *testing.T) { refused(t, []byte("hello, this is no archive at all"), "entry 1: ") })
	t.Run("cut", func(t *testing.T) { b := packed(t, with()...); refused(t, b[:len(b)-20], "") })
	t.Run("good", func(t *testing.T) {
		dir := t.TempDir()
		p := filepath.Join(dir, "g.tar.zst")
		if err := os.WriteFile(p, packed(t, with()...), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := Unpack(p, filepath.Join(dir, "out")); err != nil {
			t.Error(err) // or the cases above prove nothing
		}
	})
}

// refused wants a packed bundle not to unpack nor to verify, for a reason, and
// nothing to be written.
func refused(t *testing.T, data []byte, want string) {
	t.Helper()
	dir := t.TempDir()
	p := filepath.Join(dir, "inner", "bad.tar.zst")
	put(t, dir, "inner/bad.tar.zst", string(data))
	err := Unpack(p, filepath.Join(dir, "inner", "out"))
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("unpack: %v, wanted %q", err, want)
	}
	var left []string
	_ = filepath.WalkDir(dir, func(q string, d os.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			left = append(left, q)
		}
		return err
	})
	if len(left) != 1 || exists(filepath.Join(dir, "inner", "out")) || exists(filepath.Join(dir, "inner", ".out.partial")) {
		t.Errorf("left behind: %v", left)
	}
	if r, err := Verify(p); err != nil || r.OK() {
		t.Errorf("verify: %+v, %v", r, err)
	}
}

func TestBounds(t *testing.T) {
	var files []member
	for i := range 20 {
		files = append(files, member{name: fmt.Sprintf("logs/%02d", i), data: strings.Repeat("\x00", 1000)})
	}
	data := packed(t, append(lists(t, files...), files...)...)
	for _, c := range []struct {
		limits limits
		want   string
	}{
		{limits{100, 1 << 20}, ""},
		{limits{10, 1 << 20}, `entry "logs/10": the manifest lists more than 10 files`},
		{limits{21, 1 << 20}, `entry "logs/19": more than 21 entries`},
		{limits{100, 10_000}, "bytes"},
		{limits{100, 100}, `entry "manifest.json": expands to more than 100 bytes`},
	} {
		_, err := unpack(bytes.NewReader(data), c.limits, hashOnly)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %v, wanted %q", c.limits, err, c.want)
		}
	}
}

// A bomb behind the last entry is not read to its end.
func TestTrailingBomb(t *testing.T) {
	good := member{name: "logs/a", data: "hello"}
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(make([]byte, 64<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	refused(t, append(packed(t, append(lists(t, good), good)...), b.Bytes()...), "more behind the last entry")
}

func FuzzUnpack(f *testing.F) {
	good := member{name: "logs/a", data: "hello"}
	f.Add(packed(f, append(lists(f, good), good)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := unpack(bytes.NewReader(data), limits{100, 1 << 20}, hashOnly)
		if r == nil || err == nil && r.OK() && !r.Manifest {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(lists(f, member{name: "logs/a", data: "hello"})[0].data))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseManifest(data)
		if err != nil {
			return
		}
		for _, file := range m.Files {
			if !filepath.IsLocal(file.Path) {
				t.Errorf("%q leads out", file.Path)
			}
		}
		list, err := parseChecksums(formatChecksums(m, data))
		if err != nil {
			t.Fatal(err)
		}
		if _, problems := agree(m, list); len(problems) > 0 {
			t.Error(problems)
		}
	})
}

// Where there are no links, too, what got the name while it was packed stays.
func TestPackKeepsNames(t *testing.T) {
	dir := t.TempDir()
	from, to := put(t, dir, "from", "packed"), put(t, dir, "to", "precious")
	if err := renameFile(from, to); !errors.Is(err, fs.ErrExist) {
		t.Errorf("%v, want that the name is taken", err)
	}
	if text, err := os.ReadFile(to); err != nil || string(text) != "precious" {
		t.Errorf("%q, %v", text, err)
	}
	free := filepath.Join(dir, "free")
	if err := renameFile(from, free); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(free); err != nil || string(text) != "packed" {
		t.Errorf("%q, %v", text, err)
	}
	if err := renameFile(from, filepath.Join(dir, "gone")); err == nil {
		t.Error("renamed nothing")
	}
	if _, err := os.Lstat(filepath.Join(dir, "gone")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left behind: %v", err)
	}
}
