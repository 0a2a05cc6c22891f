// SPDX-License-Identifier: Apache-2.0

package hlo

import (
	"strconv"
	"strings"
)

// Body returns the loop body of a while, or nil.
func (in *Instruction) Body() *Computation { return in.whilePart(0) }

// Condition returns the loop condition of a while, or nil.
func (in *Instruction) Condition() *Computation { return in.whilePart(1) }

func (in *Instruction) whilePart(i int) *Computation {
	if in.Opcode != "while" || len(in.Called) <= i {
		return nil
	}
	return in.Called[i]
}

// tripCount returns a loop's number of iterations, 0 when unknown: the
// compiler's own known_trip_count, else first value, step and bound read from
// a condition of the form "counter < constant".
func tripCount(w *Instruction) int64 {
	if n := knownTripCount(w.BackendConfig); n > 0 {
		return n
	}
	body, cond := w.Body(), w.Condition()
	if body == nil || cond == nil || cond.Root == nil || body.Root == nil {
		return 0
	}
	cmp := value{cond.Root, nil}.origin()
	if cmp.in.Opcode != "compare" || len(cmp.in.Operands) != 2 {
		return 0
	}
	a, b := value{cmp.in.Operands[0], cmp.args}.origin(), value{cmp.in.Operands[1], cmp.args}.origin()
	if n := tripsOf(w, a, b, cmp.in.Direction); n > 0 {
		return n
	}
	return tripsOf(w, b, a, mirrored[cmp.in.Direction])
}

// tripsOf takes counter for what the loop counts up or down to limit.
func tripsOf(w *Instruction, counter, limit value, dir string) int64 {
	index, ok := counter.tupleElement()
	if !ok {
		return 0
	}
	bound, ok := constantOf(limit, w)
	if !ok {
		return 0
	}
	first, ok := constantOf(value{w, nil}.element(index), w)
	if !ok {
		return 0
	}
	step, ok := loopStep(w.Body(), index)
	if !ok {
		return 0
	}
	return countTrips(first, bound, step, dir)
}

var mirrored = map[string]string{"LT": "GT", "GT": "LT", "LE": "GE", "GE": "LE", "EQ": "EQ", "NE": "NE"}

// countTrips returns how often "for i := first; i DIR bound; i += step" runs.
func countTrips(first, bound, step int64, dir string) int64 {
	const limit = 1 << 62
	if first > limit || first < -limit || bound > limit || bound < -limit || step > limit || step < -limit {
		return 0
	}
	switch dir {
	case "LE":
		bound, dir = bound+1, "LT"
	case "GE":
		bound, dir = bound-1, "GT"
	}
	if dir == "GT" || dir == "NE" && step < 0 {
		first, bound, step = -first, -bound, -step
	}
	d := bound - first
	switch {
	case dir != "LT" && dir != "GT" && dir != "NE", step <= 0, d <= 0:
		return 0
	case dir == "NE" && d%step != 0:
		return 0
	}
	return (d-1)/step + 1
}

// knownTripCount reads "known_trip_count":{"n":"6"} from a backend config.
func knownTripCount(config string) int64 {
	_, rest, ok := strings.Cut(config, `"known_trip_count"`)
	if !ok {
		return 0
	}
	if _, rest, ok = strings.Cut(rest, `"n"`); !ok {
		return 0
	}
	rest = strings.TrimLeft(rest, ` :"`)
	end := 0
	for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
		end++
	}
	n, err := strconv.ParseInt(rest[:end], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// loopStep finds by how much the body adds to tuple element index.
func loopStep(body *Computation, index int) (int64, bool) {
	root := body.Root
	if root.Opcode != "tuple" || index >= len(root.Operands) {
		return 0, false
	}
	add := value{root.Operands[index], nil}.origin()
	if add.in.Opcode != "add" && add.in.Opcode != "subtract" || len(add.in.Operands) != 2 {
		return 0, false
	}
	a, b := value{add.in.Operands[0], add.args}.origin(), value{add.in.Operands[1], add.args}.origin()
	if b.in.Opcode == "get-tuple-element" && add.in.Opcode == "add" {
		a, b = b, a
	}
	if i, ok := a.tupleElement(); !ok || i != index || b.in.Opcode != "constant" || !b.in.hasValue {
		return 0, false
	}
	if add.in.Opcode == "subtract" {
		return -b.in.value, true
	}
	return b.in.value, true
}

// value is an instruction seen from inside a chain of fusions; args are the
// operands of the innermost fusion around it.
type value struct {
	in   *Instruction
	args []value
}

// Bounds for damaged files: steps of one chase, operands of a fusion on the
// way, and loops of a module that are analysed.
const (
	maxChase    = 32
	maxOperands = 256
	maxLoops    = 4096
)

// origin follows a value through copies, conversions and fusions to the
// instruction that makes it.
func (v value) origin() value {
	for range maxChase {
		in := v.in
		switch in.Opcode {
		case "copy", "bitcast", "convert", "reshape", "copy-done", "opt-barrier":
			if len(in.Operands) != 1 {
				return v
			}
			v.in = in.Operands[0]
		case "copy-start":
			if len(in.Operands) < 1 {
				return v
			}
			v.in = in.Operands[0]
		case "parameter":
			if in.Parameter >= len(v.args) {
				return v
			}
			v = v.args[in.Parameter]
		case "fusion":
			if len(in.Called) != 1 || in.Called[0].Root == nil || len(in.Operands) > maxOperands {
				return v
			}
			args := make([]value, len(in.Operands))
			for i, o := range in.Operands {
				args[i] = value{o, v.args}
			}
			v = value{in.Called[0].Root, args}
		case "get-tuple-element":
			if len(in.Operands) != 1 || in.Operands[0].Opcode != "tuple" || in.TupleIndex >= len(in.Operands[0].Operands) {
				return v
			}
			v.in = in.Operands[0].Operands[in.TupleIndex]
		default:
			return v
		}
	}
	return v
}

// tupleElement reports which element of the loop's tuple parameter v is.
func (v value) tupleElement() (int, bool) {
	if v.in.Opcode != "get-tuple-element" || len(v.in.Operands) != 1 {
		return 0, false
	}
	p := value{v.in.Operands[0], v.args}.origin()
	return v.in.TupleIndex, p.in.Opcode == "parameter"
}

// element returns what a while is started with at tuple element index.
func (v value) element(index int) value {
	if len(v.in.Operands) != 1 {
		return v
	}
	t := value{v.in.Operands[0], v.args}.origin()
	if t.in.Opcode != "tuple" || index >= len(t.in.Operands) {
		return v
	}
	return value{t.in.Operands[index], t.args}.origin()
}

// constantOf returns an integer constant, also one that the loop carries along
// unchanged from its start.
func constantOf(v value, w *Instruction) (int64, bool) {
	if v.in.Opcode == "constant" {
		return v.in.value, v.in.hasValue
	}
	index, ok := v.tupleElement()
	if !ok {
		return 0, false
	}
	root := w.Body().Root
	if root.Opcode != "tuple" || index >= len(root.Operands) {
		return 0, false
	}
	kept := value{root.Operands[index], nil}.origin()
	if i, ok := kept.tupleElement(); !ok || i != index {
		return 0, false
	}
	s := value{w, nil}.element(index)
	return s.in.value, s.in.Opcode == "constant" && s.in.hasValue
}
