// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// packedIDs builds segment ids: prefix tokens of id 0, then items 1, 2, ….
func packedIDs(prefix int, items []int) []int32 {
	ids := make([]int32, prefix)
	for i, n := range items {
		for range n {
			ids = append(ids, int32(i+1))
		}
	}
	return ids
}

func visibleBy(ids []int32, window int) func(i, j int) bool {
	pos := make([]int, len(ids)) // positions restart after the prefix
	prefix, start := 0, 0
	for i, id := range ids {
		if id == 0 {
			prefix++
		}
		if i > 0 && id != ids[i-1] {
			start = i
		}
		pos[i] = i - start
		if id != 0 {
			pos[i] += prefix
		}
	}
	return func(i, j int) bool {
		return j <= i && (ids[j] == 0 || ids[j] == ids[i]) && (window == 0 || pos[i]-pos[j] < window)
	}
}

func checkAttend(t rapid.TB, r *rand.Rand, at Attention, ids []int32) {
	t.Helper()
	n := len(ids)
	q := randMat(r, n, at.Heads*at.HeadDim, 2)
	k := randMat(r, n, at.KVHeads*at.HeadDim, 1)
	v := randMat(r, n, at.KVHeads*at.HeadDim, 3)
	out := randMat(r, n, at.Heads*at.HeadDim, 4)
	segs, err := SegmentsOf(ids, 0)
	if err != nil {
		t.Fatal(err)
	}
	at.Segments = segs
	Attend(out, q, k, v, at)
	want := attend64(q, k, v, at, visibleBy(ids, at.Window))
	for i := range n {
		for c, got := range out.Row(i) {
			if w := want[i*out.Cols+c]; !near(got, w, 1, 1e-5) {
				t.Fatalf("%+v ids %v: out[%d,%d] = %g, want %g", at, ids, i, c, got, w)
			}
		}
	}
	if i, bad := paddingTouched(out); bad {
		t.Fatalf("value %d between the rows of out was written", i)
	}
}

func TestAttendAgainstDenseMask(t *testing.T) {
	cases := []struct {
		name   string
		at     Attention
		prefix int
		items  []int
	}{
		{"one token", Attention{Heads: 1, KVHeads: 1, HeadDim: 8}, 1, nil},
		{"prompt", Attention{Heads: 4, KVHeads: 2, HeadDim: 64}, 70, nil},
		{"two key blocks", Attention{Heads: 2, KVHeads: 1, HeadDim: 16}, 300, nil},
		{"packed", Attention{Heads: 4, KVHeads: 2, HeadDim: 32}, 33, []int{5, 1, 20, 7}},
		{"packed behind two blocks", Attention{Heads: 2, KVHeads: 2, HeadDim: 8}, 260, []int{3, 40, 33}},
		{"no prefix", Attention{Heads: 3, KVHeads: 1, HeadDim: 40}, 0, []int{9, 12}},
		{"long item", Attention{Heads: 2, KVHeads: 1, HeadDim: 8}, 10, []int{270, 5}},
		{"head of 256", Attention{Heads: 2, KVHeads: 1, HeadDim: 256}, 20, []int{6, 6}},
		{"odd head", Attention{Heads: 2, KVHeads: 1, HeadDim: 7}, 20, []int{6, 6}},
		{"seven heads a group", Attention{Heads: 7, KVHeads: 1, HeadDim: 16}, 20, []int{15}},
		{"fifty heads a group", Attention{Heads: 50, KVHeads: 1, HeadDim: 4}, 9, []int{3}},
		{"window", Attention{Heads: 2, KVHeads: 1, HeadDim: 16, Window: 9}, 40, []int{6, 14}},
		{"window of one", Attention{Heads: 2, KVHeads: 1, HeadDim: 16, Window: 1}, 40, []int{6, 14}},
		{"window over blocks", Attention{Heads: 1, KVHeads: 1, HeadDim: 8, Window: 30}, 560, []int{29, 33}},
		{"softcap", Attention{Heads: 2, KVHeads: 1, HeadDim: 16, Softcap: 2}, 40, []int{6, 14}},
		{"scale", Attention{Heads: 2, KVHeads: 1, HeadDim: 16, Scale: 0.7}, 40, []int{6, 14}},
	}
	eachPath(t, func(t *testing.T) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				checkAttend(t, newRand(11), c.at, packedIDs(c.prefix, c.items))
			})
		}
	})
}

func TestAttendProperty(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			kv := rapid.IntRange(1, 3).Draw(t, "kv heads")
			at := Attention{
				KVHeads: kv, Heads: kv * rapid.IntRange(1, 4).Draw(t, "ratio"),
				HeadDim: rapid.IntRange(1, 40).Draw(t, "head dim"),
				Window:  rapid.SampledFrom([]int{0, 0, 1, 5, 50}).Draw(t, "window"),
			}
			ids := packedIDs(rapid.IntRange(0, 80).Draw(t, "prefix"),
				rapid.SliceOfN(rapid.IntRange(1, 40), 0, 5).Draw(t, "items"))
			checkAttend(t, newRand(rapid.Uint64().Draw(t, "seed")), at, ids)
		})
	})
}

// packedCase is a packed batch and what Attend makes of it.
type packedCase struct {
	at      Attention
	q, k, v Mat
	prefix  int
	lens    []int
}

func (p packedCase) run() Mat {
	segs, err := SegmentsOf(packedIDs(p.prefix, p.lens), 0)
	if err != nil {
		panic(err)
	}
	at := p.at
	at.Segments = segs
	out := NewMat(p.q.Rows, p.q.Cols)
	Attend(out, p.q, p.k, p.v, at)
	return out
}

