// SPDX-License-Identifier: Apache-2.0

package hlo

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/layerscope/layerscope/internal/tracetest"
)

// captures lists the JAX-on-CPU captures that carry their module both as text
// and as a protobuf.
var captures = []string{"base_a", "cold", "mild_a", "modules", "modules_flat", "renamed", "scan", "slow_a", "tp4"}

// read returns a file's contents, gunzipped if it is a .gz.
func read(tb testing.TB, path string) []byte {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	if filepath.Ext(path) == ".gz" {
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			tb.Fatal(err)
		}
		if b, err = io.ReadAll(z); err != nil {
			tb.Fatal(err)
		}
	}
	return b
}

func parse(tb testing.TB, b []byte) *Module {
	tb.Helper()
	m, err := Parse(b)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// describe lists an instruction's facts that both forms state.
func describe(m *Module, in *Instruction) []string {
	d := []string{
		in.Name, in.Opcode, in.Shape.String(), in.OpName, in.OpType, in.FusionKind, in.CustomCallTarget,
		in.DedupName, in.Direction, m.Source(in),
	}
	for _, o := range in.Operands {
		d = append(d, "operand "+o.Name)
	}
	for _, c := range in.Called {
		d = append(d, "calls "+c.Name)
	}
	d = append(d, "dims "+string(appendInts(nil, in.Dims)))
	if in.Dot != nil {
		for _, l := range [][]int64{in.Dot.LHSContracting, in.Dot.RHSContracting, in.Dot.LHSBatch, in.Dot.RHSBatch} {
			d = append(d, "dot "+string(appendInts(nil, l)))
		}
	}
	for _, w := range in.Window {
		d = append(d, "window "+string(appendInts(nil, []int64{w.Size, w.Stride, w.PadLow, w.PadHigh, w.Dilation, w.BaseDilation})))
	}
	d = append(d, "numbers "+string(appendInts(nil, []int64{int64(in.Parameter), int64(in.TupleIndex), in.TripCount})))
	for _, f := range m.Stack(in) {
		d = append(d, "frame "+f.Function)
	}
	return d
}

func TestTextAndProtoAgree(t *testing.T) {
	for _, name := range []string{"base_a", "scan"} {
		t.Run("committed/"+name, func(t *testing.T) {
			compareForms(t, read(t, "testdata/"+name+".hlo.pb.gz"), read(t, "testdata/"+name+".hlo.txt.gz"))
		})
	}
	for _, name := range captures {
		t.Run(name, func(t *testing.T) {
			dir := "data/jax_cpu/" + name + "/score.optimized."
			compareForms(t, read(t, tracetest.Shared(t, dir+"hlo_module.pb.gz")), read(t, tracetest.Shared(t, dir+"hlo.txt.gz")))
		})
	}
}

// compareForms holds the two forms of a module together, instruction by
// instruction. Computations are in another order in text.
func compareForms(t *testing.T, proto, text []byte) {
	t.Helper()
	p, x := parse(t, proto), parse(t, text)
	if p.Name != x.Name || p.Entry.Name != x.Entry.Name || len(p.Computations) != len(x.Computations) {
		t.Fatalf("proto %s entry %s %d computations, text %s %s %d", p.Name, p.Entry.Name, len(p.Computations), x.Name, x.Entry.Name, len(x.Computations))
	}
	if len(p.Warnings)+len(x.Warnings) > 0 {
		t.Errorf("warnings %v %v", p.Warnings, x.Warnings)
	}
	byName := map[string]*Computation{}
	for _, c := range x.Computations {
		byName[c.Name] = c
	}
	n := 0
	for _, pc := range p.Computations {
		xc := byName[pc.Name]
		if xc == nil {
			t.Fatalf("text lacks computation %s", pc.Name)
		}
		if pc.Root.Name != xc.Root.Name || len(pc.Instructions) != len(xc.Instructions) {
			t.Fatalf("computation %s: proto root %s, text root %s", pc.Name, pc.Root.Name, xc.Root.Name)
		}
		for j, pi := range pc.Instructions {
			xi := xc.Instructions[j]
			pd, xd := describe(p, pi), describe(x, xi)
			if !slices.Equal(pd, xd) {
				t.Fatalf("proto\n%s\ntext\n%s", strings.Join(pd, "\n"), strings.Join(xd, "\n"))
			}
			if pc, xc := p.Cost(pi, CostOptions{Loops: true}), x.Cost(xi, CostOptions{Loops: true}); pc != xc {
				t.Fatalf("%s: proto costs %+v, text %+v", pi.Name, pc, xc)
			}
			n++
		}
	}
	if n == 0 {
		t.Fatal("no instructions compared")
	}
}
