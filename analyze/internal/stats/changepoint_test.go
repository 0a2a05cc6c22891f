// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// levels is a series with the given levels, each for its number of points, and
// normal noise.
func levels(seed uint64, noise float64, points ...float64) []float64 {
	rng := rand.New(rand.NewPCG(seed, 9))
	var x []float64
	for i := 0; i < len(points); i += 2 {
		for range int(points[i]) {
			x = append(x, points[i+1]*(1+noise*rng.NormFloat64()))
		}
	}
	return x
}

func TestChangePoints(t *testing.T) {
	spiked := levels(4, 0.02, 40, 100)
	spiked[7], spiked[8], spiked[25] = 300, 250, 10
	gap := levels(5, 0.005, 20, 100, 20, 110)
	gap[3], gap[20] = math.NaN(), math.Inf(1)
	negative := levels(6, 0, 10, -5, 10, 5)
	for i := range negative {
		negative[i] += 0.1 * float64(i%3)
	}
	for _, c := range []struct {
		name string
		x    []float64
		want []int // positions of changes, each ±1
	}{
		{"step up", levels(1, 0.01, 20, 100, 20, 110), []int{20}},
		{"step down", levels(2, 0.01, 12, 100, 28, 80), []int{12}},
		{"bump and back", levels(3, 0.01, 30, 100, 6, 115, 30, 100), []int{30, 36}},
		{"three levels", levels(3, 0.01, 15, 100, 15, 110, 15, 125), []int{15, 30}},
		{"spikes only", spiked, nil},
		{"exact steps", levels(1, 0, 10, 100, 10, 101), []int{10}},
		{"gaps", gap, []int{20}},
		{"negative values", negative, []int{10}},
		{"constant", levels(1, 0, 50, 100), nil},
		{"short", []float64{1, 1, 1, 9, 9}, nil},
		{"nothing", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ChangePoints(c.x, 1)
			if len(got) != len(c.want) {
				t.Fatalf("%d changes, want %v: %+v", len(got), c.want, got)
			}
			for i, p := range got {
				if d := p.Index - c.want[i]; d < -1 || d > 1 || p.First > p.Index || p.Last < p.Index || p.P > 0.03 || p.P < 0.001 {
					t.Errorf("%+v, want a change at %d", p, c.want[i])
				}
				if p.Before > 0 && math.Abs(p.Change-(p.After/p.Before-1)) > 1e-9 {
					t.Errorf("change %v from %v to %v", p.Change, p.Before, p.After)
				}
			}
		})
	}
	x := levels(1, 0.02, 20, 100, 20, 105)
	a, b := ChangePoints(x, 1), ChangePoints(x, 1)
	if len(a) != 1 || a[0] != b[0] {
		t.Errorf("the same seed: %+v %+v", a, b)
	}
}

// Baseline 100 ± 1 alternating: MAD 1, scaled 1.4826.
func TestTrailing(t *testing.T) {
	series := func(recent ...float64) []float64 {
		x := []float64{7, 7} // older than the baseline
		for i := range 10 {
			x = append(x, 99+2*float64(i%2))
		}
		return append(x, recent...)
	}
	for _, c := range []struct {
		name   string
		recent []float64
		want   Verdict
		sigmas float64
	}{
		{"same", []float64{100, 100, 100, 100, 100}, Equivalent, 0},
		{"4 % up", []float64{104, 104, 104, 104, 104}, Equivalent, 4 / madScale},
		{"6 % up", []float64{106, 106, 100, 106, 106}, Regression, 6 / madScale},
		{"6 % down", []float64{94, 94, 94, 94, 94}, Improvement, 6 / madScale},
	} {
		got := Trailing(series(c.recent...), 0.05)
		if got.Verdict != c.want || got.Needed != 0 || got.Baseline != 100 {
			t.Errorf("%s: %+v, want %s", c.name, got, c.want)
		}
		near(t, c.name, got.Sigmas, c.sigmas, 1e-12)
	}
	noisy := []float64{80, 120, 80, 120, 80, 120, 80, 120, 80, 120, 110, 110, 110, 110, 110}
	if got := Trailing(noisy, 0.05); got.Verdict != Equivalent {
		t.Errorf("10 %% up in 20 %% noise: %+v", got)
	}
	flat := levels(1, 0, 10, 100, 5, 106)
	if got := Trailing(flat, 0.05); got.Verdict != Regression || got.Sigmas != 999 {
		t.Errorf("no spread: %+v", got)
	}
	if got := Trailing(flat[:14], 0.05); got.Verdict != Inconclusive || got.Needed != 1 {
		t.Errorf("14 points: %+v", got)
	}
	if got := Trailing([]float64{math.NaN(), 0, -1}, 0.05); got.Needed != 15 {
		t.Errorf("nothing: %+v", got)
	}
}
