// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"math"

	"github.com/layerscope/layerscope/trace"
)

// A tallier walks a track as [selfTimes] does, and adds up by op as it goes
// instead of yielding events as they close.
//
// Note: that costs 4 ns an event where closing, buffering and adding took 15.
type tallier struct {
	lane
	byOp  []tally // as long as the op table; self is what differs from total
	used  []trace.OpID
	stack []openOp // events that the one before is inside of
	end   Time     // of the union so far

	ground  openOp // what outermost events are inside of
	prev    Time   // start of the event before
	prevEnd Time
	prevDur Duration
	prevOp  trace.OpID
	tieAt   Time     // start of events of which some last no time,
	tieDur  Duration // and how long the last that did lasted
}

// An openOp is an event that later ones may be inside of.
type openOp struct {
	end        Time
	dur, child Duration
	op         trace.OpID
}

// read sums one track. The sums are to be taken before the next.
func (tl *tallier) read(tr *trace.Track) (lane, error) {
	tl.reset()
	for b, err := range tr.Batches() {
		if err != nil {
			return tl.finish(), err
		}
		if b.Self != nil {
			tl.aggregated(b)
			continue
		}
		if !tl.walk(b) {
			return tl.sorted(tr)
		}
		tl.work(b)
	}
	return tl.finish(), nil
}

// sorted starts over with a track that is out of order.
func (tl *tallier) sorted(tr *trace.Track) (lane, error) {
	tl.take()
	tl.reset()
	all, err := sortedTrack(tr, tl.aggregated)
	if err != nil {
		return lane{}, err
	}
	tl.walk(all)
	tl.work(all)
	tl.disordered = true
	return tl.finish(), nil
}

func (tl *tallier) reset() {
	tl.lane = lane{first: math.MaxInt64, last: math.MinInt64}
	tl.stack, tl.ground = tl.stack[:0], openOp{end: math.MaxInt64}
	tl.end, tl.prev, tl.prevEnd, tl.tieAt = math.MinInt64, math.MinInt64, math.MinInt64, math.MinInt64
	tl.prevDur = 0
}

// walk adds the events of b. It returns false when the order is broken. An event
// gives its op all of its time; what is its children's is taken when it closes.
//
// Note: the event before stays out of the stack, since most end with nothing inside,
// and what is rare stands in functions of its own, which leaves the loop registers
// enough. Putting each event on the stack and taking it off again cost 3.5 ns an event.
func (tl *tallier) walk(b *trace.Batch) bool {
	ops := b.Op
	if len(ops) == 0 {
		return true
	}
	starts, durs := b.Start[:len(ops)], b.Dur[:len(ops)]
	tl.first = min(tl.first, starts[0])
	sums, parent := tl.byOp, tl.top()
	prev, prevEnd, prevOp := tl.prev, tl.prevEnd, tl.prevOp
	for k, op := range ops {
		start, dur := starts[k], durs[k]
		if start <= prev && !tl.tied(b, k, prev) {
			return false
		}
		end := start.Add(dur)
		if end <= prevEnd {
			parent = tl.push(openOp{end: prevEnd, dur: prevEnd.Sub(prev), op: prevOp})
		} else {
			if prevEnd > start.Add(overlapSlack) {
				tl.overlap()
			}
			if end > parent.end {
				parent = tl.pop(start, end)
			}
		}
		prev, prevEnd, prevOp = start, end, op
		t := &sums[op]
		if t.count == 0 {
			tl.see(op)
		}
		t.count++
		t.total += dur
		t.min = min(t.min, dur)
		parent.child += dur
		if parent == &tl.ground {
			tl.outermost(start, end)
		}
	}
	tl.events += int64(len(ops))
	tl.occurrences += int64(len(ops))
	tl.prev, tl.prevEnd, tl.prevOp, tl.prevDur = prev, prevEnd, prevOp, durs[len(ops)-1]
	return true
}

// see notes that an op has its first event.
//
//go:noinline
func (tl *tallier) see(op trace.OpID) {
	tl.used = append(tl.used, op)
	tl.byOp[op].min = math.MaxInt64
}

