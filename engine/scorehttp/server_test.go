// SPDX-License-Identifier: Apache-2.0

package scorehttp

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/engine"
	"github.com/layerscope/layerscope/trace"
	"github.com/layerscope/layerscope/trace/memprof"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tiny serves a small random model without a tokenizer of words.
func tiny(t *testing.T, opt Options) *Server {
	t.Helper()
	e, err := engine.Open(engine.Options{Model: "random:layers=4,hidden=256,ffn=1024,heads=4,vocab=512", MaxItems: 16})
	if err != nil {
		t.Fatal(err)
	}
	opt.Profiles = t.TempDir()
	s := New(e, opt)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// do sends one request and returns status and decoded body.
func do(t *testing.T, s http.Handler, method, path, body string, headers ...string) (int, map[string]any) {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if method == "POST" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	var out map[string]any
	if strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
			t.Fatalf("%s: %v", w.Body, err)
		}
	}
	return w.Code, out
}

const good = `{"query":[1,2,3],"items":[[4],[5,6]],"label_token_ids":[7,8],"apply_softmax":true}`

func TestScore(t *testing.T) {
	s := tiny(t, Options{})
	status, out := do(t, s, "POST", "/v1/score", good, "X-Request-Id", "req-1")
	if status != 200 || out["object"] != "scoring" || out["id"] != "req-1" || out["model"] == "" || out["created"].(float64) < 1e9 {
		t.Fatalf("%d %v", status, out)
	}
	scores := out["scores"].([]any)
	if len(scores) != 2 {
		t.Fatalf("scores %v", scores)
	}
	for _, item := range scores {
		sum := 0.0
		for _, v := range item.([]any) {
			sum += v.(float64)
		}
		if math.Abs(sum-1) > 1e-6 {
			t.Errorf("softmax adds up to %v", sum)
		}
	}
	usage := out["usage"].(map[string]any)
	if usage["prompt_tokens"] != 9.0 || usage["completion_tokens"] != 0.0 || usage["total_tokens"] != 9.0 {
		t.Errorf("usage %v, want 9, 0, 9", usage)
	}
	if status, out = do(t, s, "POST", "/v1/score", `{"query":[1],"items":[[2]],"label_token_ids":[3],"model":"default","item_first":true,"algorithm":"serial"}`); status != 200 {
		t.Errorf("%d %v", status, out)
	}
}

// TestErrors holds codes, statuses and the order of checks: the first finding of
// query, items, kinds, elements, labels, flags counts.
func TestErrors(t *testing.T) {
	s := tiny(t, Options{MaxBody: 4096})
	for body, want := range map[string]struct {
		status int
		code   string
	}{
		`{"items":[1]}`:             {400, "missing_query"},
		`{"query":"","items":7}`:    {400, "empty_query"},
		`{"query":[]}`:              {400, "empty_query"},
		`{"query":7}`:               {400, "invalid_query_type"},
		`{"query":["x"]}`:           {400, "invalid_token_id_type"},
		`{"query":[1]}`:             {400, "missing_items"},
		`{"query":[1],"items":[]}`:  {400, "empty_items"},
		`{"query":[1],"items":{}}`:  {400, "invalid_items_type"},
		`{"query":[1],"items":[7]}`: {400, "invalid_items_type"},
		`{"query":[1],"items":["a",[1]],"label_token_ids":[1]}`:                               {400, "mixed_input_types"},
		`{"query":"a","items":[[1]],"label_token_ids":[1]}`:                                   {400, "mixed_input_types"},
		`{"query":[1],"items":[[1.5]],"label_token_ids":[1]}`:                                 {400, "invalid_token_id_type"},
		`{"query":[1],"items":[[1]]}`:                                                         {400, "missing_label_token_ids"},
		`{"query":[1],"items":[[1]],"label_token_ids":"x"}`:                                   {400, "invalid_label_token_ids_type"},
		`{"query":[1],"items":[[1]],"label_token_ids":[]}`:                                    {400, "empty_label_token_ids"},
		`{"query":[1],"items":[[1]],"label_token_ids":[-2,-3]}`:                               {400, "negative_token_id"},
		`{"query":[1],"items":[[1]],"label_token_ids":[99999999999]}`:                         {422, "token_id_exceeds_vocab"},
		`{"query":[1],"items":[[1]],"label_token_ids":[1],"apply_softmax":"yes"}`:             {400, "invalid_apply_softmax_type"},
		`{"query":[1],"items":[[1]],"label_token_ids":[1],"item_first":1}`:                    {400, "invalid_item_first_type"},
		`{"query":[1],"items":[[1]],"label_token_ids":[1],"model":"other"}`:                   {400, "model_not_found"},
		`{"query":[1],"items":[[1]],"label_token_ids":[1],"algorithm":"quick"}`:               {400, "invalid_algorithm"},
		`{"query":[1],"items":[` + strings.Repeat("[1],", 16) + `[1]],"label_token_ids":[1]}`: {400, "too_many_items"},
		`{"query":`: {400, "invalid_json"},
		`{"query":"` + strings.Repeat("x", 5000) + `"}`: {413, "body_too_large"},
	} {
		status, out := do(t, s, "POST", "/v1/score", body)
		nested, _ := out["error"].(map[string]any)
		if status != want.status || nested["code"] != want.code || out["code"] != float64(want.status) || out["object"] != "error" || out["type"] != nested["type"] {
			t.Errorf("%.60s: %d %v, want %d %s", body, status, out, want.status, want.code)
		}
		if msg, _ := out["message"].(string); len(msg) <= 10 || msg[:1] != strings.ToUpper(msg[:1]) {
			t.Errorf("%.60s: message %q", body, msg)
		}
	}
	if status, _ := do(t, s, "POST", "/v1/score", good, "Content-Type", "text/plain"); status != 400 {
		t.Errorf("text/plain: %d, want 400", status)
	}
	if status, _ := do(t, s, "GET", "/v1/score", ""); status != 405 {
		t.Errorf("GET: %d, want 405", status)
	}
}

