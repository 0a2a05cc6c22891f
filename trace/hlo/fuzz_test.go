// SPDX-License-Identifier: Apache-2.0

package hlo

import (
	"strings"
	"testing"
)

func FuzzParseProto(f *testing.F) {
	f.Add([]byte(smallProgram()))
	f.Add([]byte(enc{}.msg(1, smallProgram()).msg(3, smallPlan())))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseProto(b)
		if err != nil {
			return
		}
		visit(t, m)
	})
}

func FuzzParseText(f *testing.F) {
	f.Add(toyModule)
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseText(s)
		if err != nil {
			return
		}
		visit(t, m)
	})
}

// FuzzParseInstruction prints what it read and reads that again: the same.
func FuzzParseInstruction(f *testing.F) {
	for _, tt := range costTable {
		f.Add(tt.line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		in, err := ParseInstruction(line)
		if err != nil {
			return
		}
		in.Cost()
		sameOperands(t, line, in)
		if sh, err := ParseShape(in.Shape.String()); err != nil || sh.String() != in.Shape.String() {
			t.Fatalf("shape %s of %q: %v, %v", in.Shape, line, sh, err)
		}
		names := []string{in.Name}
		for _, o := range in.Operands {
			names = append(names, o.Name)
		}
		for _, n := range names {
			if n == "" || strings.Trim(n, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != "" {
				return // no name of a compiler's
			}
		}
		if in.Opcode == "parameter" || in.Opcode == "constant" {
			return // String leaves out the number and the value
		}
		again, err := ParseInstruction(in.String())
		if err != nil || again.String() != in.String() {
			t.Fatalf("%q printed as %s, read as %v, %v", line, in, again, err)
		}
	})
}
