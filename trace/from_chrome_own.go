// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/layerscope/layerscope/trace/internal/chromejson"
	"github.com/layerscope/layerscope/trace/internal/tracetxt"
)

// ownArgs are the args of events that [WriteChrome] wrote.
var ownArgs = []string{"op", "lane", "count", "self_ps", "min_ps", "flops", "bytes", "start_ps", "dur_ps"}

const (
	argOwnOp = argCount + iota
	argOwnLane
	argOwnCount
	argOwnSelf
	argOwnMin
	argOwnFLOPs
	argOwnBytes
	argOwnStart
	argOwnDur
)

// An ownReader restores a trace from a file of [WriteChrome]: its metadata
// events carry lines of the text form, its events the number of their op.
type ownReader struct {
	*textReader
	first OpID // op 0 of the file
	lanes map[chromeLane]*columns
	open  map[int64]ownOpen // async events by id

	counters map[string]OpID  // ops of counters by name
	index    map[*columns]int // tracks by their columns
	ends     []flowPoint
}

type ownOpen struct {
	col *columns
	at  int
}

// own takes a line of the text form. What is wrong in one is counted.
func (c *chromeReader) own(ev *chromejson.Event) {
	v, ok := ev.Args.Lookup("line")
	if !ok {
		return
	}
	if c.mine == nil {
		c.settle()
		c.mine = &ownReader{textReader: newTextReader(c.t, c.opts.MaxDecompressed), first: OpID(len(c.t.Ops)), lanes: map[chromeLane]*columns{}, open: map[int64]ownOpen{}, counters: map[string]OpID{}, index: map[*columns]int{}}
	}
	l, err := tracetxt.Parse(string(v.AppendText(nil)), 1)
	if err == nil && l != nil && (l.Word == "" || l.Word == "hlo") {
		err = errors.New("wanted a line with a keyword")
	}
	if err == nil && l != nil {
		err = c.mine.line(l)
	}
	switch {
	case err != nil:
		c.t.find(Finding{Code: "damaged", Severity: Warning, Message: "a metadata event of layerscope: " + err.Error(), Hint: "what could not be read was left out and counted"})
	case l != nil && l.Word == "track":
		c.mine.lanes[chromeLane{pid: ev.Pid.Num, tid: ev.Tid.Num}] = c.mine.track
		c.mine.index[c.mine.track] = len(c.t.Tracks) - 1
	}
}

// slice adds an event if it is on a track of ours.
func (m *ownReader) slice(c *chromeReader, ev *chromejson.Event) bool {
	k := chromeLane{pid: ev.Pid.Num, tid: ev.Tid.Num}
	if v := ev.Want(argOwnLane); v != nil {
		k.tid, _ = v.Int()
	}
	col := m.lanes[k]
	if col == nil {
		return false
	}
	n, ok := ev.Want(argOwnOp).Int()
	if !ok || n < 0 || n >= int64(len(c.t.Ops))-int64(m.first) {
		return false
	}
	start, dur := c.since(ev.Ts), ev.Dur
	if v := ev.Want(argOwnStart); v != nil {
		start, ok = v.Int()
		d, ok2 := ev.Want(argOwnDur).Int()
		if dur = d; !ok || !ok2 {
			return false
		}
	}
	col.add(m.first+OpID(n), Time(start), Duration(dur))
	var facts [6]int64
	for i, arg := range []int{argRun, argOwnCount, argOwnSelf, argOwnMin, argOwnFLOPs, argOwnBytes} {
		facts[i], _ = ev.Want(arg).Int()
	}
	col.addFacts(ev.Want(argRun) != nil, facts)
	if ev.Ph == 'b' {
		m.open[asyncID(ev)] = ownOpen{col, col.len() - 1}
	}
	return true
}

// other takes async events and samples; it says whether they are ours.
func (m *ownReader) other(c *chromeReader, ev *chromejson.Event) bool {
	switch ev.Ph {
	case 'b':
		return m.slice(c, ev)
	case 'e':
		return m.end(c, ev)
	case 'C':
		return m.sample(c, ev)
	case 's', 'f':
		return m.flow(c, ev)
	}
	return false
}

