// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/layerscope/layerscope/trace/capture"
)

// profileFlags are those of profile alone.
type profileFlags struct {
	liveFlags
	workload string
	model    string
	captures int
	dryRun   bool
	push     string
	fresh    bool
}

const profileHelp = `profile runs a whole session against a live server: preflight, warm-up, then for each capture arm, drive, stop and
verify, then the overhead of profiling, bundle, report, and push. Every stage is said with its time.

The workload is smoke, standard or full, or a file in YAML or JSON with items, labels, query_tokens, item_tokens,
requests, warmup, captures and concurrency, or a file of requests. All its shapes are sent in turn in each window;
captures of one bundle are repetitions, which is what diff wants.

Captures that are taken are kept: after an interrupt or a failure the same command with the same -o goes on with those
that are missing.`

func (a *app) profile() *cobra.Command {
	var f profileFlags
	cmd := &cobra.Command{
		Use:   "profile URL…",
		Short: "A session against a live server: preflight, warm-up, captures, overhead, bundle, push",
		Long:  profileHelp,
		Example: `  layerscope profile http://127.0.0.1:30000 --workload smoke -o runs/first
  layerscope profile tpu-0:9012 --target http://tpu-0:30000 --workload nightly.yaml --push gs://bucket/profiles --trigger nightly
  layerscope profile --serve embedded --workload smoke --dry-run`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(a, args); err != nil {
				return err
			}
			w, err := readWorkload(f.workload)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("concurrency") {
				w.Concurrency = f.concurrency
			}
			f.concurrency = w.Concurrency
			if f.captures > 0 {
				w.Captures = f.captures
			}
			if f.dryRun {
				return a.dryRun(args, &f, w)
			}
			return a.runProfile(cmd.Context(), args, &f, w, os.Args)
		},
	}
	f.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.workload, "workload", "smoke", "`NAME` is smoke, standard or full, or a file in YAML or JSON")
	flags.StringVar(&f.model, "model", "", "the model that the server must have: a `NAME`")
	flags.IntVar(&f.captures, "captures", 0, "captures `N` instead of the workload's")
	flags.IntVar(&f.overhead, "overhead", 6, "measure what the profiler costs, in `N` pairs of blocks of requests with and without; 0 = don't")
	flags.BoolVar(&f.dryRun, "dry-run", false, "say what would be done, and do nothing")
	flags.BoolVar(&f.fresh, "fresh", false, "throw away what an earlier session with the same -o left")
	flags.StringVar(&f.push, "push", "", "send the bundle to `ROOT` (gs://bucket/prefix, file:///dir or a directory)")
	return cmd
}

func (f *profileFlags) check(a *app, args []string) error {
	switch {
	case f.captures < 0 || f.captures > 100:
		return usagef("", "--captures %d: want 1 to 100", f.captures)
	case f.push != "" && f.commit == "":
		return usagef("--commit $(git rev-parse HEAD)", "--push: runs are found by their commit: which one runs?")
	}
	return f.liveFlags.check(a, args)
}

// dryRun says what a session would do. No server is asked anything.
func (a *app) dryRun(args []string, f *profileFlags, w *workload) error {
	requests, names, _, err := a.shapes(w, limits{})
	if err != nil {
		return err
	}
	where := strings.Join(args, ", ")
	if f.serve != "" {
		where = "a server of our own with model " + f.serve
	}
	set := f.window(a)
	lines := []string{
		fmt.Sprintf("preflight  %s: kind, health, model%s, one scoring request", where, onlyIf(f.model != "", " "+f.model)),
		fmt.Sprintf("warm-up    %s of %s: %s", plural(w.Warmup, "round"), plural(len(requests), "shape"), strings.Join(names, ", ")),
		fmt.Sprintf("capture    %s of %s, %d at a time; host tracer %d, device %d, Python %d; a window of %v at most", plural(w.Captures, "time"),
			plural(w.Requests*len(requests), "request"), w.Concurrency, f.host, f.device, f.python, set.Duration),
		fmt.Sprintf("verify     each at once; taken %s at most", plural(f.tries, "time")),
	}
	if f.overhead > 0 {
		lines = append(lines, fmt.Sprintf("overhead   %d pairs of blocks of requests with and without the profiler", f.overhead))
	}
	lines = append(lines, "bundle     "+first(f.output, "<UTC>_score_<model>_<hardware>"))
	if f.push != "" {
		lines = append(lines, "push       "+f.push)
	}
	_, err = fmt.Fprintln(a.stdout, strings.Join(lines, "\n"))
	return err
}

