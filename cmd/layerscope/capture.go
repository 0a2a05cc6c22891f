// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/layerscope/layerscope/trace/capture"
)

// captureFlags are those of capture alone.
type captureFlags struct {
	liveFlags
	request  []string
	duration time.Duration
	steps    int
	requests int
	warmup   int
	memory   bool
}

const captureHelp = `capture opens a window of a live server's profiler, checks at once what came back, and keeps it as a bundle.

URL is HOST:PORT of a JAX process that called jax.profiler.start_server, or http://HOST:PORT of an sglang-style server
or of layerscope serve; which it is is found out. Several URLs, one a rank, are one window.

--request FILE drives scoring requests while the window is open, every shape warmed up before. The window ends after
--duration (1 s), or --steps forwards (sglang-style servers, whose habit of stopping one short is made good), or
--requests. A capture that says nothing is taken again with better settings, and what was changed is said.

^C ends the window early and keeps what is there. --memory looks at memory instead, with no window: looking at memory
takes time, so both at once would measure each other.`

func (a *app) capture() *cobra.Command {
	var f captureFlags
	cmd := &cobra.Command{
		Use:   "capture URL…",
		Short: "Take a capture of a live JAX or sglang-style server, checked and kept as a bundle",
		Long:  captureHelp,
		Example: `  layerscope capture 127.0.0.1:9012
  layerscope capture http://127.0.0.1:30000 --request request.json --steps 10 -o runs/first
  layerscope capture tpu-0:9012 tpu-1:9012 --target http://tpu-0:30000 --request request.json --duration 3s
  layerscope capture --serve embedded --request request.json --requests 20 --overhead 6`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(a, args); err != nil {
				return err
			}
			return a.runCapture(cmd.Context(), args, &f, os.Args)
		},
	}
	f.register(cmd)
	flags := cmd.Flags()
	flags.StringArrayVar(&f.request, "request", nil, "`FILE` of scoring requests to send meanwhile: one JSON object or several, - for standard input; repeatable")
	flags.DurationVar(&f.duration, "duration", 0, "length of the window (default 1s; at most 5m with --steps or --requests)")
	flags.IntVar(&f.steps, "steps", 0, "end after `N` forwards; sglang-style servers")
	flags.IntVar(&f.requests, "requests", 0, "end after `N` requests of --request")
	flags.IntVar(&f.warmup, "warmup", 2, "send every shape `N` times before")
	flags.IntVar(&f.overhead, "overhead", 0, "measure what the profiler costs, in `N` pairs of blocks of requests with and without; 6 give an interval")
	flags.BoolVar(&f.memory, "memory", false, "memory instead of time: live buffers before and after the requests, or a JAX process's memory plan")
	return cmd
}

func (f *captureFlags) check(a *app, args []string) error {
	if err := f.liveFlags.check(a, args); err != nil {
		return err
	}
	timed := f.duration != 0 || f.steps != 0 || f.overhead != 0 || f.continuous
	switch {
	case f.memory && timed:
		return usagef("take them one after the other", "--memory goes without --duration, --steps, --overhead and --continuous: looking at memory adds tens of milliseconds to what would be timed")
	case f.duration < 0 || f.steps < 0 || f.requests < 0 || f.warmup < 0:
		return usagef("", "a number or a time below zero")
	case f.requests > 0 && f.steps > 0:
		return usagef("", "--requests and --steps both end the window: give one")
	case len(f.request) == 0 && f.requests > 0:
		return usagef("--request request.json", "--requests %d: no requests to send", f.requests)
	case len(f.request) == 0 && f.overhead > 0:
		return usagef("--request request.json", "--overhead compares latencies of requests: there are none")
	}
	return nil
}

// window is the settings' part that ends a window.
func (f *captureFlags) window(a *app) (capture.Settings, drive) {
	set := f.settings(a)
	set.Duration, set.Steps = f.duration, f.steps
	if (f.steps > 0 || f.requests > 0) && set.Duration == 0 {
		set.Duration = 5 * time.Minute
	} else if set.Duration == 0 {
		set.Duration = time.Second
	}
	return set, drive{requests: f.requests, warmup: f.warmup, expect: f.steps}
}

func (a *app) runCapture(ctx context.Context, urls []string, f *captureFlags, command []string) (err error) {
	l := &live{a: a, f: &f.liveFlags}
	defer func() { err = errors.Join(err, l.end()) }()
	var requests []map[string]json.RawMessage
	var names []string
	for _, path := range f.request {
		rs, err := a.readBodies(path)
		if err != nil {
			return err
		}
		for i := range rs {
			names = append(names, fmt.Sprintf("%s: request %d", path, i+1))
		}
		requests = append(requests, rs...)
	}
	if err := l.dial(ctx, urls); err != nil {
		return err
	}
	if len(requests) > 0 {
		if err := l.setLoad(requests, names); err != nil {
			return err
		}
	}
	parent := filepath.Dir(first(f.output, "x"))
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	if l.work, err = os.MkdirTemp(parent, ".capture-*"); err != nil {
		return err
	}
	out, err := l.captureInto(ctx, f, commandLine(command))
	if err != nil && len(l.takes) > 0 && out == "" {
		a.say("layerscope: what was captured is in %s", l.work)
		return err
	}
	return errors.Join(err, os.RemoveAll(l.work))
}

// captureInto takes the capture and makes its bundle, whose path it returns. After
// an interrupt what there is is kept all the same.
func (l *live) captureInto(ctx context.Context, f *captureFlags, command []string) (out string, err error) {
	if f.memory {
		return l.memoryInto(ctx, f, command)
	}
	set, d := f.window(l.a)
	t, err := l.takeGood(ctx, filepath.Join(l.work, "tries"), set, d)
	if t == nil {
		return "", err
	}
	if err != nil && ctx.Err() == nil {
		l.say("note", "the capture before is kept: %v", err)
	} else if ctx.Err() != nil {
		l.say("note", "interrupted: what was captured is kept")
	}
	t.asked = f.steps
	l.takes = append(l.takes, t)
	if ctx.Err() == nil && err == nil && f.overhead > 0 {
		if err := l.measureOverhead(ctx, set); err != nil {
			l.say("note", "overhead not measured: %v", err)
		}
	}
	out = first(f.output, l.runName())
	if err := l.keep(context.WithoutCancel(ctx), out, command); err != nil {
		return "", err
	}
	return out, errors.Join(ctx.Err(), l.report(out, ""))
}

// blockRequests is how many requests a block of an overhead's pair has: each shape
// once, and five at least.
func (l *live) blockRequests() int { return max(5, len(l.load.Bodies)) * l.load.Concurrency }

func (l *live) measureOverhead(ctx context.Context, set capture.Settings) error {
	n := l.blockRequests()
	l.say("overhead", "%d pairs of %d requests with and without the profiler", l.f.overhead, n)
	o, err := l.servers[0].MeasureOverhead(ctx, set, l.load, l.f.overhead, n)
	if err != nil {
		return err
	}
	l.overhead = &o
	l.say("overhead", "%s", overheadText(&o))
	return nil
}

// commandLine is the program's command line for the bundle, with a key left out.
func commandLine(args []string) []string {
	if len(args) == 0 {
		return nil
	}
	out := append([]string{"layerscope"}, args[1:]...)
	for i := range out {
		if flag, _, ok := strings.Cut(out[i], "="); ok && flag == "--api-key" {
			out[i] = flag + "=redacted-token"
		} else if i > 0 && out[i-1] == "--api-key" {
			out[i] = "redacted-token"
		}
	}
	return []string{quotedAll(out)}
}
