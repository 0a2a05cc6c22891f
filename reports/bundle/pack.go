// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"archive/tar"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Pack writes the .tar.zst form of a bundle, which must verify, to the file out,
// which must not exist. The manifest comes first, so that readers know what may
// follow; the same bundle gives the same bytes with one version of the program.
func Pack(dir, out string) (err error) {
	r, err := Verify(dir)
	switch {
	case err != nil:
		return err
	case !r.Manifest:
		return fmt.Errorf("%s: has no manifest.json; only bundles of this program are packed", dir)
	case !r.OK():
		return fmt.Errorf("%s: does not verify: %s", dir, r.first())
	}
	if exists(out) {
		return &fs.PathError{Op: "create", Path: out, Err: fs.ErrExist}
	}
	f, err := os.CreateTemp(filepath.Dir(out), "."+filepath.Base(out)+".partial-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already, or no use
	if err := errors.Join(packTo(f, dir), f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := publishFile(f.Name(), out); err != nil {
		return err
	}
	syncDir(filepath.Dir(out))
	return nil
}

// publishFile gives a file its name, unless there is one of that name.
func publishFile(from, to string) error {
	err := os.Link(from, to)
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission) {
		return renameFile(from, to) // no links here
	}
	return err
}

// renameFile takes the name first: a rename would replace what got it meanwhile.
func renameFile(from, to string) error {
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if err = errors.Join(f.Close(), os.Rename(from, to)); err != nil {
		_ = os.Remove(to) // it is ours, and empty
	}
	return err
}

func packTo(w io.Writer, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	text, err := root.ReadFile(manifestFile)
	if err != nil {
		return err
	}
	m, err := parseManifest(text)
	if err != nil {
		return err
	}
	z, err := zstd.NewWriter(w)
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	members := []string{manifestFile, checksumsFile}
	for _, f := range m.Files {
		members = append(members, f.Path)
	}
	for _, name := range members {
		if err := packFile(t, root, name, m.Time); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", name, err), z.Close())
		}
	}
	return errors.Join(t.Close(), z.Close())
}

func packFile(t *tar.Writer, root *os.Root, name string, at time.Time) error {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: info.Size(), Mode: 0o644, ModTime: at.Truncate(time.Second)}); err != nil {
		return err
	}
	_, err = io.Copy(t, f)
	return err
}

// first is what is wrong, in a line.
func (r *Result) first() string {
	switch {
	case len(r.Problems) > 0:
		return r.Problems[0]
	case len(r.Changed) > 0:
		return r.Changed[0] + ": not what was hashed"
	case len(r.Missing) > 0:
		return r.Missing[0] + ": missing"
	case len(r.Extra) > 0:
		return r.Extra[0] + ": in no list"
	}
	return "nothing"
}

// limits are of what a packed bundle may be.
type limits struct {
	files int
	bytes int64
}

// limitsFor bounds what a packed file of a size may expand to: a thousandfold
// beyond the first GiB, and 1 TiB.
func limitsFor(size int64) limits {
	return limits{files: maxFiles, bytes: min(1<<30+1000*min(size, 1<<30), 1<<40)}
}

// A refusal is what a packed bundle can't be: it was not made by Pack, or was
// tampered with.
type refusal struct{ error }

func refuse(name, format string, args ...any) error {
	return &refusal{fmt.Errorf("entry %q: %w", name, fmt.Errorf(format, args...))}
}

// Unpack expands a packed bundle to the directory dir, which must not exist. A
// packed bundle that breaks a rule is refused, with the entry that does, and
// nothing is left: paths that lead out of dir or that differ in case only,
// entries that are no files, that the manifest doesn't list, or with another size
// or hash, too many of them, too many bytes.
func Unpack(file, dir string) (err error) {
	f, info, err := openPacked(file)
	if err != nil {
		return err
	}
	defer f.Close()
	s, err := newStage(dir, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.abandon()) }()
	r, err := unpack(f, limitsFor(info.Size()), s.write)
	if err == nil && !r.OK() {
		err = errors.New(r.first())
	}
	if err != nil {
		return fmt.Errorf("%s: refused: %w", file, err)
	}
	return s.publish()
}

