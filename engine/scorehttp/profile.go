// SPDX-License-Identifier: Apache-2.0

package scorehttp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
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
}

// profileRequest is the body of /start_profile. Tracer levels of other servers
// are accepted and have no meaning here.
type profileRequest struct {
	OutputDir  string  `json:"output_dir"`
	DurationMS float64 `json:"duration_ms"` // 0 = until /stop_profile
}

// startProfile begins a capture. A second one is refused with 409.
func (s *Server) startProfile(w http.ResponseWriter, r *http.Request) {
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
		reply(w, http.StatusOK, map[string]any{"status": "in_progress", "output_dir": dir})
	}
}

func (s *Server) stopProfile(w http.ResponseWriter, _ *http.Request) {
	path, err := s.profile.stop(s)
	switch {
	case errors.Is(err, errIdle):
		fail(w, failure{http.StatusConflict, "invalid_request_error", "no_profile", "", "No profile is in progress"})
	case err != nil:
		fail(w, failure{http.StatusInternalServerError, "server_error", "profile_failed", "", "The profile cannot be written: " + err.Error()})
	default:
		reply(w, http.StatusOK, map[string]any{"status": "idle", "file": path})
	}
}

func (s *Server) profileStatus(w http.ResponseWriter, _ *http.Request) {
	s.profile.mu.Lock()
	defer s.profile.mu.Unlock()
	status := "idle"
	if s.profile.dir != "" {
		status = "in_progress"
	}
	reply(w, http.StatusOK, map[string]any{"status": status})
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
	dir := filepath.Join(root, "plugins", "profile", time.Now().UTC().Format("2006_01_02_15_04_05.000"))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if err := s.rec.Start(); err != nil {
		return "", err
	}
	p.dir = dir
	if req.DurationMS > 0 {
		p.timer = time.AfterFunc(time.Duration(req.DurationMS*float64(time.Millisecond)), func() {
			if _, err := p.stop(s); err != nil && !errors.Is(err, errIdle) && s.opt.Log != nil {
				s.opt.Log.Error("profile", "error", err)
			}
		})
	}
	return dir, nil
}

// stop switches the recorder off and writes the capture.
func (p *profiler) stop(s *Server) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dir == "" {
		return "", errIdle
	}
	dir := p.dir
	p.dir = ""
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	rec, err := s.rec.Stop()
	if err != nil {
		return "", err
	}
	defer rec.Close()
	return WriteCapture(rec, dir, trace.XSpaceOptions{})
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
