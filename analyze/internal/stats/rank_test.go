// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// {1,2,3} against {4,5,6}: U = 9 of 9, one order of C(6,3) = 20 on each side.
// log ratios run from 4/3 to 6; their middle of nine sorted is the fifth.
func TestRankTestByHand(t *testing.T) {
	got := RankTest([]float64{3, 1, 2}, []float64{5, 6, 4}, 0.95)
	// 4/3 5/3 2 2 5/2 3 4 5 6: the fifth is 5/2.
	want := Rank{BaseN: 3, NewN: 3, U: 9, P: 0.1, MinP: 0.1, Exact: true, Shift: 1.5, CI: Interval{1.0 / 3, 5, 0.9}}
	if d := cmp.Diff(want, got, approx); d != "" {
		t.Errorf("RankTest (-want +got):\n%s", d)
	}
	// One tie: {1,2} and {2,3}. Midranks 1,2.5,2.5,4; the pairs of two have
	// sums 3.5,3.5,5,5,6.5,6.5; observed 6.5: P(>=) = 2/6, two-sided 2/3.
	tied := RankTest([]float64{1, 2}, []float64{2, 3}, 0.95)
	near(t, "U", tied.U, 3.5, 0)
	near(t, "P", tied.P, 2.0/3, 1e-15)
	same := RankTest([]float64{5, 5, 5}, []float64{5, 5, 5}, 0.95)
	near(t, "P of equal values", same.P, 1, 0)
	near(t, "shift of equal values", same.Shift, 0, 0)
	zero := RankTest([]float64{0, 1}, []float64{2, 3}, 0.95)
	if zero.CI.Confidence != 0 || zero.Shift != 0 {
		t.Errorf("a shift of logs with a zero: %+v", zero)
	}
	if e := RankTest(nil, []float64{1}, 0.95); e.P != 1 || e.MinP != 1 || e.NewN != 1 {
		t.Errorf("empty side: %+v", e)
	}
}

// The least p of n against n, 2/C(2n,n): no test of three runs reaches 5 %.
func TestRankMinP(t *testing.T) {
	for n, want := range map[int]float64{1: 1, 2: 1.0 / 3, 3: 0.1, 4: 2.0 / 70, 5: 2.0 / 252, 6: 2.0 / 924, 7: 2.0 / 3432, 8: 2.0 / 12870, 9: 2.0 / 48620} {
		x, y := make([]float64, n), make([]float64, n)
		for i := range n {
			x[i], y[i] = float64(i+1), float64(i+100)
		}
		r := RankTest(x, y, 0.95)
		near(t, "MinP", r.MinP, want, 1e-12)
		near(t, "P at separation", r.P, want, 1e-12)
	}
}

// bruteRank counts all assignments of labels to the pooled values.
func bruteRank(base, new []float64) (u, p float64) {
	pool := slices.Concat(base, new)
	stat := func(mask int) float64 {
		u := 0.0
		for i := range pool {
			for j := range pool {
				if mask>>i&1 == 1 && mask>>j&1 == 0 {
					if pool[i] > pool[j] {
						u++
					} else if pool[i] == pool[j] {
						u += 0.5
					}
				}
			}
		}
		return u
	}
	seen := 0
	for i := range new {
		seen |= 1 << (len(base) + i)
	}
	u = stat(seen)
	lower, upper, all := 0.0, 0.0, 0.0
	for mask := range 1 << len(pool) {
		bits := 0
		for m := mask; m > 0; m &= m - 1 {
			bits++
		}
		if bits != len(new) {
			continue
		}
		s := stat(mask)
		all++
		if s <= u {
			lower++
		}
		if s >= u {
			upper++
		}
	}
	return u, min(2*min(lower, upper)/all, 1)
}

