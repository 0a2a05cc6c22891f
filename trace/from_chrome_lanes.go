// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"strconv"

	"github.com/layerscope/layerscope/trace/internal/chromejson"
)

// name takes process and thread names.
func (c *chromeReader) name(ev *chromejson.Event) {
	v, ok := ev.Args.Lookup("name")
	if !ok {
		if v, ok = ev.Args.Lookup("labels"); !ok {
			return
		}
	}
	name := c.texts.at(c.texts.value(v))
	k := c.thread(ev)
	p := c.process(k.pid)
	switch string(ev.Name) {
	case "process_name":
		p.name = name
	case "thread_name":
		if c.threads++; c.threads <= maxThreads {
			p.threads[k.tid] = name
		}
	case "process_labels":
		p.labels = name
	}
}

// thread returns the process and thread of an event. Strings that are numbers
// are those; others get a number of their own and are the name. An event
// without a process is of 0, one without a thread of the thread of that number.
func (c *chromeReader) thread(ev *chromejson.Event) chromeLane {
	k := chromeLane{pid: ev.Pid.Num, tid: ev.Tid.Num}
	if ev.Pid.Text != nil || ev.Pid.Kind == chromejson.String {
		k.pid = c.id(ev.Pid.Text)
		if p := c.process(k.pid); k.pid < firstName && p.name == "" {
			p.name = string(ev.Pid.Text)
		}
	}
	switch {
	case ev.Tid.Text != nil || ev.Tid.Kind == chromejson.String:
		k.tid = c.id(ev.Tid.Text)
		if p := c.process(k.pid); k.tid < firstName && p.threads[k.tid] == "" {
			p.threads[k.tid] = string(ev.Tid.Text)
		}
	case ev.Tid.Kind == chromejson.None:
		k.tid = k.pid
	}
	return k
}

// firstName is above the numbers of processes and threads that are names.
const firstName = -1 << 62

func (c *chromeReader) id(text []byte) int64 {
	if n, err := strconv.ParseInt(string(text), 10, 64); err == nil && n >= firstName {
		return n
	}
	n, ok := c.ids[string(text)]
	if !ok && len(c.ids) >= maxThreads {
		return beyondPid
	}
	if !ok {
		if c.ids == nil {
			c.ids = make(map[string]int64)
		}
		n = firstName - 1 - int64(len(c.ids))
		c.ids[string(text)] = n
	}
	return n
}

func (c *chromeReader) process(pid int64) *process {
	p := c.processes[pid]
	if p == nil && len(c.processes) >= maxThreads {
		pid = beyondPid
		p = c.processes[pid]
	}
	if p == nil {
		p = &process{threads: map[int64]string{}}
		c.processes[pid] = p
	}
	return p
}

// slice adds one complete event to its lane.
func (c *chromeReader) slice(ev *chromejson.Event) {
	if c.mine != nil && c.mine.slice(c, ev) {
		return
	}
	if ev.Dur < 0 {
		c.damaged("negative durations")
		return
	}
	if !ev.HasDur {
		c.t.find(Finding{Code: "no-duration", Severity: Warning, Message: "complete events without a duration: kept as instants"})
	}
	if len(ev.Fields) > 0 {
		c.boundFlow(ev)
	}
	ln := c.lane(ev)
	if ln.class == kernelLane {
		c.kernel(ln, ev)
		return
	}
	start, dur := Time(ev.Ts), Duration(ev.Dur)
	if off := ev.Want(argOffset); off != nil && c.opts.Clock == DeviceClock {
		o, ok1 := off.Int()
		d, ok2 := ev.Want(argDuration).Int()
		if ok1 && ok2 {
			start, dur = Time(o), Duration(d)
		}
	}
	c.put(ln, ev, start, dur)
}

// put appends an event to its lane, with what its args say about it.
func (c *chromeReader) put(ln *lane, ev *chromejson.Event, start Time, dur Duration) {
	c.reserve(ln)
	ln.add(c.op(ln, ev), start, dur)
	run := int64(0)
	if v := ev.Want(argRun); v != nil {
		run, _ = v.Int()
		ln.runs = true
	}
	if ln.runs {
		for len(ln.run) < ln.len()-1 {
			ln.run = append(ln.run, 0)
		}
		ln.run = append(ln.run, run)
	}
	if len(ev.Cat) > 0 {
		c.launch(ln, ev)
	}
	if v := ev.Want(argStep); v != nil {
		if n, ok := v.Int(); ok {
			ln.steps = append(ln.steps, Step{Number: n, Name: c.unquote(ev.Name), Device: -1, Host: c.host, Start: Time(ev.Ts), Dur: Duration(ev.Dur)})
		}
	}
}

// lane finds an event's lane. Ops on host threads (JAX on CPU) get lanes of
// their own by device ordinal.
func (c *chromeReader) lane(ev *chromejson.Event) *lane {
	k := c.thread(ev)
	if len(ev.Cat) > 0 {
		k.class = torchClass(ev.Cat)
	}
	if ev.Want(argHLOOp) != nil {
		k.class = opLane
		if v := ev.Want(argOrdinal); v != nil {
			k.ordinal, _ = v.Int()
		}
	}
	return c.laneOf(k)
}

func (c *chromeReader) laneOf(k chromeLane) *lane {
	if c.last != nil && c.last.chromeLane == k {
		return c.last
	}
	ln := c.lanes[k]
	if ln == nil && len(c.order) >= maxTracks {
		k = c.shared(k)
		ln = c.lanes[k]
	}
	if ln == nil {
		ln = &lane{chromeLane: k}
		c.lanes[k] = ln
		c.order = append(c.order, ln)
	}
	c.last = ln
	return ln
}
