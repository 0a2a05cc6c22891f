// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/trace"
)

// A placement says which layer each op of a program belongs to, by one method.
type placement struct {
	method     string
	why        string
	confidence float64
	layers     map[trace.OpID]int32 // static layer of an op
	loops      map[trace.OpID]int32 // executions of a scanned op in one layer
	outside    map[trace.OpID]bool  // known not to be in a layer
	n          int                  // layers
	index      []int32              // their numbers, where the iterations of loops have others than 0, 1, …
	placed     Duration             // op time of all three
	layered    Duration             // op time in layers
	mostly     bool                 // half of what ran, by number, stands in layers by its own scope
}

func newPlacement(method string) placement {
	return placement{method: method, layers: map[trace.OpID]int32{}, loops: map[trace.OpID]int32{}, outside: map[trace.OpID]bool{}}
}

// worksShare is the share of a program's op time that a method must place before
// it is believed.
const worksShare = 0.90

// measure sums what was placed.
func (p *placement) measure(s *study) {
	p.placed, p.layered = 0, 0
	for id := range p.layers {
		p.layered += s.ops[id].self
	}
	for id := range p.loops {
		p.layered += s.ops[id].self
	}
	p.placed = p.layered
	for id := range p.outside {
		p.placed += s.ops[id].self
	}
}

// findLayers chooses, program by program, the first method that places at least
// 90 % of the program's op time: an explicit index in the scope path, layer
// parameters followed along the data flow, an anchor that repeats, iterations
// of a loop. When none does, what the best one placed is completed by the
// others.
func (s *study) findLayers() error {
	main := s.mainProgram()
	if main >= 0 {
		s.mainName = s.t.Programs[main].Name
	}
	var total Duration
	for i := range s.programs {
		total += s.programs[i].opTime
	}
	explicit := s.explicitLayers()
	for i := range s.programs {
		p := &s.programs[i]
		p.heavy = p.opTime != 0 && !explicit[p.Name] && (main >= 0 && p.index >= 0 && p.Name == s.programs[main].Name || p.opTime >= total/20)
	}
	ready := s.readUses()
	for i := range s.programs {
		if p := &s.programs[i]; p.heavy {
			if err := s.placeProgram(p); err != nil {
				ready()
				return err
			}
		}
	}
	ready()
	s.makeRows()
	s.describeMethod(main)
	return nil
}

// explicitLayers reads scopes of all programs, and returns the base names whose
// programs, taken together, need no other method: one function compiled for
// several shapes is named by one method throughout.
func (s *study) explicitLayers() map[string]bool {
	type sums struct {
		all  placement
		time Duration
	}
	groups := make(map[string]*sums)
	for i := range s.programs {
		p := &s.programs[i]
		p.placed = s.byScope(p)
		g := groups[p.Name]
		if g == nil {
			g = &sums{}
			groups[p.Name] = g
		}
		g.all.n = max(g.all.n, p.placed.n)
		g.all.mostly = g.all.mostly || p.placed.mostly
		g.all.placed += p.placed.placed
		g.all.layered += p.placed.layered
		g.time += p.opTime
	}
	works := make(map[string]bool)
	for name, g := range groups {
		works[name] = g.all.works(g.time)
	}
	return works
}

// placeProgram tries the other methods on one program.
func (s *study) placeProgram(p *programFacts) error {
	methods := []func(*programFacts) (placement, error){s.byParam, s.byAnchor, s.byScan}
	candidates := []placement{p.placed}
	for _, method := range methods {
		c, err := method(p)
		if err != nil {
			return err
		}
		if c.works(p.opTime) {
			c.why += s.fell(candidates, p)
			c.renumber(&p.placed)
			p.placed = c
			return nil
		}
		candidates = append(candidates, c)
	}
	p.placed = s.combine(candidates, p)
	return nil
}

// works says whether a placement is believed: it names layers, they hold at
// least half of the op time, and 90 % of it is placed somewhere. Where scopes name
// the layers half of the executions of ops will do: one op that lost its core for
// as long as a short pass takes must not hide them.
func (p *placement) works(opTime Duration) bool {
	return p.n >= 2 && (p.mostly || p.layered >= opTime-p.layered) && float64(p.placed) >= worksShare*float64(opTime)
}

