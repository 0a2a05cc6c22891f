// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"cmp"
	"math"
	"slices"
	"sort"
	"strconv"

	"github.com/layerscope/layerscope/trace"
)

// A step is an interval whose ops form one sample. On each device it has its
// own bounds, since device clocks differ.
type step struct {
	number int64
	k      int // how many steps of the same number came before
	name   string
	spans  map[int32]span // by device, or anyDevice: all of them, on the host clock
}

const anyDevice int32 = -1

type span struct{ start, end Time }

// Sources of steps that mark both ends of them.
const (
	annotation = "annotation"
	stepsLine  = "steps-line"
)

// gatherExecutions sorts program executions by device and finds the main
// program: the one with most op time.
func (s *study) gatherExecutions() {
	s.execs = make([][]trace.Execution, len(s.t.Devices))
	for all := s.t.Executions; len(all) > 0; {
		d, n := all[0].Device, 1
		for n < len(all) && all[n].Device == d {
			n++
		}
		if d >= 0 && s.tracksOn[d] != nil {
			for i := range all[:n] {
				if p := all[i].Program; p >= 0 {
					s.programs[p].runs++
				}
			}
			if s.execs[d] == nil { // nearly always: a part of the trace's list, in order
				s.execs[d] = all[:n:n]
			} else {
				s.execs[d] = append(s.execs[d], all[:n]...)
			}
		}
		all = all[n:]
	}
	byStart := func(a, b trace.Execution) int { return cmp.Compare(a.Start, b.Start) }
	for d, list := range s.execs {
		if !slices.IsSortedFunc(list, byStart) {
			s.execs[d] = slices.Clone(list)
			slices.SortFunc(s.execs[d], byStart)
		}
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
		s.out.Capture.StepSource = stepsLine
	} else if cpu || gpu {
		if s.annotatedSteps(); len(s.steps) > 0 {
			s.out.Capture.StepSource = annotation
		}
	}
	if len(s.steps) == 0 {
		if main := s.mainProgram(); main >= 0 && s.executionSteps(s.t.Programs[main].Name) {
			s.out.Capture.StepSource = "executions of " + s.t.Programs[main].Name
		}
	}
	s.out.Capture.StepCount = len(s.steps)
}

// put gives a step its bounds on a device, which those who only count steps don't
// need.
func (s *study) put(st *step, device int32, sp span) {
	if s.opts.OpsOnly {
		return
	}
	if st.spans == nil {
		st.spans = make(map[int32]span)
	}
	st.spans[device] = sp
}

// A stepKey tells steps apart: the k-th of a number, since numbers may repeat. What
// has the same key on several devices or hosts is one step.
type stepKey struct {
	number int64
	k      int
}

// A stepCollector gathers marks by key.
type stepCollector struct {
	s    *study
	at   map[stepKey]int
	seen map[stepPlace]int // marks of one number so far
}

type stepPlace struct {
	device int
	host   string
	number int64
}

func (s *study) stepCollector() *stepCollector {
	return &stepCollector{s: s, at: make(map[stepKey]int), seen: make(map[stepPlace]int)}
}

// step returns the step of a mark.
func (c *stepCollector) step(m *trace.Step) *step {
	place := stepPlace{m.Device, m.Host, m.Number}
	key := stepKey{m.Number, c.seen[place]}
	c.seen[place]++
	i, ok := c.at[key]
	if !ok {
		i = len(c.s.steps)
		c.at[key] = i
		c.s.steps = append(c.s.steps, step{number: m.Number, k: key.k, name: m.Name})
	}
	return &c.s.steps[i]
}

// deviceSteps takes the marks of the devices' Steps lines. Their order is that of
// their numbers, since times of different devices don't compare.
func (s *study) deviceSteps() {
	c := s.stepCollector()
	for i := range s.t.Steps {
		if m := &s.t.Steps[i]; m.Device >= 0 && s.tracksOn[m.Device] != nil {
			s.put(c.step(m), int32(m.Device), span{m.Start, m.Start.Add(m.Dur)})
		}
	}
	slices.SortStableFunc(s.steps, func(a, b step) int {
		return cmp.Or(cmp.Compare(a.k, b.k), cmp.Compare(a.number, b.number))
	})
}

