// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/layerscope/layerscope/trace/internal/chromejson"
)

// other takes an event that is not a complete one.
func (c *chromeReader) other(ev *chromejson.Event) {
	switch {
	case ev.Ph == 'M' && string(ev.Name) == ownEvent:
		c.own(ev)
	case ev.Ph == 'M':
		c.name(ev)
	case !ev.HasTs:
		c.damaged("no time")
	case c.mine != nil && c.mine.other(c, ev):
	case ev.Ph == 'B':
		c.begin(ev)
	case ev.Ph == 'E':
		c.finishSlice(ev)
	case ev.Ph == 'b', ev.Ph == 'S':
		c.asyncBegin(ev)
	case ev.Ph == 'e', ev.Ph == 'F':
		c.asyncEnd(ev)
	case ev.Ph == 'n':
		ln := c.asyncLane(ev)
		c.put(ln, ev, Time(ev.Ts), 0)
	case ev.Ph == 'i', ev.Ph == 'I', ev.Ph == 'R':
		c.instant(ev)
	case ev.Ph == 'C':
		c.counter(ev)
	case ev.Ph == 's', ev.Ph == 't', ev.Ph == 'f':
		c.flow(ev)
	default:
		c.skipped[ev.Ph]++
	}
}

// damaged counts an event that is left out.
func (c *chromeReader) damaged(what string) {
	c.t.find(Finding{Code: "damaged", Severity: Warning, Message: "events with " + what, Hint: "they were left out and counted"})
}

// phaseNames says what the phases are that nothing is made of.
var phaseNames = map[byte]string{
	'T': "async step or thread state", 'p': "async step", 'P': "sample", 'O': "object", 'N': "object", 'D': "object",
	'V': "memory dump", 'v': "memory dump", 'c': "clock sync", '(': "context", ')': "context", '=': "link id", 'a': "mark",
}

// countSkipped tells what the file has that the model has no place for.
func (c *chromeReader) countSkipped() {
	for ph, n := range c.skipped {
		if n == 0 {
			continue
		}
		what := firstOf(phaseNames[byte(ph)], "unknown")
		c.t.find(Finding{Code: "phases-skipped", Severity: Info, Count: n, Message: fmt.Sprintf("events of phase %q (%s): counted, and left out", rune(ph), what)})
	}
}

// A pairing matches the begins and ends of async events: by category and id,
// and the name where ends have one.
type pairing struct {
	open map[string][]asyncOpen
	ends map[string][]asyncEnd // before their begins
	last map[*lane]Time
}

type asyncOpen struct {
	ln   *lane
	at   int
	name uint64
}

type asyncEnd struct {
	ts   Time
	name uint64
}

// asyncLane returns the lane of a process's async events of a category.
func (c *chromeReader) asyncLane(ev *chromejson.Event) *lane {
	k := c.thread(ev)
	k.tid, k.class = int64(c.hash(ev.Cat)>>1), asyncLane
	ln := c.laneOf(k)
	if ln.title == "" {
		ln.title = firstOf(c.unquote(ev.Cat), "async")
	}
	return ln
}

// asyncKey returns what begin and end have in common. Ids are texts: 1, "1" and
// "0x1" are three.
func (c *chromeReader) asyncKey(ev *chromejson.Event) (string, bool) {
	key := append(append([]byte(nil), ev.Cat...), 0)
	if id, ok := ev.Field("id"); ok {
		return string(append(key, id...)), true
	}
	if id2, ok := ev.Field("id2"); ok {
		if id, ok := id2.Lookup("global"); ok {
			return string(append(key, id...)), true
		}
		if id, ok := id2.Lookup("local"); ok {
			key = strconv.AppendInt(append(append(key, id...), 0), c.thread(ev).pid, 10)
			return string(key), true
		}
	}
	c.damaged("an async phase and no id")
	return "", false
}

