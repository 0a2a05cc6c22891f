// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/layerscope/layerscope/trace"
)

// A beat is a group of ops with one signature, by position in the sequence.
type beat struct {
	sig   string
	at    []int // indices in the sequence
	total Duration
	comp  string
	cv    float64 // of the gaps between them
}

// byAnchor cuts an execution at an op that repeats once a layer. Scopes without
// an index (vLLM, sglang-jax) name the parts of a layer, but not which layer;
// the order of execution does.
//
// The number of layers N is the largest count that explains the bulk of the
// time: ops whose signature occurs a multiple of N times. The anchor is the
// most regular signature that occurs N times, attention kernels first. Layers
// don't begin at the anchor: what an op between two anchors belongs to is
// learnt from the ends of the sequence, see [anchorCut].
func (s *study) byAnchor(p *programFacts) (placement, error) {
	pl := newPlacement("anchor")
	all, err := s.sequence(p)
	if err != nil || len(all) < 4 {
		return pl, err
	}
	seq, once := s.mainOps(all)
	beats := s.beats(seq, once)
	n := countLayers(beats)
	if n < minLayers || variety(beats, n) < minVariety {
		return pl, nil
	}
	anchor := chooseAnchor(beats, n)
	if anchor == nil {
		return pl, nil
	}
	cut := anchorCut(seq, anchor.at)
	pl.layers = make(map[trace.OpID]int32, len(p.ops))
	bounds := make([]Time, n+1)
	for k := range bounds {
		if i := cut.bounds[k]; i < len(seq) {
			bounds[k] = seq[i].start
		} else {
			bounds[k] = math.MaxInt64
		}
	}
	for _, e := range all {
		k, _ := slices.BinarySearchFunc(bounds, e.start, func(b, t Time) int {
			if b <= t {
				return -1
			}
			return 1
		})
		switch {
		case !once[e.op]: // runs several times: not placed by order
		case k == 0 || k > n:
			if s.ops[e.op].scope.raw != "" {
				pl.outside[e.op] = true
			}
		default:
			pl.layers[e.op] = int32(k - 1)
		}
	}
	s.resolvePrevious(seq)
	s.spread(p, &pl)
	pl.n = n
	pl.measure(s)
	mean, sd := gaps(seq, anchor.at)
	pl.confidence = ratio(pl.placed, p.opTime) * (1 - min(1, sd/mean))
	pl.why = fmt.Sprintf("%d × %s once a layer, gaps %.3f µs ± %.2f %%; layers begin before the input norm", n, s.t.Ops[seq[anchor.at[0]].op].Name, mean/1e6, 100*sd/mean)
	return pl, nil
}

// resolvePrevious gives ops of modules that serve several parts under one name
// (RowParallelLinear) the part whose ops come before them.
func (s *study) resolvePrevious(seq []sigOp) {
	last := other
	for i := range seq {
		o := &s.ops[seq[i].op]
		switch o.component {
		case previous:
			o.component = last
		case norm, other:
		default:
			last = o.component
		}
	}
}

// spread gives ops of other devices what the op of the same name in the same
// program got: the order was learnt on one device.
func (s *study) spread(p *programFacts, pl *placement) {
	type known struct {
		layer   int32
		layered bool
		comp    string
	}
	names := make(map[string]known, len(p.ops))
	for _, id := range p.ops {
		if pl.outside[id] {
			names[s.t.Ops[id].Name] = known{comp: s.ops[id].component}
		}
	}
	for _, id := range p.ops {
		if l, ok := pl.layers[id]; ok {
			names[s.t.Ops[id].Name] = known{l, true, s.ops[id].component}
		}
	}
	for _, id := range p.ops {
		k, ok := names[s.t.Ops[id].Name]
		if !ok {
			continue
		}
		s.ops[id].component = k.comp
		if k.layered {
			pl.layers[id] = k.layer
		} else {
			pl.outside[id] = true
		}
	}
}

// A sigOp is an op of the sequence with its signature.
type sigOp struct {
	seqOp
	sig  string
	comp string
}

