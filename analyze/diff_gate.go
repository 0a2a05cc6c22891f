// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"fmt"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/layerscope/layerscope/analyze/internal/stats"
)

// A GateRule is one condition that fails a gate, and what became of it.
type GateRule struct {
	Rule string // as written: "layer>+3%"

	Subject   string // "step", "layer", a layer's key, "peak_hbm", …; may hold * and ?
	Below     bool   // '<': fails when less
	Threshold float64
	Relative  bool // Threshold is a fraction of the base value
	Warn      bool // of a policy: reported, never fails

	Pass    bool
	Verdict string // "EQUIVALENT" passes for sure, "REGRESSION" fails; else not decided
	Key     string // the row that decided
	Detail  string
}

// policies are named sets of rules. serving holds the thresholds of serving
// benchmarks: throughput −10 % and p95 +15 % fail, p99 +20 % warns.
var policies = map[string][]string{
	"serving": {"throughput<-10%", "step_p95>+15%", "warn:step_p99>+20%"},
}

// subjects of rules that are no layer's key, and the rows they look at.
var subjects = map[string]struct{ level, metric string }{
	"step": {"step", "op_time"}, "duration": {"step", "duration"}, "throughput": {"step", "duration"},
	"common": {"step", "common_shift"}, "layer": {"layer", "op_time"}, "step_p95": {"step", "duration_p95"},
	"step_p99": {"step", "duration_p99"}, "peak_hbm": {"step", "peak_hbm"}, "compiles": {"step", "compiles"}, "plan_bytes": {"step", "plan_bytes"},
	"flops": {"step", "flops"}, "bytes": {"step", "bytes"},
}

// ParseGate reads a rule, SUBJECT>+N% or SUBJECT>N ('<' likewise), or the rules
// of policy:NAME. Subjects are step, duration, throughput (steps per second),
// layer (any), a layer's or named part's key, step_p95, step_p99, flops, bytes,
// peak_hbm, plan_bytes (the compiler's plan) and compiles, which is the new side's count.
func ParseGate(text string) ([]GateRule, error) {
	if name, ok := strings.CutPrefix(text, "policy:"); ok {
		rules, known := policies[name]
		if !known {
			return nil, fmt.Errorf("rule %q: no policy %q, wanted serving", text, name)
		}
		var out []GateRule
		for _, r := range rules {
			plain, warn := strings.CutPrefix(r, "warn:")
			more, err := ParseGate(plain)
			if err != nil {
				return nil, err
			}
			more[0].Warn = warn
			out = append(out, more...)
		}
		return out, nil
	}
	i := strings.IndexAny(text, "<>")
	if i < 0 || strings.TrimSpace(text[:i]) == "" {
		return nil, fmt.Errorf("rule %q: found no comparison of anything, wanted something like 'layer>+3%%'", text)
	}
	r := GateRule{Rule: text, Subject: strings.TrimSpace(text[:i]), Below: text[i] == '<'}
	value := strings.TrimSpace(strings.TrimPrefix(text[i+1:], "="))
	number, relative := strings.CutSuffix(value, "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return nil, fmt.Errorf("rule %q: found %q, wanted a number or a percentage", text, value)
	}
	if r.Threshold, r.Relative = v, relative; relative {
		r.Threshold = v / 100
	}
	if r.Relative == (r.Subject == "compiles") {
		return nil, fmt.Errorf("rule %q: wanted a %s", text, map[bool]string{true: "count: 'compiles>0'", false: "percentage: '" + r.Subject + ">+3%'"}[r.Relative])
	}
	if r.Relative && r.Threshold <= -1 {
		return nil, fmt.Errorf("rule %q: nothing can fall by 100 %%", text)
	}
	if _, err := path.Match(r.Subject, ""); err != nil {
		return nil, fmt.Errorf("rule %q: bad pattern %q", text, r.Subject)
	}
	return []GateRule{r}, nil
}

// Judge holds the comparison against rules and keeps the outcome in Gate. It
// fails when a rule does; undecided tells that one could not be decided. A rule
// whose subject the captures know nothing of is an error.
func (c *Comparison) Judge(rules []GateRule) (failed, undecided bool, err error) {
	for _, r := range rules {
		if err := c.judge(&r); err != nil {
			return false, false, err
		}
		c.Gate = append(c.Gate, r)
		if r.Warn {
			continue
		}
		failed = failed || !r.Pass
		undecided = undecided || r.Pass && r.Verdict != string(stats.Equivalent)
	}
	return failed, undecided, nil
}

