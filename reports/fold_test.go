// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layerscope/layerscope/analyze"
)

func labels(groups []layerGroup) []string {
	out := []string{}
	for _, g := range groups {
		out = append(out, g.label)
	}
	return out
}

func TestFoldLayers(t *testing.T) {
	// rows makes layers from medians in µs and FLOPs; equal FLOPs when none given.
	rows := func(medians ...int) *analyze.Layers {
		l := &analyze.Layers{}
		for i, m := range medians {
			l.Rows = append(l.Rows, analyze.Layer{Key: fmt.Sprintf("layer_%d", i), Index: i, FLOPs: 1000, Samples: analyze.Samples{N: 3, Median: analyze.Duration(m) * microsecond}})
		}
		return l
	}
	six, seven := rows(10, 10, 10, 10, 10, 10), rows(10, 10, 11, 10, 12, 10, 10)
	spread := rows(10, 10, 10, 10, 20, 10, 10, 10, 10) // layer_4 is twice the others
	mixed := rows(10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10)
	for i := range mixed.Rows {
		if i%2 == 1 { // every other layer does less work in the same time
			mixed.Rows[i].FLOPs = 500
		}
	}
	odd := rows(10, 10, 10, 10, 10, 10, 10, 10)
	odd.Outliers = []analyze.Outlier{{Key: "layer_7"}}
	two := rows(10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10)
	for i := range two.Rows {
		if i >= 7 {
			two.Rows[i].Program, two.Rows[i].Index, two.Rows[i].Key = "draft", i-7, fmt.Sprintf("draft/layer_%d", i-7)
		}
	}
	for _, c := range []struct {
		name string
		l    *analyze.Layers
		all  bool
		want string
	}{
		{"six stay apart", six, false, "layer_0, layer_1, layer_2, layer_3, layer_4, layer_5"},
		{"seven within a quarter fold", seven, false, "layer_0 … layer_6 (7)"},
		{"unless all are wanted", seven, true, "layer_0, layer_1, layer_2, layer_3, layer_4, layer_5, layer_6"},
		{"a slow layer stays apart without being called an outlier", spread, false, "layer_0 … layer_8 without layer_4 (8), layer_4"},
		{"two kinds of layers fold apart", mixed, false, "layer_0 … layer_12 without 6 of them (7), layer_1 … layer_13 without 6 of them (7)"},
		{"an outlier stays apart though it is equal", odd, false, "layer_0 … layer_6 (7), layer_7"},
		{"programs fold apart", two, false, "layer_0 … layer_6 (7), draft/layer_0 … draft/layer_6 (7)"},
	} {
		if got := strings.Join(labels(foldLayers(c.l, c.all)), ", "); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestSmallPartsFold(t *testing.T) {
	parts := func(selves ...int) *analyze.Layers {
		l := &analyze.Layers{OpTime: 100_000} // a thousandth is 100
		for i, self := range selves {
			l.Rows = append(l.Rows, analyze.Layer{Key: fmt.Sprintf("part%d", i), Index: -1, Self: analyze.Duration(self)})
		}
		return l
	}
	for _, c := range []struct {
		l    *analyze.Layers
		all  bool
		want string
	}{
		{parts(99, 99, 99), false, "part0, part1, part2"},
		{parts(99, 100, 99, 0, 99), false, "part1, 4 small parts"},
		{parts(99, 100, 99, 0, 99), true, "part0, part1, part2, part3, part4"},
	} {
		if got := strings.Join(labels(foldLayers(c.l, c.all)), ", "); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func TestFoldedExtremes(t *testing.T) {
	l := &analyze.Layers{}
	for i, self := range []int{5, 6, 5, 6, 5, 4, 5, 5} { // sorted 4 5 5 5 5 5 6 6: the median is a 5
		l.Rows = append(l.Rows, analyze.Layer{Key: fmt.Sprintf("layer_%d", i), Index: i, Self: analyze.Duration(self)})
	}
	// 6 is 20 % above 5 and 4 is 20 % below it: one class.
	g := foldLayers(l, false)
	if len(g) != 1 {
		t.Fatalf("groups %v, want one", labels(g))
	}
	got := []analyze.Duration{g[0].least().Self, g[0].median().Self, g[0].most().Self}
	if diff := cmp.Diff([]analyze.Duration{4, 5, 6}, got); diff != "" {
		t.Errorf("min, median, max (-want +got):\n%s", diff)
	}
}

func TestPercent(t *testing.T) {
	for f, want := range map[float64]string{
		0: "0.00 %", 0.5512: "55.1 %", 0.998: "99.8 %", 0.99976: "99.98 %", 0.99999: ">99.99 %", 1: "100.0 %", 0.00001: "<0.01 %",
	} {
		if got := percent(f); got != want {
			t.Errorf("percent(%v) = %q, want %q", f, got, want)
		}
	}
}

func TestMemberNotes(t *testing.T) {
	layers := []*analyze.Layer{{Key: "layer_0", Note: "warm-up"}, {Key: "layer_1"}, {Key: "layer_2", Note: "shared"}, {Key: "layer_3", Note: "shared"}}
	if got, want := memberNotes(layers), "layer_0: warm-up; layer_2, layer_3: shared"; got != want {
		t.Errorf("notes %q, want %q", got, want)
	}
	for range 3 {
		layers = append(layers, &analyze.Layer{Key: "x", Note: "shared"})
	}
	if got, want := memberNotes(layers), "layer_0: warm-up; 5 of them: shared"; got != want {
		t.Errorf("notes %q, want %q", got, want)
	}
	if got := memberNotes(layers[1:2]); got != "" {
		t.Errorf("notes of a layer without any: %q", got)
	}
}

func TestFoldOps(t *testing.T) {
	a := model{layers: 3, steps: 2}.analysis()
	// A fourth op of layer_1 looks like its attention but moves other bytes.
	odd := a.Ops[4]
	odd.Name, odd.Bytes, odd.Self = "custom-call.99", odd.Bytes*2, 7
	a.Ops = append(a.Ops, odd)
	var got []string
	for _, g := range foldOps(a, false) {
		got = append(got, fmt.Sprintf("%s | %s | %s | %d", g.name(), g.layer, g.op.Scope, g.op.Occurrences))
	}
	want := []string{
		"custom-call.2 (3 ops) | layer_0 … layer_2 (3) | layer_*/attention/flash | 6",
		"fusion.0 (3 ops) | layer_0 … layer_2 (3) | layer_*/mlp/gate_up | 6",
		"fusion.1 (3 ops) | layer_0 … layer_2 (3) | layer_*/mlp/down | 6",
		"lm_head_fusion | lm_head | lm_head/dot_general | 2",
		"embed_fusion | embed | embed | 2",
		"custom-call.99 | layer_1 | layer_1/attention/flash | 2",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	if n := len(foldOps(a, true)); n != len(a.Ops) {
		t.Errorf("unfolded: %d rows for %d ops", n, len(a.Ops))
	}
}

func TestNames(t *testing.T) {
	for in, want := range map[string]string{
		"layer_3/attention":             "layer_*/attention",
		"model/layers/12/mlp":           "model/layers/*/mlp",
		"vllm_model.model.layers.3.mlp": "vllm_model.model.layers.*.mlp",
		"transformer/h_0/attn":          "transformer/h_*/attn",
		"decoder_layer_7":               "decoder_layer_*",
		"RPA-bq_32-bkvp_4":              "RPA-bq_32-bkvp_4",
		"params['layers'][5]['q']":      "params['layers'][*]['q']",
		"Qwen3MLP/gate_proj":            "Qwen3MLP/gate_proj",
		"":                              "",
	} {
		if got := withoutLayer(in); got != want {
			t.Errorf("withoutLayer(%q) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"fusion.312": "fusion", "fusion": "fusion", "fusion.3.clone.1": "fusion", "copy-done.3": "copy-done",
		"fusion.12.remat2": "fusion", "dot_3": "dot", "ynn_fusion.85": "ynn_fusion",
	} {
		if got := stem(in); got != want {
			t.Errorf("stem(%q) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"/home/jo/model.py:3":          "~/model.py:3",
		"/Users/jo/x":                  "~/x",
		`C:\Users\jo\x.py`:             `~\x.py`,
		"/opt/home.py:4":               "/opt/home.py:4",
		"at /home/jo/a and /home/al/b": "at ~/a and ~/b",
		"model.py:12":                  "model.py:12",
	} {
		if got := homeless(in); got != want {
			t.Errorf("homeless(%q) = %q, want %q", in, got, want)
		}
	}
}
