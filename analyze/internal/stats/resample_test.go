// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestBootstrap(t *testing.T) {
	base := [][]float64{{100, 101, 99, 100}, {102, 101, 103, 102}, {98, 99, 97, 98}}
	new := [][]float64{{110, 111, 109, 110}, {112, 111, 113, 112}, {108, 109, 107, 108}}
	effect, ci := Bootstrap(base, new, 0.95, 1)
	want := (math.Log(110)+math.Log(112)+math.Log(108))/3 - (math.Log(100)+math.Log(102)+math.Log(98))/3
	near(t, "effect", effect, math.Expm1(want), 1e-12)
	if !(ci.Lo < effect && effect < ci.Hi) || ci.Lo < 0.05 || ci.Hi > 0.15 || ci.Confidence != 0.95 {
		t.Errorf("interval %+v around %v", ci, effect)
	}
	if _, again := Bootstrap(base, new, 0.95, 1); again != ci {
		t.Errorf("the same seed: %+v and %+v", ci, again)
	}
	if _, other := Bootstrap(base, new, 0.95, 2); other == ci {
		t.Error("another seed, the same interval")
	}
	for _, c := range [][2][][]float64{{nil, new}, {base, nil}, {{{}, {math.NaN()}}, new}, {base, {{0, -1}}}} {
		if effect, ci := Bootstrap(c[0], c[1], 0.95, 1); effect != 0 || ci != (Interval{}) {
			t.Errorf("Bootstrap of nothing: %v %+v", effect, ci)
		}
	}
	// A run without spread has no interval to speak of, and no NaN.
	if effect, ci := Bootstrap([][]float64{{5, 5}}, [][]float64{{10}}, 0.95, 1); math.Abs(effect-1) > 1e-12 || math.Abs(ci.Lo-1) > 1e-12 || math.Abs(ci.Hi-1) > 1e-12 {
		t.Errorf("constants: %v %+v", effect, ci)
	}
}

// Three against three, separated: 2 of 20 ways. With a tie of means all ways
// count. {0,0,3} against {1,1,1}: means 1 and 1, p = 1.
func TestPermute(t *testing.T) {
	for _, c := range []struct {
		base, new []float64
		p, least  float64
	}{
		{[]float64{1, 2, 3}, []float64{11, 12, 13}, 0.1, 0.1},
		{[]float64{0, 0, 3}, []float64{1, 1, 1}, 1, 0.1},
		{[]float64{1, 2}, []float64{7, 8, 9}, 0.1, 0.1},
		{[]float64{5, 5}, []float64{5, 5}, 1, 1.0 / 3},
		{nil, []float64{1}, 1, 1},
		{[]float64{1}, []float64{math.NaN()}, 1, 1},
	} {
		p, least := Permute(c.base, c.new, 1)
		near(t, "p", p, c.p, 1e-12)
		near(t, "least", least, c.least, 1e-12)
	}
	// C(24,12) = 2.7 million ways are drawn from, with a shift of one SD or none.
	s := newSession(modelN1, 1)
	var a, b []float64
	for range 12 {
		a, b = append(a, s.rng.NormFloat64()), append(b, s.rng.NormFloat64()+3)
	}
	if p, least := Permute(a, b, 1); p != least || least != 1.0/10001 {
		t.Errorf("separated by 3 SDs: p %v least %v", p, least)
	}
}

func TestPermuteAgainstCounting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.Custom(func(t *rapid.T) float64 { return float64(rapid.IntRange(0, 9).Draw(t, "v")) })
		base, new := rapid.SliceOfN(value, 1, 5).Draw(t, "base"), rapid.SliceOfN(value, 1, 5).Draw(t, "new")
		pool := append(append([]float64{}, base...), new...)
		mean := func(mask int, want int) float64 {
			s, n := 0.0, 0.0
			for i, v := range pool {
				if mask>>i&1 == want {
					s += v
					n++
				}
			}
			return s / n
		}
		observed := 0
		for i := range base {
			observed |= 1 << i
		}
		limit := math.Abs(mean(observed, 1) - mean(observed, 0))
		hits, all := 0.0, 0.0
		for mask := range 1 << len(pool) {
			n := 0
			for m := mask; m > 0; m &= m - 1 {
				n++
			}
			if n == len(base) {
				all++
				if math.Abs(mean(mask, 1)-mean(mask, 0)) >= limit-1e-12 {
					hits++
				}
			}
		}
		if p, _ := Permute(base, new, 1); math.Abs(p-hits/all) > 1e-12 {
			t.Fatalf("Permute(%v, %v) = %v, counting says %v", base, new, p, hits/all)
		}
	})
}

