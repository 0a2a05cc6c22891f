// SPDX-License-Identifier: Apache-2.0

package xspace

// A rawEvent is the scalar part of an XEvent.
type rawEvent struct {
	id, offset, dur, occurrences int64
	aggregated                   bool
}

// decodeEvent decodes the fields of an XEvent in any order; later ones win, also
// between the members of the oneof. Stats are checked to be framed, and left in
// raw.
func decodeEvent(raw []byte) (ev rawEvent, ok bool) {
	for p := 0; p < len(raw); {
		f, next := nextField(raw, p)
		if next < 0 {
			return ev, false
		}
		p = next
		if f.wire != wireVarint {
			continue
		}
		switch f.num {
		case eventID:
			ev.id = int64(f.val)
		case eventOffset:
			ev.offset, ev.occurrences, ev.aggregated = int64(f.val), 0, false
		case eventDuration:
			ev.dur = int64(f.val)
		case eventOccurrences:
			ev.offset, ev.occurrences, ev.aggregated = 0, int64(f.val), true
		}
	}
	return ev, true
}

// slowEvent appends an event of any shape to the batch, or counts it as damaged.
func (sc *scanner) slowEvent(raw []byte) {
	switch sc.mode {
	case modeCount:
		sc.total++
		return
	case modeRecord:
		sc.recordEvent(raw)
		return
	}
	ev, ok := decodeEvent(raw)
	if !ok {
		sc.problem(CodeEvent, "an event does not parse: it is left out")
		return
	}
	k := sc.k
	sc.cols.meta[k] = sc.index(ev.id)
	sc.cols.start[k] = ev.offset + sc.ts
	sc.cols.dur[k] = ev.dur
	sc.cols.flags[k] = 0
	if !sc.slowStats(raw, k) {
		for i := range sc.opts.Want {
			sc.vals[i].Kind[k] = NoValue
		}
		sc.problem(CodeEvent, "a stat of an event does not parse: the event is left out")
		return
	}
	if ev.aggregated {
		sc.aggregated(k, ev.occurrences)
	} else if sc.aggr {
		sc.occ[k] = 0
	}
	sc.k++
}

// aggregated notes that event k stands for n occurrences.
func (sc *scanner) aggregated(k int, n int64) {
	if !sc.aggr {
		if sc.occ == nil {
			sc.occ = make([]int64, maxBatch)
		}
		clear(sc.occ)
		sc.aggr = true
	}
	sc.occ[k] = n
	sc.cols.flags[k] |= Aggregated
}

// slowStats decodes the stats of the event that are asked for, or all of them in
// strict mode, into row k.
func (sc *scanner) slowStats(raw []byte, k int) bool {
	if sc.mode == modePlain && !sc.opts.Strict {
		return true
	}
	var pair devicePair
	for p := 0; p < len(raw); {
		f, next := nextField(raw, p)
		p = next
		if f.num != eventStats || f.wire != wireBytes {
			continue
		}
		rs, ok := decodeStat(f.raw)
		if !ok {
			return false
		}
		if role := sc.stats.role(rs.id); role != 0 {
			sc.take(role, rs, k, &pair)
		}
	}
	sc.pair(&pair, k)
	return true
}

// A devicePair collects the two device times of an event.
type devicePair struct {
	val  [2]int64
	have [2]bool
}

// pair makes the device times those of event k if both are there.
func (sc *scanner) pair(dp *devicePair, k int) {
	if dp.have[0] && dp.have[1] {
		sc.cols.start[k], sc.cols.dur[k] = dp.val[0], dp.val[1]
		sc.cols.flags[k] |= OnDevice
	}
}

// take stores a decoded stat that has a role in row k, unless one was stored for
// it before, and returns how many roles it fills.
func (sc *scanner) take(role statRole, rs rawStat, k int, pair *devicePair) (filled int) {
	if d := role >> roleShift; d != 0 && (rs.kind == Uint || rs.kind == Int) && !pair.have[d-1] {
		pair.val[d-1], pair.have[d-1] = int64(rs.bits), true
		filled++
	}
	c := int(role & roleColumn)
	if c == 0 || rs.kind == NoValue {
		return filled
	}
	col := &sc.vals[c-1]
	if col.Kind[k] != NoValue {
		return filled
	}
	bits := rs.bits
	switch rs.kind {
	case Ref:
		bits = sc.refIndex(bits)
	case String, Bytes:
		bits = uint64(sc.offsetOf(rs.raw))<<32 | uint64(len(rs.raw))
		sc.held = true
	}
	col.Kind[k], col.Bits[k] = rs.kind, bits
	sc.found = true
	return filled + 1
}

// refIndex returns the plane's index of the stat metadata with that id.
func (sc *scanner) refIndex(id uint64) uint64 {
	if id < uint64(len(sc.refs)) {
		return uint64(sc.refs[id] - 1)
	}
	return uint64(sc.pl.statIndex(int64(id), sc.sec.part))
}

// An Event is one XEvent whole, as [Line.Events] reads and [LineWriter.Event]
// writes it: the times are those of the wire, relative to the line. Raw bytes of
// its stats view a window that moves on.
type Event struct {
	MetadataID  int64
	OffsetPs    int64
	DurationPs  int64
	Aggregated  bool  // Occurrences stands in place of OffsetPs
	Occurrences int64 // num_occurrences
	Stats       []Stat
}

// Events decodes every event of the line with all its stats, in file order, until
// yield returns false: for copying a line, at ten times the cost of Scan or more.
// The event is reused; nothing in it may be kept after yield returns. Each event
// comes with the timestamp_ns of the message that holds it. Damage and errors are
// as for Scan.
func (ln *Line) Events(yield func(timestampNs int64, ev *Event) bool) error {
	if err := ln.pl.Load(); err != nil {
		return err
	}
	sc := newScanner(ln, ScanOptions{})
	defer sc.release()
	sc.mode, sc.record = modeRecord, yield
	for i := range ln.Sections() {
		if err := sc.section(i, nil); err != nil || sc.stopped {
			return err
		}
	}
	ln.probs.replace(sc.probs.snapshot())
	return nil
}

// recordEvent decodes an event whole and hands it on.
func (sc *scanner) recordEvent(raw []byte) {
	re, ok := decodeEvent(raw)
	ev := &sc.event
	*ev = Event{re.id, re.offset, re.dur, re.aggregated, re.occurrences, ev.Stats[:0]}
	for p := 0; ok && p < len(raw); {
		var f field
		f, p = nextField(raw, p)
		if f.num == eventStats && f.wire == wireBytes {
			var st Stat
			st, ok = sc.pl.stat(f.raw, sc.sec.part)
			ev.Stats = append(ev.Stats, st)
		}
	}
	if !ok {
		sc.problem(CodeEvent, "an event does not parse: it is left out")
		return
	}
	sc.total++
	sc.stopped = !sc.record(sc.sec.ts, ev)
}
