// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"fmt"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/trace/hlo"
)

// byParam follows layer parameters along the data flow of the HLO module. A
// parameter's layer is in its name (params['layers'][3]['q']) or, for a flat
// list of weights, in its position: the group of shapes that repeats.
func (s *study) byParam(p *programFacts) (placement, error) {
	pl := newPlacement("param")
	if p.Module == nil || p.Module.Entry == nil {
		return pl, nil
	}
	f := newFlow(s, p.Module)
	if f.n < 2 {
		return pl, nil
	}
	f.run()
	for _, id := range p.ops {
		in := s.t.Ops[id].Instruction
		if in == nil {
			continue
		}
		switch l := f.layerOf(in); {
		case l >= 0 && l < f.n:
			pl.layers[id] = int32(l)
		case s.ops[id].scope.raw != "":
			pl.outside[id] = true
		}
	}
	pl.n = f.n
	pl.measure(s)
	pl.confidence = ratio(pl.placed, p.opTime)
	pl.why = fmt.Sprintf("%d layers of parameters (%s), followed along the operands", f.n, f.how)
	return pl, nil
}

// A flow is the layer of each instruction of an entry computation: −1 before
// the first layer, n after the last.
type flow struct {
	s      *study
	n      int
	how    string
	entry  *hlo.Computation
	weight map[*hlo.Instruction]int // layer of a parameter, or of what is made of one alone
	lay    map[*hlo.Instruction]int // layer of an activation
	shared map[*hlo.Instruction]bool
	after  map[*hlo.Instruction]bool // weights of what follows the layers
}

func newFlow(s *study, m *hlo.Module) *flow {
	f := &flow{s: s, entry: m.Entry, weight: map[*hlo.Instruction]int{}, lay: map[*hlo.Instruction]int{}, shared: map[*hlo.Instruction]bool{}}
	params := slices.DeleteFunc(m.Entry.Parameters(), func(in *hlo.Instruction) bool { return in == nil })
	stacks := 0
	if f.n, f.how, stacks = namedLayers(params, f.weight); stacks > 1 {
		f.n = 0 // an encoder's layer 3 and a decoder's are not one
		return f
	}
	if f.n < 2 {
		clear(f.weight)
		f.n, f.how = repeatedLayers(params, f.weight)
	}
	for _, in := range params {
		if _, ok := f.weight[in]; !ok {
			f.shared[in] = true
		}
	}
	return f
}

// namedLayers takes layer indices from parameter names, which may be those of several
// stacks.
func namedLayers(params []*hlo.Instruction, weight map[*hlo.Instruction]int) (n int, how string, stacks int) {
	example := ""
	seen := make(map[string]bool)
	for _, in := range params {
		if m := layerPattern().FindStringSubmatch(strings.ToLower(in.OpName)); m != nil {
			weight[in] = int(atoi32(m[3]))
			before, _, _ := strings.Cut(strings.ToLower(in.OpName), m[0])
			seen[stackName([]string{before}, m[2])] = true
			if weight[in] >= n {
				n, example = weight[in]+1, in.OpName
			}
		}
	}
	return n, fmt.Sprintf("by name, such as %q", example), len(seen)
}

// repeatedLayers finds runs of parameter shapes that repeat with one period:
// first the longest stretch, then others that repeat as often (KV caches).
func repeatedLayers(params []*hlo.Instruction, weight map[*hlo.Instruction]int) (int, string) {
	shapes := make([]string, len(params))
	for i, in := range params {
		shapes[i] = in.Shape.String()
	}
	first := longestRepeat(shapes, 0, len(shapes), 0)
	if first.times < 2 || first.period < minLayerParams {
		return 0, ""
	}
	mark := func(r repeat) {
		for i := range r.period * r.times {
			weight[params[r.at+i]] = i / r.period
		}
	}
	mark(first)
	for _, rest := range [][2]int{{0, first.at}, {first.at + first.period*first.times, len(shapes)}} {
		if r := longestRepeat(shapes, rest[0], rest[1], first.times); r.times > 0 {
			mark(r)
		}
	}
	return first.times, fmt.Sprintf("%d parameters a layer, by position: their shapes repeat", first.period)
}

// minLayerParams is how many parameters a layer has at least: two norms, an
// attention and an MLP. Fewer equal shapes in a row are just alike.
const minLayerParams = 4

type repeat struct{ at, period, times int }

// longestRepeat returns the longest stretch of shapes[lo:hi] that is one period
// repeated two times or more (exactly times, if given); of equally long ones
// that with the shortest period.
func longestRepeat(shapes []string, lo, hi, times int) repeat {
	var best repeat
	for period := 1; period*2 <= hi-lo && period <= 256; period++ {
		run := 0 // shapes[i] == shapes[i+period] so far
		for i := lo; i+period <= hi; i++ {
			if i+period < hi && shapes[i] == shapes[i+period] {
				run++
				continue
			}
			n := run/period + 1
			if n >= 2 && (times == 0 || n == times) && n*period > best.times*best.period {
				best = repeat{i - run, period, n}
			}
			run = 0
		}
	}
	return best
}

