// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/layerscope/layerscope/internal/term"
	"github.com/layerscope/layerscope/reports/objects"
	"github.com/layerscope/layerscope/trace/capture"
)

// liveFlags are those of the verbs that take captures of live servers.
type liveFlags struct {
	server, key, target  string
	serve, inject        string
	host, device, python int
	noHLO, continuous    bool
	startStep            int
	byStage              bool
	stages               []string
	serverDir, localDir  string
	busy, settle         time.Duration
	tries, concurrency   int
	overhead             int

	output, commit, branch, trigger, format string
	plain, json, strict                     bool
}

func (f *liveFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.server, "server", "", "`KIND` of the server is jax, sglang or layerscope (default found out)")
	flags.StringVar(&f.key, "api-key", "", "bearer `KEY` that the server wants (default $LAYERSCOPE_API_KEY)")
	flags.StringVar(&f.target, "target", "", "`URL` that scoring requests go to (default the server itself); a JAX profiler's address takes none")
	flags.StringVar(&f.serve, "serve", "", "instead of a URL: serve `MODEL` (embedded, random:SPEC or a directory) on a free port meanwhile")
	flags.StringVar(&f.inject, "inject", "", "with --serve: `FAULTS`, as of layerscope serve")
	flags.IntVar(&f.host, "host-tracer", 2, "level `N` of host events, 0 to 3; 0 traces no ops on CPU")
	flags.IntVar(&f.device, "device-tracer", 1, "level `N` of device events, 0 to 2; few sglang-style servers know it")
	flags.IntVar(&f.python, "python-tracer", 0, "level `N` of Python calls, 0 or 1; 1 alone can fill a capture")
	flags.BoolVar(&f.noHLO, "no-hlo", false, "leave the programs' HLO out of a JAX capture; on CPU there are no layers without")
	flags.BoolVar(&f.continuous, "continuous", false, "a snapshot of JAX's continuous profiling instead of a window; it is begun where it doesn't run")
	flags.IntVar(&f.startStep, "start-step", 0, "sglang: begin at the server's forward `N`")
	flags.BoolVar(&f.byStage, "by-stage", false, "sglang: prefill and decode apart")
	flags.StringSliceVar(&f.stages, "stages", nil, "sglang: the stages in `LIST`, each apart")
	flags.StringVar(&f.serverDir, "server-dir", "", "`DIR` that the server can write to, on its side or gs://… (default a temporary one, for servers on this machine)")
	flags.StringVar(&f.localDir, "local-dir", "", "where --server-dir is found on this machine: a `DIR` (default the same)")
	flags.DurationVar(&f.busy, "busy", 30*time.Second, "wait so long for a profiler that others use")
	flags.DurationVar(&f.settle, "settle", time.Minute, "wait so long for the server to write its files")
	flags.IntVar(&f.tries, "tries", 3, "captures `N` at most, when one says nothing: each with better settings")
	flags.IntVar(&f.concurrency, "concurrency", 1, "requests `N` at a time")
	flags.StringVarP(&f.output, "output", "o", "", "the bundle's `DIR` (default <UTC>_score_<model>_<hardware>)")
	flags.StringVar(&f.commit, "commit", "", "`SHA` of the code that runs (default: what the capture says)")
	flags.StringVar(&f.branch, "branch", "", "`NAME` of the commit's branch")
	flags.StringVar(&f.trigger, "trigger", "manual", "what started the run: `NAME` such as nightly")
	flags.BoolVar(&f.plain, "no-redact", false, "leave text files of the bundle as they are")
	flags.BoolVar(&f.strict, "strict", false, "exit 4 for warnings too")
	flags.StringVar(&f.format, "format", "text", "`NAME` of what goes to standard output: text (the bundle's path) or json")
	flags.BoolVar(&f.json, "json", false, "short for --format json")
}

// check settles what flags can't say apart.
func (f *liveFlags) check(a *app, args []string) error {
	if f.json {
		f.format = "json"
	}
	if f.key == "" {
		f.key = a.env("LAYERSCOPE_API_KEY")
	}
	kinds := []string{"", string(capture.JAX), string(capture.SGLang), string(capture.Layerscope)}
	switch {
	case f.serve == "" && len(args) == 0:
		return usagef("layerscope capture http://127.0.0.1:30000, or --serve embedded", "no URL of a server given")
	case f.serve != "" && len(args) > 0:
		return usagef("", "--serve is a server of its own: found a URL besides, %s", args[0])
	case f.inject != "" && f.serve == "":
		return usagef("", "--inject goes with --serve")
	case f.format != "text" && f.format != "json":
		return usagef("", "--format %s: want text or json", f.format)
	case !slices.Contains(kinds, f.server):
		return usagef("", "--server %s: want jax, sglang or layerscope", f.server)
	case f.host < 0 || f.host > 3 || f.device < 0 || f.device > 2 || f.python < 0 || f.python > 1:
		return usagef("host 0 to 3, device 0 to 2, python 0 or 1", "a tracer level that there isn't")
	case f.tries < 1 || f.concurrency < 1 || f.startStep < 0 || f.overhead < 0 || f.busy < 0 || f.settle <= 0:
		return usagef("", "a number or a time that is too small")
	case f.localDir != "" && f.serverDir == "":
		return usagef("", "--local-dir says where --server-dir is here: that is missing")
	}
	if f.output != "" {
		if _, err := os.Lstat(f.output); err == nil {
			return &hintedError{fmt.Errorf("%s: exists already; a bundle is never changed", f.output), "name another directory"}
		}
	}
	return nil
}

