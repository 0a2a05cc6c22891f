// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"errors"
	"io"
	"math"
	"strconv"

	"github.com/layerscope/layerscope/trace/hlo"
	"github.com/layerscope/layerscope/trace/internal/tracetxt"
)

const formatText = "txt"

// fromText reads the text form of a trace, which tests and bug reports are
// written in.
func fromText(t *Trace, r io.Reader, limit int64) error {
	x := newTextReader(t, limit)
	err := tracetxt.Read(r, x.line)
	if err == nil {
		err = x.finish()
	}
	var bad *tracetxt.Error
	if errors.As(err, &bad) && !isInputError(err) {
		return &InputError{Msg: bad.Error(), Hint: "docs/formats/txt.md describes the text form", err: err}
	}
	return err
}

// A textReader adds what lines of the text form say to a trace. Numbers in them
// count from what the trace had before.
type textReader struct {
	t     *Trace
	ops   map[string]OpID
	track *columns

	devices, programs, tracks int // of the trace before
	protos                    map[int][]byte
	limit, budget             int64 // bytes that modules may expand to, in all and still
}

func newTextReader(t *Trace, limit int64) *textReader {
	if limit <= 0 {
		limit = defaultLimit
	}
	return &textReader{limit: limit, budget: limit, t: t, ops: map[string]OpID{}, devices: len(t.Devices), programs: len(t.Programs), tracks: len(t.Tracks), protos: map[int][]byte{}}
}

func (x *textReader) line(l *tracetxt.Line) error {
	t := x.t
	var err error
	n := func(i int) int64 { // a positional integer; the first error counts
		v, e := l.Int(i)
		if err == nil {
			err = e
		}
		return v
	}
	switch l.Word {
	case "":
		return x.event(l)
	case "origin":
		t.Origin = n(0)
	case "wall":
		t.Wall = Duration(n(0))
	case "lossy":
		t.Lossy = l.Arg(0)
	case "host":
		t.Hosts = append(t.Hosts, l.Arg(0))
	case "meta":
		t.Metadata[l.Arg(0)] = l.Arg(1)
	case "program":
		id, e := strconv.ParseUint(l.Arg(1), 10, 64)
		if e != nil {
			return l.Errorf("found %q, wanted a program id", l.Arg(1))
		}
		t.Programs = append(t.Programs, Program{Name: l.Arg(0), ID: id, Host: l.Values["host"]})
	case "hlo":
		return x.module(l)
	case "device":
		return x.device(l)
	case "op":
		return x.op(l)
	case "track":
		return x.newTrack(l)
	case "hlo-proto":
		return x.proto(l)
	case "alloc", "free":
		return x.alloc(l)
	case "exec", "step", "compile", "finding":
		return x.mark(l)
	case "flow":
		return x.flow(l)
	default:
		return l.Errorf("unknown word %q", l.Word)
	}
	return err
}

// mark reads a line about what is not an event.
func (x *textReader) mark(l *tracetxt.Line) error {
	t := x.t
	var v [5]int64 // of the positional fields, all integers but a finding's
	for i := range l.Args {
		var err error
		if l.Word == "finding" || i >= len(v) {
			break
		}
		if v[i], err = l.Int(i); err != nil {
			return err
		}
	}
	if want := map[string]int{"exec": 5, "step": 4, "compile": 2, "finding": 3}[l.Word]; len(l.Args) < want {
		return l.Errorf("found %d fields, wanted %d", len(l.Args), want)
	}
	var err error
	switch l.Word {
	case "exec":
		e := Execution{RunID: v[2], Start: Time(v[3]), Dur: Duration(v[4])}
		e.Program, e.Device, err = x.place(l, v[0], v[1])
		t.Executions = append(t.Executions, e)
	case "step":
		s := Step{Number: v[0], Start: Time(v[2]), Dur: Duration(v[3]), Name: l.Values["name"], Host: l.Values["host"]}
		_, s.Device, err = x.place(l, -1, v[1])
		t.Steps = append(t.Steps, s)
	case "compile":
		t.Compiles = append(t.Compiles, Compile{Start: Time(v[0]), Dur: Duration(v[1]), Module: l.Values["module"], Host: l.Values["host"]})
	case "finding":
		var count int64
		count, err = l.Key("count")
		t.find(Finding{Code: l.Arg(0), Severity: Severity(l.Arg(1)), Message: l.Arg(2), Count: count, Hint: l.Values["hint"]})
	}
	return err
}

// place checks numbers of a program and a device, −1 for none, and returns them
// as the trace counts.
func (x *textReader) place(l *tracetxt.Line, program, device int64) (int, int, error) {
	if n := int64(len(x.t.Programs) - x.programs); program < -1 || program >= n {
		return -1, -1, l.Errorf("program %d of %d", program, n)
	}
	if n := int64(len(x.t.Devices) - x.devices); device < -1 || device >= n {
		return -1, -1, l.Errorf("device %d of %d", device, n)
	}
	if program >= 0 {
		program += int64(x.programs)
	}
	if device >= 0 {
		device += int64(x.devices)
	}
	return int(program), int(device), nil
}

// programOf reads the program that a line's first field is about.
func (x *textReader) programOf(l *tracetxt.Line) (int, error) {
	p, err := l.Int(0)
	if err != nil {
		return 0, err
	}
	if p < 0 {
		return 0, l.Errorf("program %d", p)
	}
	i, _, err := x.place(l, p, -1)
	return i, err
}

func (x *textReader) module(l *tracetxt.Line) error {
	p, err := x.programOf(l)
	if err != nil {
		return err
	}
	m, err := hlo.ParseText(l.Block)
	if err != nil {
		return l.Errorf("hlo: %v", err)
	}
	x.t.Programs[p].Module = m
	return nil
}

