// SPDX-License-Identifier: Apache-2.0

package xspace

// Wire types of protocol buffers. Groups (3, 4) are not used by XSpace and count
// as damage.
const (
	wireVarint = 0
	wireI64    = 1
	wireBytes  = 2
	wireI32    = 5
)

// Field numbers of tensorflow.profiler.XSpace and the messages below it.
const (
	spacePlanes    = 1
	spaceErrors    = 2
	spaceWarnings  = 3
	spaceHostnames = 4

	planeID     = 1
	planeName   = 2
	planeLines  = 3
	planeEvents = 4
	planeStats  = 5
	planeStat   = 6

	lineID          = 1
	lineName        = 2
	lineTimestamp   = 3
	lineEvents      = 4
	lineDuration    = 9
	lineDisplayID   = 10
	lineDisplayName = 11

	eventID          = 1
	eventOffset      = 2
	eventDuration    = 3
	eventStats       = 4
	eventOccurrences = 5

	statID     = 1
	statDouble = 2
	statUint   = 3
	statInt    = 4
	statString = 5
	statBytes  = 6
	statRefTo  = 7

	mapKey   = 1
	mapValue = 2

	metaID          = 1
	metaName        = 2
	metaBytes       = 3
	metaDisplayName = 4
	metaStats       = 5
	metaChildren    = 6
	metaDescription = 3 // of XStatMetadata
)

// tagEvent is the tag byte of an event in a line and of a stat in an event.
const tagEvent = lineEvents<<3 | wireBytes

// uvarint decodes the varint at b[p:]. It returns the position behind it, or -1
// when it runs past b or past 64 bits.
func uvarint(b []byte, p int) (v uint64, next int) {
	if p < len(b) && b[p] < 0x80 {
		return uint64(b[p]), p + 1
	}
	for shift := uint(0); shift < 70; shift += 7 {
		if p >= len(b) {
			return 0, -1
		}
		c := b[p]
		p++
		if shift == 63 && c > 1 {
			return 0, -1
		}
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v, p
		}
	}
	return 0, -1
}

// A field is one tag and value of a message held in memory.
type field struct {
	num  int
	wire int
	val  uint64 // varint, fixed64 or fixed32
	raw  []byte // length-delimited
}

// nextField decodes the field at b[p:]. It returns the position behind it, or -1
// for damage: a bad tag, an unsupported wire type, a value past the end of b.
func nextField(b []byte, p int) (f field, next int) {
	tag, p := uvarint(b, p)
	if p < 0 || tag>>3 == 0 || tag>>3 > 1<<29-1 {
		return f, -1
	}
	f.num, f.wire = int(tag>>3), int(tag&7)
	switch f.wire {
	case wireVarint:
		f.val, p = uvarint(b, p)
		return f, p
	case wireBytes:
		n, p := uvarint(b, p)
		if p < 0 || n > uint64(len(b)-p) {
			return f, -1
		}
		f.raw = b[p : p+int(n) : p+int(n)]
		return f, p + int(n)
	case wireI64:
		if len(b)-p < 8 {
			return f, -1
		}
		f.val = le64(b[p:])
		return f, p + 8
	case wireI32:
		if len(b)-p < 4 {
			return f, -1
		}
		f.val = uint64(b[p]) | uint64(b[p+1])<<8 | uint64(b[p+2])<<16 | uint64(b[p+3])<<24
		return f, p + 4
	}
	return f, -1
}

func le64(b []byte) uint64 {
	_ = b[7]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}
