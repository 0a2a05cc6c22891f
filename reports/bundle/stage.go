// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// A stage is a directory in the making, beside its target. It gets the target's
// name once everything in it is on the disk.
type stage struct {
	target, partial string
	lock            *os.File // nil where directories can't be locked
	root            *os.Root
	done            bool            // it has its name
	dirs            map[string]bool // below root, to be synced
}

// newStage makes the directory .NAME.partial, or takes over one that a crash
// left behind: what is in it goes.
func newStage(target string) (*stage, error) {
	abs, err := filepath.Abs(target)
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(abs); err == nil {
		return nil, &fs.PathError{Op: "create", Path: target, Err: fs.ErrExist}
	}
	if err := os.MkdirAll(filepath.Dir(abs), 0o777); err != nil {
		return nil, err
	}
	s := &stage{target: abs, partial: filepath.Join(filepath.Dir(abs), "."+filepath.Base(abs)+".partial"), dirs: map[string]bool{".": true}}
	if err := os.Mkdir(s.partial, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if s.root, err = os.OpenRoot(s.partial); err != nil {
		return nil, err
	}
	if s.lock, err = lockDir(s.partial); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", s.partial, err), s.root.Close())
	}
	if err := s.empty(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// empty removes what a crash left behind. The lock may have been waited for
// while another process published the very directory: then it is no leftover.
func (s *stage) empty() error {
	opened, err := s.root.Stat(".")
	if err != nil {
		return err
	}
	now, err := os.Lstat(s.partial)
	if err != nil || !os.SameFile(opened, now) {
		return fmt.Errorf("%s: another process made it at the same time", s.target)
	}
	entries, err := fs.ReadDir(s.root.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := s.root.RemoveAll(e.Name()); err != nil {
			return err
		}
	}
	return nil
}

// write writes one file and returns its size and hash.
func (s *stage) write(name string, from io.Reader) (n int64, sum string, err error) {
	dir := path.Dir(name)
	if err := s.root.MkdirAll(dir, 0o777); err != nil {
		return 0, "", err
	}
	for ; dir != "."; dir = path.Dir(dir) {
		s.dirs[dir] = true
	}
	f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return 0, "", err
	}
	h := sha256.New()
	n, err = io.Copy(io.MultiWriter(f, h), from)
	if err == nil {
		err = f.Sync()
	}
	return n, hex.EncodeToString(h.Sum(nil)), errors.Join(err, f.Close())
}

func (s *stage) writeBytes(name string, data []byte) (string, error) {
	_, sum, err := s.write(name, bytes.NewReader(data))
	return sum, err
}

// publish gives the directory its name.
func (s *stage) publish() error {
	for dir := range s.dirs {
		syncDir(filepath.Join(s.partial, filepath.FromSlash(dir)))
	}
	if _, err := os.Lstat(s.target); err == nil {
		return &fs.PathError{Op: "create", Path: s.target, Err: fs.ErrExist}
	}
	if err := s.root.Close(); err != nil {
		return err
	}
	if err := os.Rename(s.partial, s.target); err != nil {
		return err
	}
	s.done = true
	syncDir(filepath.Dir(s.target))
	return s.unlock()
}

// abandon removes the directory; after publish it does nothing.
func (s *stage) abandon() error {
	if s.done {
		return nil
	}
	return errors.Join(s.root.Close(), os.RemoveAll(s.partial), s.unlock())
}

func (s *stage) close() error { return errors.Join(s.root.Close(), s.unlock()) }

func (s *stage) unlock() error {
	if s.lock == nil {
		return nil
	}
	f := s.lock
	s.lock = nil
	return f.Close()
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// syncDir makes new names last. Not all systems can sync a directory: then they
// last when the system says so.
func syncDir(name string) {
	if f, err := os.Open(name); err == nil {
		_ = f.Sync()  // see above
		_ = f.Close() // opened for reading
	}
}
