// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports/gcs"
	"github.com/layerscope/layerscope/reports/objects"
	"github.com/layerscope/layerscope/trace/memprof"
)

// farRuns lists the runs that an address in a bucket stands for, as runsIn does of
// a path: itself, a bundle's captures, the bundles below it, or its captures.
func (a *app) farRuns(ctx context.Context, address string) ([]string, error) {
	f, err := a.far(ctx, address)
	if err != nil {
		return nil, err
	}
	if f.alone != nil {
		return []string{address}, nil
	}
	root := strings.TrimSuffix(f.address, strings.TrimSuffix("/"+f.under, "/")) // gs://bucket
	if !f.bundled {
		if runs := f.below(root); len(runs) > 0 {
			return runs, nil
		}
	}
	byDir := make(map[string][]string)
	for _, name := range f.names {
		if captures := f.of(path.Dir(name)); len(captures) > 0 {
			byDir[path.Dir(name)] = captures
		}
	}
	var dirs []string
	for dir := range byDir {
		dirs = append(dirs, dir)
	}
	slices.Sort(dirs)
	switch {
	case len(dirs) == 0:
		return []string{address}, nil // opening it says what is wrong
	case len(dirs) > 1:
		for i := range dirs {
			dirs[i] = root + "/" + dirs[i] + "/"
		}
		return dirs, nil
	case path.Base(path.Dir(dirs[0])) == "profile":
		return []string{root + "/" + dirs[0] + "/"}, nil // one session of all its hosts
	}
	runs := byDir[dirs[0]]
	for i := range runs {
		runs[i] = root + "/" + runs[i]
	}
	return runs, nil
}

// of are the captures right in a directory.
func (f *farInput) of(dir string) []string {
	var names []string
	for _, name := range f.names {
		if path.Dir(name) == dir {
			names = append(names, name)
		}
	}
	return capturesOf(names)
}

// below are the directories below the input with a manifest in them, as runs.
func (f *farInput) below(root string) []string {
	var runs []string
	for _, name := range f.names {
		if dir, file := path.Split(name); file == "manifest.json" && strings.HasPrefix(dir, f.under) {
			runs = append(runs, root+"/"+dir)
		}
	}
	return runs
}

// readFarProfile reads a memory profile of a bucket.
func (a *app) readFarProfile(ctx context.Context, f *farInput, name string, most int64) (*memprof.Profile, analyze.Input, error) {
	o, err := f.stat(ctx, name)
	if err != nil {
		return nil, analyze.Input{}, err
	}
	n := &traffic{address: f.address}
	a.fetched = append(a.fetched, n)
	far := a.remote(f.store, o, n)
	r, err := far.Range(ctx, 0, o.Size)
	if err != nil {
		return nil, analyze.Input{}, err
	}
	defer r.Close()
	p, err := parseProfile(r, far.Name, most)
	return p, analyze.Input{Path: far.Name, Bytes: o.Size, Format: "pprof", Version: far.Version, CRC32C: far.CRC32C}, err
}

// readFarNoise reads the noise that lies beside captures in a bucket;
// fs.ErrNotExist when none does.
func (a *app) readFarNoise(ctx context.Context, address string) (*analyze.Noise, error) {
	bucket, name, err := gcs.Split(address)
	if err != nil {
		return nil, err
	}
	s, err := a.bucket(ctx, bucket)
	if err != nil {
		return nil, err
	}
	text, err := objects.ReadAll(ctx, s, name, 1<<20)
	if err != nil {
		return nil, err
	}
	return parseNoise(text, address)
}
