// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"slices"

	"github.com/layerscope/layerscope/analyze/internal/stats"
)

// A Sequential decides when captures of two commits suffice: it looks at growing
// sides and divides one error budget over the looks, so that looking often finds
// nothing that isn't there. The zero value looks at 3, 4, 5, 6, 8 and 10 runs a
// side. Its state is Looks, which a caller keeps between processes.
//
// The budget is spent by Pocock's function (Lan & DeMets 1983): each look uses
// what the budget has grown by since the one before, in place of Alpha.
type Sequential struct {
	Alpha float64 // of the whole session; 0 means 0.05
	First int     // runs a side at the first look; 0 means 3
	Most  int     // runs a side at the last look; 0 means 10
	// Rules end the session, if there are any: when one fails or all pass for
	// sure. Without rules it ends when the step or a layer is a REGRESSION or an
	// IMPROVEMENT, or everything is EQUIVALENT.
	Rules []GateRule
	Looks []int // runs a side at each look so far, ascending; kept by Look
}

func (s *Sequential) plan() (first, most int) {
	first, most = s.First, s.Most
	if first <= 0 {
		first = 3
	}
	if most <= 0 {
		most = 10
	}
	return min(first, most), most
}

// Next returns the runs a side that the next look should have, when this many
// are there; 0 when the last look is done. Looks are spread by thirds: one more
// run among ten changes little, and costs part of the budget.
func (s *Sequential) Next(runs int) int {
	first, most := s.plan()
	last := 0
	if n := len(s.Looks); n > 0 {
		last = s.Looks[n-1]
	}
	switch {
	case max(last, runs) >= most && last >= most:
		return 0
	case last == 0:
		return max(first, min(runs, most))
	}
	return min(max(last+max(1, last/3), runs), most)
}

// Level is the chance of a false alarm that the look at this many runs a side
// may use.
func (s *Sequential) Level(runs int) float64 {
	_, most := s.plan()
	looks := append(s.before(runs), min(runs, most))
	return stats.Pocock.Level(s.Alpha, looks, most)
}

// before are the looks at fewer runs: a look done again, after an interruption,
// spends nothing twice.
func (s *Sequential) before(runs int) []int {
	var out []int
	for _, n := range s.Looks {
		if n < runs {
			out = append(out, n)
		}
	}
	return out
}

// Look compares the sides at the level of this look, and tells whether the
// session is decided. The comparison's Options.Alpha is that level, its Gate
// holds the rules. The sides should have equally many runs; the shorter counts.
func (s *Sequential) Look(base, new Side, opts DiffOptions) (c *Comparison, decided bool, err error) {
	runs := min(len(base.Runs), len(new.Runs))
	if opts.Alpha = s.Level(runs); opts.Alpha <= 0 {
		// Beyond the plan: nothing is left to spend. The smallest level there is
		// decides nothing, and shows the intervals as they are.
		opts.Alpha = 1e-9
	}
	if c, err = Diff(base, new, opts); err != nil {
		return nil, false, err
	}
	s.Looks = append(s.before(runs), runs)
	if len(s.Rules) == 0 {
		return c, c.decided(), nil
	}
	failed, undecided, err := c.Judge(s.Rules)
	return c, failed || !undecided, err
}

// decided reports whether the comparison names something, or nothing for sure.
func (c *Comparison) decided() bool {
	return c.Verdict == string(stats.Equivalent) || slices.ContainsFunc(c.Rows, func(r DiffRow) bool {
		if r.Level != "step" && r.Level != "layer" || r.Metric != "op_time" && r.Metric != "duration" && r.Metric != "common_shift" {
			return false
		}
		return r.Verdict == string(stats.Regression) || r.Verdict == string(stats.Improvement)
	})
}
