// SPDX-License-Identifier: Apache-2.0

package hlo

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// message walks the fields of one protobuf message. After next returned true,
// num and typ describe the field and val (length-delimited) or x (varint and
// fixed) hold its value. A broken field ends the walk with err set.
type message struct {
	b   []byte
	num protowire.Number
	typ protowire.Type
	val []byte
	x   uint64
	err error
}

func (m *message) next() bool {
	if len(m.b) == 0 {
		return false
	}
	num, typ, n := protowire.ConsumeTag(m.b)
	if n < 0 {
		m.err = protowire.ParseError(n)
		return false
	}
	m.b = m.b[n:]
	m.num, m.typ, m.val = num, typ, nil
	switch typ {
	case protowire.VarintType:
		m.x, n = protowire.ConsumeVarint(m.b)
	case protowire.BytesType:
		m.val, n = protowire.ConsumeBytes(m.b)
	case protowire.Fixed32Type:
		var v uint32
		v, n = protowire.ConsumeFixed32(m.b)
		m.x = uint64(v)
	case protowire.Fixed64Type:
		m.x, n = protowire.ConsumeFixed64(m.b)
	default:
		n = protowire.ConsumeFieldValue(num, typ, m.b)
	}
	if n < 0 {
		m.err = protowire.ParseError(n)
		return false
	}
	m.b = m.b[n:]
	return true
}

// bytes reports whether the field is length-delimited.
func (m *message) bytes() bool { return m.typ == protowire.BytesType }

// int returns a varint field as a signed number; other wire types give 0.
func (m *message) int() int64 {
	if m.typ != protowire.VarintType {
		return 0
	}
	return int64(m.x)
}

// ints appends the values of a repeated integer field, packed or not.
func (m *message) ints(dst []int64) []int64 {
	switch m.typ {
	case protowire.VarintType:
		return append(dst, int64(m.x))
	case protowire.BytesType:
		for b := m.val; len(b) > 0; {
			x, n := protowire.ConsumeVarint(b)
			if n < 0 {
				if m.err == nil {
					m.err = protowire.ParseError(n)
					m.b = nil
				}
				return dst
			}
			dst = append(dst, int64(x))
			b = b[n:]
		}
	}
	return dst
}

// reader decodes one module. Strings are substrings of text, one copy of the
// input, so that decoding allocates per kind of thing and not per string.
//
// Note: string(field) for each string cost 5.1 allocations an instruction; one
// copy keeps the decoded module alive together with its input's size.
type reader struct {
	base []byte
	text string
	m    *Module

	ints   []int64           // slab for dimension lists
	ptrs   []*Instruction    // slab for operand lists
	tmp    []int64           // one list under way
	ops    []int64           // the operand ids under way
	shapes map[string]*Shape // by the ShapeProto's bytes
	parts  int               // tuple parts so far
	edges  int               // operands and calls so far

	calls   []pendingCalls
	missing *Instruction // stands for every operand that is not there
}

// pendingCalls are an instruction's called computations, resolved at the end
// because callees may follow their callers.
type pendingCalls struct {
	in  *Instruction
	ids []int64
}

// at returns a slice's offset in the input: all slices are cut from base, so
// the distance between their ends of capacity is the distance of their starts.
func (r *reader) at(v []byte) int { return cap(r.base) - cap(v) }

func (r *reader) str(v []byte) string {
	if len(v) == 0 {
		return ""
	}
	off := r.at(v)
	return r.text[off : off+len(v)]
}

// list reads a repeated integer field into the slab, at most maxRank values.
func (r *reader) list(m *message, old []int64) []int64 {
	if len(old) >= maxRank {
		return old
	}
	if len(m.val) > maxRank && m.bytes() {
		return old // no dimension list: drop it unread
	}
	r.tmp = m.ints(append(r.tmp[:0], old...))
	return r.keep(r.tmp[:min(len(r.tmp), maxRank)])
}

// idList reads a repeated id field of operands or calls, within the module's
// limit on both.
func (r *reader) idList(m *message, dst []int64) ([]int64, error) {
	n := 1
	if m.bytes() {
		n = 0
		for _, c := range m.val {
			if c < 0x80 {
				n++
			}
		}
	}
	if r.edges += n; r.edges > maxEdges(len(r.base)) {
		return dst, fmt.Errorf("more than %d operands and calls", maxEdges(len(r.base)))
	}
	return m.ints(dst), nil
}

// keep copies a temporary list into the slab.
func (r *reader) keep(v []int64) []int64 {
	if len(v) == 0 {
		return nil
	}
	if cap(r.ints)-len(r.ints) < len(v) {
		r.ints = make([]int64, 0, max(1024, len(v)))
	}
	n := len(r.ints)
	r.ints = append(r.ints, v...)
	return r.ints[n:len(r.ints):len(r.ints)]
}

// pointers returns an empty list with room for n operands.
func (r *reader) pointers(n int) []*Instruction {
	if cap(r.ptrs)-len(r.ptrs) < n {
		r.ptrs = make([]*Instruction, 0, max(1024, n))
	}
	at := len(r.ptrs)
	r.ptrs = r.ptrs[:at+n]
	return r.ptrs[at : at : at+n]
}

// fail names the place of a wire error.
func (r *reader) fail(v []byte, what string, err error) error {
	return fmt.Errorf("hlo: offset %#x: %s: %w", r.at(v), what, err)
}
