// SPDX-License-Identifier: Apache-2.0

package analyze_test

import (
	"math"
	"strings"
	"testing"

	"github.com/layerscope/layerscope/analyze"
)

func judged(t *testing.T, c *analyze.Comparison, rule string) (analyze.GateRule, bool, bool) {
	t.Helper()
	rules, err := analyze.ParseGate(rule)
	if err != nil {
		t.Fatal(err)
	}
	held := *c
	failed, undecided, err := held.Judge(rules)
	if err != nil {
		t.Fatal(err)
	}
	return held.Gate[len(held.Gate)-1], failed, undecided
}

// 12 layers of 100 µs, one of which became 3 % slower: +0.25 % of the step.
func TestGate(t *testing.T) {
	plain := func(r, s, l int) int64 { return layerTime + wobble(r, s, l) }
	slow := func(r, s, l int) int64 {
		if l == 5 {
			return layerTime*103/100 + wobble(r, s, l)
		}
		return plain(r, s, l)
	}
	base, new := plan{layers: 12, steps: 25, layer: plain}.side(t, "base", 0, 3), plan{layers: 12, steps: 25, layer: slow}.side(t, "new", 10, 3)
	c := diffed(t, base, new, analyze.DiffOptions{})
	back := diffed(t, new, base, analyze.DiffOptions{})
	single := diffed(t, base, plan{layers: 12, steps: 25, layer: slow}.side(t, "new", 10, 1), analyze.DiffOptions{})
	for _, x := range []struct {
		c         *analyze.Comparison
		rule      string
		failed    bool
		undecided bool
		key       string
	}{
		{c, "layer>+2%", true, false, "layer_5"},
		{c, "layer > 2 %", true, false, "layer_5"},
		{c, "layer>+5%", false, false, ""},
		{c, "layer_5>+2%", true, false, "layer_5"},
		{c, "layer_4>+2%", false, false, "layer_4"},
		{c, "layer_*>+2%", true, false, "layer_5"},
		{c, "step>+1%", false, false, "step"},
		{c, "step>+0.1%", true, false, "step"},
		{c, "duration>+0.1%", true, false, "step duration"},
		{c, "throughput<-10%", false, false, "step duration"},
		{c, "throughput<-0.1%", true, false, "step duration"},
		{c, "throughput<-0.3%", false, false, "step duration"}, // 1/1.0025 is −0.249 %
		{c, "step_p95>+15%", false, false, "step duration p95"},
		{c, "step_p99>+15%", false, true, ""}, // 25 steps have no p99
		{c, "compiles>0", false, false, "compilations"},
		{back, "layer<-2%", true, false, "layer_5"},
		{back, "layer<-5%", false, false, ""},
		{back, "layer>+1%", false, false, ""},
		{single, "layer>+2%", false, true, "layer_5"}, // one capture never fails
		{single, "layer>+5%", false, true, ""},
	} {
		g, failed, undecided := judged(t, x.c, x.rule)
		if failed != x.failed || undecided != x.undecided || x.key != "" && g.Key != x.key {
			t.Errorf("%s: failed %v, undecided %v by %s (%s, %s); want %v, %v by %s", x.rule, failed, undecided, g.Key, g.Verdict, g.Detail, x.failed, x.undecided, x.key)
		}
	}
}

func TestGatePolicyOnlyWarnsOfP99(t *testing.T) {
	rules, err := analyze.ParseGate("policy:serving")
	if err != nil || len(rules) != 3 {
		t.Fatalf("%+v, %v", rules, err)
	}
	for _, r := range rules {
		if r.Warn != strings.HasPrefix(r.Rule, "step_p99") {
			t.Errorf("%s: warn %v", r.Rule, r.Warn)
		}
	}
	tail := func(r, s, l int) int64 { return layerTime + wobble(r, s, l) }
	heavy := func(r, s, l int) int64 {
		if s%50 == 7 {
			return 2 * layerTime
		}
		return tail(r, s, l)
	}
	c := diffed(t, plan{layers: 3, steps: 120, layer: tail}.side(t, "base", 0, 3), plan{layers: 3, steps: 120, layer: heavy}.side(t, "new", 5, 3), analyze.DiffOptions{})
	failed, undecided, err := c.Judge(rules)
	if failed || undecided || err != nil {
		t.Errorf("p99 doubled: failed %v, undecided %v, %v; want a warning only: %+v", failed, undecided, err, c.Gate)
	}
	if last := c.Gate[2]; last.Pass || last.Verdict != "REGRESSION" {
		t.Errorf("p99 doubled: %+v", last)
	}
}

func TestGateOfWhatIsNotKnown(t *testing.T) {
	p := plan{layers: 4, steps: 3, layer: func(r, s, l int) int64 { return layerTime + wobble(r, s, l) }}
	base, new := p.side(t, "base", 0, 2), p.side(t, "new", 5, 2)
	c := diffed(t, base, new, analyze.DiffOptions{})
	for rule, want := range map[string]string{"peak_hbm>+1%": "peak memory is not known", "flops>+1%": "state no flops", "layer_9>+1%": `no layer or part is called "layer_9"; there are layer_0, layer_1, layer_2, layer_3`} {
		rules, err := analyze.ParseGate(rule)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Judge(rules); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", rule, err, want)
		}
	}
	base.PeakHBM, new.PeakHBM = 1000, 1020
	c = diffed(t, base, new, analyze.DiffOptions{})
	if _, failed, _ := judged(t, c, "peak_hbm>+1%"); !failed {
		t.Error("peak_hbm +2 % passes +1 %")
	}
	if _, failed, _ := judged(t, c, "peak_hbm>+3%"); failed {
		t.Error("peak_hbm +2 % fails +3 %")
	}
}

func TestParseGateErrors(t *testing.T) {
	for rule, want := range map[string]string{
		"":              "found no comparison",
		"layer":         "found no comparison",
		">3%":           "found no comparison",
		" >3%":          "found no comparison",
		"layer>":        "wanted a number",
		"layer>x%":      "wanted a number",
		"layer>NaN%":    "wanted a number",
		"layer>inf%":    "wanted a number",
		"layer>3":       "percentage: 'layer>+3%'",
		"compiles>0%":   "count: 'compiles>0'",
		"step<-100%":    "nothing can fall by 100 %",
		"layer_[>3%":    "bad pattern",
		"policy:strict": `no policy "strict"`,
	} {
		if _, err := analyze.ParseGate(rule); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", rule, err, want)
		}
	}
}

// A rule that parses means one thing: its threshold is finite, and judging it
// never panics.
func FuzzParseGate(f *testing.F) {
	for _, s := range []string{"layer>+3%", "step<-1%", "compiles>0", "policy:serving", "layer_*>1e300%", "x>-0%"} {
		f.Add(s)
	}
	p := plan{layers: 4, steps: 3, layer: func(r, s, l int) int64 { return layerTime + wobble(r, s, l) }}
	c, err := analyze.Diff(p.side(f, "base", 0, 2), p.side(f, "new", 5, 2), analyze.DiffOptions{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := analyze.ParseGate(text)
		if err != nil {
			return
		}
		for _, r := range rules {
			if math.IsNaN(r.Threshold) || math.IsInf(r.Threshold, 0) || r.Subject == "" {
				t.Errorf("%q became %+v", text, r)
			}
		}
		held := *c
		_, _, _ = held.Judge(rules) // a subject that isn't there is an error
	})
}
