// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A fakeRepository has two commits, the second of which slows a layer down, and
// a dirty tree.
type fakeRepository struct {
	t        *testing.T
	dir, tmp string
	status   string
}

func newFakeRepository(t *testing.T) *fakeRepository {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("needs git")
	}
	f := &fakeRepository{t: t, dir: t.TempDir(), tmp: t.TempDir()}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	f.git("init", "-q", "-b", "main")
	write("readme", "one\n")
	f.git("add", ".")
	f.git("commit", "-q", "-m", "one")
	f.git("tag", "v1")
	write("slow", "3 1.02\n")
	f.git("add", ".")
	f.git("commit", "-q", "-m", "two")
	write("readme", "changed, not committed\n")
	write("new", "not known to git\n")
	f.status = f.git("status", "--porcelain")
	return f
}

func (f *fakeRepository) git(args ...string) string {
	f.t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.com"}, args...)...)
	cmd.Dir = f.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		f.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// session starts compare-commits on the two commits.
func (f *fakeRepository) session(fake string, args ...string) (*exec.Cmd, *bytes.Buffer, *bytes.Buffer) {
	f.t.Helper()
	cmd := exec.Command("layerscope", append([]string{"compare-commits", "v1", "main"}, args...)...)
	cmd.Dir = f.dir
	cmd.Env = append(os.Environ(), "TMPDIR="+f.tmp, "FAKE="+fake)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	return cmd, &stdout, &stderr
}

// clean checks that nothing but the runs is left.
func (f *fakeRepository) clean() {
	f.t.Helper()
	if got := f.git("status", "--porcelain"); got != f.status {
		f.t.Errorf("git status was\n%sis\n%s", f.status, got)
	}
	if got := f.git("worktree", "list"); strings.Count(got, "\n") != 1 {
		f.t.Errorf("worktrees left:\n%s", got)
	}
	left, err := os.ReadDir(f.tmp)
	if err != nil || len(left) > 0 {
		f.t.Errorf("left in the temporary directory: %v %v", left, err)
	}
}

// resultOf is what must not depend on interruptions.
func resultOf(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var doc struct {
		Verdict string
		Method  struct{ Alpha float64 }
		Rows    []map[string]any
		Base    struct{ Runs int }
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return map[string]any{"verdict": doc.Verdict, "alpha": doc.Method.Alpha, "rows": doc.Rows, "runs": doc.Base.Runs}
}

// TestCalibrationKills: killed at random points, over and over, and taken up, the result is that of a
// session left in peace, each run is there once, and nothing else remains: no
// worktree, no process, no change of the tree.
func TestCalibrationKills(t *testing.T) {
	f := newFakeRepository(t)
	args := []string{"--json", "--max-runs", "5", "--fail-on", "layer_3>+1.5%", "--min-runs", "2", "--runs"}
	peace := t.TempDir()
	cmd, want, stderr := f.session("", append(args, peace, "--", "faketrace")...)
	code := exitCode(cmd.Wait())
	if code != exitGate && code != exitDone {
		t.Fatalf("code %d: %s", code, stderr)
	}
	f.clean()

	kills := 8
	if os.Getenv("LAYERSCOPE_CALIBRATION") != "" {
		kills = 50
	}
	rng := rand.New(rand.NewPCG(3, 4))
	killed, sessions := 0, 0
	for ; killed < kills && sessions < 4*kills; sessions++ {
		runs := t.TempDir()
		killed += f.interrupted(append(args, runs, "--", "faketrace"), code, kills-killed, rng)
		cmd, got, stderr := f.session("child sleep=30ms", append(args, runs, "--", "faketrace")...)
		if c := exitCode(cmd.Wait()); c != code {
			t.Fatalf("code %d, want %d: %s", c, code, stderr)
		}
		if diff := cmp.Diff(resultOf(t, want.Bytes()), resultOf(t, got.Bytes())); diff != "" {
			t.Errorf("after %d kills (-peace +killed):\n%s", killed, diff)
		}
		f.clean()
		for _, side := range sideNames {
			a, err1 := os.ReadDir(filepath.Join(peace, side))
			b, err2 := os.ReadDir(filepath.Join(runs, side))
			if err1 != nil || err2 != nil || fmt.Sprint(names(a)) != fmt.Sprint(names(b)) {
				t.Errorf("%s: %v, want %v; %v %v", side, names(b), names(a), err1, err2)
			}
		}
		noneAlive(t, runs)
	}
	t.Logf("killed %d times in %d sessions", killed, sessions)
}

// interrupted kills a session at random points, at most so many times, until it
// ends before it is killed, and returns how often it was.
func (f *fakeRepository) interrupted(args []string, code, most int, rng *rand.Rand) (killed int) {
	f.t.Helper()
	for killed < most {
		cmd, _, stderr := f.session("child sleep=30ms", args...)
		time.Sleep(time.Duration(rng.IntN(600)) * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil {
			f.t.Fatal(err)
		}
		err := cmd.Wait()
		if c := exitCode(err); c >= 0 {
			if c != code {
				f.t.Fatalf("ended with %d: %s", c, stderr)
			}
			break
		}
		killed++
	}
	return killed
}

func names(entries []os.DirEntry) (out []string) {
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// exitCode is -1 of a killed process.
func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		return 1
	}
	return 0
}

// noneAlive checks that the processes which commands left behind were ended.
func noneAlive(t *testing.T, runs string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(runs, "*", "*", "*.child"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no children recorded: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(string(text))
		if err != nil {
			t.Fatal(err)
		}
		for range 100 { // until it is gone
			if gone(pid) {
				pid = 0
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if pid != 0 {
			t.Errorf("process %d of %s is alive", pid, file)
		}
	}
}

// gone reports whether a process has ended; one that nobody waits for has.
func gone(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(stat), ") Z ")
}

// Interrupted while a command runs: the command is ended, the worktrees are
// removed, what is finished stays.
func TestInterruptedSession(t *testing.T) {
	f := newFakeRepository(t)
	runs := t.TempDir()
	cmd, stdout, stderr := f.session("sleep=60s child", "--warmup", "0", "--runs", runs, "--", "faketrace")
	begun := false
	for range 1000 {
		if found, err := filepath.Glob(filepath.Join(runs, "unfinished", "*", "*.child")); err == nil && len(found) > 0 {
			begun = true
			break
		}
		if found, err := filepath.Glob(filepath.Join(runs, "unfinished", "*", "*.begun")); err == nil && len(found) > 0 {
			begun = true
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if !begun {
		t.Error("the command never began")
	}
	// A second process must not touch the session meanwhile.
	second, _, said := f.session("", "--warmup", "0", "--runs", runs, "--", "faketrace")
	if code := exitCode(second.Wait()); code != exitFailed || !strings.Contains(said.String(), "another process is running this session") {
		t.Errorf("second process: %d: %s", code, said)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := exitCode(cmd.Wait()); code != exitInterrupted || stdout.Len() > 0 || !strings.Contains(stderr.String(), "layerscope: interrupted") {
		t.Errorf("code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	f.clean()
}

// Time runs out: the last look is at what is there, and the session can go on.
func TestSessionTime(t *testing.T) {
	f := newFakeRepository(t)
	args := []string{"--warmup", "0", "--max-runs", "4", "--runs", t.TempDir(), "--json"}
	cmd, _, stderr := f.session("", append(args, "--max-time", "1ns", "--", "faketrace")...)
	if code := exitCode(cmd.Wait()); code != exitFailed || !strings.Contains(stderr.String(), "no run was finished within 1ns") {
		t.Errorf("code %d: %s", code, stderr)
	}
	cmd, stdout, stderr := f.session("sleep=300ms", append(args, "--max-time", "400ms", "--", "faketrace")...)
	if code := exitCode(cmd.Wait()); code != exitDone || !strings.Contains(stdout.String(), "--max-time 400ms reached after 1 runs") {
		t.Errorf("code %d: %s%s", code, stdout, stderr)
	}
	cmd, _, stderr = f.session("", append(args, "--run-timeout", "1ms", "--", "sleep", "20")...)
	if code := exitCode(cmd.Wait()); code != exitFailed || !strings.Contains(stderr.String(), "found another session") {
		t.Errorf("another command: code %d: %s", code, stderr)
	}
	cmd, _, stderr = f.session("", "--run-timeout", "50ms", "--", "sleep", "20")
	if code := exitCode(cmd.Wait()); code != exitFailed || !strings.Contains(stderr.String(), "warm-up of base (v1): sleep 20: took longer than 50ms") {
		t.Errorf("run-timeout: code %d: %s", code, stderr)
	}
	f.clean()
}

func TestNoisyRuns(t *testing.T) {
	quiet := noise{SpinBefore: 100, SpinAfter: 104}
	at, worst := noisyRuns([]noise{quiet, {SpinBefore: 100, SpinAfter: 150}, quiet, quiet, {SpinBefore: 117, SpinAfter: 101}})
	if fmt.Sprint(at) != "[1 4]" || worst < 0.44 || worst > 0.51 {
		t.Errorf("%v %g", at, worst)
	}
	if at, _ := noisyRuns(nil); at != nil {
		t.Errorf("%v of nothing", at)
	}
}

func TestEnvironmentHoldsNoSecrets(t *testing.T) {
	env := environment([]string{"JAX_PLATFORMS=tpu", "XLA_FLAGS=--x", "HF_TOKEN=hf_1", "JAX_API_KEY=k", "HOME=/root", "SGL_SECRET=s", "VIRTUAL_ENV=/none"})
	if env["env.JAX_PLATFORMS"] != "tpu" || env["env.XLA_FLAGS"] != "--x" || env["cpus"] == "" {
		t.Errorf("%v", env)
	}
	for k, v := range env {
		if v == "hf_1" || v == "k" || v == "s" || k == "env.HOME" {
			t.Errorf("%s=%s is kept", k, v)
		}
	}
}

func TestChangedEnvironment(t *testing.T) {
	run := func(kv ...string) finishedRun {
		r := finishedRun{Environment: map[string]string{"cpus": "2"}}
		for i := 0; i < len(kv); i += 2 {
			r.Environment[kv[i]] = kv[i+1]
		}
		return r
	}
	if got := changedEnvironment([]finishedRun{run(), run("cpus", "4"), run("env.XLA_FLAGS", "")}); fmt.Sprint(got) != "[cpus env.XLA_FLAGS]" {
		t.Errorf("%v", got)
	}
	if got := changedEnvironment([]finishedRun{run("a", "b"), run("a", "b")}); got != nil {
		t.Errorf("%v of equal ones", got)
	}
}
