// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// cpuLayers are median thread times (ms) of six layers of a small JAX model on
// CPU, three captures each: one commit, and one whose layer 3 has a threefold
// MLP. layer_0 varies by 10 % between captures of one commit.
var cpuLayers = struct{ base, slow [][6]float64 }{
	base: [][6]float64{
		{10.20, 8.30, 8.35, 8.38, 8.20, 8.49},
		{9.71, 8.36, 8.47, 8.57, 8.35, 8.54},
		{8.31, 8.11, 8.10, 8.04, 8.10, 8.02},
	},
	slow: [][6]float64{
		{8.35, 8.09, 8.03, 17.05, 8.19, 8.02},
		{8.16, 8.09, 7.99, 16.99, 8.14, 8.07},
		{9.44, 8.14, 8.04, 18.71, 8.34, 8.04},
	},
}

// pairs turns runs of layers into rows.
func pairs(base, new [][6]float64) []Pair {
	rows := make([]Pair, 6)
	for l := range rows {
		for _, r := range base {
			rows[l].Base = append(rows[l].Base, r[l]*1e9)
		}
		for _, r := range new {
			rows[l].New = append(rows[l].New, r[l]*1e9)
		}
	}
	return rows
}

func TestCompareCPUSlowLayer(t *testing.T) {
	got := Compare(nil, pairs(cpuLayers.base, cpuLayers.slow), Options{MinAbs: 1e6})
	for i, r := range got.Rows {
		want, needed := Inconclusive, true
		if i == 3 {
			want, needed = Regression, false
		}
		if r.Verdict != want || (r.Needed > 0) != needed {
			t.Errorf("layer_%d: %s, %d more runs, want %s: %+v", i, r.Verdict, r.Needed, want, r)
		}
		if r.Alone != (i == 0) {
			t.Errorf("layer_%d: alone %v", i, r.Alone)
		}
	}
	if got.Common.Verdict != Inconclusive {
		t.Errorf("common shift: %+v", got.Common)
	}
	if v := got.Rows[3].Against(0.03); v != Regression {
		t.Errorf("gate on layer_3: %s", v)
	}
	// By medians of ratios the layer is 2.09 times as slow.
	if e := got.Rows[3].Effect; e < 1.0 || e > 1.25 {
		t.Errorf("layer_3 effect %v", e)
	}
	if got.Verdict() != Regression {
		t.Errorf("whole: %s", got.Verdict())
	}
}

// Every way to split the three captures of one commit: nothing may be called
// slower or faster, and one run a side never is.
func TestCompareCPUSplits(t *testing.T) {
	b := cpuLayers.base
	for i := range b {
		rest := slices.Concat(b[:i], b[i+1:])
		for _, sides := range [][2][][6]float64{
			{b[i : i+1], rest}, {rest, b[i : i+1]}, {b[i : i+1], rest[:1]}, {b[i : i+1], rest[1:]},
		} {
			got := Compare(nil, pairs(sides[0], sides[1]), Options{})
			for l, r := range got.Rows {
				if r.Verdict != Inconclusive || r.Needed < 1 {
					t.Errorf("%d v %d runs, layer_%d: %s needs %d", len(sides[0]), len(sides[1]), l, r.Verdict, r.Needed)
				}
			}
		}
	}
	// The slow layer differs even so.
	got := Compare(nil, pairs(b[:1], cpuLayers.slow[:1]), Options{})
	if got.Rows[3].Verdict != Differs || got.Rows[0].Verdict == Regression {
		t.Errorf("one run a side: %+v", got.Rows[3])
	}
}

