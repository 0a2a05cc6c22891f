// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"strings"
)

// classify makes the tracks of lanes that are neither threads nor JAX's lines.
func (c *chromeReader) classify(ln *lane, tr *Track) {
	if d, ok := c.torch.gpus[ln.pid]; ok && (ln.class == kernelLane || ln.class == annotationLane) {
		tr.Device = d
	}
	switch ln.class {
	case kernelLane:
		tr.Kind, tr.Name = Stream, firstOf(strings.TrimSpace(tr.Name), fmt.Sprintf("stream %d", ln.tid))
	case annotationLane:
		tr.Kind = Derived
	case instantLane:
		tr.Kind, tr.Name = Other, tr.Name+" (instants)"
	case asyncLane:
		tr.Kind = Async
	case counterLane:
		tr.Kind, tr.Device = Counter, -1
	}
	if ln.spilt > 0 {
		tr.Name = fmt.Sprintf("%s (overlap %d)", tr.Name, ln.spilt)
	}
}

// maxSpilt is how many tracks the events of one thread may take.
const maxSpilt = 64

// spill moves events that overlap others of their thread only in part to lanes
// beside it: a thread's events must nest for self times to mean anything. On a
// stream nothing nests: kernels that overlap run side by side.
func (c *chromeReader) spill() {
	var out []*lane
	moved := int64(0)
	for _, ln := range c.order {
		out = append(out, ln)
		_, device := c.torch.gpus[ln.pid]
		isDevice := strings.HasPrefix(c.process(ln.pid).name, "/device:")
		if ln.class != kernelLane && (ln.class != plainLane || isDevice || device && ln.class == annotationLane) {
			continue
		}
		ln.order()
		for rest := ln; rest != nil && rest.spilt < maxSpilt; {
			if rest = rest.split(); rest != nil {
				moved += int64(rest.len())
				out = append(out, rest)
			}
		}
	}
	c.order = out
	if moved > 0 {
		c.t.find(Finding{Code: "overlap", Severity: Info, Count: moved, Message: "events that overlap others of their thread or stream: on tracks of their own beside it",
			Hint: "nothing is lost; viewers that want events to nest drop them"})
	}
}

// rounding is what neighbours may overlap by: a nanosecond, the unit that times
// were rounded to.
const rounding = Nanosecond

// split takes the events out of a sorted lane that don't fit, nil if all do.
func (ln *lane) split() *lane {
	var stack []Time
	var rest *lane
	keep := 0
	for i := range ln.op {
		start, end := ln.start[i], ln.start[i].Add(ln.dur[i])
		for len(stack) > 0 && stack[len(stack)-1] <= start.Add(rounding) {
			stack = stack[:len(stack)-1]
		}
		fits := len(stack) == 0 || ln.class != kernelLane && stack[len(stack)-1].Add(rounding) >= end
		if fits {
			stack = append(stack, end)
			ln.move(i, ln, keep)
			keep++
			continue
		}
		if rest == nil {
			rest = &lane{chromeLane: ln.chromeLane, title: ln.title, spilt: ln.spilt + 1}
		}
		rest.grow(ln)
		ln.move(i, rest, rest.len()-1)
	}
	ln.cut(keep)
	return rest
}

// grow makes room for an event with the columns of like.
func (ln *lane) grow(like *lane) {
	ln.add(0, 0, 0)
	if like.run != nil {
		ln.run = append(ln.run, 0)
	}
	if like.links != nil {
		ln.links = append(ln.links, link{})
	}
}

// move copies event i to event k of a lane with the same columns.
func (ln *lane) move(i int, to *lane, k int) {
	to.op[k], to.start[k], to.dur[k] = ln.op[i], ln.start[i], ln.dur[i]
	if ln.run != nil {
		to.run[k] = ln.run[i]
	}
	if ln.links != nil {
		to.links[k] = ln.links[i]
	}
}

func (ln *lane) cut(n int) {
	ln.op, ln.start, ln.dur = ln.op[:n], ln.start[:n], ln.dur[:n]
	if ln.run != nil {
		ln.run = ln.run[:n]
	}
	if ln.links != nil {
		ln.links = ln.links[:n]
	}
}
