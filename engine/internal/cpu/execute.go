// SPDX-License-Identifier: Apache-2.0

package cpu

import (
	"context"
	"fmt"
	"time"

	"github.com/layerscope/layerscope/engine/internal/arena"
	"github.com/layerscope/layerscope/engine/internal/checkpoint"
	"github.com/layerscope/layerscope/engine/internal/kernel"
	"github.com/layerscope/layerscope/engine/internal/program"
)

// step is a segment with what it reads of the model.
type step struct {
	*program.Segment
	packed      *kernel.PackedMatrix
	bias        []float32
	norm, norm2 []float32
	slow        float64
	debt        time.Duration // repeated work still owed
	usual       time.Duration // one execution's time
}

type executable struct {
	b     *Backend
	p     *program.Program
	tags  []arena.Tag
	steps []step
}

// Program returns the program.
func (e *executable) Program() *program.Program { return e.p }

// Release does nothing: a plan holds no device memory.
func (e *executable) Release() {}

// pass is one execution.
type pass struct {
	*executable
	in   program.Inputs
	mats []kernel.Mat // by value; no data where it is not live
	bufs []arena.Buffer
	segs []kernel.Segment
}

// Execute runs the segments in order. All memory that it takes is free when it
// returns, whatever it returns.
func (e *executable) Execute(ctx context.Context, in program.Inputs, rec program.Recorder) ([]float32, error) {
	if err := e.check(in); err != nil {
		return nil, err
	}
	ps := &pass{executable: e, in: in, mats: make([]kernel.Mat, len(e.p.Values)), bufs: make([]arena.Buffer, len(e.p.Values))}
	defer func() {
		for _, b := range ps.bufs {
			b.Free()
		}
	}()
	ps.segs = segments(in)
	for i := range e.steps {
		if err := stopped(ctx); err != nil {
			return nil, err
		}
		if rec != nil {
			rec.Begin(i)
		}
		err := ps.step(&e.steps[i])
		if rec != nil {
			rec.End(i)
		}
		if err != nil {
			return nil, err
		}
	}
	if e.p.Output == program.None {
		return nil, nil
	}
	out := ps.mats[e.p.Output]
	return append([]float32(nil), out.Data[:out.Rows*out.Cols]...), nil
}

// segments turns runs into the attention kernel's form. With a cache, the
// cache is the prefix; otherwise the first run is.
func segments(in program.Inputs) []kernel.Segment {
	out := make([]kernel.Segment, 0, len(in.Runs))
	shared := 0
	if in.Cache != nil && !prefixPass(in) {
		shared = in.Cache.Len()
	}
	for _, r := range in.Runs {
		s := kernel.Segment{Row: r.First, Len: r.Len, Key: r.First}
		if r.Item {
			s.Shared = shared
		} else {
			shared = r.Len
		}
		out = append(out, s)
	}
	return out
}

// prefixPass tells a pass that fills a cache from one that reads it.
func prefixPass(in program.Inputs) bool { return len(in.Runs) > 0 && !in.Runs[0].Item }

func (ps *pass) step(st *step) error {
	if st.Out != program.None && ps.mats[st.Out].Data == nil {
		v := ps.p.Values[st.Out]
		buf, err := ps.b.mem.Alloc(int(v.Bytes()), ps.tags[st.Out])
		if err != nil {
			return fmt.Errorf("%s: %w", st.Scope, err)
		}
		ps.bufs[st.Out], ps.mats[st.Out] = buf, kernel.MatOf(buf.Floats(), v.Rows, v.Cols)
	}
	in, out := ps.operands(st)
	if st.slow > 1 {
		if err := ps.stretched(st, in, out); err != nil {
			return err
		}
	} else {
		ps.run(st, in, out, 0)
	}
	for _, v := range st.Free {
		ps.bufs[v].Free()
		ps.bufs[v], ps.mats[v] = arena.Buffer{}, kernel.Mat{}
	}
	return nil
}

// operands gives the rows that the segment works on.
func (ps *pass) operands(st *step) (in, out kernel.Mat) {
	if st.In != program.None {
		in = ps.mats[st.In]
	}
	if st.Out != program.None {
		out = ps.mats[st.Out]
	}
	switch {
	case st.Weight.Role == "lm_head":
		in = in.RowRange(st.First, st.First+st.Count)
	case st.Op == program.LogProb:
		out = out.RowRange(st.First, st.First+st.Count)
	case st.Weight.Role == "down":
		in = in.ColRange(0, in.Cols/2)
	case st.Op == program.Gate:
		out = out.ColRange(0, in.Cols/2)
	}
	return in, out
}

