// SPDX-License-Identifier: Apache-2.0

package runindex

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func sample(i int) Run {
	return Run{
		Path: fmt.Sprintf("manual/2026-11-24-%d", i), TimeUnixNano: 1_795_000_000e9 + int64(i)*1e9, Commit: fmt.Sprintf("%07x", i),
		Captures: []File{{Path: "a.xplane.pb", SHA256: fmt.Sprintf("%064x", i), Bytes: 1}},
		Metrics:  []Metric{{"step", "ps", float64(i), 3}},
	}
}

func mustRuns(t *testing.T, ix Index, damage int) []Run {
	t.Helper()
	runs, damaged, err := ix.Runs(t.Context())
	if err != nil || len(damaged) != damage {
		t.Fatalf("damaged %v, want %d; %v", damaged, damage, err)
	}
	return runs
}

func TestAdd(t *testing.T) {
	root := filepath.Join(t.TempDir(), "not", "yet", "there")
	ix := Index{Dir(root)}
	if runs := mustRuns(t, ix, 0); len(runs) != 0 {
		t.Fatalf("%v of no directory", runs)
	}
	for _, i := range []int{3, 1, 2} {
		if _, added, err := ix.Add(t.Context(), sample(i)); !added || err != nil {
			t.Fatal(added, err)
		}
	}
	// The same captures and commit again: nothing changes, not even the numbers.
	again := sample(2)
	again.Metrics[0].Value = 99
	id, added, err := ix.Add(t.Context(), again)
	if added || err != nil || !strings.Contains(id, "-0000002-") {
		t.Errorf("again: %s %v %v", id, added, err)
	}
	var got []float64
	for _, r := range mustRuns(t, ix, 0) {
		m, ok := r.Metric("step")
		if _, none := r.Metric("layer_0"); !ok || none {
			t.Error("metrics")
		}
		got = append(got, m.Value)
	}
	if diff := cmp.Diff([]float64{1, 2, 3}, got); diff != "" {
		t.Error(diff)
	}
	left, err := filepath.Glob(filepath.Join(root, "index", ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestAddRefuses(t *testing.T) {
	ix := Index{Dir(t.TempDir())}
	for name, change := range map[string]func(*Run){
		"no captures":           func(r *Run) { r.Captures = nil },
		"wanted its SHA-256":    func(r *Run) { r.Captures[0].SHA256 = "xyz" },
		"when the capture":      func(r *Run) { r.TimeUnixNano = 0 },
		"wanted a finite":       func(r *Run) { r.Metrics[0].Value /= 0 },
		"found \"\", wanted it": func(r *Run) { r.Captures[0].SHA256 = "" },
	} {
		r := sample(1)
		change(&r)
		if _, added, err := ix.Add(t.Context(), r); added || err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v %v", name, added, err)
		}
	}
	if runs := mustRuns(t, ix, 0); len(runs) != 0 {
		t.Errorf("%v", runs)
	}
}

// Twenty writers, five runs each, a third of them the same: every run is there
// once, and exactly one writer was told that it added it.
func TestConcurrentWriters(t *testing.T) {
	root := t.TempDir()
	var mu sync.Mutex
	told := make(map[string]int)
	var wg sync.WaitGroup
	for w := range 20 {
		wg.Go(func() {
			for k := range 5 {
				id, added, err := Index{Dir(root)}.Add(context.Background(), sample(1+(w*5+k)%67))
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				if added {
					told[id]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	runs := mustRuns(t, Index{Dir(root)}, 0)
	if len(runs) != 67 || len(told) != 67 {
		t.Errorf("%d runs, %d told, want 67", len(runs), len(told))
	}
	for id, n := range told {
		if n != 1 {
			t.Errorf("%s: added %d times", id, n)
		}
	}
}

func TestDamage(t *testing.T) {
	root := t.TempDir()
	ix := Index{Dir(root)}
	id, _, err := ix.Add(t.Context(), sample(1))
	if err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(filepath.Join(root, "index", id+".json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"cut.json":            string(good[:40]),
		"empty.json":          "",
		"renamed.json":        string(good),
		"other.json":          `{"schema":"layerscope.report/v1"}`,
		"twice.json":          string(good) + string(good),
		".new-ABC":            "half a rec",
		"notes.txt":           "not the index's",
		"no-captures-x9.json": `{"schema":"layerscope.run/v1","time_unix_ns":5}`,
	} {
		if err := os.WriteFile(filepath.Join(root, "index", name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(root, "index", "link.json")); err != nil {
		t.Log("no symbolic links here:", err)
	}
	runs, damaged, err := ix.Runs(t.Context())
	if err != nil || len(runs) != 1 || runs[0].ID != id {
		t.Fatalf("%v %v", runs, err)
	}
	want := map[string]string{
		"index/cut.json": "ends early", "index/empty.json": "ends early", "index/renamed.json": "not the one its name says", "index/other.json": "layerscope.report/v1",
		"index/twice.json": "more text behind", "index/no-captures-x9.json": "no captures", "index/link.json": "escapes",
	}
	for _, d := range damaged {
		if part, ok := want[d.Object]; !ok || !strings.Contains(d.Err.Error(), part) {
			t.Errorf("%s: %v, want %q", d.Object, d.Err, part)
		}
		delete(want, d.Object)
	}
	delete(want, "index/link.json") // where there are none
	if len(want) > 0 {
		t.Errorf("not found damaged: %v", want)
	}
}

func TestDirStore(t *testing.T) {
	d := Dir(t.TempDir())
	ctx := t.Context()
	if err := d.Create(ctx, "index/a.json", []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := d.Create(ctx, "index/a.json", []byte("two")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second: %v", err)
	}
	if err := d.Create(ctx, "index/../../b.json", nil); err == nil {
		t.Error("written outside")
	}
	if got, err := d.Read(ctx, "index/a.json"); string(got) != "one" || err != nil {
		t.Errorf("%q %v", got, err)
	}
	if _, err := d.Read(ctx, "index/none.json"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("none: %v", err)
	}
}

func TestPlaces(t *testing.T) {
	day := time.Date(2026, 11, 24, 23, 30, 0, 0, time.FixedZone("west", -3600))
	for _, c := range [][2]string{
		{Nightly(day, "79E14DE2c1"), "nightly/2026-11-25/79e14de"},
		{Nightly(day, ""), "nightly/2026-11-25/none"},
		{Manual(day, "Fix: KV-cache  (2nd try)"), "manual/2026-11-25-fix-kv-cache-2nd-try"},
		{Manual(day, "../../etc/passwd"), "manual/2026-11-25-etc-passwd"},
		{Baseline("v6e.1_qwen"), "baselines/v6e.1-qwen"},
		{Baseline("..."), "baselines/run"},
	} {
		if c[0] != c[1] {
			t.Errorf("%s, want %s", c[0], c[1])
		}
	}
}

// Places are local paths of a fixed depth whatever the name.
func TestPlacesAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		for p, parts := range map[string]int{Nightly(time.Unix(0, 0), name): 3, Manual(time.Unix(0, 0), name): 2, Baseline(name): 2} {
			if !filepath.IsLocal(p) || len(strings.Split(p, "/")) != parts || len(p) > 90 {
				t.Fatalf("%q of %q", p, name)
			}
		}
	})
}

func drawRun(t *rapid.T) Run {
	text := rapid.StringN(0, 12, -1)
	sum := rapid.StringMatching(`[0-9a-f]{64}`)
	return Run{
		Path: text.Draw(t, "path"), TimeUnixNano: rapid.Int64Range(1, 1<<62).Draw(t, "time"), Commit: text.Draw(t, "commit"), Subject: text.Draw(t, "subject"),
		Dirty: rapid.Bool().Draw(t, "dirty"), Devices: text.Draw(t, "devices"),
		Captures: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) File {
			return File{text.Draw(t, "file"), sum.Draw(t, "sum"), rapid.Int64().Draw(t, "bytes")}
		}), 1, 3).Draw(t, "captures"),
		Metrics: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Metric {
			return Metric{text.Draw(t, "metric"), "ps", rapid.Float64Range(-1e300, 1e300).Draw(t, "value"), rapid.Int().Draw(t, "n")}
		}), 1, 4).Draw(t, "metrics"),
	}
}

// Whatever runs are added, in whatever order and how often: each comes back as
// it was, once, in order of time; the order of adding doesn't matter.
func TestIndexLaw(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		runs := rapid.SliceOfN(rapid.Custom(drawRun), 1, 3).Draw(rt, "runs")
		order := rapid.Permutation(append(slices.Clone(runs), runs[0])).Draw(rt, "order")
		root, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		ix := Index{Dir(root)}
		want := make(map[string]Run)
		for _, r := range order {
			id, _, err := ix.Add(context.Background(), r)
			if err != nil {
				rt.Fatal(err)
			}
			if _, there := want[id]; !there {
				r.ID, r.Schema = id, Schema
				want[id] = r
			}
		}
		got, damaged, err := ix.Runs(context.Background())
		if err != nil || len(damaged) > 0 || len(got) != len(want) {
			rt.Fatalf("%d runs of %d, damaged %v, %v", len(got), len(want), damaged, err)
		}
		for i, r := range got {
			if diff := cmp.Diff(want[r.ID], r); diff != "" {
				rt.Fatal(diff)
			}
			if i > 0 && got[i-1].TimeUnixNano > r.TimeUnixNano {
				rt.Fatal("out of order")
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"", "{}", `{"schema":"layerscope.run/v1"}`,
		`{"schema":"layerscope.run/v1","time_unix_ns":1,"commit":"abc","captures":[{"path":"a","sha256":"00","bytes":1}],"metrics":[{"name":"step","unit":"ps","value":1e300,"n":3}],"environment":{"a":"b"}}`,
		`{"schema":"layerscope.run/v1","metrics":[{"value":1e999}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Decode(text)
		if err != nil {
			return
		}
		again, err := r.encode()
		if err != nil {
			t.Fatal(err)
		}
		s, err := Decode(again)
		if err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		third, err := s.encode()
		if err != nil || string(third) != string(again) {
			t.Fatalf("%s, then %s, %v", again, third, err)
		}
		if _, err := decodeObject("x", text); err == nil {
			t.Fatal("a run called x")
		}
	})
}