func openPacked(name string) (*os.File, fs.FileInfo, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %s, wanted a .tar.zst file", name, kindOf(info.Mode()))
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

func verifyPacked(name string) (*Result, error) {
	f, info, err := openPacked(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := unpack(f, limitsFor(info.Size()), hashOnly)
	var refused *refusal
	if errors.As(err, &refused) {
		r.Problems, err = append(r.Problems, refused.Error()), nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	r.sort()
	return r, nil
}

func hashOnly(_ string, from io.Reader) (int64, string, error) {
	h := sha256.New()
	n, err := io.Copy(h, from)
	return n, hex.EncodeToString(h.Sum(nil)), err
}

// An unpacker reads a packed bundle, entry by entry.
type unpacker struct {
	Result
	tar      *tar.Reader
	limits   limits
	names    *names
	manifest *Manifest
	sum      string           // of manifest.json
	wanted   map[string]*File // not seen yet
	list     []checksum
	write    func(name string, from io.Reader) (int64, string, error)
}

// unpack passes every entry that may be one to write. The result is never nil.
func unpack(from io.Reader, l limits, write func(string, io.Reader) (int64, string, error)) (*Result, error) {
	u := &unpacker{limits: l, names: newNames(), write: write}
	z, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
	if err != nil {
		return &u.Result, err
	}
	defer z.Close()
	u.tar = tar.NewReader(z)
	for n := 0; ; n++ {
		h, err := u.tar.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil && n >= l.files {
			err = refuse(h.Name, "more than %d entries", l.files)
		} else if err == nil {
			err = u.entry(n, h)
		} else {
			err = &refusal{fmt.Errorf("entry %d: %w", n+1, err)}
		}
		if err != nil {
			return &u.Result, err
		}
	}
	return &u.Result, u.end(z)
}

func (u *unpacker) entry(n int, h *tar.Header) error {
	if err := u.names.add(h.Name); err != nil {
		return refuse(h.Name, "%w", err)
	}
	switch {
	case h.Typeflag != tar.TypeReg:
		return refuse(h.Name, "%s, wanted a file", cmp.Or(map[byte]string{tar.TypeSymlink: "a symbolic link", tar.TypeLink: "a link", tar.TypeDir: "a directory", tar.TypeChar: "a device", tar.TypeBlock: "a device", tar.TypeFifo: "a pipe"}[h.Typeflag], "a special file"))
	case n == 0 && h.Name != manifestFile:
		return refuse(h.Name, "the first entry, wanted %s", manifestFile)
	case h.Size < 0 || h.Size > u.limits.bytes-u.Bytes:
		return refuse(h.Name, "expands to more than %d bytes in all", u.limits.bytes)
	}
	u.Bytes += h.Size
	if h.Name == manifestFile || h.Name == checksumsFile {
		return u.index(h.Name)
	}
	f, ok := u.wanted[h.Name]
	switch {
	case !ok:
		return refuse(h.Name, "is not in %s", manifestFile)
	case f.Bytes != h.Size:
		return refuse(h.Name, "%d bytes, %s says %d", h.Size, manifestFile, f.Bytes)
	}
	delete(u.wanted, h.Name)
	return u.take(f.Path, f.SHA256, u.tar)
}

func (u *unpacker) take(name, sum string, from io.Reader) error {
	source := &source{from: from}
	_, got, err := u.write(name, source)
	switch {
	case source.err != nil:
		return refuse(name, "%w", source.err)
	case err != nil:
		return fmt.Errorf("%s: %w", name, err) // of our disk
	case sum != "" && got != sum:
		return refuse(name, "its SHA-256 is %s, %s says %s", got, manifestFile, sum)
	case name == manifestFile:
		u.sum = got
	}
	return nil
}

// A source keeps the error of reading apart from those of writing.
type source struct {
	from io.Reader
	err  error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// index reads one of the files that describe the others.
func (u *unpacker) index(name string) error {
	text, err := readIndex(name, u.tar)
	if err != nil {
		return refuse(name, "%w", err)
	}
	if name == checksumsFile {
		u.list, err = parseChecksums(text)
	} else if u.manifest, err = parseManifest(text); err == nil {
		u.Result.Manifest = true
		u.Listed = len(u.manifest.Files) + 1
		u.droppedFrom(u.manifest)
		u.wanted = make(map[string]*File, len(u.manifest.Files))
		var total int64
		for i := range u.manifest.Files {
			f := &u.manifest.Files[i]
			u.wanted[f.Path] = f
			if total += f.Bytes; f.Bytes > u.limits.bytes || total > u.limits.bytes || i >= u.limits.files {
				return refuse(f.Path, "the manifest lists more than %d files or %d bytes", u.limits.files, u.limits.bytes)
			}
		}
	}
	if err != nil {
		return refuse(name, "%w", err)
	}
	return u.take(name, "", bytes.NewReader(text))
}

// end compares what was there with what should have been. Nothing but zeros may
// follow the last entry.
func (u *unpacker) end(rest io.Reader) error {
	tail, err := io.ReadAll(io.LimitReader(rest, 1<<20))
	switch {
	case err != nil:
		return &refusal{fmt.Errorf("behind the last entry: %w", err)}
	case u.manifest == nil:
		return &refusal{errors.New("holds no " + manifestFile)}
	case len(tail) == 1<<20 || slices.ContainsFunc(tail, func(b byte) bool { return b != 0 }):
		return &refusal{errors.New("more behind the last entry")}
	}
	for name := range u.wanted {
		u.Missing = append(u.Missing, name)
	}
	sum, problems := agree(u.manifest, u.list)
	switch {
	case u.list == nil:
		u.Missing = append(u.Missing, checksumsFile)
	case sum != "" && sum != u.sum:
		u.Changed = append(u.Changed, manifestFile)
		fallthrough
	default:
		u.Problems = append(u.Problems, problems...)
	}
	u.sort()
	return nil
}
