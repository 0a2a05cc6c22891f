// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/layerscope/layerscope/trace/internal/perfetto"
)

// finish sorts and pairs the events of the lanes, and makes tracks of them.
func (x *perfettoReader) finish() {
	x.resolve()
	x.report()
	if x.own != nil {
		x.own.finish(x)
		x.zero = x.own.shift
	} else {
		x.zero = x.base()
		if unix, ok := x.rd.Origin(); ok && x.t.Origin == 0 {
			x.t.Origin = unix + x.zero
		}
		x.t.Hosts = appendNew(x.t.Hosts, x.host)
	}
	for _, ln := range x.lanes {
		x.open += ln.finish(x.zero, x.last)
		x.stray += ln.stray
	}
	if x.open > 0 {
		x.t.find(Finding{Code: "slices-open", Severity: Warning, Count: x.open, Message: "slices had not ended when the trace did; they last to its end"})
	}
	if x.stray > 0 {
		x.t.find(Finding{Code: "slices-unopened", Severity: Info, Count: x.stray, Message: "ends of slices that began before the trace, or never; left out"})
	}
	x.makeTracks()
	x.connectFlows()
}

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// resolve gives pending events their times, in their order.
func (x *perfettoReader) resolve() {
	lost := int64(0)
	for _, p := range x.pending {
		l := p.lane.log
		t, ok := x.rd.Resolve(p.clock, l.ns[p.i])
		if !ok {
			lost++
			l.what[p.i] = whatGone
			continue
		}
		l.ns[p.i] = t
		x.last = max(x.last, t)
	}
	for _, ln := range x.lanes {
		ln.timed()
	}
	if lost > 0 {
		x.t.find(Finding{Code: "clock-unknown", Severity: Warning, Count: lost, Message: "events of a clock that no snapshot in the file relates to the trace's; left out"})
	}
}

// longest is what fits int64 picoseconds.
const longest = math.MaxInt64 / 1000

// base is the time that is Time 0: the earliest of the trace.
func (x *perfettoReader) base() int64 {
	base := int64(math.MaxInt64)
	for _, ln := range x.lanes {
		if ns, ok := ln.begin(); ok && ns < base {
			base = ns
		}
	}
	if base == math.MaxInt64 {
		return 0
	}
	return base
}

// report turns the problems of the file into findings.
func (x *perfettoReader) report() {
	for _, p := range x.rd.Problems() {
		f := Finding{Code: "damaged", Severity: Warning, Count: p.Count, Message: fmt.Sprintf("offset 0x%x: %s", p.Offset, p.Msg), Hint: "what could not be read was left out and counted"}
		switch p.Code {
		case perfetto.Truncated:
			f.Code, f.Severity, f.Hint = "truncated", Error, "all whole packets were kept; copy the file again, or capture less"
		case perfetto.Garbage:
			f.Hint = "Perfetto reads such files without a word"
		case perfetto.Lost, perfetto.NeedsState:
			f.Code, f.Severity, f.Hint = "packets-lost", Error, "what was lost cannot be known: larger buffers, or a shorter capture"
		case perfetto.Unknown:
			f.Code, f.Hint = "packets-lost", "their definitions were lost"
		case perfetto.NamesFull:
			f.Code, f.Hint = "too-many-ops", ""
		}
		x.t.find(f)
	}
	if zlib, zstd := x.rd.Bundles(); zlib > 0 && zstd > 0 {
		x.t.find(Finding{Code: "damaged", Severity: Info, Count: zlib + zstd, Message: "compressed packets of both kinds in one trace: all were read, Perfetto refuses such files"})
	}
	if st := x.lossy; st.Lossy() {
		f := Finding{Code: "packets-lost", Severity: Error, Hint: "a larger buffer in the trace's configuration, or a shorter capture"}
		f.Message = fmt.Sprintf("the recording lost data: %d chunks overwritten, %d discarded, %d packets not committed, %d unreadable", st.Overwritten, st.Discarded, st.PacketLoss, st.Invalid)
		if st.FlushFailed {
			f.Message += "; its last flush failed"
		}
		x.t.find(f)
	}
	if fields := x.rd.Undecoded(); len(fields) > 0 {
		total := int64(0)
		nums := make([]int, 0, len(fields))
		for num, n := range fields {
			nums = append(nums, num)
			total += n
		}
		sort.Ints(nums)
		x.t.find(Finding{Code: "not-decoded", Severity: Info, Count: total, Message: fmt.Sprintf("packets of kinds that hold no track events: fields %v", nums)})
	}
	if x.phases > 0 {
		x.t.find(Finding{Code: "not-decoded", Severity: Info, Count: x.phases, Message: "events of old phases that are no slices: counters, objects, contexts, samples"})
	}
	if x.stages > 0 {
		x.t.find(Finding{Code: "gpu-stages", Severity: Info, Count: x.stages, Message: "GPU render stages are listed as tracks of their queues; they are no operations of a program"})
	}
}
