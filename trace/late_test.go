// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/trace"
)

// lateLine is an XLine whose timestamp stands behind its events.
func lateLine(name string, events int, ns uint64) []byte {
	b := protowire.AppendTag(nil, 2, protowire.BytesType)
	b = protowire.AppendString(b, name)
	for i := range events {
		var ev []byte
		for num, v := range []uint64{1, uint64(i) * 10, 10} {
			ev = protowire.AppendTag(ev, protowire.Number(num+1), protowire.VarintType)
			ev = protowire.AppendVarint(ev, v)
		}
		b = protowire.AppendTag(b, 4, protowire.BytesType)
		b = protowire.AppendBytes(b, ev)
	}
	b = protowire.AppendTag(b, 3, protowire.VarintType)
	return protowire.AppendVarint(b, ns)
}

// Lines of a device that state what their times count from behind their events:
// the tracks say once that they must be read again, the analysis does, and what is
// read with the file is right at once.
func TestLateTimestamp(t *testing.T) {
	const events, ns = 100_000, 7
	plane := protowire.AppendTag(nil, 2, protowire.BytesType)
	plane = protowire.AppendString(plane, "/device:TPU:0")
	for _, name := range []string{"Steps", "XLA Modules", "XLA Ops", "Async XLA Ops"} {
		plane = protowire.AppendTag(plane, 3, protowire.BytesType)
		plane = protowire.AppendBytes(plane, lateLine(name, events, ns))
	}
	space := protowire.AppendTag(nil, 1, protowire.BytesType)
	space = protowire.AppendBytes(space, plane)
	path := filepath.Join(t.TempDir(), "host.xplane.pb")
	if err := os.WriteFile(path, space, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, clock := range []trace.Clock{trace.DeviceClock, trace.EventClock} {
		tr, err := trace.Open(path, trace.Options{Clock: clock})
		if err != nil {
			t.Fatal(err)
		}
		if len(tr.Steps) != events || tr.Steps[0].Start != ns*1000 || len(tr.Executions) != events || tr.Executions[0].Start != ns*1000 {
			t.Errorf("%d steps from %d, %d executions from %d; want %d from %d", len(tr.Steps), tr.Steps[0].Start, len(tr.Executions), tr.Executions[0].Start, events, ns*1000)
		}
		a, err := analyze.Analyze(tr, analyze.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if a.Devices[0].Busy != 10*events || a.Async.Rows[0].Span != 10*events {
			t.Errorf("busy %d, async %d; want %d", a.Devices[0].Busy, a.Async.Rows[0].Span, 10*events)
		}
		for _, track := range tr.Tracks {
			for b, err := range track.Batches() {
				if err != nil {
					t.Fatalf("%s, second reading: %v", track.Name, err)
				}
				if b.Start[0] < ns*1000 {
					t.Fatalf("%s: start %d, want %d or later", track.Name, b.Start[0], ns*1000)
				}
			}
		}
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	}
	tr, err := trace.Open(path, trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	for _, track := range tr.Tracks {
		if track.Kind != trace.Ops {
			continue
		}
		for _, err := range track.Batches() {
			if err != nil && !errors.Is(err, trace.ErrAgain) {
				t.Errorf("first reading: error %v, want ErrAgain", err)
			}
		}
	}
}