// mainOps leaves out waits, and says which ops run once in the sequence.
func (s *study) mainOps(all []seqOp) ([]sigOp, []bool) {
	count := make([]int32, len(s.ops))
	for _, e := range all {
		count[e.op]++
	}
	once := make([]bool, len(s.ops))
	for id, n := range count {
		once[id] = n == 1
	}
	known := make(map[trace.OpID]sigOp) // of what runs several times
	seq := make([]sigOp, 0, len(all))
	for _, e := range all {
		if asyncCategory(s.t.Ops[e.op].Category) || e.dur <= trace.Nanosecond {
			continue
		}
		k, ok := known[e.op]
		if !ok {
			k = sigOp{e, s.signature(e.op), s.componentOf(e.op)}
			if !once[e.op] {
				known[e.op] = k
			}
		}
		k.seqOp = e
		seq = append(seq, k)
	}
	return seq, once
}

// beats groups the sequence by signature.
func (s *study) beats(seq []sigOp, once []bool) []*beat {
	by := make(map[string]*beat)
	var out []*beat
	for i, e := range seq {
		if !once[e.op] {
			continue
		}
		b := by[e.sig]
		if b == nil {
			b = &beat{sig: e.sig, comp: e.comp}
			by[e.sig] = b
			out = append(out, b)
		}
		b.at = append(b.at, i)
		b.total += e.dur
	}
	for _, b := range out {
		if len(b.at) > 2 {
			mean, sd := gaps(seq, b.at)
			b.cv = sd / mean
		}
	}
	return out
}

// gaps returns mean and population standard deviation of the distances between
// the starts of consecutive ops, in ps.
func gaps(seq []sigOp, at []int) (mean, sd float64) {
	n := len(at) - 1
	if n < 1 {
		return 1, 0
	}
	for k := range n {
		mean += float64(seq[at[k+1]].start - seq[at[k]].start)
	}
	mean /= float64(n)
	for k := range n {
		d := float64(seq[at[k+1]].start-seq[at[k]].start) - mean
		sd += d * d
	}
	return max(mean, 1), math.Sqrt(sd / float64(n))
}

// countLayers returns the largest N ≥ 2 such that signatures occurring N, 2N,
// 3N or 4N times (or once more, as an all-reduce after the embedding does) hold
// at least 60 % of the time; 0 if there is none.
func countLayers(beats []*beat) int {
	var total Duration
	counts := make(map[int]bool)
	for _, b := range beats {
		total += b.total
		if len(b.at) >= 2 {
			counts[len(b.at)] = true
		}
	}
	best := 0
	for n := range counts {
		var held Duration
		exact := false
		for _, b := range beats {
			c := len(b.at)
			if c >= n && c/n <= 4 && c%n <= 1 {
				held += b.total
			}
			exact = exact || c == n && b.cv < 0.25
		}
		if exact && n > best && held*10 >= total*6 {
			best = n
		}
	}
	return best
}

// minLayers is how many layers make a pattern: two of anything prove none.
const minLayers = 3

// minVariety is how many kinds of op a layer has at least: two matrix products,
// an attention and a norm.
const minVariety = 4

// variety counts the signatures that occur n times or a small multiple of it.
func variety(beats []*beat, n int) int {
	kinds := 0
	for _, b := range beats {
		if c := len(b.at); c >= n && c/n <= 4 && c%n <= 1 {
			kinds++
		}
	}
	return kinds
}

// chooseAnchor returns the group of exactly n ops to cut by.
func chooseAnchor(beats []*beat, n int) *beat {
	var best *beat
	rank := func(b *beat) int {
		if b.comp == attention {
			return 0
		}
		return 1
	}
	for _, b := range beats {
		if len(b.at) != n || b.cv > 0.25 {
			continue
		}
		if best == nil {
			best = b
			continue
		}
		// Among equals, longest first: short ops are moved about by the scheduler.
		if c := cmp.Or(cmp.Compare(rank(b), rank(best)), cmp.Compare(best.total, b.total)); c < 0 {
			best = b
		}
	}
	return best
}
