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
	"slices"
)

// A stage is a directory in the making, beside its target. It gets the target's
// name once everything in it is on the disk.
type stage struct {
	target, partial string
	lock            *os.File // nil where directories can't be locked
	root            *os.Root
	done            bool            // it has its name
	dirs            map[string]bool // below root, to be synced
	files           map[string]bool // written, or reused, by this attempt
	journal         *journal        // nil = nothing is resumed
}

// newStage makes the directory .NAME.partial, or takes over one that a crash left
// behind. What is in it goes, unless resume says that whole files of it may be
// used again.
func newStage(target string, resume bool) (*stage, error) {
	abs, err := filepath.Abs(target)
	if err != nil {
		return nil, err
	}
	s := &stage{
		target: abs, partial: filepath.Join(filepath.Dir(abs), "."+filepath.Base(abs)+".partial"),
		dirs: map[string]bool{".": true}, files: make(map[string]bool),
	}
	if exists(abs) {
		if !exists(s.partial) { // a crash came between the name and the end of the journal
			_ = os.Remove(journalFile(s.partial))
		}
		return nil, &fs.PathError{Op: "create", Path: target, Err: fs.ErrExist}
	}
	if err := os.MkdirAll(filepath.Dir(abs), 0o777); err != nil {
		return nil, err
	}
	if err := os.Mkdir(s.partial, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if s.root, err = os.OpenRoot(s.partial); err != nil {
		return nil, err
	}
	if s.lock, err = lockDir(s.partial); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", s.partial, err), s.root.Close())
	}
	err = s.ours()
	if err == nil && resume {
		s.journal, err = openJournal(journalFile(s.partial))
	} else if err == nil {
		err = s.empty()
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// ours refuses a directory that another process published while we waited for
// its lock.
func (s *stage) ours() error {
	opened, err := s.root.Stat(".")
	if err != nil {
		return err
	}
	now, err := os.Lstat(s.partial)
	if err != nil || !os.SameFile(opened, now) {
		return fmt.Errorf("%s: another process made it at the same time", s.target)
	}
	return nil
}

// empty removes what a crash left behind.
func (s *stage) empty() error {
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

// prune removes what an earlier attempt, with other arguments, left behind.
func (s *stage) prune() error {
	var dirs []string
	err := fs.WalkDir(s.root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			dirs = append(dirs, p)
		case !s.files[p]:
			return s.root.Remove(p)
		}
		return nil
	})
	slices.Reverse(dirs)
	for _, d := range dirs {
		if !s.dirs[d] {
			err = errors.Join(err, s.root.Remove(d))
		}
	}
	return err
}

// write writes one file, which nobody changes from then on, and returns its size
// and hash.
func (s *stage) write(name string, from io.Reader) (n int64, sum string, err error) {
	if err := s.use(name); err != nil {
		return 0, "", err
	}
	if err := s.root.RemoveAll(name); err != nil { // an earlier attempt's
		return 0, "", err
	}
	f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return 0, "", err
	}
	h := sha256.New()
	n, err = io.Copy(io.MultiWriter(f, h), from)
	if err == nil {
		err = errors.Join(f.Chmod(0o444), f.Sync())
	}
	return n, hex.EncodeToString(h.Sum(nil)), errors.Join(err, f.Close())
}

// use makes the directories of a file of this attempt.
func (s *stage) use(name string) error {
	s.files[name] = true
	dir := path.Dir(name)
	if info, err := s.root.Lstat(dir); err == nil && !info.IsDir() {
		if err := s.root.Remove(dir); err != nil {
			return err
		}
	}
	for at := dir; at != "."; at = path.Dir(at) {
		s.dirs[at] = true
	}
	return s.root.MkdirAll(dir, 0o777)
}

func (s *stage) writeBytes(name string, data []byte) (string, error) {
	_, sum, err := s.write(name, bytes.NewReader(data))
	return sum, err
}

// publish gives the directory its name.
func (s *stage) publish() error {
	if err := s.prune(); err != nil {
		return err
	}
	for dir := range s.dirs {
		syncDir(filepath.Join(s.partial, filepath.FromSlash(dir)))
	}
	if exists(s.target) {
		return &fs.PathError{Op: "create", Path: s.target, Err: fs.ErrExist}
	}
	if err := s.root.Close(); err != nil {
		return err
	}
	if err := os.Rename(s.partial, s.target); err != nil {
		return err
	}
	s.done = true
	err := s.journal.remove()
	syncDir(filepath.Dir(s.target))
	return errors.Join(err, s.unlock())
}

// abandon removes the directory; after publish it does nothing.
func (s *stage) abandon() error {
	if s.done {
		return nil
	}
	return errors.Join(s.root.Close(), os.RemoveAll(s.partial), s.journal.remove(), s.unlock())
}

func (s *stage) close() error { return errors.Join(s.root.Close(), s.journal.close(), s.unlock()) }

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
