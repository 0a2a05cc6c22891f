// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/layerscope/layerscope/trace/internal/perfetto"
)

type laneEvent struct {
	typ uint32
	op  OpID
	ns  int64
	dur int64
	run int64
}

// laneSlices pairs events by the plain rule: sorted by time, an end closes what
// began last.
func laneSlices(events []laneEvent) (out []laneEvent, open, stray int64) {
	slices.SortStableFunc(events, func(a, b laneEvent) int { return compareInt(a.ns, b.ns) })
	last := int64(0)
	var stack []int
	for _, e := range events {
		last = max(last, e.ns)
		switch e.typ {
		case whatEnd:
			n := len(stack) - 1
			if n < 0 {
				stray++
				continue
			}
			out[stack[n]].dur = e.ns - out[stack[n]].ns
			stack = stack[:n]
		case whatBegin:
			stack = append(stack, len(out))
			fallthrough
		default:
			out = append(out, e)
		}
	}
	for _, i := range stack {
		out[i].dur = last - out[i].ns
	}
	for i := range out {
		out[i].typ = 0
	}
	return out, int64(len(stack)), stray
}

// TestLaneInAnyOrder feeds a lane events mostly in order, which are paired as they
// come, and some that are not, which makes it go over to keeping them.
func TestLaneInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		n := rapid.SampledFrom([]int{0, 1, 5, 40, 300, 9000}).Draw(t, "events")
		step := rapid.SampledFrom([]int64{1, 3, 1000, 1 << 31, 1 << 33}).Draw(t, "step")
		back := rapid.SampledFrom([]int{1 << 30, 2000, 20}).Draw(t, "order")
		x := &perfettoReader{}
		ln := &perfettoLane{}
		var events []laneEvent
		now := int64(1000)
		for range n {
			e := laneEvent{typ: []uint32{whatBegin, whatBegin, whatEnd, whatEnd, whatInstant, whatComplete}[rng.IntN(6)], op: OpID(rng.IntN(5))}
			if now += rng.Int64N(step); rng.IntN(back) == 0 {
				now = max(0, now-rng.Int64N(5*step))
			}
			e.ns = now
			if e.typ == whatComplete {
				e.dur = rng.Int64N(2 * step)
			}
			if e.typ != whatEnd && rng.IntN(7) == 0 {
				e.run = 1 + rng.Int64N(9)
			}
			if e.typ == whatEnd {
				e.op = 0
			}
			events = append(events, e)
			x.add(ln, &perfetto.Event{Ns: e.ns}, e.typ, e.op+1, e.dur, e.run)
		}
		want, open, stray := laneSlices(events)
		first, ok := ln.begin()
		if ok != (n > 0) || ok && first != slices.MinFunc(events, func(a, b laneEvent) int { return compareInt(a.ns, b.ns) }).ns {
			t.Errorf("begins at %d, %v", first, ok)
		}
		if got := ln.finish(0, x.last); got != open || ln.stray != stray {
			t.Errorf("%d open, %d stray; want %d, %d", got, ln.stray, open, stray)
		}
		var have []laneEvent
		ln.slices.each(func(op OpID, start Time, dur Duration, run int64) {
			have = append(have, laneEvent{op: op, ns: int64(start / 1000), dur: int64(dur / 1000), run: run})
		})
		if diff := cmp.Diff(want, have, cmp.AllowUnexported(laneEvent{})); diff != "" {
			t.Errorf("slices (-want +have):\n%s", diff)
		}
		if ln.slices.n != len(want) {
			t.Errorf("%d slices, want %d", ln.slices.n, len(want))
		}
	})
}
