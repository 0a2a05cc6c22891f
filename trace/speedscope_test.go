// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"strings"
	"testing"

	"github.com/layerscope/layerscope/trace"
)

// speedscopeFile is what py-spy writes, in small: three samples of two frames
// in seconds, and a thread of events.
const speedscopeFile = `{"$schema":"https://www.speedscope.app/file-format-schema.json","profiles":[
 {"type":"sampled","name":"Thread 1 \"MainThread\"","unit":"seconds","startValue":0,"endValue":0.04,"samples":[[0,1],[0,1],[0],[2]],"weights":[0.01,1e-2,0.01,0.000000000001]},
 {"type":"evented","name":"events","unit":"microseconds","startValue":5,"endValue":9,"events":[{"type":"O","at":5,"frame":0},{"type":"O","at":6.5,"frame":1},{"type":"C","at":7,"frame":1},{"type":"C","at":9,"frame":0}]}
],"shared":{"frames":[{"name":"main","file":"a.py","line":3},{"name":"work"},{"name":"idle"}]},"exporter":"py-spy"}`

func TestSpeedscope(t *testing.T) {
	tr, err := trace.Read(strings.NewReader(speedscopeFile), "p.json", trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := `host "Thread 1 \"MainThread\"": main 0+30000 work 0+20000 idle 30000+1e-06; host "events": main 0+4 work 1.5+0.5`
	if got := outline(t, tr); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if tr.Ops[0].Source != "a.py:3" || tr.Lossy == "" || tr.Format != "speedscope" {
		t.Errorf("source %q, lossy %q, format %q", tr.Ops[0].Source, tr.Lossy, tr.Format)
	}
}

func TestSpeedscopeErrors(t *testing.T) {
	for old, bad := range map[string]string{
		`[0,1],[0,1]`:                   `[0,7],[0,1]`,
		`"weights":[0.01,`:              `"weights":[-1,`,
		`1e-2,0.01,`:                    `0.01,`,
		`"type":"C","at":7`:             `"type":"C","at":"x"`,
		`"unit":"seconds"`:              `"unit":"fortnights"`,
		`{"type":"C","at":9,"frame":0}`: `{"type":"C","at":9,"frame":2}`,
	} {
		in := strings.Replace(speedscopeFile, old, bad, 1)
		if in == speedscopeFile {
			t.Fatalf("%q isn't in the file", old)
		}
		if _, err := trace.Read(strings.NewReader(in), "p.json", trace.Options{}); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}

// Derived documents of XProf, in small.
const (
	opProfileFile = `{"byCategory":{"name":"c"},"byProgram":{"name":"p","metrics":{"rawTime":1000},"children":[{"name":"jit_f","metrics":{"rawTime":900},"children":[
 {"name":"fusion.1","metrics":{"rawTime":600,"occurrences":3,"rawFlops":30,"bf16Flops":33,"rawBytesAccessedArray":[9,1,1]},"xla":{"category":"loop fusion","expression":"%fusion.1 = …","provenance":"jit(f)/layer_0/mul","programId":"77"}},
 {"name":"IDLE","metrics":{"rawTime":100},"xla":{"category":"IDLE"}}]}]},"deviceType":"TPU"}`
	memoryPageFile = `{"memoryProfilePerAllocator":{"GPU_0_bfc":{"memoryProfileSnapshots":[{"activityMetadata":{"memoryActivity":"ALLOCATION","requestedBytes":"100","allocationBytes":"128","address":"64","tfOpName":"jit(f)/x","stepId":"2"},"aggregationStats":{"stackReservedBytes":"1","heapAllocatedBytes":"128","freeMemoryBytes":"9","peakBytesInUse":"500","fragmentation":0.5},"timeOffsetPs":"42"},{"activityMetadata":{"memoryActivity":"DEALLOCATION"},"timeOffsetPs":"50"}]}}}`
	overviewFile   = `[{"cols":[{"id":"selfTimePercent"}],"p":{"device_duty_cycle_percent":"12%","remark_text":""},"rows":[]},{"p":{"device_type":"TPU v6 Lite"},"rows":[]}]`
)

func TestXProfPages(t *testing.T) {
	read := func(s string) *trace.Trace {
		tr, err := trace.Read(strings.NewReader(s), "x.json", trace.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if tr.Lossy == "" || tr.Findings[0].Code != "lossy" {
			t.Errorf("lossy %q, findings %v", tr.Lossy, tr.Findings)
		}
		return tr
	}
	tr := read(opProfileFile)
	op := tr.Ops[0]
	if len(tr.Ops) != 1 || op.Name != "fusion.1" || op.Scope != "jit(f)/layer_0/mul" || op.Category != "loop fusion" || op.FLOPs != 11 || op.ModelFLOPs != 10 || op.Bytes != 3 || tr.Programs[0].ID != 77 {
		t.Errorf("ops %+v, programs %+v", tr.Ops, tr.Programs)
	}
	for b := range tr.Tracks[0].Batches() {
		if b.Len() != 1 || b.Dur[0] != 600 || b.Count[0] != 3 || b.Self[0] != 600 {
			t.Errorf("events %+v", b)
		}
	}
	tr = read(memoryPageFile)
	if a := tr.Allocs; len(a) != 2 || a[0].Bytes != 128 || a[0].Requested != 100 || a[0].Addr != 64 || a[0].Time != 42 || a[0].Free || !a[1].Free || a[0].Allocated != 128 || a[0].Scope != "jit(f)/x" {
		t.Errorf("allocator events %+v", a)
	}
	tr = read(overviewFile)
	if tr.Metadata["overview.device_type"] != "TPU v6 Lite" || tr.Metadata["overview.device_duty_cycle_percent"] != "12%" {
		t.Errorf("metadata %v", tr.Metadata)
	}
}
