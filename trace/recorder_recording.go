// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/trace/internal/ring"
	"github.com/layerscope/layerscope/trace/internal/tick"
)

// A Recording is what a [Recorder] took between Start and Stop. It does not
// change and may be written several times; Close removes its temporary file.
type Recording struct {
	// Metadata goes into the files that are written: versions, the model, the
	// faults that were injected.
	Metadata map[string]string

	log      *ring.Log
	scale    tick.Scale
	lanes    []laneInfo
	ops      []Op
	programs []Program
	hlo      [][]byte
	devices  []Device
	texts    []string
	start    int64 // Unix ns
	findings []Finding
}

type laneInfo struct {
	name   string
	device int
}

func (r *Recorder) recording(d *drainer) *Recording {
	r.mu.Lock()
	defer r.mu.Unlock()
	rec := &Recording{
		Metadata: maps.Clone(r.notes), log: d.log, scale: d.scale, start: d.scale.First().Unix(),
		ops: slices.Clone(r.ops), programs: slices.Clone(r.programs), hlo: slices.Clone(r.hlo), devices: slices.Clone(r.devices),
	}
	seen := make(map[string]int)
	for _, l := range r.lanes {
		seen[l.name]++
		info := laneInfo{l.name, l.device}
		if n := seen[l.name]; n > 1 {
			info.name = fmt.Sprintf("%s #%d", l.name, n)
		}
		rec.lanes = append(rec.lanes, info)
	}
	var noRoom int64
	rec.texts, noRoom = r.texts.take()
	rec.judge(d, noRoom)
	return rec
}

// judge states what the recording lacks.
func (rec *Recording) judge(d *drainer, noRoom int64) {
	for i, n := range d.lost {
		if n > 0 {
			rec.add(Finding{Code: "spans-lost", Severity: Error, Count: n,
				Message: fmt.Sprintf("%s: the ring was full", rec.lanes[i].name), Hint: "a larger RecorderOptions.Ring, or fewer spans"})
		}
		if n := d.depth[i]; n > 0 {
			rec.add(Finding{Code: "spans-open", Severity: Warning, Count: int64(n),
				Message: fmt.Sprintf("%s: spans had not ended when the recording stopped", rec.lanes[i].name), Hint: "stop after the work; what they hold is there, they are not"})
		}
	}
	if n := d.log.Lost(); n > 0 {
		rec.add(Finding{Code: "spans-lost", Severity: Error, Count: n,
			Message: fmt.Sprintf("not stored: %v", d.log.Err()), Hint: "make room in RecorderOptions.Dir"})
	}
	if noRoom > 0 {
		rec.add(Finding{Code: "texts-lost", Severity: Warning, Count: noRoom, Message: "texts of attributes had no room"})
	}
	if n := d.scale.Backwards; n > 0 {
		rec.add(Finding{Code: "clock-unsteady", Severity: Warning, Count: int64(n), Message: "a clock stood still or ran backwards", Hint: "RecorderOptions.Nanotime"})
	}
	if drift := d.scale.Drift(); drift > maxDrift {
		rec.add(Finding{Code: "clock-unsteady", Severity: Warning,
			Message: fmt.Sprintf("the processor's counter changed its rate by %.2g against the system's clock", drift), Hint: "RecorderOptions.Nanotime"})
	}
}

// maxDrift is the change of the counter's rate that is worth a finding: pairs
// are good to some 50 ns of their 10 ms.
const maxDrift = 1e-3

func (rec *Recording) add(f Finding) { rec.findings = append(rec.findings, f) }

// Findings returns what the recording lacks: lost records and unsteady clocks.
// The files that are written state it too.
func (rec *Recording) Findings() []Finding { return slices.Clone(rec.findings) }

// Records returns the number of records: spans, ops, counters, attributes.
func (rec *Recording) Records() int64 {
	n := int64(0)
	for i := range rec.lanes {
		n += rec.log.Count(i)
	}
	return n
}

// Spilled returns the bytes that went to the temporary file.
func (rec *Recording) Spilled() int64 { return rec.log.Spilled() }

// Close removes the temporary file, if there is one.
func (rec *Recording) Close() error { return rec.log.Close() }

// planeName names a device's plane.
func planeName(kind string, ordinal int) string {
	return fmt.Sprintf("/device:%s:%d", strings.ToUpper(kind), ordinal)
}
