// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports"
)

// exitGate is the exit code of a gate that failed.
const exitGate = 3

// diffFlags are those of diff alone.
type diffFlags struct {
	rules        []string
	minEffect    string
	alpha        float64
	inconclusive string
	mismatch     bool
	seed         uint64
	all          bool
	top          int
	explain      bool
	noise        string
	github       bool
	title        string

	runs, on, workload string
}

func (a *app) diff() *cobra.Command {
	var in inputFlags
	var out outputFlags
	var f diffFlags
	cmd := &cobra.Command{
		Use:   "diff BASE NEW…",
		Short: "What changed between captures, by layer and op, and how sure that is; a gate for CI",
		Long: `diff compares repeated captures of two commits. A side is a capture, a comma list of captures, or a directory of
them; label=SIDE names it. The capture is the unit of evidence: with one on a side rows say DIFFERS or ~, three a side
can decide. More than two sides give a table of the trend from the first.

Sides of memory profiles (pprof) are compared by what is alive, to the byte. Profiles that lie beside captures, and
allocators' events in them, add what changed in memory.

Parts are matched by layer, component, scope and kind of op, never by op names, so that captures of different builds
can be compared. Layers are judged without the drift that all of them share. docs/diff-method.md explains the
statistics and what they can find.

--fail-on makes it a gate: exit 3 when a rule fails, 4 with --inconclusive=fail when one can't be decided.
  'layer>+3%'     a layer's interval lies beyond +3 % (any layer; layer_3>+3% and lm_head>+3% name one)
  'step>+1%'      likewise the op time of a step; duration>+1% its duration
  'throughput<-10%'  'step_p95>+15%'  'peak_hbm>+1%'  'flops>+0%'  'compiles>0'
  policy:serving  throughput -10 % and p95 +15 % fail, p99 +20 % warns`,
		Example: `  layerscope diff runs/main runs/branch
  layerscope diff base=a.xplane.pb,b.xplane.pb,c.xplane.pb new=runs/branch
  layerscope diff runs/main runs/branch --fail-on 'layer>+3%' --fail-on 'step>+1%' --github -o diff.md
  layerscope diff v1=runs/v1 v2=runs/v2 v3=runs/v3
  layerscope diff before.prof after.prof
  layerscope diff 79e14de 0ce3c53 --runs gs://profiles/team`,
		Args: twoSides,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.resolve(); err != nil {
				return err
			}
			return a.runDiff(cmd, args, &in, &out, &f)
		},
	}
	in.register(cmd)
	out.register(cmd, "text", "md", "html", "json", "csv")
	out.registerCharts(cmd)
	f.register(cmd)
	f.registerRuns(cmd)
	return cmd
}

func twoSides(cmd *cobra.Command, args []string) error {
	if len(args) < 2 {
		return usagef(cmd.CommandPath()+" runs/main runs/branch", "diff: found %d sides, wanted a base and at least one more", len(args))
	}
	return nil
}

func (a *app) runDiff(cmd *cobra.Command, args []string, in *inputFlags, out *outputFlags, f *diffFlags) error {
	opts, rules, err := f.options()
	if err != nil {
		return err
	}
	charts, err := out.chartsOf(0, 1)
	if err != nil {
		return err
	}
	if profiles(args) {
		return a.diffMemory(cmd, args, in, out, f, opts)
	}
	cs, err := a.compare(cmd.Context(), args, in, f, opts)
	if err != nil {
		return err
	}
	if err := a.gate(cs, rules, f); err != nil {
		return err
	}
	ro := reports.Options{Title: f.title, All: f.all, Version: toolVersion(), Top: reportTop(f.top, cmd.Flags().Changed("top"))}
	ro.Charts = charts
	if err := a.emit(out, diffReports(out, ro, cs)); err != nil {
		return err
	}
	if f.github {
		ro.Charts = "" // nobody would find them there
		return a.toGitHub(cs, ro)
	}
	return nil
}

// registerRuns registers what diff has and compare-commits hasn't.
func (f *diffFlags) registerRuns(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.runs, "runs", "", "sides are commits: take their runs from the index of `ROOT`, a directory or gs://bucket/prefix")
	flags.StringVar(&f.on, "on", "", "with --runs: only runs on devices that match `GLOB`")
	flags.StringVar(&f.workload, "workload", "", "with --runs: only runs of workloads that match `GLOB`")
}

