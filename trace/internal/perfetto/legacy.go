// SPDX-License-Identifier: Apache-2.0

package perfetto

import "math"

// Legacy is what an event keeps of a Trace Event JSON event it was made from.
type Legacy struct {
	Phase      byte
	DurNs      int64 // of phase X
	IDKind     IDKind
	ID         uint64
	Scope      StringID // of the id
	BindID     uint64
	HasBind    bool
	Enclosing  bool  // a flow's end binds to the slice around it
	Direction  uint8 // of BindID: 1 in, 2 out, 3 both
	InstantFor uint8 // 1 global, 2 process, 3 thread

	HasPid, HasTid bool // the event is of another process or thread
	Pid, Tid       int32
}

// IDKind is how far a legacy id is valid.
type IDKind uint8

// The kinds of ids.
const (
	NoID IDKind = iota
	UnscopedID
	LocalID // within the process
	GlobalID
)

// phaseType returns the type of a phase. Asynchronous phases and flows have none:
// they pair by id.
func phaseType(phase byte) Type {
	switch phase {
	case 'B':
		return Begin
	case 'E':
		return End
	case 'X':
		return Complete
	case 'i', 'I', 'R':
		return Instant
	}
	return Untyped
}

// Field numbers of LegacyEvent.
const (
	legacyNameID    = 1
	legacyPhase     = 2
	legacyDuration  = 3
	legacyUnscoped  = 6
	legacyScope     = 7
	legacyBind      = 8
	legacyLocal     = 10
	legacyGlobal    = 11
	legacyEnclosing = 12
	legacyDirection = 13
	legacyInstant   = 14
	legacyPid       = 18
	legacyTid       = 19
)

// legacy reads a LegacyEvent.
func (rd *Reader) legacy(sq *sequence, ev *Event, s span) {
	ev.HasLegacy = true
	lg, bad := &ev.Legacy, false
	*lg = Legacy{}
	for f := (field{}); s.next(ev.buf, &f, &bad); {
		if f.num == legacyScope && f.wire == wireBytes {
			lg.Scope = rd.intern(f.span.bytes(ev.buf))
		}
		if f.wire != wireVarint {
			continue
		}
		switch v := f.val; f.num {
		case legacyNameID:
			if rd.parts.nameID == 0 && v != 0 {
				ev.Name, _ = rd.known(&sq.names, v)
			}
		case legacyPhase:
			lg.Phase = byte(v)
		case legacyDuration:
			if us := int64(v); us >= 0 && us < math.MaxInt64/1000 {
				lg.DurNs = us * 1000
			}
		case legacyUnscoped:
			lg.IDKind, lg.ID = UnscopedID, v
		case legacyLocal:
			lg.IDKind, lg.ID = LocalID, v
		case legacyGlobal:
			lg.IDKind, lg.ID = GlobalID, v
		case legacyBind:
			lg.BindID, lg.HasBind = v, true
		case legacyEnclosing:
			lg.Enclosing = v != 0
		case legacyDirection:
			lg.Direction = uint8(v)
		case legacyInstant:
			lg.InstantFor = uint8(v)
		case legacyPid:
			lg.Pid, lg.HasPid = int32(v), true
		case legacyTid:
			lg.Tid, lg.HasTid = int32(v), true
		}
	}
	if bad {
		rd.complain(DamagedPacket, "a legacy event that cannot be decoded to its end")
	}
}

// legacyTime gives an event the time in its own old fields: microseconds of the
// monotonic clock, absolute or since the sequence's thread descriptor and the
// events after it.
func (rd *Reader) legacyTime(sq *sequence, ev *Event, parts *eventParts) bool {
	us := parts.absolute
	if parts.hasDelta {
		us = parts.delta
	}
	if us > math.MaxInt64/1000 || us < math.MinInt64/1000 {
		rd.complain(NoTime, "an event at %d µs", us)
		return false
	}
	ns := us * 1000
	if parts.hasDelta {
		if !sq.timed {
			rd.complain(NoTime, "a time since a thread descriptor that sequence %d does not have", sq.id)
			return false
		}
		sq.reference = addSat(sq.reference, ns)
		ns = sq.reference
	}
	if clock, ok := rd.clocks.domain(clockKey{machine: rd.packet.machine, id: ClockMonotonic}); ok {
		if t, ok := rd.clocks.trace(clock, ns); ok {
			ns = t
		}
	}
	ev.Ns, ev.Pending = ns, false
	rd.latest = max(rd.latest, ns)
	return true
}

// Field numbers of ThreadDescriptor.
const (
	threadPid       = 1
	threadTid       = 2
	threadName      = 5
	threadReference = 6
)

// threadDescriptor makes a thread the one that a sequence's events without a
// track are of, and its time the one that their times count from.
func (rd *Reader) threadDescriptor(sq *sequence, s span) {
	if sq == &rd.nobody {
		rd.complain(NoSequence, "a thread descriptor without a sequence id")
		return
	}
	if !sq.valid {
		rd.complain(NeedsState, "a thread descriptor of sequence %d, whose state was lost or never cleared", sq.id)
		return
	}
	sq.hasThread, sq.timed, sq.reference = true, true, 0
	b, bad := rd.win.b, false
	for f := (field{}); s.next(b, &f, &bad); {
		if f.wire != wireVarint {
			continue
		}
		switch f.num {
		case threadPid:
			sq.pid = int32(f.val)
		case threadTid:
			sq.tid = int64(f.val)
		case threadReference:
			if us := int64(f.val); us > math.MinInt64/1000 && us < math.MaxInt64/1000 {
				sq.reference = us * 1000
			}
		}
	}
}
