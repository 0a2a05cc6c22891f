// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"strconv"
	"strings"
)

// A place is where a lane belongs in the hierarchy of tracks.
type place struct {
	name    string
	process string // its name
	pid     int32
}

// maxParents bounds the hierarchy, as Perfetto does.
const maxParents = 100

// place names a lane and finds its process.
func (x *perfettoReader) place(ln *perfettoLane) place {
	switch ln.key.kind {
	case 't':
		return place{x.threadName(ln.key.pid, ln.key.tid), x.processName(ln.key.pid), ln.key.pid}
	case 'a':
		return place{firstOf(x.firstName(ln), "async"), x.processName(ln.key.pid), ln.key.pid}
	case 'c', 'q':
		return place{name: ln.title}
	}
	tr := x.tracks[ln.uuid]
	if tr == nil {
		if ln.uuid == 0 {
			return place{name: "Default Track"}
		}
		return place{name: firstOf(x.firstName(ln), fmt.Sprintf("track %d", ln.uuid))}
	}
	p := place{name: x.rd.Text(tr.Name)}
	for depth := 0; ; depth++ {
		if tr.HasThread {
			p.pid = tr.Pid
			p.name = firstOf(p.name, x.threadName(tr.Pid, tr.Tid))
			break
		}
		if tr.HasProcess {
			p.pid = tr.Pid
			break
		}
		if !tr.HasParent || tr.Parent == 0 {
			break
		}
		parent := x.tracks[tr.Parent]
		if parent == nil || depth >= maxParents {
			x.t.find(Finding{Code: "track-parents", Severity: Info, Message: "tracks whose parents are not described, lead in a circle, or are more than 100; they stand alone", Hint: "Perfetto drops all events of such tracks"})
			break
		}
		tr = parent
	}
	p.process = x.processName(p.pid)
	if p.name = firstOf(p.name, x.firstName(ln)); p.name == "" {
		p.name = firstOf(p.process, fmt.Sprintf("track %d", ln.uuid))
	}
	return p
}

func (x *perfettoReader) threadName(pid int32, tid int64) string {
	return firstOf(x.names[perfettoKey{kind: 't', pid: pid, tid: tid}], "thread "+strconv.FormatInt(tid, 10))
}

func (x *perfettoReader) processName(pid int32) string {
	return x.names[perfettoKey{kind: 'p', pid: pid}]
}

// firstName is the name of a lane's first event: what Perfetto calls a track
// without a name.
func (x *perfettoReader) firstName(ln *perfettoLane) string {
	if ln.slices.n == 0 {
		return ""
	}
	return x.t.Ops[ln.slices.blocks[0].op[0]].Name
}

// makeTracks adds a track for each lane with events, and devices for processes
// that are called devices and for threads that ran HLO ops.
func (x *perfettoReader) makeTracks() {
	d := perfettoDevices{x: x, byName: map[string]int{}, byOrdinal: map[ordinalKey]int{}, isOp: make([]bool, len(x.t.Ops))}
	x.marks = make([]bool, len(x.t.Ops))
	for i := range x.t.Ops {
		f := x.factsOf(OpID(i))
		d.isOp[i], x.marks[i] = f.isOp, f.isStep || x.t.Ops[i].Name == compilation
	}
	for _, ln := range x.lanes {
		p := x.place(ln)
		if ln.log != nil && ln.log.value != nil {
			x.counterTrack(ln, p)
		}
		if ln.slices.n == 0 {
			continue
		}
		tr := &Track{Name: p.name, Kind: Host, Device: -1, Host: x.host, Bytes: int64(24 * ln.slices.n)}
		if ln.key.kind == 'q' {
			tr.Kind = Other
		}
		if strings.HasPrefix(p.process, "/device:") {
			tr.Device = d.named(p.process)
			tr.Kind = deviceTrackKind(p.name, x.t.Devices[tr.Device].Kind)
		}
		tr.source = &ln.slices
		ln.track = len(x.t.Tracks)
		x.t.Tracks = append(x.t.Tracks, tr)
		switch tr.Kind {
		case Modules:
			x.executions(ln, tr.Device)
		case StepLine:
			x.steps(ln, tr.Device)
		case Host:
			x.hostMarks(ln)
			d.split(ln, tr, p.pid)
		}
	}
}

// counterTrack adds the samples of a counter as a track.
func (x *perfettoReader) counterTrack(ln *perfettoLane, p place) {
	name := p.name
	if tr := x.tracks[ln.uuid]; tr != nil && tr.Unit != "" && ln.key.kind == 0 {
		name += " [" + tr.Unit + "]"
	}
	op := x.newOp(Op{Name: name, Program: -1})
	c := &columns{}
	for i, w := range ln.log.what {
		if w&whatType == whatCounter {
			c.add(op, Time(min(ln.log.ns[i]-x.zero, longest))*1000, 0)
			c.value = append(c.value, ln.log.value[i])
		}
	}
	x.t.Tracks = append(x.t.Tracks, &Track{Name: name, Kind: Counter, Device: -1, Host: x.host, Bytes: int64(24 * c.len()), source: c})
}

type ordinalKey struct {
	pid     int32
	ordinal int64
}

// perfettoDevices makes the devices of a generic trace.
type perfettoDevices struct {
	x         *perfettoReader
	byName    map[string]int
	byOrdinal map[ordinalKey]int
	isOp      []bool // by OpID: an HLO op
}

func (d *perfettoDevices) add(dev Device) int {
	dev.Host = d.x.host
	d.x.t.Devices = append(d.x.t.Devices, dev)
	return len(d.x.t.Devices) - 1
}

