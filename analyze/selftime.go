// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"math"
	"sort"

	"github.com/layerscope/layerscope/trace"
)

// A closed event has its self time: duration minus that of its direct children.
type closed struct {
	op    trace.OpID
	extra int32 // index in extras, for the few events with more facts; −1 = none
	start Time
	dur   Duration
	self  Duration
}

// Extras are what only some events have.
type extras struct {
	count      int64    // occurrences of an aggregated event
	min        Duration // of an aggregated event
	flops, mem int64    // measured at run time
}

// An event's facts that are 1, its duration and 0 when it has no extras.
func (b *closings) count(c *closed) int64 {
	if c.extra < 0 {
		return 1
	}
	return b.extras[c.extra].count
}

// Closings are a stretch of closed events.
type closings struct {
	events []closed
	extras []extras
}

// A lane sums what one track holds, computed apart from any op table.
type lane struct {
	opTime      Duration // Σ durations of events at the top of their nest
	busy        Duration // union of event intervals
	first, last Time
	events      int64
	occurrences int64
	overlaps    int64 // events that partly overlap their predecessor at the same level
	clamped     int64 // parents whose children last longer than they do
	disordered  bool
	sums        bool // there are aggregated events
}

// overlapSlack is the rounding that writers are forgiven: JSON times are
// printed decimals, and device clocks tick in ps.
const overlapSlack = trace.Nanosecond

// selfTimes walks a track and yields its events as they close, in buffers that
// are valid during the call only.
//
// The rule is XProf's: a stack of open events; one is popped when it does not
// include the next event, both ends inclusive; a child's duration is charged to
// its direct parent. Self times are clamped at 0, which XProf's unsigned sums
// are not, and counted.
//
// Events are expected by start, longest first. A track in another order is
// read again and sorted: the only case that holds a whole track in memory.
func selfTimes(tr *trace.Track, yield func(*closings)) (lane, error) {
	w := newWalker(yield)
	for b, err := range tr.Batches() {
		if err != nil {
			return w.finish(), err
		}
		if b.Self != nil {
			w.aggregated(b)
			continue
		}
		if !w.walk(b) {
			return sortedSelfTimes(tr, yield)
		}
	}
	return w.finish(), nil
}

// sortedSelfTimes is selfTimes for a track out of order. What the first attempt
// has yielded is void: callers start over when they get nil.
func sortedSelfTimes(tr *trace.Track, yield func(*closings)) (lane, error) {
	yield(nil)
	w := newWalker(yield)
	all, err := sortedTrack(tr, w.aggregated)
	if err != nil {
		return lane{}, err
	}
	for i, n := 0, all.Len(); i < n; i += stretch {
		w.walk(slice(all, i, min(i+stretch, n)))
	}
	w.disordered = true
	return w.finish(), nil
}

// sortedTrack returns the events of a track in order, all but aggregated ones,
// which it hands on.
func sortedTrack(tr *trace.Track, aggregated func(*trace.Batch)) (*trace.Batch, error) {
	var all trace.Batch
	for b, err := range tr.Batches() {
		if err != nil {
			return nil, err
		}
		if b.Self != nil {
			aggregated(b)
			continue
		}
		for len(all.FLOPs) < len(all.Op) && b.FLOPs != nil {
			all.FLOPs, all.Bytes = append(all.FLOPs, 0), append(all.Bytes, 0)
		}
		all.Op = append(all.Op, b.Op...)
		all.Start = append(all.Start, b.Start...)
		all.Dur = append(all.Dur, b.Dur...)
		all.FLOPs = append(all.FLOPs, b.FLOPs...)
		all.Bytes = append(all.Bytes, b.Bytes...)
	}
	if len(all.FLOPs) != len(all.Op) {
		all.FLOPs, all.Bytes = nil, nil
	}
	sort.Stable(byStart{&all})
	return &all, nil
}

// slice returns the events [i, j) of a batch.
func slice(b *trace.Batch, i, j int) *trace.Batch {
	out := &trace.Batch{Op: b.Op[i:j], Start: b.Start[i:j], Dur: b.Dur[i:j]}
	if b.FLOPs != nil {
		out.FLOPs, out.Bytes = b.FLOPs[i:j], b.Bytes[i:j]
	}
	return out
}

// byStart sorts a batch by start, longest first.
type byStart struct{ *trace.Batch }

func (s byStart) Less(i, j int) bool {
	if s.Start[i] != s.Start[j] {
		return s.Start[i] < s.Start[j]
	}
	return s.Dur[i] > s.Dur[j]
}

func (s byStart) Swap(i, j int) {
	s.Op[i], s.Op[j] = s.Op[j], s.Op[i]
	s.Start[i], s.Start[j] = s.Start[j], s.Start[i]
	s.Dur[i], s.Dur[j] = s.Dur[j], s.Dur[i]
	if s.FLOPs != nil {
		s.FLOPs[i], s.FLOPs[j] = s.FLOPs[j], s.FLOPs[i]
		s.Batch.Bytes[i], s.Batch.Bytes[j] = s.Batch.Bytes[j], s.Batch.Bytes[i]
	}
}