func onlyIf(yes bool, s string) string {
	if yes {
		return s
	}
	return ""
}

// window is the settings of each window: it ends with the requests.
func (f *profileFlags) window(a *app) capture.Settings {
	set := f.settings(a)
	set.Duration = 5 * time.Minute
	return set
}

func (a *app) runProfile(ctx context.Context, urls []string, f *profileFlags, w *workload, command []string) (err error) {
	l := &live{a: a, f: &f.liveFlags, plan: w, backup: f.push}
	defer func() { err = errors.Join(err, l.end()) }()
	k, err := openKept(f, urls, w, a.now())
	if err != nil {
		return err
	}
	l.work = k.dir
	if err := l.prepare(ctx, urls, f, w); err != nil {
		return errors.Join(err, k.tidy())
	}
	if err := l.takeAll(ctx, f, w, k); err != nil {
		if n := len(k.Takes); n > 0 {
			a.say("layerscope: %s kept in %s; the same command with -o %s goes on", plural(n, "capture"), k.dir, quoted(k.out))
		}
		return errors.Join(err, k.tidy())
	}
	if f.overhead > 0 && l.load != nil {
		if err := l.measureOverhead(ctx, f.window(a)); ctx.Err() != nil {
			return ctx.Err()
		} else if err != nil {
			l.say("note", "overhead not measured: %v", err)
		}
	}
	out, pushed := f.output, ""
	if out == "" {
		out = filepath.Join(filepath.Dir(k.out), l.runName())
	}
	if err := l.keep(ctx, out, commandLine(command)); err != nil {
		return err
	}
	if err := os.RemoveAll(k.dir); err != nil {
		return err
	}
	if f.push != "" {
		if pushed, err = l.push(ctx, out, f, w); err != nil {
			return err
		}
	}
	return l.report(out, pushed)
}

// push sends the bundle to where others find it, and returns its address. The
// bundle stays.
func (l *live) push(ctx context.Context, out string, f *profileFlags, w *workload) (string, error) {
	l.say("push", "%s", f.push)
	in := inputFlags{clock: "device"}
	p, err := l.a.pushBundle(ctx, out, f.push, &in, &pushFlags{moveFlags: moveFlags{streams: 4}, workload: w.Name})
	if err != nil {
		return "", &hintedError{err, "the bundle is in " + out + ": layerscope push " + quoted(out) + " " + quoted(f.push) + " --workload " + quoted(w.Name)}
	}
	l.say("push", "%s: %s, %s sent", p.Address, plural(p.Files, "file"), plural(p.Moved, "file"))
	return p.Address, nil
}

// prepare finds the servers, makes the requests and warms up.
func (l *live) prepare(ctx context.Context, urls []string, f *profileFlags, w *workload) error {
	l.say("session", "workload %s", w.Name)
	if err := l.dial(ctx, urls); err != nil {
		return err
	}
	if err := l.preflight(ctx, f.model); err != nil {
		return err
	}
	requests, names, skipped, err := l.a.shapes(w, l.limits())
	if err != nil {
		return err
	}
	for _, s := range skipped {
		l.say("skipped", "%s", s)
	}
	if len(requests) == 0 {
		return fmt.Errorf("workload %s: the server takes none of its shapes", w.Name)
	}
	if err := l.setLoad(requests, names); err != nil {
		return err
	}
	return l.scoreOnce(ctx)
}

// takeAll takes the captures that are not there yet.
func (l *live) takeAll(ctx context.Context, f *profileFlags, w *workload, k *kept) error {
	for i := range k.Takes {
		t := &k.Takes[i]
		l.say("kept", "capture %d of %d, from before", i+1, w.Captures)
		if err := l.verify(ctx, t, 0); err != nil {
			return err
		}
		l.takes = append(l.takes, t)
	}
	d := drive{requests: w.Requests * len(l.load.Bodies), warmup: w.Warmup}
	for i := len(k.Takes); i < w.Captures; i++ {
		l.say("capture", "%d of %d", i+1, w.Captures)
		if i > 0 {
			d.warmup = 1
		}
		dir := filepath.Join(k.dir, "tries")
		if err := os.RemoveAll(dir); err != nil { // of a session that was interrupted
			return err
		}
		t, err := l.takeGood(ctx, dir, f.window(l.a), d)
		if err != nil {
			return err
		}
		if err := keepTake(t, dir, filepath.Join(k.dir, "captures", fmt.Sprintf("%02d", i+1))); err != nil {
			return err
		}
		l.takes = append(l.takes, t)
		if err := k.add(*t, l.log.String()); err != nil {
			return err
		}
	}
	return nil
}
