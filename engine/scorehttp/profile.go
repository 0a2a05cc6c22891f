// SPDX-License-Identifier: Apache-2.0

package scorehttp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/layerscope/layerscope/trace"
)

var (
	errBusy = errors.New("a profile is in progress")
	errIdle = errors.New("no profile is in progress")
)

// A profiler takes one capture at a time.
type profiler struct {
	mu    sync.Mutex
	dir   string // of the capture under way; "" = idle
	timer *time.Timer
	last  *captured // the last one that ended; nil = none yet
}

// A captured is a capture that ended. It is handed over until the next one has.
type captured struct {
	session, path, host string
	bytes               int64
	err                 error
}

// profileRequest is the body of /start_profile. Tracer levels of other servers
// are accepted and have no meaning here.
type profileRequest struct {
	OutputDir  string  `json:"output_dir"`
	DurationMS float64 `json:"duration_ms"` // 0 = until /stop_profile
}

// startProfile begins a capture. A second one is refused with 409.
func (s *Server) startProfile(w http.ResponseWriter, r *http.Request) {
	if !s.allowed(r) {
		fail(w, unauthorized)
		return
	}
	var req profileRequest
	if b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20)); err != nil || len(b) > 0 && json.Unmarshal(b, &req) != nil {
		fail(w, invalid("invalid_json", "", "The body is not a JSON object"))
		return
	}
	dir, err := s.profile.start(s, req)
	switch {
	case errors.Is(err, errBusy):
		fail(w, failure{http.StatusConflict, "invalid_request_error", "profile_in_progress", "", "A profile is in progress; stop it first"})
	case err != nil:
		fail(w, failure{http.StatusInternalServerError, "server_error", "profile_failed", "output_dir", "The profile cannot start: " + err.Error()})
	default:
		reply(w, http.StatusOK, map[string]any{"status": "in_progress", "output_dir": dir, "session": filepath.Base(dir)})
	}
}

func (s *Server) stopProfile(w http.ResponseWriter, r *http.Request) {
	if !s.allowed(r) {
		fail(w, unauthorized)
		return
	}
	c, err := s.profile.stop(s)
	switch {
	case errors.Is(err, errIdle):
		fail(w, failure{http.StatusConflict, "invalid_request_error", "no_profile", "", "No profile is in progress"})
	case err != nil:
		fail(w, failure{http.StatusInternalServerError, "server_error", "profile_failed", "", "The profile cannot be written: " + err.Error()})
	default:
		out := c.answer()
		out["status"] = "idle"
		reply(w, http.StatusOK, out)
	}
}

// profileStatus says whether a capture is under way, and what became of the last
// one.
func (s *Server) profileStatus(w http.ResponseWriter, _ *http.Request) {
	s.profile.mu.Lock()
	defer s.profile.mu.Unlock()
	out := map[string]any{"status": "idle"}
	if s.profile.dir != "" {
		out["status"] = "in_progress"
	}
	if s.profile.last != nil {
		out["last"] = s.profile.last.answer()
	}
	reply(w, http.StatusOK, out)
}

// answer describes a capture to clients.
func (c *captured) answer() map[string]any {
	if c.err != nil {
		return map[string]any{"session": c.session, "error": c.err.Error()}
	}
	return map[string]any{"session": c.session, "file": c.path, "host": c.host, "bytes": c.bytes, "capture": "/profile_capture?session=" + c.session}
}

// profileCapture hands the last capture over: no other file can be had.
func (s *Server) profileCapture(w http.ResponseWriter, r *http.Request) {
	if !s.allowed(r) {
		fail(w, unauthorized)
		return
	}
	s.profile.mu.Lock()
	c := s.profile.last
	s.profile.mu.Unlock()
	if c == nil || c.err != nil || r.URL.Query().Get("session") != c.session {
		fail(w, failure{http.StatusNotFound, "invalid_request_error", "no_capture", "session", "No capture of that session; the last one alone is kept"})
		return
	}
	f, err := os.Open(c.path)
	if err != nil {
		fail(w, failure{http.StatusNotFound, "invalid_request_error", "no_capture", "session", "The capture's file has gone"})
		return
	}
	defer f.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, f)
}

// memoryProfile answers with the live buffers as a pprof profile, gzipped, as
// jax.profiler.save_device_memory_profile writes them.
func (s *Server) memoryProfile(w http.ResponseWriter, r *http.Request) {
	if !s.allowed(r) {
		fail(w, unauthorized)
		return
	}
	var b bytes.Buffer
	snapshot := s.e.Memory()
	if err := snapshot.Report().Profile.Write(&b); err != nil {
		fail(w, internalError)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	_, _ = w.Write(b.Bytes()) // the client may have gone
}

// start makes the session's directory, as JAX lays it out, and switches the
// recorder on.
func (p *profiler) start(s *Server, req profileRequest) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dir != "" {
		return "", errBusy
	}
	root := req.OutputDir
	if root == "" {
		root = s.opt.Profiles
	}
	dir := filepath.Join(root, "plugins", "profile", time.Now().UTC().Format("2006_01_02_15_04_05.000000"))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if err := s.rec.Start(); err != nil {
		return "", err
	}
	p.dir = dir
	if req.DurationMS > 0 {
		p.timer = time.AfterFunc(time.Duration(req.DurationMS*float64(time.Millisecond)), func() {
			if _, err := p.stopDir(s, dir); err != nil && !errors.Is(err, errIdle) && s.opt.Log != nil {
				s.opt.Log.Error("profile", "error", err)
			}
		})
	}
	return dir, nil
}

// stop switches the recorder off and writes the capture.
func (p *profiler) stop(s *Server) (*captured, error) { return p.stopDir(s, "") }

// stopDir ends the capture of a directory, any with "": a late timer must not end
// the next one.
func (p *profiler) stopDir(s *Server, dir string) (*captured, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dir == "" || dir != "" && p.dir != dir {
		return nil, errIdle
	}
	c := &captured{session: filepath.Base(p.dir)}
	dir, p.dir, p.last = p.dir, "", c
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	c.err = c.write(s, dir)
	return c, c.err
}

func (c *captured) write(s *Server, dir string) error {
	rec, err := s.rec.Stop()
	if err != nil {
		return err
	}
	defer rec.Close()
	if c.path, err = WriteCapture(rec, dir, trace.XSpaceOptions{}); err != nil {
		return err
	}
	c.host = strings.TrimSuffix(filepath.Base(c.path), ".xplane.pb")
	info, err := os.Stat(c.path)
	if err != nil {
		return err
	}
	c.bytes = info.Size()
	return nil
}

// WriteCapture writes a recording as dir/HOST.xplane.pb: whole, or not at all.
func WriteCapture(rec *trace.Recording, dir string, opts trace.XSpaceOptions) (string, error) {
	if opts.Host == "" {
		opts.Host, _ = os.Hostname() // the name is a comfort
	}
	if opts.Host == "" {
		opts.Host = "host"
	}
	path := filepath.Join(dir, opts.Host+".xplane.pb")
	f, err := os.CreateTemp(dir, ".xplane-*")
	if err != nil {
		return "", err
	}
	err = rec.WriteXSpace(f, opts)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, errors.Join(err, os.Remove(f.Name())))
	}
	return path, nil
}
