// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/layerscope/layerscope/trace/internal/chromejson"
)

// A torchReader collects what PyTorch's profiler (Kineto) says beyond plain
// events: which host call launched each kernel, and which modules, annotations
// and operators that call was in.
type torchReader struct {
	kinds     []torchKind      // by op; the rest have none
	launches  map[int64]launch // by correlation
	externals map[int64]launch // operators, by external id
	flows     map[int64]launch // by flow id
	kernels   []torchKernel
	index     map[string]OpID // of kernels, by category and name
	steps     map[torchStep]Step
	gpus      map[int64]int // device of a process
}

// A torchKind says what an event of a host thread adds to the scope of the
// kernels launched in it.
type torchKind uint8

const (
	torchModule     torchKind = iota + 1 // a call of an nn.Module
	torchOperator                        // aten::mm
	torchAnnotation                      // record_function
)

// A launch is a call on a host thread that put work on a stream.
type launch struct {
	ln *lane
	at Time
}

type torchKernel struct{ name, category string }

type torchStep struct {
	pid    int64
	number int64
}

// A link names the launch of a kernel: by correlation, by external id; 0 = none.
type link struct{ correlation, external int64 }

// torchClass tells the lanes of a GPU's streams from those of host threads,
// which may have the same numbers.
func torchClass(cat []byte) laneClass {
	switch string(cat) {
	case "kernel", "gpu_memcpy", "gpu_memset", "concurrent_kernel":
		return kernelLane
	case "gpu_user_annotation", "Trace":
		return annotationLane
	}
	return plainLane
}

const (
	modulePrefix = "nn.Module: "
	stepPrefix   = "ProfilerStep#"
)

// note keeps what kind of event an op of the host stands for.
func (tr *torchReader) note(id OpID, ev *chromejson.Event) {
	var k torchKind
	switch string(ev.Cat) {
	case "python_function":
		if bytes.HasPrefix(ev.Name, []byte(modulePrefix)) {
			k = torchModule
		}
	case "cpu_op":
		k = torchOperator
	case "user_annotation":
		if !bytes.HasPrefix(ev.Name, []byte(stepPrefix)) {
			k = torchAnnotation
		}
	}
	if k != 0 {
		tr.kinds = pad(tr.kinds, int(id)+1)
		tr.kinds[id] = k
	}
}

// kind returns what kind of event an op of the host stands for; 0 = none of these.
func (tr *torchReader) kind(id OpID) torchKind {
	if int(id) < len(tr.kinds) {
		return tr.kinds[id]
	}
	return 0
}

// launch notes calls that kernels refer to, and marks of steps.
func (c *chromeReader) launch(ln *lane, ev *chromejson.Event) {
	tr := &c.torch
	if ln.class == annotationLane && bytes.HasPrefix(ev.Name, []byte("PyTorch Profiler")) {
		c.t.Wall = max(c.t.Wall, Duration(ev.Dur))
	}
	if bytes.HasPrefix(ev.Name, []byte(stepPrefix)) {
		c.torchStep(ln, ev)
	}
	if ln.class != plainLane {
		return
	}
	if v := ev.Want(argCorrelation); v != nil {
		keep(&tr.launches, v, launch{ln, Time(ev.Ts)})
	} else if v := ev.Want(argExternal); v != nil && string(ev.Cat) == "cpu_op" {
		keep(&tr.externals, v, launch{ln, Time(ev.Ts)})
	}
}

// keep notes the first launch of an id.
func keep(m *map[int64]launch, id chromejson.Value, l launch) {
	n, ok := id.Int()
	if !ok || n == 0 {
		return
	}
	if *m == nil {
		*m = make(map[int64]launch)
	}
	if _, ok := (*m)[n]; !ok {
		(*m)[n] = l
	}
}

func isLaunchFlow(cat []byte) bool {
	return string(cat) == "ac2g" || string(cat) == "async_cpu_to_gpu"
}

// launchFlow notes the start of an arrow to a kernel: its id is the correlation.
func (c *chromeReader) launchFlow(ev *chromejson.Event) {
	if id, ok := ev.Field("id"); ok {
		keep(&c.torch.flows, id, launch{c.laneOf(c.thread(ev)), Time(ev.Ts)})
	}
}

// torchStep takes ProfilerStep#N: on a host thread, and what it covers on each
// stream of a GPU.
func (c *chromeReader) torchStep(ln *lane, ev *chromejson.Event) {
	number, err := strconv.ParseInt(string(ev.Name[len(stepPrefix):]), 10, 64)
	if err != nil {
		return
	}
	s := Step{Number: number, Name: c.unquote(ev.Name), Device: -1, Start: Time(ev.Ts), Dur: Duration(ev.Dur)}
	if ln.class != annotationLane {
		c.t.Steps = append(c.t.Steps, s)
		return
	}
	if c.torch.steps == nil {
		c.torch.steps = make(map[torchStep]Step)
	}
	k := torchStep{ln.pid, number}
	if old, ok := c.torch.steps[k]; ok {
		end := max(old.Start.Add(old.Dur), s.Start.Add(s.Dur))
		s.Start = min(s.Start, old.Start)
		s.Dur = end.Sub(s.Start)
	}
	c.torch.steps[k] = s
}

