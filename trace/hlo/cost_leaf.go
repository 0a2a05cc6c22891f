// SPDX-License-Identifier: Apache-2.0

package hlo

import (
	"math/bits"
	"strings"
)

// class says by which rule an opcode is priced.
type class uint8

const (
	unpriced       class = iota // opcode that the table lacks
	free                        // no work and no memory traffic
	moves                       // reads its operands, writes its result
	elementwise                 // moves, and one operation an element
	transcendental              // moves, and one transcendental an element
	special                     // a rule of its own in leaf
)

// classes holds HLO's opcodes. Note that XLA counts conversions, comparisons
// and selects as one operation an element, and so do we.
var classes = classTable()

func classTable() map[string]class {
	t := map[string]class{}
	for c, ops := range map[class]string{
		free: "parameter constant get-tuple-element bitcast tuple after-all add-dependency domain opt-barrier " +
			"partition-id replica-id get-dimension-size set-dimension-size rng-get-and-update-state",
		moves: "broadcast concatenate copy iota pad reshape dynamic-reshape reverse transpose infeed outfeed send recv " +
			"all-gather all-gather-start all-to-all collective-broadcast collective-permute collective-permute-start ragged-all-to-all",
		elementwise: "abs add and bitcast-convert ceil clamp compare complex convert count-leading-zeros divide floor imag " +
			"is-finite maximum minimum multiply negate not or popcnt real reduce-precision remainder round-nearest-afz " +
			"round-nearest-even select shift-left shift-right-arithmetic shift-right-logical sign stochastic-convert subtract xor",
		transcendental: "acos acosh asin asinh atan2 atanh cbrt cosh cosine erf exponential exponential-minus-one log log-plus-one " +
			"logistic power rsqrt sine sinh sqrt tan tanh rng rng-bit-generator",
		special: "all-reduce all-reduce-start cholesky convolution copy-start custom-call dot dynamic-slice dynamic-update-slice fft " +
			"gather map ragged-dot reduce reduce-scatter reduce-window scaled-dot scatter select-and-scatter slice slice-start sort topk " +
			"triangular-solve",
	} {
		for _, op := range strings.Fields(ops) {
			t[op] = c
		}
	}
	return t
}

// leaf prices an instruction that runs no computation of its own, or runs one
// for each element.
func (n *counter) leaf(in *Instruction) Cost {
	c := Cost{Unknown: in.partial}
	k := classes[in.Opcode]
	if isDone(in.Opcode) || k == free {
		return Cost{}
	}
	c.BytesRead, c.BytesWritten = operandBytes(in), in.Shape.Bytes()
	switch k {
	case unpriced:
		c.Unknown = true
	case elementwise:
		c.FLOPs = in.Shape.Elements()
	case transcendental:
		c.Transcendentals = in.Shape.Elements()
	case special:
		n.special(in, &c)
	}
	return c
}

func (n *counter) special(in *Instruction, c *Cost) {
	switch in.Opcode {
	case "dot", "ragged-dot", "scaled-dot":
		flops, ok := dotFLOPs(in)
		c.FLOPs, c.MatmulFLOPs, c.Unknown = flops, flops, c.Unknown || !ok
	case "convolution":
		flops, ok := n.convFLOPs(in, in.operand(0), in.operand(1), in.Shape)
		c.FLOPs, c.MatmulFLOPs, c.Unknown = flops, flops, c.Unknown || !ok
	case "custom-call":
		n.customCall(in, c)
	case "reduce", "map", "reduce-window", "select-and-scatter", "scatter", "sort":
		n.perElement(in, c)
	case "all-reduce", "all-reduce-start", "reduce-scatter":
		// One addition an element, as if of two devices: the number of
		// devices is not part of the instruction's shapes.
		c.FLOPs = in.Shape.Elements()
	default:
		memoryOp(in, c)
	}
}

