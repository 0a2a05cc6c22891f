// SPDX-License-Identifier: Apache-2.0

package hlo

import (
	"iter"
	"strings"
)

// Cost is the static work of one execution of an instruction, counted from
// shapes. Sizes are of the data, without tiling padding. Sums stop at the
// largest int64.
type Cost struct {
	// FLOPs are arithmetic operations; a multiply-add counts 2, an
	// element-wise operation 1 an element, also on integers.
	FLOPs int64

	// MatmulFLOPs is the share of FLOPs in dot, convolution and the library
	// calls that replace them.
	MatmulFLOPs int64

	// Transcendentals are evaluations of exp, log, sin, rsqrt, …; they are not
	// part of FLOPs.
	Transcendentals int64

	BytesRead, BytesWritten int64

	// Unknown says that part of the work could not be counted: a custom call
	// whose target says nothing, a computation that is not there, a loop
	// without a known trip count (with CostOptions.Loops).
	Unknown bool
}

// Bytes returns the bytes read and written.
func (c Cost) Bytes() int64 { return addSat(c.BytesRead, c.BytesWritten) }

// Add returns the sum of two costs.
func (c Cost) Add(d Cost) Cost {
	return Cost{
		FLOPs:           addSat(c.FLOPs, d.FLOPs),
		MatmulFLOPs:     addSat(c.MatmulFLOPs, d.MatmulFLOPs),
		Transcendentals: addSat(c.Transcendentals, d.Transcendentals),
		BytesRead:       addSat(c.BytesRead, d.BytesRead),
		BytesWritten:    addSat(c.BytesWritten, d.BytesWritten),
		Unknown:         c.Unknown || d.Unknown,
	}
}

// Times returns the cost of n executions.
func (c Cost) Times(n int64) Cost {
	return Cost{
		FLOPs:           mulSat(c.FLOPs, n),
		MatmulFLOPs:     mulSat(c.MatmulFLOPs, n),
		Transcendentals: mulSat(c.Transcendentals, n),
		BytesRead:       mulSat(c.BytesRead, n),
		BytesWritten:    mulSat(c.BytesWritten, n),
		Unknown:         c.Unknown,
	}
}

// withoutBytes is what an instruction inside a fusion costs: its operands and
// result stay in registers or on-chip memory.
func (c Cost) withoutBytes() Cost {
	c.BytesRead, c.BytesWritten = 0, 0
	return c
}

// CostOptions choose how work is counted.
type CostOptions struct {
	// Loops multiplies a while's body and condition by its trip count where it
	// is known. Without it they count once, as in XLA's own analysis.
	Loops bool
}

func (o CostOptions) index() int {
	if o.Loops {
		return 1
	}
	return 0
}

// Cost returns the work of one execution of in, with everything it calls.
// The rules are those of XLA's HloCostAnalysis: 2·M·N·K for dot, window taps
// that hit the input for convolution, one operation an element for
// element-wise work, one reducer call for each element that a reduction
// removes. A fusion moves its operands and results only. A conditional costs
// its dearest branch. Asynchronous pairs cost at their start.
//
// The first call on a module counts all its computations.
func (m *Module) Cost(in *Instruction, o CostOptions) Cost {
	m.costOnce.Do(m.computeCosts)
	n := newCounter(o)
	return n.cost(in)
}

// Cost returns the work of an instruction that was parsed alone, from the
// operand shapes on its line; what it calls is not known. For an instruction of
// a module it is the module's Cost without options.
func (in *Instruction) Cost() Cost {
	if in.Parent != nil {
		return in.Parent.module.Cost(in, CostOptions{})
	}
	n := newCounter(CostOptions{})
	return n.cost(in)
}

// computeCosts counts each computation once, callees first.
func (m *Module) computeCosts() {
	once, loops := newCounter(CostOptions{}), newCounter(CostOptions{Loops: true})
	for _, c := range m.order {
		for _, in := range c.Callers {
			if in.Opcode == "fusion" {
				measureTraffic(c)
				break
			}
		}
		for _, in := range c.Instructions {
			c.cost[0] = c.cost[0].Add(once.cost(in))
			c.cost[1] = c.cost[1].Add(loops.cost(in))
		}
	}
}

// counter counts instructions; taps is what is left of the budget for looking
// at convolution windows tap by tap.
type counter struct {
	opts CostOptions
	taps int
}

// maxTaps bounds the window positions of a module that are counted one by one,
// maxWindow those of one dimension; a real module has some thousands.
const (
	maxTaps   = 1 << 24
	maxWindow = 1 << 13
)

func newCounter(o CostOptions) *counter { return &counter{opts: o, taps: maxTaps} }

// body returns what a called computation costs.
func (n *counter) body(c *Computation) Cost {
	if !c.known || c.cyclic {
		return Cost{Unknown: true}
	}
	return c.cost[n.opts.index()]
}

