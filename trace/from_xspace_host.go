// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/layerscope/layerscope/trace/internal/xspace"
)

// hostStats are the event stats read from host lines: those of CPU ops first.
var hostStats = []string{"hlo_op", "program_id", "run_id", "device_ordinal", "hlo_module", "step_num", "_r", "name", "request_id", "request_ids", "request", "req_id", "rid"}

const (
	hostOp = iota
	hostProgram
	hostRun
	hostOrdinal
	hostModule
	hostStep
	hostRoot
	hostName
	hostRequest // and those behind it: names in use for a request's id
)

// hostPlane adds a host's threads. JAX on CPU has no device plane: its ops are
// events of these threads, told by their stat hlo_op; each device ordinal
// becomes a device whose tracks are the threads that ran its ops.
func (x *xspaceReader) hostPlane(pl *xspace.Plane) error {
	if !strings.HasPrefix(pl.Name, "/host:") || len(pl.Lines) == 0 {
		return nil
	}
	if err := pl.Load(); err != nil {
		return err
	}
	if err := x.allocations(pl); err != nil {
		return err
	}
	first, n := x.addOps(pl, func(i uint32) Op {
		name, display := pl.EventName(i)
		return Op{Name: firstOf(display, name), Program: -1}
	})
	h := &hostReader{launches: x.devices > 0, x: x, pl: pl, first: first, n: n, ops: map[cpuKey]OpID{}, tracks: map[laneKey]*columns{}, runs: map[runKey]*Execution{}, ordinals: map[int64]bool{}}
	for _, ln := range pl.Lines {
		src := xspaceLine{line: ln, first: first, n: n, agg: -1, opts: xspace.ScanOptions{BaseNs: x.base}}
		tr := &Track{Name: ln.Name, Kind: Host, Device: -1, Host: x.host, Bytes: ln.Bytes}
		if ln.Name == counterLine {
			if err := src.samples(tr); err != nil {
				return err
			}
		}
		tr.source = src
		x.t.Tracks = append(x.t.Tracks, tr)
		x.flowLine(pl, ln, false)
	}
	if !h.worthReading() {
		return nil
	}
	for i, ln := range pl.Lines {
		if err := h.read(i, ln); err != nil {
			return err
		}
	}
	h.finish()
	return nil
}

// A hostReader collects the ops, steps and compilations on host threads.
type hostReader struct {
	x      *xspaceReader
	pl     *xspace.Plane
	first  OpID
	n      uint32
	in     interner
	ops    map[cpuKey]OpID
	tracks map[laneKey]*columns
	order  []laneKey
	runs   map[runKey]*Execution
	// ordinals are those that ran ops.
	ordinals map[int64]bool
	// launches says that the host's op events start work on a device that the
	// capture has: they are not the work.
	launches bool
	names    []string // of compile events by metadata index, "" for others

	compiles, backends []Compile
}

// maxOrdinals bounds the devices of one host's CPU backend.
const maxOrdinals = 1024

type cpuKey struct {
	meta        uint32
	program, op uint64
}

type laneKey struct {
	line    int
	ordinal int64
}

type runKey struct {
	program int
	ordinal int64
	run     int64
}

// worthReading says whether the plane has ops, steps or compilations at all.
func (h *hostReader) worthReading() bool {
	h.names = make([]string, h.n)
	found := false
	for i := range h.n {
		if name, _ := h.pl.EventName(i); isCompile(name) {
			h.names[i] = name
			found = true
		}
	}
	for i := range h.pl.NumStats() {
		switch h.pl.StatName(uint64(i)) {
		case "hlo_op", "step_num", "request_id", "request_ids", "request", "req_id", "rid":
			found = true
		}
	}
	return found
}

// isCompile names the host events that span one compilation: JAX's own call,
// and the compilers' passes, which say what is compiled.
func isCompile(name string) bool {
	return name == "backend_compile_and_load" || strings.HasSuffix(name, "Compiler::RunBackend") || name == "XlaCompile"
}

func (h *hostReader) read(line int, ln *xspace.Line) error {
	opts := xspace.ScanOptions{BaseNs: h.x.base, Want: hostStats}
	before := len(h.x.t.Steps)
	defer func() { h.x.t.Steps = outermost(h.x.t.Steps, before) }()
	return scanAtOnce(ln, opts, func(b *xspace.Batch) bool {
		for i, m := range b.Meta {
			h.request(b, i)
			switch {
			case b.Values[hostOp].Kind[i] != xspace.NoValue:
				if !h.launches {
					h.op(line, b, i, m)
				}
			case b.Values[hostRoot].Kind[i] != xspace.NoValue && b.Values[hostStep].Kind[i] != xspace.NoValue:
				name, _ := h.pl.EventName(m)
				h.x.t.Steps = append(h.x.t.Steps, Step{
					Number: int64(b.Values[hostStep].Bits[i]), Name: name, Device: -1, Host: h.x.host,
					Start: Time(b.Start[i]), Dur: Duration(b.Dur[i]),
				})
			case m < h.n && h.names[m] != "":
				c := Compile{Module: b.Text(hostName, i), Host: h.x.host, Start: Time(b.Start[i]), Dur: Duration(b.Dur[i])}
				if h.names[m] == "backend_compile_and_load" {
					h.compiles = append(h.compiles, c)
				} else {
					h.backends = append(h.backends, c)
				}
			}
		}
		return true
	})
}

