// SPDX-License-Identifier: Apache-2.0

package trace

// order sorts a lane by start, longest first, what is equal in the order of the
// file: JAX writes events in any order, and Kineto one kind after the other. It
// merges the runs that are in order, of which there are few.
//
// Note: sorting in place by sort.Stable took a sixteenth of reading a file of
// Kineto's, 0.6 ms for 10,000 events.
func (ln *lane) order() {
	ends := ln.runsInOrder()
	if len(ends) < 2 {
		return
	}
	from, to := make([]uint32, ln.len()), make([]uint32, ln.len())
	for i := range from {
		from[i] = uint32(i)
	}
	for len(ends) > 1 {
		start := 0
		var merged []int
		for k := 0; k < len(ends); k += 2 {
			mid, end := ends[k], ends[min(k+1, len(ends)-1)]
			ln.merge(to[start:end], from[start:mid], from[mid:end])
			merged = append(merged, end)
			start = end
		}
		ends = merged
		from, to = to, from
	}
	ln.op, ln.start, ln.dur = arranged(ln.op, from), arranged(ln.start, from), arranged(ln.dur, from)
	ln.run, ln.value, ln.links = arranged(ln.run, from), arranged(ln.value, from), arranged(ln.links, from)
}

// before says whether event i belongs before event j wherever they stand.
func (ln *lane) before(i, j uint32) bool {
	if ln.start[i] != ln.start[j] {
		return ln.start[i] < ln.start[j]
	}
	return ln.dur[i] > ln.dur[j]
}

// runsInOrder returns where the runs of events in order end.
func (ln *lane) runsInOrder() []int {
	var ends []int
	for i := 1; i < ln.len(); i++ {
		if ln.start[i] < ln.start[i-1] || ln.start[i] == ln.start[i-1] && ln.dur[i] > ln.dur[i-1] {
			ends = append(ends, i)
		}
	}
	return append(ends, ln.len())
}

// merge writes the events of a and b to out in order, those of a first among equals.
func (ln *lane) merge(out, a, b []uint32) {
	k := 0
	for len(a) > 0 && len(b) > 0 {
		if ln.before(b[0], a[0]) {
			out[k], b = b[0], b[1:]
		} else {
			out[k], a = a[0], a[1:]
		}
		k++
	}
	copy(out[k:], a)
	copy(out[k+len(a):], b)
}

// arranged returns a column with the values of the given events in turn.
func arranged[T any](col []T, events []uint32) []T {
	if col == nil {
		return nil
	}
	out := make([]T, len(events))
	for i, at := range events {
		out[i] = col[at]
	}
	return out
}
