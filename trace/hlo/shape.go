// SPDX-License-Identifier: Apache-2.0

package hlo

import (
	"math"
	"math/bits"
	"strconv"
)

// ElementType is the type of an array's elements, or the kind of a shape that
// is no array. The values are those of XLA's PrimitiveType.
type ElementType uint8

// Element types that code asks for by name; the others are in typeInfo.
const (
	Invalid ElementType = 0
	Pred    ElementType = 1
	S32     ElementType = 4
	F16     ElementType = 10
	F32     ElementType = 11
	Tuple   ElementType = 13
	Opaque  ElementType = 14
	BF16    ElementType = 16
	Token   ElementType = 17
	Buffer  ElementType = 34
)

// typeInfo gives each element type's name in HLO text and its bits.
var typeInfo = [...]struct {
	name string
	bits int64
}{
	0: {"invalid", 0}, 1: {"pred", 8}, 2: {"s8", 8}, 3: {"s16", 16},
	4: {"s32", 32}, 5: {"s64", 64}, 6: {"u8", 8}, 7: {"u16", 16},
	8: {"u32", 32}, 9: {"u64", 64}, 10: {"f16", 16}, 11: {"f32", 32},
	12: {"f64", 64}, 13: {"tuple", 0}, 14: {"opaque", 0}, 15: {"c64", 64},
	16: {"bf16", 16}, 17: {"token", 0}, 18: {"c128", 128}, 19: {"f8e5m2", 8},
	20: {"f8e4m3fn", 8}, 21: {"s4", 4}, 22: {"u4", 4}, 23: {"f8e4m3b11fnuz", 8},
	24: {"f8e5m2fnuz", 8}, 25: {"f8e4m3fnuz", 8}, 26: {"s2", 2}, 27: {"u2", 2},
	28: {"f8e4m3", 8}, 29: {"f8e3m4", 8}, 30: {"s1", 1}, 31: {"u1", 1},
	32: {"f4e2m1fn", 4}, 33: {"f8e8m0fnu", 8}, 34: {"b", 0},
}

// String returns the type's name in HLO text, such as "bf16".
func (t ElementType) String() string {
	if int(t) < len(typeInfo) && typeInfo[t].name != "" {
		return typeInfo[t].name
	}
	return "type" + strconv.Itoa(int(t))
}

// Bits returns the size of one element without packing or padding, 0 for
// kinds that are no array.
func (t ElementType) Bits() int64 {
	if int(t) < len(typeInfo) {
		return typeInfo[t].bits
	}
	return 0
}

// elementType returns the type of that HLO text name.
func elementType(name string) (ElementType, bool) {
	for i := range typeInfo {
		if typeInfo[i].name == name {
			return ElementType(i), true
		}
	}
	return Invalid, false
}

// Shape is the type of a value: an array, a tuple of shapes, a token, or an
// opaque value. Shapes are shared between instructions: do not change them.
type Shape struct {
	Type   ElementType
	Dims   []int64 // sizes; the upper bound where a dimension is dynamic
	Layout *Layout // nil when the file states none
	Parts  []Shape // of a tuple (or the one part of a buffer)
}

// Layout says how an array lies in memory.
type Layout struct {
	MinorToMajor []int64
	Tiles        [][]int64 // -1 is a combined dimension, printed "*"
	MemorySpace  int64     // 0 default (HBM), 1 VMEM on TPU, 5 host
	ElementBits  int64     // bits of a packed element, 0 for the type's own
	TailAlign    int64     // padding of the tail, in elements
}

var noShape = &Shape{}

// Elements returns the number of elements of an array, or the sum over a
// tuple's parts. It stops at the largest int64.
func (s *Shape) Elements() int64 {
	if s.Type == Tuple || s.Type == Buffer {
		var n int64
		for i := range s.Parts {
			n = addSat(n, s.Parts[i].Elements())
		}
		return n
	}
	if s.Type.Bits() == 0 {
		return 0
	}
	n := int64(1)
	for _, d := range s.Dims {
		n = mulSat(n, d)
	}
	return n
}

