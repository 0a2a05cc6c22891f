// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/layerscope/layerscope/trace/hlo"
	"github.com/layerscope/layerscope/trace/internal/inflate"
)

// joinInstructions gives ops the HLO instruction of their program and name, and
// facts from it that the capture itself did not state. Programs without a module
// are left alone.
func (t *Trace) joinInstructions() {
	for i := range t.Ops {
		op := &t.Ops[i]
		if op.Program < 0 || op.Instruction != nil {
			continue
		}
		m := t.Programs[op.Program].Module
		if m == nil {
			continue
		}
		in := m.Instruction(op.Name)
		if in == nil {
			continue
		}
		op.Instruction = in
		if in.OpName != "" && (op.Scope == "" || op.Category == "") {
			op.Scope = in.OpName
		}
		if op.Category != "" {
			continue // TPU: the metadata says everything else
		}
		op.Category = category(in)
		op.Shape = in.Shape.String()
		if !calls(in) {
			cost := m.Cost(in, hlo.CostOptions{})
			op.FLOPs, op.ModelFLOPs, op.Bytes = cost.FLOPs, cost.FLOPs, cost.Bytes()
		}
		if stack := m.Stack(in); op.Source == "" && len(stack) > 0 {
			op.Source = stack[0].File + ":" + strconv.Itoa(stack[0].Line)
		}
	}
}

// chargeKernels moves the cost of GPU ops from the op to the first kernel of
// each of its runs: a convolution of two kernels works once, not twice.
func (t *Trace) chargeKernels() {
	type cost struct{ flops, mem int64 }
	costs := make(map[OpID]cost)
	for _, tr := range t.Tracks {
		col, ok := tr.source.(*columns)
		if !ok || col.first == nil {
			continue
		}
		col.flops, col.mem = make([]int64, col.len()), make([]int64, col.len())
		for i, id := range col.op {
			c, seen := costs[id]
			if !seen {
				op := &t.Ops[id]
				c = cost{op.FLOPs, op.Bytes}
				costs[id] = c
				op.FLOPs, op.ModelFLOPs, op.Bytes = 0, 0, 0
			}
			if col.first[i] {
				col.flops[i], col.mem[i] = c.flops, c.mem
			}
		}
		col.first = nil
	}
}

// A supplied is a module that the user supplies.
type supplied struct {
	path   string
	module *hlo.Module
	raw    []byte
	used   bool
}

// addHLO reads modules that the user supplies for programs without one, and gives
// them to the programs of their name: to the one of their id, where it has one of
// that name (CPUs and GPUs count programs and modules alike), else to all.
func (t *Trace) addHLO(paths []string, limit int64) error {
	files := make([]supplied, len(paths))
	for i, path := range paths {
		m, raw, err := readModule(path, limit)
		if err != nil {
			return at(path, err)
		}
		files[i] = supplied{path: path, module: m, raw: raw}
	}
	for i := range files {
		f := &files[i]
		t.give(f, func(p *Program) bool { return f.module.ID != 0 && p.ID == uint64(f.module.ID) })
	}
	for i := range files {
		f := &files[i]
		if f.used {
			continue
		}
		switch n := t.give(f, func(*Program) bool { return true }); n {
		case 0:
			t.find(Finding{Code: "hlo-unused", Severity: Warning, Message: f.path + ": module " + f.module.Name + " fits no program of the capture without HLO", Hint: "the module's name must be the program's, such as jit_score"})
		case 1:
		default:
			t.find(Finding{Code: "hlo-by-name", Severity: Warning, Count: int64(n), Message: fmt.Sprintf("%s: module %s was given to %d programs of that name: the id of none is the module's (%d)", f.path, f.module.Name, n, f.module.ID),
				Hint: "they may be compiled of other shapes: scopes and costs are only right for the one that the module is of"})
		}
	}
	return nil
}

// give gives a module to the programs of its name without one that fit.
func (t *Trace) give(f *supplied, fits func(*Program) bool) (n int) {
	for i := range t.Programs {
		p := &t.Programs[i]
		if p.Module == nil && (p.Name == f.module.Name || strings.HasPrefix(f.module.Name, p.Name+".")) && fits(p) {
			p.Module, p.raw, f.used = f.module, f.raw, true
			n++
		}
	}
	return n
}

// readModule reads an HLO module, compressed or not, of at most limit bytes when it
// is decompressed. The bytes are nil for HLO text.
func readModule(path string, limit int64) (*hlo.Module, []byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	br := bufio.NewReader(f)
	head, _ := br.Peek(8) // a short file has a short head
	var r io.Reader = br
	if kind := compression(head); kind != "" {
		if r, err = expand(kind, br, limit); err != nil {
			return nil, nil, err
		}
	}
	b, err := io.ReadAll(r)
	if errors.Is(err, inflate.ErrLimit) {
		err = tooLarge(limit)
	}
	if err != nil {
		return nil, nil, err
	}
	m, err := hlo.Parse(b)
	if bytes.HasPrefix(bytes.TrimSpace(b[:min(len(b), 256)]), []byte("HloModule")) {
		b = nil
	}
	return m, b, err
}

// calls says whether what an instruction calls shows up as events of its own:
// its work is theirs.
func calls(in *hlo.Instruction) bool {
	return in.Opcode == "while" || in.Opcode == "conditional" || in.Opcode == "call"
}

// category names the kind of an instruction as XProf does: fusions by their
// kind, all others by their opcode.
func category(in *hlo.Instruction) string {
	if in.Opcode != "fusion" {
		return in.Opcode
	}
	if kind := strings.ToLower(strings.TrimPrefix(in.FusionKind, "k")); kind != "" {
		return kind + " fusion"
	}
	return in.Opcode
}