// callees returns the computations that an instruction runs as its own work,
// and how often each. Reducers, comparators and scatter functions are not
// among them: leaf prices them by the call.
func (n *counter) callees(in *Instruction) (cs []*Computation, times int64, unknown bool) {
	switch in.Opcode {
	case "fusion", "call", "async-start":
		return in.Called, 1, len(in.Called) == 0
	case "while":
		if !n.opts.Loops {
			return in.Called, 1, len(in.Called) == 0
		}
		return in.Called, max(1, in.TripCount), in.TripCount == 0 || len(in.Called) == 0
	case "conditional":
		var best *Computation
		var most Cost
		for _, c := range in.Called {
			b := n.body(c)
			if best == nil || b.FLOPs > most.FLOPs || b.FLOPs == most.FLOPs && b.Bytes() > most.Bytes() {
				best, most = c, b
			}
		}
		if best == nil {
			return nil, 1, true
		}
		return []*Computation{best}, 1, false
	}
	return nil, 1, false
}

// cost returns the work of in and of what it calls.
func (n *counter) cost(in *Instruction) Cost {
	total := n.own(in)
	cs, times, unknown := n.callees(in)
	for _, c := range cs {
		b := n.body(c)
		if in.Opcode == "fusion" {
			b = b.withoutBytes()
		}
		total = total.Add(b.Times(times))
	}
	total.Unknown = total.Unknown || unknown
	return total
}

// own returns the work of in without the computations it runs.
func (n *counter) own(in *Instruction) Cost {
	switch in.Opcode {
	case "call", "while", "conditional", "async-start":
		return Cost{}
	case "fusion":
		return fusionBytes(in)
	}
	return n.leaf(in)
}

// maxReached bounds the computations that one Work visits.
const maxReached = 1 << 14

// Work yields what one execution of in does, instruction by instruction: in
// itself, then every instruction of the computations it runs, each once with
// its cost times the number of its executions. The costs add up to Cost(in):
// a fusion's bytes are on the fusion, its FLOPs on the instructions inside, so
// that each can be charged to its own OpName.
func (m *Module) Work(in *Instruction, o CostOptions) iter.Seq2[*Instruction, Cost] {
	m.costOnce.Do(m.computeCosts)
	return func(yield func(*Instruction, Cost) bool) {
		n := newCounter(o)
		own := n.own(in)
		cs, _, unknown := n.callees(in)
		order := reached(n, cs)
		for _, c := range cs {
			unknown = unknown || !c.known || c.cyclic
		}
		own.Unknown = own.Unknown || unknown || len(order) > maxReached
		if !yield(in, own) || len(cs) == 0 {
			return
		}
		type share struct{ times, moved int64 } // executions; of them outside fusions
		shares := make(map[*Computation]share, len(order))
		charge := func(in *Instruction, s share) bool {
			callees, times, unknown := n.callees(in)
			if in.Opcode == "fusion" {
				s.moved = 0
			}
			for _, c := range callees {
				t := shares[c]
				shares[c] = share{addSat(t.times, mulSat(s.times, times)), addSat(t.moved, mulSat(s.moved, times))}
				unknown = unknown || !c.known || c.cyclic
			}
			return unknown
		}
		charge(in, share{1, 1})
		for i := len(order) - 1; i >= 0; i-- {
			s := shares[order[i]]
			for _, leaf := range order[i].Instructions {
				own := n.own(leaf)
				c := own.withoutBytes().Times(s.times)
				c.BytesRead, c.BytesWritten = mulSat(own.BytesRead, s.moved), mulSat(own.BytesWritten, s.moved)
				c.Unknown = charge(leaf, s) || own.Unknown
				if !yield(leaf, c) {
					return
				}
			}
		}
	}
}

// reached lists the computations that running roots runs, callees first. It
// walks with a stack of its own: call chains of a damaged file are long.
func reached(n *counter, roots []*Computation) []*Computation {
	type step struct {
		c    *Computation
		done bool
	}
	var order []*Computation
	var stack []step
	seen := map[*Computation]bool{}
	for _, c := range roots {
		stack = append(stack, step{c, false})
	}
	for len(stack) > 0 && len(order) <= maxReached {
		s := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if s.done {
			order = append(order, s.c)
			continue
		}
		if seen[s.c] || !s.c.known || s.c.cyclic {
			continue
		}
		seen[s.c] = true
		stack = append(stack, step{s.c, true})
		for _, in := range s.c.Instructions {
			cs, _, _ := n.callees(in)
			for _, c := range cs {
				if !seen[c] {
					stack = append(stack, step{c, false})
				}
			}
		}
	}
	return order
}

// operandBytes sums the sizes of all operands.
func operandBytes(in *Instruction) int64 {
	var b int64
	for _, o := range in.Operands {
		b = addSat(b, o.Shape.Bytes())
	}
	return b
}

// operand returns operand i's shape, an empty one when there is none.
func (in *Instruction) operand(i int) *Shape {
	if i >= len(in.Operands) {
		return noShape
	}
	return in.Operands[i].Shape
}

// result returns the shape of an array result, or of a tuple's first part.
func (in *Instruction) result() *Shape {
	if in.Shape.Type == Tuple && len(in.Shape.Parts) > 0 {
		return &in.Shape.Parts[0]
	}
	return in.Shape
}

// isDone reports the second half of an asynchronous pair.
func isDone(opcode string) bool {
	return strings.HasSuffix(opcode, "-done") || strings.HasSuffix(opcode, "-update")
}
