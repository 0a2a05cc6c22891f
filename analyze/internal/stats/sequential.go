// SPDX-License-Identifier: Apache-2.0

package stats

import "math"

// A Spending is a rule for dividing an error budget over the looks at growing
// data: Budget is the share of alpha spent by the time a fraction of the planned
// runs is in (Lan & DeMets 1983). The zero value is Pocock's.
type Spending int

// Pocock spends almost evenly, so that a plain regression stops the runs early:
// ln(1+(e-1)t). OBrienFleming saves nearly all for the last look, so that the
// final decision is close to that of a fixed number of runs.
const (
	Pocock Spending = iota
	OBrienFleming
)

// Budget is the part of alpha that may be spent at information fraction t, the
// runs so far over the planned maximum; t is clamped to [0,1].
func (s Spending) Budget(alpha, t float64) float64 {
	alpha = orDefault(alpha, 0.05)
	if !(t > 0) {
		return 0
	}
	t = min(t, 1)
	if s == OBrienFleming {
		return 2 * normalTail(normalQuantile(1-alpha/2)/math.Sqrt(t))
	}
	return alpha * math.Log1p((math.E-1)*t)
}

// Level is the alpha of the latest look: what the budget grew by since the look
// before. looks holds the number of runs a side at each look so far, ascending;
// planned is the maximum. Pass it as Options.Alpha. Looks that add no
// information have level 0 and must not decide.
//
// Note: the increments are spent as they are (union bound), without the
// Armitage-McPherson-Rowe integral that would win back some power from the
// correlation of looks. That integral is for one normal statistic; a report has
// dozens of t statistics with 4 to 20 degrees of freedom under a step-up rule.
func (s Spending) Level(alpha float64, looks []int, planned int) float64 {
	if len(looks) == 0 || planned <= 0 {
		return 0
	}
	at := func(runs int) float64 { return s.Budget(alpha, float64(runs)/float64(planned)) }
	level := at(looks[len(looks)-1])
	before := 0.0
	for _, l := range looks[:len(looks)-1] {
		before = max(before, at(l))
	}
	return max(level-before, 0)
}
