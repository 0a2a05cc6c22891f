// SPDX-License-Identifier: Apache-2.0

// Package hlo reads HLO modules: the compiler's description of the program
// that a device ran. A profile names operations ("fusion.3"); the module says
// what each one is: its scope path in the user's code, shapes, operands, work
// and memory.
//
// [Parse] takes a module in any form that profiles, dumps and compilers write:
// HloModuleProto, HloProto, HloSnapshot and HloModuleProtoWithConfig bytes, or
// HLO text. [ParseInstruction] takes a single line of HLO text, as TPU profiles
// carry it for each operation. Field numbers are XLA's; they were checked on
// modules of JAX on CPU, ROCm, CUDA and TPU v6e.
//
// [Module.Cost] counts FLOPs and bytes by the rules of XLA's own cost
// analysis, [Module.Work] the same instruction by instruction, so that each
// can be charged to its own scope; [FoldScope] takes a scope path apart;
// [Module.Buffers] gives the memory plan, and [BufferAssignment.Peak] what it
// needs at once.
//
// A module is read-only after parsing and safe for concurrent use. Damaged
// input gives an error, or a module with [Module.Warnings]; what a module
// holds is bounded by the size of its input.
//
// The package example parses a program of one fusion and prints the FLOPs of
// each scope inside it.
package hlo

import "bytes"

// Parse decodes a module from whatever form it comes in: HLO text
// ("HloModule jit_f, …"), or the bytes of an HloModuleProto, HloProto,
// HloSnapshot or HloModuleProtoWithConfig. Text is recognised by its first
// words, everything else is taken for protobuf.
func Parse(b []byte) (*Module, error) {
	t := bytes.TrimLeft(b, " \t\r\n\ufeff")
	for _, p := range []string{"HloModule", "//", "/*", "ENTRY", "%"} {
		if bytes.HasPrefix(t, []byte(p)) {
			return ParseText(string(b))
		}
	}
	return ParseProto(b)
}
