// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/layerscope/layerscope/trace"
)

// A row is a row of the layer table in the making.
type row struct {
	key     string
	index   int // −1 outside the layers
	program string
	order   int // of first placement
}

// makeRows turns the programs' placements into rows, and points each op to its
// row. Programs of one base name share rows: they are one function compiled for
// several shapes.
func (s *study) makeRows() {
	owners := make(map[string]bool)
	for i := range s.programs {
		if p := &s.programs[i]; p.placed.n > 0 {
			owners[p.Name] = true
		}
	}
	at := make(map[string]int32)
	add := func(key string, index int, program string) int32 {
		i, ok := at[key]
		if !ok {
			i = int32(len(s.rows))
			at[key] = i
			s.rows = append(s.rows, row{key, index, program, len(s.rows)})
		}
		if s.rows[i].program != program {
			s.rows[i].program = "" // of several
		}
		return i
	}
	for i := range s.programs {
		p := &s.programs[i]
		prefix := ""
		if len(owners) > 1 && p.placed.n > 0 {
			prefix = p.Name + "/"
		}
		s.chargeWaits(p)
		stacks := s.stacks(p)
		for _, id := range p.ops {
			o := &s.ops[id]
			if l, ok := p.placed.layers[id]; ok {
				key := prefix
				if len(stacks) > 1 && o.scope.stack != "" {
					key += o.scope.stack + "/"
				}
				o.row = add(fmt.Sprintf("%slayer_%d", key, l), int(l), p.Name)
			} else if _, ok := p.placed.loops[id]; ok {
				o.row = dynamic
			} else if name := s.outsideName(p, id); name != "" {
				o.row = add(name, -1, p.Name)
			}
		}
		if len(p.placed.loops) > 0 {
			p.loopRows = make([]int32, p.placed.n)
			for l := range p.loopRows {
				number := l
				if l < len(p.placed.index) {
					number = int(p.placed.index[l])
				}
				p.loopRows[l] = add(fmt.Sprintf("%slayer_%d", prefix, number), number, p.Name)
			}
		}
	}
	s.sortRows()
}

// stacks returns the stacks of layers that a program has.
func (s *study) stacks(p *programFacts) map[string]bool {
	out := make(map[string]bool)
	for id := range p.placed.layers {
		if s.ops[id].scope.layer >= 0 {
			out[s.ops[id].scope.stack] = true
		}
	}
	return out
}

// outsideName names the part outside the layers that an op belongs to: by rule,
// else by its outermost scope, else by its program. An op without a scope has
// no name unless the rules know its program.
func (s *study) outsideName(p *programFacts, id trace.OpID) string {
	if user := s.ops[id].neededBy; user > 0 {
		id = user - 1
	}
	sc := &s.ops[id].scope
	for _, part := range sc.parts {
		if name := s.match([]string{part}, true); name != "" {
			return name
		}
		if s.match([]string{part}, false) != "" {
			return part // a part of a layer, of which nothing says which: "QWen3Attention"
		}
	}
	if name := s.match([]string{p.Name}, true); name != "" && p.Name != s.mainName {
		return name
	}
	if sc.raw == "" {
		return ""
	}
	if name := s.match(wrapperNames(sc.raw), true); name != "" {
		return name
	}
	if len(sc.parts) > 0 {
		return sc.parts[0]
	}
	return p.Name
}

// sortRows puts layers first, by stack and index, then the rest as placed.
func (s *study) sortRows() {
	old := make([]int32, len(s.rows))
	slices.SortStableFunc(s.rows, func(a, b row) int {
		if (a.index < 0) != (b.index < 0) {
			return cmp.Compare(b.index, a.index)
		}
		if a.index < 0 {
			return cmp.Compare(a.order, b.order)
		}
		sa, sb := stackOf(a.key), stackOf(b.key)
		return cmp.Or(cmp.Compare(sa, sb), cmp.Compare(a.index, b.index))
	})
	for i := range s.rows {
		old[s.rows[i].order] = int32(i)
	}
	for i := range s.ops {
		if s.ops[i].row >= 0 {
			s.ops[i].row = old[s.ops[i].row]
		}
	}
	for i := range s.programs {
		for l, r := range s.programs[i].loopRows {
			s.programs[i].loopRows[l] = old[r]
		}
	}
}

// stackOf returns what a key has before its last part.
func stackOf(key string) string {
	for i := len(key) - 1; i >= 0; i-- {
		if key[i] == '/' {
			return key[:i]
		}
	}
	return ""
}

// describeMethod fills in the head of the layer table from the main program's
// placement, and names other programs' methods where they differ.
func (s *study) describeMethod(main int) {
	l := &s.out.Layers
	l.Method, l.Why = "none", "no layer index in scopes, no layer parameters, no repeated anchor, no counted loop"
	var best *programFacts
	for i := range s.programs {
		p := &s.programs[i]
		if main >= 0 && p.Name != s.programs[main].Name {
			continue
		}
		if best == nil || p.placed.layered > best.placed.layered {
			best = p
		}
	}
	if best.placed.n == 0 {
		for i := range s.programs {
			if p := &s.programs[i]; p.placed.layered > best.placed.layered {
				best = p
			}
		}
	}
	if best.placed.n == 0 {
		return
	}
	l.Method, l.Why, l.Confidence = best.placed.method, best.placed.why, best.placed.confidence
	named := map[string]bool{best.Name: true}
	for i := range s.programs {
		if p := &s.programs[i]; p.placed.n > 0 && p.placed.layered > 0 && !named[p.Name] {
			named[p.Name] = true
			l.Why += fmt.Sprintf("; %s: %d layers by %s", p.Name, p.placed.n, p.placed.method)
		}
	}
}
