// SPDX-License-Identifier: Apache-2.0

package perfetto

import (
	"encoding/binary"
	"math/bits"
)

// Wire types of protocol buffers. Groups (3, 4) count as damage.
const (
	wireVarint = 0
	wireI64    = 1
	wireBytes  = 2
	wireI32    = 5
)

// slack is how many bytes can be read behind the end of any message: messages
// are decoded in place, eight bytes at a time.
const slack = 16

const tops = 0x8080808080808080

// uvarint decodes the varint at b[p:]. slack bytes can be read behind the message
// it is in; the caller checks that the position returned lies in it. A varint of
// more than ten bytes gives a position far behind any message.
//
// Note: the named results keep it below the compiler's budget for inlining (79 of
// 80); with plain returns it costs 88.
func uvarint(b []byte, p int) (v uint64, next int) {
	if v, next = uint64(b[p]), p+1; v >= 0x80 {
		v, next = longVarint(b, p)
	}
	return
}

// beyond is behind the end of every message.
const beyond = 1 << 60

func longVarint(b []byte, p int) (uint64, int) {
	x := binary.LittleEndian.Uint64(b[p : p+8])
	stops := ^x & tops
	if stops == 0 {
		return tenBytes(b, p, x)
	}
	return squeeze(x & (stops ^ (stops - 1))), p + bits.TrailingZeros64(stops)>>3 + 1
}

// squeeze returns the value of the varint whose bytes, and zeros, are x.
func squeeze(x uint64) uint64 {
	x = x&0x007f007f007f007f | x>>1&0x3f803f803f803f80
	x = x&0x00003fff00003fff | x>>2&0x0fffc0000fffc000
	return x&0x000000000fffffff | x>>4&0x00fffffff0000000
}

// tenBytes decodes a varint of nine or ten bytes.
func tenBytes(b []byte, p int, x uint64) (uint64, int) {
	v := squeeze(x) | uint64(b[p+8]&0x7f)<<56
	if b[p+8] < 0x80 {
		return v, p + 9
	}
	if b[p+9] > 1 {
		return 0, beyond
	}
	return v | uint64(b[p+9])<<63, p + 10
}

// tagOf decodes the tag at b[p:]: field number<<3 | wire type. Tags of more than
// two bytes go the long way.
func tagOf(b []byte, p int) (uint32, int) {
	c := uint32(b[p])
	if c < 0x80 {
		return c, p + 1
	}
	if d := uint32(b[p+1]); d < 0x80 {
		return c&0x7f | d<<7, p + 2
	}
	v, p := longVarint(b, p)
	if v > 1<<32-1 {
		return 0, beyond
	}
	return uint32(v), p
}

// skip returns the position behind the value of a field, or one behind any
// message if the tag is damaged.
func skip(b []byte, p, end int, tag uint32) int {
	if tag>>3 == 0 {
		return beyond
	}
	switch tag & 7 {
	case wireVarint:
		_, p = uvarint(b, p)
		return p
	case wireI64:
		return p + 8
	case wireI32:
		return p + 4
	case wireBytes:
		n, p := uvarint(b, p)
		if p > end || n > uint64(end-p) {
			return beyond
		}
		return p + int(n)
	}
	return beyond
}

// A span is a message in a buffer that has slack behind it.
type span struct{ at, end int }

func (s span) bytes(b []byte) []byte { return b[s.at:s.end:s.end] }

// A field is one tag and value of a message off the hot path.
type field struct {
	num  int
	wire int
	val  uint64 // varint, fixed64 or fixed32
	span        // of a length-delimited value
}

// next decodes the field at s.at and moves on. It returns false at the end of s,
// and sets bad for damage.
func (s *span) next(b []byte, f *field, bad *bool) bool {
	if s.at >= s.end || *bad {
		return false
	}
	tag, p := tagOf(b, s.at)
	if p > s.end || tag>>3 == 0 {
		*bad = true
		return false
	}
	f.num, f.wire = int(tag>>3), int(tag&7)
	q := p
	switch f.wire {
	case wireVarint:
		f.val, q = uvarint(b, p)
	case wireI64:
		if q = p + 8; q <= s.end {
			f.val = binary.LittleEndian.Uint64(b[p:])
		}
	case wireI32:
		if q = p + 4; q <= s.end {
			f.val = uint64(binary.LittleEndian.Uint32(b[p:]))
		}
	case wireBytes:
		n, at := uvarint(b, p)
		if at > s.end || n > uint64(s.end-at) {
			*bad = true
			return false
		}
		q = at + int(n)
		f.span = span{at, q}
	default:
		q = beyond
	}
	if q > s.end {
		*bad = true
		return false
	}
	s.at = q
	return true
}

// values appends the values of one occurrence of a repeated varint or fixed64
// field, packed or not.
func (f *field) values(b []byte, to []uint64, bad *bool) []uint64 {
	if f.wire != wireBytes {
		return append(to, f.val)
	}
	return packedVarints(b, f.span, to, bad)
}

func packedVarints(b []byte, s span, to []uint64, bad *bool) []uint64 {
	for p := s.at; p < s.end; {
		v, q := uvarint(b, p)
		if q > s.end {
			*bad = true
			return to
		}
		to, p = append(to, v), q
	}
	return to
}

func packedFixed(b []byte, s span, to []uint64, bad *bool) []uint64 {
	if (s.end-s.at)%8 != 0 {
		*bad = true
		return to
	}
	for p := s.at; p < s.end; p += 8 {
		to = append(to, binary.LittleEndian.Uint64(b[p:]))
	}
	return to
}
