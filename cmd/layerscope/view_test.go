// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/layerscope/layerscope/reports/viewer"
)

// view prints its address, serves until it is interrupted, and ends well.
func TestViewServes(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	var stderr bytes.Buffer
	code := make(chan int, 1)
	go func() {
		e := edge{stdin: strings.NewReader(""), stdout: w, stderr: &stderr, env: func(string) string { return "" }, now: time.Now}
		code <- run(ctx, e, []string{"view", "../../testdata/captures/slow_a.xplane.pb.gz", "--no-open", "--ui", "speedscope"})
	}()
	address, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err, stderr.String())
	}
	address = strings.TrimSpace(address)
	if !strings.HasPrefix(address, "http://127.0.0.1:") || !strings.HasSuffix(address, "/speedscope") {
		t.Errorf("printed %q", address)
	}
	res, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err = firstError(err, res.Body.Close()); err != nil || res.StatusCode != 200 || !bytes.Contains(body, []byte("slow_a")) {
		t.Errorf("%s: %d %v %s", address, res.StatusCode, err, body)
	}
	cancel()
	if got := <-code; got != exitDone {
		t.Errorf("exit code %d after an interrupt: %s", got, stderr.String())
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestViewRefuses(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	_, port, err := net.SplitHostPort(busy.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	empty := t.TempDir()
	junk := filepath.Join(t.TempDir(), "junk.xplane.pb")
	if err := os.WriteFile(junk, []byte("no capture at all"), 0o644); err != nil {
		t.Fatal(err)
	}
	capture := "../../testdata/captures/slow_a.xplane.pb.gz"
	for _, tc := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"view"}, exitUsage, "want one INPUT"},
		{[]string{"view", "-"}, exitUsage, "want one INPUT"},
		{[]string{"view", "/no/such"}, exitFailed, "/no/such"},
		{[]string{"view", empty}, exitFailed, empty},
		{[]string{"view", junk}, exitFailed, junk},
		{[]string{"view", capture, "--ui", "firefox"}, exitUsage, "want page, perfetto or speedscope"},
		{[]string{"view", capture, "--port", "http"}, exitUsage, "want a number"},
		{[]string{"view", capture, "--port", "70000"}, exitUsage, "want a number"},
		{[]string{"view", capture, "--port", port}, exitFailed, "--port " + port + "+"},
		{[]string{"view", capture, "--perfetto", "ui.perfetto.dev"}, exitUsage, "want https://HOST"},
	} {
		var stdout, stderr bytes.Buffer
		e := edge{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, env: func(string) string { return "" }, now: time.Now}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		code := run(ctx, e, append(tc.args, "--no-open"))
		cancel()
		if code != tc.code || !strings.Contains(stderr.String(), tc.want) {
			t.Errorf("%v: exit %d, %s\nwant %d and %q", tc.args, code, stderr.String(), tc.code, tc.want)
		}
	}
	l, err := listenLoopback(port + "+")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if fmt.Sprint(l.Addr()) == fmt.Sprint(busy.Addr()) {
		t.Error("two listeners on one port")
	}
}

// An index is shown with its commits; runs without captures keep their numbers.
func TestViewIndex(t *testing.T) {
	root := t.TempDir()
	for i, name := range []string{"base_a", "slow_a"} {
		dir := filepath.Join(root, "nightly", name)
		data, err := os.ReadFile(filepath.Join("../../testdata/captures", name+".xplane.pb.gz"))
		if err := firstError(err, os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "host.xplane.pb.gz"), data, 0o644)); err != nil {
			t.Fatal(err)
		}
		var stdout, stderr bytes.Buffer
		e := edge{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, env: func(string) string { return "" }, now: time.Now}
		commit := strings.Repeat(string(rune('a'+i)), 40)
		if code := run(t.Context(), e, []string{"history", root, "--add", dir, "--commit", commit, "--workload", "smoke"}); code != 0 {
			t.Fatal(stderr.String())
		}
	}
	if err := os.RemoveAll(filepath.Join(root, "nightly", "base_a")); err != nil {
		t.Fatal(err)
	}
	_, src := serveView(t, root, "")
	list, err := src.Runs(t.Context())
	if err != nil || len(list.Runs) != 2 || list.Pending != 0 || len(list.Pools) != 1 || list.Pools[0] != "1 × cpu, smoke" {
		t.Fatalf("%+v %v", list, err)
	}
	gone, there := list.Runs[0], list.Runs[1]
	if gone.Commit[0] != 'a' {
		gone, there = there, gone
	}
	if gone.Note == "" || gone.Step == 0 || there.Note != "" || there.Commit != strings.Repeat("b", 40) {
		t.Errorf("%+v\n%+v", gone, there)
	}
	var svg bytes.Buffer
	if err := src.Trend(t.Context(), "step", list.Pools[0], &svg); err != nil || !strings.Contains(svg.String(), "bbbbbbb") {
		t.Errorf("%v %s", err, svg.String())
	}
	if err := src.Report(t.Context(), there.ID, io.Discard); err != nil {
		t.Error(err)
	}
	if err := src.Report(t.Context(), gone.ID, io.Discard); err == nil {
		t.Error("a report of a run without captures")
	}
	if err := src.Report(t.Context(), "../"+there.ID, io.Discard); err != viewer.ErrUnknown {
		t.Errorf("another ID: %v", err)
	}
}

// Runs that are still being studied can be asked for meanwhile; once they are all
// known, each has what study found. The race detector watches.
func TestViewWhileStudied(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"base_a", "slow_a"} {
		data, err := os.ReadFile(filepath.Join("../../testdata/captures", name+".xplane.pb.gz"))
		if err := firstError(err, os.WriteFile(filepath.Join(dir, name+".xplane.pb.gz"), data, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	a := &app{edge: edge{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard, env: func(string) string { return "" }, now: time.Now}}
	src, err := a.viewOf(t.Context(), dir, &inputFlags{clock: "device"})
	if err != nil || len(src.runs) != 2 {
		t.Fatal(err, len(src.runs))
	}
	done := make(chan struct{})
	go func() { defer close(done); src.study(t.Context()) }()
	for pending := 2; pending > 0; {
		for _, r := range src.runs {
			if found, err := src.find(r.ID); err != nil || found.ID != r.ID || found.studied != (found.Devices != "") {
				t.Fatalf("%+v %v", found, err)
			}
		}
		list, err := src.Runs(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pending = list.Pending
	}
	<-done
	for _, r := range src.runs {
		if found, err := src.find(r.ID); err != nil || found.Devices == "" || len(found.Metrics) == 0 {
			t.Errorf("%+v %v", found, err)
		}
	}
}
