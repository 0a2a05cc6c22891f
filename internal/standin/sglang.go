// SPDX-License-Identifier: Apache-2.0

package standin

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// An SGLang is the profiler of an sglang-style server beside its scoring.
type SGLang struct {
	// Capture makes the XSpace of so many forwards.
	Capture func(forwards int) []byte
	// Flush is how long files take to appear, and then to be whole, after the
	// profiler has become idle.
	Flush time.Duration
	// Latency of a scoring request, Slow what the profiler adds to it.
	Latency, Slow time.Duration

	mu       sync.Mutex
	forwards int
	window   *sgWindow
	writing  sync.WaitGroup
	starts   []map[string]any
	scores   int
}

// An sgWindow is a profile under way.
type sgWindow struct {
	dir      string
	target   int // the counter at which it ends; 0 = when it is told to
	start    int // the counter at which it begins; 0 = at once
	captured int
	stages   []string
}

// Start serves on a free port until the test ends, and returns the URL.
func (s *SGLang) Start(tb testing.TB) string {
	web := httptest.NewServer(s)
	tb.Cleanup(func() {
		web.Close()
		s.writing.Wait()
	})
	return web.URL
}

// Starts returns the bodies of /start_profile that were accepted.
func (s *SGLang) Starts() []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]map[string]any(nil), s.starts...)
}

// Scores counts the scoring requests.
func (s *SGLang) Scores() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.scores
}

// ServeHTTP answers one request.
func (s *SGLang) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/health":
		w.WriteHeader(http.StatusOK)
	case "/get_server_info":
		fmt.Fprint(w, `{"model_path": "Qwen/Qwen3-0.6B", "version": "0.0.2", "tp_size": 1}`)
	case "/profile_status":
		s.mu.Lock()
		busy := s.window != nil
		s.mu.Unlock()
		fmt.Fprintf(w, `{"status": %q}`, map[bool]string{true: "in_progress", false: "idle"}[busy])
	case "/start_profile":
		s.startProfile(w, r)
	case "/stop_profile":
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.window == nil {
			http.Error(w, "Internal Server Error", http.StatusInternalServerError)
			return
		}
		s.end()
		fmt.Fprint(w, "Stop profiling. This will take some time.\n")
	case "/v1/score":
		s.score(w, r)
	default:
		http.NotFound(w, r)
	}
}

// startProfile refuses, as such servers do, with a 500 that says little.
func (s *SGLang) startProfile(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Dir     string   `json:"output_dir"`
		Steps   int      `json:"num_steps"`
		Start   int      `json:"start_step"`
		ByStage bool     `json:"profile_by_stage"`
		Stages  []string `json:"profile_stages"`
	}
	text, err := io.ReadAll(r.Body)
	var raw map[string]any
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || json.Unmarshal(text, &body) != nil || json.Unmarshal(text, &raw) != nil || s.window != nil || os.MkdirAll(body.Dir, 0o755) != nil {
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		return
	}
	s.starts = append(s.starts, raw)
	p := &sgWindow{dir: body.Dir, start: body.Start}
	if body.Steps > 0 {
		p.target = max(s.forwards, body.Start-1) + body.Steps
		if body.Start > 0 {
			p.target++ // such a window captures what it was asked for
		}
	}
	if body.ByStage {
		if p.stages = body.Stages; len(p.stages) == 0 {
			p.stages = []string{"prefill", "decode"}
		}
	}
	s.window = p
	fmt.Fprint(w, "Start profiling.\n")
}

// score counts a forward. The counter is tested before the batch runs: a window
// of n steps captures one less.
func (s *SGLang) score(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Items []any  `json:"items"`
		Model string `json:"model"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Model == "" {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"object": "error", "message": "model: Field required", "type": "Bad Request", "param": null, "code": 400}`)
		return
	}
	s.mu.Lock()
	s.scores++
	s.forwards++
	p := s.window
	if p != nil && p.target > 0 && p.target <= s.forwards {
		s.end()
		p = nil
	}
	profiled := p != nil && s.forwards >= p.start
	if profiled {
		p.captured++
	}
	s.mu.Unlock()
	time.Sleep(s.Latency)
	if profiled {
		time.Sleep(s.Slow)
	}
	scores := make([][]float64, len(body.Items))
	for i := range scores {
		scores[i] = []float64{0.25, 0.75}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"scores": scores, "model": body.Model, "usage": nil, "object": "scoring"}) // the client may have gone
}

// end makes the profiler idle; its files come later, and in pieces.
func (s *SGLang) end() {
	p := s.window
	s.window = nil
	dirs := []string{p.dir}
	if len(p.stages) > 0 {
		dirs = nil
		for _, stage := range p.stages {
			dirs = append(dirs, filepath.Join(p.dir, stage))
		}
	}
	s.writing.Go(func() {
		time.Sleep(s.Flush)
		for _, dir := range dirs {
			dir = filepath.Join(dir, "plugins", "profile", "2026_11_24_06_00_00")
			space := s.Capture(p.captured)
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return
			}
			f, err := os.Create(filepath.Join(dir, "worker-0.xplane.pb"))
			if err != nil {
				return
			}
			_, _ = f.Write(space[:len(space)/2]) // a test looks at what is there
			time.Sleep(s.Flush)
			_, _ = f.Write(space[len(space)/2:])
			_ = f.Close()
		}
	})
}