// run walks the entry computation, whose order is a schedule: operands first.
func (f *flow) run() {
	f.after = f.lateWeights()
	for _, in := range f.entry.Instructions {
		if in.Parameter >= 0 || in.Opcode == "parameter" {
			continue
		}
		f.place(in)
	}
	// Norms at a border work on the previous layer's output alone: they belong
	// to what uses them.
	for i := len(f.entry.Instructions) - 1; i >= 0; i-- {
		in := f.entry.Instructions[i]
		l, ok := f.lay[in]
		if !ok {
			continue
		}
		for _, o := range in.Operands {
			if before, ok := f.lay[o]; ok && before == l-1 && f.borderNorm(o, in) {
				f.lay[o] = l
			}
		}
	}
}

// place gives an instruction the highest layer among its operands.
func (f *flow) place(in *hlo.Instruction) {
	active, activeLayer, weightLayer, late := false, -1, -1, false
	for _, o := range in.Operands {
		if l, ok := f.lay[o]; ok {
			active, activeLayer = true, max(activeLayer, l)
		} else if l, ok := f.weight[o]; ok {
			weightLayer = max(weightLayer, l)
		} else if f.shared[o] {
			active = active || isInteger(o)
			late = late || f.after[o]
		}
	}
	switch {
	case !active && weightLayer >= 0:
		f.weight[in] = weightLayer // made of weights alone: still a weight
	case !active && len(in.Operands) > 0 && f.allShared(in):
		f.shared[in] = true
		if late {
			f.after[in] = true
		}
	case late && activeLayer >= f.n-1:
		f.lay[in] = f.n
	default:
		f.lay[in] = max(activeLayer, weightLayer)
	}
}

func (f *flow) allShared(in *hlo.Instruction) bool {
	for _, o := range in.Operands {
		if !f.shared[o] {
			return false
		}
	}
	return true
}

func isInteger(in *hlo.Instruction) bool {
	t := in.Shape.String()
	return strings.HasPrefix(t, "s") || strings.HasPrefix(t, "u") || strings.HasPrefix(t, "pred")
}

// lateWeights returns the parameters outside the layers whose users all depend
// on the last layer: the final norm's and the head's.
func (f *flow) lateWeights() map[*hlo.Instruction]bool {
	depth := make(map[*hlo.Instruction]int)
	early := make(map[*hlo.Instruction]bool)
	origin := make(map[*hlo.Instruction]*hlo.Instruction)
	for in := range f.shared {
		origin[in] = in
	}
	for _, in := range f.entry.Instructions {
		if in.Opcode == "parameter" {
			continue
		}
		d, pure := -1, len(in.Operands) > 0
		for _, o := range in.Operands {
			if l, ok := f.weight[o]; ok {
				d = max(d, l)
			} else if l, ok := depth[o]; ok {
				d = max(d, l)
			}
			pure = pure && origin[o] != nil
		}
		if pure && len(in.Operands) == 1 {
			origin[in] = origin[in.Operands[0]] // a copy or another view of it
			continue
		}
		depth[in] = d
		for _, o := range in.Operands {
			if w := origin[o]; w != nil && d < f.n-1 {
				early[w] = true
			}
		}
	}
	late := make(map[*hlo.Instruction]bool)
	for in := range f.shared {
		if !early[in] && !isInteger(in) {
			late[in] = true
		}
	}
	return late
}

// borderNorm says whether o, at the end of a layer by data flow, is part of the
// norm that user begins the next one with.
func (f *flow) borderNorm(o, user *hlo.Instruction) bool {
	if len(o.OpName) == 0 {
		return false
	}
	a := foldScope(f.s.folds, o.OpName)
	if len(a.parts) == 0 {
		return false
	}
	b := foldScope(f.s.folds, user.OpName)
	return f.s.componentOfScope(&a) == norm || a.path() == b.path()
}

// layerOf returns the layer of an instruction in any computation: that of the
// entry instruction which calls it.
func (f *flow) layerOf(in *hlo.Instruction) int {
	for depth := 0; in != nil && in.Parent != f.entry && depth < 64; depth++ {
		if in.Parent == nil || len(in.Parent.Callers) == 0 {
			return -1
		}
		in = in.Parent.Callers[0]
	}
	if l, ok := f.lay[in]; ok {
		return l
	}
	if l, ok := f.weight[in]; ok {
		return l
	}
	return -1
}