// tied reports whether event k of b, which does not start after the one before, may
// stand where it does: of events that start together a shorter one comes later.
// Those that last no time may stand anywhere among them.
func (tl *tallier) tied(b *trace.Batch, k int, prev Time) bool {
	start, dur, before := b.Start[k], b.Dur[k], tl.prevDur
	if k > 0 {
		before = b.Dur[k-1]
	}
	if before == 0 && tl.tieAt == start {
		before = tl.tieDur
	}
	if start < prev || dur > before && before > 0 {
		return false
	}
	if dur == 0 {
		tl.tieAt, tl.tieDur = start, before
	}
	return true
}

// top returns the event that the one before is inside of.
func (tl *tallier) top() *openOp {
	if n := len(tl.stack); n > 0 {
		return &tl.stack[n-1]
	}
	return &tl.ground
}

// push opens an event that has another inside.
func (tl *tallier) push(o openOp) *openOp {
	if len(tl.stack) < maxNest {
		tl.stack = append(tl.stack, o)
	}
	return tl.top()
}

// pop closes the events that one of these times is not inside of.
func (tl *tallier) pop(start, end Time) *openOp {
	n := len(tl.stack)
	for n > 0 && end > tl.stack[n-1].end {
		n--
		tl.opTime += tl.close(&tl.stack[n], start)
	}
	tl.stack = tl.stack[:n]
	return tl.top()
}

// overlap counts that the event before ends inside of the next.
func (tl *tallier) overlap() {
	if len(tl.stack) < maxNest {
		tl.overlaps++
	}
}

// outermost adds an event that is in no other to the time a track is busy. One that
// is in another has ended by the end of the union.
func (tl *tallier) outermost(start, end Time) {
	if start >= tl.end {
		tl.busy += end.Sub(start)
		tl.end = end
	} else if end > tl.end {
		tl.busy += end.Sub(tl.end)
		tl.end = end
	}
}

// close takes from an event what its children have, when it ends or the next, which
// begins at start, is not inside. Self times are clamped at 0; what that adds to the
// track's sum is returned.
func (tl *tallier) close(o *openOp, start Time) (excess Duration) {
	if o.end.Sub(start) > overlapSlack {
		tl.overlaps++
	}
	if excess = o.child - o.dur; excess > 0 {
		tl.clamped++
		tl.byOp[o.op].self -= o.dur
		return excess
	}
	tl.byOp[o.op].self -= o.child
	return 0
}

// work adds what was measured at run time.
func (tl *tallier) work(b *trace.Batch) {
	if b.FLOPs == nil {
		return
	}
	mem := b.Bytes[:len(b.Op)]
	for k, f := range b.FLOPs[:len(b.Op)] {
		if f|mem[k] != 0 {
			t := &tl.byOp[b.Op[k]]
			t.flops += f
			t.mem += mem[k]
		}
	}
}

// aggregated takes events that already are sums over many occurrences.
func (tl *tallier) aggregated(b *trace.Batch) {
	tl.sums = true
	for i, op := range b.Op {
		n := int64(max(1, b.Count[i]))
		tl.events++
		tl.occurrences += n
		tl.opTime += b.Self[i]
		tl.busy += b.Self[i] // all that is known
		t := &tl.byOp[op]
		if t.count == 0 {
			tl.used = append(tl.used, op)
			t.min = math.MaxInt64
		}
		t.count += n
		t.total += b.Dur[i]
		t.self += b.Self[i] - b.Dur[i]
		t.min = min(t.min, b.Min[i])
	}
	tl.work(b)
}

func (tl *tallier) finish() lane {
	for i := range tl.stack {
		o := &tl.stack[i]
		tl.opTime += tl.close(o, o.end)
	}
	tl.opTime += tl.ground.child
	tl.last = tl.end
	return tl.lane
}

// take returns the sums and clears the table.
func (tl *tallier) take() []opTally {
	out := make([]opTally, len(tl.used))
	for i, op := range tl.used {
		out[i] = opTally{tl.byOp[op], op}
		out[i].self += out[i].total
		tl.byOp[op] = tally{}
	}
	tl.used = tl.used[:0]
	return out
}