func (c *chromeReader) asyncBegin(ev *chromejson.Event) {
	key, ok := c.asyncKey(ev)
	if !ok {
		return
	}
	ln, p := c.asyncLane(ev), &c.pairs
	c.put(ln, ev, Time(ev.Ts), 0)
	o := asyncOpen{ln, ln.len() - 1, c.hash(ev.Name)}
	for i, e := range p.ends[key] {
		if e.ts >= Time(ev.Ts) && (e.name == 0 || e.name == o.name) {
			ln.dur[o.at] = e.ts.Sub(Time(ev.Ts))
			p.ends[key] = slices.Delete(p.ends[key], i, i+1)
			return
		}
	}
	if p.open == nil {
		p.open, p.ends, p.last = map[string][]asyncOpen{}, map[string][]asyncEnd{}, map[*lane]Time{}
	}
	p.open[key] = append(p.open[key], o)
	p.last[ln] = max(p.last[ln], Time(ev.Ts))
}

func (c *chromeReader) asyncEnd(ev *chromejson.Event) {
	key, ok := c.asyncKey(ev)
	if !ok {
		return
	}
	p, name, ts := &c.pairs, c.hash(ev.Name), Time(ev.Ts)
	list := p.open[key]
	for i := len(list) - 1; i >= max(0, len(list)-maxOpen); i-- {
		o := list[i]
		if (name != 0 && name != o.name) || ts < o.ln.start[o.at] {
			continue
		}
		o.ln.dur[o.at] = ts.Sub(o.ln.start[o.at])
		p.last[o.ln] = max(p.last[o.ln], ts)
		if list = slices.Delete(list, i, i+1); len(list) == 0 {
			delete(p.open, key)
		} else {
			p.open[key] = list
		}
		return
	}
	if p.ends == nil {
		p.open, p.ends, p.last = map[string][]asyncOpen{}, map[string][]asyncEnd{}, map[*lane]Time{}
	}
	if len(p.ends[key]) < maxOpen {
		p.ends[key] = append(p.ends[key], asyncEnd{ts, name})
	}
}

// close ends what is still open with its lane.
func (p *pairing) close() (open, orphan int64) {
	for _, list := range p.open {
		for _, o := range list {
			open++
			o.ln.dur[o.at] = max(0, p.last[o.ln].Sub(o.ln.start[o.at]))
		}
	}
	for _, list := range p.ends {
		orphan += int64(len(list))
	}
	return open, orphan
}

// instant adds an event without length, on a track of its own beside its thread.
func (c *chromeReader) instant(ev *chromejson.Event) {
	if string(ev.Name) == "[memory]" && c.memory(ev) {
		return
	}
	k := c.thread(ev)
	k.class = instantLane
	c.put(c.laneOf(k), ev, Time(ev.Ts), 0)
}

// counter adds a sample to the track of each number in args.
func (c *chromeReader) counter(ev *chromejson.Event) {
	k := c.thread(ev)
	k.class = counterLane
	id, _ := ev.Field("id")
	for key, v := range ev.Args.All() {
		value, ok := v.Float()
		switch {
		case ok && value-value != 0: // infinite, or no number
			c.damaged("a sample that is no finite number")
			continue
		case !ok && string(v) == "true":
			value = 1
		case !ok && string(v) == "false":
		case !ok:
			c.damaged("a sample that is no number")
			continue
		}
		k.tid = int64(c.hash(fmt.Appendf(nil, "%s\x00%s\x00%s", ev.Name, id, key)) >> 1)
		ln := c.laneOf(k)
		if ln.title == "" {
			ln.title = c.unquote(ev.Name)
			if id != nil {
				ln.title += " [id: " + string(id.AppendText(nil)) + "]"
			}
			ln.title += " " + c.unquote(key)
			op, full := c.beyond()
			if !full {
				op = c.addOp(Op{Name: ln.title, Program: -1})
			}
			ln.only = op
		}
		ln.add(ln.only, Time(ev.Ts), 0)
		ln.value = append(ln.value, value)
	}
}
