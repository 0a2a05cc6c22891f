// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/layerscope/layerscope/internal/standin"
)

// forwards is an XSpace that says how many forwards are in it, by its host.
func forwards(n int) []byte {
	space := protowire.AppendString(protowire.AppendTag(nil, spaceHostnames, protowire.BytesType), fmt.Sprintf("forwards-%d", n))
	return protowire.AppendBytes(protowire.AppendTag(space, spacePlanes, protowire.BytesType), make([]byte, 5000))
}

func sglang(t *testing.T) (*standin.SGLang, *Server, *Load) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	sg := &standin.SGLang{Capture: forwards, Flush: 100 * time.Millisecond}
	url := sg.Start(t)
	l := &Load{URL: url, Bodies: [][]byte{[]byte(`{"query":[1],"items":[[2]],"label_token_ids":[3],"model":"m"}`)}}
	t.Cleanup(l.Close)
	return sg, dial(t, Target{URL: url}), l
}

// driven opens a window and sends requests until it closes.
func driven(t *testing.T, s *Server, l *Load, set Settings, n int) *Result {
	t.Helper()
	if set.Dir == "" {
		set.Dir = t.TempDir()
	}
	w, err := s.Open(t.Context(), set)
	if err != nil {
		t.Fatal(err)
	}
	l.Run(t.Context(), n, w.Closed())
	if n > 0 {
		w.Stop()
	}
	res, err := w.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// TestSGLangSteps: a window of n forwards holds n, though the server stops one
// short; of one alone it would hold none.
func TestSGLangSteps(t *testing.T) {
	for _, c := range []struct {
		steps, start int
		asked        float64
	}{{1, 0, 2}, {3, 0, 4}, {10, 0, 11}, {2, 4, 2}, {1, 4, 1}} {
		t.Run(fmt.Sprintf("%d from %d", c.steps, c.start), func(t *testing.T) {
			sg, s, l := sglang(t)
			if s.Kind != SGLang || s.Info["model_path"] != "Qwen/Qwen3-0.6B" {
				t.Fatalf("%s, %v", s.Kind, s.Info)
			}
			res := driven(t, s, l, Settings{Steps: c.steps, StartStep: c.start}, 0)
			if want := fmt.Sprintf("forwards-%d", c.steps); len(res.Hosts) != 1 || res.Hosts[0] != want || res.Early {
				t.Errorf("captured %v, want %s", res.Hosts, want)
			}
			if got := sg.Starts()[0]["num_steps"]; got != c.asked {
				t.Errorf("asked for %v steps, want %v", got, c.asked)
			}
			if !bytes.Equal(content(t, res), forwards(c.steps)) {
				t.Error("the file was copied before it was whole")
			}
			if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "layerscope-*")); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestSGLangStop ends a window without a number by /stop_profile, after a time or
// when the load is done.
func TestSGLangStop(t *testing.T) {
	sg, s, l := sglang(t)
	sg.Latency = 5 * time.Millisecond
	res := driven(t, s, l, Settings{Duration: time.Hour}, 4)
	if res.Hosts[0] != "forwards-4" || !res.Early || sg.Starts()[0]["num_steps"] != nil {
		t.Errorf("%+v, asked %v", res, sg.Starts()[0])
	}
	if res := driven(t, s, l, Settings{Duration: 150 * time.Millisecond}, 0); res.Early || res.Hosts[0] == "forwards-0" {
		t.Errorf("%+v", res)
	}
	// The forwards don't come: the window ends all the same, and says so.
	res = captured(t, s, Settings{Steps: 5, Duration: 150 * time.Millisecond})
	if !res.Early || !strings.Contains(strings.Join(res.Notes, " "), "did not come") {
		t.Errorf("%+v", res)
	}
}

// TestWindowEndsAtStop: what is answered while the server stops is behind the end.
func TestWindowEndsAtStop(t *testing.T) {
	sg, _, _ := sglang(t)
	var stop atomic.Int64
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stop_profile" {
			stop.CompareAndSwap(0, time.Now().UnixNano())
		}
		sg.ServeHTTP(w, r)
	}))
	defer web.Close()
	s := dial(t, Target{URL: web.URL})
	res := captured(t, s, Settings{Duration: 10 * time.Millisecond})
	if at := time.Unix(0, stop.Load()); !res.End.Before(at) || !res.End.After(res.Begin) {
		t.Errorf("from %v to %v, told to stop at %v", res.Begin, res.End, at)
	}
}