// run executes a segment on rows [first, first+out.Rows) of its operands,
// which in and out already are.
func (ps *pass) run(st *step, in, out kernel.Mat, first int) {
	c := ps.b.cfg
	switch st.Op {
	case program.Embed:
		ps.embed(st, out, ps.in.IDs[first:first+out.Rows])
	case program.Scale:
		kernel.Scale(out, float32(st.Factor))
	case program.Norm:
		kernel.RMSNorm(out, in, st.norm, float32(c.NormEps), c.NormPlusOne)
	case program.Linear, program.LinearAdd:
		if st.Op == program.Linear {
			kernel.Mul(out, in, st.packed)
		} else {
			kernel.MulAdd(out, in, st.packed)
		}
		if st.bias != nil {
			kernel.AddRow(out, st.bias)
		}
	case program.HeadNorm:
		for h := range c.Heads + c.KVHeads {
			w := st.norm
			if h >= c.Heads {
				w = st.norm2
			}
			x := out.ColRange(h*c.HeadDim, (h+1)*c.HeadDim)
			kernel.RMSNorm(x, x, w, float32(c.NormEps), c.NormPlusOne)
		}
	case program.Rotate:
		r := ps.b.ropes[0]
		if c.Window(st.Layer) > 0 {
			r = ps.b.ropes[1]
		}
		kernel.RoPE(out, c.Heads+c.KVHeads, c.HeadDim, r.cos, r.sin, ps.in.Positions[first:first+out.Rows])
	case program.Store:
		ps.store(st.Layer, in)
	case program.Attend:
		ps.attend(st, in, out, c.KVHeads)
	case program.Gate:
		ps.gate(in, out)
	case program.Add:
		kernel.Add(out, in)
	case program.Pick:
		for i, r := range ps.in.Rows[first : first+out.Rows] {
			copy(out.Row(i), in.Row(int(r)))
		}
	case program.Softcap:
		kernel.Softcap(out, float32(st.Factor))
	case program.LogProb:
		ps.logProbs(in, out)
	}
}

func (ps *pass) gate(in, out kernel.Mat) {
	gate, up := in.ColRange(0, in.Cols/2), in.ColRange(in.Cols/2, in.Cols)
	if ps.b.cfg.Activation == checkpoint.GELUTanh {
		kernel.GELUTanhMul(out, gate, up)
	} else {
		kernel.SiLUMul(out, gate, up)
	}
}

// logProbs subtracts in float64: of a logit of 20 a float32 difference would
// keep 1e-6.
func (ps *pass) logProbs(in, out kernel.Mat) {
	kernel.Parallel(out.Rows, func(i, _ int) {
		row := in.Row(i)
		lse := kernel.LogSumExp(row)
		for j, l := range ps.in.Labels {
			out.Row(i)[j] = float32(float64(row[l]) - lse)
		}
	})
}

func (ps *pass) embed(st *step, out kernel.Mat, ids []int32) {
	if t := ps.b.w.embed; t != nil {
		kernel.Gather(out, *t, ids)
		return
	}
	kernel.Parallel(out.Rows, func(i, _ int) { st.packed.Row(out.Row(i), int(ids[i])) })
}

func (ps *pass) columns(qkv kernel.Mat) (q, k, v kernel.Mat) {
	c := ps.b.cfg
	h, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	return qkv.ColRange(0, h), qkv.ColRange(h, h+kv), qkv.ColRange(h+kv, h+2*kv)
}

func (ps *pass) store(layer int, qkv kernel.Mat) {
	_, k, v := ps.columns(qkv)
	ck, cv := ps.in.Cache.(*cache).layer(layer)
	for i := range min(ck.Rows, k.Rows) {
		copy(ck.Row(i), k.Row(i))
		copy(cv.Row(i), v.Row(i))
	}
}

// attend runs the first kvHeads key-value heads, normally all. Rows in no
// segment are zeroed, so that padding computes on numbers.
func (ps *pass) attend(st *step, in, out kernel.Mat, kvHeads int) {
	c := ps.b.cfg
	q, k, v := ps.columns(in)
	at := kernel.Attention{Heads: kvHeads * (c.Heads / c.KVHeads), KVHeads: kvHeads, HeadDim: c.HeadDim,
		Scale: float32(c.AttnScale), Softcap: float32(c.AttnSoftcap), Window: st.Window, Segments: ps.segs}
	if ps.in.Cache != nil && !prefixPass(ps.in) {
		at.SharedK, at.SharedV = ps.in.Cache.(*cache).layer(st.Layer)
		at.SharedK, at.SharedV = at.SharedK.ColRange(0, kvHeads*c.HeadDim), at.SharedV.ColRange(0, kvHeads*c.HeadDim)
	}
	end := 0
	for _, s := range ps.segs {
		end = max(end, s.Row+s.Len)
	}
	for i := end; i < out.Rows; i++ {
		clear(out.Row(i))
	}
	kv := kvHeads * c.HeadDim
	kernel.Attend(out.ColRange(0, at.Heads*c.HeadDim), q.ColRange(0, at.Heads*c.HeadDim), k.ColRange(0, kv), v.ColRange(0, kv), at)
}
