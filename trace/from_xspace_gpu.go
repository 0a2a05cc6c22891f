// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"strings"

	"github.com/layerscope/layerscope/trace/internal/xspace"
)

// gpuStats are the event stats that tell what a kernel belongs to.
var gpuStats = []string{"hlo_op", "program_id", "name", "annotation", "tf_op", "hlo_module"}

const (
	gpuOp = iota
	gpuProgram
	gpuName
	gpuAnnotation
	gpuTFOp
	gpuModule
)

// gpu adds the streams of a GPU. What op a kernel belongs to stands on each
// event, so streams are read into columns.
func (x *xspaceReader) gpu(pl *xspace.Plane, device int) error {
	g := &kernelOps{x: x, pl: pl, ops: map[kernelKey]OpID{}}
	first, n := OpID(0), uint32(0)
	for _, ln := range pl.Lines {
		kind := lineKind(ln)
		if strings.HasPrefix(ln.Name, "Stream #") {
			kind = Stream
		}
		tr := &Track{Name: ln.Name, Kind: kind, Device: device, Host: x.host, Bytes: ln.Bytes}
		switch kind {
		case Stream:
			n, err := ln.Count()
			if err != nil {
				return err
			}
			col := &columns{op: make([]OpID, 0, n), start: make([]Time, 0, n), dur: make([]Duration, 0, n), first: make([]bool, 0, n)}
			if err := g.read(ln, col); err != nil {
				return err
			}
			tr.source = col
		case StepLine, Modules: // derived on GPU
			tr.Kind = Derived
			fallthrough
		default:
			if n == 0 {
				first, n = x.addOps(pl, func(i uint32) Op {
					name, display := pl.EventName(i)
					return Op{Name: firstOf(display, name), Program: -1}
				})
			}
			src := xspaceLine{line: ln, first: first, n: n, agg: -1, opts: xspace.ScanOptions{BaseNs: x.base}}
			if kind == Counter {
				if err := src.samples(tr); err != nil {
					return err
				}
			}
			tr.source = src
		}
		x.t.Tracks = append(x.t.Tracks, tr)
		x.flowLine(pl, ln, true)
	}
	return nil
}

// kernelOps gives kernels their ops.
type kernelOps struct {
	x    *xspaceReader
	pl   *xspace.Plane
	in   interner
	ops  map[kernelKey]OpID
	rest OpID // 0 = not needed yet
}

type kernelKey struct {
	meta  uint32
	stats [6]uint64 // by gpuStats
}

// read appends a stream's events to col. Consecutive kernels of one HLO op are
// one run of it: the first carries the op's work, so that a convolution of two
// kernels is not counted twice.
func (g *kernelOps) read(ln *xspace.Line, col *columns) error {
	opts := xspace.ScanOptions{BaseNs: g.x.base, Want: gpuStats}
	var last kernelKey
	return scanAtOnce(ln, opts, func(b *xspace.Batch) bool {
		for i, m := range b.Meta {
			key := kernelKey{meta: m}
			for c := range gpuStats {
				key.stats[c] = g.in.key(b, c, i)
			}
			op, ok := g.ops[key]
			if !ok && len(g.x.t.Ops) >= g.x.limit {
				op = g.overflow()
			} else if !ok {
				op = g.add(b, i, m)
				g.ops[key] = op
			}
			col.add(op, Time(b.Start[i]), Duration(b.Dur[i]))
			run := int64(1)
			if key.stats[gpuOp] != 0 && key.stats[gpuOp] == last.stats[gpuOp] && key.stats[gpuProgram] == last.stats[gpuProgram] {
				run = 0
			}
			last = key
			col.first = append(col.first, run == 1)
		}
		return true
	})
}

// overflow is the op of all kernels beyond the limit.
func (g *kernelOps) overflow() OpID {
	if g.rest == 0 {
		g.rest = OpID(len(g.x.t.Ops))
		g.x.t.Ops = append(g.x.t.Ops, Op{Name: "(kernels beyond the limit)", Program: -1})
		g.x.t.find(Finding{Code: "too-many-ops", Severity: Warning, Message: fmt.Sprintf("%s: more than %d distinct kernels; the rest share one row", g.pl.Name, len(g.ops))})
	}
	return g.rest
}

// add makes the op of one kind of kernel. Its scope is the HLO's when it can be
// joined, else what the event says: XProf knows the first only, ROCm writes the
// second, and using both covers everything.
func (g *kernelOps) add(b *xspace.Batch, i int, m uint32) OpID {
	kernel, display := g.pl.EventName(m)
	op := Op{Name: firstOf(display, kernel), Long: kernel, Program: -1}
	if hloOp := b.Text(gpuOp, i); hloOp != "" {
		op.Name = hloOp
	}
	col := &b.Values[gpuProgram]
	if k := col.Kind[i]; k == xspace.Int || k == xspace.Uint {
		op.Program = g.x.program(col.Bits[i], b.Text(gpuModule, i))
	}
	for _, c := range []int{gpuName, gpuAnnotation, gpuTFOp} {
		if s := b.Text(c, i); s != "" && !strings.HasPrefix(s, "XlaModule:") && strings.ContainsAny(s, "/(") {
			op.Scope = strings.TrimSuffix(s, "/")
			break
		}
	}
	if strings.HasPrefix(op.Name, "Memcpy") || strings.HasPrefix(op.Name, "Memset") {
		op.Category = strings.ToLower(op.Name[:6])
	}
	id := OpID(len(g.x.t.Ops))
	g.x.t.Ops = append(g.x.t.Ops, op)
	return id
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