// TestSGLangBusy: the 500 of a busy profiler is told from others by its status.
func TestSGLangBusy(t *testing.T) {
	_, s, l := sglang(t)
	w, err := s.Open(t.Context(), Settings{Dir: t.TempDir(), Steps: 2})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(t.Context(), Settings{Dir: t.TempDir(), Steps: 2}); !errors.Is(err, ErrBusy) {
		t.Errorf("%v, want ErrBusy", err)
	}
	time.AfterFunc(400*time.Millisecond, func() { l.Run(context.Background(), 3, nil) })
	second, err := s.Open(t.Context(), Settings{Dir: t.TempDir(), Duration: 50 * time.Millisecond, Busy: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []*Window{w, second} {
		if _, err := w.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Open(t.Context(), Settings{Dir: t.TempDir(), Steps: 2, ServerDir: "/proc/nope"}); err == nil || errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), "HTTP status 500") {
		t.Errorf("%v, want the refusal of a directory", err)
	}
}

// TestSGLangStages: each stage's capture is a directory of its own.
func TestSGLangStages(t *testing.T) {
	sg, s, l := sglang(t)
	res := driven(t, s, l, Settings{Steps: 3, ByStage: true, Stages: []string{"prefill", "decode"}}, 0)
	if len(res.Files) != 2 || res.Files[0].Stage != "decode" || res.Files[1].Stage != "prefill" || filepath.Dir(res.Files[0].Path) == filepath.Dir(res.Files[1].Path) {
		t.Errorf("%+v", res.Files)
	}
	if got := sg.Starts()[0]; got["profile_by_stage"] != true || fmt.Sprint(got["profile_stages"]) != "[prefill decode]" {
		t.Errorf("asked %v", got)
	}
}

// TestSGLangElsewhere: files that are not on this machine.
func TestSGLangElsewhere(t *testing.T) {
	_, s, l := sglang(t)
	there := t.TempDir()
	// A path of the server's that is another one here.
	if err := os.Symlink(there, filepath.Join(os.TempDir(), "mount")); err != nil {
		t.Fatal(err)
	}
	res := driven(t, s, l, Settings{Steps: 2, ServerDir: there, LocalDir: filepath.Join(os.TempDir(), "mount")}, 0)
	if res.Hosts[0] != "forwards-2" {
		t.Errorf("%+v", res)
	}
	// A bucket: fetched until whole, or left there and said so.
	tries := 0
	fetch := func(_ context.Context, from, to string) error {
		tries++
		if !strings.HasPrefix(from, "gs://bucket/runs/layerscope-") {
			t.Errorf("from %s", from)
		}
		space := forwards(7)
		if tries == 1 {
			space = space[:100] // as far as the upload has come
		}
		return os.WriteFile(filepath.Join(to, "worker.xplane.pb"), space, 0o644)
	}
	res2 := &Result{Session: "x", Dir: t.TempDir()}
	set := &Settings{Session: "x", ServerDir: "gs://bucket/runs/layerscope-x", Fetch: fetch, Settle: 10 * time.Second}
	if err := s.collect(t.Context(), res2, set); err != nil || tries != 2 || res2.Hosts[0] != "forwards-7" {
		t.Errorf("%v after %d tries, %+v", err, tries, res2)
	}
	set.Fetch = nil
	if err := s.collect(t.Context(), res2, set); err != nil || res2.ServerPath != set.ServerDir {
		t.Errorf("%v, %+v", err, res2)
	}
	// No file within the time.
	set = &Settings{Session: "x", ServerDir: filepath.Join(t.TempDir(), "none"), Settle: 250 * time.Millisecond}
	if err := s.collect(t.Context(), res2, set); !errors.Is(err, errNoFiles) {
		t.Errorf("%v, want %v", err, errNoFiles)
	}
	s.URL = "http://tpu-vm:30000"
	if _, err := s.Open(t.Context(), Settings{Dir: t.TempDir(), Steps: 2}); err == nil || !strings.Contains(err.Error(), "name a directory") {
		t.Errorf("%v", err)
	}
}

// TestMisuse: what a kind of server can't do is said before anything is asked of
// it.
func TestMisuse(t *testing.T) {
	jax := &Server{Kind: JAX, URL: "h:1", rpc: newRPC("h:1")}
	web := &Server{Kind: SGLang, URL: "http://h:1", web: newWeb("http://h:1", "")}
	for want, c := range map[string]struct {
		s   *Server
		set Settings
	}{
		"no directory":    {jax, Settings{}},
		"counts no steps": {jax, Settings{Dir: "d", Steps: 1}},
		"less than":       {jax, Settings{Dir: "d", Duration: -1}},
		"wanted a name":   {jax, Settings{Dir: "d", Session: "../x"}},
		"alone":           {web, Settings{Dir: "d", Continuous: true}},
	} {
		if _, err := c.s.Open(t.Context(), c.set); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := web.HLO(t.Context(), t.TempDir()); err == nil {
		t.Error("HLO of a server without")
	}
	if _, err := web.Memory(t.Context(), t.TempDir(), "m"); err == nil || !strings.Contains(err.Error(), "no memory profile") {
		t.Errorf("%v", err)
	}
	for _, url := range []string{"ftp://h", "http://", "http://u:p@h:1", "http://h:1?q=1", "http://h\x7f"} {
		if _, err := Dial(t.Context(), Target{URL: url}); err == nil || strings.Contains(err.Error(), "u:p@") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// TestDialNothing names what was tried.
func TestDialNothing(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	if _, err := Dial(t.Context(), Target{URL: plain.URL}); err == nil || !strings.Contains(err.Error(), "/profile_status 404") || !strings.Contains(err.Error(), "; ") || !strings.Contains(err.Error(), "GetSnapshot") {
		t.Errorf("%v", err)
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	if _, err := Dial(t.Context(), Target{URL: gone.URL}); err == nil || strings.Count(err.Error(), "refused") != 1 || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
	keyed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer k" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"status":"idle"}`)
	}))
	defer keyed.Close()
	if _, err := Dial(t.Context(), Target{URL: keyed.URL}); err == nil || !strings.Contains(err.Error(), "wants a key") {
		t.Errorf("%v", err)
	}
	if s := dial(t, Target{URL: keyed.URL, Key: "k"}); s.Kind != SGLang {
		t.Errorf("%+v", s)
	}
}

// TestLoad: requests in turn, failures counted, errors of both shapes read.
func TestLoad(t *testing.T) {
	answers := []struct {
		status int
		body   string
		err    string
	}{
		{200, `{"scores":[[1]],"meta_info":{"cache_miss_count":2}}`, ""},
		{200, `{"scores":[]}`, ""},
		{400, `{"object":"error","message":"flat","code":400}`, "HTTP status 400: flat"},
		{422, `{"error":{"message":"nested","code":"x"}}`, "HTTP status 422: nested"},
		{500, `oops`, "HTTP status 500: oops"},
		{200, `<html>`, "no JSON"},
		{200, `{}`, "no scores"},
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var i int
		_, _ = fmt.Fscan(r.Body, &i)
		w.WriteHeader(answers[i].status)
		_, _ = w.Write([]byte(answers[i].body))
	}))
	defer web.Close()
	l := &Load{URL: web.URL, Prefix: "p"}
	defer l.Close()
	for i := range answers {
		l.Bodies = append(l.Bodies, []byte(fmt.Sprint(i)))
	}
	calls := l.Run(t.Context(), len(answers), nil)
	for i, c := range calls {
		if c.Body != i || c.Status != answers[i].status || !strings.Contains(c.Err, answers[i].err) || c.Failed() != (answers[i].err != "") || c.ID != fmt.Sprintf("p-%d", i+1) {
			t.Errorf("call %d: %+v", i, c)
		}
	}
	if calls[0].Misses != 2 || calls[1].Misses != -1 {
		t.Errorf("misses %d %d", calls[0].Misses, calls[1].Misses)
	}
	if _, n := Latency(calls, 0.5); n != 2 {
		t.Errorf("%d latencies, want those of two calls", n)
	}
	l.Concurrency = 3
	if got := l.Run(t.Context(), 10, nil); len(got) != 10 {
		t.Errorf("%d calls, want 10", len(got))
	}
	ctx, cancel := context.WithCancel(t.Context())
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		cancel()
		<-r.Context().Done()
	}))
	defer slow.Close()
	cut := &Load{URL: slow.URL, Bodies: l.Bodies}
	defer cut.Close()
	if got := cut.Run(ctx, 0, nil); len(got) != 0 {
		t.Errorf("%+v, want none: the context's end cut it off", got)
	}
	closed := make(chan struct{})
	close(closed)
	if got := l.Run(t.Context(), 0, closed); len(got) != 0 {
		t.Errorf("%d calls in a closed window", len(got))
	}
}

