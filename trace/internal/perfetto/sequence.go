// SPDX-License-Identifier: Apache-2.0

package perfetto

import "math"

// A sequence is the state of one writer: what its packets refer to.
type sequence struct {
	id    uint32
	valid bool // the state was cleared and nothing was lost since
	seen  bool

	names, categories, annotations, values, tags table
	specs                                        map[uint64]StringID // GPU stages and queues

	clock    uint32 // default clock; 0 = none
	track    uint64
	hasTrack bool
	counters []uint64 // default tracks of extra counters
	doubles  []uint64
	sums     map[uint64]float64    // of incremental counters
	ticks    map[uint32]*tickClock // clocks of the sequence's own

	// The clock of the last time, and the track of the last event.
	clockID, machine uint32
	domain           ClockID
	tick             *tickClock
	laneTrack        uint64
	lane             int32 // 0 = none yet

	hasThread bool
	pid       int32
	tid       int64
	reference int64 // ns, that timestamp_delta_us count from
	timed     bool  // reference holds
}

// A table maps interned ids to strings: small ids by index.
type table struct {
	dense  []StringID
	sparse map[uint64]StringID
}

func (t *table) get(iid uint64) StringID {
	if iid < uint64(len(t.dense)) {
		return t.dense[iid]
	}
	if t.sparse == nil {
		return 0
	}
	return t.sparse[iid]
}

// put keeps the first string of an id.
func (t *table) put(iid uint64, id StringID) {
	if iid < uint64(len(t.dense)) {
		if t.dense[iid] == 0 {
			t.dense[iid] = id
		}
		return
	}
	if iid < uint64(2*len(t.dense)+64) {
		for uint64(len(t.dense)) < iid {
			t.dense = append(t.dense, t.sparse[uint64(len(t.dense))])
		}
		if old := t.sparse[iid]; old != 0 {
			id = old
		}
		t.dense = append(t.dense, id)
		return
	}
	if t.sparse == nil {
		t.sparse = map[uint64]StringID{}
	}
	if _, ok := t.sparse[iid]; !ok {
		t.sparse[iid] = id
	}
}

func (t *table) clear() {
	t.dense = t.dense[:0]
	clear(t.sparse)
}

// A StringID names a string of the trace: 0 is none.
type StringID uint32

// A stringTable holds each distinct string once.
type stringTable struct {
	list  []string
	at    map[string]StringID
	limit int
	full  int64
}

func (st *stringTable) init() {
	st.list = []string{""}
	st.at = map[string]StringID{"": 0}
}

// id returns the id of a string; the bytes are copied when they are new.
func (st *stringTable) id(b []byte) StringID {
	if id, ok := st.at[string(b)]; ok {
		return id
	}
	if len(st.list) > st.limit {
		if st.full++; st.full > 1 {
			return StringID(len(st.list) - 1)
		}
		b = []byte("(more names than are kept)")
	}
	s := string(b)
	id := StringID(len(st.list))
	st.list = append(st.list, s)
	st.at[s] = id
	return id
}

func (rd *Reader) intern(b []byte) StringID {
	n := rd.strings.full
	id := rd.strings.id(b)
	if rd.strings.full != n {
		rd.complain(NamesFull, "more than %d distinct strings", rd.strings.limit)
	}
	return id
}

// directSeqs bounds the sequences that are found by index.
const directSeqs = 4096

// maxSeqs bounds the others.
const maxSeqs = 1 << 16

// sequence returns the state of the packet's sequence, made when it is new.
func (rd *Reader) sequence() *sequence {
	pk := &rd.packet
	if !pk.hasSeq {
		rd.nobody.valid = false
		return &rd.nobody
	}
	var sq *sequence
	if pk.seq < directSeqs {
		for uint32(len(rd.seqs)) <= pk.seq {
			rd.seqs = append(rd.seqs, nil)
		}
		sq = rd.seqs[pk.seq]
	} else {
		sq = rd.seqMap[pk.seq]
	}
	if sq == nil {
		if len(rd.seqMap) >= maxSeqs {
			rd.complain(NoSequence, "more than %d sequences", maxSeqs)
			return &rd.nobody
		}
		sq = &sequence{id: pk.seq}
		if pk.seq < directSeqs {
			rd.seqs[pk.seq] = sq
		} else {
			rd.seqMap[pk.seq] = sq
		}
	}
	rd.last = sq
	return sq
}

// lossOrClear applies the packet's word on lost packets and cleared state.
func (rd *Reader) lossOrClear(sq *sequence) {
	pk := &rd.packet
	if pk.dropped != 0 && (sq.seen || pk.dropped != 1) {
		rd.complain(Lost, "packets of sequence %d were dropped before this one%s", pk.seq, lossReasons(pk.dropped))
	}
	sq.seen = true
	if sq == &rd.nobody {
		rd.complain(NoSequence, "a cleared state without a sequence id")
		return
	}
	if pk.flags&flagCleared == 0 {
		sq.valid, sq.timed = false, false
		return
	}
	sq.valid, sq.timed = true, false
	sq.names.clear()
	sq.categories.clear()
	sq.annotations.clear()
	sq.values.clear()
	sq.tags.clear()
	clear(sq.specs)
	clear(sq.sums)
	sq.clock, sq.track, sq.hasTrack = 0, 0, false
	sq.counters, sq.doubles = sq.counters[:0], sq.doubles[:0]
}

