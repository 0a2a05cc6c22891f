// SPDX-License-Identifier: Apache-2.0

package ranged

import (
	"cmp"
	"slices"
)

// A span is a stretch [off, end) of a file.
type span struct{ off, end int64 }

// spans are stretches; where not said otherwise sorted, apart from each other.
type spans []span

// at returns the index of the first span that ends behind off.
func (s spans) at(off int64) int {
	i, _ := slices.BinarySearchFunc(s, off, func(x span, off int64) int {
		if x.end <= off {
			return -1
		}
		return cmp.Compare(x.end, off)
	})
	return i
}

// add returns s with [off, end) in it.
func (s spans) add(off, end int64) spans {
	i, _ := slices.BinarySearchFunc(s, off, func(x span, off int64) int { return cmp.Compare(x.end, off) })
	j := i // spans i to j touch the new one
	for j < len(s) && s[j].off <= end {
		off, end = min(off, s[j].off), max(end, s[j].end)
		j++
	}
	return slices.Replace(s, i, j, span{off, end})
}

// gap returns the first offset of [off, end) that is in no span, or end.
func (s spans) gap(off, end int64) int64 {
	for i := s.at(off); i < len(s) && s[i].off <= off && off < end; i++ {
		off = s[i].end
	}
	return min(off, end)
}

// next returns the begin of the first span behind off, or the largest offset. The
// spans may be in any order.
func (s spans) next(off int64) int64 {
	next := int64(1<<63 - 1)
	for _, x := range s {
		if x.off > off {
			next = min(next, x.off)
		}
	}
	return next
}

// trim returns [off, end) without what is in a span at either end of it.
func (s spans) trim(off, end int64) (int64, int64) {
	off = s.gap(off, end)
	if i := s.at(end - 1); off < end && i < len(s) && s[i].off < end {
		end = s[i].off
	}
	return off, end
}

// filled returns the spans that hold something.
func (s spans) filled() spans {
	return slices.DeleteFunc(s, func(x span) bool { return x.off >= x.end })
}
