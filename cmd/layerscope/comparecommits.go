// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports"
)

// commitsFlags are those of compare-commits alone.
type commitsFlags struct {
	first, most, warmup int
	time, timeout       time.Duration
	runs                string
	fresh, keep         bool
}

const commitsHelp = `compare-commits checks two commits out in worktrees of their own, runs CMD in each, in random order pair by pair, and
compares the captures that it leaves. It looks at growing numbers of runs with one error budget for all looks, and
stops when the diff is decided, or at --max-runs or --max-time. A and B are commits, branches or tags; "." is the
working tree as it is, with all that isn't committed or ignored. Your tree, index and branches are not touched.

CMD runs without a shell, in the worktree, with
  LAYERSCOPE_OUT   a fresh directory, where it must leave its capture
  LAYERSCOPE_SIDE  base or new
  LAYERSCOPE_RUN   the number of the run, 0 when warming up

All runs are kept, with what was seen of the machine: in .git/layerscope, or in --runs. The same command line takes
up a session that was interrupted or killed, and shows the result of one that is finished. Options of diff apply:
with --fail-on the session is decided when the rules are; exit 3 when one fails.`

func (a *app) compareCommits() *cobra.Command {
	var in inputFlags
	var out outputFlags
	var f diffFlags
	var k commitsFlags
	cmd := &cobra.Command{
		Use:   "compare-commits A B [flags] -- CMD…",
		Short: "Runs a command in worktrees of two commits until a diff of their captures is decided",
		Long:  commitsHelp,
		Example: `  layerscope compare-commits main . -- python bench.py
  layerscope compare-commits v1.2 v1.3 --fail-on 'step>+1%' --max-runs 20 -- sh -c 'make && ./bench --trace-dir $LAYERSCOPE_OUT'`,
		Args: commitArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.resolve(); err != nil {
				return err
			}
			opts, rules, err := f.options()
			if err != nil {
				return err
			}
			if err := k.check(); err != nil {
				return err
			}
			if opts.Noise, err = a.findNoise(cmd.Context(), f.noise, nil); err != nil {
				return err
			}
			c, dir, err := a.runSession(cmd.Context(), args, &in, &f, &k, opts, rules)
			if err != nil {
				return err
			}
			cs := []*analyze.Comparison{c}
			c.Gate = nil // judged while deciding; once more for the exit code
			if err := a.gate(cs, rules, &f); err != nil {
				return err
			}
			ro := reports.Options{Title: f.title, All: f.all, Version: toolVersion(), Top: reportTop(f.top, cmd.Flags().Changed("top"))}
			if err := a.emit(&out, diffReports(&out, ro, cs)); err != nil {
				return err
			}
			a.next("layerscope diff " + quoted(filepath.Join(dir, "base")) + " " + quoted(filepath.Join(dir, "new")) + " --all")
			if f.github {
				return a.toGitHub(cs, ro)
			}
			return nil
		},
	}
	in.register(cmd)
	out.register(cmd, "text", "md", "json", "csv")
	f.register(cmd)
	k.register(cmd)
	return cmd
}

func (k *commitsFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.IntVar(&k.first, "min-runs", 3, "runs `N` a side before the first look")
	flags.IntVar(&k.most, "max-runs", 10, "runs `N` a side at most")
	flags.DurationVar(&k.time, "max-time", 0, "begin no run after this `TIME`, such as 30m, and report what is known then")
	flags.DurationVar(&k.timeout, "run-timeout", 0, "a run that takes longer than `TIME` has failed")
	flags.IntVar(&k.warmup, "warmup", 1, "runs `N` a side that are thrown away first")
	flags.StringVar(&k.runs, "runs", "", "keep the runs in `DIR` (default .git/layerscope/compare/…)")
	flags.BoolVar(&k.fresh, "fresh", false, "begin another session, though one of the same commits and command is there")
	flags.BoolVar(&k.keep, "keep", false, "leave the worktrees")
}

func (k *commitsFlags) check() error {
	switch {
	case k.most < 1 || k.most > 1000:
		return usagef("", "--max-runs %d: want 1 to 1000", k.most)
	case k.first < 1 || k.first > k.most:
		return usagef("", "--min-runs %d: want 1 to --max-runs, %d", k.first, k.most)
	case k.warmup < 0 || k.warmup > 100:
		return usagef("", "--warmup %d: want 0 to 100", k.warmup)
	case k.time < 0 || k.timeout < 0:
		return usagef("", "a time below zero")
	}
	return nil
}

func commitArgs(cmd *cobra.Command, args []string) error {
	hint := cmd.CommandPath() + " main . -- python bench.py"
	switch dash := cmd.ArgsLenAtDash(); {
	case dash < 0:
		return usagef(hint, "compare-commits: no -- and command behind it")
	case dash != 2:
		return usagef(hint, "compare-commits: found %d commits before the --, wanted 2", dash)
	case len(args) == dash:
		return usagef(hint, "compare-commits: no command behind the --")
	}
	return nil
}

// runSession runs, or takes up, the session of a command line and returns its
// comparison and directory.
func (a *app) runSession(ctx context.Context, args []string, in *inputFlags, f *diffFlags, k *commitsFlags, opts analyze.DiffOptions, rules []analyze.GateRule) (c *analyze.Comparison, dir string, err error) {
	begin := a.now()
	repo, err := findRepository(ctx)
	if err != nil {
		return nil, "", err
	}
	p := plan{Command: args[2:], Prefix: repo.prefix, Seed: f.seed, Warmup: k.warmup, First: k.first, Most: k.most, Alpha: f.alpha, Margin: f.minEffect, Rules: f.rules}
	for i := range p.Sides {
		if p.Sides[i], err = repo.resolve(ctx, args[i]); err != nil {
			return nil, "", err
		}
	}
	s, err := openSession(filepath.Join(repo.common, "layerscope", "compare"), k.runs, p, k.fresh, begin)
	if err != nil {
		return nil, "", err
	}
	defer s.close()
	if n := endOrphans(s.ID); n > 0 {
		a.say("layerscope: ended %d processes that a killed session left running", n)
	}
	if err := s.tidy(); err != nil {
		return nil, "", err
	}
	r := &runner{app: a, s: s, repo: repo, in: in, env: environment(os.Environ()), timeout: k.timeout}
	d := &decider{runner: r, opts: opts, begin: begin, limit: k.time,
		seq: analyze.Sequential{Alpha: s.Alpha, First: s.First, Most: s.Most, Rules: rules, Looks: s.Looks}}
	defer func() {
		if k.keep && len(s.Worktrees) > 0 {
			a.say("layerscope: worktrees kept: %s and %s", r.trees[0], r.trees[1])
			s.Worktrees = nil
			err = errors.Join(err, s.save())
		} else if len(s.Worktrees) > 0 {
			err = errors.Join(err, r.tearDown())
		}
		if n := s.pairs(); errors.Is(err, context.Canceled) && n > 0 {
			a.say("layerscope: %d runs a side are kept in %s; the same command line goes on", n, s.dir)
		}
	}()
	c, err = d.decide(ctx)
	return c, s.dir, err
}

// label names a side in the report.
func (s *session) label(side int) string {
	name := s.Sides[side].Name
	if s.Sides[0].Name == s.Sides[1].Name {
		return fmt.Sprintf("%s (%s)", name, sideNames[side])
	}
	return name
}
