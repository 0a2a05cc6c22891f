// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"slices"

	"github.com/layerscope/layerscope/trace/internal/perfetto"
)

// An ownFlow is one end of a flow in a file of our own writer.
type ownFlow struct {
	c    *columns
	i    int // event in c
	id   uint64
	role flowRole
}

// flow notes the flows of event i of a track. Those without the mark were made
// when the file was written.
func (o *ownModel) flow(c *columns, i int, ids []uint64, role flowRole) {
	for _, id := range ids {
		if id&ownFlowMark != 0 {
			o.flows = append(o.flows, ownFlow{c, i, id, role})
		}
	}
}

// finishFlows orders the tracks and connects the ends of flows, whose events have
// other numbers then.
func (o *ownModel) finishFlows(t *Trace, order func(*columns) []int) {
	moved := map[*columns][]int{} // new numbers by old ones
	with := map[*columns]bool{}
	for _, f := range o.flows {
		with[f.c] = true
	}
	for _, c := range o.tracks {
		if at := order(c); at != nil && with[c] {
			to := make([]int, len(at))
			for i, k := range at {
				to[k] = i
			}
			moved[c] = to
		}
	}
	points := make([]flowPoint, 0, len(o.flows))
	for _, f := range o.flows {
		p := flowPoint{id: f.id, ref: EventRef{o.index[f.c], f.i}, role: f.role, kind: plainFlow}
		if to := moved[f.c]; to != nil {
			p.ref.Event = to[f.i]
		}
		if k := f.id >> flowKindAt & (1<<flowKindBits - 1); k < uint64(len(o.flowKinds)) {
			p.kind = o.flowKinds[k]
		}
		points = append(points, p)
	}
	t.looseFlows(t.flows.connect(points))
}

// A lanePoint is one event of a flow on a lane, before it is known which of the
// lane's slices it is at.
type lanePoint struct {
	id    uint64
	ns    int64
	op    OpID // of the slice that begins here
	role  flowRole
	at    pointPlace
	known bool // ns is; else it is that of event i of the lane's log
	i     int
}

// A pointPlace says where the slice of a lanePoint is.
type pointPlace uint8

const (
	pointBegins pointPlace = iota // it begins here, and is of the point's op
	pointEnds                     // it ends here
	pointAround                   // it is around this time
	pointNext                     // it is the next one
)

// bind notes the flows of an event that the lane gets next.
func (ln *perfettoLane) bind(ev *perfetto.Event, typ uint32, op OpID) {
	p := lanePoint{ns: ev.Ns, op: op, known: !ev.Pending}
	switch typ {
	case whatEnd:
		p.at = pointEnds
	case whatArrow:
		p.at = pointAround
		if p.known = true; ev.Pending {
			return // an arrow has no place in the log
		}
	default:
		if ev.Pending {
			p.i = len(ln.keep().ns)
		}
	}
	add := func(id uint64, role flowRole) {
		p.id, p.role = id, role
		ln.flows = append(ln.flows, p)
	}
	for _, id := range ev.Flows {
		add(id, flowStep)
	}
	for _, id := range ev.EndFlows {
		add(id, flowLast)
	}
	lg := &ev.Legacy
	if !ev.HasLegacy {
		return
	}
	switch {
	case typ == whatArrow && lg.IDKind == perfetto.NoID && !lg.HasBind, typ != whatArrow && !lg.HasBind:
		return
	}
	id := lg.ID
	if lg.HasBind {
		id = lg.BindID
	}
	switch {
	case lg.Phase == 's', lg.Direction == 2:
		add(id, flowStart)
	case lg.Phase == 't', lg.Direction == 3:
		add(id, flowStep)
	case lg.Phase == 'f' && !lg.Enclosing:
		p.at = pointNext
		add(id, flowStop)
	case lg.Phase == 'f', lg.Direction == 1:
		add(id, flowStop)
	}
}

// timed gives points the times that their events have by now.
func (ln *perfettoLane) timed() {
	for k := range ln.flows {
		if p := &ln.flows[k]; !p.known && ln.log.what[p.i] != whatGone {
			p.ns, p.known = ln.log.ns[p.i], true
		}
	}
}

// connectFlows finds the slices of the points of flows and makes arrows, once all
// lanes have their tracks.
func (x *perfettoReader) connectFlows() {
	var points []flowPoint
	loose := int64(0)
	for _, ln := range x.lanes {
		if len(ln.flows) == 0 {
			continue
		}
		slices.SortStableFunc(ln.flows, func(a, b lanePoint) int { return compareInt(a.ns, b.ns) })
		c := &columns{}
		ln.slices.each(func(op OpID, start Time, dur Duration, _ int64) { c.add(op, start, dur) })
		b := boundLane{lane: &lane{columns: *c}}
		for i := range ln.flows {
			p := &ln.flows[i]
			n := -1
			if p.known {
				n = b.find(p, Time(min(p.ns-x.zero, longest))*1000)
			}
			if n < 0 {
				loose++
				continue
			}
			ref := EventRef{ln.track, n}
			if ln.split != nil {
				ref = ln.split[n]
			}
			points = append(points, flowPoint{id: p.id, ns: p.ns, ref: ref, role: p.role, kind: plainFlow})
		}
	}
	x.t.looseFlows(loose + x.t.flows.connect(points))
}

// find returns the slice of a point at a time, −1 if there is none. Times must not
// go back.
func (b *boundLane) find(p *lanePoint, t Time) int {
	first, found := slices.BinarySearch(b.start, t)
	switch {
	case p.at == pointNext && first < b.len():
		return first
	case p.at == pointBegins && found:
		for i := first; i < b.len() && i < first+maxStack && b.start[i] == t; i++ {
			if b.op[i] == p.op {
				return i
			}
		}
	}
	b.advance(t)
	for k := len(b.open) - 1; k >= 0 && p.at != pointNext; k-- {
		i := int(b.open[k])
		if over := b.start[i].Add(b.dur[i]); over == t || over > t && p.at != pointEnds {
			return i
		}
		if k < len(b.open)-maxStack {
			break
		}
	}
	return -1
}
