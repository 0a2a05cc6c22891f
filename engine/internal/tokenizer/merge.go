// SPDX-License-Identifier: Apache-2.0

package tokenizer

import (
	"math"
	"math/bits"
)

// scratch is the working memory of one Encode call.
type scratch struct {
	syms []int32
	text []byte
	pair []merged
	prev []int32
	next []int32
	heap []candidate
}

// merged is what a pair of symbols becomes, and how early.
type merged struct {
	rank uint32
	id   int32
}

const noMerge = math.MaxUint32

// pairTable maps pairs of symbols to their merge: open addressing with linear
// probing, at most half full.
//
// Note: a Go map of Qwen3's 151,387 merges takes 10.8 ns a lookup where this
// takes 4.8.
type pairTable struct {
	keys  []uint64 // left<<32 | right, plus 1; 0 is free
	vals  []merged
	shift uint
}

func newPairTable(n int) pairTable {
	log := max(bits.Len(uint(2*n)), 4)
	return pairTable{make([]uint64, 1<<log), make([]merged, 1<<log), uint(64 - log)}
}

func pairKey(left, right int32) uint64 {
	return uint64(uint32(left))<<32 | uint64(uint32(right)) + 1
}

func (t *pairTable) at(key uint64) int {
	mask := len(t.keys) - 1
	i := int(key * 0x9E3779B97F4A7C15 >> t.shift)
	for t.keys[i] != key && t.keys[i] != 0 {
		i = (i + 1) & mask
	}
	return i
}

// set enters a merge; a later one for the same pair replaces the earlier.
func (t *pairTable) set(left, right int32, m merged) {
	key := pairKey(left, right)
	i := t.at(key)
	t.keys[i], t.vals[i] = key, m
}

func (t *pairTable) get(left, right int32) merged {
	i := t.at(pairKey(left, right))
	if t.keys[i] == 0 {
		return merged{noMerge, -1}
	}
	return t.vals[i]
}

// shortWord is the number of symbols up to which scanning for the best pair
// beats a heap.
const shortWord = 32

// merge joins pairs in place and returns the shortened slice.
func (m *bpe) merge(sc *scratch, syms []int32) []int32 {
	if len(syms) < 2 {
		return syms
	}
	if len(syms) <= shortWord {
		return m.mergeShort(sc, syms)
	}
	return m.mergeLong(sc, syms)
}

func (m *bpe) mergeShort(sc *scratch, syms []int32) []int32 {
	pair := sc.pair[:0]
	for i := range len(syms) - 1 {
		pair = append(pair, m.merges.get(syms[i], syms[i+1]))
	}
	for len(pair) > 0 {
		best := 0
		for i := range pair {
			if pair[i].rank < pair[best].rank {
				best = i
			}
		}
		if pair[best].rank == noMerge {
			break
		}
		syms[best] = pair[best].id
		syms = append(syms[:best+1], syms[best+2:]...)
		pair = append(pair[:best], pair[best+1:]...)
		if best > 0 {
			pair[best-1] = m.merges.get(syms[best-1], syms[best])
		}
		if best < len(pair) {
			pair[best] = m.merges.get(syms[best], syms[best+1])
		}
	}
	sc.pair = pair
	return syms
}

// candidate is a merge that was possible when it was put on the heap.
type candidate struct {
	rank uint32
	pos  int32 // of the left symbol
	id   int32 // of the merged symbol
}

func (c candidate) before(d candidate) bool {
	return c.rank < d.rank || c.rank == d.rank && c.pos < d.pos
}

// mergeLong keeps the symbols in a linked list and the possible merges in a
// heap, so that n symbols take n log n steps. A candidate whose symbols have
// changed since is recognised because the pair now there gives another symbol.
func (m *bpe) mergeLong(sc *scratch, syms []int32) []int32 {
	n := len(syms)
	prev, next, heap := sc.prev[:0], sc.next[:0], sc.heap[:0]
	for i := range n {
		prev, next = append(prev, int32(i-1)), append(next, int32(i+1))
	}
	for i := range n - 1 {
		if c := m.merges.get(syms[i], syms[i+1]); c.rank != noMerge {
			heap = push(heap, candidate{c.rank, int32(i), c.id})
		}
	}
	offer := func(left, right int32) {
		if c := m.merges.get(syms[left], syms[right]); c.rank != noMerge {
			heap = push(heap, candidate{c.rank, left, c.id})
		}
	}
	const gone = -1
	for len(heap) > 0 {
		var top candidate
		top, heap = pop(heap)
		left, right := top.pos, next[top.pos]
		if syms[left] == gone || int(right) == n {
			continue
		}
		if c := m.merges.get(syms[left], syms[right]); c.rank == noMerge || c.id != top.id {
			continue
		}
		syms[left], syms[right] = top.id, gone
		after := next[right]
		next[left] = after
		if int(after) < n {
			prev[after] = left
			offer(left, after)
		}
		if before := prev[left]; before >= 0 {
			offer(before, left)
		}
	}
	sc.prev, sc.next, sc.heap = prev, next, heap
	out := syms[:0]
	for i := int32(0); int(i) < n; i = next[i] {
		out = append(out, syms[i])
	}
	return out
}

func push(h []candidate, c candidate) []candidate {
	h = append(h, c)
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !c.before(h[up]) {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i] = c
	return h
}

func pop(h []candidate) (candidate, []candidate) {
	top, last := h[0], h[len(h)-1]
	h = h[:len(h)-1]
	if len(h) == 0 {
		return top, h
	}
	i := 0
	for {
		kid := 2*i + 1
		if kid >= len(h) {
			break
		}
		if kid+1 < len(h) && h[kid+1].before(h[kid]) {
			kid++
		}
		if !h[kid].before(last) {
			break
		}
		h[i] = h[kid]
		i = kid
	}
	h[i] = last
	return top, h
}
