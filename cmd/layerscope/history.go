// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports"
	"github.com/layerscope/layerscope/reports/runindex"
)

// historyFlags are those of history alone.
type historyFlags struct {
	metric       []string
	by           string
	last         int
	on, workload string
	gate         bool
	tolerance    string
	inconclusive string
	seed         uint64
	top          int
	all          bool

	add    []string
	commit string

	// Of push, which records runs too: their time where a capture has none, and
	// that a commit isn't needed.
	when int64
	push bool
}

const historyHelp = `history reads an index of runs and shows one quantity over commits: a table or a chart with the points where its level
changed for good and the commit that brought each, and whether the last five points depart from the ten before. DIR is
a directory with an index in it.

The index is made by --add: it records a run's commit, devices and a few numbers in one small file of its own, so that
any number of jobs may add runs at once, and captures need not be kept. Adding a run again changes nothing.

--gate exits 3 when the median of the last five points is more than --tolerance above that of the ten before, and at
least two scaled MADs away. docs/history.md explains the layout and the methods.`

func (a *app) history() *cobra.Command {
	var in inputFlags
	var out outputFlags
	var f historyFlags
	cmd := &cobra.Command{
		Use:   "history DIR",
		Short: "One quantity over commits: table or chart, change points, a gate; --add records runs",
		Long:  historyHelp,
		Example: `  layerscope history runs --add nightly/host.xplane.pb --commit $(git rev-parse HEAD) --workload smoke
  layerscope history runs --metric layer_3 -o layer_3.svg
  layerscope history runs --gate`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef(cmd.CommandPath()+" runs", "history: found %d arguments, wanted a directory of runs", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.resolve(); err != nil {
				return err
			}
			tolerance, err := f.check()
			if err != nil {
				return err
			}
			if len(f.add) > 0 {
				return a.addRuns(cmd.Context(), rootOf(args[0]), &in, &f)
			}
			hs, title, err := a.histories(cmd.Context(), rootOf(args[0]), &f)
			if err != nil {
				return err
			}
			if len(hs) > 1 && out.format == "svg" {
				return usagef("name one of "+strings.Join(metricsOf(hs), ", "), "--format svg: %d metrics, a drawing holds one", len(hs))
			}
			return a.showHistories(&out, &f, hs, title, tolerance, reportTop(f.top, cmd.Flags().Changed("top")))
		},
	}
	in.register(cmd)
	out.register(cmd, "text", "md", "svg", "json", "csv")
	f.register(cmd)
	return cmd
}

func (f *historyFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.metric, "metric", []string{"step"}, "`NAME` is step, duration, compiles, or a key of the layer table; may hold * and ?; repeatable")
	flags.StringVar(&f.by, "by", "commit", "a point is a `WHAT`: commit (median of its runs) or run")
	flags.IntVar(&f.last, "last", 0, "only the last `N` points")
	flags.StringVar(&f.on, "on", "", "only runs on devices that match `GLOB`: '4 × TPU v6e'")
	flags.StringVar(&f.workload, "workload", "", "only runs of workloads that match `GLOB`; with --add, the workload's name")
	flags.BoolVar(&f.gate, "gate", false, "exit 3 when the last five points are worse than the ten before")
	flags.StringVar(&f.tolerance, "tolerance", "5%", "a `SHARE` that the gate allows")
	flags.StringVar(&f.inconclusive, "inconclusive", "pass", "a gate with too few points: `WHAT` is pass (with a warning) or fail (exit 4)")
	flags.Uint64Var(&f.seed, "seed", 1, "`N` for random numbers")
	flags.IntVar(&f.top, "top", 20, "points `N` of the table, the last ones; 0 = all (csv and json hold all unless this is given)")
	flags.BoolVar(&f.all, "all", false, "all points in the table")
	flags.StringArrayVar(&f.add, "add", nil, "add `RUN` to the index, a capture or a directory of them, and print its name; repeatable")
	flags.StringVar(&f.commit, "commit", "", "with --add: the commit `SHA` that ran (default from the run's run.json or capture)")
}

func (f *historyFlags) check() (tolerance float64, err error) {
	tolerance, err = parseShare("--tolerance", f.tolerance)
	switch {
	case err != nil:
		return 0, err
	case f.by != "commit" && f.by != "run":
		return 0, usagef("", "--by %s: want commit or run", f.by)
	case f.inconclusive != "pass" && f.inconclusive != "fail":
		return 0, usagef("", "--inconclusive %s: want pass or fail", f.inconclusive)
	case f.last < 0 || f.top < 0:
		return 0, usagef("", "a number of points below zero")
	case f.commit != "" && len(f.add) == 0:
		return 0, usagef("", "--commit goes with --add")
	}
	for _, glob := range append([]string{f.on, f.workload}, f.metric...) {
		if _, err := path.Match(glob, ""); err != nil {
			return 0, usagef("", "%s: bad pattern", glob)
		}
	}
	return tolerance, nil
}

// rootOf is the root of the index that an argument means: the directory, or the
// one that holds it when it is the index itself.
func rootOf(arg string) string {
	if strings.Contains(arg, "://") {
		return arg
	}
	clean := filepath.Clean(arg)
	records, err := filepath.Glob(filepath.Join(clean, "*.json"))
	if filepath.Base(clean) == "index" && err == nil && len(records) > 0 && !exists(filepath.Join(clean, "index")) {
		return filepath.Dir(clean)
	}
	return clean
}