// judge decides one rule: it fails with its worst row.
func (c *Comparison) judge(rule *GateRule) error {
	rows := c.rowsFor(rule.Subject)
	if len(rows) == 0 {
		return c.noRows(rule)
	}
	rule.Verdict, rule.Pass = "", true
	for _, r := range rows {
		v := rule.hold(r)
		if rule.Verdict == "" || v != stats.Verdict(rule.Verdict) && stats.Worst(v, stats.Verdict(rule.Verdict)) == v {
			rule.Verdict, rule.Key = string(v), r.Key
			rule.Detail = fmt.Sprintf("%s %+.1f %% (%+.1f … %+.1f %%)", r.Key, 100*r.Effect, 100*r.Lo, 100*r.Hi)
			if !rule.Relative {
				rule.Detail = fmt.Sprintf("%s %g", r.Key, r.NewValue)
			}
		}
	}
	rule.Pass = rule.Verdict != string(stats.Regression)
	return nil
}

// hold decides one rule for one row.
func (g *GateRule) hold(r *DiffRow) stats.Verdict {
	yes := map[bool]stats.Verdict{true: stats.Regression, false: stats.Equivalent}
	if !g.Relative {
		return yes[g.Below && r.NewValue < g.Threshold || !g.Below && r.NewValue > g.Threshold]
	}
	if !r.Tested && r.stat.BaseRuns == 0 && r.Unit != "ps" {
		return yes[g.Below && r.Raw < g.Threshold || !g.Below && r.Raw > g.Threshold]
	}
	if !r.Tested {
		if r.Verdict == "" && r.Status == "matched" {
			return stats.Equivalent // too small to matter
		}
		return stats.Inconclusive
	}
	t, below := g.Threshold, g.Below
	if g.Subject == "throughput" {
		// Steps a second fall by 10 % when a step takes 1/0.9 as long.
		t, below = 1/(1+t)-1, !below
	}
	s := r.stat
	if below {
		// A row mirrored: falling below −t is rising above t of the inverse.
		s.GateLo, s.GateHi = -s.GateHi, -s.GateLo
		t = -t
	}
	switch single := min(s.BaseRuns, s.NewRuns) < 2; {
	case s.DF == 0:
		return stats.Inconclusive
	case s.GateLo > t && s.Q <= s.Level && single:
		return stats.Differs
	case s.GateLo > t && s.Q <= s.Level:
		return stats.Regression
	case s.GateHi <= t && !single:
		return stats.Equivalent
	}
	return stats.Inconclusive
}

// rowsFor returns the rows that a subject means.
func (c *Comparison) rowsFor(subject string) []*DiffRow {
	var out []*DiffRow
	want, named := subjects[subject]
	for i := range c.Rows {
		r := &c.Rows[i]
		switch {
		case named && want.level == "layer":
			if r.Level == "layer" && r.Metric == "op_time" && r.Index >= 0 {
				out = append(out, r)
			}
		case named:
			if r.Level == want.level && r.Metric == want.metric {
				out = append(out, r)
			}
		case r.Level == "layer" && r.Metric == "op_time":
			if ok, err := path.Match(subject, r.Key); err == nil && ok {
				out = append(out, r)
			}
		}
	}
	return out
}

// noRows says why a rule has nothing to look at. What captures may not hold is
// undecided; what nobody asked them for is an error.
func (c *Comparison) noRows(rule *GateRule) error {
	switch rule.Subject {
	case "step_p95", "step_p99":
		rule.Pass, rule.Verdict = true, string(stats.Inconclusive)
		rule.Detail = map[string]string{"step_p95": "needs 20 steps in every capture", "step_p99": "needs 100 steps in every capture"}[rule.Subject]
		return nil
	case "duration", "throughput":
		return fmt.Errorf("rule %q: the captures have no steps", rule.Rule)
	case "layer", "common":
		return fmt.Errorf("rule %q: no layers were found on both sides", rule.Rule)
	case "peak_hbm":
		return fmt.Errorf("rule %q: peak memory is not known of both sides: add a device memory profile or a capture with memory events", rule.Rule)
	case "flops", "bytes", "plan_bytes":
		return fmt.Errorf("rule %q: the captures state no %s", rule.Rule, rule.Subject)
	}
	near := c.near(rule.Subject)
	if len(near) == 0 {
		return fmt.Errorf("rule %q: no layer or part is called %q", rule.Rule, rule.Subject)
	}
	return fmt.Errorf("rule %q: no layer or part is called %q; there are %s", rule.Rule, rule.Subject, strings.Join(near, ", "))
}

// near are the layers and parts whose names are most like one, by what they begin
// and end with: five at most.
func (c *Comparison) near(name string) []string {
	type candidate struct {
		name string
		like int
	}
	var all []candidate
	for _, r := range c.Rows {
		if r.Level != "layer" || slices.ContainsFunc(all, func(x candidate) bool { return x.name == r.Key }) {
			continue
		}
		n, front, back := min(len(name), len(r.Key)), 0, 0
		for front < n && name[front] == r.Key[front] {
			front++
		}
		for back < n-front && name[len(name)-1-back] == r.Key[len(r.Key)-1-back] {
			back++
		}
		all = append(all, candidate{r.Key, front + back})
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return b.like - a.like })
	var out []string
	for _, x := range all[:min(5, len(all))] {
		out = append(out, x.name)
	}
	return out
}
