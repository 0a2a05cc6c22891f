// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/trace/internal/chromejson"
	"github.com/layerscope/layerscope/trace/internal/inflate"
)

// chromeArgs are the args read of every event, all strings in JAX's files.
var chromeArgs = []string{
	"device_offset_ps", "device_duration_ps", "run_id", "device_ordinal", "step_num", "hlo_op", "hlo_module",
	"long_name", "tf_op", "hlo_category", "name", "annotation",
}

const (
	argOffset = iota
	argDuration
	argRun
	argOrdinal
	argStep
	argHLOOp
	argHLOModule
	argLongName
	argScope
	argCategory
	argName
	argAnnotation
	argCount // of chromeArgs
)

// The caps that JAX and XProf put on the number of events: the earliest are
// kept, and nothing in the file says so.
var eventCaps = [...]int64{1_000_000, 5_000_000}

// A chromeReader maps Trace Event JSON of JAX and XLA onto a Trace.
type chromeReader struct {
	t    *Trace
	rd   *chromejson.Reader
	host string
	opts Options

	processes map[int64]*process
	lanes     map[chromeLane]*lane
	last      *lane
	order     []*lane
	ops       map[string]OpID // shared by the threads of a CPU backend, by module and op
	programs  map[string]int
	seed      maphash.Seed
	key       []byte
	text      []byte
	complete  int64      // X events
	mine      *ownReader // nil until an event says that we wrote the file
}

type process struct {
	name    string
	threads map[int64]string
}

type chromeLane struct {
	pid, tid, ordinal int64
	ops               bool // events with hlo_op, which a host thread has among others
}

// A lane is one track in the making.
type lane struct {
	chromeLane
	columns
	kind  Kind
	names map[uint64]OpID // by the hash of what tells ops apart
	runs  bool
}

// fromChrome adds the events of a Trace Event JSON document to t.
func fromChrome(t *Trace, in *input, opts Options) error {
	host := in.host
	c := &chromeReader{seed: maphash.MakeSeed(), t: t, host: host, opts: opts, processes: map[int64]*process{}, lanes: map[chromeLane]*lane{}, ops: map[string]OpID{}, programs: map[string]int{}}
	src, stop := chromeSource(in)
	defer stop()
	rdOpts := chromejson.Options{Want: slices.Concat(chromeArgs, ownArgs)}
	rd := chromejson.NewBlockReader(src, rdOpts)
	if src == nil {
		rd = chromejson.NewReader(in.r, rdOpts)
	}
	c.rd = rd
	for {
		ev, err := rd.Next()
		if err != nil {
			if err = c.end(rd, err); err != nil {
				return err
			}
			break
		}
		switch {
		case ev.Ph == 'X' && ev.HasTs:
			c.complete++
			c.slice(ev)
		case ev.Ph == 'M' && string(ev.Name) == ownEvent:
			c.own(ev)
		case ev.Ph == 'M':
			c.name(ev)
		case ev.Ph == 'b' && c.mine != nil:
			c.mine.slice(c, ev)
		case ev.Ph == 'e' && c.mine != nil:
			c.mine.end(c, ev)
		}
	}
	if c.t.Origin == 0 {
		c.t.Origin = rd.Origin() * 1000
	}
	if c.mine != nil {
		if err := c.mine.finish(); err != nil || len(c.order) == 0 {
			return err
		}
	}
	if !containsString(t.Hosts, host) {
		t.Hosts = append(t.Hosts, host)
	}
	c.finish()
	return nil
}

