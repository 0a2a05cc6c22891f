// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"github.com/layerscope/layerscope/trace/internal/chromejson"
)

// A flowMark is an event of a flow (phases s, t, f, or an event with a bind_id)
// before it is known which event it is at.
type flowMark struct {
	pid, tid int64
	ts       Time
	dur      Duration // of the event that it is at; −1 = it names none
	id       uint64
	kind     uint16 // in the trace's table
	role     flowRole
	next     bool // the next event is meant, not the one around it
}

// flow notes an event of phase s, t or f.
func (c *chromeReader) flow(ev *chromejson.Event) {
	id, ok := ev.Field("id")
	if !ok {
		if id, ok = ev.Field("id2"); ok {
			if id, ok = id.Lookup("global"); !ok {
				id2, _ := ev.Field("id2")
				id, ok = id2.Lookup("local")
			}
		}
	}
	if !ok {
		c.damaged("a flow and no id")
		return
	}
	if ev.Ph == 's' && isLaunchFlow(ev.Cat) {
		c.launchFlow(ev)
	}
	m := c.flowMark(ev, flowID(id)^c.hash(ev.Cat)^bitsReversed(c.hash(ev.Name)))
	switch ev.Ph {
	case 't':
		m.role = flowStep
	case 'f':
		m.role = flowStop
		bp, ok := ev.Field("bp")
		m.next = !ok || string(bp.Raw()) != "e"
	}
	c.flows = append(c.flows, m)
}

// boundFlow notes the flow that an event with a bind_id is part of.
func (c *chromeReader) boundFlow(ev *chromejson.Event) {
	id, ok := ev.Field("bind_id")
	if !ok {
		return
	}
	in, out := isTrue(ev, "flow_in"), isTrue(ev, "flow_out")
	m := c.flowMark(ev, flowID(id)^boundFlows)
	switch {
	case in && out:
		m.role = flowStep
	case in:
		m.role = flowStop
	case !out:
		return
	}
	if ev.HasDur {
		m.dur = Duration(ev.Dur)
	}
	c.flows = append(c.flows, m)
}

// boundFlows tells flows by bind_id, which have no category, from others.
const boundFlows = 0x9e3779b97f4a7c15

func isTrue(ev *chromejson.Event, key string) bool {
	v, ok := ev.Field(key)
	return ok && (string(v.Raw()) == "true" || string(v.Raw()) == "1")
}

func (c *chromeReader) flowMark(ev *chromejson.Event, id uint64) flowMark {
	k := c.thread(ev)
	name := ev.Cat
	if len(name) == 0 && (ev.Ph == 's' || ev.Ph == 't' || ev.Ph == 'f') {
		name = ev.Name
	}
	return flowMark{pid: k.pid, tid: k.tid, ts: Time(ev.Ts), dur: -1, id: id, kind: c.t.flows.kindOf(firstOf(c.unquote(name), plainFlow))}
}

// flowID is the number of a flow's id as Perfetto has it: strings are numbers of
// base 16, numbers are what they are.
func flowID(v chromejson.Value) uint64 {
	if n, ok := v.Int(); ok && v.Kind() == chromejson.Number {
		return uint64(n)
	}
	text := string(v.AppendText(nil))
	if n, err := strconv.ParseUint(trimHex(text), 16, 64); err == nil {
		return n
	}
	h := uint64(14695981039346656037) // FNV-1a: any name will do
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	return h
}

func trimHex(s string) string {
	if len(s) > 2 && (s[:2] == "0x" || s[:2] == "0X") {
		return s[2:]
	}
	return s
}

func bitsReversed(n uint64) uint64 { return n>>32 | n<<32 }

// bindFlows finds the events that marks are at, and makes arrows.
func (c *chromeReader) bindFlows() {
	if len(c.flows) == 0 {
		return
	}
	type thread struct{ pid, tid int64 }
	lanes := map[thread][]boundLane{}
	first := len(c.t.Tracks) - len(c.order)
	for i, ln := range c.order {
		switch ln.class {
		case plainLane, opLane, kernelLane, annotationLane:
			k := thread{ln.pid, ln.tid}
			lanes[k] = append(lanes[k], boundLane{lane: ln, track: first + i})
		}
	}
	slices.SortStableFunc(c.flows, func(a, b flowMark) int {
		return cmp.Or(cmp.Compare(a.pid, b.pid), cmp.Compare(a.tid, b.tid), cmp.Compare(a.ts, b.ts))
	})
	var points []flowPoint
	loose := int64(0)
	ids := map[uint64]uint64{} // in order of first sight: the hashes differ from run to run
	for i := range c.flows {
		m := &c.flows[i]
		ref, ok := EventRef{}, false
		if m.next {
			ref, ok = nextEvent(lanes[thread{m.pid, m.tid}], m.ts)
		} else {
			ref, ok = innermostEvent(lanes[thread{m.pid, m.tid}], m)
		}
		if !ok {
			loose++
			continue
		}
		id, seen := ids[m.id]
		if !seen {
			id = uint64(len(ids))
			ids[m.id] = id
		}
		points = append(points, flowPoint{id: id, ns: int64(m.ts), ref: ref, role: m.role, kind: c.t.flows.kinds[m.kind]})
	}
	c.flows = nil
	c.t.looseFlows(loose + c.t.flows.connect(points))
}

// A boundLane is a lane while marks are bound to its events, by time.
type boundLane struct {
	*lane
	track int
	next  int
	open  []int32
}

// advance opens the events that have begun by t and closes those that are over.
func (b *boundLane) advance(t Time) {
	for ; b.next < b.len() && b.start[b.next] <= t; b.next++ {
		b.close(b.start[b.next])
		b.open = append(b.open, int32(b.next))
	}
	b.close(t)
}

func (b *boundLane) close(t Time) {
	n := len(b.open)
	for ; n > 0 && b.start[b.open[n-1]].Add(b.dur[b.open[n-1]]) < t; n-- {
	}
	b.open = b.open[:n]
}

// innermostEvent returns the event of a mark's thread that is around it: the
// one that begins last, or the one with the mark's own duration.
func innermostEvent(lanes []boundLane, m *flowMark) (ref EventRef, ok bool) {
	best := Time(math.MinInt64)
	least := Duration(math.MaxInt64)
	for i := range lanes {
		b := &lanes[i]
		b.advance(m.ts)
		for k := len(b.open) - 1; k >= max(0, len(b.open)-maxStack); k-- {
			n := int(b.open[k])
			start, dur := b.start[n], b.dur[n]
			if start.Add(dur) < m.ts { // below one that overlaps it
				continue
			}
			if m.dur >= 0 && (start != m.ts || dur != m.dur) {
				if start < m.ts {
					break
				}
				continue
			}
			if start > best || start == best && dur < least {
				best, least, ref, ok = start, dur, EventRef{b.track, n}, true
			}
			break
		}
	}
	return ref, ok
}

// nextEvent returns the first event of a thread that begins at t or later.
func nextEvent(lanes []boundLane, t Time) (ref EventRef, ok bool) {
	best := Time(math.MaxInt64)
	for i := range lanes {
		b := &lanes[i]
		n, _ := slices.BinarySearch(b.start, t)
		if n < b.len() && b.start[n] < best {
			best, ref, ok = b.start[n], EventRef{b.track, n}, true
		}
	}
	return ref, ok
}
