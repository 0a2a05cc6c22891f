// SPDX-License-Identifier: Apache-2.0

package perfetto

import "math"

// A tickClock is a clock of a sequence. Of an incremental one, times are steps
// since the time before.
type tickClock struct {
	id    ClockID
	unit  uint64
	known bool  // a snapshot has named it
	steps bool  // it is incremental
	now   int64 // ns, of the last packet

	// Times taken before the first snapshot: how many and their sum, and how far
	// Resolve has come with them.
	early           int64
	earlySum        int64
	first           int64 // ns of the first snapshot
	replayed, sofar int64
}

// Field numbers of ClockSnapshot and its clocks.
const (
	snapshotClocks  = 1
	snapshotPrimary = 2

	clockID          = 1
	clockTimestamp   = 2
	clockIncremental = 3
	clockUnit        = 4
)

// snapshot reads a ClockSnapshot.
func (rd *Reader) snapshot(sq *sequence) {
	pk, b, bad := &rd.packet, rd.win.b, false
	var readings []clockReading
	s := pk.payload
	for f := (field{}); s.next(b, &f, &bad); {
		switch {
		case f.num == snapshotPrimary && f.wire == wireVarint:
			rd.clocks.primary = uint32(f.val)
		case f.num == snapshotClocks && f.wire == wireBytes && len(readings) < maxReadings:
			if e, ok := rd.reading(sq, f.span, &bad); ok {
				readings = append(readings, e)
			}
		}
	}
	if bad {
		rd.complain(BadClock, "a clock snapshot that cannot be decoded")
		return
	}
	if !rd.clocks.add(pk.machine, readings) {
		rd.complain(BadClock, "more clock snapshots than are kept")
	}
}

// reading reads one clock of a snapshot.
func (rd *Reader) reading(sq *sequence, s span, bad *bool) (e clockReading, ok bool) {
	b, unit, steps := rd.win.b, uint64(1), false
	var id uint32
	var value uint64
	for f := (field{}); s.next(b, &f, bad); {
		if f.wire != wireVarint {
			continue
		}
		switch f.num {
		case clockID:
			id = uint32(f.val)
		case clockTimestamp:
			value = f.val
		case clockIncremental:
			steps = f.val != 0
		case clockUnit:
			unit = max(1, f.val)
		}
	}
	ns, fits := scale(value, unit)
	key, known := rd.clockKey(sq, id)
	if *bad || id == 0 || !fits || !known {
		rd.complain(BadClock, "clock %d at %d units of %d ns in a snapshot of sequence %d", id, value, unit, sq.id)
		return e, false
	}
	clock, ok := rd.clocks.domain(key)
	if !ok {
		rd.complain(BadClock, "more than %d clocks", maxDomains)
	}
	if ok && key.seq != 0 {
		tk := rd.ticks(sq, id, clock)
		if !tk.known {
			tk.first = ns
		}
		tk.unit, tk.known, tk.steps, tk.now = unit, true, steps, ns
	}
	return clockReading{clock, ns}, ok
}

func (rd *Reader) ticks(sq *sequence, id uint32, clock ClockID) *tickClock {
	tk := sq.ticks[id]
	if tk == nil {
		tk = &tickClock{id: clock, unit: 1}
		if sq.ticks == nil {
			sq.ticks = map[uint32]*tickClock{}
		}
		sq.ticks[id] = tk
		rd.clocks.domains[clock].ticks = tk
	}
	return tk
}

// clockKey names the clock of an id in a packet of the sequence.
func (rd *Reader) clockKey(sq *sequence, id uint32) (clockKey, bool) {
	k := clockKey{machine: rd.packet.machine, id: id}
	if id >= firstSequenceClock && id <= lastSequenceClock {
		k.seq = sq.id
		return k, sq.id != 0
	}
	return k, true
}

// A stamp is a packet's time. A time whose clock is not related to trace time yet
// is pending: Resolve gives it at the end of the file.
type stamp struct {
	ns      int64
	clock   ClockID
	pending bool
}

// time resolves the packet's timestamp.
func (rd *Reader) time(sq *sequence) (st stamp, ok bool) {
	pk := &rd.packet
	id := pk.clock
	if id == 0 {
		id = sq.clock
	}
	if id == 0 {
		return stamp{ns: int64(pk.time)}, pk.time <= math.MaxInt64
	}
	if sq.clockID != id || sq.machine != pk.machine {
		key, ok := rd.clockKey(sq, id)
		if !ok {
			return st, false
		}
		if st.clock, ok = rd.clocks.domain(key); !ok {
			return st, false
		}
		sq.clockID, sq.machine, sq.domain, sq.tick = id, pk.machine, st.clock, nil
		if key.seq != 0 {
			sq.tick = rd.ticks(sq, id, st.clock)
		}
	}
	st.clock = sq.domain
	if tk := sq.tick; tk == nil {
		st.ns, ok = int64(pk.time), pk.time <= math.MaxInt64
	} else {
		if st.ns, ok = scale(pk.time, tk.unit); ok && !tk.known {
			tk.early++
			tk.earlySum = addSat(tk.earlySum, st.ns)
			st.pending = true
			return st, true
		}
		if tk.steps {
			tk.now = addSat(tk.now, st.ns)
			st.ns = tk.now
		}
	}
	if t, resolved := rd.clocks.trace(st.clock, st.ns); resolved {
		st.ns = t
	} else {
		st.pending = true
	}
	return st, ok
}

// Resolve returns the trace time of a pending event, once the whole file is read.
// It must be called once for each of them, in their order. A clock that no
// snapshot relates to the trace's has no trace time, unless it is the only one in
// the file: then it is trace time.
func (rd *Reader) Resolve(clock ClockID, ns int64) (int64, bool) {
	c := &rd.clocks
	if tk := c.domains[clock].ticks; tk != nil && tk.replayed < tk.early {
		// From before the clock's first snapshot. Steps lead up to it.
		tk.replayed++
		tk.sofar = addSat(tk.sofar, ns)
		switch unit := int64(min(tk.unit, math.MaxInt32)); {
		case tk.steps:
			ns = tk.first - (tk.earlySum-tk.sofar)*unit
		case tk.known:
			ns *= unit
		}
	}
	if t, ok := c.trace(clock, ns); ok {
		return t, true
	}
	if len(c.target) == 0 && len(c.domains) == 1 {
		return ns, true
	}
	return 0, false
}

// Origin returns the Unix time in ns of trace time 0, if a snapshot says it.
func (rd *Reader) Origin() (int64, bool) {
	return rd.clocks.wall - rd.clocks.wallAt, rd.clocks.wall != 0
}