func containsString(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// end turns what stopped the reader and what it read around into findings. A
// document cut short is usable; one that cannot be followed is if it had events.
func (c *chromeReader) end(rd *chromejson.Reader, err error) error {
	if err != io.EOF {
		var bad *InputError
		switch {
		case errors.Is(err, inflate.ErrLimit):
			return tooLarge(c.opts.MaxDecompressed)
		case errors.As(err, &bad) || rd.Events() == 0:
			return err
		}
		c.t.find(Finding{Code: "truncated", Severity: Error, Message: "reading stopped: " + err.Error(), Hint: "all whole events before it were kept"})
	}
	if rd.Events() == 0 && len(rd.Members()) > 0 {
		if _, ok := rd.Member("traceEvents"); !ok {
			return &InputError{Msg: fmt.Sprintf("JSON without traceEvents (its first key is %q), wanted Trace Event JSON", rd.Members()[0].Key),
				Hint: "XProf's tables are read as a directory of them"}
		}
	}
	for _, p := range rd.Problems() {
		f := Finding{Code: "damaged", Severity: Warning, Count: p.Count, Message: p.String(), Hint: "what could not be read was left out and counted"}
		switch p.Code {
		case chromejson.Truncated:
			f.Code, f.Severity, f.Hint = "truncated", Error, "all whole events were kept; copy the file again, or capture less"
		case chromejson.Unclosed, chromejson.ExtraComma, chromejson.TextAfterEnd, chromejson.MissingComma:
			f.Code, f.Severity, f.Hint = "json-form", Info, "nothing was lost"
		}
		c.t.find(f)
	}
	for _, limit := range eventCaps {
		if c.complete == limit || rd.Events()-rd.Empty() == limit {
			c.t.find(Finding{Code: "event-cap", Severity: Error,
				Message: fmt.Sprintf("exactly %d events: the exporter's cap, which keeps the earliest and drops the rest", limit),
				Hint:    "read the .xplane.pb of the same session, which has no cap; or capture less (python_tracer_level 0)"})
		}
	}
	return nil
}

// name takes process and thread names.
func (c *chromeReader) name(ev *chromejson.Event) {
	v, ok := ev.Args.Lookup("name")
	if !ok {
		return
	}
	name := string(v.AppendText(c.text[:0]))
	p := c.process(ev.Pid.Num)
	switch string(ev.Name) {
	case "process_name":
		p.name = name
	case "thread_name":
		p.threads[ev.Tid.Num] = name
	}
}

func (c *chromeReader) process(pid int64) *process {
	p := c.processes[pid]
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
	ln := c.lane(ev)
	start, dur := Time(ev.Ts), Duration(ev.Dur)
	if off := ev.Want[argOffset]; off != nil && c.opts.Clock == DeviceClock {
		o, ok1 := off.Int()
		d, ok2 := ev.Want[argDuration].Int()
		if ok1 && ok2 {
			start, dur = Time(o), Duration(d)
		}
	}
	ln.add(c.op(ln, ev), start, dur)
	run := int64(0)
	if v := ev.Want[argRun]; v != nil {
		run, _ = v.Int()
		ln.runs = true
	}
	if ln.runs {
		for len(ln.run) < ln.len()-1 {
			ln.run = append(ln.run, 0)
		}
		ln.run = append(ln.run, run)
	}
	if v := ev.Want[argStep]; v != nil {
		if n, ok := v.Int(); ok {
			c.t.Steps = append(c.t.Steps, Step{Number: n, Name: c.unquote(ev.Name), Device: -1, Start: Time(ev.Ts), Dur: Duration(ev.Dur)})
		}
	}
}

func (c *chromeReader) unquote(raw []byte) string {
	c.text, _ = chromejson.Unquote(c.text[:0], raw)
	return string(c.text)
}

// lane finds an event's lane. Ops on host threads (JAX on CPU) get lanes of
// their own by device ordinal.
func (c *chromeReader) lane(ev *chromejson.Event) *lane {
	k := chromeLane{pid: ev.Pid.Num, tid: ev.Tid.Num}
	if ev.Want[argHLOOp] != nil {
		k.ops = true
		if v := ev.Want[argOrdinal]; v != nil {
			k.ordinal, _ = v.Int()
		}
	}
	if c.last != nil && c.last.chromeLane == k {
		return c.last
	}
	ln := c.lanes[k]
	if ln == nil {
		ln = &lane{chromeLane: k, names: map[uint64]OpID{}}
		c.lanes[k] = ln
		c.order = append(c.order, ln)
	}
	c.last = ln
	return ln
}

// op finds the op of an event by name, HLO text and scope in its lane (programs
// share names such as fusion.1), or by module and name where the event says
// which HLO op it ran.
func (c *chromeReader) op(ln *lane, ev *chromejson.Event) OpID {
	if !ln.ops {
		h := maphash.Bytes(c.seed, ev.Name)
		if long := ev.Want[argLongName]; long != nil {
			h = h*31 + maphash.Bytes(c.seed, long)
			h = h*31 + maphash.Bytes(c.seed, ev.Want[argScope])
		}
		id, ok := ln.names[h]
		if !ok {
			id = c.newOp(ev)
			ln.names[h] = id
		}
		return id
	}
	c.key = append(c.key[:0], ev.Want[argHLOModule].Raw()...)
	c.key = append(append(c.key, 0), ev.Want[argHLOOp].Raw()...)
	c.key = append(append(c.key, 0), ev.Name...)
	if id, ok := c.ops[string(c.key)]; ok {
		return id
	}
	id := c.newOp(ev)
	op := &c.t.Ops[id]
	if op.Long == "" {
		op.Long = op.Name
	}
	op.Name = c.argText(ev, argHLOOp)
	if module := c.argText(ev, argHLOModule); module != "" {
		op.Program = c.program(module)
	}
	c.ops[string(c.key)] = id
	return id
}

func (c *chromeReader) argText(ev *chromejson.Event, arg int) string {
	if ev.Want[arg] == nil {
		return ""
	}
	return string(ev.Want[arg].AppendText(c.text[:0]))
}

// maxNames bounds the distinct events of a JSON file.
const maxNames = 1 << 19

// newOp reads an op's facts from the first event of it. JSON drops program ids
// and FLOPs; model FLOPs and bytes are there.
func (c *chromeReader) newOp(ev *chromejson.Event) OpID {
	if len(c.t.Ops) >= maxNames {
		c.t.find(Finding{Code: "too-many-ops", Severity: Warning, Message: fmt.Sprintf("more than %d distinct events; the rest share one row", maxNames)})
		return OpID(len(c.t.Ops) - 1)
	}
	op := Op{
		Name: c.unquote(ev.Name), Program: -1, Long: c.argText(ev, argLongName), Scope: c.argText(ev, argScope),
		Category: c.argText(ev, argCategory),
	}
	if strings.HasPrefix(op.Scope, "XlaModule:") {
		op.Scope = ""
	}
	for _, arg := range []int{argName, argAnnotation} {
		if s := c.argText(ev, arg); op.Scope == "" && strings.Contains(s, "/") {
			op.Scope = strings.TrimSuffix(s, "/")
		}
	}
	if op.Category != "" {
		for key, val := range ev.Args.All() {
			switch string(key) {
			case "model_flops":
				op.ModelFLOPs, _ = val.Int()
				op.FLOPs = op.ModelFLOPs
			case "bytes_accessed":
				op.Bytes, _ = val.Int()
			case "source":
				op.Source = string(val.AppendText(nil))
			case "shape_with_layout":
				op.Shape = string(val.AppendText(nil))
			case "deduplicated_name":
				op.Dedup = string(val.AppendText(nil))
			}
		}
	}
	id := OpID(len(c.t.Ops))
	c.t.Ops = append(c.t.Ops, op)
	return id
}

func (c *chromeReader) program(name string) int {
	p, ok := c.programs[name]
	if !ok {
		p = len(c.t.Programs)
		base, id, _ := splitProgram(name)
		c.programs[name] = p
		c.t.Programs = append(c.t.Programs, Program{Name: base, ID: id, Host: c.host})
	}
	return p
}
