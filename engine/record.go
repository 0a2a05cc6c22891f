// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"sync"
	"time"

	"github.com/layerscope/layerscope/engine/internal/arena"
	"github.com/layerscope/layerscope/engine/internal/program"
)

// tracing is a tracer with the tracks and names that the engine uses.
type tracing struct {
	t       Tracer
	ops     TraceTrack // written by who holds the device
	modules TraceTrack
	inUse   uint32
	n       names

	mu   sync.Mutex
	idle []TraceTrack // host lanes, one for each request that runs
}

type names struct {
	score, tokenize, queue, compile, finish, prefill, extend, stall                                             uint32
	id, kind, items, labels, algorithm, reason, tokens, padded, bucket, batch, cached, flops, key, memory, runs uint32
}

// SetTracer sends spans, device operations and memory events of requests that
// begin from now on to t; nil stops it. Requests that run keep the tracer they
// began with.
func (e *Engine) SetTracer(t Tracer) {
	if t == nil {
		e.tr.Store(nil)
		return
	}
	tr := &tracing{t: t, ops: t.Device(e.back.Name(), "XLA Ops"), modules: t.Device(e.back.Name(), "XLA Modules"), inUse: t.Name("bytes_in_use")}
	n := &tr.n
	for _, x := range []struct {
		id   *uint32
		name string
	}{
		{&n.score, "score"}, {&n.tokenize, "score/tokenize"}, {&n.queue, "score/queue"}, {&n.compile, "score/compile"},
		{&n.finish, "score/finish"}, {&n.prefill, "score/prefill"}, {&n.extend, "score/extend"}, {&n.stall, "inject/stall"},
		{&n.id, "request_id"}, {&n.kind, "request_type"}, {&n.items, "items"}, {&n.labels, "labels"}, {&n.algorithm, "algorithm"},
		{&n.reason, "reason"}, {&n.tokens, "tokens"}, {&n.padded, "padded_tokens"}, {&n.bucket, "bucket"}, {&n.batch, "batch_size"},
		{&n.cached, "cached_tokens"}, {&n.flops, "flops"}, {&n.key, "program"}, {&n.memory, "peak_bytes_in_use"}, {&n.runs, "sequences"},
	} {
		*x.id = t.Name(x.name)
	}
	for k, v := range e.Metadata() {
		t.Metadata(k, v)
	}
	t.Count(tr.inUse, e.back.MemStats().BytesInUse)
	e.tr.Store(tr)
}

// lane takes a host track that no other request writes to.
func (tr *tracing) lane() TraceTrack {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if n := len(tr.idle); n > 0 {
		l := tr.idle[n-1]
		tr.idle = tr.idle[:n-1]
		return l
	}
	return tr.t.Track("scorer")
}

func (tr *tracing) park(l TraceTrack) {
	tr.mu.Lock()
	tr.idle = append(tr.idle, l)
	tr.mu.Unlock()
}

// memoryEvent hears of every allocation, under the arena's lock.
func (e *Engine) memoryEvent(ev arena.Event) {
	if tr := e.tr.Load(); tr != nil {
		tr.t.Memory(ev)
		tr.t.Count(tr.inUse, ev.BytesInUse)
	}
}

// passRecorder turns a pass's segments into spans on the request's lane and
// operations on the device's, takes snapshots and injects faults.
type passRecorder struct {
	s     *scoring
	c     *compiled
	ids   *programIDs // nil: not traced
	flops int64       // of attention, in this pass
	depth int
	op    bool // an operation is open
	cause error
}

// Begin opens a segment's spans.
func (r *passRecorder) Begin(i int) {
	if ids := r.ids; ids != nil {
		for _, id := range ids.open[i] {
			r.s.lane.Begin(id)
			r.depth++
		}
	}
	if len(r.s.e.opt.Inject) > 0 {
		r.inject(i)
	}
	if ids := r.ids; ids != nil {
		r.s.lane.Begin(ids.spans[i])
		r.depth++
		ids.tr.ops.Begin(ids.ops[i])
		r.op = true
	}
}

// End closes them.
func (r *passRecorder) End(i int) {
	if ids := r.ids; ids != nil {
		if r.c.p.Segments[i].Op == program.Attend {
			ids.tr.ops.Int(ids.tr.n.flops, r.flops)
		}
		ids.tr.ops.End()
		r.op = false
		r.s.lane.End()
		r.depth--
		for range r.c.shut[i] {
			r.s.lane.End()
			r.depth--
		}
	}
	e := r.s.e
	if layer := r.c.end[i]; e.opt.OnSnapshot != nil && layer >= 0 && e.layers.has(layer) {
		r.s.snapshot(r.c.p.Shape.Phase, layer)
	}
}

// unwind closes spans that an error left open.
func (r *passRecorder) unwind() {
	if r.op {
		r.ids.tr.ops.End()
	}
	for ; r.depth > 0; r.depth-- {
		r.s.lane.End()
	}
}

// inject sleeps and leaks where a pass enters an injection's scope.
func (r *passRecorder) inject(i int) {
	e, path := r.s.e, r.c.p.Segments[i].Scope
	for _, in := range e.opt.Inject {
		if in.Kind != "stall" && in.Kind != "leak" || !in.within(path) || i > 0 && in.within(r.c.p.Segments[i-1].Scope) && in.sameEntry(r.c.p.Segments[i-1].Scope, path) {
			continue
		}
		if in.Kind == "leak" {
			buf, err := e.back.Alloc(int(in.Bytes), arena.Tag{Scope: path + "/injected_leak", Kind: arena.Temp})
			if err != nil {
				r.cause = memoryError(err)
				continue
			}
			e.leaked = append(e.leaked, buf)
			continue
		}
		if r.ids != nil {
			r.s.lane.Begin(r.ids.tr.n.stall)
		}
		time.Sleep(in.Stall)
		if r.ids != nil {
			r.s.lane.End()
		}
	}
}

func (s *scoring) snapshot(stage string, layer int) {
	scope := "score/" + stage
	if layer >= 0 {
		scope += "/" + program.LayerName(s.e.cfg.Layers, layer)
	}
	s.e.opt.OnSnapshot(MemorySnapshot{RequestID: s.id, Stage: stage, Layer: layer, Scope: scope, Stats: s.e.back.MemStats(), Live: s.e.back.Live()})
}
