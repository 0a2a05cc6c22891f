// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// busyText is what a JAX process answers, as INTERNAL, while a session runs in it.
const busyText = "Another profiling session active"

// probe asks for a snapshot of continuous profiling: the answer says whether a
// ProfilerService is there and how old it is.
func (s *Server) probe(ctx context.Context) (note string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err = s.rpc.call(ctx, "GetSnapshot", nil, s.target.MaxBytes, func(io.Reader, int64) error { return errRunning })
	switch {
	case errors.Is(err, errRunning):
		return "continuous profiling runs there: a window of its own is refused until that is stopped, but a snapshot of it can be taken", nil
	case hasCode(err, codeNotFound):
		return "", nil
	case hasCode(err, codeUnimplemented):
		// Of an old server the Terminate of nothing is OK; of another service it isn't.
		if err := s.terminate(ctx, "layerscope-probe"); err != nil {
			return "", err
		}
		return "an old JAX: it may keep captures on its own disk", nil
	case err == nil:
		return "", nil
	}
	return "", err
}

// errRunning ends the reading of a snapshot that is not wanted.
var errRunning = errors.New("continuous profiling runs")

// empty is the handler of replies that say nothing.
func empty(r io.Reader, _ int64) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

func (s *Server) terminate(ctx context.Context, session string) error {
	return s.rpc.call(ctx, "Terminate", protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), session), 1<<20, empty)
}

// level turns a setting into a tracer's level.
func level(set, def int) int {
	switch {
	case set < 0:
		return 0
	case set == 0:
		return def
	}
	return set
}

// profileRequest encodes a ProfileRequest. Levels of 0 are written out: left
// away, they would be the server's choice.
func (s *Server) profileRequest(set *Settings, duration time.Duration) ([]byte, map[string]any) {
	milliseconds := uint64(max(0, duration.Milliseconds()))
	config := map[string]any{
		"session_id": set.Session, "duration_ms": milliseconds, "host_tracer_level": level(set.HostTracer, 2),
		"device_tracer_level": level(set.DeviceTracer, 1), "python_tracer_level": level(set.PythonTracer, 0), "enable_hlo_proto": !set.NoHLO,
		"repository_root": s.root(set), "server": "jax",
	}
	var opts []byte
	number := func(b []byte, num protowire.Number, v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), v)
	}
	text := func(b []byte, num protowire.Number, v string) []byte {
		return protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), v)
	}
	opts = number(opts, 2, uint64(config["host_tracer_level"].(int)))
	opts = number(opts, 3, uint64(config["device_tracer_level"].(int)))
	opts = number(opts, 4, uint64(config["python_tracer_level"].(int)))
	opts = number(opts, 5, 1)
	opts = number(opts, 7, protowire.EncodeBool(!set.NoHLO))
	if !set.Start.IsZero() {
		opts = number(opts, 8, uint64(set.Start.UnixNano()))
		config["start_timestamp_ns"] = set.Start.UnixNano()
	}
	opts = number(opts, 9, milliseconds)
	var b []byte
	b = number(b, 1, milliseconds) // ignored by JAX; others may look
	b = protowire.AppendBytes(protowire.AppendTag(b, 4, protowire.BytesType), opts)
	b = text(b, 5, s.root(set))
	b = text(b, 6, set.Session)
	b = text(b, 7, s.URL)
	return number(b, 9, 1), config
}

// root is the repository_root, which old servers write into. It is never empty:
// they would write into their working directory.
func (s *Server) root(set *Settings) string {
	dir := set.ServerDir
	if dir == "" {
		dir = path.Join(filepath.ToSlash(os.TempDir()), "layerscope-profiles")
	}
	if strings.Contains(dir, "://") {
		return strings.TrimSuffix(dir, "/") + "/plugins/profile"
	}
	return path.Join(dir, "plugins", "profile")
}

// openJAX opens a window. The call lasts as long as the window; a refusal comes
// at once.
func (s *Server) openJAX(ctx context.Context, set *Settings) (*Window, error) {
	w, work := s.newWindow(ctx, set)
	run := s.profile
	if set.Continuous {
		if err := s.startContinuous(ctx, w, set); err != nil {
			w.cancel()
			return nil, err
		}
		run = s.snapshot
	}
	go run(work, w, set)
	if set.Continuous || !set.Start.IsZero() {
		return w, nil
	}
	select {
	case <-w.finished:
		if w.err != nil {
			return nil, w.err
		}
	case <-time.After(100 * time.Millisecond):
	case <-ctx.Done(): // Wait sees to it
	}
	return w, nil
}

// profile is the life of a window: one call, and a Terminate where it shall end
// early.
func (s *Server) profile(ctx context.Context, w *Window, set *Settings) {
	wait := time.Duration(0)
	if !set.Start.IsZero() {
		wait = max(0, time.Until(set.Start))
	}
	ctx, cancel := context.WithTimeout(ctx, wait+set.Duration+set.Duration/10+s.slack)
	defer cancel()
	over := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-over:
			return
		case <-time.After(wait + set.Duration):
			w.close()
		case <-w.quit:
			w.res.Early = true
			w.close()
			s.terminateUntil(ctx, over, set.Session)
		}
	}()
	message, config := s.profileRequest(set, set.Duration)
	w.res.Config = config
	err := s.fetch(ctx, "Profile", message, w, set)
	close(over)
	<-ended
	w.finish(err)
}

