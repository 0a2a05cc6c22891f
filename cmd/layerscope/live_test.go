// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/internal/standin"
	"github.com/layerscope/layerscope/internal/tracetest"
	"github.com/layerscope/layerscope/reports/bundle"
	"github.com/layerscope/layerscope/trace"
	"github.com/layerscope/layerscope/trace/capture"
)

const oneRequest = `{"query":[17,17],"items":[[18],[19]],"label_token_ids":[20,21]}`

// projectRoot is set by inTemp, from where it can't be found any more.
var projectRoot string

// inTemp makes the current directory an empty one with a request in it.
func inTemp(t *testing.T) {
	t.Helper()
	projectRoot = tracetest.Root(t)
	t.Chdir(t.TempDir())
	t.Setenv("TMPDIR", t.TempDir())
	write(t, "request.json", oneRequest)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// jaxSpace is a capture of a JAX process with 12 steps of six layers.
func jaxSpace(t *testing.T) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join(projectRoot, "testdata", "captures", "base_a.xplane.pb.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// tpuSpace is a capture of so many forwards of a model of two layers on a TPU; a
// host alone with device false.
func tpuSpace(t *testing.T, forwards int, device bool) []byte {
	var b strings.Builder
	b.WriteString("layerscope-trace 1\nhost \"worker-0\"\nprogram \"jit_score\" 7\n")
	if device {
		b.WriteString("device /device:TPU:0 tpu type=\"TPU v6 lite\" host=\"worker-0\"\nop a name=\"a\" program=0 scope=\"jit(score)/layer_0/mlp/dot\"\nop b name=\"b\" program=0 scope=\"jit(score)/layer_1/mlp/dot\"\n")
		for i := range forwards {
			fmt.Fprintf(&b, "exec 0 0 %d %d 4000000\n", i, i*5_000_000)
		}
		b.WriteString("track ops device=0 name=\"XLA Ops\" host=\"worker-0\"\n")
		for i := range forwards {
			fmt.Fprintf(&b, "  %d 2000000 a\n  %d 2000000 b\n", i*5_000_000, i*5_000_000+2_000_000)
		}
	}
	b.WriteString("op w name=\"wait\"\ntrack host name=\"python\" host=\"worker-0\"\n  0 9000000 w\n")
	dir := t.TempDir()
	text, out := filepath.Join(dir, "x.trace.txt"), filepath.Join(dir, "x.xplane.pb")
	write(t, text, b.String())
	if o := runWith(context.Background(), strings.NewReader(""), "convert", text, "-o", out, "-q"); o.code != 0 {
		t.Errorf("convert: %s", o.stderr)
	}
	space, err := os.ReadFile(out)
	if err != nil {
		t.Error(err)
	}
	return space
}

func layerscope(t *testing.T, args ...string) outcome {
	t.Helper()
	return runWith(t.Context(), strings.NewReader(""), args...)
}

// result runs a verb with --json, holds its output against the schema, and
// returns it with the exit code.
func result(t *testing.T, want int, args ...string) (captureJSON, string) {
	t.Helper()
	o := layerscope(t, append(args, "--json")...)
	if o.code != want {
		t.Fatalf("%v: exit code %d, want %d\n%s", args, o.code, want, o.stderr)
	}
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join(projectRoot, "docs", "schema", "capture.v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(o.stdout))
	if err == nil {
		err = schema.Validate(doc)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, o.stdout)
	}
	var r captureJSON
	if err := json.Unmarshal([]byte(o.stdout), &r); err != nil {
		t.Fatal(err)
	}
	if v, err := bundle.Verify(r.Bundle); err != nil || !v.OK() {
		t.Errorf("%s: %v, %+v", r.Bundle, err, v)
	}
	return r, o.stderr
}

func codes(r captureJSON) string {
	var out []string
	for _, f := range r.Findings {
		out = append(out, f.Code)
	}
	return strings.Join(out, " ")
}

// TestCaptureJAX keeps a window of a JAX process as a bundle.
func TestCaptureJAX(t *testing.T) {
	inTemp(t)
	j := &standin.JAX{Space: jaxSpace(t)}
	address := j.Start(t)
	r, stderr := result(t, 0, "capture", address, "--duration", "50ms", "-o", "run", "--commit", "79e14de2c1")
	if r.Bundle != "run" || r.Servers[0].Kind != "jax" || len(r.Captures) != 1 || r.Captures[0].Steps != 12 || r.Captures[0].Layers != 6 || r.Verdict == "error" {
		t.Errorf("%+v", r)
	}
	for _, want := range []string{"listen on all interfaces", "a window of 50ms; requests are others'", "12 steps, 6 layers"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("stderr lacks %q:\n%s", want, stderr)
		}
	}
	files, _ := filepath.Glob("run/artifacts/raw/traces/plugins/profile/*/*.xplane.pb")
	if len(files) != 1 {
		t.Fatalf("files %v", files)
	}
	if b, err := os.ReadFile(files[0]); err != nil || !bytes.Equal(b, jaxSpace(t)) {
		t.Errorf("not the capture: %v", err)
	}
	if left, _ := filepath.Glob(".capture-*"); len(left) != 0 {
		t.Errorf("left behind %v", left)
	}
	if o := layerscope(t, "capture", address, "-o", "run"); o.code != exitFailed || !strings.Contains(o.stderr, "exists already") || len(j.Requests()) != 1 {
		t.Errorf("%+v", o)
	}
}

// TestCaptureImproves takes a capture again with what was missing, says so, and
// stops when there is nothing left to change.
func TestCaptureImproves(t *testing.T) {
	inTemp(t)
	j := &standin.JAX{Space: jaxSpace(t)}
	address := j.Start(t)
	r, stderr := result(t, 0, "capture", address, "--duration", "20ms", "--host-tracer", "0", "-o", "levels")
	if got := j.Requests(); len(got) != 2 || got[0].HostTracer != 0 || got[1].HostTracer != 2 || !strings.Contains(stderr, "host tracer level 0 → 2") {
		t.Errorf("%+v\n%s", got, stderr)
	}
	if strings.Join(r.Captures[0].Changed, "; ") != "host tracer level 0 → 2; window 20ms → 80ms" {
		t.Errorf("changed %q", r.Captures[0].Changed)
	}
	if _, stderr = result(t, 0, "capture", address, "--duration", "20ms", "--no-hlo", "-o", "hlo"); !strings.Contains(stderr, "with the programs' HLO") {
		t.Errorf("%s", stderr)
	}
	j.Idle = true
	before := len(j.Requests())
	r, stderr = result(t, exitUntrusted, "capture", address, "--duration", "10ms", "--tries", "3", "-o", "idle")
	if n := len(j.Requests()) - before; n != 3 || !strings.Contains(stderr, "window 10ms → 40ms") || !strings.Contains(stderr, "window 40ms → 160ms") || !strings.Contains(codes(r), "no-device-events") {
		t.Errorf("%d tries, findings %s\n%s", n, codes(r), stderr)
	}
	if !r.Captures[0].Empty || !strings.Contains(strings.Join(r.Captures[0].Notes, " "), "idle") {
		t.Errorf("%+v", r.Captures)
	}
}

// TestCaptureInterrupted: ^C ends the window and keeps what there is.
func TestCaptureInterrupted(t *testing.T) {
	inTemp(t)
	j := &standin.JAX{Space: jaxSpace(t)}
	ctx, cancel := context.WithCancel(t.Context())
	address := j.Start(t)
	go func() {
		for len(j.Requests()) == 0 {
			time.Sleep(5 * time.Millisecond)
		}
		time.Sleep(150 * time.Millisecond)
		cancel()
	}()
	o := runWith(ctx, strings.NewReader(""), "capture", address, "--duration", "1h", "-o", "run")
	if o.code != exitInterrupted || !strings.Contains(o.stderr, "interrupted: what was captured is kept") || len(j.Terminated()) == 0 {
		t.Errorf("%+v", o)
	}
	if v, err := bundle.Verify("run"); err != nil || !v.OK() {
		t.Errorf("%v", err)
	}
}

// TestCaptureBusy: others use the profiler.
func TestCaptureBusy(t *testing.T) {
	inTemp(t)
	j := &standin.JAX{Space: jaxSpace(t)}
	defer j.Occupy()()
	o := layerscope(t, "capture", j.Start(t), "--busy", "400ms", "-o", "run")
	if o.code != exitFailed || !strings.Contains(o.stderr, "its profiler is busy; trying again") || !strings.Contains(o.stderr, "--continuous") {
		t.Errorf("%+v", o)
	}
	if _, err := os.Lstat("run"); err == nil {
		t.Error("a bundle of nothing")
	}
	if left, _ := filepath.Glob(".capture-*"); len(left) != 0 {
		t.Errorf("left behind %v", left)
	}
}

// TestCaptureRanks: two processes, one window, one bundle.
func TestCaptureRanks(t *testing.T) {
	inTemp(t)
	a, b := &standin.JAX{Space: jaxSpace(t)}, &standin.JAX{Space: jaxSpace(t)}
	r, _ := result(t, 0, "capture", a.Start(t), b.Start(t), "--duration", "20ms", "-o", "run")
	if len(r.Servers) != 2 || len(r.Captures) != 1 || r.Captures[0].Files != 2 {
		t.Errorf("%+v", r)
	}
	release := b.Occupy()
	time.AfterFunc(1500*time.Millisecond, release)
	if _, stderr := result(t, 0, "capture", a.Start(t), b.Start(t), "--duration", "20ms", "-o", "runs/again", "--busy", "20s"); !strings.Contains(stderr, "is active: Another profiling session active.; again") {
		t.Errorf("%s", stderr)
	}
	if a.Requests()[0].StartNS == 0 || a.Requests()[0].StartNS != b.Requests()[0].StartNS || a.Requests()[0].Session != b.Requests()[0].Session {
		t.Errorf("%+v %+v", a.Requests(), b.Requests())
	}
}

// TestCaptureSGLang: forwards asked for are forwards captured, with the load that
// was warmed up; a host without a device is noticed at once.
func TestCaptureSGLang(t *testing.T) {
	inTemp(t)
	device := true
	sg := &standin.SGLang{Capture: func(n int) []byte { return tpuSpace(t, n, device) }, Flush: 50 * time.Millisecond}
	url := sg.Start(t)
	r, _ := result(t, 0, "capture", url, "--request", "request.json", "--steps", "3", "-o", "run")
	if r.Captures[0].Steps != 3 || r.Servers[0].Kind != "sglang" || r.Servers[0].Model != "Qwen/Qwen3-0.6B" || r.Requests.Warmup != 2 || r.Requests.Failed != 0 {
		t.Errorf("%+v", r)
	}
	if strings.Contains(codes(r), "few-executions") || sg.Starts()[0]["num_steps"] != 4.0 {
		t.Errorf("findings %s, asked %v", codes(r), sg.Starts()[0])
	}
	config, err := os.ReadFile("run/inputs/profile_config.json")
	if err != nil || !strings.Contains(string(config), `"num_steps": 3`) || !strings.Contains(string(config), `"num_steps_sent": 4`) {
		t.Errorf("%s, %v", config, err)
	}
	requests, err := os.ReadFile("run/inputs/score_request.json")
	if err != nil || !strings.Contains(string(requests), `"model":"Qwen/Qwen3-0.6B"`) {
		t.Errorf("%s, %v", requests, err)
	}
	device = false
	r, stderr := result(t, exitUntrusted, "capture", url, "--request", "request.json", "--steps", "3", "-o", "host", "--tries", "2")
	if !strings.Contains(codes(r), "no-device-events") || !strings.Contains(stderr, "device tracer level 1 is asked for") {
		t.Errorf("%s\n%s", codes(r), stderr)
	}
	if starts := sg.Starts(); starts[1]["device_tracer_level"] != nil || starts[2]["device_tracer_level"] != 1.0 {
		t.Errorf("%v", starts)
	}
}

// TestCaptureDefaultName is made of time, model and hardware.
func TestCaptureDefaultName(t *testing.T) {
	inTemp(t)
	sg := &standin.SGLang{Capture: func(n int) []byte { return tpuSpace(t, n, true) }}
	o := layerscope(t, "capture", sg.Start(t), "--request", "request.json", "--steps", "2", "--api-key", "very-secret-1")
	name := strings.TrimSpace(o.stdout)
	if o.code != 0 || !strings.HasSuffix(name, "_score_qwen3-0p6b_1_x_tpu_v6_lite") || strings.Contains(name, "/") {
		t.Errorf("%q: %s", name, o.stderr)
	}
	err := filepath.WalkDir(name, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte("very-secret")) {
			t.Errorf("%s holds the key", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestCaptureOverhead compares requests with and without the profiler.
func TestCaptureOverhead(t *testing.T) {
	inTemp(t)
	sg := &standin.SGLang{Capture: func(n int) []byte { return tpuSpace(t, n, true) }, Latency: 5 * time.Millisecond, Slow: 10 * time.Millisecond}
	r, _ := result(t, 0, "capture", sg.Start(t), "--request", "request.json", "--requests", "3", "--overhead", "6", "-o", "run")
	if o := r.Overhead; o == nil || o.N != 6 || o.Median < 1.3 || o.Need != 0 {
		t.Errorf("%+v, want about 3", o)
	}
	if _, err := os.Stat("run/inputs/overhead.json"); err != nil {
		t.Error(err)
	}
}

// TestCaptureMemory: live buffers of our own server, the plan of a JAX process,
// nothing of others.
func TestCaptureMemory(t *testing.T) {
	inTemp(t)
	r, _ := result(t, 0, "capture", "--serve", "random:llama-tiny", "--memory", "--request", "request.json", "-o", "run")
	if r.Requests.Sent != 1 || r.Verdict != "ok" {
		t.Errorf("%+v", r)
	}
	if o := layerscope(t, "memory", "run"); o.code != 0 || !strings.Contains(o.stdout, "weights") {
		t.Errorf("%+v", o)
	}
	j := &standin.JAX{Space: jaxSpace(t)}
	if r, _ = result(t, 0, "capture", j.Start(t), "--memory", "-o", "plan"); len(j.Requests()) != 1 || j.Requests()[0].DurationMS != 0 {
		t.Errorf("%+v, requests %+v", r, j.Requests())
	}
	if o := layerscope(t, "memory", "plan"); o.code != 0 || !strings.Contains(o.stdout, "jit_score") || !strings.Contains(o.stdout, "27,666.2") {
		t.Errorf("%+v", o)
	}
	sg := &standin.SGLang{}
	if o := layerscope(t, "capture", sg.Start(t), "--memory", "-o", "none"); o.code != exitFailed || !strings.Contains(o.stderr, "no memory profile") {
		t.Errorf("%+v", o)
	}
}

// TestLiveMisuse: command lines that can't be meant.
func TestLiveMisuse(t *testing.T) {
	inTemp(t)
	write(t, "empty.json", "[]")
	write(t, "bad.json", `{"query":1}`)
	write(t, "grid.yaml", "items: [1]\nlabels: [0]\n")
	write(t, "field.yaml", "items: [1]\nlabels: [2]\nwhat: 1\n")
	write(t, "both.json", `{"items":[1],"labels":[2],"request":"request.json"}`)
	for want, args := range map[string][]string{
		"no URL of a server given":           {"capture"},
		"--memory goes without":              {"capture", "h:1", "--memory", "--duration", "1s"},
		"--memory goes without --duration":   {"capture", "h:1", "--memory", "--overhead", "3", "--request", "request.json"},
		"--requests and --steps":             {"capture", "h:1", "--requests", "1", "--steps", "1"},
		"no requests to send":                {"capture", "h:1", "--requests", "1"},
		"there are none":                     {"capture", "h:1", "--overhead", "6"},
		"want jax, sglang or layerscope":     {"capture", "h:1", "--server", "triton"},
		"a tracer level that there isn't":    {"capture", "h:1", "--host-tracer", "4"},
		"--serve is a server of its own":     {"profile", "h:1", "--serve", "embedded"},
		"--inject goes with --serve":         {"profile", "h:1", "--inject", "x"},
		"want smoke, standard, full":         {"profile", "h:1", "--workload", "smokey"},
		"--captures -1":                      {"profile", "h:1", "--captures", "-1"},
		"that is missing":                    {"profile", "h:1", "--local-dir", "x"},
		"--format xml":                       {"capture", "h:1", "--format", "xml"},
		"labels: 0, wanted 1 to 256":         {"profile", "h:1", "--workload", "grid.yaml"},
		"unknown field \"what\"":             {"profile", "h:1", "--workload", "field.yaml"},
		"give one":                           {"profile", "h:1", "--workload", "both.json"},
		"no request in it":                   {"capture", "h:1", "--request", "empty.json"},
		"request 1 has no query or no items": {"capture", "h:1", "--request", "bad.json"},
		"none.json: no such file":            {"capture", "h:1", "--request", "none.json"},
		"runs are found by their commit":     {"profile", "h:1", "--push", "d"},
	} {
		o := layerscope(t, args...)
		if o.code != exitUsage && o.code != exitFailed || !strings.Contains(o.stderr, want) {
			t.Errorf("%v: exit code %d, want %q in\n%s", args, o.code, want, o.stderr)
		}
	}
	j := &standin.JAX{}
	if o := layerscope(t, "capture", j.Start(t), "--request", "request.json"); o.code != exitUsage || !strings.Contains(o.stderr, "--target http://HOST:PORT") {
		t.Errorf("%+v", o)
	}
	if o := layerscope(t, "capture", "127.0.0.1:1"); o.code != exitFailed || !strings.Contains(o.stderr, "no profiler of a server was found") || !strings.Contains(o.stderr, "start_server") {
		t.Errorf("%+v", o)
	}
}

// TestCaptureOurs reads back, from a window of our own server, the requests that
// were in it.
func TestCaptureOurs(t *testing.T) {
	inTemp(t)
	r, _ := result(t, 0, "capture", "--serve", "random:layers=4,hidden=64,ffn=128,heads=4,vocab=512", "--request", "request.json", "--requests", "6", "--concurrency", "2", "-o", "run")
	if r.Servers[0].Kind != "layerscope" || r.Captures[0].Steps != 6 || r.Captures[0].Layers != 4 || r.Requests.Sent != 6 {
		t.Errorf("%+v", r)
	}
	files, _ := filepath.Glob("run/artifacts/raw/traces/plugins/profile/*/*.xplane.pb")
	tr, err := trace.Open(files[0], trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	ids := map[string]bool{}
	for _, r := range tr.Requests {
		ids[r.ID] = true
	}
	if len(ids) != 6 || !strings.HasPrefix(tr.Requests[0].ID, "layerscope-") {
		t.Errorf("requests %+v", tr.Requests)
	}
}

// TestFetchRun copies captures from a root of objects, and nothing else.
func TestFetchRun(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	for _, name := range []string{"prefill/plugins/profile/s/h.xplane.pb", "plugins/profile/s/h.trace.json.gz", "other.txt"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(from, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(from, name), name)
	}
	a := &app{}
	if err := a.fetchRun(t.Context(), "file://"+from, to); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"prefill/plugins/profile/s/h.xplane.pb": true, "plugins/profile/s/h.trace.json.gz": true, "other.txt": false} {
		if b, err := os.ReadFile(filepath.Join(to, name)); (err == nil) != want || want && string(b) != name {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	if err := a.fetchRun(t.Context(), "s3://bucket/x", to); err == nil {
		t.Error("a scheme that isn't known")
	}
}

// TestLostForwards: requests that were answered without a step of their own.
func TestLostForwards(t *testing.T) {
	begin := time.Unix(1000, 0)
	take := func(steps int) *take {
		out := &take{Results: []*capture.Result{{Begin: begin, End: begin.Add(time.Second)}}, analyses: []*analyze.Analysis{{}}}
		out.analyses[0].Capture = analyze.Capture{StepCount: steps, StepSource: "steps-line"}
		for i := range 12 { // the first begins before the window, the last ends behind it
			out.Calls = append(out.Calls, capture.Call{Begin: begin.Add(time.Duration(i-1) * 90 * time.Millisecond), Latency: 80 * time.Millisecond, Misses: -1})
		}
		out.Calls[11].Latency = time.Second
		return out
	}
	l := &live{load: &capture.Load{Concurrency: 1}}
	// Nine are inside; the one that begins with the window is too near its begin.
	if got := l.lostForwards(take(5)); len(got) != 1 || got[0].Count != 4 {
		t.Errorf("%+v, want 4 of 9", got)
	}
	for _, steps := range []int{0, 7, 9, 30} {
		if got := l.lostForwards(take(steps)); len(got) != 0 {
			t.Errorf("%d steps: %+v", steps, got)
		}
	}
	l.load.Concurrency = 2
	if got := l.lostForwards(take(5)); len(got) != 0 {
		t.Errorf("several at a time share forwards: %+v", got)
	}
}
