// SPDX-License-Identifier: Apache-2.0

package hlo

import (
	"fmt"
	"strconv"
	"strings"
)

// ParseText reads a module in HLO text, as XLA prints and dumps it: a header
// line "HloModule name, …", tables of source locations, and computations. The
// '%' before names, operand shapes, layouts and metadata may be absent.
//
// Text has no ids: Computation.ID and Instruction.ID are 0. Short forms of
// asynchronous operations ("slice-start") keep their text opcode.
func ParseText(s string) (*Module, error) {
	p := &textParser{s: s, m: &Module{}, shapes: map[string]*Shape{}, comps: map[string]*Computation{}}
	if err := p.module(); err != nil {
		line := 1 + strings.Count(s[:min(p.at, len(s))], "\n")
		return nil, fmt.Errorf("hlo: line %d: %w", line, err)
	}
	return p.m, nil
}

// textParser reads one module. at is where the statement under way starts.
type textParser struct {
	s      string
	at     int
	m      *Module
	shapes map[string]*Shape
	comps  map[string]*Computation
	calls  []textCalls
	total  int // instructions so far
	edges  int // operands so far

	operands []operandText
	missing  *Instruction
}

// textCalls are an instruction's called computations by name.
type textCalls struct {
	in    *Instruction
	names []string
}

func (p *textParser) module() error {
	for {
		p.skipSpace()
		if p.at >= len(p.s) {
			break
		}
		line := p.line()
		switch {
		case strings.HasPrefix(line, "HloModule"):
			if p.m.Name != "" || len(p.m.Computations) > 0 {
				return fmt.Errorf("a second module begins; one file holds one module")
			}
			p.m.Name = firstName(strings.TrimPrefix(line, "HloModule"))
			p.at += len(line)
		case tableNames[line]:
			p.at += len(line)
			p.table(line)
		case strings.HasSuffix(strings.TrimRight(line, " \r"), "{"):
			p.at += len(line)
			if err := p.computation(line); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%q is neither a module header nor a computation", cut(line))
		}
	}
	if len(p.m.Computations) == 0 {
		return fmt.Errorf("no computation in %d bytes of HLO text", len(p.s))
	}
	return p.link()
}

// computation reads the body that follows a header such as
// "%region_0.1 (a: f32[], b: f32[]) -> f32[] {".
func (p *textParser) computation(header string) error {
	name, entry := strings.CutPrefix(header, "ENTRY ")
	c := &Computation{Name: firstName(name), known: true}
	if c.Name == "" {
		return fmt.Errorf("computation without a name: %q", cut(header))
	}
	seen := map[string]*Instruction{}
	for {
		p.skipSpace()
		if p.at >= len(p.s) {
			return fmt.Errorf("computation %s has no closing brace", c.Name)
		}
		if p.s[p.at] == '}' {
			break
		}
		stmt, ok := statement(p.s[p.at:])
		if !ok {
			return fmt.Errorf("computation %s: brackets or quotes of %q are not closed", c.Name, cut(stmt))
		}
		if err := p.addInstruction(c, stmt, seen); err != nil {
			return err
		}
		p.at += len(stmt)
	}
	tail := p.line()
	p.at += len(tail)
	if _, v, ok := strings.Cut(tail, `execution_thread="`); ok {
		c.Thread, _, _ = strings.Cut(v, `"`)
	}
	if n := len(c.Instructions); c.Root == nil && n > 0 {
		c.Root = c.Instructions[n-1]
	}
	if entry {
		p.m.Entry = c
	}
	if _, dup := p.comps[c.Name]; dup {
		p.m.warn("computation name used twice", p.m.Name, c.Name)
	} else {
		p.comps[c.Name] = c
	}
	p.m.Computations = append(p.m.Computations, c)
	return nil
}

