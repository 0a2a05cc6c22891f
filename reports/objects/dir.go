// SPDX-License-Identifier: Apache-2.0

package objects

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"strings"
	"time"
)

// newFiles is the directory of files in the making, below the root. They are no
// objects. What a crash left there is removed by a later Put.
const (
	newFiles   = ".new"
	newForDays = 2
)

// Dir keeps objects as files below a directory, which the first one creates.
// They appear whole: written in another place, synced, and linked. Symbolic
// links that lead out of the directory are not followed.
func Dir(root string) Store { return dir(root) }

type dir string

func (d dir) String() string { return string(d) }

func (d dir) Stat(ctx context.Context, name string) (Info, error) {
	f, o, err := d.open(name)
	if err != nil {
		return Info{}, err
	}
	defer f.Close()
	o.CRC32C, err = sumOf(ctx, f)
	return o, err
}

func sumOf(ctx context.Context, r io.Reader) (uint32, error) {
	h := crc32.New(Castagnoli)
	_, err := io.Copy(h, stopping(ctx, r))
	return h.Sum32(), err
}

// open opens an object's file. A directory is none.
func (d dir) open(name string) (*os.File, Info, error) {
	if err := CheckName(name); err != nil {
		return nil, Info{}, err
	}
	root, err := os.OpenRoot(string(d)) // no symbolic link leads out of it
	if err != nil {
		return nil, Info{}, err
	}
	defer root.Close()
	info, err := root.Stat(name)
	if errors.Is(err, errNotDir) || err == nil && !info.Mode().IsRegular() {
		// Below a file; or a directory, or a pipe, which opening would wait for.
		err = &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	if err != nil {
		return nil, Info{}, err
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, Info{}, err
	}
	if info, err = f.Stat(); err != nil {
		return nil, Info{}, errors.Join(err, f.Close())
	}
	return f, infoOf(name, info), nil
}

func infoOf(name string, info fs.FileInfo) Info {
	return Info{Name: name, Size: info.Size(), Generation: max(info.ModTime().UnixNano(), 1), Time: info.ModTime()}
}

func (d dir) Read(ctx context.Context, name string, generation, offset, length int64) (io.ReadCloser, error) {
	f, o, err := d.open(name)
	if err != nil {
		return nil, err
	}
	switch {
	case generation != 0 && generation != o.Generation:
		err = &fs.PathError{Op: "read", Path: name, Err: ErrChanged}
	case offset < 0 || offset > o.Size || length > o.Size-offset:
		err = &fs.PathError{Op: "read", Path: name, Err: io.ErrUnexpectedEOF}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if length < 0 {
		length = o.Size - offset
	}
	return &section{stopping(ctx, io.NewSectionReader(f, offset, length)), f}, nil
}

type section struct {
	io.Reader
	io.Closer
}

func (d dir) Put(ctx context.Context, name string, c Content) (Info, error) {
	return d.create(ctx, name, c.CRC32C, func(w io.Writer) error {
		n, err := io.Copy(w, Reading(ctx, c))
		if err == nil && n != c.Size {
			err = fmt.Errorf("has %d bytes by now, wanted %d", n, c.Size)
		}
		return err
	})
}

func (d dir) Compose(ctx context.Context, name string, parts []Info, c Content) (Info, error) {
	if len(parts) == 0 || len(parts) > MaxParts {
		return Info{}, fmt.Errorf("%s: %d parts, wanted 1 to %d", name, len(parts), MaxParts)
	}
	return d.create(ctx, name, c.CRC32C, func(w io.Writer) error {
		for _, p := range parts {
			r, err := d.Read(ctx, p.Name, p.Generation, 0, -1)
			if err != nil {
				return err
			}
			_, err = io.Copy(w, r)
			if err := errors.Join(err, r.Close()); err != nil {
				return err
			}
		}
		return nil
	})
}

// create writes a file beside its place and links it there.
func (d dir) create(ctx context.Context, name string, sum uint32, write func(io.Writer) error) (Info, error) {
	if err := CheckName(name); err != nil {
		return Info{}, err
	}
	if err := os.MkdirAll(string(d), 0o777); err != nil {
		return Info{}, err
	}
	root, err := os.OpenRoot(string(d))
	if err != nil {
		return Info{}, err
	}
	defer root.Close()
	if _, err := root.Lstat(name); err == nil {
		return Info{}, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	f, temp, err := newIn(root)
	if err != nil {
		return Info{}, err
	}
	defer func() {
		_ = root.Remove(temp) // gone already, or no use
		_ = root.Remove(newFiles)
	}()
	if err := writeSynced(f, sum, write); err != nil {
		return Info{}, fmt.Errorf("%s: %w", name, err)
	}
	if err := ctx.Err(); err != nil {
		return Info{}, err
	}
	if err = linkTo(root, temp, name); noLinks(err) {
		err = renameTo(root, temp, name)
	}
	if err != nil {
		return Info{}, err
	}
	info, err := root.Stat(name)
	if err != nil {
		return Info{}, err
	}
	o := infoOf(name, info)
	o.CRC32C = sum
	return o, syncDir(root, path.Dir(name))
}

// newIn makes a file in the directory for that, which others may remove when it
// is empty.
func newIn(root *os.Root) (f *os.File, name string, err error) {
	name = path.Join(newFiles, rand.Text())
	for range 10 {
		if err = root.Mkdir(newFiles, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, "", err
		}
		if f, err = root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err == nil {
		sweep(root)
	}
	return f, name, err
}

// sweep removes old files that nobody makes any more.
func sweep(root *os.Root) {
	entries, err := fs.ReadDir(root.FS(), newFiles)
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > newForDays*24*time.Hour {
			_ = root.Remove(path.Join(newFiles, e.Name())) // the next one will
		}
	}
}

// linkTo gives a file its name. Delete may remove the directory, when it is
// empty, at the same time.
func linkTo(root *os.Root, temp, name string) (err error) {
	for range 10 {
		if err = root.MkdirAll(path.Dir(name), 0o777); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err = root.Link(temp, name); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return err
}

// noLinks says that the file system has none: FAT, some mounts.
func noLinks(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission)
}

// renameTo gives a file its name where there are no links. A rename would replace
// what another writer put there a moment ago, so the name is taken first. Until
// the rename the object is there without content; a crash in between leaves that.
func renameTo(root *os.Root, temp, name string) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	err = root.Rename(temp, name)
	if err != nil {
		_ = root.Remove(name) // it is ours, and empty
	}
	return err
}

// writeSynced writes a file and compares its checksum.
func writeSynced(f *os.File, sum uint32, write func(io.Writer) error) error {
	h := crc32.New(Castagnoli)
	err := write(io.MultiWriter(f, h))
	if err == nil && h.Sum32() != sum {
		err = fmt.Errorf("%w: found %08x, wanted %08x", ErrSum, h.Sum32(), sum)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir makes new names last. Not all systems can sync a directory: then they
// last when the system says so.
func syncDir(root *os.Root, name string) error {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	_ = f.Sync() // see above
	return f.Close()
}

func (d dir) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		root, err := os.OpenRoot(string(d))
		if err == nil {
			defer root.Close()
			err = fs.WalkDir(root.FS(), path.Dir(prefix+"x"), func(name string, e fs.DirEntry, err error) error {
				switch {
				case errors.Is(err, fs.ErrNotExist):
					return nil // removed a moment ago
				case err != nil:
					return err
				case ctx.Err() != nil:
					return ctx.Err()
				case name == newFiles:
					return fs.SkipDir
				case e.IsDir() || !strings.HasPrefix(name, prefix):
					return nil
				}
				info, err := e.Info()
				if e.Type()&fs.ModeSymlink != 0 {
					if info, err = root.Stat(name); err != nil {
						return nil // leads nowhere, or out of the root
					}
				}
				switch {
				case errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular():
					return nil
				case err != nil:
					return err
				}
				if !yield(infoOf(name, info), nil) {
					return fs.SkipAll
				}
				return nil
			})
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errNotDir) {
			yield(Info{}, err)
		}
	}
}

func (d dir) Delete(_ context.Context, o Info) error {
	f, now, err := d.open(o.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if now.Generation != o.Generation {
		return &fs.PathError{Op: "remove", Path: o.Name, Err: ErrChanged}
	}
	root, err := os.OpenRoot(string(d))
	if err != nil {
		return err
	}
	defer root.Close()
	err = root.Remove(o.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	// A directory that became empty goes with its last object, as in a bucket.
	for at := path.Dir(o.Name); err == nil && at != "."; at = path.Dir(at) {
		if root.Remove(at) != nil {
			break
		}
	}
	return err
}