// annotatedSteps takes the hosts' marks. Each holds for the devices of its host:
// hosts have clocks of their own.
func (s *study) annotatedSteps() {
	hosts := make(map[string][]int32)
	for _, d := range s.devices {
		hosts[s.t.Devices[d].Host] = append(hosts[s.t.Devices[d].Host], int32(d))
	}
	c := s.stepCollector()
	for i := range s.t.Steps {
		m := &s.t.Steps[i]
		if m.Device >= 0 {
			continue
		}
		sp := span{m.Start, m.Start.Add(m.Dur)}
		if len(s.t.Hosts) <= 1 || m.Host == "" {
			s.put(c.step(m), anyDevice, sp)
			continue
		}
		if devices := hosts[m.Host]; len(devices) > 0 {
			st := c.step(m)
			for _, d := range devices {
				s.put(st, d, sp)
			}
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
				s.steps = append(s.steps, step{number: int64(k), name: program + " " + strconv.Itoa(k)})
			}
			if k > 0 {
				if prev, ok := s.steps[k-1].spans[int32(d)]; ok {
					prev.end = e.Start
					s.put(&s.steps[k-1], int32(d), prev)
				}
			}
			s.put(&s.steps[k], int32(d), span{e.Start, forever})
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

// stepsOn returns a finder for one track of a device.
func (s *study) stepsOn(device int) *stepFinder {
	if s.finders == nil {
		s.finders = make(map[int]*stepFinder)
	}
	if s.finders[device] == nil {
		s.finders[device] = s.finder(device)
	}
	f := *s.finders[device]
	return &f
}

// finder returns the finder of a device. Where marks overlap (dispatch threads side
// by side) an instant belongs to the step that began last.
func (s *study) finder(device int) *stepFinder {
	type mark struct {
		span
		index int32
	}
	var marks []mark
	for i := range s.steps {
		sp, ok := s.steps[i].spans[int32(device)]
		if !ok {
			sp, ok = s.steps[i].spans[anyDevice]
		}
		if ok {
			marks = append(marks, mark{sp, int32(i)})
		}
	}
	slices.SortStableFunc(marks, func(a, b mark) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end))
	})
	f := &stepFinder{}
	now := Time(math.MinInt64)
	until := func(end Time, index int32) {
		if end > now {
			f.starts, f.ends, f.index = append(f.starts, now), append(f.ends, end), append(f.index, index)
			now = end
		}
	}
	var open []mark
	for _, m := range marks {
		for n := len(open); n > 0 && open[n-1].end <= m.start; n = len(open) {
			until(open[n-1].end, open[n-1].index)
			open = open[:n-1]
		}
		if n := len(open); n > 0 {
			until(m.start, open[n-1].index)
		}
		now = m.start
		open = append(open, m)
	}
	for n := len(open); n > 0; n = len(open) {
		until(open[n-1].end, open[n-1].index)
		open = open[:n-1]
	}
	return f
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

// overlaps finds the spans that overlap one, in less than a look at each.
type overlaps struct {
	spans []span
	index []int
	last  []Time // largest end up to here
}

func (o *overlaps) add(sp span, index int) {
	o.spans, o.index = append(o.spans, sp), append(o.index, index)
}

func (o *overlaps) Len() int           { return len(o.spans) }
func (o *overlaps) Less(i, j int) bool { return o.spans[i].start < o.spans[j].start }
func (o *overlaps) Swap(i, j int) {
	o.spans[i], o.spans[j] = o.spans[j], o.spans[i]
	o.index[i], o.index[j] = o.index[j], o.index[i]
}

func (o *overlaps) sort() {
	sort.Stable(o)
	o.last = make([]Time, len(o.spans))
	last := Time(math.MinInt64)
	for i, sp := range o.spans {
		last = max(last, sp.end)
		o.last[i] = last
	}
}

// each calls f with the index of every span that overlaps sp.
func (o *overlaps) each(sp span, f func(index int)) {
	n := sort.Search(len(o.spans), func(i int) bool { return o.spans[i].start >= sp.end })
	for i := n - 1; i >= 0 && o.last[i] > sp.start; i-- {
		if o.spans[i].end > sp.start {
			f(o.index[i])
		}
	}
}

// maxCells bounds rows × steps, and maxStepTracks steps × tracks: sums are kept for
// each. Real captures have a hundred rows and thousands of steps.
const (
	maxCells      = 1 << 23
	maxStepTracks = 1 << 28
)

// limitSteps drops steps beyond what sums can be kept for.
func (s *study) limitSteps() {
	limit := min(maxCells/(len(s.rows)+1), maxStepTracks/max(1, len(s.tracks)))
	if n := len(s.steps); n > limit {
		s.find("too-many-steps", trace.Warning, int64(n-limit), "sums over the capture have all of its time; capture a shorter window for samples of all steps",
			"%d steps of %d rows: samples are of the first %d", n, len(s.rows), limit)
		s.steps = s.steps[:limit]
	}
}
