// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"bytes"
	"fmt"
	"os"
	"runtime/pprof"
	rtrace "runtime/trace"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/trace"
)

var (
	nameScore   = trace.Name("score")
	namePrefill = trace.Name("prefill")
	nameTokens  = trace.Name("tokens")
	nameRequest = trace.Name("request_id")
	nameQueue   = trace.Name("queue length")
)

const (
	toyLayers = 3
	toyOps    = 2 + 2*toyLayers
)

// recordToy records forward passes of a toy model: host spans with attributes,
// device ops with scopes, program executions, steps, a counter, an allocation.
func recordToy(t testing.TB, rec *trace.Recorder, passes int) *trace.Recording {
	t.Helper()
	lane := rec.Lane("scorer")
	defer lane.Release()
	dev := rec.Device(trace.Device{PeakFLOPs: 5e10, PeakHBM: 2e10, Memory: 1 << 30})
	prog := rec.Program(trace.Program{Name: "prefill_16"}, nil)
	var ops []trace.OpID
	add := func(scope, category string) {
		ops = append(ops, rec.Op(trace.Op{Name: fmt.Sprintf("dot.%d", len(ops)), Scope: "score/prefill/" + scope, Category: category, Program: prog,
			FLOPs: 1000, Bytes: 64, Shape: "f32[16,8]{1,0}", Source: "toy.go:7", Access: []trace.Access{{Space: 1, Bytes: 40}, {Write: true, Space: 1, Bytes: 24}}}))
	}
	add("embed", "gather")
	for i := range toyLayers {
		add(fmt.Sprintf("layer_%02d/attention/qkv_proj", i), "dot")
		add(fmt.Sprintf("layer_%02d/mlp/down_proj", i), "dot")
	}
	add("lm_head", "dot")
	rec.Note("model", "toy")
	if err := rec.Start(); err != nil {
		t.Fatal(err)
	}
	end := trace.Stamp(0)
	for pass := range passes {
		step := lane.BeginStep(nameScore, int64(pass))
		step.Text(nameRequest, fmt.Sprintf("req-%d", pass))
		span := lane.Begin(namePrefill)
		span.Int(nameTokens, 16)
		from := max(dev.Now(), end)
		t0 := from
		for i, op := range ops {
			t1 := t0 + 3000 // made-up times: the machine may be busy
			if i == 0 || i == toyOps-1 {
				t1 = t0 + 1000
			}
			dev.Op(op, t0, t1)
			t0 = t1
		}
		end = t0
		dev.Run(prog, from, t0)
		dev.Step(int64(pass), from, t0)
		span.End()
		step.End()
	}
	rec.Count(nameQueue, 3)
	rec.Alloc(trace.Alloc{Allocator: "CPU_0_arena", Allocated: 4096, Peak: 4096, Available: 1<<30 - 4096, Bytes: 4096, Requested: 4000,
		Addr: 0x1000, Scope: "layer_00/kv", Region: "kv_cache", Shape: "[2,16]", Fragmentation: 0.25})
	got, err := rec.Stop()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := got.Close(); err != nil {
			t.Error(err)
		}
	})
	return got
}

