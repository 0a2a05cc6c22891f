// SPDX-License-Identifier: Apache-2.0

// Package xspacegen writes synthetic XSpace files of any size in bounded memory:
// the stat mix and nesting of a TPU serving capture, the same bytes for the same
// seed. Tests and benchmarks use it where no real capture is large enough.
//
// Each plane is a TPU core that runs one program over and over: embedding, a while
// loop whose iterations are the layers, logits, sampler. Its lines are Steps, XLA
// Modules, XLA Ops (nested three deep, each event with the pair of device times)
// and Async XLA Ops (overlapping copies).
package xspacegen

import (
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/layerscope/layerscope/trace/internal/xspace"
)

// A Config says what to write; its zero value is 1 MiB of four planes.
type Config struct {
	Seed   uint64
	Bytes  int64 // wanted size of the file, met within some percent; 0 means 1 MiB
	Planes int   // 0 means 4
	Layers int   // 0 means 28
	HLO    int64 // about how many of the bytes are HLO of the program; 0 means none
	Host   int64 // and events of host threads; 0 means none
}

// A Truth is what a reader must find in the file.
type Truth struct {
	Bytes      int64
	Events     int64
	Executions int64 // of the program, per plane
	OpEvents   int64 // on all XLA Ops lines
	OpPs       int64 // sum of their durations, nested ones included, device clock
	SelfPs     int64 // sum of their self times = of the durations of outermost ones
}

// Write writes a file to w.
func Write(w io.Writer, cfg Config) (Truth, error) {
	if cfg.Bytes <= 0 {
		cfg.Bytes = 1 << 20
	}
	if cfg.Planes <= 0 {
		cfg.Planes = 4
	}
	if cfg.Layers <= 0 {
		cfg.Layers = 28
	}
	pr := newProgram(cfg.Layers, cfg.Seed)
	// One execution is weighed to find how many make up the size.
	var few, many counter
	if _, err := pr.file(&few, cfg, 1); err != nil {
		return Truth{}, err
	}
	if _, err := pr.file(&many, cfg, 9); err != nil {
		return Truth{}, err
	}
	each := int64(many-few) / 8
	runs := max(1, 1+(cfg.Bytes-int64(few))/each)
	return pr.file(w, cfg, int(runs))
}

// counter is a writer that counts.
type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

// file writes all planes with the given number of executions.
func (pr *program) file(w io.Writer, cfg Config, runs int) (tr Truth, err error) {
	size := counter(0)
	xw := xspace.NewWriter(io.MultiWriter(w, &size))
	tr.Executions = int64(runs)
	if cfg.HLO > 0 {
		if err := pr.hloPlane(xw, cfg.HLO); err != nil {
			return tr, err
		}
	}
	if cfg.Host > 0 {
		if err := pr.hostPlane(xw, cfg.Host); err != nil {
			return tr, err
		}
	}
	for i := range cfg.Planes {
		err := xw.Plane(int64(2+8*i), fmt.Sprintf("/device:TPU:%d", i), func(pw *xspace.PlaneWriter) error {
			return pr.plane(pw, cfg.Seed+uint64(i), runs)
		})
		if err != nil {
			return tr, err
		}
		pr.truth(&tr, cfg.Seed+uint64(i), runs)
	}
	if err := xw.Hostname("host-0"); err != nil {
		return tr, err
	}
	err = xw.Close()
	tr.Bytes = int64(size)
	return tr, err
}

// truth adds the figures of one plane.
func (pr *program) truth(tr *Truth, seed uint64, runs int) {
	ex := pr.executions(seed)
	for range runs {
		ex.next()
		for i, op := range pr.ops {
			tr.OpPs += ex.dur[i]
			if op.depth == 0 {
				tr.SelfPs += ex.dur[i]
			}
		}
	}
	tr.OpEvents += int64(runs * len(pr.ops))
	tr.Events += int64(runs * (len(pr.ops) + 2 + len(pr.copies)))
}

