// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"

	"github.com/layerscope/layerscope/internal/term"
	"github.com/layerscope/layerscope/reports/objects"
	"github.com/layerscope/layerscope/trace"
)

// An edge is everything outside the program that verbs may touch, but files.
type edge struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	env            term.Env
	now            func() time.Time
}

// Exit codes; see help exit-codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUntrusted   = 4
	exitInterrupted = 130
)

// An app is one run of the program: the edge and the flags that all verbs have.
type app struct {
	edge
	color      term.Color
	quiet      bool
	verbose    bool
	noProgress bool
	progress   *term.Progress           // also the writer of messages, above its line
	code       int                      // of a run without error
	buckets    map[string]objects.Store // those open already; inputs are opened one after the other
	fetched    []*traffic               // of inputs in buckets, not told yet
}

// run runs the program and returns its exit code.
func run(ctx context.Context, e edge, args []string) int {
	a := &app{edge: e, progress: term.NewProgress(e.stderr, term.NoProgress, 0)}
	root := a.root()
	args, err := defaultVerb(root, args)
	if err == nil {
		root.SetArgs(args)
		err = root.ExecuteContext(ctx)
	}
	a.progress.Close()
	return a.finish(err)
}

// finish reports an error and turns it into an exit code.
func (a *app) finish(err error) int {
	var usage *usageError
	switch {
	case err == nil:
		return a.code
	case errors.Is(err, syscall.EPIPE):
		return exitDone
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(a.stderr, "layerscope: interrupted")
		return exitInterrupted
	case errors.As(err, &usage):
		a.complain(usage, usage.hint)
		return exitUsage
	case errors.Is(err, errReported):
		return exitFailed
	}
	a.complain(err, hintFor(err))
	return exitFailed
}

// errReported stands for errors that complain has written already.
var errReported = errors.New("reported")

// complain writes an error and its hint for people.
func (a *app) complain(err error, hint string) {
	fmt.Fprintf(a.progress, "layerscope: %s\n", term.Safe(strings.TrimPrefix(err.Error(), "layerscope: ")))
	for line := range strings.Lines(hint) {
		fmt.Fprintf(a.progress, "layerscope: hint: %s\n", term.Safe(strings.TrimSuffix(line, "\n")))
	}
}

// say writes a remark that -q silences. Names in it may be a server's or a file's.
func (a *app) say(format string, args ...any) {
	if a.quiet {
		return
	}
	lines := strings.Split(fmt.Sprintf(format, args...), "\n")
	for i := range lines {
		lines[i] = term.Safe(lines[i])
	}
	fmt.Fprintln(a.progress, strings.Join(lines, "\n"))
}

// A usageError is a command line that can't be meant.
type usageError struct{ msg, hint string }

func (e *usageError) Error() string { return e.msg }

func usagef(hint, format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...), hint}
}

// hintFor returns what to do about an error, "" when nothing is known.
func hintFor(err error) string {
	var hinted *hintedError
	if errors.As(err, &hinted) {
		return hinted.hint
	}
	var in *trace.InputError
	if errors.As(err, &in) && in.Hint != "" {
		return in.Hint
	}
	var cloud interface{ Hint() string }
	if errors.As(err, &cloud) {
		return cloud.Hint()
	}
	switch {
	case errors.Is(err, syscall.EACCES):
		return "check the file's permissions"
	case in != nil && errors.Is(err, syscall.ENOENT):
		return "a capture is a .xplane.pb or .trace.json(.gz) file, or a directory …/plugins/profile/SESSION that holds some"
	case errors.Is(err, syscall.ENOSPC):
		return "free some space, or write elsewhere with -o"
	}
	return ""
}

// await runs f and returns its error, or the context's when that ends first:
// analysis takes no context, so an interrupt leaves it behind to die with the
// process.
func await(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
