// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"sort"

	"github.com/layerscope/layerscope/trace"
)

// A closed event has its self time: duration minus that of its direct children.
type closed struct {
	op         trace.OpID
	count      int32 // occurrences
	start      Time
	dur        Duration
	self       Duration
	min        Duration
	flops, mem int64 // measured at run time
	run        int64
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
func selfTimes(tr *trace.Track, yield func([]closed)) (lane, error) {
	w := walker{yield: yield, buf: make([]closed, 0, 4096)}
	for b, err := range tr.Batches() {
		if err != nil {
			return w.lane, err
		}
		if b.Self != nil {
			w.aggregated(b)
			continue
		}
		if !w.walk(b, 0, b.Len()) {
			return sortedSelfTimes(tr, yield)
		}
	}
	w.finish()
	return w.lane, nil
}

// sortedSelfTimes is selfTimes for a track out of order. Buffers that the first
// attempt has yielded were of another pass: callers start over on reset.
func sortedSelfTimes(tr *trace.Track, yield func([]closed)) (lane, error) {
	yield(nil) // start over
	var all trace.Batch
	for b, err := range tr.Batches() {
		if err != nil {
			return lane{}, err
		}
		all.Op = append(all.Op, b.Op...)
		all.Start = append(all.Start, b.Start...)
		all.Dur = append(all.Dur, b.Dur...)
		all.Run = append(all.Run, b.Run...)
		all.FLOPs = append(all.FLOPs, b.FLOPs...)
		all.Bytes = append(all.Bytes, b.Bytes...)
	}
	if len(all.Run) != len(all.Op) {
		all.Run = nil
	}
	if len(all.FLOPs) != len(all.Op) {
		all.FLOPs, all.Bytes = nil, nil
	}
	sort.Stable(byStart{&all})
	w := walker{yield: yield, buf: make([]closed, 0, 4096)}
	w.walk(&all, 0, all.Len())
	w.finish()
	w.disordered = true
	return w.lane, nil
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
	if s.Run != nil {
		s.Run[i], s.Run[j] = s.Run[j], s.Run[i]
	}
	if s.FLOPs != nil {
		s.FLOPs[i], s.FLOPs[j] = s.FLOPs[j], s.FLOPs[i]
		s.Batch.Bytes[i], s.Batch.Bytes[j] = s.Batch.Bytes[j], s.Batch.Bytes[i]
	}
}

// A walker is the state of one pass over one track.
type walker struct {
	lane
	yield func([]closed)
	buf   []closed
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

// walk feeds events i…j−1 of b. It returns false when the order is broken.
func (w *walker) walk(b *trace.Batch, i, j int) bool {
	ops, starts, durs := b.Op[i:j], b.Start[i:j], b.Dur[i:j]
	for k, op := range ops {
		start, dur := starts[k], durs[k]
		if w.events > 0 && (start < w.prev || start == w.prev && dur > w.prevD && w.prevD > 0) {
			return false
		}
		w.prev, w.prevD = start, dur
		end := start.Add(dur)
		w.cover(start, end, dur)
		// Starts only grow: the top includes the event unless that ends later.
		for n := len(w.stack); n > 0 && end > w.stack[n-1].end; n = len(w.stack) {
			if w.stack[n-1].end.Sub(start) > overlapSlack {
				w.overlaps++
			}
			w.pop()
		}
		if n := len(w.stack); n > 0 {
			w.stack[n-1].child += dur
		} else {
			w.opTime += dur
		}
		f := frame{closed: closed{op: op, count: 1, start: start, dur: dur, min: dur}, end: end}
		if b.Run != nil {
			f.run = b.Run[i+k]
		}
		if b.FLOPs != nil {
			f.flops, f.mem = b.FLOPs[i+k], b.Bytes[i+k]
		}
		w.stack = append(w.stack, f)
	}
	return true
}

// cover extends the union of intervals by [start, end).
func (w *walker) cover(start, end Time, dur Duration) {
	if w.events == 0 {
		w.first, w.last, w.end = start, end, start
	}
	w.events++
	w.occurrences++
	if end > w.last {
		w.last = end
	}
	if start >= w.end {
		w.busy += dur
		w.end = end
	} else if end > w.end {
		w.busy += end.Sub(w.end)
		w.end = end
	}
}

func (w *walker) pop() {
	n := len(w.stack) - 1
	f := &w.stack[n]
	f.self = f.dur - f.child
	if f.self < 0 {
		w.opTime -= f.self
		f.self = 0
		w.clamped++
	}
	w.emit(f.closed)
	w.stack = w.stack[:n]
}

func (w *walker) emit(c closed) {
	if len(w.buf) == cap(w.buf) {
		w.yield(w.buf)
		w.buf = w.buf[:0]
	}
	w.buf = append(w.buf, c)
}

func (w *walker) finish() {
	for len(w.stack) > 0 {
		w.pop()
	}
	if len(w.buf) > 0 {
		w.yield(w.buf)
		w.buf = w.buf[:0]
	}
}

// aggregated takes events that already are sums over many occurrences: they
// have a self time of their own and no place in time.
func (w *walker) aggregated(b *trace.Batch) {
	for i, op := range b.Op {
		n := max(1, b.Count[i])
		w.events++
		w.occurrences += int64(n)
		w.opTime += b.Self[i]
		w.busy += b.Self[i] // all that is known
		w.emit(closed{op: op, count: n, dur: b.Dur[i], self: b.Self[i], min: b.Min[i]})
	}
}