// reread writes a recording and opens what was written.
func reread(t testing.TB, rec *trace.Recording, opts trace.XSpaceOptions) *trace.Trace {
	t.Helper()
	var buf bytes.Buffer
	if err := rec.WriteXSpace(&buf, opts); err != nil {
		t.Fatal(err)
	}
	tr, err := trace.Read(&buf, "host.xplane.pb", trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func codes(fs []trace.Finding) map[string]int64 {
	out := map[string]int64{}
	for _, f := range fs {
		out[f.Code] += f.Count
	}
	return out
}

// TestRecordingAnalyzed: the file of a recording is a capture like any other. Its
// device plane conserves to the picosecond, its layers are found by scope, its
// steps work, and nothing is wrong with it; so too when it is made to look like a
// TPU's, but for the note that says so.
func TestRecordingAnalyzed(t *testing.T) {
	defer goleak.VerifyNone(t)
	const passes = 20
	rec := recordToy(t, trace.NewRecorder(trace.RecorderOptions{}), passes)
	for _, compat := range []bool{false, true} {
		t.Run(fmt.Sprint("compat=", compat), func(t *testing.T) {
			tr := reread(t, rec, trace.XSpaceOptions{XProfCompat: compat, Host: "box"})
			a, err := analyze.Analyze(tr, analyze.Options{})
			if err != nil {
				t.Fatal(err)
			}
			want := trace.Device{Name: "/device:CPU:0", Host: "box", Kind: "cpu", Type: "CPU (layerscope)", PeakFLOPs: 5e10, PeakHBM: 2e10, Memory: 1 << 30}
			if compat {
				want.Name, want.Kind = "/device:TPU:0", "tpu"
			}
			if d := cmp.Diff([]trace.Device{want}, tr.Devices); d != "" {
				t.Error(d)
			}
			if got := codes(a.Findings); (got["synthetic"] == 1) != compat {
				t.Errorf("findings %v", got)
			}
			for _, f := range a.Findings {
				if f.Severity == trace.Error {
					t.Errorf("%+v", f)
				}
			}
			if a.Layers.Method != "scope" || a.Layers.Count != toyLayers || a.Layers.Unattributed != 0 {
				t.Errorf("layers: %s, %d, unattributed %d: %s", a.Layers.Method, a.Layers.Count, a.Layers.Unattributed, a.Layers.Why)
			}
			conserves(t, a, passes)
			if a.Capture.StepCount != passes || a.Capture.Metadata["model"] != "toy" || len(tr.Executions) != passes {
				t.Errorf("%d steps, metadata %v, %d executions", a.Capture.StepCount, a.Capture.Metadata, len(tr.Executions))
			}
		})
	}
}

// conserves sums ops and layers against the runs, which their ops fill wholly.
func conserves(t *testing.T, a *analyze.Analysis, passes int64) {
	t.Helper()
	var ops, layers trace.Duration
	flops := int64(0)
	for _, op := range a.Ops {
		ops += op.Self
		flops += op.FLOPs
		if op.Occurrences != passes || op.Source != "toy.go:7" {
			t.Errorf("%s: %d occurrences, source %s", op.Name, op.Occurrences, op.Source)
		}
	}
	for _, l := range a.Layers.Rows {
		layers += l.Self
	}
	var runs trace.Duration
	for _, p := range a.Programs {
		runs += p.Total
	}
	d := &a.Devices[0]
	if ops != d.OpTime || layers != d.OpTime || runs != d.OpTime || d.Busy != d.OpTime || ops == 0 {
		t.Errorf("ops %d, layers %d, runs %d, op time %d, busy %d", ops, layers, runs, d.OpTime, d.Busy)
	}
	if len(a.Ops) != toyOps || flops != toyOps*passes*1000 {
		t.Errorf("%d ops with %d FLOPs", len(a.Ops), flops)
	}
}

// TestRecordingAsText compares a whole file, times left out.
func TestRecordingAsText(t *testing.T) {
	rec := recordToy(t, trace.NewRecorder(trace.RecorderOptions{}), 2)
	tr := reread(t, rec, trace.XSpaceOptions{Host: "box"})
	want := trace.Alloc{Allocator: "CPU_0_arena", Host: "box", Allocated: 4096, Available: 1<<30 - 4096, Peak: 4096, Fragmentation: 0.25,
		Requested: 4000, Bytes: 4096, Addr: 0x1000, Scope: "layer_00/kv", Region: "kv_cache", Shape: "[2,16]", Step: -1}
	if len(tr.Allocs) != 1 || tr.Allocs[0].Time <= 0 {
		t.Fatalf("allocations %+v", tr.Allocs)
	}
	tr.Allocs[0].Time, tr.Allocs[0].InLine = 0, 0
	if d := cmp.Diff(want, tr.Allocs[0]); d != "" {
		t.Error(d)
	}
	var lines []string
	for _, k := range tr.Tracks {
		n, last := 0, trace.Time(-1)
		for b, err := range k.Batches() {
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range b.Start {
				if s < last || b.Dur[i] < 0 {
					t.Errorf("%s: event %d at %d for %d, after %d", k.Name, n, s, b.Dur[i], last)
				}
				last = s
				n++
			}
		}
		lines = append(lines, fmt.Sprintf("%s %d", k.Name, n))
	}
	if d := cmp.Diff([]string{"Steps 2", "XLA Modules 2", "XLA Ops 16", "scorer 4", "memory and counters 2"}, lines); d != "" {
		t.Error(d)
	}
	op := tr.Ops[slices.IndexFunc(tr.Ops, func(o trace.Op) bool { return o.Name == "dot.1" })]
	wantOp := trace.Op{Name: "dot.1", Scope: "score/prefill/layer_00/attention/qkv_proj:", Category: "dot", Program: op.Program, FLOPs: 1000, ModelFLOPs: 1000,
		Bytes: 64, Shape: "f32[16,8]{1,0}", Source: "toy.go:7", Access: []trace.Access{{Space: 1, Bytes: 40}, {Write: true, Space: 1, Bytes: 24}}}
	if d := cmp.Diff(wantOp, op); d != "" {
		t.Error(d)
	}
}

// TestWriteTwice: a recording doesn't change, with its blocks in memory or spilled.
func TestWriteTwice(t *testing.T) {
	for _, memory := range []int64{0, 1} {
		dir := t.TempDir()
		rec := recordToy(t, trace.NewRecorder(trace.RecorderOptions{Ring: 1 << 17, Memory: memory, Dir: dir}), 3000)
		if (rec.Spilled() > 0) != (memory == 1) {
			t.Errorf("memory %d: %d bytes spilled", memory, rec.Spilled())
		}
		var a, b bytes.Buffer
		if err := rec.WriteXSpace(&a, trace.XSpaceOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := rec.WriteXSpace(&b, trace.XSpaceOptions{}); err != nil || !bytes.Equal(a.Bytes(), b.Bytes()) {
			t.Errorf("written twice: %v, %d and %d bytes", err, a.Len(), b.Len())
		}
		tr, err := trace.Read(&a, "a", trace.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if len(tr.Executions) != 3000 || len(rec.Findings()) != 0 {
			t.Errorf("%d executions, findings %+v", len(tr.Executions), rec.Findings())
		}
		if err := rec.Close(); err != nil {
			t.Error(err)
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("%d files left", len(left))
		}
	}
}

// TestNothingLostSilently: records that found no room and spans that had not
// ended are findings, in the file too.
func TestNothingLostSilently(t *testing.T) {
	rec := trace.NewRecorder(trace.RecorderOptions{Ring: 64})
	quiet, lane := rec.Lane("quiet"), rec.Lane("busy")
	if err := rec.Start(); err != nil {
		t.Fatal(err)
	}
	const n = 1_000_000
	defer quiet.Begin(nameScore).End() // its finding, a warning, comes before the other lane's error
	quiet.Begin(namePrefill).End()
	outer := lane.Begin(nameScore)
	for range n {
		lane.Span(namePrefill, 1, 2)
		lane.Begin(namePrefill).End()
	}
	got, err := rec.Stop()
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	outer.End() // too late: not of this recording any more
	found := codes(got.Findings())
	if found["spans-lost"] == 0 || found["spans-lost"]+got.Records() != 2*n+1 || found["spans-open"] != 2 {
		t.Errorf("findings %v, %d records", found, got.Records())
	}
	tr := reread(t, got, trace.XSpaceOptions{})
	if c := codes(tr.Findings); c["profiler-error"] == 0 || c["profiler-warning"] == 0 {
		t.Errorf("the file says %+v", tr.Findings)
	}
	if err := rec.Start(); err != nil {
		t.Fatal(err)
	}
	again, err := rec.Stop()
	if err != nil || again.Records() != 0 || len(again.Findings()) != 0 {
		t.Errorf("%v: the next recording holds %d records, findings %+v", err, again.Records(), again.Findings())
	}
	_ = again.Close()
}

// TestOff: off, and without a recorder, everything is free of effects.
func TestOff(t *testing.T) {
	var none *trace.Recorder
	rec := trace.NewRecorder(trace.RecorderOptions{})
	for _, lane := range []*trace.Lane{rec.Lane("x"), none.Lane("x"), none.Device(trace.Device{})} {
		allocs := testing.AllocsPerRun(100, func() {
			s := lane.Begin(nameScore)
			s.Int(nameTokens, 1)
			s.Text(nameRequest, "r")
			s.End()
			lane.BeginStep(nameScore, 1).End()
			lane.Op(1, 1, 2)
			lane.Run(0, 1, 2)
			lane.Step(1, 1, 2)
			lane.Span(nameScore, 1, 2)
			lane.Instant(nameScore)
			lane.Count(nameScore, 1)
			lane.Alloc(trace.Alloc{})
			lane.Now()
		})
		if allocs != 0 {
			t.Errorf("%v allocations", allocs)
		}
		lane.Release()
	}
	none.Count(nameScore, 1)
	none.Alloc(trace.Alloc{})
	none.Note("a", "b")
	if none.On() || rec.On() || none.Program(trace.Program{}, nil) != -1 {
		t.Error("on")
	}
	if _, err := rec.Stop(); err == nil {
		t.Error("stopped what did not run")
	}
	if none.Start() == nil {
		t.Error("started nothing")
	}
	if err := rec.Start(); err != nil || rec.Start() == nil {
		t.Errorf("started twice, %v", err)
	}
	got, err := rec.Stop()
	if err != nil {
		t.Fatal(err)
	}
	_ = got.Close()
}

// TestOnAllocates nothing either.
func TestOnAllocates(t *testing.T) {
	rec := trace.NewRecorder(trace.RecorderOptions{})
	lane := rec.Lane("x")
	if err := rec.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		got, err := rec.Stop()
		if err != nil {
			t.Fatal(err)
		}
		_ = got.Close()
	}()
	n := testing.AllocsPerRun(1000, func() {
		s := lane.Begin(nameScore)
		s.Int(nameTokens, 1)
		s.Text(nameRequest, "the same request")
		lane.Alloc(trace.Alloc{Allocator: "a", Scope: "layer_00"})
		s.End()
	})
	if n >= 1 { // the drainer's own are a fraction of one
		t.Errorf("%v allocations a span", n)
	}
}

// TestGoroutines: a lane for each goroutine, released ones are used again, and
// spans of all of them nest. Run it with -race.
func TestGoroutines(t *testing.T) {
	defer goleak.VerifyNone(t)
	rec := trace.NewRecorder(trace.RecorderOptions{})
	if err := rec.Start(); err != nil {
		t.Fatal(err)
	}
	const workers, rounds = 4, 50
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range rounds {
				lane := rec.Lane("worker")
				s := lane.Begin(nameScore)
				lane.Begin(namePrefill).End()
				rec.Count(nameQueue, 1)
				rec.Alloc(trace.Alloc{Allocator: "a", Bytes: 1})
				s.End()
				lane.Release()
			}
		})
	}
	wg.Wait()
	got, err := rec.Stop()
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	tr := reread(t, got, trace.XSpaceOptions{})
	spans, lanes := 0, 0
	for _, k := range tr.Tracks {
		if !strings.HasPrefix(k.Name, "worker") {
			continue
		}
		lanes++
		for b, err := range k.Batches() {
			if err != nil {
				t.Fatal(err)
			}
			spans += b.Len()
		}
	}
	if spans != 2*workers*rounds || lanes == 0 || lanes > workers || len(tr.Allocs) != workers*rounds {
		t.Errorf("%d spans on %d lanes, %d allocations", spans, lanes, len(tr.Allocs))
	}
}

