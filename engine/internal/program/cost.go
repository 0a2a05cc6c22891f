// SPDX-License-Identifier: Apache-2.0

package program

import "fmt"

// cost fills in a segment's floating-point operations and bytes moved. A
// multiply-add counts as two operations and a transcendental function as one,
// as XLA's cost analysis does; bytes are those of operands and results, each
// counted once. Weights count as two bytes an element until WithWeights knows
// better. Attention counts the causal half of its own tokens and all cached
// ones; with several runs it does less, see Attention.
func (b *builder) cost(s *Segment) {
	c, t := b.c, int64(b.p.Shape.Tokens)
	rows := int64(s.Count)
	var in, out Buffer
	if s.In != None {
		in = b.p.Values[s.In]
	}
	if s.Out != None {
		out = b.p.Values[s.Out]
	}
	elems := rows * int64(out.Cols)
	switch s.Op {
	case Embed, Pick:
		s.Bytes = 2 * 4 * elems
	case Scale, Softcap:
		s.FLOPs, s.Bytes = elems, 2*4*elems
	case Norm:
		s.FLOPs, s.Bytes = 4*elems, 2*4*elems+4*int64(out.Cols)
	case Linear, LinearAdd:
		k := int64(in.Cols)
		if s.Weight.Role == "down" {
			k /= 2 // the gate's product fills the first half
		}
		s.FLOPs = 2 * elems * k
		s.Bytes = 4*(elems+rows*k) + 2*k*int64(out.Cols)
		if s.Op == LinearAdd {
			s.FLOPs, s.Bytes = s.FLOPs+elems, s.Bytes+4*elems
		}
		s.Detail = fmt.Sprintf("f32[%d,%d] = dot(f32[%d,%d], w[%d,%d])", rows, out.Cols, rows, k, out.Cols, k)
	case HeadNorm:
		n := t * int64((c.Heads+c.KVHeads)*c.HeadDim)
		s.FLOPs, s.Bytes = 4*n, 2*4*n
	case Rotate:
		n := t * int64((c.Heads+c.KVHeads)*c.HeadDim)
		s.FLOPs, s.Bytes = 3*n, 2*4*n
	case Store:
		s.Count = int(t)
		s.Bytes = 2 * 2 * 4 * t * int64(c.KVHeads*c.HeadDim)
	case Attend:
		pairs := t*(t+1)/2 + t*int64(b.p.Shape.Cache)
		s.FLOPs = Attention(pairs, c.Heads, c.HeadDim)
		s.Bytes = 4 * (t*int64(in.Cols+out.Cols) + 2*int64(b.p.Shape.Cache)*int64(c.KVHeads*c.HeadDim))
		s.Detail = fmt.Sprintf("f32[%d,%d] = attention(%d heads, %d kv heads, cache %d)", t, out.Cols, c.Heads, c.KVHeads, b.p.Shape.Cache)
	case Gate:
		n := rows * int64(in.Cols/2)
		s.FLOPs, s.Bytes = 4*n, 3*4*n
	case Add:
		s.FLOPs, s.Bytes = elems, 3*4*elems
	case LogProb:
		n := rows * int64(in.Cols)
		s.FLOPs, s.Bytes = 3*n, 4*n+4*elems
	}
	if s.Detail == "" {
		s.Detail = fmt.Sprintf("f32[%d,%d] = %s", rows, max(out.Cols, in.Cols), s.Op)
	}
}

// Attention is the operations of scaled dot-product attention over that many
// (query, key) pairs: two products of headDim and four for the softmax.
func Attention(pairs int64, heads, headDim int) int64 {
	return pairs * int64(heads) * int64(4*headDim+4)
}

// Pairs counts the (query, key) pairs that runs make with a cache of that many
// tokens: what attention really computes.
func Pairs(runs []Run, cache int) int64 {
	prefix := int64(cache)
	n := int64(0)
	for _, r := range runs {
		l := int64(r.Len)
		n += l * (l + 1) / 2
		if r.Item {
			n += l * prefix
		} else {
			prefix += l
			n += l * int64(cache)
		}
	}
	return n
}