// terminateUntil asks for the end until it is there: a Terminate that comes
// before its session is forgotten.
func (s *Server) terminateUntil(ctx context.Context, over <-chan struct{}, session string) {
	for {
		if err := s.terminate(ctx, session); err != nil && ctx.Err() == nil {
			s.target.Log("%s: %v", s.URL, err)
		}
		select {
		case <-over:
			return
		case <-ctx.Done():
			return
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// fetch makes a call whose reply holds a capture, and keeps that.
func (s *Server) fetch(ctx context.Context, method string, message []byte, w *Window, set *Settings) error {
	var out reply
	got := false
	at, size, err := receive(w.res.Dir, func(f *os.File) (string, error) {
		err := s.rpc.call(ctx, method, message, s.target.MaxBytes, func(r io.Reader, size int64) (err error) {
			got = true
			out, err = readReply(r, size, f)
			return err
		})
		if err == nil && out.xspace == 0 {
			err = errNoSpace
		}
		return fileName(s.hostOf(&out)) + ".xplane.pb", err
	})
	w.close()
	res := w.res
	res.Empty, res.Hosts = out.empty, out.space.hosts
	for _, text := range append(out.space.errors, out.space.warnings...) {
		res.note("%s: its profiler says: %s", s.URL, text)
	}
	switch {
	case err == nil:
		res.Files = append(res.Files, File{Path: at, Host: s.hostOf(&out), Bytes: size})
		if res.Empty {
			res.note("%s: the server was idle in the window: no events, only the programs' HLO", s.URL)
		}
		return nil
	case errors.Is(err, errNoSpace) && (out.empty || !got):
		res.note("%s: nothing was traced: no events, no programs", s.URL)
		return nil
	case errors.Is(err, errNoSpace):
		return s.keptThere(ctx, w, set)
	}
	return s.explain(err)
}

// errNoSpace is a reply without a capture.
var errNoSpace = errors.New("no capture in the reply")

func (s *Server) hostOf(r *reply) string {
	if len(r.space.hosts) > 0 {
		return r.space.hosts[0]
	}
	return s.URL
}

// explain says what is behind an answer.
func (s *Server) explain(err error) error {
	var status *statusError
	if !errors.As(err, &status) {
		return err
	}
	text := strings.ToLower(status.message)
	switch {
	case strings.Contains(status.message, busyText):
		return fmt.Errorf("%s: %w: %s", s.URL, ErrBusy, status.message)
	case status.code == codeInternal && (strings.Contains(text, "no such file") || strings.Contains(text, "permission denied") || strings.Contains(text, "read-only")):
		return fmt.Errorf("%s: the server cannot make its directory, and says so only after the whole window: %s; name one that it can, on its side", s.URL, status.message)
	}
	return fmt.Errorf("%s: %w", s.URL, err)
}

// keptThere deals with old servers, which answer nothing and write a file on
// their own side: it is taken from there when it can be seen from here.
func (s *Server) keptThere(ctx context.Context, w *Window, set *Settings) error {
	name := strings.ReplaceAll(s.URL, ":", "_") + ".xplane.pb"
	root := s.root(set)
	w.res.ServerPath = root + "/" + set.Session + "/" + name
	w.res.note("%s: an old server: it kept the capture on its own side, at %s", s.URL, w.res.ServerPath)
	set2 := *set
	if set2.ServerDir == "" && !s.local() && set2.LocalDir == "" {
		return nil
	}
	set2.ServerDir = root + "/" + set.Session
	if set.LocalDir != "" {
		set2.LocalDir = filepath.Join(set.LocalDir, "plugins", "profile", set.Session)
	}
	set2.Settle = min(set.Settle, 5*time.Second) // it is written before the answer
	if err := s.collect(ctx, w.res, &set2); err != nil {
		w.res.note("%s: it cannot be read from here: %v", s.URL, err)
	}
	return nil
}

// HLO fetches the optimised HLO of all programs alive in a JAX process, without
// profiling: a window of no length, some 10 ms.
func (s *Server) HLO(ctx context.Context, dir string) (*Result, error) {
	if s.rpc == nil {
		return nil, fmt.Errorf("%s: only JAX profilers hand out HLO", s.URL)
	}
	set := &Settings{Dir: dir, Session: newSession()}
	w, _ := s.newWindow(ctx, set)
	defer w.cancel()
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	message, config := s.profileRequest(set, 0)
	w.res.Config = config
	if err := s.fetch(ctx, "Profile", message, w, set); err != nil {
		return nil, err
	}
	w.res.Notes = nil // that there are no events is meant
	return w.res, nil
}