// outermost drops step marks inside another mark of their thread, which are parts
// of that step; those from index i on are one thread's.
func outermost(steps []Step, i int) []Step {
	slices.SortStableFunc(steps[i:], func(a, b Step) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(b.Dur, a.Dur))
	})
	n := i
	for _, s := range steps[i:] {
		if n > i && s.Start.Add(s.Dur) <= steps[n-1].Start.Add(steps[n-1].Dur) {
			continue
		}
		steps[n] = s
		n++
	}
	return steps[:n]
}

// request notes a span that carries the id of a request, or those of a batch
// with commas or blanks between them.
func (h *hostReader) request(b *xspace.Batch, i int) {
	for c := hostRequest; c < len(hostStats); c++ {
		if b.Values[c].Kind[i] == xspace.NoValue {
			continue
		}
		id := b.Text(c, i)
		if id == "" {
			id = strconv.FormatUint(b.Values[c].Bits[i], 10)
		}
		for one := range strings.FieldsFuncSeq(id, func(r rune) bool { return r == ',' || r == ' ' }) {
			h.x.t.Requests = append(h.x.t.Requests, Request{ID: one, Start: Time(b.Start[i]), Dur: Duration(b.Dur[i])})
		}
		return
	}
}

// op adds one op event to the lane of its thread and device.
func (h *hostReader) op(line int, b *xspace.Batch, i int, m uint32) {
	key := cpuKey{m, h.in.key(b, hostProgram, i), h.in.key(b, hostOp, i)}
	id, ok := h.ops[key]
	if !ok && len(h.x.t.Ops) >= h.x.limit {
		id = h.first + OpID(h.n) // the op of events without metadata
	} else if !ok {
		id = OpID(len(h.x.t.Ops))
		h.ops[key] = id
		op := Op{Name: b.Text(hostOp, i), Program: -1}
		if k := b.Values[hostProgram].Kind[i]; k == xspace.Int || k == xspace.Uint {
			op.Program = h.x.program(b.Values[hostProgram].Bits[i], b.Text(hostModule, i))
		}
		h.x.t.Ops = append(h.x.t.Ops, op)
	}
	lane := laneKey{line: line}
	if b.Values[hostOrdinal].Kind[i] != xspace.NoValue {
		lane.ordinal = int64(b.Values[hostOrdinal].Bits[i])
	}
	if !h.ordinals[lane.ordinal] {
		if len(h.ordinals) >= maxOrdinals {
			lane.ordinal = 0
			h.x.t.find(Finding{Code: "damaged", Severity: Warning, Message: fmt.Sprintf("ops of more than %d device ordinals; the rest count as those of 0", maxOrdinals)})
		}
		h.ordinals[lane.ordinal] = true
	}
	col := h.tracks[lane]
	if col == nil {
		col = &columns{}
		h.tracks[lane] = col
		h.order = append(h.order, lane)
	}
	start, dur := Time(b.Start[i]), Duration(b.Dur[i])
	col.add(id, start, dur)
	run := int64(b.Values[hostRun].Bits[i])
	col.run = append(col.run, run)
	h.execute(runKey{h.x.t.Ops[id].Program, lane.ordinal, run}, start, start.Add(dur))
}

// execute stretches the execution that an op belongs to.
func (h *hostReader) execute(k runKey, start, end Time) {
	e := h.runs[k]
	if e == nil {
		h.runs[k] = &Execution{Program: k.program, RunID: k.run, Start: start, Dur: end.Sub(start)}
		return
	}
	if last := e.Start.Add(e.Dur); last > end {
		end = last
	}
	e.Start = min(e.Start, start)
	e.Dur = end.Sub(e.Start)
}

// finish makes devices of the ordinals, and gives compilations their modules.
func (h *hostReader) finish() {
	devices := make(map[int64]int)
	for _, o := range slices.Sorted(maps.Keys(h.ordinals)) {
		devices[o] = len(h.x.t.Devices)
		h.x.t.Devices = append(h.x.t.Devices, Device{Name: fmt.Sprintf("cpu:%d", o), Host: h.x.host, Kind: "cpu", Ordinal: int(o)})
	}
	for _, lane := range h.order {
		ln := h.pl.Lines[lane.line]
		col := h.tracks[lane]
		h.x.t.Tracks = append(h.x.t.Tracks, &Track{Name: ln.Name, Kind: Ops, Device: devices[lane.ordinal], Host: h.x.host, Bytes: int64(24 * col.len()), source: col})
	}
	runs := slices.SortedFunc(maps.Keys(h.runs), func(a, b runKey) int {
		return cmp.Or(cmp.Compare(a.ordinal, b.ordinal), cmp.Compare(a.program, b.program), cmp.Compare(a.run, b.run))
	})
	for _, k := range runs {
		e := h.runs[k]
		e.Device = devices[k.ordinal]
		h.x.t.Executions = append(h.x.t.Executions, *e)
	}
	if len(h.compiles) == 0 {
		h.compiles, h.backends = h.backends, nil
	}
	slices.SortStableFunc(h.backends, func(a, b Compile) int { return cmp.Compare(a.Start, b.Start) })
	for _, c := range h.compiles {
		// The last pass that began in it says what was compiled.
		end := c.Start.Add(c.Dur)
		n, _ := slices.BinarySearchFunc(h.backends, end, func(b Compile, t Time) int { return cmp.Compare(b.Start, t) })
		if n > 0 && h.backends[n-1].Start >= c.Start {
			c.Module = h.backends[n-1].Module
		}
		h.x.t.Compiles = append(h.x.t.Compiles, c)
	}
}
