// SPDX-License-Identifier: Apache-2.0

package hlo

import (
	"errors"
	"fmt"
	"math"
)

var (
	errShapeDepth = fmt.Errorf("tuple nested deeper than %d", maxShapeDepth)
	errShapeParts = fmt.Errorf("more than %d tuple parts in the module", maxShapeParts)
)

// shape decodes ShapeProto. Equal bytes give the same Shape: a module repeats
// a few dozen shapes thousands of times.
func (r *reader) shape(b []byte) (*Shape, error) {
	if s, ok := r.shapes[string(b)]; ok {
		return s, nil
	}
	s := &Shape{}
	if err := r.shapeInto(b, s, 0); err != nil {
		return noShape, err
	}
	r.shapes[r.str(b)] = s
	return s, nil
}

// shapeInto decodes element type 2, dimensions 3, tuple parts 4, layout 5.
func (r *reader) shapeInto(b []byte, s *Shape, depth int) error {
	if depth > maxShapeDepth {
		return errShapeDepth
	}
	m := message{b: b}
	for m.next() {
		switch m.num {
		case 2:
			if x := m.int(); x >= 0 && x <= math.MaxUint8 {
				s.Type = ElementType(x)
			}
		case 3:
			s.Dims = r.list(&m, s.Dims)
		case 4:
			if !m.bytes() {
				continue
			}
			if s.Parts == nil {
				n := 1 + countParts(m.b)
				if r.parts += n; r.parts > maxShapeParts {
					return errShapeParts
				}
				s.Parts = make([]Shape, 0, n)
			}
			var part Shape
			if err := r.shapeInto(m.val, &part, depth+1); err != nil {
				return err
			}
			s.Parts = append(s.Parts, part)
		case 5:
			if !m.bytes() {
				continue
			}
			l, err := r.layout(m.val)
			if err != nil {
				return err
			}
			s.Layout = l
		}
	}
	return m.err
}

// countParts counts the tuple parts in the rest of a ShapeProto.
func countParts(rest []byte) int {
	n := 0
	for m := (message{b: rest}); m.next(); {
		if m.num == 4 && m.bytes() {
			n++
		}
	}
	return n
}

// layout decodes LayoutProto: minor-to-major 1, tiles 6 {dimensions 1},
// element bits 7, memory space 8, tail alignment 16.
func (r *reader) layout(b []byte) (*Layout, error) {
	l := &Layout{}
	m := message{b: b}
	for m.next() {
		switch m.num {
		case 1:
			l.MinorToMajor = r.list(&m, l.MinorToMajor)
		case 6:
			if !m.bytes() {
				continue
			}
			if len(l.Tiles) >= 64 {
				return nil, errors.New("layout with more than 64 tiles")
			}
			var dims []int64
			t := message{b: m.val}
			for t.next() {
				if t.num == 1 {
					dims = r.list(&t, dims)
				}
			}
			if t.err != nil {
				return nil, t.err
			}
			for i := range dims {
				dims[i] = max(dims[i], -1)
			}
			l.Tiles = append(l.Tiles, dims)
		case 7:
			l.ElementBits = m.int()
		case 8:
			l.MemorySpace = m.int()
		case 16:
			l.TailAlign = m.int()
		}
	}
	return l, m.err
}