func (f *diffFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.rules, "fail-on", nil, "exit 3 when `RULE` holds: 'layer>+3%', 'step>+1%', 'compiles>0', policy:serving; repeatable")
	flags.StringVar(&f.minEffect, "min-effect", "1%", "changes below `SHARE` don't matter")
	flags.Float64Var(&f.alpha, "alpha", 0.05, "chance `P` that a report of unchanged code names anything")
	flags.StringVar(&f.inconclusive, "inconclusive", "pass", "a rule that can't be decided: `WHAT` is pass (with a warning) or fail (exit 4)")
	flags.BoolVar(&f.mismatch, "allow-mismatch", false, "compare captures of other hardware, shapes or models all the same")
	flags.Uint64Var(&f.seed, "seed", 1, "`N` for random numbers, kept with the result")
	flags.BoolVar(&f.all, "all", false, "unfold equal layers, open every layer, list every op")
	flags.IntVar(&f.top, "top", 8, "ops `N` of an opened layer; 0 = all (csv and json hold all rows unless this is given)")
	flags.BoolVar(&f.explain, "explain", false, "list ops and their HLO of every layer, not only of those that changed")
	flags.StringVar(&f.noise, "noise", "", "`FILE` that calibrate wrote, or none (default noise.json beside the captures)")
	flags.BoolVar(&f.github, "github", false, "add the report to $GITHUB_STEP_SUMMARY and write annotations")
	flags.StringVar(&f.title, "title", "", "`NAME` of the report")
}

// options turns the flags into those of the packages below.
func (f *diffFlags) options() (analyze.DiffOptions, []analyze.GateRule, error) {
	opts := analyze.DiffOptions{Alpha: f.alpha, AllowMismatch: f.mismatch, Open: f.all || f.explain, Seed: f.seed}
	v, err := parseShare("--min-effect", f.minEffect)
	switch {
	case err != nil:
		return opts, nil, err
	case !(f.alpha > 0 && f.alpha < 1):
		return opts, nil, usagef("", "--alpha %g: want a chance between 0 and 1", f.alpha)
	case f.inconclusive != "pass" && f.inconclusive != "fail":
		return opts, nil, usagef("", "--inconclusive %s: want pass or fail", f.inconclusive)
	case f.top < 0:
		return opts, nil, usagef("--top 0 is all", "--top %d: want a number of rows", f.top)
	}
	opts.MinEffect = v
	var rules []analyze.GateRule
	for _, text := range f.rules {
		more, err := analyze.ParseGate(text)
		if err != nil {
			return opts, nil, usagef("", "--fail-on: %v", err)
		}
		rules = append(rules, more...)
	}
	return opts, rules, nil
}

// reportTop is --top as reports want it: 0 there is the format's own default.
func reportTop(top int, given bool) int {
	switch {
	case !given:
		return 0
	case top == 0:
		return -1
	}
	return top
}

// compare loads all sides and compares each with the first.
func (a *app) compare(ctx context.Context, args []string, in *inputFlags, f *diffFlags, opts analyze.DiffOptions) ([]*analyze.Comparison, error) {
	var sides []analyze.Side
	var cs []*analyze.Comparison
	parsed := make([]sideArg, len(args))
	dashes := 0
	for i, arg := range args {
		var err error
		if f.runs != "" {
			parsed[i], err = a.commitSide(ctx, f.runs, arg, f.on, f.workload)
		} else {
			parsed[i], err = a.parseSide(ctx, arg)
		}
		if err != nil {
			return nil, err
		}
		for _, run := range parsed[i].runs {
			if run == "-" {
				dashes++
			}
		}
	}
	if dashes > 1 {
		return nil, usagef("", "standard input can be read only once")
	}
	tellApart(parsed)
	var err error
	if opts.Noise, err = a.findNoise(ctx, f.noise, parsed); err != nil {
		return nil, err
	}
	for i, arg := range parsed {
		side, err := a.loadSide(ctx, arg, in)
		if err != nil {
			return nil, err
		}
		if sides = append(sides, side); i == 0 {
			continue
		}
		c, err := analyze.Diff(sides[0], side, opts)
		if errors.Is(err, analyze.ErrMismatch) {
			return nil, &hintedError{err, "capture both sides alike, or add --allow-mismatch to compare them all the same"}
		}
		if err != nil {
			return nil, err
		}
		cs = append(cs, c)
	}
	return cs, nil
}

// diffReports are the reports to write: one of all sides for people, one a
// comparison for programs.
func diffReports(out *outputFlags, ro reports.Options, cs []*analyze.Comparison) []*reports.Report {
	if out.format == "text" || out.format == "md" || out.format == "html" {
		return []*reports.Report{reports.Diff(ro, cs...)}
	}
	var rs []*reports.Report
	for _, c := range cs {
		rs = append(rs, reports.Diff(ro, c))
	}
	return rs
}

// parseShare reads the share of a flag: 5% or 0.05. A bare 5 is refused: five
// percent are likelier meant than five times.
func parseShare(flag, text string) (float64, error) {
	number, isPercent := strings.CutSuffix(strings.TrimSpace(text), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if isPercent {
		v /= 100
	}
	switch {
	case err != nil || !(v > 0 && v < 10):
		return 0, usagef(flag+" 5% is five percent, as is 0.05", "%s %s: want a share above zero", flag, text)
	case v >= 1 && !isPercent:
		return 0, usagef(fmt.Sprintf("%s %s%%, or %g%% if %s times is meant", flag, number, 100*v, number), "%s %s: want a percentage or a share below 1", flag, text)
	}
	return v, nil
}