// Five looks of equal size spend alpha·ln(1+(e-1)t): 0.05·ln(1+(e-1)/5) at the
// first. O'Brien-Fleming at half: 2(1-Φ(1.96·√2)).
func TestSpending(t *testing.T) {
	near(t, "Pocock first", Pocock.Level(0.05, []int{2}, 10), 0.05*math.Log(1+(math.E-1)/5), 1e-15)
	near(t, "OBF half", OBrienFleming.Budget(0.05, 0.5), 2*normalTail(1.959963984540054*math.Sqrt2), 1e-12)
	for _, s := range []Spending{Pocock, OBrienFleming} {
		sum := 0.0
		at := []int{3, 4, 5, 8, 10}
		for i := range at {
			sum += s.Level(0.05, at[:i+1], 10)
		}
		near(t, "spent in all", sum, 0.05, 1e-12)
		if l := s.Level(0.05, []int{3, 3}, 10); l != 0 {
			t.Errorf("a look without new runs has level %v", l)
		}
		if l := s.Level(0.05, []int{10, 12}, 10); l != 0 {
			t.Errorf("a look past the plan has level %v", l)
		}
		if s.Level(0.05, nil, 10) != 0 || s.Level(0.05, []int{3}, 0) != 0 || s.Budget(0.05, math.NaN()) != 0 || s.Budget(0.05, -1) != 0 {
			t.Error("no look, no plan: want level 0")
		}
	}
}

// Three captures {1,e^.1,e^.2}-fold of everything: all noise is drift.
func TestCalibrate(t *testing.T) {
	f := []float64{1, math.Exp(0.1), math.Exp(0.2)}
	times := func(k float64) (out []float64) {
		for _, v := range f {
			out = append(out, k*v)
		}
		return out
	}
	n := Calibrate(times(60), [][]float64{times(10), times(20), times(30)})
	near(t, "step", n.Step, 0.1, 1e-12)
	near(t, "common", n.Common, 0.1, 1e-12)
	for _, sd := range n.Rows {
		near(t, "row", sd, 0, 1e-8)
	}
	if n.Runs != 3 || n.DF != 2 {
		t.Errorf("runs %d df %v", n.Runs, n.DF)
	}
	near(t, "Floor", n.Floor(n.Step, 1, 1), math.Expm1(1.959963984540054*0.1*math.Sqrt2), 1e-12)
	near(t, "Floor", n.Floor(n.Step, 2, 2), math.Expm1(1.959963984540054*0.1), 1e-12)
	one := Calibrate([]float64{1}, [][]float64{{1}, {}})
	if one.Step != 0 || one.DF != 0 || len(one.Rows) != 2 || one.Floor(one.Step, 1, 1) != 0 {
		t.Errorf("one capture: %+v", one)
	}
}

// Calibrated noise gives a single run a side something to stand on.
func TestCompareCalibrated(t *testing.T) {
	past := newSession(modelN1, 1).captures(5, nil)
	rows := make([][]float64, 64)
	for i, r := range past.rows {
		rows[i] = append(r.Base, r.New...)
	}
	noise := Calibrate(append(past.step.Base, past.step.New...), rows)
	near(t, "median layer SD", median(append([]float64{}, noise.Rows...)), 0.0042, 0.0015)
	c := newSession(modelN1, 2).captures(1, map[int]float64{planted: 1.05})
	with := Compare(&c.step, c.rows, Options{Noise: &noise})
	without := Compare(&c.step, c.rows, Options{})
	if with.Rows[planted].Verdict != Differs || with.Step.DF != 9 {
		t.Errorf("with noise: %+v\n%+v", with.Rows[planted], with.Step)
	}
	if without.Step.DF != 0 || without.Step.P != 1 || without.Step.Needed != 2 {
		t.Errorf("without: %+v", without.Step)
	}
}
