// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"hash/maphash"
	"math"
	"slices"

	"github.com/layerscope/layerscope/trace/internal/chromejson"
)

// A mark is the begin or the end of a slice of its own (phases B and E).
type mark struct {
	ts        int64
	at        int32  // of a begin: its event in the lane; −1 for an end
	step      int32  // of a begin: 1 + its step in the trace, 0 = none
	name, cat uint64 // hashes; 0 = the event has none
	facts     *endFacts
}

// endFacts are what args of an end say about its op.
type endFacts struct{ scope, category, long string }

// maxOpen bounds how deep an end is looked for: without it a file of begins and
// of ends that match none would take quadratic time.
const maxOpen = 4096

func (c *chromeReader) hash(raw []byte) uint64 {
	if len(raw) == 0 {
		return 0
	}
	return maphash.Bytes(c.seed, raw) | 1
}

// begin adds an event whose end is still to come.
func (c *chromeReader) begin(ev *chromejson.Event) {
	ln := c.lane(ev)
	if ln.class == kernelLane {
		c.skipped[ev.Ph]++
		return
	}
	c.boundFlow(ev)
	steps := len(ln.steps)
	c.put(ln, ev, Time(ev.Ts), 0)
	m := mark{ts: ev.Ts, at: int32(ln.len() - 1), name: c.hash(ev.Name), cat: c.hash(ev.Cat)}
	if len(ln.steps) > steps {
		m.step = int32(len(ln.steps))
	}
	ln.marks = append(ln.marks, m)
}

func (c *chromeReader) finishSlice(ev *chromejson.Event) {
	ln := c.lane(ev)
	m := mark{ts: ev.Ts, at: -1, name: c.hash(ev.Name), cat: c.hash(ev.Cat)}
	if ev.Want(argScope) != nil || ev.Want(argCategory) != nil || ev.Want(argLongName) != nil {
		m.facts = &endFacts{c.argText(ev, argScope), c.argText(ev, argCategory), c.argText(ev, argLongName)}
	}
	ln.marks = append(ln.marks, m)
}

// closeAll pairs begins and ends, once all of them are there: files hold them in
// any order.
func (c *chromeReader) closeAll() {
	var open, orphan int64
	for _, ln := range c.order {
		if len(ln.marks) > 0 {
			o, e := c.closeLane(ln)
			open, orphan = open+o, orphan+e
			ln.marks = nil
		}
	}
	o, e := c.pairs.close()
	open, orphan = open+o, orphan+e
	if open > 0 {
		c.t.find(Finding{Code: "unfinished", Severity: Warning, Count: open, Message: "begins without an end: they are taken to last until their thread's last event",
			Hint: "the capture was stopped inside them, or the file is cut"})
	}
	if orphan > 0 {
		c.t.find(Finding{Code: "unmatched-end", Severity: Warning, Count: orphan, Message: "ends without a begin of their name and category: left out",
			Hint: "the capture was started inside them"})
	}
}

// closeLane gives begins their ends by Perfetto's rule: an end closes the
// innermost open slice of its name and category, where it states them. At one
// instant ends come before begins, but an end that follows its own begin in the
// file makes a slice without length, which Perfetto leaves open.
func (c *chromeReader) closeLane(ln *lane) (open, orphan int64) {
	slices.SortStableFunc(ln.marks, func(a, b mark) int {
		switch {
		case a.ts < b.ts:
			return -1
		case a.ts > b.ts:
			return 1
		}
		return 0
	})
	var stack, fresh []mark
	var orphans []mark
	for i := 0; i < len(ln.marks); {
		ts := ln.marks[i].ts
		fresh = fresh[:0]
		for ; i < len(ln.marks) && ln.marks[i].ts == ts; i++ {
			m := ln.marks[i]
			if m.at >= 0 {
				fresh = append(fresh, m)
				continue
			}
			if k := matching(fresh, &m); k >= 0 {
				c.close(ln, &fresh[k], &m)
				fresh = slices.Delete(fresh, k, k+1)
			} else if k := matching(stack, &m); k >= 0 {
				c.close(ln, &stack[k], &m)
				stack = slices.Delete(stack, k, k+1)
			} else {
				orphans = append(orphans, m)
			}
		}
		stack = append(stack, fresh...)
	}
	return c.leaveOpen(ln, stack, orphans)
}

// leaveOpen ends what no end was found for: at once where one stands before its
// begin at the same instant, else with the lane.
func (c *chromeReader) leaveOpen(ln *lane, stack, orphans []mark) (open, orphan int64) {
	type instant struct {
		ts   int64
		name uint64
	}
	at := make(map[instant]int, len(orphans))
	for i := range orphans {
		at[instant{orphans[i].ts, orphans[i].name}]++
	}
	orphan = int64(len(orphans))
	last := ln.last()
	for i := range stack {
		m := &stack[i]
		if k := (instant{m.ts, m.name}); at[k] > 0 {
			at[k]--
			orphan--
			continue
		}
		open++
		c.close(ln, m, &mark{ts: int64(max(last, Time(m.ts)))})
	}
	return open, orphan
}

// matching returns the innermost begin that an end closes, −1 if there is none.
func matching(stack []mark, end *mark) int {
	for i := len(stack) - 1; i >= max(0, len(stack)-maxOpen); i-- {
		b := &stack[i]
		if (end.name == 0 || end.name == b.name) && (end.cat == 0 || end.cat == b.cat) {
			return i
		}
	}
	return -1
}

// close gives a begin its end, and its op what only the end's args say.
func (c *chromeReader) close(ln *lane, b, e *mark) {
	dur := Duration(e.ts - b.ts)
	ln.dur[b.at] = dur
	if b.step > 0 {
		ln.steps[b.step-1].Dur = dur
	}
	if e.facts != nil {
		op := &c.t.Ops[ln.op[b.at]]
		op.Scope, op.Category, op.Long = firstOf(op.Scope, e.facts.scope), firstOf(op.Category, e.facts.category), firstOf(op.Long, e.facts.long)
	}
}

// last returns the end of a lane's last event.
func (ln *lane) last() Time {
	t := Time(math.MinInt64)
	for i, s := range ln.start {
		t = max(t, s.Add(ln.dur[i]))
	}
	for i := range ln.marks {
		t = max(t, Time(ln.marks[i].ts))
	}
	return t
}
