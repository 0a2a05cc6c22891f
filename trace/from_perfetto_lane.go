// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"cmp"
	"slices"
)

// A perfettoLane is one track in the making. As long as its events come in the
// order of their times, slices are made at once; else the events are kept, and
// paired when all are known.
type perfettoLane struct {
	key   perfettoKey
	uuid  uint64
	title string

	slices sliceLog
	open   []sliceRef
	stray  int64 // ends without a slice
	order  eventOrder
	strays []int64 // their times
	first  int64   // of the events so far
	last   int64
	log    *eventLog // nil while events are in order

	flows []lanePoint
	track int        // index of the track made of the lane
	split []EventRef // of its events, where they went to several tracks and have flows
}

// An eventLog is the events of a lane in the order of the file.
type eventLog struct {
	ns    []int64
	what  []uint32 // op<<whatBits | type
	value []float64
	durs  map[int]int64 // of complete events, by index
	runs  map[int]int64
	mixed bool // not in order of time
}

// An eventOrder remembers in two bits an event in which order begins and ends
// came, which their times alone don't tell.
type eventOrder struct {
	n     int
	word  uint64
	words []uint64
}

const (
	orderBegin = iota
	orderEnd
	orderWhole // with its duration
	orderStray // an end of nothing
)

func (o *eventOrder) add(code uint64) {
	o.word |= code << (o.n & 31 * 2)
	if o.n++; o.n&31 == 0 {
		o.words = append(o.words, o.word)
		o.word = 0
	}
}

func (o *eventOrder) at(i int) uint64 {
	w := o.word
	if i>>5 < len(o.words) {
		w = o.words[i>>5]
	}
	return w >> (i & 31 * 2) & 3
}

// take makes slices of the next event in order of time.
func (ln *perfettoLane) take(typ uint32, op OpID, ns, dur, run int64) {
	switch typ {
	case whatBegin:
		ln.open = append(ln.open, ln.start(op, ns, 0, run))
		ln.order.add(orderBegin)
	case whatEnd:
		n := len(ln.open) - 1
		if n < 0 {
			ln.stray++
			ln.strays = append(ln.strays, ns)
			ln.order.add(orderStray)
			return
		}
		ln.slices.end(ln.open[n], ns)
		ln.open = ln.open[:n]
		ln.order.add(orderEnd)
	case whatInstant, whatComplete:
		ln.start(op, ns, dur, run)
		ln.order.add(orderWhole)
	}
}

func (ln *perfettoLane) start(op OpID, ns, dur, run int64) sliceRef {
	r := ln.slices.add(op, ns, dur)
	if run != 0 {
		ln.slices.setRun(r, run)
	}
	return r
}

// inOrder reports whether an event can be taken at once.
func (ln *perfettoLane) inOrder(typ uint32, ns int64) bool {
	return (ln.order.n == 0 || ns >= ln.last) && typ != whatState && typ != whatCounter
}

// keep goes over to keeping events, those so far included.
func (ln *perfettoLane) keep() *eventLog {
	if ln.log != nil {
		return ln.log
	}
	l := &eventLog{}
	ln.log = l
	var block, i, stray int
	var open []int64 // ends
	for k := range ln.order.n {
		switch code := ln.order.at(k); code {
		case orderEnd:
			n := len(open) - 1
			l.add(open[n], whatEnd, 0, 0, 0)
			open = open[:n]
		case orderStray:
			l.add(ln.strays[stray], whatEnd, 0, 0, 0)
			stray++
		default:
			if i == len(ln.slices.blocks[block].op) {
				block, i = block+1, 0
			}
			b := ln.slices.blocks[block]
			ns, dur := ln.slices.at(sliceRef(block<<blockBits | i))
			run, typ := int64(0), whatComplete
			if i < len(b.run) {
				run = b.run[i]
			}
			if code == orderBegin {
				open = append(open, ns+dur)
				typ, dur = whatBegin, 0
			}
			l.add(ns, typ, b.op[i]+1, dur, run)
			i++
		}
	}
	ln.slices, ln.open, ln.stray, ln.strays, ln.order = sliceLog{}, nil, 0, nil, eventOrder{}
	return l
}

// add appends an event; op is one more than its number, 0 for none.
func (l *eventLog) add(ns int64, typ uint32, op OpID, dur, run int64) {
	if n := len(l.ns); n > 0 && ns < l.ns[n-1] {
		l.mixed = true
	}
	if dur != 0 {
		if l.durs == nil {
			l.durs = map[int]int64{}
		}
		l.durs[len(l.ns)] = dur
	}
	if run != 0 {
		if l.runs == nil {
			l.runs = map[int]int64{}
		}
		l.runs[len(l.ns)] = run
	}
	l.ns = append(l.ns, ns)
	l.what = append(l.what, uint32(op)<<whatBits|typ)
}

// begin is the earliest time of the lane's events.
func (ln *perfettoLane) begin() (ns int64, ok bool) {
	if ln.log == nil {
		return ln.first, ln.order.n > 0
	}
	for i, t := range ln.log.ns {
		if ln.log.what[i]&whatType != whatGone && (!ok || t < ns) {
			ns, ok = t, true
		}
	}
	return ns, ok
}

// finish pairs events that were kept, and ends slices that are open at the time of
// the last event. It returns how many those are.
func (ln *perfettoLane) finish(zero, last int64) (open int64) {
	if l := ln.log; l != nil {
		if l.mixed {
			l.sort()
		}
		for i, w := range l.what {
			typ, op := w&whatType, OpID(w>>whatBits)
			if typ == whatState {
				if n := len(ln.open) - 1; n >= 0 { // the state before ends
					ln.take(whatEnd, 0, l.ns[i], 0, 0)
				}
				if typ = whatBegin; op == 0 {
					continue
				}
			}
			ln.take(typ, op-1, l.ns[i], l.durs[i], l.runs[i])
		}
	}
	for n := len(ln.open) - 1; n >= 0; n-- {
		ln.slices.end(ln.open[n], last)
		open++
	}
	ln.slices.zero = zero
	ln.open, ln.order, ln.strays = nil, eventOrder{}, nil
	return open
}

// sort orders the events by time; those of one instant stay in the order of the
// file.
func (l *eventLog) sort() {
	order := make([]int, len(l.ns))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(l.ns[a], l.ns[b]) })
	out := eventLog{ns: make([]int64, len(order)), what: make([]uint32, len(order)), durs: map[int]int64{}, runs: map[int]int64{}}
	if l.value != nil {
		l.value = pad(l.value, len(order))
		out.value = make([]float64, len(order))
	}
	for i, o := range order {
		out.ns[i], out.what[i] = l.ns[o], l.what[o]
		if out.value != nil {
			out.value[i] = l.value[o]
		}
		if d, ok := l.durs[o]; ok {
			out.durs[i] = d
		}
		if r, ok := l.runs[o]; ok {
			out.runs[i] = r
		}
	}
	*l = out
}
