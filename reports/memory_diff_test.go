// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/layerscope/layerscope/analyze"
)

func memoryComparison() *analyze.MemoryComparison {
	return &analyze.MemoryComparison{
		Base: "a", New: hostile, BaseRuns: 3, NewRuns: 3, Verdict: "REGRESSION",
		Rows: []analyze.MemoryDiffRow{
			{Level: "live", Key: "live buffers", Base: 100 << 20, New: 105 << 20, Delta: 5 << 20, BaseCount: 7, NewCount: 9, Lo: 4 << 20, Hi: 6 << 20, Verdict: "REGRESSION", BaseValues: []int64{1, 2, 3}, NewValues: []int64{4, 5, 6}},
			{Level: "site", Key: hostile, Kind: hostile, Device: hostile, New: 5 << 20, Delta: 5 << 20, NewCount: 2, Exact: true, Lo: 5 << 20, Hi: 5 << 20, Verdict: "REGRESSION"},
			{Level: "site", Key: "same", Base: 1, New: 1, Exact: true, Verdict: "EQUIVALENT"},
			{Level: "peak", Key: "GPU_0_bfc", Base: 10 << 20, New: 9 << 20, Delta: -1 << 20, Exact: true, Lo: -1 << 20, Hi: -1 << 20, Verdict: "IMPROVEMENT"},
		},
		Findings: []analyze.Finding{{Code: "one-run", Severity: "info", Message: hostile, Count: 1}},
	}
}

func TestMemoryDiffJSON(t *testing.T) {
	schema := strict(t, "memory-diff.v1.json")
	for _, c := range []*analyze.MemoryComparison{memoryComparison(), {Verdict: "EQUIVALENT"}} {
		var b bytes.Buffer
		if err := MemoryDiff(c, nil, Options{Version: "v1"}).JSON(&b); err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(&b)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(doc); err != nil {
			t.Error(err)
		}
		nullLists(t, doc, "")
	}
}

// TestMemoryDiffText: numbers to the byte, with their interval where there is one.
func TestMemoryDiffText(t *testing.T) {
	var text bytes.Buffer
	if err := MemoryDiff(memoryComparison(), nil, Options{}).Text(&text, Style{Width: 200}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"REGRESSION: live buffers 100.0 MiB (104,857,600 B) → 105.0 MiB (110,100,480 B), +5,242,880 B (+5.0 %), between +4,194,304 B and +6,291,456 B.",
		"+5,242,880 B (+4,194,304 B … +6,291,456 B)", "1 site did not change.", "-1,048,576 B", "Peaks and plans",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the text lacks %q:\n%s", want, text.String())
		}
	}
	if strings.ContainsAny(text.String(), "\x1b\u202e") {
		t.Error("a name reaches the terminal as it is")
	}
}

// TestDiffHasMemory: a comparison of captures has the memory that both sides know.
func TestDiffHasMemory(t *testing.T) {
	c := slowedLayer(t)
	var without, with bytes.Buffer
	if err := Diff(Options{}, c).Text(&without, Style{}); err != nil {
		t.Fatal(err)
	}
	c.Memory = memoryComparison()
	if err := Diff(Options{}, c).Text(&with, Style{}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(without.String(), "Live memory") || !strings.Contains(with.String(), "Live memory by site") {
		t.Error("memory is there without facts, or not with them")
	}
	page := htmlOf(t, Diff(Options{}, c))
	if !strings.Contains(page, "Live memory by site") {
		t.Error("the page lacks memory")
	}
	var b bytes.Buffer
	if err := Diff(Options{Version: "v1"}, c).JSON(&b); err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(&b)
	if err != nil {
		t.Fatal(err)
	}
	if err := strict(t, "diff.v1.json").Validate(doc); err != nil {
		t.Error(err)
	}
}
