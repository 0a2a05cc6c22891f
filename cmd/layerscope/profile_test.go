// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/layerscope/layerscope/internal/standin"
	"github.com/layerscope/layerscope/internal/term"
)

// TestProfile runs a session against our own server, and reads its bundle as a
// side of a diff.
func TestProfile(t *testing.T) {
	inTemp(t)
	write(t, "small.yaml", "# two shapes\nitems: [1, 3]\nlabels: [2]\nquery_tokens: 8\nitem_tokens: 2\nrequests: 4\ncaptures: 3\n")
	r, stderr := result(t, 0, "profile", "--serve", "random:layers=3,hidden=64,ffn=128,heads=4,vocab=512", "--workload", "small.yaml", "--overhead", "2", "-o", "run", "--commit", "79e14de2c1", "--trigger", "nightly")
	if len(r.Captures) != 3 || r.Captures[0].Steps != 8 || r.Captures[0].Layers != 3 || r.Requests.Sent != 24 || r.Requests.Failed != 0 || r.Overhead == nil || r.Overhead.Need != 4 {
		t.Errorf("%+v", r)
	}
	last := 0
	for _, stage := range []string{"session", "server", "health", "score", "warm-up", "armed", "stopped", "verified", "overhead", "bundle"} {
		at := strings.Index(stderr, " "+stage+" ")
		if at < last {
			t.Errorf("stage %s is not behind those before it:\n%s", stage, stderr)
		}
		last = max(at, 0)
	}
	for file, want := range map[string]string{
		"run/metadata.json": `"trigger": "nightly"`, "run/inputs/profile_config.json": `"name": "small"`, "run/inputs/load.json": `score_b3_l2`,
		"run/inputs/server_info.json": `"kind": "layerscope"`, "run/report.md": "- workload: small\n", "run/logs/session.log": "verified", "run/analysis/report-03.html": "<html lang=\"en\"", "run/logs/client.log": "POST /v1/score 200 ", "run/inputs/commands.sh": "layerscope",
	} {
		if b, err := os.ReadFile(file); err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s lacks %q: %v", file, want, err)
		}
	}
	if o := layerscope(t, "diff", "a=run", "b=run", "--format", "json"); !strings.Contains(o.stdout, `"runs": 3`) {
		t.Errorf("%.2000s%s", o.stdout, o.stderr)
	}
	if left, _ := filepath.Glob("*.session"); len(left) != 0 {
		t.Errorf("left behind %v", left)
	}
}

// TestProfileGoesOn: after an interrupt the same command takes what is missing.
func TestProfileGoesOn(t *testing.T) {
	inTemp(t)
	sg := &standin.SGLang{Capture: func(n int) []byte { return tpuSpace(t, n, true) }}
	var starts atomic.Int32
	ctx, cancel := context.WithCancel(t.Context())
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/start_profile" && starts.Add(1) == 2 {
			cancel()
		}
		sg.ServeHTTP(w, r)
	}))
	defer web.Close()
	args := []string{"profile", web.URL, "--workload", "smoke", "--captures", "2", "--overhead", "0", "-o", "run", "--tries", "1"}
	o := runWith(ctx, strings.NewReader(""), args...)
	if o.code != exitInterrupted || !strings.Contains(o.stderr, "1 capture kept in run.session") {
		t.Fatalf("%+v", o)
	}
	if o := layerscope(t, append(args, "--commit", "79e14de2c1")...); o.code != exitFailed || !strings.Contains(o.stderr, "another command line") {
		t.Errorf("%+v", o)
	}
	r, stderr := result(t, 0, args...)
	if len(r.Captures) != 2 || !strings.Contains(stderr, "capture 1 of 2, from before") || starts.Load() != 3 {
		t.Errorf("%d starts, %+v\n%s", starts.Load(), r, stderr)
	}
	if r.Captures[0].Steps != 30 || r.Captures[1].Steps != 30 {
		t.Errorf("%+v", r.Captures)
	}
	// What is damaged is not gone on with, unless it is thrown away.
	if err := os.MkdirAll("other.session", 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, "other.session/session.json", "{}")
	args[len(args)-3] = "other"
	if o := layerscope(t, args...); o.code != exitFailed || !strings.Contains(o.stderr, "--fresh") {
		t.Errorf("%+v", o)
	}
	if o := layerscope(t, append(args, "--fresh")...); o.code != 0 {
		t.Errorf("%+v", o)
	}
}