// item returns the rows of item i.
func (p packedCase) item(m Mat, i int) Mat {
	r := p.prefix
	for _, n := range p.lens[:i] {
		r += n
	}
	return m.RowRange(r, r+p.lens[i])
}

// TestAttendItemsAreIndependent: another item of another length, a new order
// of items, another number of cores, or the prefix read from a cache, leaves
// an item's rows the same bits.
func TestAttendItemsAreIndependent(t *testing.T) {
	defer SetWorkers(0)
	eachPath(t, func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			r := newRand(rapid.Uint64().Draw(t, "seed"))
			p := packedCase{
				at:     Attention{Heads: 4, KVHeads: 2, HeadDim: 12, Window: rapid.SampledFrom([]int{0, 20}).Draw(t, "window")},
				prefix: rapid.IntRange(0, 300).Draw(t, "prefix"),
				lens:   rapid.SliceOfN(rapid.IntRange(1, 50), 2, 4).Draw(t, "lens"),
			}
			total := p.prefix
			for _, n := range p.lens {
				total += n
			}
			p.q, p.k, p.v = randMat(r, total, 48, 0), randMat(r, total, 24, 0), randMat(r, total, 24, 0)
			whole := p.run()
			keep := rapid.IntRange(0, len(p.lens)-1).Draw(t, "keep")
			want := bits(p.item(whole, keep).Data)

			// Only the kept item, behind a new one of another length.
			n := rapid.IntRange(1, 50).Draw(t, "new length")
			alone := packedCase{at: p.at, prefix: p.prefix, lens: []int{n, p.lens[keep]}}
			rows := func(src Mat) Mat {
				m := randMat(r, p.prefix+n+p.lens[keep], src.Cols, 0)
				copy(m.Data, src.Data[:p.prefix*src.Stride])
				copy(m.Data[(p.prefix+n)*m.Stride:], p.item(src, keep).Data)
				return m
			}
			alone.q, alone.k, alone.v = rows(p.q), rows(p.k), rows(p.v)
			SetWorkers(rapid.IntRange(1, 3).Draw(t, "workers"))
			if got := alone.item(alone.run(), 1); !slices.Equal(bits(got.Data), want) {
				t.Fatal("an item's rows changed with another item")
			}

			// The prefix from a cache: prefill and extend.
			at := p.at
			at.SharedK, at.SharedV = p.k.RowRange(0, p.prefix), p.v.RowRange(0, p.prefix)
			at.Segments = []Segment{{Len: p.lens[keep], Shared: p.prefix}}
			if p.prefix == 0 {
				at.SharedK, at.SharedV = Mat{}, Mat{}
			}
			ext := NewMat(p.lens[keep], 48)
			Attend(ext, p.item(p.q, keep), p.item(p.k, keep), p.item(p.v, keep), at)
			if !slices.Equal(bits(ext.Data), want) {
				t.Fatal("extending a cache differs from the packed batch")
			}
		})
	})
}

// TestAttendContinues: the last queries alone, over cached keys, give the rows
// that the whole prompt gave.
func TestAttendContinues(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := newRand(5)
		for _, past := range []int{1, 31, 32, 100, 255, 256, 300} {
			n := past + 9
			q, k, v := randMat(r, n, 32, 0), randMat(r, n, 16, 0), randMat(r, n, 16, 0)
			at := Attention{Heads: 4, KVHeads: 2, HeadDim: 8, Segments: []Segment{{Len: n}}}
			whole := NewMat(n, 32)
			Attend(whole, q, k, v, at)
			at.Segments = []Segment{{Len: 9, Past: past}}
			last := NewMat(9, 32)
			Attend(last, q.RowRange(past, n), k, v, at)
			if !slices.Equal(bits(last.Data), bits(whole.RowRange(past, n).Data)) {
				t.Errorf("9 queries after %d cached keys differ from the whole prompt", past)
			}
		}
	})
}

func TestSegmentsOf(t *testing.T) {
	segs, err := SegmentsOf([]int32{0, 0, 3, 3, 3, 1}, 0)
	want := []Segment{{Row: 0, Len: 2, Key: 0}, {Row: 2, Len: 3, Key: 2, Shared: 2}, {Row: 5, Len: 1, Key: 5, Shared: 2}}
	if err != nil || !slices.Equal(segs, want) {
		t.Errorf("got %+v, %v; want %+v", segs, err, want)
	}
	for _, ids := range [][]int32{{1, 2, 1}, {1, 0}, {0, 1, 0}} {
		if segs, err := SegmentsOf(ids, 0); err == nil {
			t.Errorf("ids %v: %+v, want an error", ids, segs)
		}
	}
}

func ExampleAttend() {
	// A query of two tokens and two items of one token each, one head of 1.
	q := MatOf([]float32{1, 1, 1, 1}, 4, 1)
	k := MatOf([]float32{0, 0, 0, 0}, 4, 1) // equal scores: the mean of the values seen
	v := MatOf([]float32{1, 3, 5, 8}, 4, 1)
	segs, _ := SegmentsOf([]int32{0, 0, 1, 2}, 0)
	out := NewMat(4, 1)
	Attend(out, q, k, v, Attention{Heads: 1, KVHeads: 1, HeadDim: 1, Segments: segs})
	fmt.Println(out.Data) // the second item does not see the first
	// Output: [1 2 3 4]
}
