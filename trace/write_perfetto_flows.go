// SPDX-License-Identifier: Apache-2.0

package trace

import "slices"

// Ids of the trace's own flows: a mark that tells them from those that are made
// when the file is written, the number of their kind, the number of the flow from
// 1 on.
const (
	ownFlowMark  = 1 << 62
	flowKindBits = 16
	flowKindAt   = 62 - flowKindBits
	flowNumber   = 1<<flowKindAt - 1
)

func (p *perfettoWriter) collectFlows() (err error) {
	p.kinds = map[string]uint64{}
	if p.stated, err = p.t.sortedFlows(); err != nil {
		return err
	}
	p.ends = endsOf(p.stated)
	for _, f := range p.stated {
		if _, ok := p.kinds[f.Kind]; !ok && len(p.kinds) < 1<<flowKindBits {
			p.kinds[f.Kind] = uint64(len(p.kinds))
		}
	}
	return nil
}

func (p *perfettoWriter) kindsInOrder() []string {
	out := make([]string, 0, len(p.kinds))
	for k := range p.kinds {
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b string) int { return compareInt(int64(p.kinds[a]), int64(p.kinds[b])) })
	return out
}

// bind adds the flows of an event to the slice at hand.
func (p *perfettoWriter) bind(track, event int) {
	for _, e := range p.ends.of(track, event) {
		id := uint64(ownFlowMark) | p.kinds[p.stated[e.flow].Kind]<<flowKindAt | uint64(e.flow+1)
		if e.out {
			p.w.Flow(id)
		} else {
			p.w.EndFlow(id)
		}
	}
}