// fell says why earlier methods were not taken.
func (s *study) fell(candidates []placement, p *programFacts) string {
	var out []string
	for i := range candidates {
		c := &candidates[i]
		if c.n > 0 && c.placed > 0 {
			out = append(out, fmt.Sprintf("%s named %d layers on %.1f %% of the op time", c.method, c.n, percent(c.layered, p.opTime)))
		}
	}
	if len(out) == 0 {
		return ""
	}
	return "; tried before: " + strings.Join(out, ", ")
}

// combine keeps what the best method placed and lets the others place the rest
// where they speak of the same number of layers.
func (s *study) combine(candidates []placement, p *programFacts) placement {
	slices.SortStableFunc(candidates, func(a, b placement) int { return int(sign(b.layered - a.layered)) })
	best := candidates[0]
	if best.layered < p.opTime-best.layered || best.n < 2 {
		return newPlacement("none") // layers on a minor part of the time mislead
	}
	for _, c := range candidates[1:] {
		if c.n != best.n || c.layered == 0 {
			continue
		}
		added := false
		from, to := c.numbers(), best.numbers()
		for id, l := range c.layers {
			if k, ok := slices.BinarySearch(from, l); ok && k < len(to) && !best.knows(id) {
				best.layers[id], added = to[k], true
			}
		}
		for id, m := range c.loops {
			if !best.knows(id) {
				best.loops[id], added = m, true
			}
		}
		if added {
			best.method += "+" + c.method
		}
		best.index = to
	}
	best.measure(s)
	best.confidence = min(best.confidence, float64(best.placed)/float64(p.opTime))
	return best
}

// renumber gives the layers the numbers that scopes state, where these name as many.
func (p *placement) renumber(scope *placement) {
	from, to := p.numbers(), scope.numbers()
	if len(from) != len(to) || slices.Equal(from, to) {
		return
	}
	for id, l := range p.layers {
		if k, ok := slices.BinarySearch(from, l); ok {
			p.layers[id] = to[k]
		}
	}
	p.index = to
}

// numbers returns the layers by number, in order: not all count from 0 and without
// gaps.
func (p *placement) numbers() []int32 {
	if len(p.loops) > 0 && len(p.layers) == 0 {
		out := make([]int32, p.n)
		for i := range out {
			out[i] = int32(i)
		}
		return out
	}
	return slices.Compact(slices.Sorted(maps.Values(p.layers)))
}

func (p *placement) knows(id trace.OpID) bool {
	if _, ok := p.layers[id]; ok {
		return true
	}
	_, ok := p.loops[id]
	return ok || p.outside[id]
}

// byScope reads explicit layer indices from scope paths.
func (s *study) byScope(p *programFacts) placement {
	pl := newPlacement("scope")
	seen := make(map[int32]bool)
	var inside, all int64
	for _, id := range p.ops {
		o := &s.ops[id]
		all += o.count
		switch {
		case o.scope.layer >= 0:
			inside += o.count
			pl.layers[id] = o.scope.layer
			seen[o.scope.layer] = true
		case len(o.scope.parts) > 0 || o.scope.prim != "":
			pl.outside[id] = true
		}
	}
	pl.n, pl.mostly = len(seen), inside >= all-inside
	pl.measure(s)
	if pl.n > 0 {
		pl.confidence = ratio(pl.placed, p.opTime)
		pl.why = fmt.Sprintf("%d layer indices in scope paths, such as %q", pl.n, s.exampleScope(p))
	}
	return pl
}

func (s *study) exampleScope(p *programFacts) string {
	for _, id := range p.ops {
		if sc := &s.ops[id].scope; sc.layer >= 0 {
			return sc.path()
		}
	}
	return ""
}

func percent(part, whole Duration) float64 { return 100 * ratio(part, whole) }

// ratio returns part ÷ whole, and 0 for an empty whole.
func ratio(part, whole Duration) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

func sign(d Duration) int {
	switch {
	case d < 0:
		return -1
	case d > 0:
		return 1
	}
	return 0
}
