// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/layerscope/layerscope/internal/term"
	"github.com/layerscope/layerscope/reports/objects"
	"github.com/layerscope/layerscope/reports/runindex"
)

// listFlags are those of list alone.
type listFlags struct {
	commit, on, workload string
	last                 int
	check, lifecycle     bool
	coldAfter, dropAfter int
}

func (a *app) list() *cobra.Command {
	var out outputFlags
	var f listFlags
	cmd := &cobra.Command{
		Use:   "list ROOT",
		Short: "The runs of a bucket or directory, from its index",
		Long: `list shows the runs that the index of a root knows, oldest first: a root is gs://bucket/prefix or a directory.

--check lists the objects, too, and compares: runs whose push isn't done, that the index doesn't know, or that are
gone; exit 4 when there are any. --lifecycle prints rules for the bucket instead: runs go to cold storage and are
deleted, baselines and the index stay.`,
		Example: `  layerscope list gs://profiles/team
  layerscope list /mnt/runs --commit 79e14de --json
  layerscope list gs://profiles/team --lifecycle > rules.json
  gcloud storage buckets update gs://profiles --lifecycle-file=rules.json`,
		Args: exactly("ROOT", 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := errors.Join(out.resolve(), f.validate()); err != nil {
				return err
			}
			return a.runList(cmd.Context(), args[0], &out, &f)
		},
	}
	out.register(cmd, "text", "json")
	flags := cmd.Flags()
	flags.StringVar(&f.commit, "commit", "", "only runs of the commit `SHA`, or that begin so")
	flags.StringVar(&f.on, "on", "", "only runs on devices that match `GLOB`: '4 × TPU v6e'")
	flags.StringVar(&f.workload, "workload", "", "only runs of workloads that match `GLOB`")
	flags.IntVar(&f.last, "last", 0, "only the last `N` runs; 0 = all")
	flags.BoolVar(&f.check, "check", false, "compare the index with what is there; exit 4 when they differ")
	flags.BoolVar(&f.lifecycle, "lifecycle", false, "print lifecycle rules for the bucket")
	flags.IntVar(&f.coldAfter, "cold-after", 7, "with --lifecycle: `DAYS` until runs go to coldline storage; 0 = never")
	flags.IntVar(&f.dropAfter, "delete-after", 30, "with --lifecycle: `DAYS` until runs are deleted; 0 = never")
	return cmd
}

func (f *listFlags) validate() error {
	for _, glob := range []string{f.on, f.workload} {
		if _, err := path.Match(glob, ""); err != nil {
			return usagef("", "%s: bad pattern", glob)
		}
	}
	switch {
	case f.last < 0 || f.coldAfter < 0 || f.dropAfter < 0:
		return usagef("", "a number below zero")
	case f.lifecycle && f.dropAfter > 0 && f.coldAfter >= f.dropAfter:
		return usagef("", "--cold-after %d: runs are deleted after %d days", f.coldAfter, f.dropAfter)
	}
	return nil
}

// listed is the result of list: layerscope.list/v1.
type listed struct {
	Schema   string           `json:"schema"`
	Root     string           `json:"root"`
	Runs     []listedRun      `json:"runs"`
	Damaged  []listedProblem  `json:"damaged"`
	Problems *[]listedProblem `json:"problems,omitempty"` // of --check
}

type listedRun struct {
	ID   string   `json:"id"`
	Also []string `json:"also,omitempty"` // further places
	runindex.Run
}

type listedProblem struct {
	Path    string `json:"path"`
	Problem string `json:"problem"`
}

func (a *app) runList(ctx context.Context, root string, out *outputFlags, f *listFlags) error {
	s, err := a.store(ctx, root)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if f.lifecycle {
		if !isBucket(root) {
			return usagef("", "--lifecycle: %s is no bucket", root)
		}
		_, prefix, _ := strings.Cut(strings.TrimPrefix(s.String(), "gs://"), "/")
		if err := writeJSON(&b, lifecycle(prefix, f)); err != nil {
			return err
		}
		return writeOut(out, a.stdout, b.Bytes())
	}
	if !isBucket(root) { // a name mistyped is no root without runs
		if _, err := os.Stat(s.String()); err != nil {
			return &hintedError{fmt.Errorf("%s: %w", root, cause(err)), "layerscope push BUNDLE " + quoted(root) + " begins one"}
		}
	}
	runs, damaged, err := runindex.Index{Store: runindex.On(s)}.Runs(ctx)
	if err != nil {
		return err
	}
	l := &listed{Schema: "layerscope.list/v1", Root: s.String(), Runs: []listedRun{}, Damaged: []listedProblem{}}
	for _, d := range damaged {
		l.Damaged = append(l.Damaged, listedProblem{d.Object, firstLine(d.Err.Error())})
	}
	if f.check {
		problems, err := checkRoot(ctx, s, runs)
		if err != nil {
			return err
		}
		if l.Problems = &problems; len(problems)+len(damaged) > 0 {
			a.code = exitUntrusted
		}
	}
	for _, r := range runs {
		if strings.HasPrefix(r.Commit, strings.ToLower(f.commit)) && matchesGlob(f.on, r.Devices) && matchesGlob(f.workload, r.Workload) {
			l.Runs = append(l.Runs, listedRun{r.ID, r.Also, r})
		}
	}
	if n := len(l.Runs); f.last > 0 && n > f.last {
		l.Runs = l.Runs[n-f.last:]
	}
	if out.format == "json" {
		err = writeJSON(&b, l)
	} else {
		writeListed(&b, l)
	}
	if len(runs) == 0 {
		a.say("layerscope: %s: no runs in its index; layerscope push BUNDLE ROOT adds one", s)
	}
	return errors.Join(err, writeOut(out, a.stdout, b.Bytes()))
}

