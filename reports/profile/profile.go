// SPDX-License-Identifier: Apache-2.0

// Package profile writes an analysis for tools that show call stacks: folded
// stacks for flame graphs, speedscope, and pprof.
//
// The stack of an op is where it belongs: its program, its layer, what is left
// of its scope path inside the layer, and the op itself as the leaf, whose value
// is its self time. So the leaves add up to the op time of the report, and any
// frame to the row of that name.
//
// The package example writes one op as a folded stack.
package profile

import (
	"bufio"
	"io"
	"strconv"
	"strings"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/trace/hlo"
)

// A Stack is one op of an analysis and where it belongs.
type Stack struct {
	Frames []string // the outermost first; the last is the op
	Op     *analyze.Op
}

// Names of frames for what has none.
const (
	noProgram = "(no program)"
	noLayer   = "(unattributed)"
)

// Stacks returns the stacks of all ops of an analysis, those with most self time
// first. Ops of no self time are left out.
func Stacks(a *analyze.Analysis) []Stack {
	out := make([]Stack, 0, len(a.Ops))
	for i := range a.Ops {
		if op := &a.Ops[i]; op.Self > 0 {
			out = append(out, Stack{frames(op), op})
		}
	}
	return out
}

func frames(op *analyze.Op) []string {
	program, layer := op.Program, op.Layer
	if program == "" {
		program = noProgram
	}
	if layer == "" {
		layer = noLayer
	}
	out := []string{program, layer}
	parts := hlo.FoldScope(op.Scope).Path
	return append(append(out, inside(parts, op.Layer)...), op.Name)
}

// inside cuts the parts of a scope path up to the one that names the layer.
func inside(parts []string, layer string) []string {
	_, index, ok := lastNumber(layer)
	if !ok {
		if len(parts) > 0 && parts[0] == layer {
			return parts[1:]
		}
		return parts
	}
	for i, p := range parts {
		if head, n, ok := lastNumber(p); ok && n == index && (head != "" || i > 0) {
			return parts[i+1:]
		}
	}
	return parts
}

// lastNumber takes the number off the end of a name: "layer_3", "layers[3]", "3".
func lastNumber(s string) (head string, n int, ok bool) {
	s = strings.TrimRight(s, "]'\")")
	i := len(s)
	for i > 0 && s[i-1] >= '0' && s[i-1] <= '9' {
		i--
	}
	n, err := strconv.Atoi(s[i:])
	return s[:i], n, err == nil
}

// WriteFolded writes one line a stack, frames separated by semicolons, with the
// self time in picoseconds: what flamegraph.pl, inferno and speedscope read.
// Semicolons, blanks at the ends and control characters of names are replaced.
func WriteFolded(w io.Writer, a *analyze.Analysis) error {
	b := bufio.NewWriter(w)
	for _, s := range Stacks(a) {
		for i, f := range s.Frames {
			if i > 0 {
				b.WriteByte(';')
			}
			b.WriteString(plain(f))
		}
		b.WriteByte(' ')
		b.WriteString(strconv.FormatInt(int64(s.Op.Self), 10))
		b.WriteByte('\n')
	}
	return b.Flush()
}

// plain makes a name fit for a line of folded stacks.
func plain(name string) string {
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == ';':
			return ','
		case r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029:
			return ' '
		}
		return r
	}, strings.ToValidUTF8(name, "\uFFFD")))
	if name == "" {
		return "(no name)"
	}
	return name
}