// TestProfilePreflight: what can't succeed is noticed before it costs anything.
func TestProfilePreflight(t *testing.T) {
	inTemp(t)
	sg := &standin.SGLang{}
	url := sg.Start(t)
	if o := layerscope(t, "profile", url, "--model", "Qwen/Qwen3-8B", "-o", "run"); o.code != exitFailed || !strings.Contains(o.stderr, `has model "Qwen/Qwen3-0.6B", wanted "Qwen/Qwen3-8B"`) {
		t.Errorf("%+v", o)
	}
	if sg.Scores() != 0 || len(sg.Starts()) != 0 {
		t.Errorf("%d scores, %d windows", sg.Scores(), len(sg.Starts()))
	}
	ill := true
	sick := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/health":
			if ill {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		case "/v1/score":
			w.WriteHeader(http.StatusInternalServerError)
		default:
			sg.ServeHTTP(w, r)
		}
	}))
	defer sick.Close()
	if o := layerscope(t, "profile", sick.URL, "-o", "run"); o.code != exitFailed || !strings.Contains(o.stderr, "/health: HTTP status 503") {
		t.Errorf("%+v", o)
	}
	ill = false
	j := &standin.JAX{Space: jaxSpace(t)}
	if o := layerscope(t, "profile", j.Start(t), "--target", sick.URL, "-o", "run"); o.code != exitFailed || !strings.Contains(o.stderr, "one scoring request: HTTP status 500") {
		t.Errorf("%+v", o)
	}
	if left, _ := filepath.Glob("run*"); len(left) != 0 {
		t.Errorf("left behind %v", left)
	}
}

// TestProfileJAX: the profiler of a JAX process, the requests to its server.
func TestProfileJAX(t *testing.T) {
	inTemp(t)
	sg := &standin.SGLang{Latency: time.Millisecond}
	j := &standin.JAX{Space: jaxSpace(t)}
	r, _ := result(t, 0, "profile", j.Start(t), "--target", sg.Start(t), "--captures", "1", "--overhead", "0", "--model", "Qwen3-0.6B", "-o", "run")
	if len(r.Captures) != 1 || !r.Captures[0].Early || r.Captures[0].Steps != 12 || len(j.Terminated()) == 0 {
		t.Errorf("%+v", r)
	}
}

// TestDryRun asks no server anything.
func TestDryRun(t *testing.T) {
	o := layerscope(t, "profile", "http://127.0.0.1:1", "--workload", "standard", "--dry-run", "--push", "gs://bucket/profiles", "--commit", "79e14de2c1", "-o", "run")
	if o.code != 0 || o.stderr != "" {
		t.Fatalf("%+v", o)
	}
	for _, want := range []string{"warm-up    5 rounds of 18 shapes: score_b1_l2, ", "capture    3 times of 360 requests, 1 at a time", "overhead   6 pairs", "push       gs://bucket/profiles", "bundle     run"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("lacks %q:\n%s", want, o.stdout)
		}
	}
}