// settings are those of a window.
func (f *liveFlags) settings(a *app) capture.Settings {
	off := func(level, def int) int { // 0 is the default there
		switch level {
		case 0:
			return -1
		case def:
			return 0
		}
		return level
	}
	return capture.Settings{
		HostTracer: off(f.host, 2), DeviceTracer: off(f.device, 1), PythonTracer: off(f.python, -1), NoHLO: f.noHLO, Continuous: f.continuous,
		StartStep: f.startStep, ByStage: f.byStage || len(f.stages) > 0, Stages: f.stages, ServerDir: f.serverDir, LocalDir: f.localDir, Busy: f.busy, Settle: f.settle,
		Fetch: a.fetchRun,
	}
}

// A live is a session with live servers.
type live struct {
	a       *app
	f       *liveFlags
	servers []*capture.Server
	load    *capture.Load // nil: requests are others'
	names   []string      // of the load's bodies
	model   string
	// targetInfo is what the server that takes the requests says of itself, where
	// that is another one.
	targetInfo map[string]any
	work       string // directory of what isn't in its place yet
	log        strings.Builder
	close      []func() error

	takes    []*take
	warm     []capture.Call
	overhead *capture.Overhead
	plan     any    // of profile: the workload
	backup   string // where the bundle is going to be sent; "" = nowhere
}

// say tells people what happens, with the time, and keeps it for the bundle.
func (l *live) say(stage, format string, args ...any) {
	line := fmt.Sprintf("%s %-8s %s", l.a.now().UTC().Format("15:04:05.000"), stage, term.Safe(fmt.Sprintf(format, args...)))
	l.log.WriteString(line + "\n")
	l.a.say("%s", line)
}

// dial finds the servers, or starts one of our own.
func (l *live) dial(ctx context.Context, urls []string) error {
	if l.f.serve != "" {
		url, stop, err := l.a.serveMeanwhile(l.f.serve, l.f.inject)
		if err != nil {
			return err
		}
		l.close = append(l.close, stop)
		urls = []string{url}
	}
	for _, url := range urls {
		s, err := capture.Dial(ctx, capture.Target{URL: url, Kind: capture.Kind(l.f.server), Key: l.f.key, Log: func(format string, args ...any) {
			l.say("busy", format, args...)
		}})
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return &hintedError{err, "want HOST:PORT after jax.profiler.start_server(PORT), or http://HOST:PORT without a path; --server says which kind a server is"}
		}
		l.servers = append(l.servers, s)
		l.close = append(l.close, func() error { s.Close(); return nil })
		l.say("server", "%s: %s%s", s.URL, s.Kind, modelNote(s))
		if s.Note != "" {
			l.say("server", "%s: %s", s.URL, s.Note)
		}
		if s.Kind == capture.JAX && len(l.servers) == 1 {
			l.say("server", "%s: JAX profilers listen on all interfaces and ask nobody who they are", s.URL)
		}
		l.model = first(l.model, stringOf(s.Info["model_path"]))
	}
	return l.dialTarget(ctx)
}

// dialTarget asks the server that requests go to what it is, where it is another
// one; it may have no profiler.
func (l *live) dialTarget(ctx context.Context) error {
	if l.f.target == "" {
		return nil
	}
	s, err := capture.Dial(ctx, capture.Target{URL: l.f.target, Kind: capture.SGLang, Key: l.f.key})
	if err != nil {
		l.say("server", "%s: requests go there; it says nothing of itself", l.f.target)
		return ctx.Err()
	}
	defer s.Close()
	l.targetInfo = s.Info
	l.model = first(l.model, stringOf(s.Info["model_path"]))
	l.say("server", "%s: requests go there%s", s.URL, modelNote(s))
	return nil
}

func modelNote(s *capture.Server) string {
	if m, ok := s.Info["model_path"].(string); ok {
		return ", model " + m
	}
	return ""
}

// end lets everything go.
func (l *live) end() error {
	if l.load != nil {
		l.load.Close()
	}
	var err error
	for i := len(l.close) - 1; i >= 0; i-- {
		err = errors.Join(err, l.close[i]())
	}
	return err
}

// kind is that of the servers, "" when they differ.
func (l *live) kind() capture.Kind {
	k := l.servers[0].Kind
	for _, s := range l.servers {
		if s.Kind != k {
			return ""
		}
	}
	return k
}

// fetchRun copies the captures of a bucket's directory into a local one.
func (a *app) fetchRun(ctx context.Context, from, to string) error {
	st, err := a.store(ctx, from)
	if err != nil {
		return err
	}
	for info, err := range st.List(ctx, "") {
		if err != nil {
			return err
		}
		if !strings.HasSuffix(info.Name, ".xplane.pb") && !strings.HasSuffix(info.Name, ".trace.json.gz") {
			continue
		}
		if err := fetchObject(ctx, st, info.Name, filepath.Join(to, filepath.FromSlash(info.Name))); err != nil {
			return err
		}
	}
	return nil
}

func fetchObject(ctx context.Context, st objects.Store, name, to string) error {
	if err := objects.CheckName(name); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	o, err := objects.Open(ctx, st, name)
	if err != nil {
		return err
	}
	r, err := o.Stream()
	if err != nil {
		return err
	}
	defer r.Close()
	return writeFile(to, func(f *os.File) error {
		_, err := io.Copy(f, r)
		return err
	})
}
