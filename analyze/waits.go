// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"slices"
	"strings"
	"sync"

	"github.com/layerscope/layerscope/trace"
	"github.com/layerscope/layerscope/trace/hlo"
)

// chargeWaits places ops that only start or await a transfer (copy-done,
// all-reduce-done, …) with the op that needs what they wait for: compilers give
// them no scope. Operands come from the HLO module or the ops' own HLO text.
// They keep the component "async", so that a layer shows its waits.
func (s *study) chargeWaits(p *programFacts) {
	var waits []trace.OpID
	for _, id := range p.ops {
		if s.ops[id].scope.raw == "" && !p.placed.knows(id) && asyncCategory(s.t.Ops[id].Category) {
			waits = append(waits, id)
		}
	}
	if len(waits) == 0 {
		return
	}
	g := p.uses
	if g == nil {
		g = s.uses(p)
	}
	p.uses = nil
	for _, id := range waits {
		s.charge(p, id, g)
	}
	p.placed.measure(s)
}

// readUses reads the graphs of programs known by their ops' lines while the methods
// of placement run, which have no use for the second core. The function returned
// waits for it.
func (s *study) readUses() (ready func()) {
	waiting := func(id trace.OpID) bool {
		return s.ops[id].scope.raw == "" && asyncCategory(s.t.Ops[id].Category)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range s.programs {
			if p := &s.programs[i]; p.Module == nil && slices.ContainsFunc(p.ops, waiting) {
				p.uses = s.uses(p)
			}
		}
	})
	return wg.Wait
}

// charge follows an op's users, nearest first, to one that has a place.
func (s *study) charge(p *programFacts, id trace.OpID, g *useGraph) {
	g.round++
	next := g.usersOf(g.id(s.t.Ops[id].Name))
	for depth := 0; depth < 8 && len(next) > 0; depth++ {
		var after []int32
		for _, name := range next {
			if g.seen[name] == g.round {
				continue
			}
			g.seen[name] = g.round
			if user := g.ops[name]; user >= 0 {
				user := trace.OpID(user)
				if l, ok := p.placed.layers[user]; ok {
					p.placed.layers[id] = l
					return
				}
				if s.ops[user].scope.raw != "" {
					s.ops[id].neededBy = user + 1
					return
				}
			}
			after = append(after, g.usersOf(name)...)
		}
		next = after
	}
}

// A useGraph says who uses which instruction of a program. Names are numbered.
//
// Note: with a map of lists by name, and lines of HLO text parsed wholly, this was
// two thirds of the analysis of a TPU's JSON of one step: 28 ms for 9,400 ops.
type useGraph struct {
	ids   map[string]int32
	ops   []int64 // the op of each name that ran, −1 for others
	edges []useEdge
	first []int32 // by operand: where its users begin in users; one more at the end
	users []int32

	seen  []int32 // by name: the last round that came by
	round int32
}

type useEdge struct{ operand, user int32 }

// uses returns the graph of a program: of its HLO module, else of its ops' lines.
func (s *study) uses(p *programFacts) *useGraph {
	g := &useGraph{ids: make(map[string]int32, 2*len(p.ops))}
	for _, id := range p.ops {
		name := g.id(s.t.Ops[id].Name)
		g.ops[name] = int64(id)
	}
	if p.Module != nil {
		for _, c := range p.Module.Computations {
			for _, in := range c.Instructions {
				user := g.id(in.Name)
				for _, o := range in.Operands {
					g.edges = append(g.edges, useEdge{g.id(o.Name), user})
				}
			}
		}
	} else {
		var operands []string
		for _, id := range p.ops {
			long := s.t.Ops[id].Long
			if !strings.HasPrefix(long, "%") {
				continue
			}
			var name string
			name, operands, _ = hlo.OperandNames(operands[:0], long)
			user := g.id(name)
			for _, o := range operands {
				g.edges = append(g.edges, useEdge{g.id(o), user})
			}
		}
	}
	g.index()
	return g
}

// id numbers a name.
func (g *useGraph) id(name string) int32 {
	id, ok := g.ids[name]
	if !ok {
		id = int32(len(g.ops))
		g.ids[name] = id
		g.ops = append(g.ops, -1)
	}
	return id
}

// index orders the edges by operand, those of one as they came.
func (g *useGraph) index() {
	g.first, g.seen = make([]int32, len(g.ops)+1), make([]int32, len(g.ops))
	for _, e := range g.edges {
		g.first[e.operand+1]++
	}
	for i := 1; i < len(g.first); i++ {
		g.first[i] += g.first[i-1]
	}
	g.users = make([]int32, len(g.edges))
	at := slices.Clone(g.first)
	for _, e := range g.edges {
		g.users[at[e.operand]] = e.user
		at[e.operand]++
	}
}

// usersOf returns who uses a name; none if it got its number after index.
func (g *useGraph) usersOf(name int32) []int32 {
	if int(name)+1 >= len(g.first) {
		return nil
	}
	return g.users[g.first[name]:g.first[name+1]]
}
