// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"errors"
	"math"
	"slices"

	"github.com/layerscope/layerscope/analyze/internal/stats"
)

// A Metric is one number of a capture that a history can follow: "step" is the
// op time of the median step, "duration" its duration, a key of the layer table
// the time of that row in the median step, all in "ps"; "compiles" counts ("1").
type Metric struct {
	Name, Unit string
	Value      float64
	N          int // steps behind it; 0 = the capture as a whole
}

// Metrics returns what is worth keeping of a capture: a few numbers that say how
// long its median step took, and where. Without steps they are those of the
// whole capture.
func Metrics(a *Analysis) []Metric {
	of := func(name string, s *Samples, whole Duration) Metric {
		if s.N > 0 {
			return Metric{name, "ps", float64(s.Median), s.N}
		}
		return Metric{name, "ps", float64(whole), 0}
	}
	out := []Metric{of("step", &a.StepOpTime, a.Layers.OpTime)}
	if a.StepDur.N > 0 {
		out = append(out, of("duration", &a.StepDur, 0))
	}
	for i := range a.Layers.Rows {
		l := &a.Layers.Rows[i]
		out = append(out, of(l.Key, &l.Samples, l.Self))
	}
	return append(out, Metric{Name: "compiles", Unit: "1", Value: float64(len(a.Compiles))})
}

// A History is one quantity over the commits of a project, oldest first. Study
// fills in what follows from the points. Slices are not nil then, and no number
// is NaN or infinite.
type History struct {
	Metric, Unit string
	Points       []HistoryPoint
	Findings     []Finding // about the history

	Changes []HistoryChange
	// Trail compares the medians of the last 5 points and of the 10 before.
	Trail struct {
		Recent, Baseline float64
		Change           float64 // Recent/Baseline − 1
		Sigmas           float64 // their distance in scaled MADs of the baseline; 999 = or more
		Tolerance        float64 // change that the gate allows
		Verdict          string  // "REGRESSION", "IMPROVEMENT", "EQUIVALENT"; "INCONCLUSIVE" when points are missing
		Needed           int     // points missing
	}
}

// A HistoryPoint is one commit, or one run.
type HistoryPoint struct {
	Label, Commit, Subject string
	UnixNano               int64     // what the points are ordered by, 0 = unknown
	Values                 []float64 // of its runs
	Disturbed              int       // runs that something disturbed; they count

	// By Study: median and range of the runs' values, and the median of the
	// points between the changes on either side.
	Value, Lo, Hi, Level float64
}

// A HistoryChange is a lasting step in a history: the commit at Index, or with
// 95 % probability one of First to Last, brought it.
type HistoryChange struct {
	Index, First, Last    int
	Before, After, Change float64 // medians of the points before and after; After/Before − 1
	P                     float64
}

// Study summarizes the points and finds where their level changed. Points
// without a finite value above zero are dropped. tolerance is that of the
// trailing gate, 0 means 0.05; the seed that of a permutation test.
//
// Change points are found by binary segmentation and a permutation test on values
// clipped to four robust SDs of their neighbours; docs/diff-method.md has its
// error rates. The trailing gate is the preset of trend monitors: more than the
// tolerance, and at least two scaled MADs.
//
// Errors: no points with a value.
func (h *History) Study(tolerance float64, seed uint64) error {
	if !(tolerance > 0 && tolerance < 1e6) {
		tolerance = 0.05
	}
	kept := []HistoryPoint{}
	for _, p := range h.Points {
		v := slices.DeleteFunc(slices.Clone(p.Values), func(v float64) bool { return !(v > 0) || math.IsInf(v, 0) })
		if len(v) == 0 {
			continue
		}
		slices.Sort(v)
		p.Value, p.Lo, p.Hi = stats.Quantile(v, 0.5), v[0], v[len(v)-1]
		kept = append(kept, p)
	}
	if h.Findings == nil {
		h.Findings = []Finding{}
	}
	if n := len(h.Points) - len(kept); n > 0 {
		h.Findings = append(h.Findings, Finding{Code: "no-value", Severity: "info", Count: int64(n), Message: "points without a value of " + h.Metric + " were left out"})
	}
	h.Points, h.Changes = kept, []HistoryChange{}
	if len(kept) == 0 {
		return errors.New("no run has a value of " + h.Metric)
	}
	x := make([]float64, len(kept))
	for i := range kept {
		x[i] = kept[i].Value
	}
	for _, c := range stats.ChangePoints(x, seed) {
		h.Changes = append(h.Changes, HistoryChange{c.Index, c.First, c.Last, c.Before, c.After, c.Change, c.P})
	}
	h.levels(x)
	t := stats.Trailing(x, tolerance)
	h.Trail.Recent, h.Trail.Baseline, h.Trail.Change, h.Trail.Sigmas = t.Recent, t.Baseline, t.Change, t.Sigmas
	h.Trail.Tolerance, h.Trail.Verdict, h.Trail.Needed = tolerance, string(t.Verdict), t.Needed
	return nil
}

// levels gives each point the level of its segment.
func (h *History) levels(x []float64) {
	from := 0
	for k := 0; k <= len(h.Changes); k++ {
		to := len(x)
		if k < len(h.Changes) {
			to = h.Changes[k].Index
		}
		segment := slices.Clone(x[from:to])
		slices.Sort(segment)
		for i := from; i < to; i++ {
			h.Points[i].Level = stats.Quantile(segment, 0.5)
		}
		from = to
	}
}
