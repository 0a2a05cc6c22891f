// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"hash/fnv"
	"strings"
	"sync"

	"github.com/layerscope/layerscope/trace"
	"github.com/layerscope/layerscope/trace/memprof"
)

// Record returns a [Tracer] that puts what the engine does into a recorder:
// host spans on a lane for each request that runs, operations and program
// executions on the device's lane, allocator events, metadata.
func Record(rec *trace.Recorder) Tracer {
	return &recorderTracer{rec: rec, programs: map[string]int{}, ops: map[OpInfo]uint32{}}
}

type recorderTracer struct {
	rec *trace.Recorder

	mu       sync.Mutex
	programs map[string]int
	ops      map[OpInfo]uint32
	device   *trace.Lane
}

func (r *recorderTracer) Name(name string) uint32 { return uint32(trace.Name(name)) }

func (r *recorderTracer) Op(op OpInfo) uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id, ok := r.ops[op]; ok {
		return id
	}
	p, ok := r.programs[op.Program]
	if !ok {
		p = r.program(op.Program)
	}
	id := uint32(r.rec.Op(trace.Op{Name: op.Name, Long: op.Detail, Scope: op.Scope, Category: op.Category, Program: p, FLOPs: op.FLOPs, ModelFLOPs: op.FLOPs, Bytes: op.Bytes}))
	r.ops[op] = id
	return id
}

// program registers a program by its full name, such as score_prefill_t48_r2. In
// captures programs of one phase share a name, score_prefill, and differ in
// their ids, as one function's do that was compiled for several shapes.
func (r *recorderTracer) program(name string) int {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // it never fails
	base := name
	if i := strings.LastIndex(name, "_t"); i > 0 {
		base = name[:i]
	}
	p := r.rec.Program(trace.Program{Name: base, ID: h.Sum64()>>1 | 1}, nil)
	r.programs[name] = p
	return p
}

func (r *recorderTracer) Track(name string) TraceTrack {
	return &hostTrack{lane: r.rec.Lane(name)}
}

// Device returns one of the two lines of a device. Both are written by who holds
// the device, so they share a lane.
func (r *recorderTracer) Device(_, line string) TraceTrack {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.device == nil {
		r.device = r.rec.Device(trace.Device{Kind: "cpu", Type: "CPU (layerscope)"})
	}
	if line == "XLA Modules" {
		return &moduleTrack{r: r, lane: r.device}
	}
	return &opTrack{lane: r.device}
}

func (r *recorderTracer) Count(name uint32, value int64) { r.rec.Count(trace.NameID(name), value) }

func (r *recorderTracer) Memory(ev MemoryEvent) {
	r.rec.Alloc(trace.Alloc{
		Allocator: "cpu:0", Free: ev.Op.String() == "free", Allocated: ev.BytesInUse, Available: ev.BytesAvailable, Peak: ev.PeakBytesInUse,
		Fragmentation: ev.Fragmentation, Requested: ev.Requested, Bytes: ev.Size, Addr: uint64(ev.Addr), Scope: ev.Tag.Scope,
		Region: string(ev.Tag.Kind), Shape: ev.Tag.Shape, Step: -1,
	})
}

func (r *recorderTracer) Metadata(key, value string) { r.rec.Note(key, value) }

// A hostTrack keeps the open spans of one lane.
type hostTrack struct {
	lane *trace.Lane
	open []trace.Span
}

func (t *hostTrack) Begin(id uint32) { t.open = append(t.open, t.lane.Begin(trace.NameID(id))) }

func (t *hostTrack) End() {
	if n := len(t.open) - 1; n >= 0 {
		t.open[n].End()
		t.open = t.open[:n]
	}
}

func (t *hostTrack) Int(key uint32, value int64) {
	if n := len(t.open) - 1; n >= 0 {
		t.open[n].Int(trace.NameID(key), value)
	}
}

func (t *hostTrack) Text(key uint32, value string) {
	if n := len(t.open) - 1; n >= 0 {
		t.open[n].Text(trace.NameID(key), value)
	}
}

// An opTrack records operations, which do not nest.
type opTrack struct {
	lane  *trace.Lane
	op    trace.OpID
	start trace.Stamp
}

func (t *opTrack) Begin(id uint32) { t.op, t.start = trace.OpID(id), t.lane.Now() }
func (t *opTrack) End()            { t.lane.Op(t.op, t.start, t.lane.Now()) }

// Int and Text do nothing: what is true of an operation is in its OpInfo.
func (t *opTrack) Int(uint32, int64)   {}
func (t *opTrack) Text(uint32, string) {}

// A moduleTrack records program executions; each is a step of the device.
type moduleTrack struct {
	r       *recorderTracer
	lane    *trace.Lane
	program int
	start   trace.Stamp
	step    int64
}

func (t *moduleTrack) Begin(id uint32) {
	name := trace.NameID(id).String()
	t.r.mu.Lock()
	p, ok := t.r.programs[name]
	if !ok {
		p = t.r.program(name)
	}
	t.r.mu.Unlock()
	t.program, t.start = p, t.lane.Now()
}

func (t *moduleTrack) End() {
	end := t.lane.Now()
	t.lane.Run(t.program, t.start, end)
	t.lane.Step(t.step, t.start, end)
	t.step++
}

func (t *moduleTrack) Int(uint32, int64)   {}
func (t *moduleTrack) Text(uint32, string) {}

// Report returns the snapshot as a memory report: live buffers by scope path and
// kind. Bytes are those of the allocator, so that they add up to BytesInUse.
func (s *MemorySnapshot) Report() *memprof.Report {
	p := &memprof.Profile{}
	type key struct{ scope, kind string }
	at := make(map[key]int)
	for _, b := range s.Live {
		k := key{b.Tag.Scope, string(b.Tag.Kind)}
		i, ok := at[k]
		if !ok {
			i = len(p.Buffers)
			at[k] = i
			p.Buffers = append(p.Buffers, memprof.Buffer{Stack: memprof.Scope(k.scope), Kind: k.kind, Device: "cpu:0"})
		}
		p.Buffers[i].Bytes += b.Size
		p.Buffers[i].Count++
	}
	layer := s.Layer
	if layer < 0 {
		layer = memprof.NoLayer
	}
	return &memprof.Report{
		Type: "score", Stage: s.Stage, Layer: layer, Device: "cpu:0", BytesInUse: s.Stats.BytesInUse, PeakBytes: s.Stats.PeakBytesInUse,
		BytesLimit: s.Stats.BytesLimit, Profile: p,
	}
}
