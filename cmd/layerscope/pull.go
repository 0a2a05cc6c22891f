// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/layerscope/layerscope/internal/term"
	"github.com/layerscope/layerscope/reports/objects"
	"github.com/layerscope/layerscope/reports/remote"
	"github.com/layerscope/layerscope/reports/runindex"
)

const pullHelp = `pull copies a run from a bucket or a directory of runs, as push left it there, to the directory DIR, which must not
exist: all of it, with every byte compared with the bucket's CRC32C and the manifest's SHA-256, or nothing. RUN is the
address that push printed; with --commit it is the root, and the index says where the run is.

After an interrupt or a crash the same command goes on. What the manifest lists but isn't there is an error that
--exclude takes note of. Paths that lead out of DIR, differ in case only or have another size or hash are refused.`

func (a *app) pull() *cobra.Command {
	var out outputFlags
	var f moveFlags
	var commit string
	cmd := &cobra.Command{
		Use:   "pull RUN [DIR]",
		Short: "Copy a run from a bucket or directory of runs, verified",
		Long:  pullHelp,
		Example: `  layerscope pull gs://profiles/team/nightly/2026-11-24/79e14de
  layerscope pull gs://profiles/team --commit 79e14de runs/base
  layerscope pull gs://profiles/team/manual/2026-11-24-first first --exclude '*.xplane.pb'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return usagef(cmd.CommandPath()+" --help", "pull: want RUN, and DIR if it should have another name; found %d arguments", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := errors.Join(out.resolve(), f.check()); err != nil {
				return err
			}
			return a.runPull(cmd.Context(), args, commit, &out, &f)
		},
	}
	out.register(cmd, "text", "json")
	f.register(cmd, "fetched")
	cmd.Flags().StringVar(&commit, "commit", "", "the run of the commit `SHA` below the root RUN")
	return cmd
}

// pulled is the result of a pull: layerscope.pull/v1.
type pulled struct {
	Schema  string `json:"schema"`
	Address string `json:"address"`
	Path    string `json:"path"`
	DryRun  bool   `json:"dry_run"`
	*remote.Result
}

func (a *app) runPull(ctx context.Context, args []string, commit string, out *outputFlags, f *moveFlags) error {
	s, err := a.store(ctx, args[0])
	if err != nil {
		return err
	}
	run := ""
	if commit != "" {
		if run, err = a.placeOf(ctx, s, commit); err != nil {
			return err
		}
	}
	address := strings.TrimSuffix(s.String()+"/"+run, "/")
	dir := path.Base(filepath.ToSlash(address))
	switch {
	case len(args) == 2:
		dir = args[1]
	case strings.HasPrefix(dir, "."): // push makes no such place; .git would be one that others run programs of
		return usagef(fmt.Sprintf("layerscope pull %s DIR", quoted(address)), "%s: a run of that name goes to a directory that is named", address)
	}
	a.progress.Phase("looking at "+address, 0, "")
	r, err := remote.Pull(ctx, s, run, dir, a.moveOptions(f, "fetching"))
	a.progress.Phase("", 0, "")
	switch {
	case errors.Is(err, fs.ErrExist):
		return &hintedError{fmt.Errorf("%s: exists already", dir), "name another directory"}
	case errors.Is(err, fs.ErrNotExist):
		return &hintedError{fmt.Errorf("%s: nothing is there", address), "layerscope list ROOT shows the runs of a root"}
	case ctx.Err() != nil:
		a.say("layerscope: the same command goes on from here")
		return err
	case err != nil:
		return err
	}
	var b bytes.Buffer
	if out.format == "json" {
		err = writeJSON(&b, &pulled{"layerscope.pull/v1", address, dir, f.dryRun, r})
	} else {
		fmt.Fprintln(&b, term.Safe(dir))
	}
	would := ""
	if f.dryRun {
		would = "would be "
	}
	a.say("layerscope: %s: %d %sfetched (%s), %d there already, all verified", plural(r.Files, "file"), r.Moved, would, sizeText(r.BytesMoved), r.Present)
	if n := len(r.Excluded); n > 0 {
		a.say("layerscope: %s left out: bundle verify will miss them", plural(n, "file"))
	}
	return errors.Join(err, writeOut(out, a.stdout, b.Bytes()))
}

// placeOf is where the run of a commit lies, by the index.
func (a *app) placeOf(ctx context.Context, s objects.Store, commit string) (string, error) {
	runs, err := a.runsOfCommit(ctx, s, commit, "", "")
	if err != nil {
		return "", err
	}
	var places []string
	for _, r := range runs {
		if at := placeThere(ctx, s, &r); !slices.Contains(places, at) && objects.CheckName(at) == nil {
			places = append(places, at)
		}
	}
	switch len(places) {
	case 0:
		return "", fmt.Errorf("%s: the run of %s was not pushed, only recorded", s, commit)
	case 1:
		return places[0], nil
	}
	return "", usagef("layerscope pull "+quoted(s.String()+"/"+places[len(places)-1]), "%s: %d runs of %s: %s", s, len(places), commit, strings.Join(places, ", "))
}

// placeThere is where a run lies, of several places the first one that is still
// there: nightly runs are deleted when they are old, baselines aren't.
func placeThere(ctx context.Context, s objects.Store, r *runindex.Run) string {
	if len(r.Also) > 0 {
		for _, at := range append([]string{r.Path}, r.Also...) {
			if _, err := s.Stat(ctx, at+"/manifest.json"); err == nil {
				return at
			}
		}
	}
	return r.Path
}

// runsOfCommit finds a commit's runs in an index, oldest first.
func (a *app) runsOfCommit(ctx context.Context, s objects.Store, commit, on, workload string) ([]runindex.Run, error) {
	if len(commit) < 4 || strings.Trim(strings.ToLower(commit), "0123456789abcdef") != "" {
		return nil, usagef("layerscope list "+quoted(s.String())+" shows them", "%s: wanted a commit's hash, of at least four digits", commit)
	}
	runs, damaged, err := runindex.Index{Store: runindex.On(s)}.Runs(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range damaged {
		a.say("layerscope: warning: %s: %v", term.Safe(d.Object), d.Err)
	}
	total := len(runs)
	var commits []string
	runs = slices.DeleteFunc(runs, func(r runindex.Run) bool {
		if !strings.HasPrefix(r.Commit, strings.ToLower(commit)) || !matchesGlob(on, r.Devices) || !matchesGlob(workload, r.Workload) {
			return true
		}
		if !slices.Contains(commits, r.Commit) {
			commits = append(commits, r.Commit)
		}
		return false
	})
	switch {
	case len(runs) == 0:
		return nil, &hintedError{fmt.Errorf("%s: no run of %s among %s in its index", s, commit, plural(total, "run")), "layerscope list " + quoted(s.String()) + " shows them"}
	case len(commits) > 1:
		return nil, usagef("give more digits", "%s: %s is the beginning of %s", s, commit, strings.Join(commits, " and "))
	}
	return runs, nil
}

// matchesGlob says whether a pattern matches; "" matches all.
func matchesGlob(glob, text string) bool {
	ok, err := path.Match(cmp.Or(glob, text), text)
	return glob == "" || ok && err == nil
}
