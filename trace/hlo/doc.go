// SPDX-License-Identifier: Apache-2.0

// Package hlo reads HLO modules: the compiler's description of the program
// that a device ran. A profile names operations ("fusion.3"); the module says
// what each is: its scope path in the user's code, shapes, operands, work.
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