func TestKeyQueueAndDrain(t *testing.T) {
	s := tiny(t, Options{Key: "secret", Queue: 1})
	if status, out := do(t, s, "POST", "/v1/score", good); status != 401 {
		t.Errorf("no key: %d %v", status, out)
	}
	if status, out := do(t, s, "POST", "/v1/score", good, "Authorization", "Bearer secret"); status != 200 {
		t.Errorf("key: %d %v", status, out)
	}
	s.waiting.Add(1) // somebody waits
	if status, out := do(t, s, "POST", "/v1/score", good, "Authorization", "Bearer secret"); status != 429 {
		t.Errorf("full queue: %d %v", status, out)
	}
	s.waiting.Add(-1)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := s.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	if status, _ := do(t, s, "POST", "/v1/score", good, "Authorization", "Bearer secret"); status != 503 {
		t.Errorf("draining: %d, want 503", status)
	}
	if status, _ := do(t, s, "GET", "/health", ""); status != 503 {
		t.Errorf("health while draining: %d", status)
	}
}

// TestProfile takes a capture over HTTP and reads it.
func TestProfile(t *testing.T) {
	s := tiny(t, Options{})
	if status, _ := do(t, s, "POST", "/stop_profile", ""); status != 409 {
		t.Errorf("stop without start: %d, want 409", status)
	}
	do(t, s, "POST", "/v1/score", good) // warm
	status, out := do(t, s, "POST", "/start_profile", `{"host_tracer_level":2}`)
	if status != 200 || out["status"] != "in_progress" {
		t.Fatalf("%d %v", status, out)
	}
	if status, _ := do(t, s, "POST", "/start_profile", ""); status != 409 {
		t.Errorf("second start: %d, want 409", status)
	}
	if _, out := do(t, s, "GET", "/profile_status", ""); out["status"] != "in_progress" {
		t.Errorf("status %v", out)
	}
	for range 3 {
		do(t, s, "POST", "/v1/score", good, "X-Request-Id", "wanted")
	}
	status, out = do(t, s, "POST", "/stop_profile", "")
	if status != 200 {
		t.Fatalf("%d %v", status, out)
	}
	handedOver(t, s, out)
	tr, err := trace.Open(s.opt.Profiles, trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	a, err := analyze.Analyze(tr, analyze.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if a.Layers.Method != "scope" || a.Capture.StepCount < 3 || a.Layers.OpTime == 0 {
		t.Errorf("layers by %s, %d steps, op time %d", a.Layers.Method, a.Capture.StepCount, a.Layers.OpTime)
	}
}

// handedOver wants the capture of a stopped profile by HTTP, and no other file.
func handedOver(t *testing.T, s *Server, stopped map[string]any) {
	t.Helper()
	_, out := do(t, s, "GET", "/profile_status", "")
	last, ok := out["last"].(map[string]any)
	if !ok || out["status"] != "idle" || last["session"] != stopped["session"] || last["bytes"].(float64) <= 0 {
		t.Fatalf("status %v after %v", out, stopped)
	}
	file, err := os.ReadFile(last["file"].(string))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", last["capture"].(string), nil))
	if w.Code != 200 || w.Body.String() != string(file) || w.Result().ContentLength != int64(len(file)) {
		t.Errorf("%d, %d bytes, the file has %d", w.Code, w.Body.Len(), len(file))
	}
	for _, path := range []string{"/profile_capture", "/profile_capture?session=../x", "/profile_capture?session=other"} {
		if status, _ := do(t, s, "GET", path, ""); status != 404 {
			t.Errorf("%s: %d, want 404", path, status)
		}
	}
}

// TestProfileEnds: a profile ends by its duration, and a late timer doesn't end
// the next one; with a key the profiler wants it.
func TestProfileEnds(t *testing.T) {
	s := tiny(t, Options{Key: "k"})
	for _, path := range []string{"/start_profile", "/stop_profile"} {
		if status, _ := do(t, s, "POST", path, ""); status != 401 {
			t.Errorf("%s without the key: %d, want 401", path, status)
		}
	}
	for _, path := range []string{"/profile_capture", "/memory_profile"} {
		if status, _ := do(t, s, "GET", path, ""); status != 401 {
			t.Errorf("%s without the key: %d, want 401", path, status)
		}
	}
	key := []string{"Authorization", "Bearer k"}
	_, first := do(t, s, "POST", "/start_profile", `{"duration_ms":20}`, key...)
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		if _, out := do(t, s, "GET", "/profile_status", ""); out["status"] == "idle" {
			if out["last"].(map[string]any)["session"] != first["session"] {
				t.Errorf("%v, want session %v", out, first["session"])
			}
			break
		}
		if time.Since(begin) > 10*time.Second {
			t.Fatal("the profile does not end")
		}
	}
	if _, err := s.profile.stopDir(s, "another"); err == nil {
		t.Error("stopped another's profile")
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/memory_profile", nil)
	r.Header.Set(key[0], key[1])
	s.ServeHTTP(w, r)
	if p, err := memprof.Read(w.Body); w.Code != 200 || err != nil || len(p.Buffers) == 0 {
		t.Errorf("memory profile: %d, %v", w.Code, err)
	}
}

func TestInfoModelsMetrics(t *testing.T) {
	s := tiny(t, Options{Version: "v1"})
	do(t, s, "POST", "/v1/score", good)
	if _, out := do(t, s, "GET", "/get_server_info", ""); out["version"] != "v1" || out["random_weights"] != true || out["peak_bytes_in_use"].(float64) <= 0 {
		t.Errorf("info %v", out)
	}
	if _, out := do(t, s, "GET", "/v1/models", ""); len(out["data"].([]any)) != 1 {
		t.Errorf("models %v", out)
	}
	r := httptest.NewRecorder()
	s.ServeHTTP(r, httptest.NewRequest("GET", "/metrics", nil))
	text := r.Body.String()
	for _, want := range []string{
		`layerscope_http_requests_total{path="/v1/score",status="200"} 1`, "layerscope_score_seconds_count 1", "layerscope_items_total 2",
		`layerscope_score_seconds_bucket{le="+Inf"} 1`, "layerscope_queue_length 0",
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("metrics lack %s:\n%s", want, text)
		}
	}
}

// Example serves the embedded model on a free port and scores one item.
func Example() {
	e, err := engine.Open(engine.Options{Model: "random:llama-tiny"})
	if err != nil {
		panic(err)
	}
	defer e.Close()
	s := New(e, Options{})
	defer s.Close()
	web := httptest.NewServer(s)
	defer web.Close()
	resp, err := http.Post(web.URL+"/v1/score", "application/json", strings.NewReader(`{"query":[1,2],"items":[[3]],"label_token_ids":[4]}`))
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	_, _ = os.Stdout.WriteString(resp.Status + "\n")
	// Output: 200 OK
}
