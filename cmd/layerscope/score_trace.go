// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/engine"
	"github.com/layerscope/layerscope/trace"
)

// captureTarget is the format that the name of --trace asks for, nil for a
// directory: XSpace is written there.
func (f *scoreFlags) captureTarget() (*target, error) {
	if st, err := os.Stat(f.trace); err == nil && st.IsDir() || strings.HasSuffix(f.trace, "/") {
		f.trace = strings.TrimSuffix(f.trace, "/") + "/"
		return nil, nil
	}
	to, err := (&convertFlags{output: f.trace}).target()
	var usage *usageError
	if errors.As(err, &usage) {
		return nil, usagef("NAME.xplane.pb, NAME.json.gz or another extension that convert --help lists", "--trace %s", usage.msg)
	}
	if err == nil && f.compat && to.name != "xspace" {
		return nil, usagef("NAME.xplane.pb is what XProf reads", "--xprof-compat: --trace %s is not XSpace", f.trace)
	}
	return to, err
}

// scoreCapture runs work with a recorder on and leaves the capture where --trace
// says, in the format of its name.
func (a *app) scoreCapture(e *engine.Engine, f *scoreFlags, to *target, work func() error) (err error) {
	packed := strings.HasSuffix(f.trace, ".gz")
	if to == nil || to.name == "xspace" && !packed {
		return recorded(e, f.trace, f.compat, work)
	}
	dir, err := os.MkdirTemp("", "layerscope-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// The name is the host's: that of the file without what states the format.
	host, _, _ := strings.Cut(strings.TrimLeft(filepath.Base(f.trace), "."), ".")
	native := filepath.Join(dir, host+".xplane.pb")
	if err := recorded(e, native, false, work); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(f.trace), 0o755); err != nil {
		return err
	}
	t, err := trace.Open(native, trace.Options{})
	if err != nil {
		return err
	}
	c := &conversion{in: parseInput(native), t: t, compat: f.compat, to: to}
	if c.an, err = analyze.Analyze(t, analyze.Options{}); err == nil {
		_, err = c.save(f.trace)
	}
	return errors.Join(err, t.Close())
}