func (p *textParser) addInstruction(c *Computation, stmt string, seen map[string]*Instruction) error {
	if p.total++; p.total > maxInstructions(len(p.s)) {
		return fmt.Errorf("more than %d instructions", maxInstructions(len(p.s)))
	}
	in, names, root, err := p.instruction(stmt)
	if err != nil {
		return err
	}
	in.Parent, in.index = c, int32(len(c.Instructions))
	if len(p.operands) > 0 {
		in.Operands = make([]*Instruction, 0, len(p.operands))
	}
	for i := range p.operands {
		o := seen[p.operands[i].name]
		if o == nil {
			p.m.warn("missing operand", in.Name, p.operands[i].name)
			if p.missing == nil {
				p.missing = &Instruction{Name: "missing", Shape: noShape, Parameter: -1, TupleIndex: -1}
			}
			o = p.missing
		}
		in.Operands = append(in.Operands, o)
	}
	if len(names) > 0 {
		p.calls = append(p.calls, textCalls{in, names})
	}
	if _, dup := seen[in.Name]; dup {
		p.m.warn("instruction name used twice", c.Name, in.Name)
	} else {
		seen[in.Name] = in
	}
	if root {
		c.Root = in
	}
	c.Instructions = append(c.Instructions, in)
	return nil
}

func (p *textParser) link() error {
	var missing *Computation
	for _, l := range p.calls {
		for _, name := range l.names {
			c := p.comps[name]
			if c == nil {
				p.m.warn("missing computation", l.in.Name, name)
				if missing == nil {
					missing = &Computation{Name: "missing"}
				}
				c = missing
			}
			l.in.Called = append(l.in.Called, c)
		}
	}
	p.m.resolve("")
	return nil
}

// skipSpace moves over blanks, empty lines and comments between statements.
func (p *textParser) skipSpace() {
	for p.at < len(p.s) {
		switch rest := p.s[p.at:]; {
		case rest[0] == ' ' || rest[0] == '\t' || rest[0] == '\n' || rest[0] == '\r':
			p.at++
		case strings.HasPrefix(rest, "\ufeff"):
			p.at += len("\ufeff")
		case strings.HasPrefix(rest, "//"):
			p.at += len(p.line())
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest, "*/")
			if end < 0 {
				end = len(rest) - 2
			}
			p.at += end + 2
		default:
			return
		}
	}
}

// line returns the rest of the line, without its end.
func (p *textParser) line() string {
	rest := p.s[p.at:]
	if i := strings.IndexByte(rest, '\n'); i >= 0 {
		rest = rest[:i]
	}
	return strings.TrimSuffix(rest, "\r")
}

var tableNames = map[string]bool{"FileNames": true, "FunctionNames": true, "FileLocations": true, "StackFrames": true}

// table reads the numbered lines below a table's name: `1 "file.py"` or
// `1 {file_name_id=1 … line=3}`. Numbers count from 1 in order.
func (p *textParser) table(name string) {
	t := &p.m.frames
	for p.at < len(p.s) {
		p.at++ // the newline before
		line := p.line()
		num, rest, ok := strings.Cut(line, " ")
		if _, err := strconv.Atoi(num); !ok || err != nil {
			break
		}
		p.at += len(line)
		a := func(key string) int32 { return int32(keyNumber(rest, key)) }
		switch name {
		case "FileNames":
			t.files = append(t.files, unquote(rest))
		case "FunctionNames":
			t.functions = append(t.functions, unquote(rest))
		case "FileLocations":
			t.locations = append(t.locations, location{a("file_name_id="), a("function_name_id="), a(" line="), a(" column=")})
		case "StackFrames":
			t.frames = append(t.frames, stackFrame{a("file_location_id="), a("parent_frame_id=")})
		}
	}
	// The printer writes parent+1: the outermost frame, which has parent 0,
	// seems to be its own parent. Nothing else can be its own parent.
	if name == "StackFrames" && len(t.frames) > 0 && t.frames[0].parent == 1 {
		for i := range t.frames {
			t.frames[i].parent--
		}
	}
}

// keyNumber returns the number after key, 0 without one.
func keyNumber(s, key string) int64 {
	i := strings.Index(s, key)
	if i < 0 {
		return 0
	}
	s = s[i+len(key):]
	end := 0
	for end < len(s) && (s[end] >= '0' && s[end] <= '9' || end == 0 && s[end] == '-') {
		end++
	}
	n, err := strconv.ParseInt(s[:end], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// firstName cuts a leading name from blanks, its '%' and what follows.
func firstName(s string) string {
	s = strings.TrimPrefix(strings.TrimLeft(s, " "), "%")
	if i := strings.IndexAny(s, " ,({"); i >= 0 {
		s = s[:i]
	}
	return s
}

// cut shortens text for an error message.
func cut(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}