// Four rows without drift, two runs a side, by hand. Logs of row 0 are 0, 0.02
// against 0.1, 0.12: center 0.06; the others' logs are 0 throughout except for
// ±0.01 in antiphase, so that every run's median deviation is 0.
func TestCompareByHand(t *testing.T) {
	e := func(x ...float64) (out []float64) {
		for _, v := range x {
			out = append(out, math.Exp(v))
		}
		return out
	}
	rows := []Pair{
		{e(0, 0.02), e(0.1, 0.12)},
		{e(0.01, -0.01), e(0.01, -0.01)},
		{e(-0.01, 0.01), e(-0.01, 0.01)},
		{e(0, 0), e(0, 0)},
		{e(0, 0), e(0, 0)},
	}
	got := Compare(nil, rows, Options{})
	for r, want := range []float64{1, 1} {
		near(t, "drift", got.Drift.Base[r], want, 1e-12)
		near(t, "drift", got.Drift.New[r], want, 1e-12)
	}
	r := got.Rows[0]
	near(t, "effect", r.Effect, math.Expm1(0.1), 1e-12)
	near(t, "raw", r.Raw, math.Expm1(0.1), 1e-12)
	near(t, "base", r.Base, math.Exp(0.01), 1e-12)
	// Own variance: two sides of ±0.01, so (2+2)·1e-4/2 = 2e-4 on 2 df. It is
	// larger than the posterior mean, as rows 3 and 4 have none. SE² = 2e-4·(½+½).
	near(t, "SE", r.SE, math.Sqrt(2e-4), 1e-9)
	near(t, "p", r.P, 2*tTail(0.1/r.SE, r.DF), 1e-12)
	near(t, "hi", r.Hi, math.Expm1(0.1+r.SE*tQuantile(0.025, r.DF)), 1e-12)
	near(t, "margin", r.Margin, 0.01, 1e-12)
	if r.BaseRuns != 2 || r.NewRuns != 2 {
		t.Errorf("runs %d and %d", r.BaseRuns, r.NewRuns)
	}
}

// The same captures on both sides, and constants: no change, no doubt.
func TestCompareSame(t *testing.T) {
	rows := pairs(cpuLayers.base, cpuLayers.base)
	for _, r := range Compare(&rows[0], rows, Options{}).Rows {
		if r.Effect != 0 || r.P != 1 || r.named() {
			t.Errorf("a file against itself: %+v", r)
		}
	}
	flat := []Pair{{[]float64{5, 5, 5}, []float64{5, 5, 5}}, {[]float64{7, 7, 7}, []float64{7, 7, 7}}, {[]float64{9, 9, 9}, []float64{10, 10, 10}}}
	got := Compare(&flat[0], flat, Options{})
	for i, want := range []Verdict{Equivalent, Equivalent, Regression} {
		if got.Rows[i].Verdict != want {
			t.Errorf("constants, row %d: %+v", i, got.Rows[i])
		}
	}
	if got.Step.Verdict != Equivalent || got.Common.Verdict != Equivalent {
		t.Errorf("constants: step %s common %s", got.Step.Verdict, got.Common.Verdict)
	}
}

// A uniform slow-down shows in the step and the common shift and in no layer.
func TestCompareUniform(t *testing.T) {
	m := modelN1
	m.drift = 0.002
	all := map[int]float64{}
	for i := range m.layers {
		all[i] = 1.05
	}
	c := newSession(m, 7).captures(4, all)
	got := Compare(&c.step, c.rows, Options{})
	if got.Step.Verdict != Regression || got.Common.Verdict != Regression {
		t.Errorf("step %+v\ncommon %+v", got.Step, got.Common)
	}
	near(t, "common effect", got.Common.Effect, 0.05, 0.01)
	for i, r := range got.Rows {
		if r.named() || math.Abs(r.Raw-0.05) > 0.02 {
			t.Errorf("layer %d: %+v", i, r)
		}
	}
}

// Most layers faster: those that stand still are not slower.
func TestCompareMostImproved(t *testing.T) {
	m := modelN1
	m.drift = 0.002
	factor := map[int]float64{}
	for i := range 40 {
		factor[i] = 0.94
	}
	c := newSession(m, 3).captures(3, factor)
	got := Compare(&c.step, c.rows, Options{})
	if got.Common.Verdict != Improvement {
		t.Errorf("common: %+v", got.Common)
	}
	for i, r := range got.Rows[40:] {
		if r.named() || !r.Relative || r.Needed == 0 || r.Against(0.03) != Inconclusive {
			t.Errorf("layer %d stood still: %+v", 40+i, r)
		}
	}
}

