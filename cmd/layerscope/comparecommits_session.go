// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

const (
	sessionSchema = "layerscope.session/v1"
	sessionFile   = "session.json"
)

// sideNames are those of the directories and of $LAYERSCOPE_SIDE.
var sideNames = [2]string{"base", "new"}

// A plan is what a session is about. Equal plans are one session, which is taken
// up again where it ended.
type plan struct {
	Sides   [2]revision `json:"sides"`
	Command []string    `json:"command"`
	Prefix  string      `json:"prefix"` // directory below the trees' tops that the command runs in
	Seed    uint64      `json:"seed"`
	Warmup  int         `json:"warmup"`
	First   int         `json:"min_runs"`
	Most    int         `json:"max_runs"`
	Alpha   float64     `json:"alpha"`
	Margin  string      `json:"min_effect"`
	Rules   []string    `json:"fail_on"`
}

// A session is a directory of runs of two commits:
//
//	session.json          this, always whole
//	base/01/ new/01/ …    finished runs: captures and run.json
//	unfinished/base-03/   the run that is under way, or was when all ended
//	failed/               what the run left that failed last
//	logs/base-01.out …    what the command printed
//
// A run counts when its directory has its final name: that rename is the only
// commit point there is.
type session struct {
	Schema string `json:"schema"`
	ID     string `json:"id"`
	plan
	Created   time.Time `json:"created"`
	SpinWork  int       `json:"spin_work"` // iterations of the noise probe
	Looks     []int     `json:"looks"`     // runs a side at the looks so far
	Worktrees []string  `json:"worktrees"` // of the process that runs it

	dir  string
	lock *os.File
}

// A finishedRun is the run.json of a run.
type finishedRun struct {
	Schema      string            `json:"schema"`
	Path        string            `json:"path,omitempty"`
	Time        int64             `json:"time_unix_ns"`
	End         int64             `json:"end_unix_ns"`
	Commit      string            `json:"commit"`
	CommitUnix  int64             `json:"commit_unix"`
	Subject     string            `json:"subject"`
	Dirty       bool              `json:"dirty,omitempty"`
	Environment map[string]string `json:"environment"`

	Session string   `json:"session"`
	Side    string   `json:"side"`
	Run     int      `json:"run"`   // of the side, from 1
	Order   int      `json:"order"` // among all runs of the session, from 1
	Command []string `json:"command"`
	Noise   noise    `json:"noise"`
}

// openSession takes up the session of this plan below root, or begins it. fresh
// begins another one beside those there are. at, if not "", is the session's
// directory.
func openSession(root, at string, p plan, fresh bool, now time.Time) (*session, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	id := fmt.Sprintf("%s-%s-%s", p.Sides[0].Commit[:7], p.Sides[1].Commit[:7], hex.EncodeToString(sum[:4]))
	dir := at
	if dir == "" {
		dir = filepath.Join(root, id)
	}
	for n := 2; fresh && exists(filepath.Join(dir, sessionFile)); n++ {
		if at != "" {
			return nil, &hintedError{fmt.Errorf("%s: holds a session already", at), "name another directory"}
		}
		dir = filepath.Join(root, fmt.Sprintf("%s-%d", id, n))
	}
	// An absolute path: commands run elsewhere.
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	s := &session{Schema: sessionSchema, ID: filepath.Base(dir), plan: p, Created: now.UTC(), dir: dir}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, cause(err))
	}
	if err := s.acquire(); err != nil {
		return nil, err
	}
	old, err := os.ReadFile(filepath.Join(dir, sessionFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.ID += "-" + hex.EncodeToString(binaryTime(now))
		s.SpinWork = calibrateSpin()
		err = s.save()
	case err == nil:
		err = s.restore(old, text)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// binaryTime tells sessions of one plan apart.
func binaryTime(t time.Time) []byte {
	n := uint32(t.UnixNano() >> 10)
	return []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// restore reads a session that began earlier.
func (s *session) restore(text, wanted []byte) error {
	path := filepath.Join(s.dir, sessionFile)
	if err := json.Unmarshal(text, s); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	was, err := json.Marshal(s.plan)
	if err != nil {
		return err
	}
	if s.Schema != sessionSchema || string(was) != string(wanted) {
		return &hintedError{fmt.Errorf("%s: found another session: %s and %s, %q", path, s.Sides[0].Name, s.Sides[1].Name, s.Command),
			"a session is taken up with the same commits, command and flags; name another directory"}
	}
	return nil
}

// acquire makes sure that no other process runs this session.
func (s *session) acquire() error {
	f, err := os.OpenFile(filepath.Join(s.dir, "lock"), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return fmt.Errorf("%s: %w", s.dir, cause(err))
	}
	if err := lockFile(f); err != nil {
		f.Close()
		return &hintedError{fmt.Errorf("%s: another process is running this session", s.dir), "wait for it, or begin another session with --fresh"}
	}
	s.lock = f
	return nil
}

func (s *session) close() { s.lock.Close() }

// save writes session.json, whole or not at all.
func (s *session) save() error { return writeAtomic(filepath.Join(s.dir, sessionFile), s) }

// writeAtomic writes a JSON document that is there whole or not at all, also
// after a power failure.
func writeAtomic(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	temp := path + ".new"
	f, err := os.Create(temp)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	syncParent(path)
	return nil
}

// syncParent makes a rename last, where the system can.
func syncParent(path string) {
	if d, err := os.Open(filepath.Dir(path)); err == nil {
		_ = d.Sync() // the rename is atomic all the same
		d.Close()
	}
}

// runDir is the directory of a side's run n, from 1.
func (s *session) runDir(side, n int) string {
	return filepath.Join(s.dir, sideNames[side], fmt.Sprintf("%02d", n))
}

func (s *session) log(side int, run, ext string) string {
	return filepath.Join(s.dir, "logs", sideNames[side]+"-"+run+ext)
}

// has reports whether a run is finished.
func (s *session) has(side, n int) bool { return exists(filepath.Join(s.runDir(side, n), runFile)) }

// pairs counts the runs that both sides have, without a gap.
func (s *session) pairs() int {
	n := 0
	for s.has(0, n+1) && s.has(1, n+1) {
		n++
	}
	return n
}

// first is the side that pair n begins with.
func (s *session) firstOf(n int) int {
	return int(rand.New(rand.NewPCG(s.Seed, uint64(n))).Uint64() >> 63)
}

// tidy removes what an interruption or a failure left half done.
func (s *session) tidy() error {
	return errors.Join(os.RemoveAll(filepath.Join(s.dir, "unfinished")), os.RemoveAll(filepath.Join(s.dir, "failed")))
}

// readRun reads the run.json of a finished run.
func (s *session) readRun(side, n int) (finishedRun, error) {
	var r finishedRun
	path := filepath.Join(s.runDir(side, n), runFile)
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		return r, fmt.Errorf("%s: %w", path, cause(err))
	}
	return r, nil
}
