// SPDX-License-Identifier: Apache-2.0

// Package cpu executes programs with the kernels of package kernel: one kernel
// call, or a few, for each segment. Everything it holds (weights packed at
// load, activations, key-value caches) lives in one arena under the scope path
// of the segment that made it.
//
//	be, err := cpu.Open(model, cpu.Options{Positions: 8192})
//	exe, err := be.Compile(p)
//	logp, err := exe.Execute(ctx, inputs, nil)
package cpu

import (
	"context"
	"fmt"
	"sync"

	"github.com/layerscope/layerscope/engine/internal/arena"
	"github.com/layerscope/layerscope/engine/internal/checkpoint"
	"github.com/layerscope/layerscope/engine/internal/kernel"
	"github.com/layerscope/layerscope/engine/internal/program"
)

// Options of a backend.
type Options struct {
	Arena     arena.Options
	Positions int // positions that the rotary tables hold
	// Slow gives the factor by which a segment's work is stretched, by doing
	// part of it again; nil or values up to 1 leave it alone.
	Slow func(*program.Segment) float64
}

// Backend holds one model's weights.
type Backend struct {
	cfg     *checkpoint.Config
	mem     *arena.Arena
	w       weights
	ropes   [2]rotary // global, local
	slow    func(*program.Segment) float64
	scratch arena.Buffer // of repeated work
	held    []arena.Buffer
}

var _ program.Backend = (*Backend)(nil)

// open counts backends: the last one to close stops the kernels' goroutines.
var open struct {
	sync.Mutex
	n int
}

// Open loads the weights into the backend's own memory; they may be closed
// after it.
func Open(w checkpoint.Weights, opt Options) (*Backend, error) {
	c := w.Config()
	if c.HeadDim > kernel.BlockK {
		return nil, fmt.Errorf("cpu backend: heads of %d, wanted at most %d", c.HeadDim, kernel.BlockK)
	}
	b := &Backend{cfg: c, mem: arena.New(opt.Arena), slow: opt.Slow}
	open.Lock()
	open.n++
	open.Unlock()
	err := b.load(w)
	if err == nil {
		err = b.tables(max(opt.Positions, 1))
	}
	if err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// Name is the device's name in traces.
func (b *Backend) Name() string { return "/device:CPU:0" }

// MemStats returns the arena's figures.
func (b *Backend) MemStats() arena.Stats { return b.mem.Stats() }

// Live lists the live buffers.
func (b *Backend) Live() []arena.Record { return b.mem.Live() }

// ResetPeak makes the bytes in use the peak.
func (b *Backend) ResetPeak() { b.mem.ResetPeak() }

// Alloc takes memory that is not part of a program, such as an injected leak.
func (b *Backend) Alloc(n int, tag arena.Tag) (arena.Buffer, error) { return b.mem.Alloc(n, tag) }

// Close frees the weights and unmaps the arena; buffers that are still live
// then are an *arena.LeakError.
func (b *Backend) Close() error {
	for _, buf := range b.held {
		buf.Free()
	}
	b.held = nil
	b.scratch.Free()
	b.scratch = arena.Buffer{}
	open.Lock()
	defer open.Unlock()
	if open.n--; open.n == 0 {
		kernel.StopWorkers()
		kernel.ReleaseScratch()
	}
	return b.mem.Close()
}

// alloc takes memory that lives as long as the backend.
func (b *Backend) alloc(n int, tag arena.Tag) (arena.Buffer, error) {
	buf, err := b.mem.Alloc(n, tag)
	if err == nil {
		b.held = append(b.held, buf)
	}
	return buf, err
}

// Compile plans a program: which buffers it needs and what each segment calls.
func (b *Backend) Compile(p *program.Program) (program.Executable, error) {
	e := &executable{b: b, p: p, tags: make([]arena.Tag, len(p.Values)), steps: make([]step, len(p.Segments))}
	for i, v := range p.Values {
		e.tags[i] = arena.Tag{Scope: v.Scope, Kind: arena.Kind(v.Kind), Type: "f32", Shape: fmt.Sprintf("[%d,%d]", v.Rows, v.Cols)}
	}
	for i := range p.Segments {
		s := &p.Segments[i]
		st := step{Segment: s}
		if err := b.w.bind(&st); err != nil {
			return nil, fmt.Errorf("compile %s: %s: %w", p.Shape.Key(), s.Scope, err)
		}
		if b.slow != nil {
			st.slow = b.slow(s)
		}
		if st.packed != nil {
			s.Bytes += int64(st.packed.N) * int64(st.packed.K) * int64(st.packed.Type.Size()-2)
		}
		e.steps[i] = st
	}
	return e, nil
}

// cache is the keys and values of a prefix, one pair of matrices a layer.
type cache struct {
	buf    arena.Buffer
	tokens int
	width  int
	data   []float32
}

// NewCache makes room for the keys and values of a prefix of that many tokens.
func (b *Backend) NewCache(scope string, tokens int) (program.Cache, error) {
	width := b.cfg.KVHeads * b.cfg.HeadDim
	n := 2 * b.cfg.Layers * tokens * width
	buf, err := b.mem.Alloc(4*n, arena.Tag{Scope: scope, Kind: arena.KVCache, Type: "f32",
		Shape: fmt.Sprintf("[%d,2,%d,%d]", b.cfg.Layers, tokens, width)})
	if err != nil {
		return nil, err
	}
	return &cache{buf: buf, tokens: tokens, width: width, data: buf.Floats()}, nil
}

// Len is the number of tokens.
func (c *cache) Len() int { return c.tokens }

// Release frees the memory; a second call does nothing.
func (c *cache) Release() {
	c.buf.Free()
	c.buf, c.data = arena.Buffer{}, nil
}

func (c *cache) layer(i int) (k, v kernel.Mat) {
	n := c.tokens * c.width
	at := 2 * i * n
	return kernel.MatOf(c.data[at:at+n], c.tokens, c.width), kernel.MatOf(c.data[at+n:at+2*n], c.tokens, c.width)
}

// stopped tells between two segments that the caller has gone away.
func stopped(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	default:
		return nil
	}
}