func TestRankExactAgainstCounting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.Custom(func(t *rapid.T) float64 { return float64(rapid.IntRange(1, 6).Draw(t, "v")) })
		if rapid.Bool().Draw(t, "untied") {
			value = rapid.Float64Range(1, 2)
		}
		base := rapid.SliceOfN(value, 1, 5).Draw(t, "base")
		new := rapid.SliceOfN(value, 1, 5).Draw(t, "new")
		u, p := bruteRank(base, new)
		got := RankTest(base, new, 0.95)
		if got.U != u || math.Abs(got.P-p) > 1e-12 || !got.Exact {
			t.Fatalf("RankTest(%v, %v): U %v p %v, counting says %v, %v", base, new, got.U, got.P, u, p)
		}
	})
}

// The shift and its interval are order statistics of all pairs.
func TestShiftAgainstSorting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.Float64Range(1, 100)
		if rapid.Bool().Draw(t, "tied") {
			value = rapid.Custom(func(t *rapid.T) float64 { return float64(rapid.IntRange(1, 9).Draw(t, "v")) })
		}
		base := rapid.SliceOfN(value, 1, 30).Draw(t, "base")
		new := rapid.SliceOfN(value, 1, 30).Draw(t, "new")
		var all []float64
		for _, b := range base {
			for _, n := range new {
				all = append(all, math.Log(n)-math.Log(b))
			}
		}
		slices.Sort(all)
		r := RankTest(base, new, 0.9)
		k, reached := shiftRank(len(base), len(new), 0.9)
		for _, c := range []struct{ got, want float64 }{
			{r.Shift, math.Expm1(Quantile(all, 0.5))},
			{r.CI.Lo, math.Expm1(all[k-1])},
			{r.CI.Hi, math.Expm1(all[len(all)-k])},
			{r.CI.Confidence, reached},
		} {
			if math.Abs(c.got-c.want) > 1e-12*(1+math.Abs(c.want)) {
				t.Fatalf("%+v, want %v (base %v new %v)", r, c.want, base, new)
			}
		}
	})
}

// Swapping the sides mirrors U, turns the shift around and keeps p; a common
// factor changes nothing but rounding.
func TestRankLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.Float64Range(1, 1e4)
		base, new := rapid.SliceOfN(value, 1, 20).Draw(t, "base"), rapid.SliceOfN(value, 1, 20).Draw(t, "new")
		a, b := RankTest(base, new, 0.95), RankTest(new, base, 0.95)
		if a.U+b.U != float64(len(base)*len(new)) || math.Abs(a.P-b.P) > 1e-12 || a.MinP != b.MinP {
			t.Fatalf("swapped: %+v and %+v", a, b)
		}
		if x := (1 + a.Shift) * (1 + b.Shift); math.Abs(x-1) > 1e-9 {
			t.Fatalf("shifts %v and %v", a.Shift, b.Shift)
		}
		if x := (1 + a.CI.Lo) * (1 + b.CI.Hi); math.Abs(x-1) > 1e-9 {
			t.Fatalf("intervals %v and %v", a.CI, b.CI)
		}
		if !(a.CI.Lo <= a.Shift && a.Shift <= a.CI.Hi) || a.P < 0 || a.P > 1 {
			t.Fatalf("%+v", a)
		}
	})
}

// One stratum is the rank test without continuity; strata with one side say
// nothing; shifts in opposite directions cancel.
func TestVanElteren(t *testing.T) {
	up := Pair{Base: []float64{1, 2, 3}, New: []float64{4, 5, 6}}
	// U - mn/2 = 4.5, variance mn(N+1)/12 = 5.25.
	z, p := VanElteren([]Pair{up, {Base: []float64{1}}, {New: []float64{2}}, {Base: []float64{3}, New: []float64{3}}})
	near(t, "z", z, 4.5/math.Sqrt(5.25), 1e-14)
	near(t, "p", p, 2*normalTail(4.5/math.Sqrt(5.25)), 1e-14)
	z, p = VanElteren([]Pair{up, {Base: up.New, New: up.Base}})
	near(t, "z of a draw", z, 0, 1e-14)
	near(t, "p of a draw", p, 1, 1e-14)
	if z, p := VanElteren(nil); z != 0 || p != 1 {
		t.Errorf("nothing: %v %v", z, p)
	}
}
