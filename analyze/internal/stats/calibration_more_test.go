// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math/rand/v2"
	"testing"
)

// looks are the planned numbers of runs a side of a sequential session.
var looks = []int{3, 4, 5, 6, 8, 10}

// sequential runs one session as compare-commits does: look, stop when a row is
// named or every row is decided, else capture more.
func sequential(m noiseModel, rule Spending, effect float64, seed uint64) tally {
	s := newSession(m, seed)
	factor := map[int]float64{planted: 1 + effect}
	c := captures{rows: make([]Pair, m.layers)}
	t := tally{}
	for i, n := range looks {
		for len(c.step.Base) < n {
			c.add(s, factor)
		}
		level := rule.Level(0.05, looks[:i+1], looks[len(looks)-1])
		r := Compare(&c.step, c.rows, Options{Alpha: level, MinAbs: 1e6})
		k := tallyOf(r, effect != 0)
		named := k["any"] > 0 || k["found"] > 0
		open := r.Verdict() == Inconclusive
		if named || !open || n == looks[len(looks)-1] {
			t.count("wrong", k["any"] > 0)
			t.count("found", k["found"] > 0)
			t["runs"] = n
			return t
		}
	}
	return t
}

// TestCalibrationSequential holds sequential decisions on identical code to the
// error budget.
func TestCalibrationSequential(t *testing.T) {
	n, _ := sized(150, 500)
	t.Logf("| rule | noise | A/A sessions wrong | mean runs | N1 +3 %%: found | mean runs |")
	for _, rule := range []Spending{Pocock, OBrienFleming} {
		for _, m := range []noiseModel{modelN1, modelN2} {
			aa := trials(n, func(seed uint64) tally { return sequential(m, rule, 0, 7e6+seed) })
			up := trials(n, func(seed uint64) tally { return sequential(modelN1, rule, 0.03, 8e6+seed) })
			t.Logf("| %s | %s | %s | %.1f | %s | %.1f |", [...]string{"Pocock", "O'Brien-Fleming"}[rule], m.name,
				pct(aa["wrong"], n), float64(aa["runs"])/float64(n), pct(up["found"], n), float64(up["runs"])/float64(n))
			atMost(t, m.name+" sequential", aa["wrong"], n, 0.05)
			atMost(t, "N1 +3 % not found", n-up["found"], n, 0.05)
		}
	}
}

// TestCalibrationNeeded says how honest the number of further runs is: how many
// inconclusive planted rows are decided once that many are added.
func TestCalibrationNeeded(t *testing.T) {
	n, _ := sized(100, 1000)
	for _, c := range []struct {
		m      noiseModel
		effect float64
	}{{modelN1, 0.02}, {modelN2, 0.1}, {modelN2, 0.2}} {
		a := trials(n, func(seed uint64) tally {
			s := newSession(c.m, 9e6+seed)
			factor := map[int]float64{planted: 1 + c.effect}
			runs := s.captures(3, factor)
			k := tally{}
			row := Compare(nil, runs.rows, Options{}).Rows[planted]
			if row.Verdict != Inconclusive || row.Needed > 60 {
				return k
			}
			for range row.Needed {
				runs.add(s, factor)
			}
			after := Compare(nil, runs.rows, Options{}).Rows[planted]
			k["open"], k["needed"] = 1, row.Needed
			k.count("decided", after.Verdict == Regression)
			return k
		})
		t.Logf("%s +%g %% at 3 runs: %d of %d open with at most 60 more needed (mean %.1f); decided right with them: %s",
			c.m.name, 100*c.effect, a["open"], n, float64(a["needed"])/float64(max(a["open"], 1)), pct(a["decided"], max(a["open"], 1)))
		if 2*a["decided"] < a["open"] {
			t.Errorf("%s +%g %%: %d of %d decided with the runs said to be needed", c.m.name, 100*c.effect, a["decided"], a["open"])
		}
	}
}

// TestCalibrationHistory holds change points to: a 5 % step in 40 runs of 2 %
// noise placed within one commit in 95 %, flat series alarming in at most 5 %.
func TestCalibrationHistory(t *testing.T) {
	n, tables := sized(300, 2000)
	history := func(at, n int) tally {
		return trials(n, func(seed uint64) tally {
			rng := rand.New(rand.NewPCG(seed, uint64(100+at)))
			x := make([]float64, 40)
			for i := range x {
				x[i] = 40e9 * (1 + 0.02*rng.NormFloat64())
				if at > 0 && i >= at {
					x[i] *= 1.05
				}
			}
			k := tally{}
			points := ChangePoints(x, seed)
			k.count("alarm", len(points) > 0)
			k.count("extra", len(points) > 1)
			for _, p := range points {
				if p.Index >= at-1 && p.Index <= at+1 {
					k["placed"] = 1
				}
				if p.First <= at && at <= p.Last {
					k["covered"] = 1
				}
			}
			k.count("gate", Trailing(x, 0).Verdict == Regression)
			return k
		})
	}
	flat := history(0, n)
	t.Logf("flat: alarm %s, trailing gate %s", pct(flat["alarm"], n), pct(flat["gate"], n))
	atMost(t, "flat series alarm", flat["alarm"], n, 0.05)
	positions := []int{20}
	if tables {
		positions = []int{5, 10, 15, 20, 25, 30, 35}
	}
	t.Logf("| step at | seen | placed within 1 | in [First, Last] | another | trailing gate |")
	for _, at := range positions {
		n := n
		if at != 20 {
			n /= 4
		}
		a := history(at, n)
		t.Logf("| %d | %.1f | %s | %.1f | %.1f | %.1f |", at, share(a["alarm"], n), pct(a["placed"], n),
			share(a["covered"], n), share(a["extra"], n), share(a["gate"], n))
		if at == 20 {
			atMost(t, "step not placed", n-a["placed"], n, 0.05)
		}
	}
}

