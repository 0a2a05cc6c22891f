// SPDX-License-Identifier: Apache-2.0

package hlo

import "google.golang.org/protobuf/encoding/protowire"

// enc builds protobuf messages by field number for synthetic modules.
type enc []byte

func (e enc) num(field int, v int64) enc {
	return protowire.AppendVarint(protowire.AppendTag(e, protowire.Number(field), protowire.VarintType), uint64(v))
}

func (e enc) str(field int, s string) enc {
	return protowire.AppendString(protowire.AppendTag(e, protowire.Number(field), protowire.BytesType), s)
}

func (e enc) msg(field int, m enc) enc { return e.str(field, string(m)) }

func (e enc) packed(field int, v ...int64) enc {
	var p []byte
	for _, x := range v {
		p = protowire.AppendVarint(p, uint64(x))
	}
	return e.str(field, string(p))
}

// array is a ShapeProto of float32.
func array(dims ...int64) enc { return enc{}.num(2, int64(F32)).packed(3, dims...) }

// node is an HloInstructionProto.
func node(id int64, name, opcode string, shape enc, operands ...int64) enc {
	e := enc{}.str(1, name).str(2, opcode).msg(3, shape).num(35, id)
	if len(operands) > 0 {
		e = e.packed(36, operands...)
	}
	return e
}

// function is an HloComputationProto.
func function(id int64, name string, root int64, nodes ...enc) enc {
	e := enc{}.str(1, name)
	for _, n := range nodes {
		e = e.msg(2, n)
	}
	return e.num(5, id).num(6, root)
}

// program is an HloModuleProto.
func program(entry int64, functions ...enc) enc {
	e := enc{}.str(1, "jit_synthetic").str(2, "main")
	for _, f := range functions {
		e = e.msg(3, f)
	}
	return e.num(5, 7).num(6, entry)
}

// smallProgram multiplies two matrices and adds them, with a schedule that
// turns the order of the file around where it may.
func smallProgram() enc {
	sched := enc{}.msg(1, enc{}.num(1, 9).msg(2, enc{}.packed(1, 2, 1, 3, 4)))
	dot := node(3, "dot.3", "dot", array(4, 4), 1, 2).
		msg(30, enc{}.packed(1, 1).packed(2, 0)).
		msg(7, enc{}.str(1, "dot_general").str(2, "jit(f)/layer_0/dot_general").str(3, "model.py").num(4, 12).str(12, "dot.1"))
	return program(9, function(9, "main", 4,
		node(1, "a", "parameter", array(4, 4)).num(9, 0),
		node(2, "b", "parameter", array(4, 4)).num(9, 1),
		dot,
		node(4, "sum", "add", array(4, 4), 3, 1),
	)).msg(7, sched)
}

// smallPlan is a BufferAssignmentProto for smallProgram: parameters of 64
// bytes in allocations 0 and 1, the result in 2, a thread-local allocation, and
// a heap of 256 bytes (allocation 4) for buffers 10, 11 and 12, of which 12
// takes over 10's memory.
func smallPlan() enc {
	buffer := func(id, size, instruction, color int64) enc {
		return enc{}.num(1, id).num(2, size).msg(3, enc{}.num(4, instruction)).num(4, color)
	}
	assigned := func(id, offset, size int64) enc { return enc{}.num(1, id).num(2, offset).num(3, size) }
	event := func(kind, id, canonical int64) enc {
		return enc{}.num(1, kind).num(2, id).str(4, "dot.3").num(5, canonical)
	}
	return enc{}.
		msg(1, buffer(1, 64, 1, 0)).msg(1, buffer(2, 64, 2, 0)).msg(1, buffer(3, 64, 4, 0)).
		msg(1, buffer(10, 128, 3, 0)).msg(1, buffer(11, 64, 3, 0)).msg(1, buffer(12, 64, 3, 0)).
		msg(3, enc{}.num(1, 0).num(2, 64).num(5, 1).num(6, 0).msg(9, assigned(1, 0, 64))).
		msg(3, enc{}.num(1, 1).num(2, 64).num(5, 1).num(6, 1).msg(9, assigned(2, 0, 64))).
		msg(3, enc{}.num(1, 2).num(2, 64).num(7, 1).msg(9, assigned(3, 0, 64))).
		msg(3, enc{}.num(1, 3).num(2, 512).num(3, 1)).
		msg(3, enc{}.num(1, 4).num(2, 256).msg(9, assigned(10, 0, 128)).msg(9, assigned(11, 128, 64)).msg(9, assigned(12, 0, 64))).
		msg(4, enc{}.
			msg(1, event(0, 10, 0)).  // 128
			msg(1, event(0, 11, 0)).  // 192, the peak
			msg(1, event(1, 11, 0)).  // 128
			msg(1, event(2, 12, 10)). // 12 shares with 10: 128
			msg(1, event(1, 10, 0)).  // still held by 12
			msg(1, event(1, 12, 0)))  // 0
}
