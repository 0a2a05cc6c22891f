// SPDX-License-Identifier: Apache-2.0

// Package packing lays a scoring request's tokens out for forward passes: one
// sequence per item, all items behind one query, or items behind cached keys.
// It knows token ids, positions and who sees whom, and neither models nor time.
//
//	layout := packing.Packed(query, items, nil)
//	layout.Pad(packing.Bucket(len(layout.IDs)))
package packing

import (
	"math/bits"

	"github.com/layerscope/layerscope/engine/internal/program"
)

// Layout is the tokens of one pass. Rows has one entry an item: the token whose
// next-token distribution scores it; -1 when that is the cached prefix's last
// token.
type Layout struct {
	IDs       []int32
	Positions []int32
	Runs      []program.Run
	Rows      []int32
	Real      int // tokens before Pad
}

// Serial lays out one item behind its query (or before it), with the delimiter
// between them if there is one.
func Serial(first, second, delimiter []int32) Layout {
	l := Layout{}
	l.append(0, first)
	l.append(len(l.IDs), delimiter)
	l.append(len(l.IDs), second)
	l.Runs = []program.Run{{Len: len(l.IDs)}}
	l.Rows = []int32{int32(len(l.IDs) - 1)}
	l.Real = len(l.IDs)
	return l
}

// Prefix lays out the query alone, with the delimiter that items see. last asks
// for the last token's row.
func Prefix(query, delimiter []int32, last bool) Layout {
	l := Layout{}
	l.append(0, query)
	l.append(len(l.IDs), delimiter)
	l.Runs = []program.Run{{Len: len(l.IDs)}}
	if last {
		l.Rows = []int32{int32(len(l.IDs) - 1)}
	}
	l.Real = len(l.IDs)
	return l
}

// Packed lays all items out behind one query: Q d I1 d … In d. Positions
// restart after the prefix for each item; an item is scored at its last token,
// before its closing delimiter, an empty one at the prefix's.
func Packed(query []int32, items [][]int32, delimiter []int32) Layout {
	l := Prefix(query, delimiter, false)
	l.items(l.Real, items, delimiter, int32(l.Real-1))
	return l
}

// Extend lays out items behind a cached prefix of that many tokens.
func Extend(prefix int, items [][]int32) Layout {
	l := Layout{}
	l.items(prefix, items, nil, -1)
	return l
}

func (l *Layout) items(prefix int, items [][]int32, delimiter []int32, empty int32) {
	for _, item := range items {
		first := len(l.IDs)
		l.append(prefix, item)
		row := int32(len(l.IDs) - 1)
		if len(item) == 0 {
			row = empty
		}
		l.append(prefix+len(item), delimiter)
		if n := len(l.IDs) - first; n > 0 {
			l.Runs = append(l.Runs, program.Run{First: first, Len: n, Item: true})
		}
		l.Rows = append(l.Rows, row)
	}
	l.Real = len(l.IDs)
}

func (l *Layout) append(position int, ids []int32) {
	for i, id := range ids {
		l.IDs = append(l.IDs, id)
		l.Positions = append(l.Positions, int32(position+i))
	}
}

// Pad appends tokens that belong to no run.
func (l *Layout) Pad(n int) {
	for len(l.IDs) < n {
		l.IDs = append(l.IDs, 0)
		l.Positions = append(l.Positions, 0)
	}
}

// Sees tells whether token i of a layout attends to token j: the rule that
// attention follows, written down for tests and for backends that need it.
func (l *Layout) Sees(i, j int) bool {
	if j > i {
		return false
	}
	ri, rj := l.run(i), l.run(j)
	return ri >= 0 && rj >= 0 && (ri == rj || !l.Runs[rj].Item)
}

func (l *Layout) run(i int) int {
	for k, r := range l.Runs {
		if i >= r.First && i < r.First+r.Len {
			return k
		}
	}
	return -1
}

// Bucket is the default ladder of shapes: multiples of 16 up to 128, then eight
// steps from each power of two to the next, so that padding is at most an
// eighth from 128 tokens on.
func Bucket(n int) int {
	step := 16
	if n > 128 {
		step = 1 << (bits.Len(uint(n-1)) - 4)
	}
	return (n + step - 1) / step * step
}

// BucketOf is the smallest of sorted buckets that holds n; past the last one,
// multiples of the last. Without buckets it is Bucket.
func BucketOf(buckets []int, n int) int {
	if len(buckets) == 0 {
		return Bucket(n)
	}
	for _, b := range buckets {
		if b >= n {
			return b
		}
	}
	last := buckets[len(buckets)-1]
	return (n + last - 1) / last * last
}

// RowBucket is the shape of scored rows: powers of two up to 8, then multiples
// of 8.
func RowBucket(n int) int {
	if n <= 8 {
		return 1 << bits.Len(uint(max(n-1, 0)))
	}
	return (n + 7) / 8 * 8
}

// Chunks splits items into groups whose tokens, with a delimiter of that length
// after each, and number stay within limits. An item that is too long by itself
// gets its own group.
func Chunks(items [][]int32, delimiter, maxTokens, maxItems int) [][2]int {
	var out [][2]int
	from, tokens := 0, 0
	for i, item := range items {
		n := len(item) + delimiter
		if i > from && (tokens+n > maxTokens || i-from >= maxItems) {
			out = append(out, [2]int{from, i})
			from, tokens = i, 0
		}
		tokens += n
	}
	return append(out, [2]int{from, len(items)})
}
