// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/trace"
)

// inputFlags say how captures are read and analysed.
type inputFlags struct {
	hlo     []string
	clock   string
	device  []string
	steps   string
	request string
	rules   string
	expect  int
	most    bytesValue

	damaged bool // an unreadable file is a finding about it, no failure

	opsOnly bool // the output shows no more than ops, categories and programs

	also func(*trace.Trace) // looks at a trace before it is closed; may be nil
}

func (f *inputFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.hlo, "hlo", nil, "`FILE` with the HLO of a program (proto or text), for captures without; repeatable")
	flags.StringVar(&f.clock, "clock", "device", "times of TPU tracks: `WHICH` is device or event")
	flags.StringSliceVar(&f.device, "device", nil, "analyse only the devices in `LIST`, by ordinal or name: 0,2")
	flags.StringVar(&f.steps, "steps", "all", "steps behind the medians: `RANGE` is 3-10, 5, last or all; totals stay whole")
	flags.StringVar(&f.request, "request", "", "only what ran for the request with this `ID`, by the host spans that carry it")
	flags.StringVar(&f.rules, "rules", "", "`FILE` that names components and parts outside the layers, before the built-in rules")
	flags.Var(&f.most, "max-decompressed", "read at most `SIZE` of what a compressed capture expands to, such as 100GiB (default 64GiB)")
	flags.IntVar(&f.expect, "expect", 0, "executions `N` of the main program that the capture should hold; fewer is a finding")
}

// An input is one argument: where a capture is, and what to call it; the label
// is "" when the path says enough.
type input struct{ path, label string }

