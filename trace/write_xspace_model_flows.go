// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"math"

	"github.com/layerscope/layerscope/trace/internal/xspace"
)

// collectFlows numbers the flows by where they begin: an event produces one
// context, which all that its flows lead to consume.
func (s *modelWriter) collectFlows() (err error) {
	if s.flows, err = s.t.sortedFlows(); err != nil {
		return err
	}
	s.ends = endsOf(s.flows)
	s.source = make([]int, len(s.flows))
	for i := range s.flows {
		if s.source[i] = i; i > 0 && s.flows[i].From == s.flows[i-1].From {
			s.source[i] = s.source[i-1]
		}
	}
	return nil
}

// flowStats adds what an event produces and what it consumes: one context of each.
func (s *modelWriter) flowStats(t *planeTable, stats []xspace.Stat, track, event int) []xspace.Stat {
	in, out := false, false
	for _, e := range s.ends.of(track, event) {
		first := s.source[e.flow]
		context, id := contextOf(s.flows[first].Kind), uint64(first+1)
		switch {
		case e.out && !out:
			out = true
			stats = append(stats, t.uint("_pt", context), t.uint("_p", id))
		case !e.out && !in:
			in = true
			stats = append(stats, t.uint("_ct", context), t.uint("_c", id))
			if kind := s.flows[e.flow].Kind; kind != contextKinds[context] {
				stats = append(stats, t.text(flowKindStat, kind))
			}
		}
	}
	return stats
}

// value is the stat of a counter's sample.
func (t *planeTable) value(v float64) xspace.Stat {
	return xspace.Stat{ID: t.stats.id(valueStat), Kind: xspace.Double, Bits: math.Float64bits(v)}
}

// valueStat names the value of a counter's sample.
const valueStat = "value"

// counterLine is the name of lines that hold samples; what they are samples of is
// their display name.
const counterLine = "_counters_"

// samples writes the line of a counter that belongs to no device.
func (s *modelWriter) samples(p *modelPlane, ln *hostLine, lw *xspace.LineWriter) error {
	event := -1
	for b, err := range ln.tr.Batches() {
		if err != nil {
			return err
		}
		for i, id := range b.Op {
			event++
			ev := xspace.Event{MetadataID: p.nameKey(s.t.Ops[id].Name), OffsetPs: int64(b.Start[i]), DurationPs: int64(b.Dur[i])}
			if b.Value != nil {
				ev.Stats = append(ev.Stats, p.value(b.Value[i]))
			}
			ev.Stats = s.flowStats(&p.planeTable, ev.Stats, ln.track, event)
			if err := lw.Event(&ev); err != nil {
				return err
			}
		}
	}
	return nil
}
