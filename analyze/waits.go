// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"strings"

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
	users, byName := s.consumers(p)
	for _, id := range waits {
		s.charge(p, id, users, byName)
	}
	p.placed.measure(s)
}

// charge follows an op's users, nearest first, to one that has a place.
func (s *study) charge(p *programFacts, id trace.OpID, users map[string][]string, byName map[string]trace.OpID) {
	seen := map[string]bool{}
	next := users[s.t.Ops[id].Name]
	for depth := 0; depth < 8 && len(next) > 0; depth++ {
		var after []string
		for _, name := range next {
			if seen[name] {
				continue
			}
			seen[name] = true
			if user, ok := byName[name]; ok {
				if l, ok := p.placed.layers[user]; ok {
					p.placed.layers[id] = l
					return
				}
				if s.ops[user].scope.raw != "" {
					s.ops[id].neededBy = user + 1
					return
				}
			}
			after = append(after, users[name]...)
		}
		next = after
	}
}

// consumers returns who uses each instruction, and the ops by name.
func (s *study) consumers(p *programFacts) (users map[string][]string, byName map[string]trace.OpID) {
	users, byName = make(map[string][]string), make(map[string]trace.OpID)
	for _, id := range p.ops {
		byName[s.t.Ops[id].Name] = id
	}
	note := func(in *hlo.Instruction) {
		for _, o := range in.Operands {
			users[o.Name] = append(users[o.Name], in.Name)
		}
	}
	if p.Module != nil {
		for _, c := range p.Module.Computations {
			for _, in := range c.Instructions {
				note(in)
			}
		}
		return users, byName
	}
	for _, id := range p.ops {
		if long := s.t.Ops[id].Long; strings.HasPrefix(long, "%") {
			if in, err := hlo.ParseInstruction(long); err == nil {
				note(in)
			}
		}
	}
	return users, byName
}
