// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"hash/fnv"
	"sync"
	"sync/atomic"

	"github.com/layerscope/layerscope/trace/internal/ring"
	"github.com/layerscope/layerscope/trace/internal/tick"
)

// A Recorder takes spans, device operations, counters and memory events of a Go
// program while it runs, for 17 to 27 ns a span (52 to 65 without a processor's
// counter), and for a nanosecond while it is off. [Recorder.Start] switches it on
// and [Recorder.Stop] off, as often as wanted.
//
// Each goroutine that records has a [Lane] of its own and hands it on with
// care: a lane has one writer at a time. Names, ops, programs and devices are
// registered once, beforehand; the hot path carries numbers only.
//
//	var spanQKV = trace.Name("qkv_proj") // at package level
//
//	lane := rec.Lane("scorer")
//	defer lane.Release()
//	span := lane.Begin(spanQKV)
//	…
//	span.End()
//
// A device is a lane too, on which whole operations are put:
//
//	dev := rec.Device(trace.Device{Type: "CPU (layerscope)"})
//	prog := rec.Program(trace.Program{Name: "prefill_128"}, nil)
//	op := rec.Op(trace.Op{Name: "dot.3", Program: prog, FLOPs: 1 << 20,
//		Scope: "score/prefill/layer_03/attention/qkv_proj"})
//	t0 := dev.Now()
//	…
//	t1 := dev.Now() // the end of one op is the start of the next
//	dev.Op(op, t0, t1)
//	dev.Run(prog, t0, t1)
//
// All methods of a nil Recorder, a nil Lane and a zero Span do nothing.
type Recorder struct {
	gen   atomic.Uint32 // number of the recording that runs; 0 = off
	clock tick.Clock
	opts  RecorderOptions
	wake  chan struct{}

	mu       sync.Mutex
	lanes    []*Lane
	idle     map[string][]*Lane // released lanes by name
	ops      []Op
	programs []Program
	hlo      [][]byte // HloProto by program; nil = none
	devices  []Device
	last     uint32
	drain    *drainer // of the recording that runs

	notes map[string]string

	sharedMu sync.Mutex
	shared   *Lane // written under sharedMu

	texts textTable
}

// RecorderOptions steer [NewRecorder]. The zero value is good for serving.
type RecorderOptions struct {
	// Ring is the number of records that a lane holds until they are taken
	// out, every 10 ms and when half of them are used; it is rounded up to a
	// power of two. 0 means 8192 (192 KiB).
	Ring int
	// Memory is the number of bytes of packed records (8 to 12 a span) kept in
	// memory; what follows goes to a temporary file. 0 means 64 MiB.
	Memory int64
	// Dir is where that file is made; "" means the system's directory.
	Dir string
	// Nanotime reads the monotonic clock even where the processor's counter
	// could be used.
	Nanotime bool
	// RuntimeTrace makes tasks of runtime/trace of the outermost spans begun on
	// lanes, and regions of all, while a trace is taken (300 ns each). Such spans must end on the goroutine
	// that began them, in reverse order.
	RuntimeTrace bool
	// Labels sets the pprof label "span" to the path of open spans (0.2 µs
	// each), so that a CPU profile can be split by span. The same rule holds.
	Labels bool
}

// NewRecorder returns a recorder that is off.
func NewRecorder(opts RecorderOptions) *Recorder {
	if opts.Ring <= 0 {
		opts.Ring = 8192
	}
	n := 64
	for n < opts.Ring && n < 1<<24 {
		n *= 2
	}
	opts.Ring = n
	if opts.Memory <= 0 {
		opts.Memory = 64 << 20
	}
	r := &Recorder{opts: opts, idle: make(map[string][]*Lane), notes: make(map[string]string), wake: make(chan struct{}, 1)}
	if !opts.Nanotime {
		r.clock = tick.Best()
	}
	return r
}

// On says whether a recording runs.
func (r *Recorder) On() bool { return r != nil && r.gen.Load() != 0 }

// A Stamp is an instant of the recorder's clock, in its ticks.
type Stamp uint64

// Now reads the clock, whether the recorder is on or off.
func (r *Recorder) Now() Stamp {
	if r == nil {
		return 0
	}
	return Stamp(r.clock.Now())
}

// Lane returns a lane of that name for the calling goroutine: one that was
// released before, or a new one ("name", "name #2", …). A lane becomes a thread
// of the host.
func (r *Recorder) Lane(name string) *Lane {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if idle := r.idle[name]; len(idle) > 0 {
		l := idle[len(idle)-1]
		r.idle[name] = idle[:len(idle)-1]
		return l
	}
	return r.addLane(name, -1)
}

func (r *Recorder) addLane(name string, device int) *Lane {
	l := &Lane{rec: r, clock: r.clock, ring: ring.New(r.opts.Ring, r.wake), name: name, device: device}
	if device < 0 && (r.opts.RuntimeTrace || r.opts.Labels) {
		l.mirror = newMirror(r.opts)
	}
	r.lanes = append(r.lanes, l)
	return l
}

// Device returns the lane of a device: the same one for the same kind and
// ordinal. Kind "" means "cpu". One program at a time runs on a device.
func (r *Recorder) Device(d Device) *Lane {
	if r == nil {
		return nil
	}
	if d.Kind == "" {
		d.Kind = "cpu"
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.lanes {
		if l.device >= 0 && r.devices[l.device].Kind == d.Kind && r.devices[l.device].Ordinal == d.Ordinal {
			return l
		}
	}
	d.Name = planeName(d.Kind, d.Ordinal)
	r.devices = append(r.devices, d)
	return r.addLane(d.Name, len(r.devices)-1)
}

// Program registers a program and returns its index for [Op] and [Lane.Run].
// An id of 0 is made from the name. The bytes of the program's HloProto, if
// there is one, are written with the recording.
func (r *Recorder) Program(p Program, hloProto []byte) int {
	if r == nil {
		return -1
	}
	if p.ID == 0 {
		h := fnv.New64a()
		h.Write([]byte(p.Name))
		p.ID = h.Sum64()>>1 | 1 // positive as an int64 too, and not 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.programs = append(r.programs, p)
	r.hlo = append(r.hlo, hloProto)
	return len(r.programs) - 1
}

// Op registers a device operation: what is true of all its executions. Names
// should differ within a program. FLOPs and Bytes are those of one execution.
func (r *Recorder) Op(op Op) OpID {
	if r == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ops) > ring.MaxID {
		return OpID(ring.MaxID)
	}
	r.ops = append(r.ops, op)
	return OpID(len(r.ops) - 1)
}

// Note puts a key and its value into the metadata of this recording and those
// to come: the model, versions, faults that were injected.
func (r *Recorder) Note(key, value string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes[key] = value
}

// Count records the value of a counter, from any goroutine. A [Lane.Count] of
// the goroutine's own lane is quicker.
func (r *Recorder) Count(id NameID, v int64) {
	if r.On() {
		r.sharedMu.Lock()
		defer r.sharedMu.Unlock()
		r.sharedLane().Count(id, v)
	}
}

// Alloc records an allocation or the freeing of one, from any goroutine.
func (r *Recorder) Alloc(a Alloc) {
	if r.On() {
		r.sharedMu.Lock()
		defer r.sharedMu.Unlock()
		r.sharedLane().Alloc(a)
	}
}

// sharedLane returns the lane of those who have none; sharedMu is held.
func (r *Recorder) sharedLane() *Lane {
	if r.shared == nil {
		r.shared = r.Lane("memory and counters")
	}
	return r.shared
}
