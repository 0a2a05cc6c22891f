// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// {1,2,3} against {2,4,6,8}: means 2 and 5, variances 1 and 20/3, their shares
// 1/3 and 5/3; t = 3/√2, df = 4 / ((1/9)/2 + (25/9)/3) = 4/(53/54).
func TestWelch(t *testing.T) {
	tt, df, p := Welch([]float64{1, 2, 3}, []float64{2, 4, 6, 8})
	near(t, "t", tt, 3/math.Sqrt2, 1e-14)
	near(t, "df", df, 4*54.0/53, 1e-14)
	near(t, "p", p, 2*tTail(tt, df), 1e-14)
	for _, c := range [][2][]float64{{nil, nil}, {{1}, {2, 3}}, {{1, 1}, {1, 1}}, {{2, 2}, {3, 3}}, {{0.1, 0.1, 0.1}, {0.1, 0.1}}} {
		if tt, df, p := Welch(c[0], c[1]); tt != 0 || df != 0 || p != 1 {
			t.Errorf("Welch(%v) = %v %v %v, want no test", c, tt, df, p)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := steps(t, "a", 2, 9), steps(t, "b", 2, 9)
		t1, df1, p1 := Welch(a, b)
		t2, df2, p2 := Welch(b, a)
		if math.Abs(t1+t2) > 1e-9 || math.Abs(df1-df2) > 1e-6 || math.Abs(p1-p2) > 1e-9 {
			t.Fatalf("swapped: %v %v %v, %v %v %v", t1, df1, p1, t2, df2, p2)
		}
		if df1 > float64(len(a)+len(b)-2)+1e-9 {
			t.Fatalf("df %v", df1)
		}
	})
}

// The example of Benjamini & Hochberg's procedure with five p: sorted
// 0.01 0.02 0.03 0.04 0.5 times 5/rank: 0.05 0.05 0.05 0.05 0.5.
func TestBH(t *testing.T) {
	for _, c := range []struct{ p, want []float64 }{
		{[]float64{0.03, 0.5, 0.01, 0.04, 0.02}, []float64{0.05, 0.5, 0.05, 0.05, 0.05}},
		{[]float64{0.001, 0.9, 0.8}, []float64{0.003, 0.9, 0.9}},
		{[]float64{0.2}, []float64{0.2}},
		{[]float64{math.NaN(), 0.01, 7, -1}, []float64{1, 0.04, 1, 1}},
		{nil, []float64{}},
	} {
		got := BH(c.p)
		for i := range c.want {
			near(t, "q", got[i], c.want[i], 1e-14)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SliceOfN(rapid.Float64Range(0, 1), 0, 40).Draw(t, "p")
		q := BH(p)
		order := rapid.Permutation(indices(len(p))).Draw(t, "order")
		shuffled := make([]float64, len(p))
		for i, j := range order {
			shuffled[i] = p[j]
		}
		again := BH(shuffled)
		for i, j := range order {
			if again[i] != q[j] {
				t.Fatal("q depends on order")
			}
			if q[j] < p[j] || q[j] > 1 {
				t.Fatalf("q %v of p %v", q[j], p[j])
			}
		}
		for i := range p {
			for j := range p {
				if p[i] < p[j] && q[i] > q[j] {
					t.Fatalf("q not monotone: p %v q %v", p, q)
				}
			}
		}
	})
}

func indices(n int) []int {
	return slices.Collect(func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	})
}
