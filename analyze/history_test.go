// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestMetrics(t *testing.T) {
	a := &Analysis{
		StepOpTime: Samples{N: 12, Median: 900}, StepDur: Samples{N: 12, Median: 1000},
		Layers: Layers{OpTime: 12_000, Rows: []Layer{
			{Key: "embed", Index: -1, Self: 240},
			{Key: "layer_0", Self: 7000, Samples: Samples{N: 12, Median: 600}},
		}},
		Compiles: []Compile{{}, {}},
	}
	want := []Metric{{"step", "ps", 900, 12}, {"duration", "ps", 1000, 12}, {"embed", "ps", 240, 0}, {"layer_0", "ps", 600, 12}, {"compiles", "1", 2, 0}}
	if diff := cmp.Diff(want, Metrics(a)); diff != "" {
		t.Error(diff)
	}
	// Without steps: the capture as a whole.
	if got := Metrics(&Analysis{Layers: Layers{OpTime: 7}}); got[0] != (Metric{"step", "ps", 7, 0}) || len(got) != 2 {
		t.Errorf("no steps: %v", got)
	}
}

// Three runs of one commit: median 20, range 10 … 40; the run that is not a
// number and the commit without any value are dropped.
func TestStudyPoints(t *testing.T) {
	h := History{Metric: "step", Points: []HistoryPoint{
		{Label: "a", Values: []float64{40, 10, 20, math.NaN()}},
		{Label: "b", Values: []float64{0, math.Inf(1)}},
		{Label: "c", Values: []float64{30}},
	}}
	if err := h.Study(0, 1); err != nil {
		t.Fatal(err)
	}
	if len(h.Points) != 2 || h.Points[0].Value != 20 || h.Points[0].Lo != 10 || h.Points[0].Hi != 40 || h.Points[1].Value != 30 {
		t.Errorf("%+v", h.Points)
	}
	if h.Changes == nil || h.Trail.Verdict != "INCONCLUSIVE" || h.Trail.Needed != 13 || h.Trail.Tolerance != 0.05 {
		t.Errorf("%+v %+v", h.Changes, h.Trail)
	}
	empty := History{Metric: "layer_9", Points: []HistoryPoint{{Values: []float64{-1}}}}
	if err := empty.Study(0, 1); err == nil || err.Error() != "no run has a value of layer_9" {
		t.Errorf("empty: %v", err)
	}
}

// Ten points of 100 ± 1, then seven of 108 ± 1: the step is at the eleventh, the
// last five are 8 % above the ten before, of which two have risen already.
func TestStudyStep(t *testing.T) {
	h := History{Metric: "step"}
	for i := range 17 {
		v := 99 + 2*float64(i%2)
		if i >= 10 {
			v += 8
		}
		h.Points = append(h.Points, HistoryPoint{Values: []float64{v}})
	}
	if err := h.Study(0.05, 1); err != nil {
		t.Fatal(err)
	}
	if len(h.Changes) != 1 || h.Changes[0].Index != 10 || h.Changes[0].Before != 100 || h.Changes[0].After != 107 {
		t.Errorf("%+v", h.Changes)
	}
	if h.Trail.Verdict != "REGRESSION" || h.Points[0].Level != 100 || h.Points[9].Level != 100 || h.Points[10].Level != 107 || h.Points[16].Level != 107 {
		t.Errorf("%+v %+v", h.Trail, h.Points)
	}
}

// Whatever the values, numbers are finite, places lie in the series and in order.
func TestStudyAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.OneOf(rapid.Float64(), rapid.Float64Range(1, 2), rapid.Just(math.NaN()), rapid.Just(1e300)), 0, 60).Draw(t, "values")
		h := History{Metric: "step"}
		for _, v := range values {
			h.Points = append(h.Points, HistoryPoint{Values: []float64{v}})
		}
		if h.Study(rapid.Float64Range(-1, 1).Draw(t, "tolerance"), 1) != nil {
			if len(h.Points) > 0 {
				t.Fatal("an error, but points")
			}
			return
		}
		last := 0
		for _, c := range h.Changes {
			if c.Index <= last || c.First > c.Index || c.Last < c.Index || c.Last >= len(h.Points) {
				t.Fatalf("%+v of %d points", c, len(h.Points))
			}
			last = c.Index
			finite(t, c.Before, c.After, c.Change, c.P)
		}
		for _, p := range h.Points {
			finite(t, p.Value, p.Lo, p.Hi, p.Level)
		}
		finite(t, h.Trail.Recent, h.Trail.Baseline, h.Trail.Change, h.Trail.Sigmas)
	})
}

func finite(t *rapid.T, x ...float64) {
	for _, v := range x {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			t.Fatalf("%v", x)
		}
	}
}

// sized is the number of trials: small in everyday runs, full with
// LAYERSCOPE_CALIBRATION, which make calibration sets.
func sized(small, full int) int {
	if os.Getenv("LAYERSCOPE_CALIBRATION") != "" {
		return full
	}
	return small
}

// TestCalibrationHistoryStudy holds the whole way from runs to changes to its
// promise: a 5 % step in 40 runs of 2 % noise within one commit in 95 %, flat
// series alarming in at most 5 %.
func TestCalibrationHistoryStudy(t *testing.T) {
	n := sized(300, 2000)
	const runs, step = 40, 20
	study := func(seed uint64, factor float64) *History {
		rng := rand.New(rand.NewPCG(seed, 77))
		h := &History{Metric: "step", Unit: "ps"}
		for i := range runs {
			v := 40e9 * math.Exp(0.02*rng.NormFloat64())
			if i >= step {
				v *= factor
			}
			h.Points = append(h.Points, HistoryPoint{Values: []float64{v}})
		}
		if err := h.Study(0, seed); err != nil {
			t.Fatal(err)
		}
		return h
	}
	placed, alarms, gates := 0, 0, 0
	for seed := range uint64(n) {
		flat := study(seed, 1)
		if len(flat.Changes) > 0 {
			alarms++
		}
		if flat.Trail.Verdict == "REGRESSION" || flat.Trail.Verdict == "IMPROVEMENT" {
			gates++
		}
		for _, c := range study(1e6+seed, 1.05).Changes {
			if c.Index >= step-1 && c.Index <= step+1 {
				placed++
				break
			}
		}
	}
	t.Logf("%d series of %d runs, 2 %% noise: 5 %% step placed within one commit in %d, flat series alarm in %d, trailing gate fires on %d flat ones", n, runs, placed, alarms, gates)
	slack := 0.0
	if n < 2000 {
		slack = 2 * math.Sqrt(0.05*0.95*float64(n)) // two SDs of a true 95 %
	}
	if float64(placed) < 0.95*float64(n)-slack || float64(alarms) > 0.05*float64(n)+slack {
		t.Errorf("want at least 95 %% placed and at most 5 %% alarms")
	}
}
