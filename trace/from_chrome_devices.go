// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// finish makes devices and tracks of processes and lanes, once all names are
// known: metadata events may come last.
func (c *chromeReader) finish() {
	c.closeAll()
	devices := c.devices()
	c.finishTorch()
	c.spill()
	for _, ln := range c.order {
		p := c.process(ln.pid)
		name := c.laneName(ln, p)
		tr := &Track{Name: name, Kind: Host, Device: -1, Host: c.host, Bytes: int64(24 * ln.len()), source: &ln.columns}
		if d, ok := devices[deviceKey{ln.pid, 0}]; ok && strings.HasPrefix(p.name, "/device:") {
			tr.Device, tr.Kind = d, c.laneKind(name, c.t.Devices[d].Kind)
		} else if ln.class == opLane {
			tr.Device, tr.Kind = devices[deviceKey{ln.pid, ln.ordinal}], Ops
		}
		c.classify(ln, tr)
		ln.kind = tr.Kind
		ln.order()
		c.t.Tracks = append(c.t.Tracks, tr)
		c.t.Steps = append(c.t.Steps, outermost(ln.steps, 0)...)
		switch tr.Kind {
		case Modules:
			c.executions(ln, tr.Device)
		case StepLine:
			c.steps(ln, tr.Device)
		case Host:
			c.compiles(ln)
		}
	}
	for i, ln := range c.order {
		tr := c.t.Tracks[len(c.t.Tracks)-len(c.order)+i]
		if tr.Device < 0 {
			continue
		}
		if ln.class == opLane {
			c.runsOf(ln, tr.Device)
		} else if tr.Kind == Ops || tr.Kind == Async {
			c.assignPrograms(ln, tr.Device)
		}
	}
	c.bindFlows()
}

// laneName names a lane: as its thread, else by number.
func (c *chromeReader) laneName(ln *lane, p *process) string {
	if name := firstOf(ln.title, p.threads[ln.tid]); name != "" || ln.class == kernelLane {
		return name
	}
	return fmt.Sprintf("thread %d", ln.tid)
}

type deviceKey struct{ pid, ordinal int64 }

