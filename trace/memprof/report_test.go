// SPDX-License-Identifier: Apache-2.0

package memprof_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layerscope/layerscope/trace/memprof"
)

func snapshot(layer int, stage string, cache int64) *memprof.Report {
	return &memprof.Report{
		Type: "score", Stage: stage, Layer: layer, Device: "cpu:0", BytesInUse: 8192 + cache, PeakBytes: 9000 + cache, BytesLimit: 1 << 20,
		Profile: &memprof.Profile{Buffers: []memprof.Buffer{
			{Stack: memprof.Scope("layer_00/attention"), Kind: "weights", Bytes: 4096, Count: 1},
			{Stack: memprof.Scope("layer_01/attention"), Kind: "weights", Bytes: 4096, Count: 1},
			{Stack: memprof.Scope("layer_00/kv"), Kind: "kv_cache", Bytes: cache, Count: cache / 100},
		}},
	}
}

// TestLayerZero: the first layer is in the name and in the document, which the
// reports that these ones follow left out.
func TestLayerZero(t *testing.T) {
	for _, tt := range []struct {
		layer int
		want  string
	}{
		{memprof.NoLayer, "memory_report_score_before"},
		{0, "memory_report_score_layer_0_before"},
		{12, "memory_report_score_layer_12_before"},
	} {
		r := snapshot(tt.layer, "before", 100)
		if r.Name() != tt.want {
			t.Errorf("layer %d: name %s, want %s", tt.layer, r.Name(), tt.want)
		}
		var buf bytes.Buffer
		if err := r.JSON(&buf); err != nil {
			t.Fatal(err)
		}
		var d struct {
			Layer *int `json:"layer"`
			Kinds []memprof.Usage
		}
		if err := json.Unmarshal(buf.Bytes(), &d); err != nil {
			t.Fatal(err)
		}
		if tt.layer >= 0 && (d.Layer == nil || *d.Layer != tt.layer) || tt.layer < 0 && d.Layer != nil {
			t.Errorf("layer %d: document says %v", tt.layer, d.Layer)
		}
		want := []memprof.Usage{{Kind: "weights", Bytes: 8192, Count: 2}, {Kind: "kv_cache", Bytes: 100, Count: 1}}
		if diff := cmp.Diff(want, d.Kinds); diff != "" {
			t.Error(diff)
		}
	}
}

func TestUnsafeNames(t *testing.T) {
	r := memprof.Report{Type: "../../etc", Stage: "a b\x00/", Layer: memprof.NoLayer}
	if name := r.Name(); strings.ContainsAny(name, "/ \x00") || name != "memory_report_.._.._etc_a_b__" {
		t.Errorf("name %q", name)
	}
}

func TestSummary(t *testing.T) {
	var buf bytes.Buffer
	if err := memprof.Summary(&buf, []*memprof.Report{snapshot(memprof.NoLayer, "before", 100), snapshot(0, "after", 700), snapshot(1, "after", 300)}); err != nil {
		t.Fatal(err)
	}
	var s struct {
		PeakBytes  int64  `json:"peak_bytes_in_use"`
		PeakReport string `json:"peak_report"`
		Reports    []struct {
			Layer *int  `json:"layer"`
			Delta int64 `json:"delta_bytes"`
		}
		Growth []memprof.Usage
	}
	if err := json.Unmarshal(buf.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	if s.PeakBytes != 9700 || s.PeakReport != "memory_report_score_layer_0_after" || len(s.Reports) != 3 {
		t.Errorf("%+v", s)
	}
	if s.Reports[0].Layer != nil || *s.Reports[1].Layer != 0 || s.Reports[1].Delta != 600 || s.Reports[2].Delta != -400 {
		t.Errorf("%+v", s.Reports)
	}
	if d := cmp.Diff([]memprof.Usage{{Scope: "layer_00/kv", Kind: "kv_cache", Bytes: 200, Count: 2}}, s.Growth); d != "" {
		t.Error(d)
	}
	var text bytes.Buffer
	if err := snapshot(0, "after", 700).Text(&text); err != nil || !strings.Contains(text.String(), "layer_00/attention") {
		t.Errorf("%v: %s", err, text.String())
	}
}

func TestParseLayers(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want []int // of layers 0 to 8; nil = an error
	}{
		{"all", []int{0, 1, 2, 3, 4, 5, 6, 7, 8}},
		{"none", []int{}},
		{"4", []int{0, 4, 8}},
		{"0,3, 7", []int{0, 3, 7}},
		{"5,", []int{5}},
		{"0", nil}, {"-1", nil}, {"0,-1", nil}, {"x", nil}, {",", nil},
	} {
		f, err := memprof.ParseLayers(tt.in)
		if tt.want == nil {
			if err == nil {
				t.Errorf("%q was taken", tt.in)
			}
			continue
		}
		got := []int{}
		for i := range 9 {
			if f.Has(i) {
				got = append(got, i)
			}
		}
		if d := cmp.Diff(tt.want, got); d != "" || err != nil || f.Has(-1) {
			t.Errorf("%q: %v %s", tt.in, err, d)
		}
	}
}