// kernel adds an event of a stream. Its op stands for the kernel alone until
// finishTorch knows what launched it.
func (c *chromeReader) kernel(ln *lane, ev *chromejson.Event) {
	tr := &c.torch
	key := append(append(c.key[:0], ev.Cat...), 0)
	key = append(key, ev.Name...)
	c.key = key
	id, ok := tr.index[string(key)]
	if !ok {
		if tr.index == nil {
			tr.index = make(map[string]OpID)
		}
		id = OpID(len(tr.kernels))
		tr.index[string(key)] = id
		category := strings.TrimPrefix(string(ev.Cat), "gpu_")
		tr.kernels = append(tr.kernels, torchKernel{c.unquote(ev.Name), category})
	}
	var l link
	if v := ev.Want(argCorrelation); v != nil {
		l.correlation, _ = v.Int()
	}
	if v := ev.Want(argExternal); v != nil {
		l.external, _ = v.Int()
	}
	ln.add(id, Time(ev.Ts), Duration(ev.Dur))
	ln.links = append(ln.links, l)
}

// memory takes PyTorch's allocator events.
func (c *chromeReader) memory(ev *chromejson.Event) bool {
	var n [6]int64
	for i := range n {
		if v := ev.Want(argMemory + i); v != nil {
			n[i], _ = v.Int()
		} else if i < 3 {
			return false
		}
	}
	a := Alloc{Allocator: "cpu", Host: c.host, Time: Time(ev.Ts), InLine: Duration(ev.Ts), Free: n[0] < 0, Bytes: max(n[0], -n[0]), Addr: uint64(n[1]), Step: -1}
	a.Requested = a.Bytes
	if n[2] != 0 {
		a.Allocator = fmt.Sprintf("gpu:%d", n[3])
	}
	a.Allocated, a.Available = n[4], max(0, n[5]-n[4])
	c.t.Allocs = append(c.t.Allocs, a)
	return true
}

// base returns what Kineto's times are relative to, in nanoseconds.
func (c *chromeReader) base(rd *chromejson.Reader) int64 {
	v, ok := rd.Member("baseTimeNanoseconds")
	if !ok {
		return 0
	}
	n, _ := v.Int()
	return n
}

// torchFacts are members of Kineto's document worth keeping. Its "metadata" is
// not: users put whole environments there, with their secrets.
var torchFacts = []string{
	"schemaVersion", "traceName", "cuda_runtime_version", "cuda_driver_version", "cupti_version", "hip_runtime_version", "hip_driver_version",
	"roctracer_version", "with_flops", "with_modules", "with_stack", "record_shapes", "profile_memory",
}

// torchDevices adds the GPUs: the processes that have streams.
func (c *chromeReader) torchDevices() {
	gpus := make(map[int64]int)
	for _, ln := range c.order {
		if ln.class == kernelLane {
			gpus[ln.pid] = -1
		}
	}
	props, _ := c.rd.Member("deviceProperties")
	for _, pid := range slices.Sorted(maps.Keys(gpus)) {
		gpus[pid] = len(c.t.Devices)
		d := Device{Name: fmt.Sprintf("/device:GPU:%d", pid), Host: c.host, Kind: "gpu", Ordinal: int(pid)}
		for p := range props.Elems() {
			id, _ := p.Lookup("id")
			if n, ok := id.Int(); ok && n == pid {
				name, _ := p.Lookup("name")
				mem, _ := p.Lookup("totalGlobalMem")
				d.Type = string(name.AppendText(nil))
				d.Memory, _ = mem.Int()
			}
		}
		c.t.Devices = append(c.t.Devices, d)
	}
	c.torch.gpus = gpus
	for _, key := range torchFacts {
		if v, ok := c.rd.Member(key); ok && len(v) < 200 && key != "traceName" {
			c.t.Metadata[key] = string(v.AppendText(nil))
		}
	}
	var list []torchStep
	for k := range c.torch.steps {
		list = append(list, k)
	}
	slices.SortFunc(list, func(a, b torchStep) int { return cmp.Or(cmp.Compare(a.pid, b.pid), cmp.Compare(a.number, b.number)) })
	for _, k := range list {
		if d, ok := gpus[k.pid]; ok {
			s := c.torch.steps[k]
			s.Device = d
			c.t.Steps = append(c.t.Steps, s)
		}
	}
}
