// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layerscope/layerscope/internal/tracetest"
	"github.com/layerscope/layerscope/trace"
)

// expectation is what a written trace must hold by other programs.
type expectation struct {
	Ops        map[string][2]int64 `json:"ops"` // events and picoseconds by name
	Ns         int64               `json:"ns"`  // sum of the slices as they are written
	Flows      int64               `json:"flows"`
	Samples    int64               `json:"samples"` // of counters
	Layers     int64               `json:"layers"`  // distinct names
	Processes  int64               `json:"processes"`
	Attributes map[string]string   `json:"attributes"`
}

// TestPerfettoOracleDump writes traces and what they hold for
// internal/oracle/perfetto/run.sh.
func TestPerfettoOracleDump(t *testing.T) {
	dir := os.Getenv("LAYERSCOPE_PERFETTO_ORACLE")
	if dir == "" {
		t.Skip("LAYERSCOPE_PERFETTO_ORACLE is not set: internal/oracle/perfetto/run.sh sets it")
	}
	captures, err := filepath.Glob(filepath.Join(tracetest.Root(t), "testdata", "captures", "*.xplane.pb.gz"))
	if err != nil || len(captures) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	for _, path := range captures {
		dumpCase(t, dir, path)
	}
	for _, name := range []string{"tpu_v6e_torchxla_cnn.xplane.pb.gz", "gpu_gtx1080ti_x2.xplane.pb"} {
		t.Run(name, func(t *testing.T) { dumpCase(t, dir, tracetest.Shared(t, "data/xspace/"+name)) })
	}
}

func dumpCase(t *testing.T, dir, path string) {
	tr := openCapture(t, path)
	a := analysis(t, tr)
	want := expectation{Ops: map[string][2]int64{}, Attributes: map[string]string{"commit": "0123abc"}, Processes: int64(len(tr.Devices) + len(tr.Hosts))}
	layers := map[string]bool{}
	for _, track := range tr.Tracks {
		for b, err := range track.Batches() {
			if err != nil {
				t.Fatal(err)
			}
			if b.Self != nil {
				continue
			}
			for i, id := range b.Op {
				s := want.Ops[tr.Ops[id].Name]
				want.Ops[tr.Ops[id].Name] = [2]int64{s[0] + 1, s[1] + int64(b.Dur[i])}
				end := b.Start[i].Add(b.Dur[i])
				want.Ns += nanoseconds(end) - nanoseconds(b.Start[i])
				if layer, _ := a.Place(id); layer != "" && (track.Kind == trace.Ops || track.Kind == trace.Stream) {
					layers[layer] = true
				}
			}
		}
	}
	want.Layers = int64(len(layers))
	want.Flows = stepFlows(tr) + inTime(t, tr)
	counter := trace.PerfettoCounter{Name: "utilisation", Unit: "%", Device: 0}
	for i := range 100 {
		counter.Time = append(counter.Time, trace.Time(i)*1_000_000_000)
		counter.Value = append(counter.Value, float64(i)+0.5)
	}
	want.Samples = int64(len(counter.Time) + len(tr.Allocs))
	name := strings.Split(filepath.Base(path), ".")[0]
	f, err := os.Create(filepath.Join(dir, name+".pftrace"))
	if err != nil {
		t.Fatal(err)
	}
	opts := trace.PerfettoOptions{Place: a.Place, Attributes: want.Attributes, Counters: []trace.PerfettoCounter{counter}, Clear: 64 << 10}
	if err := trace.WritePerfetto(f, tr, opts); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(want)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".json"), b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func nanoseconds(t trace.Time) int64 { return int64(t) / 1000 } // of a capture that begins at 0

// inTime counts the trace's flows that lead forward in time: Perfetto draws no
// others.
func inTime(t *testing.T, tr *trace.Trace) (n int64) {
	starts := map[int][]trace.Time{}
	at := func(r trace.EventRef) int64 {
		if starts[r.Track] == nil {
			for b, err := range tr.Tracks[r.Track].Batches() {
				if err != nil {
					t.Fatal(err)
				}
				starts[r.Track] = append(starts[r.Track], b.Start...)
			}
		}
		return nanoseconds(starts[r.Track][r.Event])
	}
	for f, err := range tr.Flows() {
		if err != nil {
			t.Fatal(err)
		}
		if at(f.From) <= at(f.To) {
			n++
		}
	}
	return n
}

// stepFlows counts the executions that began in a step of the host, where both
// have one clock; a trace without that has none.
func stepFlows(tr *trace.Trace) (n int64) {
	for _, e := range tr.Executions {
		if tr.Devices[e.Device].Kind == "tpu" {
			continue
		}
		for _, s := range tr.Steps {
			if s.Device < 0 && e.Start >= s.Start && e.Start < s.Start.Add(s.Dur) {
				n++
				break
			}
		}
	}
	return n
}
