// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"errors"
	"io"
	"strconv"

	"github.com/layerscope/layerscope/trace/hlo"
	"github.com/layerscope/layerscope/trace/internal/tracetxt"
)

const formatText = "txt"

// fromText reads the text form of a trace, which tests and bug reports are
// written in.
func fromText(t *Trace, r io.Reader) error {
	x := &textReader{t: t, ops: map[string]OpID{}}
	err := tracetxt.Read(r, x.line)
	var bad *tracetxt.Error
	if errors.As(err, &bad) {
		return &InputError{Msg: bad.Error(), Hint: "docs/formats/txt.md describes the text form", err: err}
	}
	return err
}

type textReader struct {
	t     *Trace
	ops   map[string]OpID
	track *columns
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
	key := func(k string) int64 {
		v, e := l.Key(k)
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
	case "exec":
		t.Executions = append(t.Executions, Execution{Program: int(n(0)), Device: int(n(1)), RunID: n(2), Start: Time(n(3)), Dur: Duration(n(4))})
	case "step":
		t.Steps = append(t.Steps, Step{Number: n(0), Device: int(n(1)), Start: Time(n(2)), Dur: Duration(n(3)), Name: l.Values["name"]})
	case "compile":
		t.Compiles = append(t.Compiles, Compile{Start: Time(n(0)), Dur: Duration(n(1)), Module: l.Values["module"]})
	case "finding":
		t.find(Finding{Code: l.Arg(0), Severity: Severity(l.Arg(1)), Message: l.Arg(2), Count: key("count"), Hint: l.Values["hint"]})
	default:
		return l.Errorf("unknown word %q", l.Word)
	}
	return err
}

func (x *textReader) module(l *tracetxt.Line) error {
	p, err := l.Int(0)
	if err != nil {
		return err
	}
	if p < 0 || p >= int64(len(x.t.Programs)) {
		return l.Errorf("program %d of %d", p, len(x.t.Programs))
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
	op := Op{Name: firstOf(v["name"], l.Arg(0)), Long: v["long"], Scope: v["scope"], Category: v["category"], Source: v["source"], Shape: v["shape"], Dedup: v["dedup"], Program: -1}
	for k, p := range map[string]*int64{"flops": &op.FLOPs, "model_flops": &op.ModelFLOPs, "bytes": &op.Bytes} {
		n, err := l.Key(k)
		if err != nil {
			return err
		}
		*p = n
	}
	if _, ok := v["program"]; ok {
		p, err := l.Key("program")
		if err != nil {
			return err
		}
		if p < 0 || p >= int64(len(x.t.Programs)) {
			return l.Errorf("program %d of %d", p, len(x.t.Programs))
		}
		op.Program = int(p)
	}
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
		if d < -1 || d >= int64(len(x.t.Devices)) {
			return l.Errorf("device %d of %d", d, len(x.t.Devices))
		}
		tr.Device = int(d)
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
	c, n := x.track, x.track.len()
	c.add(id, Time(start), Duration(dur))
	if _, has := l.Values["run"]; has || c.run != nil {
		c.run = append(pad(c.run, n), v[0])
	}
	if v[1] > 0 || c.count != nil {
		c.count, c.self, c.min = append(pad(c.count, n), int32(v[1])), append(pad(c.self, n), Duration(v[2])), append(pad(c.min, n), Duration(v[3]))
	}
	if v[4]|v[5] != 0 || c.flops != nil {
		c.flops, c.mem = append(pad(c.flops, n), v[4]), append(pad(c.mem, n), v[5])
	}
	return nil
}

// pad extends a column with zeros to n values.
func pad[T any](s []T, n int) []T {
	for len(s) < n {
		var zero T
		s = append(s, zero)
	}
	return s
}
