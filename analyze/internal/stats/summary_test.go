// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

var approx = cmp.Options{cmpopts.EquateApprox(1e-12, 1e-12)}

// Worked by hand. For {4,1,3,2,10}: mean 4, squares 0+9+1+4+36 = 50, SD √12.5;
// lag products 0·-3, -3·-1, -1·-2, -2·6 sum to 3+2-12 = -7, over 50. Deviations
// from the median 3 are 1,2,0,1,7: MAD 1. 5·1.4826 = 7.41, so 10 is no outlier.
func TestSummarize(t *testing.T) {
	for _, c := range []struct {
		name string
		x    []float64
		want Summary
	}{
		{"five", []float64{4, 1, 3, 2, 10}, Summary{
			N: 5, Min: 1, Q1: 2, Median: 3, Q3: 4, Max: 10, Mean: 4, SD: math.Sqrt(12.5), MAD: 1, Rho: -0.14,
			CI: Interval{1, 10, 1 - 2.0/32}, Needed: 6, Outliers: []int{},
		}},
		{"two", []float64{1, 2}, Summary{
			N: 2, Min: 1, Q1: 1.25, Median: 1.5, Q3: 1.75, Max: 2, Mean: 1.5, SD: math.Sqrt(0.5), MAD: 0.5,
			CI: Interval{1, 2, 0.5}, Needed: 6, Outliers: []int{},
		}},
		{"one", []float64{7}, Summary{N: 1, Min: 7, Q1: 7, Median: 7, Q3: 7, Max: 7, Mean: 7, CI: Interval{7, 7, 0}, Needed: 6, Outliers: []int{}}},
		{"none", nil, Summary{Needed: 6, Outliers: []int{}}},
		{"not numbers", []float64{math.NaN(), math.Inf(1), 1e200}, Summary{Needed: 6, Outliers: []int{}}},
		// The MAD is 0; the mean deviation 9/10 gives 5·1.2533·0.9 = 5.6 < 9.
		{"one step apart", []float64{1, 1, 1, 1, 10, 1, 1, 1, 1, 1}, Summary{
			N: 10, Min: 1, Q1: 1, Median: 1, Q3: 1, Max: 10, Mean: 1.9, SD: 9 / math.Sqrt(10), Rho: -8.19 / 72.9 * 1,
			CI: Interval{1, 1, 1 - 2*(1+10.0)/1024}, Needed: 6, Outliers: []int{4},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Summarize(c.x, 0.95)
			if c.name == "one step apart" {
				// Deviations -0.9 (nine) and 8.1: Σ products = 7·0.81 + 2·(-0.9·8.1)
				// = 5.67-14.58 = -8.91, over 9·0.81+65.61 = 72.9.
				c.want.Rho = -8.91 / 72.9
			}
			if d := cmp.Diff(c.want, got, approx); d != "" {
				t.Errorf("Summarize (-want +got):\n%s", d)
			}
		})
	}
}

// Reached confidences from the binomial distribution: 1-2·(1+10)/2¹⁰ for the
// second and ninth of ten, 1-2/2⁶ for the extremes of six.
func TestMedianCI(t *testing.T) {
	up := func(n int) (x []float64) {
		for i := range n {
			x = append(x, float64(i+1))
		}
		return x
	}
	for _, c := range []struct {
		n    int
		conf float64
		want Interval
	}{
		{6, 0.95, Interval{1, 6, 1 - 2.0/64}},
		{10, 0.95, Interval{2, 9, 1 - 22.0/1024}},
		{10, 0.99, Interval{1, 10, 1 - 2.0/1024}},
		{3, 0.95, Interval{1, 3, 0.75}},
	} {
		got := Summarize(up(c.n), c.conf).CI
		if d := cmp.Diff(c.want, got, approx); d != "" {
			t.Errorf("n=%d (-want +got):\n%s", c.n, d)
		}
	}
	big := Summarize(up(5000), 0.95).CI
	if big.Confidence < 0.95 || big.Confidence > 0.955 || big.Lo < 2400 || big.Hi > 2600 {
		t.Errorf("5,000 values: %+v", big)
	}
	for conf, n := range map[float64]int{0.5: 2, 0.9: 5, 0.95: 6, 0.99: 8, 0.999: 11} {
		if got := Summarize(nil, conf).Needed; got != n {
			t.Errorf("Needed at %v = %d, want %d", conf, got, n)
		}
	}
}