// TestMirror: spans are regions of runtime/trace and a pprof label.
func TestMirror(t *testing.T) {
	rec := trace.NewRecorder(trace.RecorderOptions{RuntimeTrace: true, Labels: true})
	lane := rec.Lane("x")
	if err := rec.Start(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := rtrace.Start(&out); err != nil {
		t.Skipf("no runtime trace: %v", err)
	}
	s := lane.Begin(nameScore)
	inner := lane.Begin(namePrefill)
	var stacks bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&stacks, 1); err != nil {
		t.Fatal(err)
	}
	inner.End()
	s.End()
	var after bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&after, 1); err != nil {
		t.Fatal(err)
	}
	rtrace.Stop()
	got, err := rec.Stop()
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	if !strings.Contains(stacks.String(), `"span":"score/prefill"`) || strings.Contains(after.String(), `"span"`) {
		t.Errorf("labels %s", stacks.String())
	}
	if !bytes.Contains(out.Bytes(), []byte("prefill")) {
		t.Error("no region in the runtime trace")
	}
	if got.Records() != 2 {
		t.Errorf("%d records", got.Records())
	}
}

// TestClocks: either clock measures a sleep as Go's does.
func TestClocks(t *testing.T) {
	for _, nano := range []bool{false, true} {
		rec := trace.NewRecorder(trace.RecorderOptions{Nanotime: nano})
		dev := rec.Device(trace.Device{})
		prog := rec.Program(trace.Program{Name: "f"}, nil)
		if err := rec.Start(); err != nil {
			t.Fatal(err)
		}
		const slept = 20 * time.Millisecond
		begin := time.Now()
		t0 := dev.Now()
		time.Sleep(slept)
		dev.Run(prog, t0, dev.Now())
		took := time.Since(begin)
		got, err := rec.Stop()
		if err != nil {
			t.Fatal(err)
		}
		tr := reread(t, got, trace.XSpaceOptions{})
		run := time.Duration(tr.Executions[0].Dur/trace.Nanosecond) * time.Nanosecond
		const slack = 100 * time.Microsecond // of a pair of clocks that was interrupted
		if run < slept-slack || run > took+slack || tr.Executions[0].Dur > tr.Wall+trace.Duration(slack)*trace.Nanosecond {
			t.Errorf("nanotime %v: %v on the device, between %v asleep and %v by Go's clock", nano, run, slept, took)
		}
		if err := got.Close(); err != nil {
			t.Error(err)
		}
	}
}
