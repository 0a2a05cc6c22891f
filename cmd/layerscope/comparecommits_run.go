// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/internal/term"
	"github.com/layerscope/layerscope/reports/runindex"
)

// runFile describes a finished run, in its directory.
const runFile = "run.json"

// patience is how long an interrupted command may take to end by itself.
const patience = 10 * time.Second

// lastLines is how much of a failed command's words is shown.
const lastLines = 12

// A runner runs the command of a session in the worktrees of its sides.
type runner struct {
	*app
	s       *session
	repo    *repository
	in      *inputFlags
	trees   [2]string
	env     map[string]string // of all runs
	timeout time.Duration     // of one run, 0 = none
}

// A job is one execution of the command.
type job struct {
	side int
	name string // "03", "warmup-1"
	run  int    // 0 = warm-up
}

func (j job) String() string {
	if j.run == 0 {
		return "warm-up of " + sideNames[j.side]
	}
	return fmt.Sprintf("run %d of %s", j.run, sideNames[j.side])
}

// setUp makes the worktrees. Those of a process that was killed are removed.
func (r *runner) setUp(ctx context.Context) error {
	for _, path := range r.s.Worktrees {
		if err := r.repo.remove(path); err != nil {
			return err
		}
	}
	root, err := os.MkdirTemp("", "layerscope-")
	if err != nil {
		return err
	}
	// Names of equal length: the length of a path in the environment can move
	// the stack, and with it the time of a loop.
	r.trees = [2]string{filepath.Join(root, "a"), filepath.Join(root, "b")}
	r.s.Worktrees = []string{r.trees[0], r.trees[1], root}
	if err := r.s.save(); err != nil {
		return err
	}
	for side, path := range r.trees {
		rev := r.s.Sides[side]
		if err := r.repo.checkout(ctx, path, rev.Commit); err != nil {
			return fmt.Errorf("compare-commits: %s: %w", rev.Name, err)
		}
		if info, err := os.Stat(filepath.Join(path, r.s.Prefix)); err != nil || !info.IsDir() {
			return &hintedError{fmt.Errorf("compare-commits: %s has no directory %s", rev.Name, r.s.Prefix), "call it from a directory that both commits have"}
		}
		if exists(filepath.Join(path, ".gitmodules")) {
			r.say("layerscope: warning: %s has submodules, which are not checked out: let the command do it", rev.Name)
		}
	}
	return nil
}

// tearDown removes the worktrees.
func (r *runner) tearDown() error {
	var errs []error
	for _, path := range r.s.Worktrees {
		errs = append(errs, r.repo.remove(path))
	}
	r.s.Worktrees = []string{}
	return errors.Join(append(errs, r.s.save())...)
}

// do runs a job and analyses its capture. A job that fails leaves nothing that
// counts.
func (r *runner) do(ctx context.Context, j job, order int) (*analyze.Analysis, error) {
	r.progress.Phase(j.String(), 0, "")
	defer r.progress.Phase("", 0, "")
	unfinished := filepath.Join(r.s.dir, "unfinished", sideNames[j.side]+"-"+j.name)
	if err := errors.Join(os.RemoveAll(unfinished), os.MkdirAll(unfinished, 0o777), os.MkdirAll(filepath.Join(r.s.dir, "logs"), 0o777)); err != nil {
		return nil, err
	}
	rev := r.s.Sides[j.side]
	done := finishedRun{
		Schema: runindex.Schema, Commit: rev.Commit, CommitUnix: rev.Unix, Subject: rev.Subject, Dirty: rev.Dirty, Environment: r.env,
		Session: r.s.ID, Side: sideNames[j.side], Run: j.run, Order: order, Command: r.s.Command,
	}
	done.Noise.LoadBefore, done.Noise.SpinBefore = loadAverage(), timeSpin(r.s.SpinWork)
	done.Time = r.now().UnixNano()
	if err := r.execute(ctx, j, unfinished); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		// Kept for whoever looks why; the next attempt removes it.
		_ = os.Rename(unfinished, filepath.Join(r.s.dir, "failed"))
		return nil, err
	}
	done.End = r.now().UnixNano()
	done.Noise.LoadAfter, done.Noise.SpinAfter = loadAverage(), timeSpin(r.s.SpinWork)
	a, err := r.capture(ctx, j, unfinished)
	if err != nil {
		return nil, err
	}
	if j.run == 0 {
		return a, os.RemoveAll(unfinished)
	}
	if err := writeAtomic(filepath.Join(unfinished, runFile), done); err != nil {
		return nil, err
	}
	final := r.s.runDir(j.side, j.run)
	if err := errors.Join(os.MkdirAll(filepath.Dir(final), 0o777), os.Rename(unfinished, final)); err != nil {
		return nil, err
	}
	syncParent(final)
	// Its final name is the one that reports shall tell.
	for i := range a.Inputs {
		a.Inputs[i].Path = strings.Replace(a.Inputs[i].Path, unfinished, final, 1)
	}
	if r.verbose {
		r.say("layerscope: %s took %v", j, time.Duration(done.End-done.Time).Round(time.Millisecond))
	}
	return a, nil
}

