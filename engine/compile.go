// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"fmt"
	"strings"

	"github.com/layerscope/layerscope/engine/internal/program"
)

// maxPrograms bounds the programs kept; when there are more, all are made anew.
const maxPrograms = 256

// compiled is a program with what tracing it needs.
type compiled struct {
	exe  program.Executable
	p    *program.Program
	open [][]string // span paths that begin before a segment, outermost first
	shut []int      // spans that end after a segment
	end  []int      // the layer that ends after a segment, or -1

	ids *programIDs
}

// programIDs are a program's numbers in one tracer.
type programIDs struct {
	tr     *tracing
	module uint32
	open   [][]uint32
	spans  []uint32
	ops    []uint32
}

// cached returns the program for a shape if there is one. The caller holds the
// device.
func (e *Engine) cached(s program.Shape) *compiled {
	c, ok := e.programs[s]
	if !ok || e.forget(s.Phase) {
		return nil
	}
	return c
}

// build makes the program for a shape.
func (e *Engine) build(s program.Shape) (*compiled, error) {
	p, err := program.Build(&e.cfg, s)
	if err != nil {
		return nil, err
	}
	exe, err := e.back.Compile(p)
	if err != nil {
		return nil, err
	}
	if len(e.programs) >= maxPrograms {
		for _, c := range e.programs {
			c.exe.Release()
		}
		clear(e.programs)
	}
	c := newCompiled(exe)
	e.programs[s] = c
	return c, nil
}

// forget tells whether an injection wants the phase's program made anew.
func (e *Engine) forget(phase string) bool {
	for i, in := range e.opt.Inject {
		if in.Kind != "recompile" || !in.within("score/"+phase) {
			continue
		}
		key := fmt.Sprintf("%d/%s", i, phase)
		e.uses[key]++
		if e.uses[key]%in.Every == 0 {
			return true
		}
	}
	return false
}

// newCompiled works out the spans' nesting from the segments' paths: the first
// two elements ("score/prefill") are the pass's own.
func newCompiled(exe program.Executable) *compiled {
	p := exe.Program()
	n := len(p.Segments)
	c := &compiled{exe: exe, p: p, open: make([][]string, n), shut: make([]int, n), end: make([]int, n)}
	groups := func(i int) []string {
		parts := strings.Split(p.Segments[i].Scope, "/")
		return parts[2 : len(parts)-1]
	}
	var stack []string
	for i := range p.Segments {
		want := groups(i)
		for k := len(stack); k < len(want); k++ {
			stack = append(stack, want[k])
			c.open[i] = append(c.open[i], "score/"+p.Shape.Phase+"/"+strings.Join(stack, "/"))
		}
		keep := 0
		if i+1 < n {
			next := groups(i + 1)
			for keep < len(stack) && keep < len(next) && stack[keep] == next[keep] {
				keep++
			}
		}
		c.end[i] = -1
		if keep == 0 && len(stack) > 0 {
			c.end[i] = p.Segments[i].Layer
		}
		c.shut[i] = len(stack) - keep
		stack = stack[:keep]
	}
	return c
}

// register gives spans and operations their numbers in a tracer.
func (c *compiled) register(tr *tracing) *programIDs {
	if c.ids != nil && c.ids.tr == tr {
		return c.ids
	}
	s := c.p.Shape
	module := fmt.Sprintf("score_%s_t%d_r%d", s.Phase, s.Tokens, s.Rows)
	if s.Cache > 0 {
		module += fmt.Sprintf("_c%d", s.Cache)
	}
	ids := &programIDs{tr: tr, module: tr.t.Name(module), open: make([][]uint32, len(c.open)),
		spans: make([]uint32, len(c.open)), ops: make([]uint32, len(c.open))}
	seen := map[string]int{}
	for i := range c.p.Segments {
		seg := &c.p.Segments[i]
		for _, name := range c.open[i] {
			ids.open[i] = append(ids.open[i], tr.t.Name(name))
		}
		ids.spans[i] = tr.t.Name(seg.Scope)
		name := strings.TrimPrefix(seg.Scope, "score/"+s.Phase+"/")
		if seen[name]++; seen[name] > 1 {
			name = fmt.Sprintf("%s.%d", name, seen[name]-1) // the head's further blocks of rows
		}
		ids.ops[i] = tr.t.Op(OpInfo{Name: name, Scope: seg.Scope, Category: seg.Op.Category(), Program: module,
			Detail: seg.Detail, Layer: seg.Layer, FLOPs: seg.FLOPs, Bytes: seg.Bytes})
	}
	c.ids = ids
	return ids
}

// slowness is the factor that injections put on a segment.
func (e *Engine) slowness(s *program.Segment) float64 {
	f := 1.0
	for _, in := range e.opt.Inject {
		if in.Kind == "slow" && in.within(s.Scope) {
			f *= in.Factor
		}
	}
	return f
}