// Bytes returns the size of the data without tiling padding; a tuple is the
// sum of its parts, without the table of pointers.
func (s *Shape) Bytes() int64 {
	if s.Type == Tuple || s.Type == Buffer {
		var n int64
		for i := range s.Parts {
			n = addSat(n, s.Parts[i].Bytes())
		}
		return n
	}
	b := s.Type.Bits()
	if s.Layout != nil && s.Layout.ElementBits > 0 && s.Layout.ElementBits < b {
		b = s.Layout.ElementBits
	}
	n := mulSat(s.Elements(), b)
	if n == math.MaxInt64 {
		return n
	}
	return (n + 7) / 8
}

// Space returns the memory space of an array: 0 default, 1 VMEM on TPU, 5 host.
func (s *Shape) Space() int64 {
	if s.Layout == nil {
		return 0
	}
	return s.Layout.MemorySpace
}

// String returns the shape as HLO text prints it:
// "bf16[1024,5120]{1,0:T(8,128)(2,1)S(1)}", "(f32[2]{0}, s32[])".
func (s *Shape) String() string { return string(s.appendText(nil, true)) }

// Dense returns the shape's text without layout: "bf16[1024,5120]".
func (s *Shape) Dense() string { return string(s.appendText(nil, false)) }

func (s *Shape) appendText(b []byte, layout bool) []byte {
	switch s.Type {
	case Tuple:
		b = append(b, '(')
		for i := range s.Parts {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = s.Parts[i].appendText(b, layout)
		}
		return append(b, ')')
	case Buffer:
		b = append(b, "b("...)
		for i := range s.Parts {
			b = s.Parts[i].appendText(b, layout)
		}
		return append(b, ')')
	}
	b = append(b, s.Type.String()...)
	b = append(b, '[')
	b = appendInts(b, s.Dims)
	b = append(b, ']')
	if layout && s.Layout != nil {
		b = s.Layout.appendText(b)
	}
	return b
}

func (l *Layout) appendText(b []byte) []byte {
	if len(l.MinorToMajor) == 0 && len(l.Tiles) == 0 && l.MemorySpace == 0 && l.ElementBits == 0 && l.TailAlign <= 1 {
		return b
	}
	b = append(b, '{')
	b = appendInts(b, l.MinorToMajor)
	colon := false
	sep := func() {
		if !colon {
			b = append(b, ':')
			colon = true
		}
	}
	for i, t := range l.Tiles {
		sep()
		if i == 0 {
			b = append(b, 'T')
		}
		b = append(b, '(')
		for j, d := range t {
			if j > 0 {
				b = append(b, ',')
			}
			if d < 0 {
				b = append(b, '*')
			} else {
				b = strconv.AppendInt(b, d, 10)
			}
		}
		b = append(b, ')')
	}
	for _, f := range [...]struct {
		letter byte
		v      int64
		show   bool
	}{{'L', l.TailAlign, l.TailAlign > 1}, {'E', l.ElementBits, l.ElementBits > 0}, {'S', l.MemorySpace, l.MemorySpace != 0}} {
		if f.show {
			sep()
			b = append(b, f.letter, '(')
			b = strconv.AppendInt(b, f.v, 10)
			b = append(b, ')')
		}
	}
	return append(b, '}')
}

func appendInts(b []byte, v []int64) []byte {
	for i, d := range v {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, d, 10)
	}
	return b
}

// mulSat multiplies two sizes and stops at the largest int64; a negative
// factor (a damaged file) counts as 0.
func mulSat(a, b int64) int64 {
	if a <= 0 || b <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if hi != 0 || lo > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(lo)
}

// addSat adds two sizes and stops at the largest int64.
func addSat(a, b int64) int64 {
	if s := a + b; s >= a || b < 0 {
		return s
	}
	return math.MaxInt64
}
