// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"

	"github.com/layerscope/layerscope/reports/objects"
)

// A stage is a run that is being fetched: its files, and a journal of the ranges
// that are there. A line is written behind the bytes it speaks of; bytes are
// compared with it when another process goes on.
type stage struct {
	dir, files string // .NAME.pulling, and files/ in it
	root       *os.Root
	lock       *os.File // nil where there are no locks

	mu      sync.Mutex
	journal *os.File
	known   map[string]map[int64]entry // by path and offset
	fresh   map[string]bool            // files of which something was fetched now
}

// An entry is a range that is there.
type entry struct {
	Path       string `json:"path"`
	Generation int64  `json:"generation"`
	Offset     int64  `json:"offset"`
	Length     int64  `json:"length"`
	CRC32C     uint32 `json:"crc32c"`
}

// What is in a stage's directory.
const (
	journalFile = "journal"
	filesDir    = "files"
)

// openStage makes a target's stage, or goes on with the one that is there if it
// is of the same run. The run is known by a hash of what identifies it.
func openStage(target string, id []byte) (*stage, error) {
	abs, err := filepath.Abs(target)
	if err != nil {
		return nil, err
	}
	st := &stage{dir: pullingDir(abs), known: make(map[string]map[int64]entry), fresh: make(map[string]bool)}
	st.files = filepath.Join(st.dir, filesDir)
	if err := os.MkdirAll(st.dir, 0o777); err != nil {
		return nil, err
	}
	if info, err := os.Lstat(st.dir); err != nil || !info.IsDir() {
		return nil, errors.Join(fmt.Errorf("%s: a link, wanted a directory", st.dir), err)
	}
	if st.lock, err = lockDir(st.dir); err != nil {
		return nil, fmt.Errorf("%s: %w", st.dir, err)
	}
	if err := st.open(id); err != nil {
		return nil, errors.Join(err, st.close())
	}
	return st, nil
}

// open opens what is in the directory; no link leads out of it.
func (st *stage) open(id []byte) error {
	sum := sha256.Sum256(id)
	head := append([]byte(hex.EncodeToString(sum[:])), '\n')
	base, err := os.OpenRoot(st.dir)
	if err != nil {
		return err
	}
	defer base.Close()
	text, err := base.ReadFile(journalFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	lines, same := bytes.CutPrefix(text, head)
	if !same {
		if err := errors.Join(base.RemoveAll(filesDir), base.WriteFile(journalFile, head, 0o666)); err != nil {
			return err
		}
	}
	if err := base.Mkdir(filesDir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if info, err := base.Lstat(filesDir); err != nil || !info.IsDir() {
		return errors.Join(fmt.Errorf("%s: wanted a directory", st.files), err)
	}
	if st.root, err = base.OpenRoot(filesDir); err != nil {
		return err
	}
	whole := int64(len(text))
	if !same {
		whole = int64(len(head))
	}
	for line := range bytes.Lines(lines) {
		var e entry
		if !same || !bytes.HasSuffix(line, []byte("\n")) || json.Unmarshal(line, &e) != nil {
			whole -= int64(len(line)) // the last one, cut by a crash
			break
		}
		st.note(e)
	}
	if st.journal, err = base.OpenFile(journalFile, os.O_WRONLY|os.O_APPEND, 0o666); err != nil {
		return err
	}
	return st.journal.Truncate(whole)
}

func (st *stage) note(e entry) {
	if st.known[e.Path] == nil {
		st.known[e.Path] = make(map[int64]entry)
	}
	st.known[e.Path][e.Offset] = e
}

// begin makes a file, or keeps of it the ranges that belong to the object and
// are as the journal says.
func (st *stage) begin(name string, o objects.Info, part int64) error {
	if err := st.root.MkdirAll(path.Dir(name), 0o777); err != nil {
		return err
	}
	f, err := st.root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(o.Size); err != nil {
		return err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	for offset, e := range st.known[name] {
		good := e.Generation == o.Generation && offset%part == 0 && e.Length == min(part, o.Size-offset)
		if good {
			sum, err := sumRange(f, offset, e.Length)
			good = err == nil && sum == e.CRC32C
		}
		if !good {
			delete(st.known[name], offset)
		}
	}
	st.note(entry{Path: name, Generation: o.Generation, Offset: -1})
	return nil
}

func (st *stage) has(name string, offset int64) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	_, ok := st.known[name][offset]
	return ok
}

// write writes a range and notes it.
func (st *stage) write(name string, offset, n int64, from io.Reader) error {
	f, err := st.root.OpenFile(name, os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	h := crc32.New(objects.Castagnoli)
	got, err := io.Copy(io.MultiWriter(io.NewOffsetWriter(f, offset), h), from)
	if err == nil && got != n {
		err = io.ErrUnexpectedEOF
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	e := entry{Path: name, Generation: st.known[name][-1].Generation, Offset: offset, Length: n, CRC32C: h.Sum32()}
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	st.note(e)
	st.fresh[name] = true
	_, err = st.journal.Write(append(line, '\n'))
	return err
}

// sum is the CRC32C of a file's ranges, as they came.
func (st *stage) sum(name string, size int64) (sum uint32, fresh bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for offset := int64(0); offset < size; {
		e, ok := st.known[name][offset]
		if !ok || e.Length <= 0 {
			return 0, false // can't be: all were fetched
		}
		sum = objects.JoinCRC32C(sum, e.CRC32C, e.Length)
		offset += e.Length
	}
	return sum, st.fresh[name] || size == 0
}

// drop forgets a file's ranges.
func (st *stage) drop(name string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	delete(st.known, name)
}

// check hashes a file; "" is a hash that isn't known.
func (st *stage) check(name, want string) error {
	if want == "" {
		return nil
	}
	f, err := st.root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		return fmt.Errorf("%s: its SHA-256 is %s, %s says %s", name, got, manifestFile, want)
	}
	return nil
}

// publish gives the files their name, once they are on the disk.
func (st *stage) publish(target string) error {
	err := fs.WalkDir(st.root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		f, err := st.root.Open(p)
		if err != nil {
			return err
		}
		err = f.Sync()
		if d.IsDir() {
			err = nil // not all systems can sync a directory
		}
		return errors.Join(err, f.Close())
	})
	if err != nil {
		return errors.Join(err, st.close())
	}
	if _, err := os.Lstat(target); err == nil {
		return errors.Join(&fs.PathError{Op: "create", Path: target, Err: fs.ErrExist}, st.close())
	}
	if err := os.Rename(st.files, target); err != nil {
		return errors.Join(err, st.close())
	}
	if f, err := os.Open(filepath.Dir(filepath.Clean(target))); err == nil {
		_ = f.Sync() // as above
		_ = f.Close()
	}
	return st.discard()
}

// forgetStage removes what is left of a stage whose files have their name: its
// process was killed at the very end.
func forgetStage(target string) error {
	abs, err := filepath.Abs(target)
	if err != nil {
		return err
	}
	dir := pullingDir(abs)
	if _, err := os.Lstat(filepath.Join(dir, filesDir)); !errors.Is(err, fs.ErrNotExist) {
		return nil // another pull is at it
	}
	return os.RemoveAll(dir)
}

// discard removes what is left.
func (st *stage) discard() error { return errors.Join(os.RemoveAll(st.dir), st.close()) }

func (st *stage) close() error {
	var err error
	if st.root != nil {
		err = st.root.Close()
	}
	for _, f := range []*os.File{st.journal, st.lock} {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}
