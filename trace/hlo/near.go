// SPDX-License-Identifier: Apache-2.0

package hlo

// Bounds of the search in OpNameNear: instructions looked at, and of a
// fusion's body those that are.
const (
	nearVisits = 64
	nearBody   = 256
)

// OpNameNear returns the op_name that says where in the user's program an
// instruction belongs, and the instruction that carries it: in itself, else
// one inside its fusion, else the nearest user, else the nearest operand that
// is no parameter. Compilers write matmuls, prefetches and copies without
// op_name; their consumer is what they are for. It returns "" and nil when
// nothing near has a name.
func (m *Module) OpNameNear(in *Instruction) (string, *Instruction) {
	if from := named(in); from != nil {
		return from.OpName, from
	}
	for _, step := range []func(*Instruction) []*Instruction{
		(*Instruction).Users,
		func(in *Instruction) []*Instruction { return in.Operands },
	} {
		if from := search(in, step); from != nil {
			return from.OpName, from
		}
	}
	return "", nil
}

// search goes from in along step, nearest first.
func search(in *Instruction, step func(*Instruction) []*Instruction) *Instruction {
	seen := map[*Instruction]bool{in: true}
	queue := []*Instruction{in}
	for i := 0; i < len(queue) && i < nearVisits; i++ {
		for _, n := range step(queue[i]) {
			if seen[n] || len(queue) >= nearVisits {
				continue
			}
			seen[n] = true
			if from := named(n); from != nil {
				return from
			}
			queue = append(queue, n)
		}
	}
	return nil
}

// named returns in, or an instruction inside its fusion, that has an op_name;
// of several inside the root, else a matmul, else the last. A parameter's
// op_name is the name of an argument and does not count.
func named(in *Instruction) *Instruction {
	if in.Opcode == "parameter" {
		return nil
	}
	if in.OpName != "" {
		return in
	}
	if in.Opcode != "fusion" || len(in.Called) != 1 {
		return nil
	}
	body := in.Called[0]
	if r := body.Root; r != nil && r.OpName != "" && r.Opcode != "parameter" {
		return r
	}
	var best *Instruction
	for i := min(len(body.Instructions), nearBody) - 1; i >= 0; i-- {
		l := body.Instructions[i]
		if l.OpName == "" || l.Opcode == "parameter" {
			continue
		}
		if l.Dot != nil || l.Conv != nil {
			return l
		}
		if best == nil {
			best = l
		}
	}
	return best
}
