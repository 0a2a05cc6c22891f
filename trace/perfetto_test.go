// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/internal/tracetest"
	"github.com/layerscope/layerscope/trace"
)

// perfettoOf writes a trace as Perfetto and reads it back.
func perfettoOf(t *testing.T, tr *trace.Trace, opts trace.PerfettoOptions) (*trace.Trace, []byte) {
	t.Helper()
	var b bytes.Buffer
	if err := trace.WritePerfetto(&b, tr, opts); err != nil {
		t.Fatal(err)
	}
	again, err := trace.Read(bytes.NewReader(b.Bytes()), "copy.pftrace", trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return again, b.Bytes()
}

func analysis(t *testing.T, tr *trace.Trace) *analyze.Analysis {
	t.Helper()
	a, err := analyze.Analyze(tr, analyze.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a.Format, a.Inputs = "", nil
	return a
}

func openCapture(t *testing.T, path string) *trace.Trace {
	t.Helper()
	tr, err := trace.Open(path, trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
	return tr
}

// TestPerfettoRoundTrip converts real captures and analyses both: everything is
// the same, to the picosecond.
func TestPerfettoRoundTrip(t *testing.T) {
	captures, err := filepath.Glob(filepath.Join(tracetest.Root(t), "testdata", "captures", "*.xplane.pb.gz"))
	if err != nil || len(captures) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	for _, path := range captures {
		t.Run(filepath.Base(path), func(t *testing.T) { roundTrip(t, path) })
	}
}

// TestPerfettoRoundTripShared does the same with captures of accelerators.
func TestPerfettoRoundTripShared(t *testing.T) {
	for _, name := range []string{
		"xspace/tpu_v6e_torchxla_cnn.xplane.pb.gz", "xspace/tpu_v6e_x4_host_offload.xplane.pb", "xspace/gpu_gtx1080ti_x2.xplane.pb",
		"xspace/gpu_mi300_jax_conv.xplane.pb", "trace_json/tpu_vllm_qwen3_32b_quant.trace.json.gz",
	} {
		t.Run(filepath.Base(name), func(t *testing.T) { roundTrip(t, tracetest.Shared(t, "data/"+name)) })
	}
}

func roundTrip(t *testing.T, path string) {
	tr := openCapture(t, path)
	want := analysis(t, tr)
	again, b := perfettoOf(t, tr, trace.PerfettoOptions{Place: want.Place, Attributes: map[string]string{"commit": "0123abc"}})
	if again.Metadata["commit"] != "0123abc" {
		t.Error("the commit is lost")
	}
	delete(again.Metadata, "commit")
	got := analysis(t, again)
	if diff := cmp.Diff(want.Layers, got.Layers); diff != "" {
		t.Errorf("layers differ:\n%.3000s", diff)
	}
	got.Findings, want.Findings = nil, nil
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(analyze.Analysis{})); diff != "" {
		t.Errorf("analysis differs:\n%.3000s", diff)
	}
	a, c := strings.Split(text(t, tr), "\n"), strings.Split(text(t, again), "\n")
	if diff := cmp.Diff(a, c); diff != "" {
		t.Logf("text forms differ:\n%.1500s", diff)
	}
	t.Logf("%d bytes", len(b))
}
