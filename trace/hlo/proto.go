// SPDX-License-Identifier: Apache-2.0

package hlo

import (
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// Limits of what a module may hold, so that a hostile file of tiny messages
// does not become a hundred times its size in memory.
const (
	maxShapeDepth  = 32
	maxShapeParts  = 1 << 20
	maxRank        = 1024    // values of one dimension list
	maxTable       = 1 << 20 // entries of a stack frame or buffer table
	minInstruction = 12      // bytes: name, opcode, shape and id need more
)

// maxInstructions returns the most instructions, or computations, of a module
// of n bytes. Real modules take 130 to 230 bytes an instruction.
func maxInstructions(n int) int { return max(3<<16, n/128) }

// maxEdges returns the most operands and called computations.
func maxEdges(n int) int { return max(1<<19, n/16) }

var errNotModule = errors.New("no HloModuleProto, HloProto, HloSnapshot or HloModuleProtoWithConfig")

// ParseProto decodes an HloModuleProto, or the module inside an HloProto, an
// HloSnapshot or an HloModuleProtoWithConfig; which of them is found out from
// the bytes. It keeps one copy of b and no reference to it.
func ParseProto(b []byte) (*Module, error) {
	mod, buffers, err := locate(b)
	if err != nil {
		return nil, err
	}
	r := &reader{base: b, text: string(b), m: &Module{}, shapes: map[string]*Shape{}}
	if buffers != nil {
		r.m.buffers = r.str(buffers)
	}
	if err := r.module(mod); err != nil {
		return nil, err
	}
	return r.m, nil
}

// locate finds the module's message in its wrappers, and the buffer
// assignment's message if there is one.
func locate(b []byte) (mod, buffers []byte, err error) {
	mod = b
	for range 3 {
		if looksLikeModule(mod) {
			return mod, buffers, nil
		}
		inner, assigned := unwrap(mod)
		if inner == nil {
			break
		}
		mod = inner
		if assigned != nil {
			buffers = assigned
		}
	}
	return nil, nil, fmt.Errorf("hlo: %w in %d bytes starting % x", errNotModule, len(b), b[:min(len(b), 16)])
}

// unwrap returns field 1 (the module, or the HloProto of a snapshot) and field
// 3 (an HloProto's buffer assignment).
func unwrap(b []byte) (inner, buffers []byte) {
	for m := (message{b: b}); m.next(); {
		switch {
		case m.num == 1 && m.bytes() && inner == nil:
			inner = m.val
		case m.num == 3 && m.bytes():
			buffers = m.val
		}
	}
	return inner, buffers
}

// looksLikeModule tells a module from its wrappers: a module's field 1 is a
// name, a wrapper's is a message, whose first byte is a control character.
func looksLikeModule(b []byte) bool {
	named, other := false, false
	for m := (message{b: b}); m.next() && !(named && other); {
		switch m.num {
		case 1, 2:
			if !m.bytes() {
				return false
			}
			if m.num == 1 || len(m.val) > 0 {
				if !printable(m.val) {
					return false
				}
				named = true
			}
		case 3:
			if !m.bytes() {
				return false
			}
			other = true
		case 5, 6:
			other = other || m.typ == protowire.VarintType
		}
	}
	return named && other
}

func printable(b []byte) bool {
	for len(b) > 0 {
		c, n := utf8.DecodeRune(b)
		if c == utf8.RuneError && n == 1 || !unicode.IsPrint(c) {
			return false
		}
		b = b[n:]
	}
	return true
}

// module decodes HloModuleProto: name 1, computations 3, id 5, entry id 6,
// schedule 7, stack frame index 17.
func (r *reader) module(b []byte) error {
	comps, total, err := r.count(b)
	if err != nil {
		return err
	}
	slab := make([]Instruction, total)
	r.m.Computations = make([]*Computation, 0, comps)
	cs := make([]Computation, comps)
	var schedule []byte
	var entryID int64
	var entryName string
	m := message{b: b}
	for m.next() {
		switch {
		case m.num == 1 && m.bytes():
			r.m.Name = r.str(m.val)
		case m.num == 2 && m.bytes():
			entryName = r.str(m.val)
		case m.num == 3 && m.bytes():
			c := &cs[len(r.m.Computations)]
			if slab, err = r.computation(m.val, c, slab); err != nil {
				return err
			}
			r.m.Computations = append(r.m.Computations, c)
		case m.num == 5:
			r.m.ID = m.int()
		case m.num == 6:
			entryID = m.int()
		case m.num == 7 && m.bytes():
			schedule = m.val
		case m.num == 17 && m.bytes():
			if err := r.frameIndex(m.val); err != nil {
				return err
			}
		}
	}
	if m.err != nil {
		return r.fail(m.b, "module", m.err)
	}
	return r.link(entryID, entryName, schedule)
}

// count finds how many computations and instructions a module holds, so that
// each kind is allocated once.
func (r *reader) count(b []byte) (comps, total int, err error) {
	m := message{b: b}
	for m.next() {
		if m.num != 3 || !m.bytes() {
			continue
		}
		comps++
		c := message{b: m.val}
		for c.next() {
			if c.num == 2 && c.bytes() && len(c.val) >= minInstruction {
				total++
			}
		}
		if c.err != nil {
			return 0, 0, r.fail(c.b, fmt.Sprintf("computation %d", comps-1), c.err)
		}
		if most := maxInstructions(len(r.base)); total > most || comps > most {
			return 0, 0, fmt.Errorf("hlo: offset %#x: more than %d instructions or computations", r.at(m.val), most)
		}
	}
	if m.err != nil {
		return 0, 0, r.fail(m.b, "module", m.err)
	}
	return comps, total, nil
}

// computation decodes HloComputationProto: name 1, instructions 2, id 5, root
// id 6, execution thread 8. It takes its instructions from the slab and
// returns the rest.
func (r *reader) computation(b []byte, c *Computation, slab []Instruction) ([]Instruction, error) {
	c.known = true
	n := 0
	var rootID int64
	seen := lookup{slab: slab}
	m := message{b: b}
	for m.next() {
		switch {
		case m.num == 1 && m.bytes():
			c.Name = r.str(m.val)
		case m.num == 2 && m.bytes():
			if len(m.val) < minInstruction {
				r.m.warnID("instruction without contents", c.Name, 0)
				continue
			}
			in := &slab[n]
			in.Parent, in.index = c, int32(n)
			if err := r.instruction(m.val, in, &seen); err != nil {
				return nil, err
			}
			n++
			seen.add()
		case m.num == 5:
			c.ID = m.int()
		case m.num == 6:
			rootID = m.int()
		case m.num == 8 && m.bytes():
			c.Thread = r.str(m.val)
		}
	}
	if m.err != nil {
		return nil, r.fail(m.b, "computation "+c.Name, m.err)
	}
	c.Instructions = make([]*Instruction, n)
	for i := range c.Instructions {
		c.Instructions[i] = &slab[i]
	}
	if n > 0 {
		if c.Root = seen.find(rootID); c.Root == nil {
			c.Root = c.Instructions[n-1]
			r.m.warnID("missing root", c.Name, rootID)
		}
	}
	return slab[n:], nil
}

// lookup finds an instruction of the computation under way by id. Small ones,
// the usual case, are searched from the end.
type lookup struct {
	slab []Instruction
	n    int
	ids  map[int64]int32
}

const searchAtMost = 24

func (l *lookup) add() {
	l.n++
	switch {
	case l.ids != nil:
		if _, dup := l.ids[l.slab[l.n-1].ID]; !dup {
			l.ids[l.slab[l.n-1].ID] = int32(l.n - 1)
		}
	case l.n > searchAtMost:
		l.ids = make(map[int64]int32, 4*searchAtMost)
		for i := l.n - 1; i >= 0; i-- {
			l.ids[l.slab[i].ID] = int32(i)
		}
	}
}

func (l *lookup) find(id int64) *Instruction {
	if l.ids != nil {
		if i, ok := l.ids[id]; ok {
			return &l.slab[i]
		}
		return nil
	}
	for i := l.n - 1; i >= 0; i-- {
		if l.slab[i].ID == id {
			return &l.slab[i]
		}
	}
	return nil
}