func (x *textReader) device(l *tracetxt.Line) error {
	d := Device{Name: l.Arg(0), Kind: l.Arg(1), Host: l.Values["host"], Type: l.Values["type"]}
	ordinal, err := l.Key("ordinal")
	d.Ordinal = int(ordinal)
	if err == nil {
		d.Memory, err = l.Key("memory")
	}
	for k, p := range map[string]*float64{"flops": &d.PeakFLOPs, "hbm": &d.PeakHBM} {
		if v, ok := l.Values[k]; ok && err == nil {
			if *p, err = strconv.ParseFloat(v, 64); err != nil {
				return l.Errorf("%s=%s: wanted a number", k, v)
			}
		}
	}
	x.t.Devices = append(x.t.Devices, d)
	return err
}

// op reads "op LABEL key=value…"; events refer to the label.
func (x *textReader) op(l *tracetxt.Line) error {
	v := l.Values
	name, named := v["name"]
	if !named {
		name = l.Arg(0)
	}
	op := Op{Name: name, Long: v["long"], Scope: v["scope"], Category: v["category"], Source: v["source"], Shape: v["shape"], Dedup: v["dedup"], Program: -1}
	for k, p := range map[string]*int64{"flops": &op.FLOPs, "model_flops": &op.ModelFLOPs, "bytes": &op.Bytes} {
		n, err := l.Key(k)
		if err != nil {
			return err
		}
		*p = n
	}
	if _, ok := v["program"]; ok {
		p, err := l.Key("program")
		if err == nil {
			op.Program, _, err = x.place(l, p, -1)
		}
		if err != nil {
			return err
		}
	}
	op.Bare = v["bare"] == "1"
	for i, a := range accessKeys {
		n, err := l.Key(a)
		if err != nil {
			return err
		}
		if n != 0 {
			op.Access = append(op.Access, Access{Write: i%2 == 1, Space: i/2 + 1, Bytes: n})
		}
	}
	x.ops[l.Arg(0)] = OpID(len(x.t.Ops))
	x.t.Ops = append(x.t.Ops, op)
	return nil
}

// accessKeys are the keys of memory accesses, by space and direction.
var accessKeys = [...]string{"hbm_read", "hbm_write", "cmem_read", "cmem_write", "vmem_read", "vmem_write"}

// kindNames are the text names of track kinds.
var kindNames = map[string]Kind{
	"other": Other, "ops": Ops, "stream": Stream, "async": Async, "modules": Modules, "steps": StepLine, "host": Host, "counter": Counter, "derived": Derived,
}

// String returns the name that the text form has for a kind.
func (k Kind) String() string {
	for name, x := range kindNames {
		if x == k {
			return name
		}
	}
	return "other"
}

func (x *textReader) newTrack(l *tracetxt.Line) error {
	kind, ok := kindNames[l.Arg(0)]
	if !ok {
		return l.Errorf("unknown kind of track %q", l.Arg(0))
	}
	tr := &Track{Kind: kind, Name: l.Values["name"], Host: l.Values["host"], Device: -1}
	if _, ok := l.Values["device"]; ok {
		d, err := l.Key("device")
		if err != nil {
			return err
		}
		if _, tr.Device, err = x.place(l, -1, d); err != nil {
			return err
		}
	}
	x.track = &columns{}
	tr.source = x.track
	x.t.Tracks = append(x.t.Tracks, tr)
	return nil
}

// event reads "  START DUR LABEL [run=…] [count=… self=… min=…] [flops=… bytes=…]".
func (x *textReader) event(l *tracetxt.Line) error {
	if x.track == nil {
		return l.Errorf("an event before the first track")
	}
	start, err := l.Int(0)
	if err != nil {
		return err
	}
	dur, err := l.Int(1)
	if err != nil {
		return err
	}
	if dur < 0 {
		return l.Errorf("an event lasts %d ps, wanted 0 or more", dur)
	}
	id, ok := x.ops[l.Arg(2)]
	if !ok {
		return l.Errorf("unknown op %q", l.Arg(2))
	}
	var v [6]int64
	for i, k := range []string{"run", "count", "self", "min", "flops", "bytes"} {
		if v[i], err = l.Key(k); err != nil {
			return err
		}
	}
	_, has := l.Values["run"]
	x.track.add(id, Time(start), Duration(dur))
	x.track.addFacts(has, v)
	if text, ok := l.Values["value"]; ok {
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return l.Errorf("value=%s: wanted a number", text)
		}
		x.track.value = append(pad(x.track.value, x.track.len()-1), value)
	}
	return nil
}

// addFacts gives the last event of c what only some have: its run, the count,
// self and least time of an aggregated one, FLOPs and bytes measured.
func (c *columns) addFacts(run bool, v [6]int64) {
	n := c.len() - 1
	if run || c.run != nil {
		c.run = append(pad(c.run, n), v[0])
	}
	if v[1] > 0 || c.count != nil {
		count := int32(min(max(v[1], 0), math.MaxInt32))
		c.count, c.self, c.min = append(pad(c.count, n), count), append(pad(c.self, n), Duration(v[2])), append(pad(c.min, n), Duration(v[3]))
	}
	if v[4]|v[5] != 0 || c.flops != nil {
		c.flops, c.mem = append(pad(c.flops, n), v[4]), append(pad(c.mem, n), v[5])
	}
}

// pad extends a column with zeros to n values.
func pad[T any](s []T, n int) []T {
	for len(s) < n {
		var zero T
		s = append(s, zero)
	}
	return s
}