func TestQuantileType7(t *testing.T) {
	x := []float64{10, 20, 30, 40}
	for p, want := range map[float64]float64{0: 10, 0.25: 17.5, 0.5: 25, 0.9: 37, 1: 40, -1: 10, 2: 40} {
		near(t, "Quantile", Quantile(x, p), want, 1e-15)
	}
	if got := Quantile(nil, 0.5); got != 0 {
		t.Errorf("Quantile of nothing = %v", got)
	}
}

func steps(t *rapid.T, name string, minLen, maxLen int) []float64 {
	return rapid.SliceOfN(rapid.Float64Range(1, 1e9), minLen, maxLen).Draw(t, name)
}

// Scaling scales, shuffling changes only what depends on order, and the caller's
// slice stays as it was.
func TestSummarizeLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := steps(t, "x", 1, 40)
		keep := slices.Clone(x)
		a := Summarize(x, 0.95)
		if !slices.Equal(x, keep) {
			t.Fatal("input changed")
		}
		scaled := make([]float64, len(x))
		for i, v := range x {
			scaled[i] = 4 * v
		}
		b := Summarize(scaled, 0.95)
		near := func(got, want float64) {
			if math.Abs(got-want) > 1e-9*(1+math.Abs(want)) {
				t.Fatalf("scaled by 4: %v, want %v (of %v)", got, want, x)
			}
		}
		near(b.Median, 4*a.Median)
		near(b.SD, 4*a.SD)
		near(b.MAD, 4*a.MAD)
		near(b.CI.Lo, 4*a.CI.Lo)
		near(b.Rho, a.Rho)
		if !slices.Equal(a.Outliers, b.Outliers) {
			t.Fatalf("outliers %v, scaled %v", a.Outliers, b.Outliers)
		}
		c := Summarize(rapid.Permutation(x).Draw(t, "order"), 0.95)
		near(c.Mean, a.Mean)
		near(c.Median, a.Median)
		if len(c.Outliers) != len(a.Outliers) {
			t.Fatal("outliers depend on order")
		}
		if !(a.Min <= a.CI.Lo && a.CI.Lo <= a.Median && a.Median <= a.CI.Hi && a.CI.Hi <= a.Max) {
			t.Fatalf("interval does not hold the median: %+v", a)
		}
	})
}

func TestDisturbed(t *testing.T) {
	calm, hit := []float64{0.03, 0.04, 0.05, 0.06}, []float64{0.08, 0.12, 0.12, 0.13}
	one := []float64{0.03, 0.04, 0.05, 0.5} // a single noisy layer
	loud := []float64{0.2, 0.22, 0.25, 0.2}
	for _, c := range []struct {
		name string
		cv   [][]float64
		want []bool
	}{
		{"all calm", [][]float64{calm, calm, calm}, []bool{false, false, false}},
		{"one run hit", [][]float64{calm, hit, calm}, []bool{false, true, false}},
		{"one layer noisy", [][]float64{calm, one, calm}, []bool{false, false, false}},
		{"alone and loud", [][]float64{loud}, []bool{true}},
		{"alone and calm", [][]float64{calm}, []bool{false}},
		{"half the layers", [][]float64{calm, {0.12, 0.16, 0.05, 0.06}, calm}, []bool{false, false, false}},
		{"gaps", [][]float64{{math.NaN(), 0}, {}, {math.Inf(1)}}, []bool{false, false, false}},
		{"nothing", nil, []bool{}},
	} {
		if got := Disturbed(c.cv); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
