// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"cmp"
	"container/heap"
	"slices"
)

// compare is the order of a lane: by start; attributes before the records they
// belong to; a span before what it holds. Of spans that begin and end together
// the one that was opened first holds the others: Extra is a span's depth.
func compare(a, b *Record) int {
	if c := cmp.Compare(a.Start, b.Start); c != 0 {
		return c
	}
	ka, kb := a.Kind(), b.Kind()
	switch {
	case ka.Attr() || kb.Attr():
		return cmp.Compare(b.attrRank(), a.attrRank())
	case a.End() != b.End():
		return cmp.Compare(b.End(), a.End())
	case ka != kb:
		return cmp.Compare(ka, kb)
	case ka == Span:
		return cmp.Compare(a.Extra, b.Extra)
	}
	return 0
}

func (r *Record) attrRank() int {
	if r.Kind().Attr() {
		return 1
	}
	return 0
}

func order(recs []Record) {
	slices.SortStableFunc(recs, func(a, b Record) int { return compare(&a, &b) })
}

func sorted(recs []Record) bool {
	return slices.IsSortedFunc(recs, func(a, b Record) int { return compare(&a, &b) })
}

// A cursor is a block being read, at its first record not yet handed out.
type cursor struct {
	block *block
	rank  int // of the block in its lane: the order of equal records
	data  []byte
	left  int
	rec   Record
	open  bool // rec has been read; before that only the block's least start counts
}

type cursors []*cursor

func (c cursors) Len() int      { return len(c) }
func (c cursors) Swap(i, j int) { c[i], c[j] = c[j], c[i] }
func (c *cursors) Push(x any)   { *c = append(*c, x.(*cursor)) }
func (c cursors) Less(i, j int) bool {
	a, b := c[i], c[j]
	if !a.open || !b.open {
		// A block that was not opened must be before anything it could hold.
		if a.rec.Start != b.rec.Start {
			return a.rec.Start < b.rec.Start
		}
		return !a.open && b.open
	}
	if d := compare(&a.rec, &b.rec); d != 0 {
		return d < 0
	}
	return a.rank < b.rank
}

func (c *cursors) Pop() any {
	old := *c
	x := old[len(old)-1]
	*c = old[:len(old)-1]
	return x
}

// Each yields the records of lane i in order, after [Log.Sort]. Blocks are
// opened when their first start comes up: as many are in memory at a time as
// overlap, and not all of a long recording.
func (l *Log) Each(i int, yield func(*Record) bool) error {
	if i >= len(l.lanes) {
		return nil
	}
	var heads cursors
	blocks := l.lanes[i].blocks
	for j := range blocks {
		heads = append(heads, &cursor{block: &blocks[j], rank: j, left: blocks[j].count, rec: Record{Start: blocks[j].least}})
	}
	heap.Init(&heads)
	for len(heads) > 0 {
		c := heads[0]
		if !c.open {
			data, err := l.bytes(c.block)
			if err != nil {
				return err
			}
			c.data, c.open, c.rec = data, true, Record{}
		} else {
			if !yield(&c.rec) {
				return nil
			}
			if c.left == 0 {
				heap.Pop(&heads)
				continue
			}
		}
		rec, rest, err := takeRecord(c.data, c.rec.Start)
		if err != nil {
			return err
		}
		c.rec, c.data = rec, rest
		c.left--
		heap.Fix(&heads, 0)
	}
	return nil
}
