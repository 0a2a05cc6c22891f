// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/internal/tracetest"
	"github.com/layerscope/layerscope/trace"
)

// capturesBelow lists the XSpace and JAX JSON files below folders of the shared data, or
// the project's own.
func capturesBelow(t *testing.T, dir string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		for _, ext := range []string{".xplane.pb", ".xplane.pb.gz", ".xplane.pb.xz", ".trace.json.gz"} {
			if err == nil && strings.HasSuffix(path, ext) {
				paths = append(paths, path)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// TestConservationOnCaptures: on every capture there is, on both clocks, parts add
// up to the whole, and times are those of a brute-force count.
func TestConservationOnCaptures(t *testing.T) {
	for _, dir := range []string{"own", "data/xspace", "data/trace_json", "data/jax_cpu"} {
		t.Run(dir, func(t *testing.T) {
			path := folder(t, dir)
			list := capturesBelow(t, path)
			if len(list) == 0 {
				t.Fatalf("no captures in %s", path)
			}
			for _, file := range list {
				name, _ := filepath.Rel(path, file)
				t.Run(name, func(t *testing.T) {
					for _, clock := range []trace.Clock{trace.DeviceClock, trace.EventClock} {
						conservedCapture(t, file, clock)
					}
				})
			}
		})
	}
}

func conservedCapture(t *testing.T, file string, clock trace.Clock) {
	tr, err := trace.Open(file, trace.Options{Clock: clock})
	if err != nil {
		if strings.HasSuffix(file, "empty.xplane.pb") && strings.Contains(err.Error(), "0 bytes") {
			return
		}
		t.Fatal(err)
	}
	defer tr.Close()
	a, err := analyze.Analyze(tr, analyze.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range unconserved(a) {
		t.Errorf("clock %d: %s", clock, wrong)
	}
	for i, d := range tr.Devices {
		k := 0
		for k < len(a.Devices) && (a.Devices[k].Name != d.Name || a.Devices[k].Host != d.Host) {
			k++
		}
		if k == len(a.Devices) {
			continue // without op tracks
		}
		tracks, err := bruteTracks(tr, i)
		if err != nil {
			t.Fatal(err)
		}
		var each trace.Duration
		for _, events := range tracks {
			for _, self := range bruteSelf(events) {
				each += self
			}
		}
		if a.Devices[k].Busy != covered(tracks...) {
			t.Errorf("clock %d: %s: busy %d, want %d", clock, d.Name, a.Devices[k].Busy, covered(tracks...))
		}
		if a.Devices[k].OpTime != each {
			t.Errorf("clock %d: %s: op time %d, want %d", clock, d.Name, a.Devices[k].OpTime, each)
		}
	}
}

// twins are captures below a folder that the profiler wrote both as XSpace and as
// JSON.
func twins(t *testing.T, dir string) (pairs [][2]string) {
	t.Helper()
	for _, js := range capturesBelow(t, dir) {
		stem, isJSON := strings.CutSuffix(js, ".trace.json.gz")
		if !isJSON || strings.Contains(js, "truncated") {
			continue
		}
		for _, pb := range []string{stem + ".xplane.pb.gz", stem + ".xplane.pb", strings.Replace(stem, "trace_json", "xspace", 1) + ".xplane.pb"} {
			if _, err := os.Stat(pb); err == nil {
				pairs = append(pairs, [2]string{pb, js})
				break
			}
		}
	}
	return pairs
}

// opSums are a capture's times by device and op name.
func opSums(t *testing.T, path string) map[string][3]int64 {
	t.Helper()
	tr, err := trace.Open(path, trace.Options{Clock: trace.EventClock})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	table, err := analyze.Totals(tr)
	if err != nil {
		t.Fatal(err)
	}
	sums := make(map[string][3]int64)
	for _, o := range table {
		key := o.Program + " " + o.Name
		s := sums[key]
		sums[key] = [3]int64{s[0] + o.Occurrences, s[1] + int64(o.Total), s[2] + int64(o.Self)}
	}
	return sums
}

// TestReadersAgree: the XSpace and the JSON of one capture give the same times of
// each op, to the picosecond.
func TestReadersAgree(t *testing.T) {
	for dir, n := range map[string]int{"own": 1, "data/jax_cpu": 18, "data/trace_json": 2} {
		t.Run(dir, func(t *testing.T) {
			pairs := twins(t, folder(t, dir))
			if len(pairs) != n {
				t.Errorf("%d captures in both forms, want %d", len(pairs), n)
			}
			for _, p := range pairs {
				if d := cmp.Diff(opSums(t, p[0]), opSums(t, p[1])); d != "" {
					t.Errorf("%s: occurrences, total, self (-XSpace +JSON):\n%.3000s", p[1], d)
				}
			}
		})
	}
}

// folder is one of the shared data, or that of the project's own captures.
func folder(t *testing.T, dir string) string {
	t.Helper()
	if dir == "own" {
		return filepath.Join(tracetest.Root(t), "testdata", "captures")
	}
	return tracetest.Shared(t, dir)
}
