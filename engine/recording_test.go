// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"testing"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/trace"
)

// TestRecordingIsAnalysed scores with a recorder on, and reads the recording as
// any other capture: layers by scope, everything conserved, the injected layer
// first among the outliers.
func TestRecordingIsAnalysed(t *testing.T) {
	in, err := ParseInjection("slow:layer_02/mlp=4x")
	if err != nil {
		t.Fatal(err)
	}
	e := mustOpen(t, Options{Model: "random:layers=7,hidden=256,ffn=1024,heads=4,vocab=512", Inject: in})
	rec := trace.NewRecorder(trace.RecorderOptions{})
	e.SetTracer(Record(rec))
	request := Request{QueryIDs: indices32(200), ItemIDs: [][]int32{{1, 2}, {3}}, Labels: []int32{1}, Algorithm: Packed}
	score(t, e, request) // what is made once is made before the recording
	if err := rec.Start(); err != nil {
		t.Fatal(err)
	}
	for range 12 {
		score(t, e, request)
	}
	recording, err := rec.Stop()
	if err != nil {
		t.Fatal(err)
	}
	defer recording.Close()
	var file bytes.Buffer
	if err := recording.WriteXSpace(&file, trace.XSpaceOptions{Host: "test"}); err != nil {
		t.Fatal(err)
	}
	tr, err := trace.Read(&file, "host.xplane.pb", trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	a, err := analyze.Analyze(tr, analyze.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if a.Layers.Method != "scope" || a.Layers.Count != 7 || a.Capture.StepCount != 12 {
		t.Errorf("%d layers by %s, %d steps; want 7 by scope, 12", a.Layers.Count, a.Layers.Method, a.Capture.StepCount)
	}
	rows := a.Layers.Unattributed
	for _, r := range a.Layers.Rows {
		rows += r.Self
	}
	if rows != a.Layers.OpTime || a.Layers.OpTime == 0 {
		t.Errorf("rows add up to %d, op time %d", rows, a.Layers.OpTime)
	}
	// The machine may be busy: which layer is the slowest holds all the same.
	slowest := a.Layers.Rows[0]
	for _, r := range a.Layers.Rows {
		if r.Samples.Median > slowest.Samples.Median {
			slowest = r
		}
	}
	if slowest.Key != "layer_2" {
		t.Errorf("the slowest layer is %s, want layer_2: %v", slowest.Key, a.Layers.Outliers)
	}
	for _, o := range a.Layers.Outliers {
		if o.Key == "layer_2" && o.Ratio < 1.2 {
			t.Errorf("layer_2 takes %v of its peers' time", o.Ratio)
		}
	}
	for _, f := range a.Findings {
		if f.Severity == trace.Error {
			t.Errorf("finding %v", f)
		}
	}
}

func TestSnapshotReportAddsUp(t *testing.T) {
	var last MemorySnapshot
	e := mustOpen(t, Options{Model: "random:llama-tiny", SnapshotLayers: "all", OnSnapshot: func(s MemorySnapshot) {
		if s.Layer == 0 {
			last = s
		}
	}})
	score(t, e, Request{QueryIDs: indices32(20), ItemIDs: [][]int32{{1}}, Labels: []int32{1}})
	r := last.Report()
	if got, _ := r.Profile.Total(); got != last.Stats.BytesInUse || got == 0 || r.Layer != 0 {
		t.Errorf("layer %d: %d bytes, allocator has %d", r.Layer, got, last.Stats.BytesInUse)
	}
}