// sample adds a sample of a counter. Which op it is of stands in its category;
// earlier versions went by its name.
func (m *ownReader) sample(c *chromeReader, ev *chromejson.Event) bool {
	col := m.lanes[chromeLane{pid: ev.Pid.Num, tid: ev.Tid.Num}]
	if col == nil {
		return false
	}
	id, odd, ok := m.sampleOp(c, ev)
	if !ok {
		return false
	}
	value := odd
	if v, has := ev.Args.Lookup("value"); has {
		if value, ok = v.Float(); !ok {
			return false
		}
	} else if odd == 0 {
		return false
	}
	n := col.len()
	col.add(id, Time(c.since(ev.Ts)), 0)
	col.value = append(pad(col.value, n), value)
	return true
}

// sampleOp returns the op of a sample, and its value where that is no number.
func (m *ownReader) sampleOp(c *chromeReader, ev *chromejson.Event) (id OpID, odd float64, ok bool) {
	if cat, has := strings.CutPrefix(string(ev.Cat), "op,"); has {
		number, text, _ := strings.Cut(cat, ",")
		n, err := strconv.ParseUint(number, 10, 32)
		if text != "" && err == nil {
			odd, err = strconv.ParseFloat(text, 64)
		}
		return m.first + OpID(n), odd, err == nil && n < uint64(len(c.t.Ops))-uint64(m.first)
	}
	if id, ok := m.counters[string(ev.Name)]; ok {
		return id, 0, true
	}
	name := c.unquote(ev.Name)
	for id = m.first; int(id) < len(c.t.Ops); id++ {
		if c.t.Ops[id].Name == name {
			m.counters[string(ev.Name)] = id
			return id, 0, true
		}
	}
	return 0, 0, false
}

// flow notes an end of a flow.
func (m *ownReader) flow(c *chromeReader, ev *chromejson.Event) bool {
	tid := ev.Tid.Num - ev.Tid.Num%threadsATrack // events that overlap have threads beside it
	col := m.lanes[chromeLane{pid: ev.Pid.Num, tid: tid}]
	v, ok := ev.Args.Lookup("event")
	if col == nil || !ok {
		return false
	}
	event, ok := v.Int()
	id, has := ev.Field("id")
	if !ok || !has || event < 0 {
		return false
	}
	n, _ := id.Int()
	p := flowPoint{id: uint64(n), ref: EventRef{m.index[col], int(event)}, kind: c.unquote(ev.Name)}
	if ev.Ph == 'f' {
		p.role = flowLast
	}
	m.ends = append(m.ends, p)
	return true
}

// finish connects flows, of events that are there.
func (m *ownReader) finish() error {
	held := make(map[int]int, len(m.index))
	for col, i := range m.index {
		held[i] = col.len()
	}
	n := len(m.ends)
	m.ends = slices.DeleteFunc(m.ends, func(p flowPoint) bool { return p.ref.Event >= held[p.ref.Track] })
	m.t.looseFlows(int64(n-len(m.ends)) + m.t.flows.connect(m.ends))
	return m.textReader.finish()
}

// end gives an async event its end.
func (m *ownReader) end(c *chromeReader, ev *chromejson.Event) bool {
	id := asyncID(ev)
	o, ok := m.open[id]
	if !ok {
		return false
	}
	delete(m.open, id)
	if o.col.dur[o.at] == 0 { // else it stands in the args of the begin
		o.col.dur[o.at] = Duration(c.since(ev.Ts) - int64(o.col.start[o.at]))
	}
	return true
}

// since puts back what the reader took off a time: ours count from the trace's
// own origin.
func (c *chromeReader) since(ps int64) int64 { return ps + c.events.Origin()*1_000_000 }

func asyncID(ev *chromejson.Event) int64 {
	v, _ := ev.Field("id")
	id, _ := v.Int()
	return id
}