// TestWorkload: the same requests each time; what a server can't take is left out
// and said.
func TestWorkload(t *testing.T) {
	a := &app{edge: edge{stdin: strings.NewReader("")}}
	w := &workload{Items: []int{1, 3}, Labels: []int{2}, QueryTokens: 3, ItemTokens: 2}
	requests, names, skipped, err := a.shapes(w, limits{items: 2})
	if err != nil || !reflect.DeepEqual(names, []string{"score_b1_l2"}) || len(skipped) != 1 || !strings.Contains(skipped[0], "the server takes 2 items") {
		t.Fatalf("%v %v %v", names, skipped, err)
	}
	text, err := json.Marshal(requests[0])
	if want := `{"apply_softmax":true,"items":[[18,18]],"label_token_ids":[16,17],"query":[17,17,17]}`; err != nil || string(text) != want {
		t.Errorf("%s, want %s", text, want)
	}
	for _, lim := range []limits{{tokens: 4}, {vocab: 17}} {
		if requests, _, skipped, _ := a.shapes(w, lim); len(requests) != 0 || len(skipped) != 2 {
			t.Errorf("%+v: %d requests, skipped %v", lim, len(requests), skipped)
		}
	}
	for name, want := range map[string]int{"smoke": 6, "standard": 18, "full": 28} {
		w, err := readWorkload(name)
		if err != nil {
			t.Fatal(err)
		}
		if requests, _, _, _ := a.shapes(w, limits{}); len(requests) != want || w.check() != nil {
			t.Errorf("%s: %d shapes, want %d", name, len(requests), want)
		}
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "list.json"), oneRequest+"\n["+oneRequest+","+oneRequest+"]")
	write(t, filepath.Join(dir, "w.json"), `{"request":"list.json","name":"own"}`)
	w, err = readWorkload(filepath.Join(dir, "w.json"))
	if err != nil {
		t.Fatal(err)
	}
	if requests, names, _, err := a.shapes(w, limits{}); err != nil || len(requests) != 3 || names[2] != "list.json: request 3" || w.Name != "own" {
		t.Errorf("%v, %v", names, err)
	}
}

// TestNames of runs and models.
func TestNames(t *testing.T) {
	for in, want := range map[string]string{"1 × TPU v6 lite": "1_x_tpu_v6_lite", "Qwen3-0.6B": "qwen3-0p6b", "../../x": "x", "a + b": "a_b", "×": "x", "\x1b[31m": "31m", strings.Repeat("a", 99): strings.Repeat("a", 60)} {
		if got := slug(in); strings.Trim(got, "p_") != strings.Trim(want, "p_") {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	for _, c := range []struct {
		a, b string
		same bool
	}{{"Qwen/Qwen3-0.6B", "qwen3-0.6b", true}, {"/models/Qwen3-0.6B", "Qwen3-0.6B", true}, {"Qwen3-0.6B", "Qwen3-8B", false}, {"6B", "Qwen3-0.6B", false}} {
		if sameModel(c.a, c.b) != c.same || sameModel(c.b, c.a) != c.same {
			t.Errorf("%s, %s: want %v", c.a, c.b, c.same)
		}
	}
	if got := commandLine([]string{"/usr/bin/layerscope", "capture", "h:1", "--api-key", "s", "--api-key=t"}); !reflect.DeepEqual(got, []string{"layerscope capture h:1 --api-key redacted-token --api-key=redacted-token"}) {
		t.Errorf("%q", got)
	}
}

// The key of a server is in no text of a bundle, wherever it came from.
func TestBundleWithoutKey(t *testing.T) {
	var stdout, stderr bytes.Buffer
	a := &app{edge: edge{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, env: func(string) string { return "" }, now: time.Now}, progress: term.NewProgress(&stderr, term.NoProgress, 0)}
	dir := t.TempDir()
	info := filepath.Join(dir, "server_info.json")
	write(t, info, `{"info": {"args": ["--key", "hunter2"], "note": "called with hunter2"}}`)
	f := bundleFlags{output: filepath.Join(dir, "run"), commands: []string{"curl -H 'x: hunter2' http://h"}, inputs: []string{info}, key: "hunter2"}
	if err := a.runBundleCreate(t.Context(), []string{testCapture(t, "base_a.xplane.pb.gz")}, &inputFlags{clock: "device", steps: "all"}, &f); err != nil {
		t.Fatal(err)
	}
	redacted := 0
	err := filepath.WalkDir(f.output, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(p)
		if bytes.Contains(text, []byte("hunter2")) {
			t.Errorf("%s has the key", p)
		}
		redacted += bytes.Count(text, []byte("redacted-token"))
		return err
	})
	if err != nil || redacted < 3 {
		t.Errorf("%v, %d redacted, want all three", err, redacted)
	}
}
