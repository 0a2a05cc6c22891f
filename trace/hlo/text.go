// SPDX-License-Identifier: Apache-2.0

package hlo

import "errors"

// ParseText reads HLO text.
func ParseText(s string) (*Module, error) { return nil, errors.New("hlo: text not supported yet") }

// ParseInstruction reads one instruction line.
func ParseInstruction(line string) (*Instruction, error) {
	return nil, errors.New("hlo: text not supported yet")
}
