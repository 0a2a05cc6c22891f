// SPDX-License-Identifier: Apache-2.0

// Package scorehttp is the HTTP face of the scoring engine: POST /v1/score and
// what a service needs around it, with the field names and the error shapes of
// sglang-jax, so that its clients work unchanged.
//
//	e, err := engine.Open(engine.Options{})
//	if err != nil {
//		return err
//	}
//	defer e.Close()
//	s := scorehttp.New(e, scorehttp.Options{})
//	defer s.Close()
//	return http.ListenAndServe("127.0.0.1:30000", s)
package scorehttp

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/layerscope/layerscope/engine"
	"github.com/layerscope/layerscope/trace"
)

// Options of a server; the zero value is a good one.
type Options struct {
	Queue    int           // requests that may wait; more are refused with 429. 0 = 256
	MaxBody  int64         // bytes of a request body; 0 = 32 MiB
	Timeout  time.Duration // of one request, waiting included; 0 = 60 s
	Key      string        // bearer key that /v1 and the profiler want; "" = none
	Profiles string        // directory of captures; "" = ./profiles
	Version  string
	Log      *slog.Logger // access log, a line a request; nil = none
}

// Server answers HTTP requests with one engine. It is an [http.Handler].
type Server struct {
	e   *engine.Engine
	opt Options
	mux *http.ServeMux
	rec *trace.Recorder

	waiting  atomic.Int64
	requests atomic.Int64
	draining atomic.Bool
	active   sync.WaitGroup
	started  time.Time
	metrics  metrics
	profile  profiler
}

// New returns a server of e. Close it before the engine.
func New(e *engine.Engine, opt Options) *Server {
	if opt.Queue <= 0 {
		opt.Queue = 256
	}
	if opt.MaxBody <= 0 {
		opt.MaxBody = 32 << 20
	}
	if opt.Timeout <= 0 {
		opt.Timeout = 60 * time.Second
	}
	if opt.Profiles == "" {
		opt.Profiles = "profiles"
	}
	s := &Server{e: e, opt: opt, mux: http.NewServeMux(), rec: trace.NewRecorder(trace.RecorderOptions{Ring: 1 << 15}), started: time.Now()}
	e.SetTracer(engine.Record(s.rec))
	s.mux.HandleFunc("POST /v1/score", s.score)
	s.mux.HandleFunc("GET /v1/models", s.models)
	s.mux.HandleFunc("GET /health", s.health)
	s.mux.HandleFunc("GET /healthz", s.health)
	s.mux.HandleFunc("GET /readyz", s.health)
	s.mux.HandleFunc("GET /get_server_info", s.info)
	s.mux.HandleFunc("GET /metrics", s.writeMetrics)
	for _, method := range []string{"GET", "POST"} {
		s.mux.HandleFunc(method+" /start_profile", s.startProfile)
		s.mux.HandleFunc(method+" /stop_profile", s.stopProfile)
	}
	s.mux.HandleFunc("GET /profile_status", s.profileStatus)
	s.mux.HandleFunc("GET /profile_capture", s.profileCapture)
	s.mux.HandleFunc("GET /memory_profile", s.memoryProfile)
	return s
}

// Drain refuses new requests and waits for those under way, or for ctx.
func (s *Server) Drain(ctx context.Context) error {
	s.draining.Store(true)
	done := make(chan struct{})
	go func() {
		s.active.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends a profile that runs, and keeps it.
func (s *Server) Close() error {
	s.e.SetTracer(nil)
	_, err := s.profile.stop(s)
	if errors.Is(err, errIdle) {
		return nil
	}
	return err
}

// ServeHTTP answers one request, and writes its line of the access log.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begin := time.Now()
	out := &response{ResponseWriter: w, status: http.StatusOK}
	s.mux.ServeHTTP(out, r)
	s.metrics.count(r.URL.Path, out.status, time.Since(begin))
	if s.opt.Log != nil {
		s.opt.Log.Info("request", "method", r.Method, "path", r.URL.Path, "status", out.status, "duration", time.Since(begin).Round(time.Microsecond),
			"request_id", out.Header().Get("X-Request-Id"), "bytes", out.bytes)
	}
}

// A response remembers what was answered.
type response struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (r *response) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *response) Write(b []byte) (int, error) {
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// allowed checks the bearer key, in constant time.
func (s *Server) allowed(r *http.Request) bool {
	if s.opt.Key == "" {
		return true
	}
	key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && subtle.ConstantTimeCompare([]byte(key), []byte(s.opt.Key)) == 1
}

func (s *Server) models(w http.ResponseWriter, r *http.Request) {
	if !s.allowed(r) {
		fail(w, unauthorized)
		return
	}
	in := s.e.Info()
	reply(w, http.StatusOK, map[string]any{"object": "list", "data": []any{map[string]any{
		"id": in.Model, "object": "model", "created": s.started.Unix(), "owned_by": "layerscope", "max_model_len": in.MaxSeqLen,
	}}})
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	if s.draining.Load() {
		reply(w, http.StatusServiceUnavailable, map[string]any{"status": "draining"})
		return
	}
	reply(w, http.StatusOK, map[string]any{"status": "ok"})
}

func (s *Server) info(w http.ResponseWriter, _ *http.Request) {
	in := s.e.Info()
	reply(w, http.StatusOK, map[string]any{
		"engine": "layerscope", "model_path": in.Model, "model": in.Model, "version": s.opt.Version, "arch": in.Arch, "random_weights": in.Random, "parameters": in.Parameters,
		"max_seq_len": in.MaxSeqLen, "max_items": in.MaxItems, "layers": in.Layers, "vocab_size": in.Vocab, "text": in.Text,
		"device": "cpu", "device_name": in.Backend, "kernels": in.Kernels, "workers": in.Workers, "injected": in.Injected,
		"bytes_in_use": in.BytesInUse, "peak_bytes_in_use": in.PeakBytesInUse, "bytes_limit": in.BytesLimit,
		"queue": s.opt.Queue, "waiting": s.waiting.Load(), "uptime_s": int64(time.Since(s.started).Seconds()),
	})
}

func reply(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		fail(w, internalError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // the client may have gone
}