// memoryOp prices operations that touch part of an operand only, and a few
// dense solvers.
func memoryOp(in *Instruction, c *Cost) {
	out := in.Shape.Bytes()
	switch in.Opcode {
	case "slice":
		c.BytesRead = out
	case "dynamic-slice":
		c.BytesRead = addSat(out, in.operand(1).Bytes())
	case "dynamic-update-slice":
		update := in.operand(1).Bytes()
		c.BytesRead, c.BytesWritten = addSat(update, in.operand(2).Bytes()), update
	case "gather":
		c.BytesRead = addSat(out, in.operand(1).Bytes())
	case "copy-start":
		c.BytesRead = in.operand(0).Bytes()
		c.BytesWritten = c.BytesRead
	case "slice-start": // HLO text's short form: ((operand), result, context)
		if len(in.Shape.Parts) > 1 {
			c.BytesWritten = in.Shape.Parts[1].Bytes()
		}
		c.BytesRead = c.BytesWritten
	case "fft":
		// Lengths are not kept; 4 complex multiply-adds an element and level.
		c.FLOPs = mulSat(8*log2Ceil(in.operand(0).Elements()), in.operand(0).Elements())
		c.Unknown = true
	case "cholesky":
		c.FLOPs = mulSat(lastDim(in.operand(0)), in.operand(0).Elements()) / 3
		c.BytesRead, c.BytesWritten = c.BytesRead/2, c.BytesWritten/2
	case "triangular-solve":
		c.FLOPs = mulSat(2*lastDim(in.operand(0)), in.operand(1).Elements())
		c.BytesRead = addSat(in.operand(0).Bytes()/2, in.operand(1).Bytes())
	case "topk":
		e := in.operand(0).Elements()
		c.FLOPs = mulSat(e, log2Ceil(lastDim(in.result())))
	}
}

// perElement prices operations that call a function for each element or pair.
func (n *counter) perElement(in *Instruction, c *Cost) {
	var f Cost // of one call of the last function, the reducer
	for _, callee := range in.Called {
		f = n.body(callee)
	}
	if len(in.Called) == 0 || f.Unknown {
		f = Cost{FLOPs: 1} // a reducer of unknown body is most often an add
		c.Unknown = c.Unknown || in.Opcode != "reduce" && in.Opcode != "sort"
	}
	arg, out := in.operand(0).Elements(), in.result().Elements()
	calls := int64(0)
	switch in.Opcode {
	case "reduce":
		calls = max(0, arg-out)
	case "map":
		calls = out
	case "reduce-window":
		calls = reduceWindowCalls(in, out)
	case "scatter":
		// operands: N inputs, indices, N updates.
		updates := in.operand((len(in.Operands) + 1) / 2)
		calls = updates.Elements()
		moved := mulSat(updates.Bytes(), int64(len(in.Operands)/2))
		c.BytesRead = addSat(mulSat(moved, 2), in.operand(len(in.Operands)/2).Bytes())
		c.BytesWritten = moved
	case "select-and-scatter":
		source := in.operand(1).Elements()
		calls = addSat(mulSat(source, max(0, windowSize(in)-1)), source)
	case "sort":
		f = Cost{FLOPs: 1}
		calls = mulSat(arg, log2Ceil(arg))
	}
	c.FLOPs = addSat(c.FLOPs, mulSat(f.FLOPs, calls))
	c.Transcendentals = addSat(c.Transcendentals, mulSat(f.Transcendentals, calls))
}

// reduceWindowCalls counts the reducer's calls of a reduce-window: window
// elements less one for each of out results. A window that covers the whole
// dimension from everywhere (size 2n−1, padding n−1) is how the TPU compiler
// writes "reduce, then broadcast back"; it reduces each row once.
//
// Note: XLA's analysis counts rows + n−1 there, where a row takes n−1 calls.
func reduceWindowCalls(in *Instruction, out int64) int64 {
	wide, n := 0, int64(0)
	for i, w := range in.Window {
		if w.Size == 1 && w.PadLow == 0 && w.PadHigh == 0 {
			continue
		}
		wide++
		if d, ok := dim(in.result(), int64(i)); ok && w.PadLow == d-1 && w.PadHigh == d-1 && w.Size == 2*d-1 {
			n = d
		}
	}
	if wide == 1 && n > 1 {
		return mulSat(out/n, n-1)
	}
	return mulSat(max(0, windowSize(in)-1), out)
}

func windowSize(in *Instruction) int64 {
	size := int64(1)
	for _, w := range in.Window {
		size = mulSat(size, w.Size)
	}
	return size
}

func lastDim(s *Shape) int64 {
	if len(s.Dims) == 0 {
		return 1
	}
	return min(max(0, s.Dims[len(s.Dims)-1]), 1<<40)
}

func log2Ceil(n int64) int64 {
	if n <= 1 {
		return 0
	}
	return int64(bits.Len64(uint64(n - 1)))
}
