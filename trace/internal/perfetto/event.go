// SPDX-License-Identifier: Apache-2.0

package perfetto

import "math"

// Type is the type of an event.
type Type uint8

// The types. Legacy events have the type of their phase: Complete is X, the
// others that pair by an id have their phase in Legacy.Phase only.
const (
	Untyped  Type = iota
	Begin         // a slice begins on its track
	End           // the innermost open slice of its track ends
	Instant       // nothing but a time
	Counter       // a value of a counter track
	State         // the track changes its state to the name, or to none
	Complete      // a slice with its duration
)

// Field numbers of TrackEvent.
const (
	eventDelta             = 1
	eventCategoryIDs       = 3
	eventAnnotations       = 4
	eventLegacy            = 6
	eventType              = 9
	eventNameID            = 10
	eventTrack             = 11
	eventExtraValues       = 12
	eventAbsolute          = 16
	eventCategories        = 22
	eventName              = 23
	eventCounter           = 30
	eventExtraTracks       = 31
	eventFlowsOld          = 36
	eventEndFlowsOld       = 42
	eventDouble            = 44
	eventExtraDoubleTracks = 45
	eventExtraDoubles      = 46
	eventFlows             = 47
	eventEndFlows          = 48
	eventCorrelation       = 52
	eventCorrelationText   = 53
	eventCorrelationID     = 54
)

// An Event is one TrackEvent.
type Event struct {
	Type     Type
	Track    uint64 // uuid, its own or the default one
	HasTrack bool   // false: a legacy event on the thread of its sequence, or uuid 0
	Lane     int32  // number of the track's uuid, from 1 by first sight
	Seq      uint32
	Machine  uint32

	Ns      int64   // trace time; of a pending event its own clock's
	Clock   ClockID // of a pending event
	Pending bool    // the clock is not known yet: see Reader.Resolve

	Name     StringID
	Category StringID // several are joined by commas

	Value    float64 // of a counter, absolute
	Extra    []Sample
	Flows    []uint64
	EndFlows []uint64

	Correlation    uint64
	CorrelationTag StringID

	HasThread bool // Pid and Tid are the sequence's thread
	Pid       int32
	Tid       int64

	HasLegacy bool
	Legacy    Legacy

	buf         []byte
	annotations []span
	rare        bool // fields beyond type, track, name, category, annotations are set
}

// A Sample is a value of a counter track that an event brings along.
type Sample struct {
	Track uint64
	Value float64
}

// event decodes the packet's track event.
func (rd *Reader) event(sq *sequence) Kind {
	if !rd.usable(sq) {
		return None
	}
	rd.owner = sq
	ev, pk := &rd.Event, &rd.packet
	if ev.rare {
		*ev = Event{Extra: ev.Extra[:0], Flows: ev.Flows[:0], EndFlows: ev.EndFlows[:0], annotations: ev.annotations[:0]}
	} else {
		ev.annotations = ev.annotations[:0]
		ev.Name, ev.Category, ev.Value = 0, 0, 0
	}
	var s span
	ev.buf, s = rd.eventBytes()
	parts := &rd.parts
	if parts.more {
		parts.reset()
	} else {
		parts.typ, parts.nameID, parts.category, parts.name = 0, 0, 0, span{}
	}
	ev.Track, ev.HasTrack = sq.track, sq.hasTrack
	ev.Seq, ev.Machine = pk.seq, pk.machine
	if !rd.scanEvent(ev, parts, s) {
		rd.complain(DamagedPacket, "a track event of %d bytes that cannot be decoded", s.end-s.at)
		return None
	}
	if !rd.stamp(sq, ev, parts) {
		return None
	}
	if parts.nameID != 0 {
		if id := sq.names.get(parts.nameID); id != 0 && id != interned {
			ev.Name = id
		} else {
			ev.Name, _ = rd.known(&sq.names, parts.nameID)
		}
	} else if parts.name.at != 0 {
		ev.Name = rd.intern(parts.name.bytes(ev.buf))
	}
	if parts.category != 0 {
		ev.Category = rd.category(sq, parts.category)
	}
	if ev.Lane = sq.lane; ev.Lane == 0 || sq.laneTrack != ev.Track {
		ev.Lane = rd.laneOf(sq, ev.Track)
	}
	ev.Type = Type(parts.typ)
	if parts.typ > uint64(State) {
		ev.Type = Untyped
	}
	if parts.more || !ev.HasTrack || ev.Type == Untyped || ev.Type == Counter {
		return rd.eventRest(sq, ev, parts)
	}
	return EventRecord
}

// scanEvent finds the fields of an event.
func (rd *Reader) scanEvent(ev *Event, parts *eventParts, s span) bool {
	b, p, end := ev.buf, s.at, s.end
	for p < end {
		switch c := b[p]; c {
		case eventType << 3:
			parts.typ, p = uvarint(b, p+1)
		case eventNameID << 3:
			parts.nameID, p = uvarint(b, p+1)
		case eventTrack << 3:
			ev.Track, p = uvarint(b, p+1)
			ev.HasTrack = true
		case eventCategoryIDs << 3:
			var v uint64
			v, p = uvarint(b, p+1)
			if parts.category == 0 && len(parts.categories) == 0 {
				parts.category = v
			} else {
				parts.addCategory(v)
			}
		case eventAnnotations<<3 | wireBytes:
			n, q := uvarint(b, p+1)
			if q > end || n > uint64(end-q) {
				return false
			}
			p = q + int(n)
			ev.annotations = append(ev.annotations, span{q, p})
		default:
			if p = parts.rare(b, p, end); p > end {
				return false
			}
		}
	}
	return p == end && !parts.bad
}

// stamp gives the event its time.
func (rd *Reader) stamp(sq *sequence, ev *Event, parts *eventParts) bool {
	pk := &rd.packet
	if parts.more && (parts.hasDelta || parts.hasAbsolute) {
		return rd.legacyTime(sq, ev, parts)
	}
	if !pk.hasTime {
		// Perfetto drops these; the time of the last packet is not far off.
		if rd.latest == 0 {
			rd.complain(NoTime, "an event without a time")
			return false
		}
		ev.Ns, ev.Pending = rd.latest, false
		return true
	}
	if pk.clock|sq.clock == 0 && pk.time <= math.MaxInt64 {
		ev.Ns, ev.Pending = int64(pk.time), false
	} else {
		st, ok := rd.time(sq)
		if !ok {
			rd.complain(NoTime, "time %d of clock %d cannot be used", pk.time, max(pk.clock, sq.clock))
			return false
		}
		ev.Ns, ev.Clock, ev.Pending = st.ns, st.clock, st.pending
		if st.pending {
			return true
		}
	}
	if ev.Ns > rd.latest {
		rd.latest = ev.Ns
	}
	return true
}

// laneOf returns the number of a track's uuid, for the sequence to remember.
func (rd *Reader) laneOf(sq *sequence, track uint64) int32 {
	sq.laneTrack, sq.lane = track, rd.Lane(track)
	return sq.lane
}

// Lane returns the number of a track's uuid, as events have it.
func (rd *Reader) Lane(track uint64) int32 {
	n, ok := rd.lanes[track]
	if !ok {
		n = int32(len(rd.lanes) + 1)
		rd.lanes[track] = n
	}
	return n
}
