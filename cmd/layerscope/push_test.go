// SPDX-License-Identifier: Apache-2.0

//go:build !nocloud

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/layerscope/layerscope/internal/fakegcs"
	"github.com/layerscope/layerscope/internal/tracetest"
	"github.com/layerscope/layerscope/reports/bundle"
	"github.com/layerscope/layerscope/reports/runindex"
)

// bundleOf makes a bundle of a capture.
func bundleOf(t *testing.T, capture, commit string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	if _, err := bundle.Create(dir, bundle.Options{Captures: []string{capture}, Commit: commit, Time: time.Unix(1_795_500_000, 0)}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// The numbers of a bundle's report are those of its capture.
func TestReportedRecord(t *testing.T) {
	for _, name := range []string{"base_a.xplane.pb.gz", "slow_a.xplane.pb.gz"} {
		capture, base := testCapture(t, name), t.TempDir()
		dir := filepath.Join(base, "run")
		for _, args := range [][]string{
			{"bundle", "create", capture, "-o", dir, "--commit", "79e14de2c1", "-q"},
			{"push", dir, filepath.Join(base, "pushed"), "--workload", "smoke", "-q"},
			{"history", filepath.Join(base, "analysed"), "--add", capture, "--commit", "79e14de2c1", "--workload", "smoke"},
		} {
			if o := layerscope(t, args...); o.code != 0 {
				t.Fatalf("%v: exit code %d\n%s", args, o.code, o.stderr)
			}
		}
		text, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
		if err != nil {
			t.Fatal(err)
		}
		m, err := bundle.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		bare := runindex.Run{}
		for _, f := range m.Files {
			if f.Role == "capture" {
				bare.Captures = append(bare.Captures, runindex.File{Path: f.Path, SHA256: f.SHA256, Bytes: f.Bytes})
			}
		}
		if len(reportedRecords(dir, m, bare)) != 1 {
			t.Error("the report gives no record")
		}
		var runs []runindex.Run
		for _, root := range []string{"pushed", "analysed"} {
			found, damaged, err := runindex.Index{Store: runindex.Dir(filepath.Join(base, root))}.Runs(t.Context())
			if err != nil || len(found) != 1 || len(damaged) > 0 {
				t.Fatal(found, damaged, err)
			}
			found[0].Path, found[0].Captures[0].Path, found[0].Branch = "", "", ""
			runs = append(runs, found[0])
		}
		if diff := cmp.Diff(runs[1], runs[0]); diff != "" {
			t.Error(diff)
		}
	}
}

// Twenty that push at once, a third of them the same run, to a bucket that fails
// now and then: the index has every run once, with its numbers.
func TestTwentyPush(t *testing.T) {
	p := fakegcs.Start(t, "runs")
	t.Setenv("STORAGE_EMULATOR_HOST", p.Host)
	p.Fault(fakegcs.Fault{Op: "put", Name: "index/", Kind: "lost", Count: 5}, fakegcs.Fault{Op: "put", Kind: "status", Status: 503, Count: 5}, fakegcs.Fault{Op: "list", Kind: "status", Status: 429, Count: 3})
	capture := filepath.Join(tracetest.Root(t), "testdata", "captures", "base_a.xplane.pb.gz")
	dirs := make([]string, 14)
	for i := range dirs {
		dirs[i] = bundleOf(t, capture, fmt.Sprintf("%07x", 0xabc000+i))
	}
	added := make(map[string]int)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			o := runWith(t.Context(), strings.NewReader(""), "push", dirs[i%14], "gs://runs/team", "--as", "nightly", "--workload", "smoke", "--json")
			var r pushed
			if err := json.Unmarshal([]byte(o.stdout), &r); o.code != 0 || err != nil || len(r.Records) != 1 {
				t.Errorf("exit code %d, %v\n%s", o.code, err, o.stderr)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if r.Records[0].Added {
				added[r.Records[0].ID]++
			}
		})
	}
	wg.Wait()
	o := runWith(t.Context(), strings.NewReader(""), "list", "gs://runs/team", "--check", "--json")
	var l listed
	if err := json.Unmarshal([]byte(o.stdout), &l); err != nil || o.code != 0 || len(l.Runs) != 14 || len(l.Damaged) > 0 || len(*l.Problems) > 0 {
		t.Fatalf("exit code %d, %d runs, %v\n%s%s", o.code, len(l.Runs), err, o.stdout, o.stderr)
	}
	for _, r := range l.Runs {
		if m, ok := r.Metric("step"); !ok || m.N != 12 || added[r.ID] != 1 {
			t.Errorf("%s: %v, added %d times", r.ID, m, added[r.ID])
		}
	}
}

// An interrupted push says so, and goes on; the same for pull. A capture that
// can't be analysed is no obstacle.
func TestPushInterrupted(t *testing.T) {
	p := fakegcs.Start(t, "runs")
	t.Setenv("STORAGE_EMULATOR_HOST", p.Host)
	capture := filepath.Join(t.TempDir(), "host.xplane.pb")
	if err := os.WriteFile(capture, make([]byte, 70<<20), 0o666); err != nil {
		t.Fatal(err)
	}
	dir := bundleOf(t, capture, "79e14de2c1")
	interrupted := func(hold int64, args ...string) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		p.Hold(hold, 0)
		done := make(chan outcome, 1)
		go func() { done <- runWith(ctx, strings.NewReader(""), args...) }()
		p.Holds(func() bool { return len(done) > 0 })
		cancel()
		o := <-done
		p.Hold(0, 0)
		if o.code != exitInterrupted || !strings.Contains(o.stderr, "the same command goes on from here") {
			t.Fatalf("exit code %d\n%s", o.code, o.stderr)
		}
	}
	push := []string{"push", dir, "gs://runs", "--name", "big"}
	interrupted(45<<20, push...)
	o := layerscope(t, push...)
	if o.code != 0 || o.stdout != "gs://runs/manual/2026-11-24-big\n" || !strings.Contains(o.stderr, "the index gets a record without numbers") {
		t.Fatalf("exit code %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	back := filepath.Join(t.TempDir(), "back")
	pull := []string{"pull", "gs://runs/manual/2026-11-24-big", back}
	interrupted(45<<20, pull...)
	if o := layerscope(t, pull...); o.code != 0 || !strings.Contains(o.stderr, "all verified") {
		t.Fatalf("exit code %d\n%s", o.code, o.stderr)
	}
	if r, err := bundle.Verify(back); err != nil || !r.OK() {
		t.Errorf("%+v, %v", r, err)
	}
	if o := layerscope(t, "list", "gs://runs", "--check", "--commit", "79e14de"); o.code != 0 || !strings.Contains(o.stdout, "manual/2026-11-24-big") {
		t.Errorf("exit code %d\n%s%s", o.code, o.stdout, o.stderr)
	}
}
