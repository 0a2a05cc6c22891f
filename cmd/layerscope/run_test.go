// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/layerscope/layerscope/internal/term"
	"github.com/layerscope/layerscope/internal/tracetest"
)

// outcome is what a run leaves behind.
type outcome struct {
	code           int
	stdout, stderr string
}

func runWith(ctx context.Context, stdin io.Reader, args ...string) outcome {
	var stdout, stderr bytes.Buffer
	e := edge{stdin: stdin, stdout: &stdout, stderr: &stderr, env: func(string) string { return "" }, now: time.Now}
	code := run(ctx, e, args)
	return outcome{code, stdout.String(), stderr.String()}
}

func testCapture(t *testing.T, name string) string {
	t.Helper()
	return filepath.Join(tracetest.Root(t), "testdata", "captures", name)
}

type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }
func (b broken) Read([]byte) (int, error)  { return 0, b.err }

func TestClosedPipeIsNoFailure(t *testing.T) {
	var stderr bytes.Buffer
	closed := broken{&fs.PathError{Op: "write", Path: "|1", Err: syscall.EPIPE}}
	e := edge{stdin: strings.NewReader(""), stdout: closed, stderr: &stderr, env: func(string) string { return "" }, now: time.Now}
	if code := run(t.Context(), e, []string{"report", testCapture(t, "base_a.xplane.pb.gz")}); code != exitDone || stderr.Len() > 0 {
		t.Errorf("code %d, stderr %q, want 0 and silence", code, stderr.String())
	}
}

func TestFullDiskIsAFailure(t *testing.T) {
	var stderr bytes.Buffer
	e := edge{stdin: strings.NewReader(""), stdout: broken{syscall.ENOSPC}, stderr: &stderr, env: func(string) string { return "" }, now: time.Now}
	code := run(t.Context(), e, []string{"check", testCapture(t, "base_a.xplane.pb.gz")})
	if code != exitFailed || !strings.Contains(stderr.String(), "hint: free some space") {
		t.Errorf("code %d, stderr %q, want 1 and a hint", code, stderr.String())
	}
}

// A reader that never has anything, until the test ends.
type silent struct{ end <-chan struct{} }

func (s silent) Read([]byte) (int, error) {
	<-s.end
	return 0, io.EOF
}

func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	end := make(chan struct{})
	defer close(end)
	time.AfterFunc(20*time.Millisecond, cancel)
	got := runWith(ctx, silent{end}, "report", "-")
	if want := (outcome{exitInterrupted, "", "layerscope: interrupted\n"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestReadErrorOfStandardInput(t *testing.T) {
	got := runWith(t.Context(), broken{errors.New("bad cable")}, "check", "-")
	if got.code != exitFailed || !strings.Contains(got.stderr, "bad cable") {
		t.Errorf("%+v, want code 1 and the reader's error", got)
	}
}

func TestHints(t *testing.T) {
	for err, want := range map[error]string{
		&fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}: "check the file's permissions",
		fmt.Errorf("x: %w", syscall.ENOSPC):                       "free some space, or write elsewhere with -o",
		errors.New("x"):                                           "",
	} {
		if got := hintFor(err); got != want {
			t.Errorf("hintFor(%v) = %q, want %q", err, got, want)
		}
	}
}

func TestParseSteps(t *testing.T) {
	for in, want := range map[string][2]int64{
		"last": {lastStep, lastStep}, "5": {5, 5}, "3-10": {3, 10}, "0-2": {0, 2}, "0": {0, 0},
	} {
		if got, err := parseSteps(in); err != nil || got == nil || *got != want {
			t.Errorf("parseSteps(%q) = %v, %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"all", ""} {
		if got, err := parseSteps(in); err != nil || got != nil {
			t.Errorf("parseSteps(%q) = %v, %v, want all", in, got, err)
		}
	}
	for _, in := range []string{"10-3", "-3", "x", "3-", "1-2-3"} {
		if got, err := parseSteps(in); err == nil {
			t.Errorf("parseSteps(%q) = %v, want an error", in, got)
		}
	}
}

func TestParseInput(t *testing.T) {
	t.Chdir(t.TempDir())
	for in, want := range map[string]input{
		"a.pb":       {"a.pb", ""},
		"base=a.pb":  {"a.pb", "base"},
		"base=-":     {"-", "base"},
		"-":          {"-", "standard input"},
		"runs/k=v":   {"runs/k=v", ""},
		"=a.pb":      {"=a.pb", ""},
		"base=":      {"base=", ""},
		"a=b=c.pb":   {"b=c.pb", "a"},
		"gs://b/k=v": {"gs://b/k=v", ""},
	} {
		if got := parseInput(in); got != want {
			t.Errorf("parseInput(%q) = %+v, want %+v", in, got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	verbs := []string{"report", "inspect", "check", "version", "completion", "help"}
	for in, want := range map[string]string{"reprot": "report", "inspct": "inspect", "chek": "check", "pdf": "", "xyzzy": "", "": "", "versoin": "version"} {
		if got := nearest(in, verbs); got != want {
			t.Errorf("nearest(%q) = %q, want %q", in, got, want)
		}
	}
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"", "abc", 3}, {"kitten", "sitting", 3}, {"format", "formt", 1}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestBytesValue(t *testing.T) {
	for in, want := range map[string]bytesValue{"100": 100, "10B": 10, "64KiB": 1 << 16, "64kib": 1 << 16, "1.5GB": 1_500_000_000, "2 TiB": 2 << 40} {
		var v bytesValue
		if err := v.Set(in); err != nil || v != want {
			t.Errorf("Set(%q): %d, %v, want %d", in, v, err, want)
		}
	}
	for _, in := range []string{"", "x", "-1", "0", "GB", "9e99", "NaN", "1XB"} {
		var v bytesValue
		if err := v.Set(in); err == nil {
			t.Errorf("Set(%q) gives %d, want an error", in, v)
		}
	}
}

func TestQuoted(t *testing.T) {
	for in, want := range map[string]string{"runs/a.pb": "runs/a.pb", "my file": "'my file'", "it's": `'it'\''s'`, "": "''", "$(x)": "'$(x)'"} {
		if got := quoted(in); got != want {
			t.Errorf("quoted(%q) = %s, want %s", in, got, want)
		}
	}
}

// Help must be instant: nothing heavy may be done before a verb runs.
func BenchmarkHelp(b *testing.B) {
	for b.Loop() {
		if got := runWith(b.Context(), strings.NewReader(""), "report", "--help"); got.code != exitDone {
			b.Fatal(got.stderr)
		}
	}
}

// Remarks show names of others' making as text.
func TestRemarksAreSafe(t *testing.T) {
	var stderr bytes.Buffer
	a := &app{edge: edge{stderr: &stderr}, progress: term.NewProgress(&stderr, term.NoProgress, 0)}
	a.say("first\n%s: read whole", "gs://b/\u202egnp.\x1b]0;x\x07")
	if got, want := stderr.String(), "first\ngs://b/\\u202egnp.\\x1b]0;x\\x07: read whole\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
