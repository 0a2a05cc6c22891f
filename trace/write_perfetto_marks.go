// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"slices"
	"sort"
	"strconv"

	"github.com/layerscope/layerscope/trace/internal/perfetto"
)

// A flowKey is an execution by its device and start.
type flowKey struct {
	device int
	start  Time
}

// maxFlows bounds the flows that one step begins.
const maxFlows = 64

// marks writes steps and program executions that are no tracks of their own, and
// flows from each step on the host to the programs that ran in it.
func (p *perfettoWriter) marks() {
	p.flows = map[flowKey]uint64{}
	begun := p.flowsOfSteps()
	has := func(device int, kind Kind) bool {
		return slices.ContainsFunc(p.t.Tracks, func(tr *Track) bool { return tr.Device == device && tr.Kind == kind })
	}
	for d := -1; d < len(p.t.Devices); d++ {
		if d >= 0 && has(d, StepLine) {
			continue
		}
		p.markTrack(d, "steps", 0, func(yield func(i int, name string, start Time, dur Duration)) {
			for i, s := range p.t.Steps {
				if s.Device == d {
					yield(i, firstOf(s.Name, "step")+" "+strconv.FormatInt(s.Number, 10), s.Start, s.Dur)
				}
			}
		}, func(i int) {
			for _, id := range begun[i] {
				p.w.Flow(id)
			}
		})
	}
	for d := range p.t.Devices {
		if has(d, Modules) {
			continue
		}
		p.markTrack(d, "programs", 1, func(yield func(i int, name string, start Time, dur Duration)) {
			for i, e := range p.t.Executions {
				if e.Device == d {
					yield(i, p.programName(e.Program), e.Start, e.Dur)
				}
			}
		}, func(i int) {
			if id := p.flows[flowKey{d, p.t.Executions[i].Start}]; id != 0 {
				p.w.EndFlow(id)
			}
		})
	}
}

func (p *perfettoWriter) programName(i int) string {
	if i < 0 || i >= len(p.t.Programs) {
		return "program"
	}
	return p.t.Programs[i].Name
}

// markTrack writes a derived track from a list of marks, in order of time.
func (p *perfettoWriter) markTrack(device int, name string, rank int, list func(func(i int, name string, start Time, dur Duration)), flows func(i int)) {
	type mark struct {
		i     int
		name  string
		start Time
		dur   Duration
	}
	var marks []mark
	list(func(i int, name string, start Time, dur Duration) {
		marks = append(marks, mark{i, name, start, max(0, dur)})
	})
	if len(marks) == 0 {
		return
	}
	slices.SortStableFunc(marks, func(a, b mark) int {
		if a.start != b.start {
			return compareInt(int64(a.start), int64(b.start))
		}
		return compareInt(int64(b.dur), int64(a.dur))
	})
	uuid := p.newUUID()
	p.w.Describe(perfetto.TrackSpec{UUID: uuid, Parent: p.process(device, ""), Name: name, Rank: rank, Ordered: true, Apart: true})
	p.w.Default(uuid)
	p.lane.begin(p, uuid, name)
	for _, m := range marks {
		p.lane.place(m.start, m.dur)
		p.w.Name(p.w.Intern(perfetto.Names, m.name))
		flows(m.i)
		p.w.Finish()
	}
	p.lane.end()
}

// flowsOfSteps gives each execution the flow of the host step that it ran in: the
// one around its start, or on a TPU, whose clock is another, the one with the
// number of the device's step around it. It returns the flows by step.
func (p *perfettoWriter) flowsOfSteps() map[int][]uint64 {
	begun, onHost := map[int][]uint64{}, map[int64]int{}
	for i, s := range p.t.Steps {
		if _, ok := onHost[s.Number]; !ok && s.Device < 0 {
			onHost[s.Number] = i
		}
	}
	for i, e := range p.t.Executions {
		if e.Device < 0 || e.Device >= len(p.t.Devices) {
			continue
		}
		step := -1
		if p.t.Devices[e.Device].Kind == "tpu" {
			if k := p.stepAt(e.Device, e.Start); k >= 0 {
				if at, ok := onHost[p.t.Steps[k].Number]; ok {
					step = at
				}
			}
		} else {
			step = p.stepAt(-1, e.Start)
		}
		if step < 0 || len(begun[step]) >= maxFlows {
			continue
		}
		id := uint64(i + 1)
		begun[step] = append(begun[step], id)
		p.flows[flowKey{e.Device, e.Start}] = id
	}
	return begun
}

// stepAt returns the step of a device, or of the host, that t lies in.
func (p *perfettoWriter) stepAt(device int, t Time) int {
	if p.steps == nil {
		p.steps = map[int][]int{}
		for i, s := range p.t.Steps {
			p.steps[s.Device] = append(p.steps[s.Device], i)
		}
		for _, list := range p.steps {
			slices.SortStableFunc(list, func(a, b int) int { return compareInt(int64(p.t.Steps[a].Start), int64(p.t.Steps[b].Start)) })
		}
	}
	list := p.steps[device]
	n := sort.Search(len(list), func(i int) bool { return p.t.Steps[list[i]].Start > t })
	if n == 0 {
		return -1
	}
	if s := p.t.Steps[list[n-1]]; t >= s.Start.Add(s.Dur) {
		return -1
	}
	return list[n-1]
}

// trackFlows returns the flows that end in the events of a track, by start.
func (p *perfettoWriter) trackFlows(tr *Track) map[Time]uint64 {
	if tr.Kind != Modules {
		return nil
	}
	ends := map[Time]uint64{}
	for k, id := range p.flows {
		if k.device == tr.Device {
			ends[k.start] = id
		}
	}
	return ends
}
