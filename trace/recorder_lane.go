// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"math"

	"github.com/layerscope/layerscope/trace/internal/ring"
	"github.com/layerscope/layerscope/trace/internal/tick"
)

// A Lane is what one goroutine, or one device, records on. Its methods are for
// one goroutine at a time; they don't wait and don't allocate.
type Lane struct {
	rec    *Recorder
	ring   *ring.Ring
	clock  tick.Clock
	depth  uint32 // spans begun and not ended
	run    uint32 // program executions on this lane before the one at hand
	last   uint64 // stamp of the last instant
	mirror *mirror
	batch  [16]ring.Record // of one instant with its attributes

	name   string
	device int // -1 = a thread of the host
}

// A Span is a span that has begun. It is a value: keep it on the stack.
type Span struct {
	lane  *Lane
	start uint64
	id    NameID
	gen   uint32
}

// Begin begins a span inside the one begun last on this lane.
func (l *Lane) Begin(id NameID) Span {
	if l == nil || l.rec.gen.Load() == 0 {
		return Span{}
	}
	return l.begin(id)
}

func (l *Lane) begin(id NameID) Span {
	l.depth++
	if l.mirror != nil {
		l.mirror.begin(id)
	}
	return Span{l, l.clock.Now(), id, l.rec.gen.Load()}
}

// End ends the span. One that began in another recording is left out.
func (s Span) End() {
	if s.lane != nil {
		s.lane.end(s)
	}
}

func (l *Lane) end(s Span) {
	now := l.clock.Now()
	l.depth--
	if l.mirror != nil {
		l.mirror.end()
	}
	if s.gen == l.rec.gen.Load() {
		l.ring.Push(ring.Make(ring.Span, uint32(s.id), s.start, max(now, s.start), l.depth))
	}
}

// Int attaches a number to the span: tokens, a batch size. It costs as much as
// a span.
func (s Span) Int(key NameID, v int64) {
	if s.lane != nil && s.gen == s.lane.rec.gen.Load() {
		s.lane.ring.Push(ring.Make(ring.AttrInt, uint32(key), s.start, uint64(v), uint32(s.id)))
	}
}

// Text attaches a text to the span: a request id, an algorithm. Texts are kept
// once each, up to 64 MiB of them a recording.
func (s Span) Text(key NameID, v string) {
	if s.lane != nil && s.gen == s.lane.rec.gen.Load() {
		s.lane.ring.Push(ring.Make(ring.AttrText, uint32(key), s.start, s.lane.rec.texts.id(v), uint32(s.id)))
	}
}

// BeginStep begins a span that marks a step: a forward pass, a request.
func (l *Lane) BeginStep(id NameID, number int64) Span {
	s := l.Begin(id)
	s.Int(nameRoot, 1)
	s.Int(nameStepNum, number)
	return s
}

// Now reads the recorder's clock while it is on, and is 0 while it is off. Where
// spans adjoin, the end of one can be the start of the next: half the cost.
func (l *Lane) Now() Stamp {
	if l == nil || l.rec.gen.Load() == 0 {
		return 0
	}
	return Stamp(l.clock.Now())
}

// Span records a whole span, inside those begun on the lane.
func (l *Lane) Span(id NameID, start, end Stamp) {
	if l != nil && l.rec.gen.Load() != 0 {
		l.put(ring.Span, uint32(id), start, end, l.depth)
	}
}

// Op records one execution of an op on a device's lane. Ops nest as spans do.
func (l *Lane) Op(op OpID, start, end Stamp) {
	if l != nil && l.rec.gen.Load() != 0 {
		l.put(ring.Op, uint32(op), start, end, l.run)
	}
}

// Run records one execution of a program on a device's lane, after its ops:
// those since the last Run belong to it.
func (l *Lane) Run(program int, start, end Stamp) {
	if l != nil && l.rec.gen.Load() != 0 && program >= 0 {
		l.put(ring.Run, uint32(program), start, end, l.run)
		l.run++
	}
}

// Step records a step of a device: its part in one forward pass or request.
// Numbers beyond 32 bits wrap.
func (l *Lane) Step(number int64, start, end Stamp) {
	if l != nil && l.rec.gen.Load() != 0 {
		l.put(ring.Step, 0, start, end, uint32(number))
	}
}

func (l *Lane) put(kind ring.Kind, id uint32, start, end Stamp, extra uint32) {
	l.ring.Push(ring.Make(kind, id&ring.MaxID, uint64(start), uint64(max(start, end)), extra))
}

// Instant records that something happened.
func (l *Lane) Instant(id NameID) {
	if l != nil && l.rec.gen.Load() != 0 {
		l.ring.Push(ring.Make(ring.Instant, uint32(id), l.instant(), 0, 0))
	}
}

// Count records the value of a counter: a queue's length, bytes in use.
func (l *Lane) Count(id NameID, v int64) {
	if l != nil && l.rec.gen.Load() != 0 {
		l.ring.Push(ring.Make(ring.Count, uint32(id), l.instant(), uint64(v), 0))
	}
}

// instant returns a stamp later than the one before: attributes find their
// instant by it.
func (l *Lane) instant() uint64 {
	l.last = max(l.clock.Now(), l.last+1)
	return l.last
}

// Alloc records an allocation or the freeing of one; the time is now.
func (l *Lane) Alloc(a Alloc) {
	if l == nil || l.rec.gen.Load() == 0 {
		return
	}
	owner := nameAllocation
	if a.Free {
		owner = nameDeallocation
	}
	t, recs := l.instant(), l.batch[:0]
	num := func(key NameID, v int64) {
		recs = append(recs, ring.Make(ring.AttrInt, uint32(key), t, uint64(v), uint32(owner)))
	}
	text := func(key NameID, v string) {
		if v != "" {
			recs = append(recs, ring.Make(ring.AttrText, uint32(key), t, l.rec.texts.id(v), uint32(owner)))
		}
	}
	text(nameAllocator, a.Allocator)
	num(nameReserved, a.Reserved)
	num(nameAllocated, a.Allocated)
	num(nameAvailable, a.Available)
	num(namePeak, a.Peak)
	num(nameRequested, a.Requested)
	num(nameAllocBytes, a.Bytes)
	num(nameAddr, int64(a.Addr))
	recs = append(recs, ring.Make(ring.AttrFloat, uint32(nameFragmentation), t, math.Float64bits(a.Fragmentation), uint32(owner)))
	text(nameScope, a.Scope)
	text(nameRegion, a.Region)
	text(nameShape, a.Shape)
	recs = append(recs, ring.Make(ring.Instant, uint32(owner), t, 0, 0))
	l.ring.PushAll(recs)
}

// Release hands the lane back: the next [Recorder.Lane] of its name may take
// it. All its spans must have ended.
func (l *Lane) Release() {
	if l == nil || l.device >= 0 {
		return
	}
	r := l.rec
	r.mu.Lock()
	r.idle[l.name] = append(r.idle[l.name], l)
	r.mu.Unlock()
}
