// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"fmt"

	"github.com/layerscope/layerscope/trace"
)

// byScan takes the iterations of a loop over stacked layers as layers: ops that
// run N times in each execution of the program, where N is the count that holds
// most of the op time. The k-th run of such an op belongs to layer k. What the
// compiler moved out of the loop runs once and counts as outside, whatever its
// scope says.
func (s *study) byScan(p *programFacts) (placement, error) {
	pl := newPlacement("scan")
	if p.runs == 0 {
		return pl, nil
	}
	runs := s.runsOfOps(p)
	held, kinds := make(map[int64]Duration), make(map[int64]int)
	for _, id := range p.ops {
		o := &s.ops[id]
		if n, ok := perRun(o.count, runs[id]); ok && n >= 2 && n <= maxLoop {
			held[n] += o.self
			kinds[n]++
		}
	}
	var n int64
	for c, t := range held {
		if n == 0 || t > held[n] || t == held[n] && c < n {
			n = c
		}
	}
	if n < 2 {
		return pl, nil
	}
	if trips := tripCount(p); trips > 1 && n%trips == 0 {
		n = trips
	} else if kinds[n] < minVariety {
		return pl, nil // ops that happen to run more than once
	}
	for _, id := range p.ops {
		o := &s.ops[id]
		times, ok := perRun(o.count, runs[id])
		switch {
		case ok && times >= n && times%n == 0 && times/n <= maxLoop:
			pl.loops[id] = int32(times / n)
		case len(o.scope.parts) > 0:
			pl.outside[id] = true
		}
	}
	pl.n = int(n)
	pl.measure(s)
	pl.confidence = ratio(pl.placed, p.opTime)
	pl.why = fmt.Sprintf("ops that run %d times in each of %d executions; iteration k is layer k", n, p.runs)
	return pl, nil
}

// maxLoop is how many layers a loop may have: what runs more often is a loop over
// tokens or blocks of data.
const maxLoop = 1024

// runsOfOps returns the executions of the program on the devices that each op ran
// on: devices have ops of their own in some formats, and share them in others.
func (s *study) runsOfOps(p *programFacts) map[trace.OpID]int64 {
	out := make(map[trace.OpID]int64)
	for _, d := range s.devices {
		n := int64(0)
		for _, e := range s.execs[d] {
			if e.Program == p.index {
				n++
			}
		}
		here := make(map[trace.OpID]bool)
		for _, i := range s.tracksOn[d] {
			for k := range s.tallies[i].ops {
				if op := s.tallies[i].ops[k].op; p.seen[op] && !here[op] {
					here[op] = true
					out[op] += n
				}
			}
		}
	}
	return out
}

// perRun returns how often an op runs in an execution, if always the same.
func perRun(count, runs int64) (int64, bool) {
	if runs == 0 {
		return 0, false
	}
	return count / runs, count%runs == 0
}

// tripCount returns the trip count of the program's largest counted loop by
// instructions, or 0.
func tripCount(p *programFacts) int64 {
	if p.Module == nil {
		return 0
	}
	var trips int64
	size := 0
	for _, c := range p.Module.Computations {
		for _, in := range c.Instructions {
			if in.Opcode == "while" && in.TripCount > 1 && in.Body() != nil && len(in.Body().Instructions) > size {
				trips, size = in.TripCount, len(in.Body().Instructions)
			}
		}
	}
	return trips
}