// capture reads what a job left, at once: a command that doesn't capture should
// fail at its warm-up, not after ten runs.
func (r *runner) capture(ctx context.Context, j job, dir string) (*analyze.Analysis, error) {
	if !leftCapture(dir) {
		return nil, &hintedError{fmt.Errorf("compare-commits: %s left no capture in $LAYERSCOPE_OUT", j),
			"the command must write its profile there: *.xplane.pb, *.trace.json(.gz), *.trace.txt, or plugins/profile/SESSION; its output is in " + r.s.log(j.side, j.name, ".err")}
	}
	a, err := r.load(ctx, input{path: dir}, r.in, true)
	if err != nil {
		return nil, err
	}
	if a.Layers.OpTime == 0 {
		return nil, &hintedError{fmt.Errorf("compare-commits: the capture of %s holds no op time", j), "layerscope check " + dir + " says what it holds"}
	}
	return a, nil
}

// leftCapture looks for a capture below a directory.
func leftCapture(dir string) bool {
	found := false
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		for _, ext := range []string{".xplane.pb", ".trace.json", ".trace.txt", "perfetto_trace.json"} {
			found = found || err == nil && !e.IsDir() && isCaptureName(e.Name(), ext)
		}
		return err
	})
	return found && err == nil
}

// execute runs the command, with its output in the session's logs.
func (r *runner) execute(ctx context.Context, j job, out string) error {
	stdout, err := os.Create(r.s.log(j.side, j.name, ".out"))
	if err != nil {
		return err
	}
	defer stdout.Close()
	stderr, err := os.Create(r.s.log(j.side, j.name, ".err"))
	if err != nil {
		return err
	}
	defer stderr.Close()
	run := ctx
	if r.timeout > 0 {
		var cancel context.CancelFunc
		run, cancel = context.WithTimeout(ctx, r.timeout)
		defer cancel()
	}
	argv := r.s.Command
	cmd := exec.CommandContext(run, argv[0], argv[1:]...)
	cmd.Dir = filepath.Join(r.trees[j.side], r.s.Prefix)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.Env = append(withoutGit(cmd.Environ()),
		"LAYERSCOPE_OUT="+out, "LAYERSCOPE_SIDE="+sideNames[j.side], "LAYERSCOPE_RUN="+strconv.Itoa(j.run), "LAYERSCOPE_SESSION="+r.s.ID)
	ownGroup(cmd)
	cmd.Cancel = func() error { return signalGroup(cmd.Process.Pid, false) }
	cmd.WaitDelay = patience
	if err := cmd.Start(); err != nil {
		return r.cannotStart(argv, err)
	}
	err = cmd.Wait()
	// What it left running would disturb the next run.
	if end := signalGroup(cmd.Process.Pid, true); end != nil {
		return end
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case run.Err() != nil:
		return r.failure(j, fmt.Sprintf("took longer than %v", r.timeout))
	case err != nil:
		return r.failure(j, err.Error())
	}
	return nil
}

// cannotStart explains a command that isn't there. A single word with blanks was
// meant for a shell.
func (r *runner) cannotStart(argv []string, err error) error {
	hint := "everything behind -- is the command and its arguments"
	if len(argv) == 1 && strings.ContainsAny(argv[0], " \t;|&") {
		hint = "for a line of shell: -- sh -c " + quoted(argv[0])
	}
	var path *os.PathError
	var name *exec.Error
	switch {
	case errors.As(err, &path):
		err = path.Err
	case errors.As(err, &name):
		err = name.Err
	}
	return &hintedError{fmt.Errorf("compare-commits: %s: %w", argv[0], err), hint}
}

// failure names a job that failed, and shows the last of what it said.
func (r *runner) failure(j job, how string) error {
	path := r.s.log(j.side, j.name, ".err")
	said := tail(path)
	if len(said) == 0 {
		path = r.s.log(j.side, j.name, ".out")
		said = tail(path)
	}
	for _, line := range said {
		r.say("| %s", term.Safe(line))
	}
	return &hintedError{fmt.Errorf("compare-commits: %s (%s): %s: %s", j, r.s.Sides[j.side].Name, strings.Join(r.s.Command, " "), how),
		"all of it is in " + path + "; the same command line takes up the session again"}
}

// tail returns the last lines of a file.
func tail(path string) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	const most = 16 << 10
	if end, err := f.Seek(0, io.SeekEnd); err == nil {
		_, err = f.Seek(max(end-most, 0), io.SeekStart)
		if err != nil {
			return nil
		}
	}
	text, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return nil
	}
	text = bytes.TrimRight(text, "\n")
	if len(text) == 0 {
		return nil
	}
	lines := strings.Split(string(text), "\n")
	return lines[max(len(lines)-lastLines, 0):]
}
