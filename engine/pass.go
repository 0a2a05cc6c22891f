// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"time"

	"github.com/layerscope/layerscope/engine/internal/packing"
	"github.com/layerscope/layerscope/engine/internal/program"
)

// pass runs one forward pass and returns log-probabilities of its scored rows,
// padding left out.
func (s *scoring) pass(phase string, l packing.Layout, cache program.Cache, store bool) ([]float32, error) {
	if err := s.acquire(); err != nil {
		return nil, err
	}
	defer func() { s.e.exec <- struct{}{} }()

	o := &s.e.opt
	shape := program.Shape{Phase: phase, Tokens: packing.BucketOf(o.Buckets, l.Real), Store: store}
	if len(l.Rows) > 0 {
		shape.Rows, shape.Labels = min(packing.RowBucket(len(l.Rows)), shape.Tokens), len(s.r.Labels)
		shape.Rows = max(shape.Rows, len(l.Rows))
	}
	if cache != nil && !store {
		shape.Cache = packing.BucketOf(o.Buckets, cache.Len())
	}
	c, err := s.compile(shape)
	if err != nil {
		return nil, err
	}
	in := s.inputs(&l, cache, shape.Tokens, shape.Rows)
	if shape.Rows == 0 {
		in.Labels = nil
	}
	s.out.Sequences++
	s.out.Tokens += l.Real
	s.out.PaddedTokens += shape.Tokens
	s.out.ScoredRows += len(l.Rows)
	return s.execute(c, in, l)
}

// acquire waits for the device.
func (s *scoring) acquire() error {
	began := time.Now()
	s.begin(func(n *names) uint32 { return n.queue })
	defer func() {
		s.end()
		s.out.Queue += time.Since(began)
	}()
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	select {
	case <-s.e.exec:
		return nil
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
}

// compile finds or makes the program; making one is a span of its own.
func (s *scoring) compile(shape program.Shape) (*compiled, error) {
	if c := s.e.cached(shape); c != nil {
		return c, nil
	}
	began := time.Now()
	s.begin(func(n *names) uint32 { return n.compile })
	defer func() {
		s.end()
		s.out.Compile += time.Since(began)
	}()
	s.out.CompileMisses++
	c, err := s.e.build(shape)
	if err == nil && s.tr != nil {
		s.lane.Text(s.tr.n.key, shape.Key())
		c.register(s.tr)
	}
	return c, err
}

func (s *scoring) execute(c *compiled, in program.Inputs, l packing.Layout) ([]float32, error) {
	shape := c.p.Shape
	began := time.Now()
	defer func() { s.out.Forward += time.Since(began) }()
	rec := &passRecorder{s: s, c: c}
	if tr := s.tr; tr != nil {
		rec.ids = c.register(tr)
		cached := 0
		if shape.Cache > 0 {
			cached = in.Cache.Len()
		}
		rec.flops = program.Attention(program.Pairs(l.Runs, cached), s.e.cfg.Heads, s.e.cfg.HeadDim)
		id := tr.n.prefill
		if shape.Phase == "extend" {
			id = tr.n.extend
		}
		s.lane.Begin(id)
		s.lane.Text(tr.n.id, s.id)
		s.lane.Int(tr.n.tokens, int64(l.Real))
		s.lane.Int(tr.n.bucket, int64(shape.Tokens))
		s.lane.Int(tr.n.padded, int64(shape.Tokens-l.Real))
		s.lane.Int(tr.n.batch, int64(len(l.Rows)))
		tr.modules.Begin(rec.ids.module)
		defer func() {
			tr.modules.End()
			s.lane.End()
		}()
	}
	logp, err := c.exe.Execute(s.ctx, in, rec)
	rec.unwind()
	if err == nil {
		err = rec.cause
	}
	if err != nil {
		return nil, err
	}
	if s.e.opt.OnSnapshot != nil {
		s.snapshot(shape.Phase, -1)
	}
	return logp[:len(l.Rows)*shape.Labels], nil
}
