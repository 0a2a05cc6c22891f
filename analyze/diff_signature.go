// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"fmt"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/trace/hlo"
)

// smallProgram is the share of op time below which a program does not make a
// step another kind of step.
const smallProgram = 0.01

// signSteps fills in Step.Signature: which programs ran in the step, by base name
// and the integer arguments of their entry (token ids, lengths: the shape
// bucket). Program ids are no part of it: they are another thing in each file.
func (s *study) signSteps() {
	var all Duration
	names := make(map[string]int)
	for i := range s.t.Programs {
		all += s.programs[i].opTime
		if s.programs[i].runs > 0 {
			names[s.t.Programs[i].Name]++
		}
	}
	labels := make([]string, len(s.t.Programs))
	for i := range s.t.Programs {
		p := &s.programs[i]
		if float64(p.opTime) < smallProgram*float64(all) {
			continue
		}
		labels[i] = p.Name
		switch shapes := bucketShapes(p.Module); {
		case shapes != "":
			labels[i] += "(" + shapes + ")"
		case names[p.Name] > 1:
			labels[i] += fmt.Sprintf("(%d ops)", len(p.ops))
		}
	}
	ran := make([][]string, len(s.out.Steps))
	for d, list := range s.execs {
		f := s.finder(d)
		for _, e := range list {
			if e.Program < 0 || labels[e.Program] == "" {
				continue
			}
			if st := f.at(e.Start); st >= 0 && !slices.Contains(ran[st], labels[e.Program]) {
				ran[st] = append(ran[st], labels[e.Program])
			}
		}
	}
	for i := range ran {
		slices.Sort(ran[i])
		s.out.Steps[i].Signature = strings.Join(ran[i], " + ")
	}
}

// bucketShapes lists the integer entry parameters of a module: "s32[4,128]".
// Weights are floats, or left out as 8-bit integers when they are quantised.
func bucketShapes(m *hlo.Module) string {
	if m == nil || m.Entry == nil {
		return ""
	}
	var out []string
	for _, p := range m.Entry.Parameters() {
		if p == nil { // its number is missing in a damaged module
			continue
		}
		switch t := p.Shape.Type.String(); t {
		case "s32", "u32", "s64", "u64":
			dims := make([]string, len(p.Shape.Dims))
			for i, d := range p.Shape.Dims {
				dims[i] = fmt.Sprint(d)
			}
			if text := t + "[" + strings.Join(dims, ",") + "]"; !slices.Contains(out, text) && len(out) < 8 {
				out = append(out, text)
			}
		}
	}
	return strings.Join(out, ", ")
}
