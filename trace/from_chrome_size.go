// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"io"
)

// Bounds on what distinct names of processes and threads cost: real captures have
// hundreds of both.
const (
	maxTracks  = 1 << 16
	maxThreads = 1 << 17 // processes and threads with names
)

// longLane is from how many events on memory is reserved for the rest of a lane.
const longLane = 1 << 18

// reserve makes room in a long lane for what it will hold, by the share of the file
// that was read to fill it so far. Memory that is reserved and not used is never
// touched; growing in steps holds each column twice.
func (c *chromeReader) reserve(ln *lane) {
	n := ln.len()
	if n < longLane || n < cap(ln.op) || c.in.file == nil {
		return
	}
	at, err := c.in.file.Seek(0, io.SeekCurrent)
	if err != nil || at <= 0 || at > c.in.size {
		return
	}
	total := n + n/8 + int(min(8, 1.25*float64(c.in.size-at)/float64(at))*float64(n))
	ln.op, ln.start, ln.dur = room(ln.op, total), room(ln.start, total), room(ln.dur, total)
	if ln.run != nil {
		ln.run = room(ln.run, total)
	}
}

// room returns s with the given capacity, or its own if that is larger.
func room[T any](s []T, n int) []T {
	if n <= cap(s) {
		return s
	}
	return append(make([]T, 0, n), s...)
}

// shared is the lane of all events whose threads are more than are told apart.
func (c *chromeReader) shared(k chromeLane) chromeLane {
	if !c.crowded {
		c.crowded = true
		c.t.find(Finding{Code: "too-many-ops", Severity: Warning, Message: fmt.Sprintf("more than %d threads; the events of the rest share one track", maxTracks)})
	}
	return chromeLane{pid: beyondPid, class: k.class}
}

// beyondPid is no process of a file.
const beyondPid = firstName + 1