// usable says whether a packet that needs state has it.
func (rd *Reader) usable(sq *sequence) bool {
	sq.seen = true
	if rd.packet.flags&flagNeeds == 0 || sq.valid {
		return true
	}
	if sq == &rd.nobody {
		rd.complain(NoSequence, "a packet that needs the state of its sequence, and names none")
	} else {
		rd.complain(NeedsState, "a packet of sequence %d needs state that was lost or never sent", sq.id)
	}
	return false
}

// state takes the packet's defaults and interned data.
func (rd *Reader) state(sq *sequence) {
	pk := &rd.packet
	if sq == &rd.nobody {
		rd.complain(NoSequence, "defaults or interned data without a sequence id")
		return
	}
	if pk.defaults.at != 0 {
		rd.setDefaults(sq, pk.defaults)
	}
	if len(pk.interned) > 0 && !sq.valid {
		rd.complain(NeedsState, "interned data of sequence %d, whose state was lost or never cleared", sq.id)
		return
	}
	for _, s := range pk.interned {
		rd.addInterned(sq, s)
	}
}

// setDefaults reads TracePacketDefaults. New defaults replace the old ones.
func (rd *Reader) setDefaults(sq *sequence, s span) {
	b, bad := rd.win.b, false
	sq.clock, sq.track, sq.hasTrack = 0, 0, false
	sq.counters, sq.doubles = sq.counters[:0], sq.doubles[:0]
	for f := (field{}); s.next(b, &f, &bad); {
		switch {
		case f.num == packetClockID && f.wire == wireVarint:
			sq.clock = uint32(f.val)
		case f.num == packetTrackEvent && f.wire == wireBytes:
			in := f.span
			for g := (field{}); in.next(b, &g, &bad); {
				switch {
				case g.num == eventTrack && g.wire == wireVarint:
					sq.track, sq.hasTrack = g.val, true
				case g.num == eventExtraTracks:
					sq.counters = g.values(b, sq.counters, &bad)
				case g.num == eventExtraDoubleTracks:
					sq.doubles = g.values(b, sq.doubles, &bad)
				}
			}
		}
	}
	if bad {
		rd.complain(DamagedPacket, "packet defaults that cannot be decoded")
	}
}

// Field numbers of InternedData.
const (
	internedCategories  = 1
	internedNames       = 2
	internedAnnotations = 3
	internedGPUSpecs    = 24
	internedValues      = 29
	internedTags        = 43
)

// addInterned reads InternedData.
func (rd *Reader) addInterned(sq *sequence, s span) {
	b, bad := rd.win.b, false
	for f := (field{}); s.next(b, &f, &bad); {
		var t *table
		switch f.num {
		case internedNames:
			t = &sq.names
		case internedCategories:
			t = &sq.categories
		case internedAnnotations:
			t = &sq.annotations
		case internedValues:
			t = &sq.values
		case internedTags:
			t = &sq.tags
		case internedGPUSpecs:
		default:
			continue
		}
		if f.wire != wireBytes {
			continue
		}
		iid, text := rd.entry(f.span, &bad)
		switch {
		case iid == 0:
		case t != nil:
			t.put(iid, rd.intern(text)+emptyMark(text))
		default:
			if sq.specs == nil {
				sq.specs = map[uint64]StringID{}
			}
			sq.specs[iid] = rd.intern(text)
		}
	}
	if bad {
		rd.complain(DamagedPacket, "interned data that cannot be decoded")
	}
}

// emptyMark keeps an interned empty string apart from a missing one. It is
// taken off by known.
func emptyMark(text []byte) StringID {
	if len(text) == 0 {
		return interned
	}
	return 0
}

const interned StringID = math.MaxUint32

// entry reads the id and the text of an interned string.
func (rd *Reader) entry(s span, bad *bool) (iid uint64, text []byte) {
	b := rd.win.b
	for f := (field{}); s.next(b, &f, bad); {
		switch {
		case f.num == 1 && f.wire == wireVarint:
			iid = f.val
		case f.num == 2 && f.wire == wireBytes:
			text = f.span.bytes(b)
		}
	}
	return iid, text
}

// known returns the string of an interned id, and counts unknown ones.
func (rd *Reader) known(t *table, iid uint64) (StringID, bool) {
	id := t.get(iid)
	switch id {
	case 0:
		rd.complain(Unknown, "interned id %d is not defined in this state of sequence %d", iid, rd.packet.seq)
		return 0, false
	case interned:
		return 0, true
	}
	return id, true
}

// lossReasons spells out the bits of previous_packet_dropped.
func lossReasons(mask uint64) string {
	names := []string{"", "read gap", "chunk corrupted", "orphan continuation", "reassembly gap", "broken chain", "overwritten", "writer aborted", "shared memory full"}
	text := ""
	for i, name := range names {
		if mask>>i&1 != 0 && name != "" {
			text += ", " + name
		}
	}
	if text != "" {
		text = " (" + text[2:] + ")"
	}
	return text
}