// An op is one operation of the program in pre-order.
type op struct {
	meta   int64 // metadata id
	parent int   // index in ops, -1 outermost
	depth  int
	leaf   bool
	mean   float64 // ps, of a leaf
}

// A program is the static part of a capture.
type program struct {
	ops    []op
	copies []int // ops that start an asynchronous copy
	metas  []opMeta
	seed   uint64
}

// An opMeta is the metadata of one operation.
type opMeta struct {
	short, scope, category string
	flops, bytes           uint64
}

func newProgram(layers int, seed uint64) *program {
	pr := &program{seed: seed}
	rng := rand.New(rand.NewPCG(seed, 1))
	leaf := func(parent int, m opMeta) {
		pr.metas = append(pr.metas, m)
		pr.add(op{meta: int64(len(pr.metas)), parent: parent, leaf: true, mean: 1e6 + rng.ExpFloat64()*12e6})
	}
	node := func(parent int, m opMeta) int {
		pr.metas = append(pr.metas, m)
		return pr.add(op{meta: int64(len(pr.metas)), parent: parent})
	}
	leaf(-1, opMeta{"gather.1", "jit(score)/embed/gather", "gather", 0, 8 << 20})
	loop := node(-1, opMeta{"while.1", "jit(score)/while", "while", 0, 0})
	for l := range layers {
		for i, part := range layerParts {
			m := opMeta{fmt.Sprintf("%s.%d", part.op, l*len(layerParts)+i), fmt.Sprintf("jit(score)/while/body/layer_%d/%s", l, part.scope),
				part.category, rng.Uint64N(1 << 34), rng.Uint64N(1 << 26)}
			if part.inner == 0 {
				leaf(loop, m)
				if part.category == "copy-start" {
					pr.copies = append(pr.copies, len(pr.ops)-1)
				}
				continue
			}
			call := node(loop, m)
			for j := range part.inner {
				in := m
				in.short = fmt.Sprintf("%s.clone.%d", m.short, j)
				leaf(call, in)
			}
		}
	}
	leaf(-1, opMeta{"fusion.logits", "jit(score)/lm_head/dot_general", "convolution fusion", 1 << 36, 1 << 28})
	leaf(-1, opMeta{"sort.sampler", "jit(score)/sampler/sort", "sort", 0, 1 << 20})
	return pr
}

func (pr *program) add(o op) int {
	if o.parent >= 0 {
		o.depth = pr.ops[o.parent].depth + 1
	}
	pr.ops = append(pr.ops, o)
	return len(pr.ops) - 1
}

// layerParts are the operations of one layer; inner ones are nested in a call.
var layerParts = []struct {
	op, scope, category string
	inner               int
}{
	{"fusion.norm", "input_norm/mul", "loop fusion", 0},
	{"copy-start", "attn/qkv/copy", "copy-start", 0},
	{"fusion.qkv", "attn/qkv/dot_general", "convolution fusion", 0},
	{"fusion.rope", "attn/rope/mul", "loop fusion", 0},
	{"call.attention", "attn/ragged_paged_attention", "custom-call", 3},
	{"copy-done", "attn/out/copy", "copy-done", 0},
	{"fusion.out", "attn/out/dot_general", "convolution fusion", 0},
	{"all-reduce.attn", "attn/out/psum", "all-reduce", 0},
	{"fusion.post", "post_norm/mul", "loop fusion", 0},
	{"copy-start", "mlp/down/copy", "copy-start", 0},
	{"fusion.gate_up", "mlp/gate_up/dot_general", "convolution fusion", 0},
	{"fusion.act", "mlp/act/silu", "loop fusion", 2},
	{"copy-done", "mlp/down/copy", "copy-done", 0},
	{"fusion.down", "mlp/down/dot_general", "convolution fusion", 0},
	{"all-reduce.mlp", "mlp/down/psum", "all-reduce", 0},
	{"fusion.residual", "residual/add", "loop fusion", 0},
}
