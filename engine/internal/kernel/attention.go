// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"math"
)

// Attention describes one scaled dot-product attention over heads that lie
// side by side: row t of q is [Heads·HeadDim], rows of k and v are
// [KVHeads·HeadDim]; query head h reads key-value head h / (Heads/KVHeads).
type Attention struct {
	Heads, KVHeads, HeadDim int

	Scale   float32 // factor of the scores; 0 = 1/√HeadDim
	Softcap float32 // limit of Softcap on scaled scores; 0 = none
	Window  int     // a query sees the Window last positions, its own included; 0 = all

	// Segments say which keys each query row sees; a row of q that is in no
	// segment leaves its row of out as it is.
	Segments []Segment

	// SharedK and SharedV hold the keys that Segment.Shared counts. Empty
	// means k and v themselves.
	SharedK, SharedV Mat
}

// Segment is a run of queries of one sequence. Query i, 0 ≤ i < Len, sees
// Shared keys of the common prefix and then its own keys 0 … Past+i, so its
// position is Shared+Past+i and positions restart after the prefix.
//
// One prompt is {Len: n}. Items packed behind a query of p tokens are
// {Len: p} and, per item, {Row: r, Len: n, Key: r, Shared: p}. Extending a
// cache of p tokens by a batch of items has the cache in SharedK/SharedV and
// per item {Row: r, Len: n, Key: r, Shared: p}. Continuing one sequence whose
// k and v hold past keys is {Len: n, Past: past}.
type Segment struct {
	Row, Len   int // rows of q and out
	Key        int // row of k and v with the segment's first own key
	Past       int // own keys before the first query's
	SharedFrom int // first row of the prefix in SharedK and SharedV
	Shared     int // keys of the prefix
}

// SegmentsOf turns segment ids, one a token, into segments: token i sees key j
// iff j ≤ i and ids[j] is shared or ids[i]. Each id must form one run, and the
// shared one must come first or not at all.
func SegmentsOf(ids []int32, shared int32) ([]Segment, error) {
	var segs []Segment
	prefix := 0
	first := make(map[int32]int)
	for i := 0; i < len(ids); {
		n := 1
		for i+n < len(ids) && ids[i+n] == ids[i] {
			n++
		}
		if at, ok := first[ids[i]]; ok {
			return nil, fmt.Errorf("segment ids: id %d at %d and again at %d, want one run", ids[i], at, i)
		}
		first[ids[i]] = i
		switch {
		case ids[i] == shared && i > 0:
			return nil, fmt.Errorf("segment ids: shared id %d at %d, want it first", shared, i)
		case ids[i] == shared:
			prefix = n
			segs = append(segs, Segment{Row: i, Len: n, Key: i})
		default:
			segs = append(segs, Segment{Row: i, Len: n, Key: i, Shared: prefix})
		}
		i += n
	}
	return segs, nil
}

const (
	maxHeadDim  = BlockK                  // one K block: a score is a single chain of multiply-adds
	keyBlock    = BlockK                  // keys between two corrections of the running softmax
	queryRows   = 48                      // (token, head) rows of a task: four micro-kernel tiles
	attendLocal = 3 * queryRows * aStride // per worker: queries, scores, output
	packLimit   = 2 << 20                 // floats of packed keys and values to aim at: 8 MB
)

// Attend sets out = softmax(scale·q·kᵀ + mask)·v head by head, without ever
// holding more than 48×256 scores a core: key blocks of 256 with a running
// maximum and sum (online softmax). out is shaped like q.
//
// Each query row's result depends on its own query and the keys that it sees,
// and on their place in prefix and segment only: key blocks start at the
// prefix's and at the segment's first key, so other segments' contents,
// lengths and order don't matter, bit for bit.
func Attend(out, q, k, v Mat, at Attention) {
	at.check(out, q, k, v)
	a := attend{Attention: at, t: active.Load(), out: out, q: q, k: k, v: v, ratio: at.Heads / at.KVHeads}
	if a.SharedK.Data == nil {
		a.SharedK, a.SharedV = k, v
	}
	if a.Scale == 0 {
		a.Scale = float32(1 / math.Sqrt(float64(at.HeadDim)))
	}
	a.plan(at.SharedK.Data == nil)
	if len(a.tiles) == 0 {
		return
	}
	nw := Workers()
	if 4*a.panels*panelN*q.Rows*at.HeadDim < serialOps {
		nw = 1
	}
	heads := min(max(packLimit/a.perHead(), 1), at.KVHeads)
	buf := scratch.take(heads*a.perHead() + nw*attendLocal)
	defer scratch.give(buf)
	a.kv, a.local = buf[:heads*a.perHead()], buf[heads*a.perHead():]
	for h0 := 0; h0 < at.KVHeads; h0 += heads {
		n := min(heads, at.KVHeads-h0)
		parallel(nw, n*len(a.runs), func(i, _ int) {
			a.pack(a.runs[i%len(a.runs)], i/len(a.runs), h0+i/len(a.runs))
		})
		parallel(nw, n*len(a.tiles), func(i, w int) {
			h := i / len(a.tiles) // one head after the other: its keys stay in L2
			a.tile(a.tiles[i%len(a.tiles)], h, h0+h, w)
		})
	}
}

func (at *Attention) check(out, q, k, v Mat) {
	sameShape("Attend: out and q", out, q)
	sameShape("Attend: k and v", k, v)
	if at.HeadDim <= 0 || at.HeadDim > maxHeadDim || at.KVHeads <= 0 || at.Heads%at.KVHeads != 0 ||
		at.Heads <= 0 || at.Window < 0 {
		panic(fmt.Sprintf("kernel: Attend: %d heads, %d key-value heads of %d (1 to %d), window %d",
			at.Heads, at.KVHeads, at.HeadDim, maxHeadDim, at.Window))
	}
	sk, sv := at.SharedK, at.SharedV
	if sk.Data == nil {
		sk, sv = k, v
	}
	sameShape("Attend: shared k and v", sk, sv)
	width := at.KVHeads * at.HeadDim
	if q.Cols != at.Heads*at.HeadDim || k.Cols != width || sk.Cols != width {
		panic(fmt.Sprintf("kernel: Attend: q %s, k %s, shared k %s for %d and %d heads of %d",
			q.shape(), k.shape(), sk.shape(), at.Heads, at.KVHeads, at.HeadDim))
	}
	for i, s := range at.Segments {
		if s.Row < 0 || s.Len < 0 || s.Key < 0 || s.Past < 0 || s.SharedFrom < 0 || s.Shared < 0 ||
			s.Row+s.Len > q.Rows || s.Key+s.Past+s.Len > k.Rows || s.SharedFrom+s.Shared > sk.Rows {
			panic(fmt.Sprintf("kernel: Attend: segment %d %+v with q %s, k %s, shared k %s",
				i, s, q.shape(), k.shape(), sk.shape()))
		}
	}
}
