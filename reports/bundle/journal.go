// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// A copied is a file that is whole in a stage: what it is a copy of, and what was
// found in it. It is one line of the journal.
type copied struct {
	Name   string `json:"name"`   // in the bundle
	Source string `json:"source"` // absolute
	Bytes  int64  `json:"bytes"`  // of the source, as its time
	Mod    int64  `json:"mod"`
	How    string `json:"how"` // it was copied

	Written  int64    `json:"written"`
	SHA256   string   `json:"sha256"`
	Original string   `json:"original,omitempty"` // hash of the source, if another
	Found    []secret `json:"found,omitempty"`
	Partly   bool     `json:"partly,omitempty"` // not all of it could be looked at
}

// same says whether two are copies of one thing, made alike.
func (c *copied) same(o *copied) bool {
	return c.Name == o.Name && c.Source == o.Source && c.Bytes == o.Bytes && c.Mod == o.Mod && c.How == o.How
}

// A journal lists the files that are whole in a stage. It is beside the stage's
// directory, so that this has nothing in it but the bundle.
type journal struct {
	file *os.File
	had  map[string]copied // by name
}

func journalFile(partial string) string { return partial + ".journal" }

// openJournal wants a file of its own: a link would have another one grow.
func openJournal(name string) (*journal, error) {
	if info, err := os.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %s, wanted a file or nothing", name, kindOf(info.Mode().Type()))
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return nil, err
	}
	j := &journal{file: f, had: make(map[string]copied)}
	lines := bufio.NewScanner(io.LimitReader(f, maxIndex))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var c copied
		if json.Unmarshal(lines.Bytes(), &c) == nil { // the last line may be half a line
			j.had[c.Name] = c
		}
	}
	return j, nil
}

// add notes that a file is whole, after it is on the disk. Its own line need not
// be: without it, the file is copied again.
func (j *journal) add(c *copied) error {
	if j == nil {
		return nil
	}
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	_, err = j.file.Write(bytes.Join([][]byte{nil, line, nil}, []byte("\n"))) // a line of its own, whatever is before
	return err
}

func (j *journal) close() error {
	if j == nil {
		return nil
	}
	return j.file.Close()
}

func (j *journal) remove() error {
	if j == nil {
		return nil
	}
	err := os.Remove(j.file.Name())
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, j.file.Close())
}

// reuse returns what the journal has for a file that an earlier attempt copied
// whole, if that is still what it was: it is hashed again, not copied.
func (s *stage) reuse(want *copied) (*copied, bool) {
	if s.journal == nil {
		return nil, false
	}
	c, ok := s.journal.had[want.Name]
	if !ok || !c.same(want) {
		return nil, false
	}
	info, err := s.root.Lstat(c.Name)
	if err != nil || !info.Mode().IsRegular() || info.Size() != c.Written {
		return nil, false
	}
	f, err := s.root.Open(c.Name)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil || hex.EncodeToString(h.Sum(nil)) != c.SHA256 {
		return nil, false
	}
	return &c, s.use(c.Name) == nil
}
