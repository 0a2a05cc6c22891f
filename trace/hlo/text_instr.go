// SPDX-License-Identifier: Apache-2.0

package hlo

import (
	"fmt"
	"strconv"
	"strings"
)

// ParseInstruction reads one line of HLO text, such as the long_name of a TPU
// operation in a profile:
//
//	%fusion.3 = bf16[8,128]{1,0} fusion(bf16[8,64]{1,0} %p.1, …), kind=kOutput, calls=%fc.3
//
// Operands and called computations are known by name, and by shape where the
// line gives one; they have no Opcode and no Instructions. A line that was cut
// short is read as far as it goes, if the opcode is still there.
func ParseInstruction(line string) (*Instruction, error) {
	p := &textParser{s: line, m: &Module{}, shapes: map[string]*Shape{}}
	in, names, _, err := p.instruction(line)
	if err != nil {
		return nil, fmt.Errorf("hlo: %w", err)
	}
	in.Operands = make([]*Instruction, 0, len(p.operands))
	for _, o := range p.operands {
		in.Operands = append(in.Operands, &Instruction{Name: o.name, Shape: o.shape, Parameter: -1, TupleIndex: -1})
	}
	for _, n := range names {
		in.Called = append(in.Called, &Computation{Name: n})
	}
	if in.Opcode == "while" {
		in.TripCount = knownTripCount(in.BackendConfig)
	}
	return in, nil
}

// OperandNames returns the name of the instruction in a line of HLO text, and
// appends those of its operands to dst: what [ParseInstruction] finds, which takes
// ten times as long for shapes and attributes. ok is false for what is no
// instruction.
func OperandNames(dst []string, line string) (name string, operands []string, ok bool) {
	s := strings.TrimPrefix(strings.TrimSpace(line), "ROOT ")
	name, rest, ok := strings.Cut(s, "=")
	name = firstName(name)
	rest = strings.TrimLeft(rest, " ")
	n, err := shapeLength(rest)
	if !ok || name == "" || err != nil {
		return "", dst, false
	}
	rest = strings.TrimLeft(rest[n:], " ")
	open := strings.IndexByte(rest, '(')
	if open < 0 || !isOpcode(rest[:open]) {
		return "", dst, false
	}
	if opcode := rest[:open]; opcode == "parameter" || opcode == "constant" {
		return name, dst, true
	}
	return name, appendOperands(dst, rest[open:]), true
}

// appendOperands reads "(shape %name, …)".
func appendOperands(dst []string, s string) []string {
	depth, from := 0, 1
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			i = quoteEnd(s, i)
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth--; depth == 0 {
				return appendOperand(dst, s[from:i])
			}
		case ',':
			if depth == 1 {
				dst = appendOperand(dst, s[from:i])
				from = i + 1
			}
		}
	}
	return appendOperand(dst, s[from:])
}

func appendOperand(dst []string, arg string) []string {
	if arg = strings.TrimSpace(stripComments(arg)); arg == "" {
		return dst
	}
	return append(dst, strings.TrimPrefix(arg[strings.LastIndexByte(arg, ' ')+1:], "%"))
}

// operandText is an operand as a line names it.
type operandText struct {
	name  string
	shape *Shape
}