// TestCalibrationBootstrap prints the coverage that Bootstrap's comment admits.
func TestCalibrationBootstrap(t *testing.T) {
	needsTables(t)
	const n = 300
	for _, runs := range []int{3, 5, 10} {
		a := trials(n, func(seed uint64) tally {
			s := newSession(modelN2, 10e6+seed)
			side := func() (out [][]float64) {
				for range runs {
					s.run(nil)
					out = append(out, append([]float64(nil), s.steps[planted]...))
				}
				return out
			}
			_, ci := Bootstrap(side(), side(), 0.95, seed)
			k := tally{}
			k.count("covered", ci.Lo <= 0 && 0 <= ci.Hi)
			return k
		})
		t.Logf("bootstrap, %d runs a side: 95 %% interval covers in %s", runs, pct(a["covered"], n))
	}
}

// TestCalibrationUneven prints false alarms when the sides differ in runs, and
// with calibrated noise and one run a side.
func TestCalibrationUneven(t *testing.T) {
	needsTables(t)
	const n = 1000
	for _, m := range []noiseModel{modelN1, modelN2} {
		for _, sides := range [][2]int{{1, 3}, {2, 3}, {2, 6}, {3, 10}} {
			a := trials(n, func(seed uint64) tally {
				s := newSession(m, 11e6+seed)
				c := s.captures(sides[1], nil)
				c.step.Base = c.step.Base[:sides[0]]
				for i := range c.rows {
					c.rows[i].Base = c.rows[i].Base[:sides[0]]
				}
				return tallyOf(Compare(&c.step, c.rows, Options{MinAbs: 1e6}), false)
			})
			t.Logf("%s, %d against %d runs: any row %s, a layer %.1f", m.name, sides[0], sides[1], pct(a["any"], n), share(a["layer"], n))
		}
		for _, runs := range []int{1, 3} {
			calibrated := func(effect float64) tally {
				return trials(n, func(seed uint64) tally {
					s := newSession(m, 12e6+seed)
					past := s.captures(5, nil)
					rows := make([][]float64, m.layers)
					for i, r := range past.rows {
						rows[i] = append(r.Base, r.New...)
					}
					noise := Calibrate(append(past.step.Base, past.step.New...), rows)
					c := s.captures(runs, map[int]float64{planted: 1 + effect})
					return tallyOf(Compare(&c.step, c.rows, Options{MinAbs: 1e6, Noise: &noise}), effect != 0)
				})
			}
			a, up := calibrated(0), calibrated(0.1)
			t.Logf("%s, 10 calibration captures, %d a side: any row %s; +10 %% named %s", m.name, runs,
				pct(a["any"], n), pct(up["found"], n))
		}
	}
}

// TestCalibrationMany prints what is said when many of 64 layers change alike,
// N1, 3 runs a side.
func TestCalibrationMany(t *testing.T) {
	n, _ := sized(50, 400)
	t.Logf("| layers changed | by | named among them | named among the others | common named | gate fails on the others |")
	for _, k := range []int{16, 24, 40, 56, 64} {
		for _, f := range []float64{0.94, 0.97, 1.03, 1.06} {
			factor := map[int]float64{}
			for i := range k {
				factor[i] = f
			}
			a := trials(n, func(seed uint64) tally {
				c := newSession(modelN1, 13e6+seed).captures(3, factor)
				r := Compare(&c.step, c.rows, Options{})
				t := tally{}
				t.count("common", r.Common.named())
				for i, row := range r.Rows {
					if i < k {
						t.count("changed", row.named())
						continue
					}
					t.count("still", row.named())
					if row.Against(0.03) == Regression {
						t["gate"] = 1
					}
				}
				return t
			})
			t.Logf("| %d | %+.0f %% | %.1f | %.1f | %.1f | %.1f |", k, 100*(f-1), share(a["changed"], n*k),
				share(a["still"], n*max(64-k, 1)), share(a["common"], n), share(a["gate"], n))
			atMost(t, "unchanged layers named", a["still"], n*(64-k), 0.3)
			atMost(t, "gate on unchanged layers", a["gate"], n, 0.1)
		}
	}
}