// checkRoot compares the index with the objects.
func checkRoot(ctx context.Context, s objects.Store, runs []runindex.Run) ([]listedProblem, error) {
	files, whole, parts := make(map[string]int), make(map[string]bool), 0
	for _, prefix := range []string{"nightly/", "manual/", "baselines/", "parts/"} {
		for o, err := range s.List(ctx, prefix) {
			if err != nil {
				return nil, err
			}
			depth := map[string]int{"nightly/": 3, "parts/": 1}[prefix]
			elements := strings.SplitN(o.Name, "/", cmp.Or(depth, 2)+1)
			switch {
			case prefix == "parts/":
				parts++
			case len(elements) > cmp.Or(depth, 2):
				place := strings.Join(elements[:cmp.Or(depth, 2)], "/")
				files[place]++
				whole[place] = whole[place] || elements[len(elements)-1] == "manifest.json"
			}
		}
	}
	problems := []listedProblem{}
	known := make(map[string]bool)
	for _, r := range runs {
		for _, at := range append([]string{r.Path}, r.Also...) {
			if known[at] || objects.CheckName(at) != nil {
				continue // lies elsewhere
			}
			if known[at] = true; files[at] == 0 && isPlace(at) {
				problems = append(problems, listedProblem{at, "in the index, but gone"})
			}
		}
	}
	for place, n := range files {
		switch {
		case !whole[place]:
			problems = append(problems, listedProblem{place, fmt.Sprintf("its push isn't done: %s, but no manifest.json", plural(n, "file"))})
		case !known[place]:
			problems = append(problems, listedProblem{place, "not in the index"})
		}
	}
	if parts > 0 {
		problems = append(problems, listedProblem{"parts", plural(parts, "part") + " of files whose push isn't done"})
	}
	slices.SortFunc(problems, func(a, b listedProblem) int { return strings.Compare(a.Path, b.Path) })
	return problems, nil
}

// isPlace says whether push makes such paths.
func isPlace(p string) bool {
	return strings.HasPrefix(p, "nightly/") || strings.HasPrefix(p, "manual/") || strings.HasPrefix(p, "baselines/")
}

func writeListed(w io.Writer, l *listed) {
	rows := [][]string{{"date", "commit", "devices", "workload", "step", "captures", "run"}}
	for _, r := range l.Runs {
		var size int64
		for _, c := range r.Captures {
			size += c.Bytes
		}
		step := "-"
		if m, ok := r.Metric("step"); ok {
			step = fmt.Sprintf("%.3f ms", m.Value/1e9)
		}
		commit := cmp.Or(firstRunes(r.Commit, 7), "-")
		if r.Dirty {
			commit += "+"
		}
		rows = append(rows, []string{
			time.Unix(0, r.TimeUnixNano).UTC().Format("2006-01-02 15:04"), commit, cmp.Or(r.Devices, "-"), cmp.Or(r.Workload, "-"), step, sizeText(size), strings.Join(append([]string{cmp.Or(r.Path, "(elsewhere)")}, r.Also...), ", "),
		})
	}
	if len(rows) > 1 {
		writeColumns(w, rows, 4, 5)
	}
	for _, p := range l.Damaged {
		fmt.Fprintf(w, "damaged  %s: %s\n", term.Safe(p.Path), term.Safe(p.Problem))
	}
	if l.Problems != nil {
		for _, p := range *l.Problems {
			fmt.Fprintf(w, "problem  %s: %s\n", term.Safe(p.Path), term.Safe(p.Problem))
		}
		if len(*l.Problems) == 0 {
			fmt.Fprintf(w, "%s: index and objects agree\n", term.Safe(l.Root))
		}
	}
}

// writeColumns aligns rows; the columns named are numbers, at the right.
func writeColumns(w io.Writer, rows [][]string, numbers ...int) {
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i := range row {
			row[i] = term.Safe(row[i])
			width[i] = max(width[i], utf8.RuneCountInString(row[i]))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if slices.Contains(numbers, i) {
				cell, pad = pad+cell, ""
			}
			line.WriteString(cell + pad + "  ")
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

type lifecycleRule struct {
	Action struct {
		Type         string `json:"type"`
		StorageClass string `json:"storageClass,omitempty"`
	} `json:"action"`
	Condition struct {
		Age           int      `json:"age"`
		MatchesPrefix []string `json:"matchesPrefix"`
	} `json:"condition"`
}

// partsAfter is after how many days parts that nobody composed are deleted. A
// push that takes longer sends them again.
const partsAfter = 3

// lifecycle is what a bucket does with runs of an age. Baselines and the index
// match no rule.
func lifecycle(prefix string, f *listFlags) any {
	if prefix != "" {
		prefix += "/"
	}
	rules := []lifecycleRule{}
	add := func(action, class string, age int, below ...string) {
		if age == 0 {
			return
		}
		var r lifecycleRule
		r.Action.Type, r.Action.StorageClass, r.Condition.Age = action, class, age
		for _, b := range below {
			r.Condition.MatchesPrefix = append(r.Condition.MatchesPrefix, prefix+b)
		}
		rules = append(rules, r)
	}
	add("SetStorageClass", "COLDLINE", f.coldAfter, "nightly/", "manual/")
	add("Delete", "", f.dropAfter, "nightly/", "manual/")
	add("Delete", "", partsAfter, "parts/")
	return map[string]any{"lifecycle": map[string]any{"rule": rules}}
}