// instruction reads "[ROOT ]%name = shape opcode(operands), attribute=value, …"
// into an instruction without operands and calls; the operands are left in
// p.operands and the called computations' names are returned.
func (p *textParser) instruction(stmt string) (in *Instruction, calls []string, root bool, err error) {
	p.operands = p.operands[:0]
	s := strings.TrimSpace(stmt)
	s, root = strings.CutPrefix(s, "ROOT ")
	name, rest, ok := strings.Cut(s, "=")
	name = firstName(name)
	if !ok || name == "" {
		return nil, nil, false, fmt.Errorf("%q is no instruction: want name = shape opcode(…)", cut(s))
	}
	in = &Instruction{Name: name, Parameter: -1, TupleIndex: -1, Shape: noShape}
	rest = strings.TrimLeft(rest, " ")
	n, err := shapeLength(rest)
	if err != nil {
		return nil, nil, false, fmt.Errorf("instruction %s: %w", name, err)
	}
	if in.Shape, err = p.shape(rest[:n]); err != nil {
		return nil, nil, false, fmt.Errorf("instruction %s: %w", name, err)
	}
	rest = strings.TrimLeft(rest[n:], " ")
	open := strings.IndexByte(rest, '(')
	if open < 0 || !isOpcode(rest[:open]) {
		return nil, nil, false, fmt.Errorf("instruction %s: %q is no opcode(…)", name, cut(rest))
	}
	in.Opcode = rest[:open]
	inside, ok := bracketed(rest[open:])
	in.partial = !ok
	if err := p.arguments(in, inside); err != nil {
		return nil, nil, false, fmt.Errorf("instruction %s: %w", name, err)
	}
	if ok {
		calls = p.attributes(in, rest[open+len(inside)+2:])
	}
	if in.Conv == nil && in.Opcode == "convolution" {
		in.partial = true
	}
	return in, calls, root, nil
}

// arguments reads what stands between an opcode's parentheses.
func (p *textParser) arguments(in *Instruction, s string) error {
	switch in.Opcode {
	case "parameter":
		n, err := strconv.Atoi(strings.TrimSpace(s))
		if err != nil || n < 0 || n > maxTable {
			return fmt.Errorf("parameter number %q", cut(s))
		}
		in.Parameter = n
		return nil
	case "constant":
		if len(in.Shape.Dims) == 0 {
			v, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
			in.value, in.hasValue = v, err == nil && isInteger(in.Shape.Type)
		}
		return nil
	case "get-tuple-element":
		in.TupleIndex = 0
	}
	for len(s) > 0 {
		arg, rest := topLevel(s)
		s = rest
		if arg = strings.TrimSpace(stripComments(arg)); arg == "" {
			continue
		}
		if p.edges++; p.edges > maxEdges(len(p.s)) {
			return fmt.Errorf("more than %d operands", maxEdges(len(p.s)))
		}
		o := operandText{name: arg, shape: noShape}
		if i := strings.LastIndexByte(arg, ' '); i >= 0 {
			o.name = arg[i+1:]
			if sh, err := p.shape(strings.TrimSpace(arg[:i])); err == nil {
				o.shape = sh
			}
		}
		o.name = strings.TrimPrefix(o.name, "%")
		p.operands = append(p.operands, o)
	}
	return nil
}

func isInteger(t ElementType) bool {
	switch t.String()[0] {
	case 's', 'u':
		return true
	}
	return false
}

func isOpcode(s string) bool {
	for i := range len(s) {
		if c := s[i]; !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return len(s) > 0
}

// statement returns the text up to the newline that ends an instruction: the
// first one outside brackets and quotes. It reports false at the end of text
// inside one.
func statement(s string) (string, bool) {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			if i = quoteEnd(s, i); i >= len(s) {
				return s, false
			}
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		case '\n':
			if depth <= 0 {
				return s[:i], true
			}
		}
	}
	return s, depth <= 0
}

// quoteEnd returns the index of the quote that closes the one at i, or len(s).
func quoteEnd(s string, i int) int {
	for i++; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(s)
}

// topLevel splits s at the first comma outside brackets and quotes.
func topLevel(s string) (first, rest string) {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			i = quoteEnd(s, i)
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		case ',':
			if depth <= 0 {
				return s[:i], s[i+1:]
			}
		}
	}
	return s, ""
}

// bracketed returns what stands between the bracket that s starts with and the
// one that closes it; at the end of text before that, the rest and false.
func bracketed(s string) (string, bool) {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			i = quoteEnd(s, i)
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth--; depth == 0 {
				return s[1:i], true
			}
		}
	}
	return s[1:], false
}

// stripComments removes /*index=5*/ marks.
func stripComments(s string) string {
	if !strings.Contains(s, "/*") {
		return s
	}
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, "/*")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		if _, s, ok = strings.Cut(rest, "*/"); !ok {
			return b.String()
		}
	}
}