// devices adds the devices: processes named /device:…, and without any the
// ordinals that ops of host threads name.
func (c *chromeReader) devices() map[deviceKey]int {
	out := make(map[deviceKey]int)
	var pids []int64
	for pid, p := range c.processes {
		if strings.HasPrefix(p.name, "/device:") {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	for _, pid := range pids {
		name := c.processes[pid].name
		kind, ordinal, _ := strings.Cut(strings.TrimPrefix(name, "/device:"), ":")
		d := Device{Name: name, Host: c.host, Kind: strings.ToLower(kind)}
		d.Ordinal, _ = strconv.Atoi(strings.Fields(ordinal + " 0")[0])
		out[deviceKey{pid, 0}] = len(c.t.Devices)
		c.t.Devices = append(c.t.Devices, d)
	}
	wanted := make(map[deviceKey]bool)
	for _, ln := range c.order {
		if _, isDevice := out[deviceKey{ln.pid, 0}]; ln.class == opLane && !(isDevice && strings.HasPrefix(c.process(ln.pid).name, "/device:")) {
			wanted[deviceKey{ln.pid, ln.ordinal}] = true
		}
	}
	keys := slices.SortedFunc(maps.Keys(wanted), func(a, b deviceKey) int { return cmp.Or(cmp.Compare(a.pid, b.pid), cmp.Compare(a.ordinal, b.ordinal)) })
	for _, k := range keys {
		out[k] = len(c.t.Devices)
		c.t.Devices = append(c.t.Devices, Device{Name: fmt.Sprintf("cpu:%d", k.ordinal), Host: c.host, Kind: "cpu", Ordinal: int(k.ordinal)})
	}
	return out
}

// laneKind tells what a device's thread holds by its name.
func (c *chromeReader) laneKind(name, device string) Kind {
	switch {
	case strings.HasPrefix(name, "Stream #"):
		return Stream
	case name == "XLA Ops", name == "Sparse Core Ops":
		if device == "gpu" {
			return Derived
		}
		return Ops
	case name == "XLA Modules", name == "Steps":
		if device == "gpu" {
			return Derived
		}
		if name == "Steps" {
			return StepLine
		}
		return Modules
	case name == "Async XLA Ops", strings.HasPrefix(name, "Host Offload Ops"):
		return Async
	case name == "_counters_":
		return Counter
	case strings.HasPrefix(name, "Framework"), strings.HasPrefix(name, "TensorFlow"), name == "Source code", name == "Launch Stats":
		return Derived
	}
	return Other
}

// executions reads a module lane.
func (c *chromeReader) executions(ln *lane, device int) {
	for i, id := range ln.op {
		e := Execution{Program: c.program(c.t.Ops[id].Name), Device: device, Start: ln.start[i], Dur: ln.dur[i]}
		if ln.run != nil {
			e.RunID = ln.run[i]
		}
		c.t.Executions = append(c.t.Executions, e)
	}
}

func (c *chromeReader) steps(ln *lane, device int) {
	for i, id := range ln.op {
		name := c.t.Ops[id].Name
		c.t.Steps = append(c.t.Steps, Step{Number: stepNumber(name, int64(i)), Name: name, Device: device, Start: ln.start[i], Dur: ln.dur[i]})
	}
}

func (c *chromeReader) compiles(ln *lane) {
	for i, id := range ln.op {
		if name := c.t.Ops[id].Name; name == "backend_compile_and_load" {
			c.t.Compiles = append(c.t.Compiles, Compile{Host: c.host, Start: ln.start[i], Dur: ln.dur[i]})
		}
	}
}

// runsOf makes executions of the ops that share a run id.
func (c *chromeReader) runsOf(ln *lane, device int) {
	type key struct {
		program int
		run     int64
	}
	at := make(map[key]int)
	for i := range c.t.Executions {
		if e := &c.t.Executions[i]; e.Device == device {
			at[key{e.Program, e.RunID}] = i
		}
	}
	for i, id := range ln.op {
		if ln.run == nil {
			return
		}
		k := key{c.t.Ops[id].Program, ln.run[i]}
		start, end := ln.start[i], ln.start[i].Add(ln.dur[i])
		n, ok := at[k]
		if !ok {
			at[k] = len(c.t.Executions)
			c.t.Executions = append(c.t.Executions, Execution{Program: k.program, Device: device, RunID: k.run, Start: start, Dur: end.Sub(start)})
			continue
		}
		e := &c.t.Executions[n]
		end = max(end, e.Start.Add(e.Dur))
		e.Start = min(e.Start, start)
		e.Dur = end.Sub(e.Start)
	}
}

// assignPrograms gives ops of a TPU lane the program whose execution they ran
// in: JSON has no program ids on ops. An op name that occurs in several programs
// becomes several ops.
func (c *chromeReader) assignPrograms(ln *lane, device int) {
	var runs []Execution
	for _, e := range c.t.Executions {
		if e.Device == device {
			runs = append(runs, e)
		}
	}
	slices.SortFunc(runs, func(a, b Execution) int { return cmp.Compare(a.Start, b.Start) })
	type key struct {
		op      OpID
		program int
	}
	split := make(map[key]OpID)
	n := 0
	for i, id := range ln.op {
		for n+1 < len(runs) && runs[n+1].Start <= ln.start[i] {
			n++
		}
		if n >= len(runs) || ln.start[i] < runs[n].Start || ln.start[i] > runs[n].Start.Add(runs[n].Dur) {
			continue
		}
		p := runs[n].Program
		switch c.t.Ops[id].Program {
		case p:
		case -1:
			c.t.Ops[id].Program = p
		default:
			k := key{id, p}
			other, ok := split[k]
			if !ok {
				other = OpID(len(c.t.Ops))
				split[k] = other
				clone := c.t.Ops[id]
				clone.Program = p
				c.t.Ops = append(c.t.Ops, clone)
			}
			ln.op[i] = other
		}
	}
}