// named returns the device of a process such as "/device:TPU:0 …".
func (d *perfettoDevices) named(process string) int {
	i, ok := d.byName[process]
	if !ok {
		kind, ordinal, _ := strings.Cut(strings.TrimPrefix(process, "/device:"), ":")
		dev := Device{Name: process, Kind: strings.ToLower(kind)}
		dev.Ordinal, _ = strconv.Atoi(strings.Fields(ordinal + " 0")[0])
		i = d.add(dev)
		d.byName[process] = i
	}
	return i
}

// split takes the HLO ops off a host thread, as JAX on CPU runs them: they become
// tracks of their device ordinals.
func (d *perfettoDevices) split(ln *perfettoLane, host *Track, pid int32) {
	if !ln.slices.has(d.isOp) {
		return
	}
	rest := &columns{}
	parts, tracks := map[int64]*columns{}, map[int64]int{}
	var order []int64
	ln.slices.each(func(id OpID, start Time, dur Duration, run int64) {
		to, track := rest, ln.track
		if f := d.x.factsOf(id); f.isOp {
			if to = parts[f.ordinal]; to == nil {
				to = &columns{}
				parts[f.ordinal] = to
				tracks[f.ordinal] = len(d.x.t.Tracks) + len(order)
				order = append(order, f.ordinal)
			}
			track = tracks[f.ordinal]
		}
		if ln.flows != nil {
			ln.split = append(ln.split, EventRef{track, to.len()})
		}
		to.add(id, start, dur)
		if run != 0 {
			to.run = append(pad(to.run, to.len()-1), run)
		}
	})
	host.source = rest
	for _, n := range order {
		k := ordinalKey{pid, n}
		dev, ok := d.byOrdinal[k]
		if !ok {
			dev = d.add(Device{Name: fmt.Sprintf("cpu:%d", n), Kind: "cpu", Ordinal: int(n)})
			d.byOrdinal[k] = dev
		}
		c := parts[n]
		d.x.t.Tracks = append(d.x.t.Tracks, &Track{Name: host.Name, Kind: Ops, Device: dev, Host: host.Host, Bytes: int64(24 * c.len()), source: c})
		d.x.runsOf(c, dev)
	}
}

// runsOf makes executions of the ops that share a run.
func (x *perfettoReader) runsOf(c *columns, device int) {
	type key struct {
		program int
		run     int64
	}
	at := make(map[key]int)
	for i, e := range x.t.Executions {
		if e.Device == device {
			at[key{e.Program, e.RunID}] = i
		}
	}
	for i := range c.run {
		p := x.t.Ops[c.op[i]].Program
		if p < 0 {
			continue
		}
		k := key{p, c.run[i]}
		start, end := c.start[i], c.start[i].Add(c.dur[i])
		n, ok := at[k]
		if !ok {
			at[k] = len(x.t.Executions)
			x.t.Executions = append(x.t.Executions, Execution{Program: p, Device: device, RunID: k.run, Start: start, Dur: end.Sub(start)})
			continue
		}
		e := &x.t.Executions[n]
		last := max(e.Start.Add(e.Dur), end)
		e.Start = min(e.Start, start)
		e.Dur = last.Sub(e.Start)
	}
}

// executions reads a lane of program executions.
func (x *perfettoReader) executions(ln *perfettoLane, device int) {
	ln.slices.each(func(id OpID, start Time, dur Duration, run int64) {
		x.t.Executions = append(x.t.Executions, Execution{Program: x.program(x.t.Ops[id].Name), Device: device, Start: start, Dur: dur, RunID: run})
	})
}

func (x *perfettoReader) steps(ln *perfettoLane, device int) {
	n := int64(0)
	ln.slices.each(func(id OpID, start Time, dur Duration, _ int64) {
		name := x.t.Ops[id].Name
		number := n
		if f := strings.Fields(name); len(f) > 0 {
			if v, err := strconv.ParseInt(f[len(f)-1], 10, 64); err == nil {
				number = v
			}
		}
		x.t.Steps = append(x.t.Steps, Step{Number: number, Name: name, Device: device, Start: start, Dur: dur})
		n++
	})
}

// hostMarks reads step annotations and compilations of a host thread.
func (x *perfettoReader) hostMarks(ln *perfettoLane) {
	if !ln.slices.has(x.marks) {
		return
	}
	ln.slices.each(func(id OpID, start Time, dur Duration, _ int64) {
		if !x.marks[id] {
			return
		}
		if f := x.factsOf(id); f.isStep {
			x.t.Steps = append(x.t.Steps, Step{Number: f.step, Name: x.t.Ops[id].Name, Device: -1, Start: start, Dur: dur})
		}
		if x.t.Ops[id].Name == compilation {
			x.t.Compiles = append(x.t.Compiles, Compile{Start: start, Dur: dur})
		}
	})
}

// compilation is what JAX calls the span of one.
const compilation = "backend_compile_and_load"

// deviceTrackKind tells what a device's track holds by its name.
func deviceTrackKind(name, device string) Kind {
	switch {
	case strings.HasPrefix(name, "Stream #"):
		return Stream
	case device == "gpu" && (name == "XLA Ops" || name == "XLA Modules" || name == "Steps"):
		return Derived
	case name == "XLA Ops", name == "Sparse Core Ops":
		return Ops
	case name == "XLA Modules":
		return Modules
	case name == "Steps":
		return StepLine
	case name == "Async XLA Ops", strings.HasPrefix(name, "Host Offload Ops"):
		return Async
	case strings.HasPrefix(name, "Framework"), strings.HasPrefix(name, "TensorFlow"), name == "Source code", name == "Launch Stats":
		return Derived
	}
	return Other
}