// The margin is the largest of the fraction, the absolute one and the noise
// floor, and a change inside it is no regression however sure.
func TestCompareMargin(t *testing.T) {
	rows := []Pair{{[]float64{100, 100, 100}, []float64{102, 102, 102}}}
	for _, c := range []struct {
		opt  Options
		want Verdict
	}{
		{Options{}, Regression},
		{Options{Margin: 0.03}, Equivalent},
		{Options{MinAbs: 3}, Equivalent},
		{Options{MinAbs: 1}, Regression},
		{Options{Noise: &Noise{DF: 1e4, Rows: []float64{0.05}}}, Inconclusive},
	} {
		got := Compare(nil, rows, c.opt).Rows[0]
		if got.Verdict != c.want {
			t.Errorf("%+v: %+v, want %s", c.opt, got, c.want)
		}
	}
	got := Compare(nil, rows, Options{Noise: &Noise{DF: 1e4, Rows: []float64{0.05}}}).Rows[0]
	near(t, "floor", got.Margin, math.Expm1(1.959963984540054*0.05*math.Sqrt(2.0/3)), 1e-9)
}

// Missing values leave runs out of a row; a row with an empty side is not
// judged, and does not count among the tests.
func TestCompareGaps(t *testing.T) {
	nan := math.NaN()
	rows := pairs(cpuLayers.base, cpuLayers.slow)
	rows[1].Base[0], rows[2].New = 0, []float64{nan, math.Inf(1), -1}
	got := Compare(nil, rows, Options{})
	if r := got.Rows[1]; r.BaseRuns != 2 || r.NewRuns != 3 || r.DF == 0 {
		t.Errorf("a zero in one run: %+v", r)
	}
	if r := got.Rows[2]; r.BaseRuns != 3 || r.NewRuns != 0 || r.Verdict != Inconclusive || r.P != 1 || r.DF != 0 || r.Base == 0 {
		t.Errorf("an empty side: %+v", r)
	}
	if got.Rows[3].Verdict != Regression {
		t.Errorf("the slow layer: %+v", got.Rows[3])
	}
	var p []float64
	for _, r := range got.Rows {
		if r.DF > 0 {
			p = append(p, r.P)
		}
	}
	for i, j := 0, 0; i < len(got.Rows); i++ {
		if got.Rows[i].DF > 0 {
			near(t, "q", got.Rows[i].Q, BH(p)[j], 0)
			j++
		}
	}
	if empty := Compare(nil, nil, Options{}); len(empty.Rows) != 0 || empty.Common != nil || empty.Verdict() != Inconclusive {
		t.Errorf("nothing: %+v", empty)
	}
}

// Ops of a layer are compared less the drift of the layers.
func TestCompareDrift(t *testing.T) {
	layers := []Pair{
		{[]float64{10, 11, 12}, []float64{20, 22, 21}},
		{[]float64{20, 22, 24}, []float64{40, 44, 42}},
		{[]float64{30, 33, 36}, []float64{60, 66, 63}},
	}
	all := Compare(nil, layers, Options{})
	near(t, "common", all.Common.Effect, math.Cbrt(2*2*2*22*21.0/(11*12*20))-1, 1)
	ops := Compare(nil, []Pair{{[]float64{1, 1.1, 1.2}, []float64{2, 2.2, 2.1}}}, Options{Drift: &all.Drift})
	near(t, "op effect", ops.Rows[0].Effect, 0, 1e-12)
	if ops.Common != nil || ops.Rows[0].Raw < 0.8 {
		t.Errorf("ops: %+v", ops)
	}
}