// maxNest is how deep events nest that are told apart: those of programs nest a
// dozen deep. Deeper ones close at once; what is in them is in the one around them.
const maxNest = 1 << 18

// A walker is the state of one pass over one track.
type walker struct {
	lane
	yield func(*closings)
	out   closings
	stack []frame
	end   Time // of the union so far
	prev  Time // start of the event before
	prevD Duration
}

type frame struct {
	closed
	end   Time
	child Duration
}

// stretch is about how many closed events are handed out at once.
const stretch = 4096

func newWalker(yield func(*closings)) *walker {
	return &walker{
		lane: lane{first: math.MaxInt64, last: math.MinInt64}, yield: yield, prev: math.MinInt64, end: math.MinInt64,
		out: closings{events: make([]closed, 0, stretch)},
	}
}

// walk feeds the events of b. It returns false when the order is broken.
//
// Note: an earlier form kept all state in the walker and moved 120 bytes an
// event; locals and a 40-byte record took it from 17 to 8 ns an event.
func (w *walker) walk(b *trace.Batch) bool {
	ops := b.Op
	starts, durs := b.Start[:len(ops)], b.Dur[:len(ops)]
	if len(ops) > 0 {
		w.first = min(w.first, starts[0])
	}
	stack, prev, prevD, union, busy, top := w.stack, w.prev, w.prevD, w.end, w.busy, w.opTime
	for k, op := range ops {
		start, dur := starts[k], durs[k]
		if start <= prev && (start < prev || dur > prevD && prevD > 0) {
			return false
		}
		if dur > 0 || start > prev {
			prevD = dur // events that last no time may stand anywhere among those of their start
		}
		prev = start
		end := start.Add(dur)
		if start >= union {
			busy += dur
			union = end
		} else if end > union {
			busy += end.Sub(union)
			union = end
		}
		// Starts only grow: the top includes the event unless that ends later.
		n := len(stack)
		for n > 0 && end > stack[n-1].end {
			if stack[n-1].end.Sub(start) > overlapSlack {
				w.overlaps++
			}
			top += w.close(&stack[n-1])
			n--
		}
		if n > 0 {
			stack[n-1].child += dur
		} else {
			top += dur
		}
		stack = append(stack[:n], frame{closed: closed{op: op, extra: -1, start: start, dur: dur}, end: end})
		if b.FLOPs != nil && b.FLOPs[k]|b.Bytes[k] != 0 {
			stack[n].extra = w.addExtras(extras{count: 1, min: dur, flops: b.FLOPs[k], mem: b.Bytes[k]})
		}
		if n >= maxNest {
			top += w.close(&stack[n])
			stack = stack[:n]
		}
	}
	w.events += int64(len(ops))
	w.occurrences += int64(len(ops))
	w.stack, w.prev, w.prevD, w.end, w.busy, w.opTime = stack, prev, prevD, union, busy, top
	if len(w.out.events) >= stretch {
		w.flush()
	}
	return true
}

// close emits an event that ended. It returns what clamping its self time at 0
// adds to the track's sum.
func (w *walker) close(f *frame) (excess Duration) {
	if f.self = f.dur - f.child; f.self < 0 {
		excess, f.self = -f.self, 0
		w.clamped++
	}
	w.out.events = append(w.out.events, f.closed)
	return excess
}

// flush hands out what was closed. Extras of events still open stay: it may be
// called only while w.stack holds them all, which it does not inside of walk.
func (w *walker) flush() {
	if len(w.out.events) == 0 {
		return
	}
	w.yield(&w.out)
	w.out.events = w.out.events[:0]
	if len(w.out.extras) == 0 {
		return
	}
	kept := 0
	for i := range w.stack {
		if e := w.stack[i].extra; e >= 0 {
			w.out.extras[kept] = w.out.extras[e]
			w.stack[i].extra = int32(kept)
			kept++
		}
	}
	w.out.extras = w.out.extras[:kept]
}

func (w *walker) addExtras(e extras) int32 {
	w.out.extras = append(w.out.extras, e)
	return int32(len(w.out.extras) - 1)
}

func (w *walker) finish() lane {
	for n := len(w.stack) - 1; n >= 0; n-- {
		w.opTime += w.close(&w.stack[n])
	}
	w.stack = w.stack[:0]
	w.flush()
	w.last = w.end
	return w.lane
}

// aggregated takes events that already are sums over many occurrences: they
// have a self time of their own and no place in time.
func (w *walker) aggregated(b *trace.Batch) {
	w.sums = true
	for i, op := range b.Op {
		n := int64(max(1, b.Count[i]))
		w.events++
		w.occurrences += n
		w.opTime += b.Self[i]
		w.busy += b.Self[i] // all that is known
		e := extras{count: n, min: b.Min[i]}
		if b.FLOPs != nil {
			e.flops, e.mem = b.FLOPs[i], b.Bytes[i]
		}
		w.out.events = append(w.out.events, closed{op: op, extra: w.addExtras(e), dur: b.Dur[i], self: b.Self[i]})
		if len(w.out.events) >= stretch {
			w.flush()
		}
	}
}
