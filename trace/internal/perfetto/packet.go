// SPDX-License-Identifier: Apache-2.0

package perfetto

// Field numbers of TracePacket. Payloads not listed are counted and skipped.
const (
	packetProcessTree    = 2
	packetClockSnapshot  = 6
	packetTimestamp      = 8
	packetSequence       = 10
	packetTrackEvent     = 11
	packetInterned       = 12
	packetFlags          = 13
	packetStats          = 35
	packetCleared        = 41
	packetDropped        = 42
	packetProcess        = 43
	packetThread         = 44
	packetZlib           = 50
	packetGPUCounter     = 52
	packetGPUStage       = 53
	packetClockID        = 58
	packetDefaults       = 59
	packetTrack          = 60
	packetMachine        = 98
	packetFirst          = 87
	packetAttributes     = 126
	packetZstd           = 133
	packetSynchroniation = 36
)

// PrivateField is a field of TracePacket, in its range for extensions, that holds
// what our own writer adds for our own reader. Others skip it.
const PrivateField = 1871

const (
	flagCleared = 1
	flagNeeds   = 2
)

// A packet is what the first pass over a packet finds.
type packet struct {
	offset  int64
	time    uint64
	dropped uint64
	seq     uint32
	flags   uint32
	clock   uint32
	machine uint32
	hasTime bool
	hasSeq  bool
	several bool // the event is in several parts

	event    span // at is 0 if there is none: 0a and a length stand before
	interned []span
	defaults span
	payload  span
	kind     int // field number of payload
}

// decode reads one packet and returns the kind of record it is.
func (rd *Reader) decode(s span) Kind {
	if !rd.scan(s) {
		rd.complain(DamagedPacket, "a packet of %d bytes that cannot be decoded", s.end-s.at)
		return None
	}
	pk := &rd.packet
	sq := rd.last
	if sq == nil || sq.id != pk.seq || !pk.hasSeq {
		sq = rd.sequence()
	}
	if pk.flags&flagCleared != 0 || pk.dropped != 0 {
		rd.lossOrClear(sq)
	}
	if pk.defaults.at|len(pk.interned) != 0 {
		rd.state(sq)
	}
	if pk.event.at != 0 {
		return rd.event(sq)
	}
	if pk.kind != 0 {
		return rd.other(sq)
	}
	return None
}

// scan finds the fields of a packet.
func (rd *Reader) scan(s span) bool {
	b, pk := rd.win.b, &rd.packet
	*pk = packet{offset: pk.offset, interned: pk.interned[:0]}
	p, end := s.at, s.end
	for p < end {
		switch c := b[p]; c {
		case packetTimestamp << 3:
			pk.time, p = uvarint(b, p+1)
			pk.hasTime = true
		case packetSequence << 3:
			var v uint64
			v, p = uvarint(b, p+1)
			pk.seq, pk.hasSeq = uint32(v), true
		case packetFlags << 3:
			var v uint64
			v, p = uvarint(b, p+1)
			pk.flags |= uint32(v)
		case packetTrackEvent<<3 | wireBytes:
			n, q := uvarint(b, p+1)
			if q > end || n > uint64(end-q) {
				return false
			}
			if pk.event.at != 0 {
				rd.joinEvent(span{q, q + int(n)})
			} else {
				pk.event = span{q, q + int(n)}
			}
			p = q + int(n)
		default:
			if p = rd.scanRare(p, end); p > end {
				return false
			}
		}
	}
	return p == end
}

// scanRare reads a field of a packet that most packets lack.
func (rd *Reader) scanRare(p, end int) int {
	b, pk := rd.win.b, &rd.packet
	tag, p := tagOf(b, p)
	if p > end {
		return beyond
	}
	num := int(tag >> 3)
	switch tag & 7 {
	case wireVarint:
		v, p := uvarint(b, p)
		switch num {
		case packetTimestamp:
			pk.time, pk.hasTime = v, true
		case packetSequence:
			pk.seq, pk.hasSeq = uint32(v), true
		case packetFlags:
			pk.flags |= uint32(v)
		case packetCleared:
			if v != 0 {
				pk.flags |= flagCleared
			}
		case packetDropped:
			pk.dropped = v
		case packetClockID:
			pk.clock = uint32(v)
		case packetMachine:
			pk.machine = uint32(v)
		}
		return p
	case wireBytes:
		n, p := uvarint(b, p)
		if p > end || n > uint64(end-p) {
			return beyond
		}
		s := span{p, p + int(n)}
		switch num {
		case packetTrackEvent:
			pk.event = s
		case packetInterned:
			pk.interned = append(pk.interned, s)
		case packetDefaults:
			pk.defaults = s
		default:
			if pk.kind == 0 || num != packetSynchroniation {
				pk.payload, pk.kind = s, num
			}
		}
		return s.end
	}
	return skip(b, p, end, tag)
}

// joinEvent adds a further part to the packet's event. Protobuf says that the
// parts of a message are one message, read one after the other.
func (rd *Reader) joinEvent(s span) {
	pk := &rd.packet
	if !pk.several {
		rd.joined = append(rd.joined[:0], pk.event.bytes(rd.win.b)...)
		pk.several = true
	}
	rd.joined = append(rd.joined, s.bytes(rd.win.b)...)
}

// eventBytes is the buffer that the packet's event lies in.
func (rd *Reader) eventBytes() ([]byte, span) {
	pk := &rd.packet
	if !pk.several {
		return rd.win.b, pk.event
	}
	n := len(rd.joined)
	rd.joined = append(rd.joined, make([]byte, slack)...)
	return rd.joined, span{0, n}
}

// other decodes a payload that is no event.
func (rd *Reader) other(sq *sequence) Kind {
	pk := &rd.packet
	if pk.kind == packetClockSnapshot {
		rd.snapshot(sq)
		return None
	}
	if !rd.usable(sq) {
		return None
	}
	switch pk.kind {
	case packetZlib, packetZstd:
		rd.openBundle()
		return None
	case packetTrack:
		return rd.describe(sq)
	case packetProcessTree, packetProcess:
		return rd.processNames()
	case packetThread:
		rd.threadDescriptor(sq, pk.payload)
		return rd.processNames()
	case packetAttributes:
		return rd.attributes()
	case packetGPUCounter:
		return rd.gpuCounters(sq)
	case packetGPUStage:
		return rd.gpuStage(sq)
	case packetStats:
		return rd.serviceStats()
	case PrivateField:
		rd.Private = pk.payload.bytes(rd.win.b)
		return PrivateRecord
	}
	rd.fields[pk.kind]++
	return None
}