// Swapping the sides turns every effect around; a common factor and the order
// of runs and rows change nothing but rounding.
func TestCompareLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n1, n2 := rapid.IntRange(1, 4).Draw(t, "n1"), rapid.IntRange(1, 4).Draw(t, "n2")
		value := rapid.Float64Range(80, 120)
		var rows, swapped, scaled []Pair
		for range rapid.IntRange(1, 8).Draw(t, "rows") {
			p := Pair{rapid.SliceOfN(value, n1, n1).Draw(t, "base"), rapid.SliceOfN(value, n2, n2).Draw(t, "new")}
			rows = append(rows, p)
			swapped = append(swapped, Pair{p.New, p.Base})
			s := Pair{}
			for _, v := range p.Base {
				s.Base = append(s.Base, 1e6*v)
			}
			for _, v := range p.New {
				s.New = append(s.New, 1e6*v)
			}
			scaled = append(scaled, s)
		}
		a, b, c := Compare(&rows[0], rows, Options{}), Compare(&swapped[0], swapped, Options{}), Compare(&scaled[0], scaled, Options{})
		mirror := map[Verdict]Verdict{Regression: Improvement, Improvement: Regression}
		for i, r := range append(a.Rows, *a.Step) {
			s, k := append(b.Rows, *b.Step)[i], append(c.Rows, *c.Step)[i]
			what := fmt.Sprintf("row %d: %+v\nswapped %+v\nscaled %+v", i, r, s, k)
			close := func(x, y float64) bool { return math.Abs(x-y) <= 1e-6*(1+math.Abs(x)) }
			if !close((1+r.Effect)*(1+s.Effect), 1) || !close((1+r.Lo)*(1+s.Hi), 1) || !close(r.P, s.P) || !close(r.Q, s.Q) || !close(r.PEquiv, s.PEquiv) {
				t.Fatal(what)
			}
			want := r.Verdict
			if m, ok := mirror[want]; ok {
				want = m
			}
			if s.Verdict != want || k.Verdict != r.Verdict || s.Needed != r.Needed {
				t.Fatal(what)
			}
			if !close(r.Effect, k.Effect) || !close(r.P, k.P) || !close(1e6*r.Base, k.Base) {
				t.Fatal(what)
			}
			if min(n1, n2) == 1 && (r.Verdict == Regression || r.Verdict == Improvement || r.Verdict == Equivalent) {
				t.Fatal("a verdict from one run: " + what)
			}
			if !(r.GateLo <= r.Lo && r.Lo <= r.Effect && r.Effect <= r.Hi && r.Hi <= r.GateHi) {
				t.Fatal("intervals: " + what)
			}
			if (r.Verdict == Inconclusive || r.Verdict == Differs) != (r.Needed > 0) {
				t.Fatal("needed: " + what)
			}
		}
	})
}

func TestWorst(t *testing.T) {
	if got := Worst(Equivalent, Improvement, Differs, Inconclusive); got != Differs {
		t.Errorf("Worst = %s", got)
	}
	if got := Worst(Equivalent, Inconclusive, Improvement); got != Improvement {
		t.Errorf("Worst = %s", got)
	}
	if got := Worst("?"); got != Inconclusive {
		t.Errorf("Worst of nothing known = %s", got)
	}
}

func TestAgainst(t *testing.T) {
	row := Row{BaseRuns: 3, NewRuns: 3, DF: 4, Q: 0.001, Level: 0.025, GateLo: 0.04, GateHi: 0.06}
	single := row
	single.NewRuns = 1
	unsure := row
	unsure.Q = 0.01
	less := Row{BaseRuns: 3, NewRuns: 3, DF: 4, Q: 0.001, Level: 0.025, GateLo: -0.2, GateHi: -0.15}
	for _, c := range []struct {
		r         Row
		threshold float64
		want      Verdict
	}{
		{row, 0.03, Regression}, {row, 0.05, Inconclusive}, {row, 0.06, Equivalent},
		{single, 0.03, Differs}, {single, 0.1, Inconclusive}, {unsure, 0.03, Inconclusive},
		{less, -0.1, Regression}, {less, -0.18, Inconclusive}, {less, -0.3, Equivalent}, {row, -0.1, Equivalent},
		{Row{}, 0.03, Inconclusive},
	} {
		if got := c.r.Against(c.threshold); got != c.want {
			t.Errorf("%+v against %v: %s, want %s", c.r, c.threshold, got, c.want)
		}
	}
}