// TestOverhead: what the profiler adds is found, and its captures are thrown away.
func TestOverhead(t *testing.T) {
	sg, s, l := sglang(t)
	sg.Latency, sg.Slow, sg.Flush = 20*time.Millisecond, 20*time.Millisecond, time.Millisecond
	o, err := s.MeasureOverhead(t.Context(), Settings{}, l, 6, 2)
	if err != nil {
		t.Fatal(err)
	}
	if o.N != 6 || o.Median < 1.3 || o.Lo > o.Median || o.Hi < o.Median || o.Confidence != 1-2.0/64 || o.On <= o.Off {
		t.Errorf("%+v, want about 2", o)
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "layerscope-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	l.Bodies = [][]byte{[]byte(`{}`)}
	if _, err := s.MeasureOverhead(t.Context(), Settings{}, l, 1, 1); err == nil || !strings.Contains(err.Error(), "Field required") {
		t.Errorf("%v", err)
	}
}

// TestMedianRatio has intervals worked out by hand: of n pairs the k-th smallest
// and largest miss the median with 2·P(X<k) of n throws of a coin.
func TestMedianRatio(t *testing.T) {
	seq := func(n int) (out []float64) {
		for i := range n {
			out = append(out, float64(n-i))
		}
		return out
	}
	for _, c := range []struct {
		n                      int
		median, lo, hi, confid float64
		need                   int
	}{
		{0, 0, 0, 0, 0, 6}, {1, 1, 0, 0, 0, 5}, {5, 3, 0, 0, 0, 1}, {6, 3.5, 1, 6, 1 - 2.0/64, 0}, {8, 4.5, 1, 8, 1 - 2.0/256, 0},
		{9, 5, 2, 8, 1 - 2*10.0/512, 0}, {20, 10.5, 6, 15, 1 - 2*21700.0/1048576, 0},
	} {
		got := MedianRatio(seq(c.n))
		want := Ratio{N: c.n, Median: c.median, Lo: c.lo, Hi: c.hi, Confidence: c.confid, Need: c.need}
		if got.Confidence-want.Confidence < 1e-12 && want.Confidence-got.Confidence < 1e-12 {
			got.Confidence = want.Confidence
		}
		if got != want {
			t.Errorf("%d pairs: %+v, want %+v", c.n, got, want)
		}
	}
}
