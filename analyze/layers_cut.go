// SPDX-License-Identifier: Apache-2.0

package analyze

// A cutting holds, for each layer k, where in the sequence it begins; the last
// entry is where the last layer ends.
type cutting struct{ bounds []int }

// anchorCut finds the borders of the layers around anchors (indices of seq).
//
// Between anchors k and k+1 lie first the rest of layer k (output projection,
// MLP), then the beginning of layer k+1 (input norm, QKV). Which is which shows
// at the ends: signatures that occur after the last anchor but not before the
// first end a layer; those that occur before the first but not after the last
// begin one. The border in a gap is where most time agrees with that; between
// equals, the earliest, so that an input norm (which looks like the final norm
// after the last layer) goes with the layer that it begins.
func anchorCut(seq []sigOp, anchors []int) cutting {
	n := len(anchors)
	head, tail := seq[:anchors[0]], seq[anchors[n-1]+1:]
	before, after := counts(head), counts(tail)
	c := cutting{bounds: make([]int, n+1)}
	begin := make(map[string]int) // what begins a layer: signature → most often
	end := make(map[string]int)
	for k := 0; k+1 < n; k++ {
		gap := seq[anchors[k]+1 : anchors[k+1]]
		cut := bestSplit(gap, func(e *sigOp) int {
			switch b, a := before[e.sig] > 0, after[e.sig] > 0; {
			case a && !b:
				return 1 // ends a layer
			case b && !a:
				return -1
			}
			return 0
		}, false)
		c.bounds[k+1] = anchors[k] + 1 + cut
		raise(end, counts(gap[:cut]))
		raise(begin, counts(gap[cut:]))
	}
	c.bounds[0] = headBorder(head, begin)
	c.bounds[n] = anchors[n-1] + 1 + tailBorder(tail, end)
	return c
}

// bestSplit returns the position that has most time of rank 1 before it and of
// rank −1 behind it: the first such, or the last.
func bestSplit(ops []sigOp, rank func(*sigOp) int, last bool) int {
	var score, best int64
	at := 0
	for i := range ops {
		score += int64(rank(&ops[i])) * int64(ops[i].dur)
		if score > best || last && score == best {
			best, at = score, i+1
		}
	}
	return at
}

// headBorder returns where the first layer begins in what precedes the first
// anchor: from there on ops are those that begin a layer, each as often as
// there, counted from the anchor backwards.
func headBorder(head []sigOp, begin map[string]int) int {
	left := copyCounts(begin)
	known := make([]bool, len(head))
	for i := len(head) - 1; i >= 0; i-- {
		if left[head[i].sig] > 0 {
			left[head[i].sig]--
			known[i] = true
		}
	}
	i := -1
	return bestSplit(head, func(*sigOp) int {
		if i++; known[i] {
			return -1
		}
		return 1
	}, false)
}

// tailBorder returns where the last layer ends in what follows its anchor.
func tailBorder(tail []sigOp, end map[string]int) int {
	left := copyCounts(end)
	return bestSplit(tail, func(e *sigOp) int {
		if left[e.sig] > 0 {
			left[e.sig]--
			return 1
		}
		return -1
	}, false)
}

func counts(ops []sigOp) map[string]int {
	m := make(map[string]int)
	for i := range ops {
		m[ops[i].sig]++
	}
	return m
}

func raise(into, by map[string]int) {
	for sig, n := range by {
		into[sig] = max(into[sig], n)
	}
}

func copyCounts(m map[string]int) map[string]int {
	out := make(map[string]int, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}
