// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"cmp"
	"slices"
	"sort"
	"strconv"

	"github.com/layerscope/layerscope/trace"
)

// A step is an interval whose ops form one sample. On each device it has its
// own bounds, since device clocks differ.
type step struct {
	number int64
	name   string
	host   string
	spans  map[int32]span // by device; device -1 = any device, on the host clock
}

type span struct{ start, end Time }

// gatherExecutions sorts program executions by device and finds the main
// program: the one with most op time.
func (s *study) gatherExecutions() {
	s.execs = make([][]trace.Execution, len(s.t.Devices))
	for _, e := range s.t.Executions {
		if slices.Contains(s.devices, e.Device) {
			s.execs[e.Device] = append(s.execs[e.Device], e)
			if e.Program >= 0 {
				s.programs[e.Program].runs++
			}
		}
	}
	for _, list := range s.execs {
		slices.SortFunc(list, func(a, b trace.Execution) int { return cmp.Compare(a.Start, b.Start) })
	}
}

// mainProgram returns the index of the program with most op time, or -1.
// Programs of one base name (one function, several shapes) count together; the
// largest of them is returned.
func (s *study) mainProgram() int {
	sum := make(map[string]Duration)
	best := -1
	for i := range s.t.Programs {
		sum[s.t.Programs[i].Name] += s.programs[i].opTime
	}
	better := func(a, b int) bool {
		if b < 0 {
			return s.programs[a].opTime > 0
		}
		na, nb := s.t.Programs[a].Name, s.t.Programs[b].Name
		if sum[na] != sum[nb] {
			return sum[na] > sum[nb]
		}
		return s.programs[a].opTime > s.programs[b].opTime
	}
	for i := range s.t.Programs {
		if better(i, best) {
			best = i
		}
	}
	return best
}

// gatherSteps picks the source of steps. A device's own Steps line comes first;
// host annotations serve devices that share the host's clock and run in step
// with it (CPU) and GPUs, which have nothing better; else each execution of the
// main program begins a step, which lasts until the next one.
func (s *study) gatherSteps() {
	s.out.Capture.StepSource = "none"
	cpu, gpu := true, false
	for _, d := range s.devices {
		cpu = cpu && s.t.Devices[d].Kind == "cpu"
		gpu = gpu || s.t.Devices[d].Kind == "gpu"
	}
	if len(s.devices) == 0 {
		cpu = false
	}
	if s.deviceSteps(); len(s.steps) > 0 {
		s.out.Capture.StepSource = "steps-line"
	} else if cpu || gpu {
		if s.annotatedSteps(); len(s.steps) > 0 {
			s.out.Capture.StepSource = "annotation"
		}
	}
	if len(s.steps) == 0 {
		if main := s.mainProgram(); main >= 0 && s.executionSteps(s.t.Programs[main].Name) {
			s.out.Capture.StepSource = "executions of " + s.t.Programs[main].Name
		}
	}
	s.out.Capture.StepCount = len(s.steps)
}

// deviceSteps takes the marks of the devices' Steps lines; the same number on
// several devices is one step.
func (s *study) deviceSteps() {
	at := make(map[int64]int)
	for _, m := range s.t.Steps {
		if m.Device < 0 || !slices.Contains(s.devices, m.Device) {
			continue
		}
		i, ok := at[m.Number]
		if ok {
			if _, twice := s.steps[i].spans[int32(m.Device)]; twice {
				ok = false
			}
		}
		if !ok {
			i = len(s.steps)
			at[m.Number] = i
			s.steps = append(s.steps, step{number: m.Number, name: m.Name, spans: map[int32]span{}})
		}
		s.steps[i].spans[int32(m.Device)] = span{m.Start, m.Start.Add(m.Dur)}
	}
}

func (s *study) annotatedSteps() {
	for _, m := range s.t.Steps {
		if m.Device < 0 {
			s.steps = append(s.steps, step{number: m.Number, name: m.Name, spans: map[int32]span{-1: {m.Start, m.Start.Add(m.Dur)}}})
		}
	}
}

// executionSteps makes the k-th execution of the program, on every device, the
// start of step k.
func (s *study) executionSteps(program string) bool {
	const forever = Time(1<<63 - 1)
	for _, d := range s.devices {
		k := 0
		for _, e := range s.execs[d] {
			if e.Program < 0 || s.t.Programs[e.Program].Name != program {
				continue
			}
			if k == len(s.steps) {
				s.steps = append(s.steps, step{number: int64(k), name: program + " " + strconv.Itoa(k), spans: map[int32]span{}})
			}
			if k > 0 {
				if prev, ok := s.steps[k-1].spans[int32(d)]; ok {
					prev.end = e.Start
					s.steps[k-1].spans[int32(d)] = prev
				}
			}
			s.steps[k].spans[int32(d)] = span{e.Start, forever}
			k++
		}
	}
	return len(s.steps) > 0
}

// A stepFinder maps an instant on one device to its step.
type stepFinder struct {
	starts, ends []Time
	index        []int32
	last         int
}

func (s *study) finder(device int) *stepFinder {
	f := &stepFinder{}
	for i := range s.steps {
		sp, ok := s.steps[i].spans[int32(device)]
		if !ok {
			if sp, ok = s.steps[i].spans[-1]; !ok {
				continue
			}
		}
		f.starts = append(f.starts, sp.start)
		f.ends = append(f.ends, sp.end)
		f.index = append(f.index, int32(i))
	}
	sort.Sort(f)
	return f
}

func (f *stepFinder) Len() int           { return len(f.starts) }
func (f *stepFinder) Less(i, j int) bool { return f.starts[i] < f.starts[j] }
func (f *stepFinder) Swap(i, j int) {
	f.starts[i], f.starts[j] = f.starts[j], f.starts[i]
	f.ends[i], f.ends[j] = f.ends[j], f.ends[i]
	f.index[i], f.index[j] = f.index[j], f.index[i]
}

// at returns the step that t lies in, or -1. Consecutive calls with near times
// are cheap.
func (f *stepFinder) at(t Time) int32 {
	n := len(f.starts)
	i := f.last
	if i >= n || f.starts[i] > t || i+1 < n && f.starts[i+1] <= t {
		i = sort.Search(n, func(k int) bool { return f.starts[k] > t }) - 1
		if i < 0 {
			return -1
		}
		f.last = i
	}
	if t < f.ends[i] {
		return f.index[i]
	}
	return -1
}
