// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// A Window is a server's profiler at work. Wait must be called.
type Window struct {
	Session string

	closed   chan struct{}
	finished chan struct{}
	quit     chan struct{}
	closing  sync.Once
	quitting sync.Once
	cancel   context.CancelFunc
	grace    time.Duration // that it may take to end when told to

	res *Result
	err error
}

// Closed is closed when the window is: requests that begin later are not in the
// capture, which may take a while yet to arrive.
func (w *Window) Closed() <-chan struct{} { return w.closed }

// Stop asks for the end of the window. What was captured is kept.
func (w *Window) Stop() { w.quitting.Do(func() { close(w.quit) }) }

// Wait waits for the window's end and the capture's files. When the context ends
// first the window is closed early, and its result is what there is, with Early
// set and no error.
func (w *Window) Wait(ctx context.Context) (*Result, error) {
	select {
	case <-w.finished:
		return w.res, w.err
	case <-ctx.Done():
	}
	w.Stop()
	select {
	case <-w.finished:
		return w.res, w.err
	case <-time.After(w.grace):
	}
	w.cancel()
	<-w.finished
	return w.res, errors.Join(ctx.Err(), w.err)
}

// Open opens a window. It returns when the server has not refused it; a busy
// profiler is waited for as the settings say, then the error is ErrBusy.
func (s *Server) Open(ctx context.Context, set Settings) (*Window, error) {
	if set.Dir == "" {
		return nil, errors.New("no directory for the capture")
	}
	if set.Duration < 0 || set.Steps < 0 || set.StartStep < 0 {
		return nil, errors.New("a window of less than nothing")
	}
	if set.Session == "" {
		set.Session = newSession()
	}
	if set.Settle <= 0 {
		set.Settle = 60 * time.Second
	}
	if set.Session != filepath.Base(set.Session) || strings.ContainsAny(set.Session, `\:`) || set.Session == ".." {
		return nil, fmt.Errorf("session %q, wanted a name", set.Session)
	}
	if set.Duration == 0 && set.Steps == 0 {
		set.Duration = time.Second
	}
	open := s.openJAX
	switch {
	case s.web != nil:
		open = s.openWeb
	case set.Steps > 0 || set.StartStep > 0 || set.ByStage:
		return nil, fmt.Errorf("%s: a JAX profiler counts no steps and knows no stages; say how long the window is", s.URL)
	}
	if s.web != nil && set.Continuous {
		return nil, fmt.Errorf("%s: continuous profiling is the JAX profiler's alone", s.URL)
	}
	return s.patiently(ctx, &set, open)
}

// patiently tries again while the profiler is busy.
func (s *Server) patiently(ctx context.Context, set *Settings, open func(context.Context, *Settings) (*Window, error)) (*Window, error) {
	deadline := time.Now().Add(set.Busy)
	pause := 250 * time.Millisecond
	var said time.Time
	for {
		w, err := open(ctx, set)
		if !errors.Is(err, ErrBusy) || time.Now().Add(pause).After(deadline) {
			return w, err
		}
		if time.Since(said) > 10*time.Second {
			said = time.Now()
			s.target.Log("%s: its profiler is busy; trying again for up to %v", s.URL, time.Until(deadline).Round(time.Second))
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, 2*time.Second)
	}
}

func (s *Server) newWindow(ctx context.Context, set *Settings) (*Window, context.Context) {
	w := &Window{Session: set.Session, closed: make(chan struct{}), finished: make(chan struct{}), quit: make(chan struct{}), grace: s.grace}
	w.res = &Result{Session: set.Session, Begin: time.Now(), Dir: filepath.Join(set.Dir, "plugins", "profile", set.Session)}
	ctx, w.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return w, ctx
}

func (w *Window) close() {
	w.closing.Do(func() {
		if w.res.End.IsZero() {
			w.res.End = time.Now()
		}
		close(w.closed)
	})
}

// finish ends the window for good.
func (w *Window) finish(err error) {
	w.close()
	w.err = err
	w.cancel()
	close(w.finished)
}

// newSession makes a session's name as JAX does, with something behind it that
// no other has.
func newSession() string {
	var b [3]byte
	_, _ = rand.Read(b[:]) // never fails
	return time.Now().UTC().Format("2006_01_02_15_04_05") + "_" + hex.EncodeToString(b[:])
}

// fileName makes one part of a path of a name that a server gave.
func fileName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r > 0x7e || strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, firstBytes(name, 100))
	if name = strings.TrimLeft(name, "."); name == "" {
		return "host"
	}
	return name
}

// receive writes a file whole, or not at all; its name is known only once it is
// there.
func receive(dir string, fill func(f *os.File) (name string, err error)) (path string, bytes int64, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", 0, err
	}
	f, err := os.CreateTemp(dir, ".capture-*")
	if err != nil {
		return "", 0, err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // the error that is told is the other one
		}
	}()
	name, err := fill(f)
	if err == nil {
		err = f.Chmod(0o644)
	}
	info, statErr := f.Stat()
	if err = errors.Join(err, statErr, f.Close()); err != nil {
		return "", 0, err
	}
	path = filepath.Join(dir, name)
	if path, err = place(f.Name(), path); err != nil {
		return "", 0, err
	}
	return path, info.Size(), nil
}

// place gives a file a name that no other has: several ranks of one host answer
// under one name.
func place(from, path string) (string, error) {
	const ext = ".xplane.pb"
	stem, isSpace := strings.CutSuffix(path, ext)
	for n := 1; n < 10_000; n++ {
		to := path
		if n > 1 && isSpace {
			to = fmt.Sprintf("%s_%d%s", stem, n, ext)
		} else if n > 1 {
			to = fmt.Sprintf("%s_%d", path, n)
		}
		if err := os.Link(from, to); err == nil {
			return to, os.Remove(from)
		} else if _, statErr := os.Lstat(to); statErr != nil {
			return to, os.Rename(from, to) // a file system without links
		}
	}
	return "", fmt.Errorf("%s: ten thousand files of that name", path)
}