// parseInput takes label=PATH apart, unless a file of that whole name exists.
func parseInput(arg string) input {
	if arg == "-" {
		return input{"-", "standard input"}
	}
	label, path, ok := strings.Cut(arg, "=")
	if !ok || label == "" || path == "" || strings.ContainsAny(label, `/\`) {
		return input{path: localPath(arg)}
	}
	if _, err := os.Stat(arg); err == nil {
		return input{path: arg}
	}
	return input{localPath(path), label}
}

// localPath is the path of a file:// address; others are left as they are.
func localPath(address string) string {
	if !strings.HasPrefix(address, "file://") {
		return address
	}
	path, err := localRoot(address)
	if err != nil || strings.Contains(path, ",") && !exists(path) {
		return address // opening it fails; of a list, each part has its turn
	}
	return path
}

func (in *input) String() string {
	if in.path == "-" {
		return "standard input"
	}
	return in.path
}

// options turns the flags into those of the packages below.
func (f *inputFlags) options() (trace.Options, analyze.Options, error) {
	to := trace.Options{HLO: f.hlo, MaxDecompressed: int64(f.most)}
	ao := analyze.Options{Expect: f.expect, OpsOnly: f.opsOnly}
	switch f.clock {
	case "device":
	case "event":
		to.Clock = trace.EventClock
	default:
		return to, ao, usagef("", "--clock %s: want device or event", f.clock)
	}
	if f.expect < 0 {
		return to, ao, usagef("", "--expect %d: want a count", f.expect)
	}
	if !slices.Equal(f.device, []string{"all"}) {
		ao.Devices = f.device
	}
	if f.rules != "" {
		text, err := os.ReadFile(f.rules)
		if err != nil {
			return to, ao, fmt.Errorf("%s: %w", f.rules, cause(err))
		}
		if ao.Rules, err = analyze.ParseRules(string(text)); err != nil {
			return to, ao, fmt.Errorf("%s: %w", f.rules, err)
		}
	}
	var err error
	ao.Steps, err = parseSteps(f.steps)
	return to, ao, err
}

// lastStep stands for --steps last until the steps are known.
const lastStep = -1

// parseSteps reads --steps; nil means all.
func parseSteps(s string) (*[2]int64, error) {
	switch s {
	case "all", "":
		return nil, nil
	case "last":
		return &[2]int64{lastStep, lastStep}, nil
	}
	a, b, isRange := strings.Cut(s, "-")
	if !isRange {
		b = a
	}
	first, err1 := strconv.ParseInt(a, 10, 64)
	last, err2 := strconv.ParseInt(b, 10, 64)
	if err1 != nil || err2 != nil || first < 0 || last < first {
		return nil, usagef("", "--steps %s: want a range of step numbers such as 3-10, a number, last or all", s)
	}
	return &[2]int64{first, last}, nil
}

// load reads and analyses one input. hash asks for the files' SHA-256.
func (a *app) load(ctx context.Context, in input, f *inputFlags, hash bool) (*analyze.Analysis, error) {
	to, ao, err := f.options()
	if err != nil {
		return nil, err
	}
	if ao.Expect == 0 {
		ao.Expect = plannedSteps(in.path)
	}
	to.Devices, to.HostThreads = ao.Devices, f.request != "" || f.also != nil
	var out *analyze.Analysis
	err = await(ctx, func() error {
		begin := a.now()
		a.progress.Phase("reading "+in.String(), 0, "")
		t, err := a.open(ctx, in, to)
		if err != nil {
			return err
		}
		read := a.now()
		a.progress.Phase("analysing "+in.String(), 0, "")
		sums := func() []string { return nil }
		if hash {
			sums = hashing(t.Inputs)
		}
		part := t
		if f.request != "" {
			if part, err = requestPart(t, f.request, to.Clock); err != nil {
				return errors.Join(err, t.Close())
			}
		}
		out, err = analyseSteps(part, ao)
		for i, sum := range sums() {
			if out != nil && i < len(out.Inputs) {
				out.Inputs[i].SHA256 = sum
			}
		}
		if f.also != nil {
			f.also(t)
		}
		a.progress.Phase("", 0, "")
		a.tellTraffic()
		if a.verbose {
			a.say("layerscope: %s: read in %v, analysed in %v", in.String(), read.Sub(begin).Round(time.Microsecond), a.now().Sub(read).Round(time.Microsecond))
		}
		return errors.Join(err, t.Close())
	})
	if found := damage(in, err); f.damaged && found != nil {
		return found, nil
	}
	return out, err
}

// requestPart is the part of a trace in which one request ran.
func requestPart(t *trace.Trace, id string, clock trace.Clock) (*trace.Trace, error) {
	part, ok := t.Request(id, clock)
	switch {
	case part == nil && len(t.Requests) == 0:
		return nil, usagef("spans carry ids as an attribute request_id, request_ids, request, req_id or rid", "no host span of the capture carries a request's id")
	case part == nil:
		return nil, usagef("the first is "+strconv.Quote(t.Requests[0].ID), "no request %q among %d spans that carry an id", id, len(t.Requests))
	case !ok:
		return nil, usagef("--clock event puts device events on the host's clock", "request %q is known on the host's clock only", id)
	}
	return part, nil
}

// damage is the analysis of a file that is there but can't be read as a
// capture: one finding. It is nil for other errors.
func damage(in input, err error) *analyze.Analysis {
	var bad *trace.InputError
	info, statErr := os.Stat(in.path)
	if !errors.As(err, &bad) || statErr != nil || info.IsDir() || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return &analyze.Analysis{
		Inputs:   []analyze.Input{{Path: in.path, Bytes: info.Size(), Format: "unreadable"}},
		Findings: []analyze.Finding{{Code: "unreadable", Severity: trace.Error, Message: bad.Msg, Count: 1, Hint: bad.Hint}},
	}
}

// open reads an input.
func (a *app) open(ctx context.Context, in input, opts trace.Options) (*trace.Trace, error) {
	switch {
	case in.path == "-":
		stdin := &readCounter{r: a.stdin}
		t, err := trace.Read(stdin, "-", opts)
		if err == nil && len(t.Inputs) == 1 {
			t.Inputs[0].Bytes = stdin.n
		}
		return t, err
	case isBucket(in.path):
		f, err := a.far(ctx, in.path)
		if err != nil {
			return nil, err
		}
		return a.openFar(ctx, f, opts)
	}
	if isProfile(in.path) {
		return nil, &trace.InputError{Path: in.path, Msg: "a pprof profile, wanted a capture", Hint: "layerscope memory " + quoted(in.path) + " reads profiles of memory"}
	}
	path := in.path
	if one, ok := bundledCapture(path); ok {
		path = one
	}
	return trace.Open(path, opts)
}

// A readCounter counts the bytes read through it.
type readCounter struct {
	r io.Reader
	n int64
}

func (c *readCounter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// analyseSteps is analyze.Analyze, with --steps last resolved.
func analyseSteps(t *trace.Trace, opts analyze.Options) (*analyze.Analysis, error) {
	if opts.Steps == nil || opts.Steps[1] != lastStep {
		out, err := analyze.Analyze(t, opts)
		if want := opts.Steps; err == nil && want != nil && len(out.Steps) > 0 {
			if first, last := out.Steps[0].Index, out.Steps[len(out.Steps)-1].Index; want[0] > last || want[1] < first {
				return nil, usagef("", "no step is in --steps %d-%d: the capture's are %d-%d", want[0], want[1], first, last)
			}
		}
		return out, err
	}
	opts.Steps = nil
	out, err := analyze.Analyze(t, opts)
	if err != nil || len(out.Steps) == 0 {
		return out, err
	}
	last := out.Steps[len(out.Steps)-1].Index
	opts.Steps = &[2]int64{last, last}
	return analyze.Analyze(t, opts)
}

// plannedSteps returns the steps that a run directory's profile_config.json
// asked the profiler for, 0 when there is none.
func plannedSteps(dir string) int {
	for _, name := range plannedFiles {
		text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			continue
		}
		if n := stepsPlanned(text); n > 0 {
			return n
		}
	}
	return 0
}

var plannedFiles = []string{"inputs/profile_config.json", "profile_config.json"}

func stepsPlanned(text []byte) int {
	var config struct {
		NumSteps int `json:"num_steps"`
	}
	if json.Unmarshal(text, &config) != nil {
		return 0
	}
	return max(0, config.NumSteps)
}

// cause strips the operation and path that package os puts before an error.
func cause(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
