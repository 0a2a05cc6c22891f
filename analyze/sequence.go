// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"cmp"
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

// sequence returns the events of one execution of the program on one device, by
// start. It takes the second execution where there is one, since the first may
// have begun before the capture. Without executions it is the whole capture.
func (s *study) sequence(p *programFacts) ([]seqOp, error) {
	device, lo, hi := -1, Time(-1<<63), Time(1<<63-1)
	for _, d := range s.devices {
		var runs []trace.Execution
		for _, e := range s.execs[d] {
			if e.Program == p.index {
				runs = append(runs, e)
			}
		}
		if len(runs) > 0 {
			e := runs[min(1, len(runs)-1)]
			device, lo, hi = d, e.Start, e.Start.Add(e.Dur)
			break
		}
	}
	var out []seqOp
	for _, tr := range s.tracks {
		if device < 0 {
			device = tr.Device
		}
		if tr.Device != device {
			continue
		}
		for b, err := range tr.Batches() {
			if err != nil {
				return nil, err
			}
			if b.Self != nil {
				continue
			}
			for i, op := range b.Op {
				if t := b.Start[i]; t >= lo && t < hi && p.seen[op] {
					out = append(out, seqOp{op, t, b.Dur[i]})
				}
			}
			if n := b.Len(); n > 0 && b.Start[0] > hi {
				break
			}
		}
	}
	slices.SortStableFunc(out, func(a, b seqOp) int { return cmp.Compare(a.start, b.start) })
	return out, nil
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