// histories reads the index and makes the histories asked for.
func (a *app) histories(ctx context.Context, root string, f *historyFlags) ([]*analyze.History, string, error) {
	s, err := a.store(ctx, root)
	if err != nil {
		return nil, "", err
	}
	if !isBucket(root) {
		if info, err := os.Stat(s.String()); err != nil {
			return nil, "", &hintedError{fmt.Errorf("%s: %w", root, cause(err)), "layerscope history " + quoted(root) + " --add RUN --commit SHA begins one"}
		} else if !info.IsDir() {
			return nil, "", fmt.Errorf("%s: found a file, wanted a directory with an index", root)
		}
	}
	runs, damaged, err := runindex.Index{Store: runindex.On(s)}.Runs(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", root, err)
	}
	if len(runs) == 0 && len(damaged) == 0 {
		return nil, "", &hintedError{fmt.Errorf("%s: no runs in its index", root), "layerscope history " + quoted(root) + " --add RUN --commit SHA adds one"}
	}
	runs, title, err := onePool(runs, f)
	if err != nil {
		return nil, "", err
	}
	names, err := metricNames(runs, f.metric)
	if err != nil {
		return nil, "", err
	}
	findings := indexFindings(runs, damaged)
	var hs []*analyze.History
	for _, name := range names {
		h := historyOf(runs, name, f)
		h.Findings = append(slices.Clone(findings), h.Findings...)
		hs = append(hs, h)
	}
	return hs, title, nil
}

// onePool picks the runs that may be compared: of one workload on devices of one
// kind.
func onePool(runs []runindex.Run, f *historyFlags) ([]runindex.Run, string, error) {
	var kept []runindex.Run
	count := make(map[string]int)
	var pools []string
	for _, r := range runs {
		if !matchesGlob(f.on, r.Devices) || !matchesGlob(f.workload, r.Workload) || len(r.Metrics) == 0 {
			continue
		}
		pool := strings.Trim(r.Devices+", "+r.Workload, ", ")
		if count[pool]++; count[pool] == 1 {
			pools = append(pools, pool)
		}
		kept = append(kept, r)
	}
	switch {
	case len(kept) == 0:
		return nil, "", fmt.Errorf("none of %s is on %q of workload %q", plural(len(runs), "run"), f.on, f.workload)
	case len(pools) > 1:
		var each []string
		for _, p := range pools {
			each = append(each, fmt.Sprintf("%s (%d)", p, count[p]))
		}
		return nil, "", usagef("choose with --on and --workload", "the index holds runs that can't be compared: %s", strings.Join(each, "; "))
	}
	return kept, pools[0], nil
}

// metricNames returns the metrics that the patterns mean, in the order of the
// newest run that has them.
func metricNames(runs []runindex.Run, patterns []string) ([]string, error) {
	var known []string
	for _, r := range slices.Backward(runs) {
		for _, m := range r.Metrics {
			if !slices.Contains(known, m.Name) {
				known = append(known, m.Name)
			}
		}
	}
	var out []string
	for _, p := range patterns {
		found := false
		for _, name := range known {
			if ok, err := path.Match(p, name); name == p || ok && err == nil {
				found = true
				if !slices.Contains(out, name) {
					out = append(out, name)
				}
			}
		}
		if !found {
			hint := "known are " + strings.Join(known[:min(len(known), 12)], ", ")
			if near := nearest(p, known); near != "" {
				hint = "did you mean " + near + "?"
			}
			return nil, usagef(hint, "--metric %s: no run has it", p)
		}
	}
	return out, nil
}

func metricsOf(hs []*analyze.History) []string {
	var out []string
	for _, h := range hs {
		out = append(out, h.Metric)
	}
	return out
}

// showHistories studies, writes and judges.
func (a *app) showHistories(out *outputFlags, f *historyFlags, hs []*analyze.History, title string, tolerance float64, top int) error {
	var rs []*reports.Report
	for _, h := range hs {
		if err := h.Study(tolerance, f.seed); err != nil {
			return err
		}
		rs = append(rs, reports.History(reports.Options{Title: title, Version: toolVersion(), Top: top, All: f.all}, h))
		if !f.gate {
			continue
		}
		switch t := &h.Trail; {
		case t.Verdict == "REGRESSION":
			a.code = exitGate
		case t.Needed > 0 && f.inconclusive == "fail" && a.code == exitDone:
			a.code = exitUntrusted
		case t.Needed > 0:
			a.say("layerscope: warning: %s: the gate passes for want of %s", h.Metric, plural(t.Needed, "point"))
		}
	}
	return a.emit(out, rs)
}

// addRuns adds runs to the index and prints their names.
func (a *app) addRuns(ctx context.Context, root string, in *inputFlags, f *historyFlags) error {
	s, err := a.store(ctx, root)
	if err != nil {
		return err
	}
	ix := runindex.Index{Store: runindex.On(s)}
	for _, arg := range f.add {
		paths, err := runsIn(arg)
		if err != nil {
			return err
		}
		for _, p := range paths {
			r, err := a.recordOf(ctx, s.String(), p, in, f)
			if err != nil {
				return err
			}
			id, added, err := ix.Add(ctx, r)
			var pathErr *os.PathError
			if errors.As(err, &pathErr) {
				err = pathErr.Err
			}
			if err != nil {
				return fmt.Errorf("%s: %s: %w", root, p, err)
			}
			if !added {
				a.say("layerscope: %s is in the index already", p)
			}
			if _, err := fmt.Fprintln(a.stdout, id); err != nil {
				return err
			}
		}
	}
	return nil
}
