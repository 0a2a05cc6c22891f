// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/reports/objects"
	"github.com/layerscope/layerscope/reports/runindex"
)

// commitSide is a side of diff that is a commit: its runs, by the index of a
// root. label=COMMIT names it.
func (a *app) commitSide(ctx context.Context, root, arg, on, workload string) (sideArg, error) {
	label, commit, ok := strings.Cut(arg, "=")
	if !ok {
		label, commit = "", arg
	}
	s, err := a.store(ctx, root)
	if err != nil {
		return sideArg{}, err
	}
	runs, err := a.runsOfCommit(ctx, s, commit, on, workload)
	if err != nil {
		return sideArg{}, err
	}
	var pools []string
	for _, r := range runs {
		if pool := strings.Trim(r.Devices+", "+r.Workload, ", "); !slices.Contains(pools, pool) {
			pools = append(pools, pool)
		}
	}
	if len(pools) > 1 {
		return sideArg{}, usagef("choose with --on and --workload", "%s: runs of %s that can't be compared: %s", root, commit, strings.Join(pools, "; "))
	}
	side := sideArg{label: label}
	if label == "" {
		side.label = firstRunes(runs[0].Commit, 7)
	}
	for _, r := range runs {
		r.Path = placeThere(ctx, s, &r)
		at := captureOf(s, &r)
		side.runs = append(side.runs, at)
		if dir := path.Dir(at); !isBucket(at) && !slices.Contains(side.dirs, dir) {
			side.dirs = append(side.dirs, dir)
		}
	}
	return side, nil
}

// captureOf is where a record's captures are: the one there is, or the directory
// of several, which are of one session.
func captureOf(s objects.Store, r *runindex.Run) string {
	at := r.Path
	switch len(r.Captures) {
	case 0:
	case 1:
		at = path.Join(r.Path, r.Captures[0].Path)
	default:
		at = path.Join(r.Path, path.Dir(r.Captures[0].Path))
	}
	if path.IsAbs(at) || filepath.IsAbs(at) {
		return at
	}
	return s.String() + "/" + at
}
