// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/internal/tracetest"
	"github.com/layerscope/layerscope/trace"
)

// TestConvertedReportsAgree converts every committed capture to each format that
// is an input again: the layers must be found by the same method, in the same
// rows, of the same steps; times may be off by the rounding of an event.
func TestConvertedReportsAgree(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(tracetest.Root(t), "testdata", "captures", "*.gz"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"torch/h100_qwen15_05b.json.gz", "torch/mi300_qwen15_05b.json.gz", "xspace/tpu_v6e_x4_host_offload.xplane.pb",
		"trace_json/tpu_vllm_qwen25_32b_bf16.trace.json.gz", "xspace/gpu_v100_bert_layers.xplane.pb",
	} {
		t.Run(name, func(t *testing.T) { convertedReportsAgree(t, tracetest.Shared(t, "data/"+name)) })
	}
	for _, path := range paths {
		if filepath.Base(path) == "base_a.hlo.txt.gz" {
			continue
		}
		t.Run(filepath.Base(path), func(t *testing.T) { convertedReportsAgree(t, path) })
	}
}

func convertedReportsAgree(t *testing.T, path string) {
	tr, want := analysisOf(t, func() (*trace.Trace, error) { return trace.Open(path, trace.Options{}) })
	defer tr.Close()
	for _, c := range []struct {
		name  string
		exact bool
	}{{"txt", true}, {"chrome", true}, {"chrome", false}, {"xspace", true}, {"perfetto", true}} {
		f := convertFlags{to: c.name}
		to, err := f.target()
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		conv := &conversion{in: input{path: path}, t: tr, an: want, exact: c.exact, to: to}
		if err := to.write(conv, &b); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		_, got := analysisOf(t, func() (*trace.Trace, error) { return trace.Read(bytes.NewReader(b.Bytes()), "copy", trace.Options{}) })
		slack := func(n int64) analyze.Duration {
			if c.exact {
				return 0
			}
			return analyze.Duration(n) * trace.Nanosecond
		}
		steps := c.name != "xspace" || len(want.Devices) == 0 || want.Devices[0].Kind != "gpu"
		sameLayers(t, c.name, want, got, slack, steps)
	}
}

func analysisOf(t *testing.T, open func() (*trace.Trace, error)) (*trace.Trace, *analyze.Analysis) {
	t.Helper()
	tr, err := open()
	if err != nil {
		t.Fatal(err)
	}
	a, err := analyze.Analyze(tr, analyze.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return tr, a
}

func sameLayers(t *testing.T, format string, want, got *analyze.Analysis, slack func(int64) analyze.Duration, steps bool) {
	t.Helper()
	type facts struct {
		Method, Why  string
		Count, Steps int
		Keys         []string
		Events       []int64
	}
	of := func(a *analyze.Analysis) facts {
		f := facts{Method: a.Layers.Method, Count: a.Layers.Count}
		if steps {
			f.Steps = len(a.Steps)
		}
		for _, r := range a.Layers.Rows {
			f.Keys, f.Events = append(f.Keys, r.Key), append(f.Events, r.Occurrences)
		}
		return f
	}
	if d := cmp.Diff(of(want), of(got)); d != "" {
		t.Errorf("%s: layers (-capture +copy):\n%s", format, d)
		return
	}
	for i, r := range want.Layers.Rows {
		d := got.Layers.Rows[i].Self - r.Self
		if s := slack(r.Occurrences); d > s || d < -s {
			t.Errorf("%s: %s: %d ps off, rounding explains %d", format, r.Key, d, s)
		}
	}
}
