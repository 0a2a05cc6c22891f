// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/trace"
)

// A seqOp is one event in the order of execution.
type seqOp struct {
	op    trace.OpID
	start Time
	dur   Duration
}

// maxSequence bounds the events of one execution, and of a capture without any that
// is taken for one.
const maxSequence = 1 << 20

// A window is the execution whose order of ops is looked at.
type window struct {
	device int // −1 = not known
	span
	out []seqOp
}

// sequence returns the events of one execution of the program on one device, by
// start; none if there are more than can be one execution. It takes the second
// execution where there is one, since the first may have begun before the capture.
// Without executions it is the whole capture, or none if too few ops run once in it
// for an order to be learnt.
//
// All programs' are read in one pass: a service has hundreds, one for each shape.
func (s *study) sequence(p *programFacts) ([]seqOp, error) {
	if s.windows == nil {
		s.openWindows()
		if err := s.fillWindows(); err != nil {
			return nil, err
		}
	}
	return s.windows[p.index+1].out, nil
}

// openWindows chooses the execution of each program that may need one.
func (s *study) openWindows() {
	s.windows = make([]window, len(s.programs)) // by program index, shifted by one
	chosen := make([]int, len(s.windows))       // executions looked at
	for i := range s.windows {
		s.windows[i] = window{-1, span{math.MinInt64, math.MaxInt64}, nil}
	}
	for _, d := range s.devices {
		for _, e := range s.execs[d] {
			w := &s.windows[e.Program+1]
			if e.Program < 0 || chosen[e.Program+1] >= 2 || w.device >= 0 && w.device != d {
				continue
			}
			chosen[e.Program+1]++
			w.device, w.span = d, span{e.Start, e.Start.Add(e.Dur)}
		}
	}
	once := make(map[int][]int32) // by device
	for i := range s.programs {
		p := &s.programs[i]
		w := &s.windows[p.index+1]
		if w.device >= 0 || len(p.ops) == 0 {
			continue
		}
		if w.device = int(s.ops[p.ops[0]].device); w.device < 0 { // several
			w.device = s.devices[0]
		}
		if once[w.device] == nil {
			once[w.device] = s.onceOn(w.device)
		}
		if once[w.device][p.index+1] < minLayers*minVariety {
			w.span = span{} // the whole capture is not worth keeping
		}
	}
}

// onceOn counts, for each program, its ops that ran once on a device; by program
// index, shifted by one.
func (s *study) onceOn(device int) []int32 {
	count := make([]int64, len(s.ops))
	for _, i := range s.tracksOn[device] {
		for k := range s.tallies[i].ops {
			t := &s.tallies[i].ops[k]
			count[t.op] += t.count
		}
	}
	n := make([]int32, len(s.programs))
	for id, c := range count {
		if c == 1 {
			n[s.program(trace.OpID(id)).index+1]++
		}
	}
	return n
}

// fillWindows collects the events of all windows.
func (s *study) fillWindows() error {
	index := make([]int32, len(s.ops)) // of the op's window; −1 = none
	some := false
	for id := range index {
		index[id] = -1
		if p := s.program(trace.OpID(id)); s.ops[id].count > 0 && p.heavy {
			if w := &s.windows[p.index+1]; w.start < w.end {
				index[id], some = int32(p.index+1), true
			}
		}
	}
	if !some {
		return nil
	}
	for _, tr := range s.tracks {
		for b, err := range tr.Batches() {
			if err != nil {
				return err
			}
			if b.Self != nil {
				continue
			}
			for i, op := range b.Op {
				if index[op] < 0 {
					continue
				}
				w := &s.windows[index[op]]
				if t := b.Start[i]; tr.Device == w.device && t >= w.start && t < w.end && len(w.out) <= maxSequence {
					w.out = append(w.out, seqOp{op, t, b.Dur[i]})
				}
			}
		}
	}
	for i := range s.windows {
		w := &s.windows[i]
		if len(w.out) > maxSequence {
			w.out = nil
		}
		slices.SortStableFunc(w.out, func(a, b seqOp) int { return cmp.Compare(a.start, b.start) })
	}
	return nil
}

// signature names what an op does rather than which one it is: category and
// scope with all numbers blanked, so that the same op of another layer has the
// same signature. Ops without a scope are known by their name without suffix.
func (s *study) signature(id trace.OpID) string {
	op := &s.t.Ops[id]
	sc := &s.ops[id].scope
	if sc.raw == "" {
		return op.Category + "|" + baseName(op.Name)
	}
	return op.Category + "|" + blankNumbers(sc.raw)
}

// baseName cuts the numeric suffixes of an HLO name: "fusion.3.1" → "fusion".
func baseName(name string) string {
	for {
		i := strings.LastIndexByte(name, '.')
		if i <= 0 || !isNumber(name[i+1:]) {
			return name
		}
		name = name[:i]
	}
}

// blankNumbers replaces each run of digits by '#'.
func blankNumbers(s string) string {
	if !strings.ContainsAny(s, "0123456789") {
		return s
	}
	var b strings.Builder
	in := false
	for i := 0; i < len(s); i++ {
		digit := s[i] >= '0' && s[i] <= '9'
		switch {
		case digit && !in:
			b.WriteByte('#')
		case !digit:
			b.WriteByte(s[i])
		}
		in = digit
	}
	return b.String()
}

// asyncCategory says whether an op only starts or awaits a transfer: it has no
// place of its own in the order of a model's work.
func asyncCategory(category string) bool {
	return strings.HasSuffix(category, "-start") || strings.HasSuffix(category, "-done")
}
