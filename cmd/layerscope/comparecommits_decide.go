// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/trace"
)

// A decider makes runs until they suffice.
type decider struct {
	*runner
	opts  analyze.DiffOptions
	seq   analyze.Sequential
	sides [2][]*analyze.Analysis
	begin time.Time
	limit time.Duration // 0 = none
	ready bool          // worktrees are there, warm-ups done
}

// decide runs pairs until the comparison is decided or the budget is spent, and
// returns the comparison of the last look.
func (d *decider) decide(ctx context.Context) (*analyze.Comparison, error) {
	there := d.s.pairs()
	if there > 0 {
		d.say("layerscope: taking up the session in %s: %d runs a side are there", d.s.dir, there)
	}
	for {
		n := d.target(there)
		for len(d.sides[0]) < n {
			if pair := len(d.sides[0]) + 1; pair > there && d.late() {
				break
			} else if err := d.pair(ctx, pair); err != nil {
				return nil, err
			}
		}
		have := len(d.sides[0])
		if have == 0 {
			return nil, &hintedError{fmt.Errorf("compare-commits: no run was finished within %v", d.limit), "allow more --max-time, or less --warmup"}
		}
		c, decided, err := d.look(ctx)
		if err != nil {
			return nil, err
		}
		why := ""
		switch {
		case decided:
			why = "decided"
		case d.seq.Next(have) == 0:
			why = fmt.Sprintf("--max-runs %d reached", d.seq.Most)
		case d.late():
			why = fmt.Sprintf("--max-time %v reached", d.limit)
		default:
			d.say("layerscope: %d runs a side: not decided yet", have)
			there = max(there, have)
			continue
		}
		d.annotate(c, why)
		return c, d.s.save()
	}
}

// target is the number of runs a side for the next look. Runs of an earlier
// process that were looked at are looked at again, at the same cost.
func (d *decider) target(there int) int {
	if looks := d.seq.Looks; len(d.sides[0]) == 0 && len(looks) > 0 && looks[len(looks)-1] <= there {
		return looks[len(looks)-1]
	}
	return d.seq.Next(len(d.sides[0]))
}

// late reports whether the time for new runs is over.
func (d *decider) late() bool { return d.limit > 0 && d.now().Sub(d.begin) >= d.limit }

// pair makes or reads one run of each side.
func (d *decider) pair(ctx context.Context, n int) error {
	first := d.s.firstOf(n)
	var got [2]*analyze.Analysis
	for i, side := range []int{first, 1 - first} {
		var err error
		if d.s.has(side, n) {
			got[side], err = d.load(ctx, input{path: d.s.runDir(side, n)}, d.in, true)
		} else {
			if err = d.warmUp(ctx); err == nil {
				got[side], err = d.do(ctx, job{side, fmt.Sprintf("%02d", n), n}, 2*n-1+i)
			}
		}
		if err != nil {
			return err
		}
	}
	for side := range got {
		d.sides[side] = append(d.sides[side], got[side])
	}
	return nil
}

// warmUp makes the worktrees and warms them up, once a process: a session taken
// up again has new ones.
func (d *decider) warmUp(ctx context.Context) error {
	if d.ready {
		return nil
	}
	if err := d.setUp(ctx); err != nil {
		return err
	}
	for k := 1; k <= d.s.Warmup; k++ {
		for side := range sideNames {
			name := fmt.Sprintf("warmup-%d", k)
			if _, err := d.do(ctx, job{side, name, 0}, 0); err != nil {
				return err
			}
		}
	}
	d.ready = true
	return nil
}

// look compares the runs so far.
func (d *decider) look(ctx context.Context) (c *analyze.Comparison, decided bool, err error) {
	base, new := d.side(0), d.side(1)
	err = await(ctx, func() (err error) {
		c, decided, err = d.seq.Look(base, new, d.opts)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	d.s.Looks = d.seq.Looks
	return c, decided, d.s.save()
}

func (d *decider) side(i int) analyze.Side {
	return analyze.Side{Label: d.s.label(i), Commit: d.s.Sides[i].Commit, Runs: slices.Clone(d.sides[i])}
}

// annotate adds what the session knows to the comparison's findings.
func (d *decider) annotate(c *analyze.Comparison, why string) {
	find := func(code, severity, hint, format string, args ...any) {
		c.Findings = append(c.Findings, analyze.Finding{Code: code, Severity: trace.Severity(severity), Hint: hint, Count: 1, Message: fmt.Sprintf(format, args...)})
	}
	n := len(d.sides[0])
	find("sequential", "info", "", "%s after %d runs a side, looked at after %s of at most %d: this look used %.4f of the error budget of %g (Pocock), its intervals hold with %.1f %%; %s",
		why, n, words(d.s.Looks), d.s.Most, c.Options.Alpha, d.s.Alpha, 100*(1-c.Options.Alpha), "order of the runs by seed "+fmt.Sprint(d.s.Seed))
	if d.s.Sides[0].Commit == d.s.Sides[1].Commit {
		find("same-commit", "warning", "", "both sides are the same code, %s: what differs is noise", d.s.Sides[0].Commit[:10])
	}
	runs, names := d.finished(n)
	if keys := changedEnvironment(runs); len(keys) > 0 {
		find("environment-changed", "warning", "make all runs on one machine with one set of versions: begin again with --fresh", "not all runs saw the same machine or settings: %s differ", strings.Join(keys, ", "))
	}
	noises := make([]noise, len(runs))
	for i := range runs {
		noises[i] = runs[i].Noise
	}
	if at, worst := noisyRuns(noises); len(at) > 0 {
		var flagged []string
		for _, i := range at {
			flagged = append(flagged, names[i])
		}
		find("noisy-machine", "warning", "close what else runs, or take a quieter machine", "a probe of fixed work beside %s was up to %.0f %% slower than usual: %s; kept all the same", plural(len(at), "run"), 100*worst, strings.Join(flagged, ", "))
	}
}

// finished reads what the first n runs of each side say of themselves. One that
// can't be read says nothing; its capture could be.
func (d *decider) finished(n int) (runs []finishedRun, names []string) {
	for side := range sideNames {
		for k := 1; k <= n; k++ {
			if run, err := d.s.readRun(side, k); err == nil {
				runs, names = append(runs, run), append(names, fmt.Sprintf("%s/%02d", sideNames[side], k))
			}
		}
	}
	return runs, names
}

// changedEnvironment lists what was not the same in all runs, as in a session
// taken up on another machine.
func changedEnvironment(runs []finishedRun) []string {
	changed := make(map[string]bool)
	for i := range runs {
		for _, pair := range [][2]map[string]string{{runs[0].Environment, runs[i].Environment}, {runs[i].Environment, runs[0].Environment}} {
			for k, v := range pair[0] {
				if other, there := pair[1][k]; !there || other != v {
					changed[k] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(changed))
}

func words(n []int) string {
	var out []string
	for _, v := range n {
		out = append(out, fmt.Sprint(v))
	}
	return strings.Join(out, ", ")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
