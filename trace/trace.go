// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"io"
	"strconv"
	"strings"

	"github.com/layerscope/layerscope/trace/hlo"
)

// A Trace is one capture (of one or more hosts) in one model, whatever file
// format it came from. All of it but the events of its tracks is in memory;
// events are read in batches, as often as wanted.
type Trace struct {
	Format   string            // "xspace", "chrome-json", "xprof-tables", …
	Origin   int64             // Unix nanoseconds of Time 0; 0 = unknown
	Wall     Duration          // profiler start to stop; 0 = unknown
	Hosts    []string          // names, in order of first sight
	Metadata map[string]string // versions, profiler options, user metadata

	Devices    []Device
	Tracks     []*Track
	Ops        []Op        // by OpID
	Programs   []Program   // by index; -1 stands for none
	Executions []Execution // program executions by device, then start
	Steps      []Step      // step marks of the capture, by start
	Compiles   []Compile   // compilations seen on host threads, by start
	Requests   []Request   // host spans that carry a request's id, in file order
	Allocs     []Alloc     // events of memory allocators, in the order of the file

	Inputs   []Input
	Findings []Finding
	Lossy    string // why the capture holds less than was measured; "" = it does not

	flows     flowTable
	lazyFlows []func(yield func(Flow) bool) error // of files whose events stay in them

	closers []io.Closer
	began   []window           // of the profiler, by file that states it
	found   map[findingKey]int // index in Findings
	alike   map[string]int     // findings by code
}

// A Device is one accelerator core, or one device ordinal of a host's CPU
// backend (kind "cpu"; its tracks are the threads that ran its ops).
type Device struct {
	Name    string // "/device:TPU:0", "cpu:0"
	Host    string
	Kind    string // "tpu", "gpu", "cpu", "custom"
	Type    string // "TPU v6 Lite", "NVIDIA H100 …"; "" = not stated
	Ordinal int

	PeakFLOPs float64 // FLOP/s; 0 = not stated
	PeakHBM   float64 // bytes/s; 0 = not stated
	Memory    int64   // bytes; 0 = not stated
}

// Is says whether the device is the one asked for by its name, its ordinal, or
// its host before either: "/device:TPU:0", "0", "host-3/0".
func (d *Device) Is(name string) bool {
	if rest, ok := strings.CutPrefix(name, d.Host); ok && d.Host != "" && (rest == d.Name || rest == "/"+d.Name || rest == "/"+strconv.Itoa(d.Ordinal)) {
		return true
	}
	return name == d.Name || name == strconv.Itoa(d.Ordinal)
}

// An OpID indexes [Trace.Ops].
type OpID uint32

// An Op holds what is true of every execution of one operation on one device
// kind: it is the row that events point to.
type Op struct {
	Name     string // short: "fusion.3", "ynn_fusion.85"
	Long     string // HLO text, or the kernel's name on GPU; may be empty
	Scope    string // scope path as the program named it, unfolded; may be empty
	Category string // HLO category ("loop fusion"); may be empty
	Program  int    // index in Trace.Programs, -1 = unknown
	Source   string // "file:line"
	Shape    string // with layout
	Dedup    string // name of the first clone of a deduplicated op

	// Static costs of one execution. Bytes are all memory spaces; Access says
	// where, when the capture does.
	FLOPs, ModelFLOPs, Bytes int64
	Access                   []Access

	// Bare marks events which XProf does not count as ops (no program and
	// symbol id); their time still belongs to the op around them.
	Bare bool
	// Instruction is the HLO instruction joined by (program, name), or nil.
	Instruction *hlo.Instruction
}

// An Access is one entry of an op's memory access breakdown.
type Access struct {
	Write bool
	Space int // 1 HBM, 2 CMEM, 3 VMEM
	Bytes int64
}

// A Program is one compiled module (an XLA executable). Its id is a fact of
// the file: on CPU a small counter, never a key across files.
type Program struct {
	Name   string // "jit_score", without the id
	ID     uint64
	Host   string
	Module *hlo.Module // nil when the capture carries no HLO for it

	raw []byte // the module as the file has it, for writers; nil = only text, or none
}

// An Execution is one run of a program on a device.
type Execution struct {
	Program int // index in Trace.Programs
	Device  int // index in Trace.Devices
	RunID   int64
	Start   Time
	Dur     Duration
}

// A Step is one mark of a step: a StepTraceAnnotation, or an event of a
// device's Steps line.
type Step struct {
	Number int64
	Name   string
	Device int    // index in Trace.Devices; -1 = a host's mark, on the host clock
	Host   string // of a host's mark; "" = not known
	Start  Time
	Dur    Duration
}

// A Compile is one compilation on a host thread.
type Compile struct {
	Module string // "" when the capture doesn't say
	Host   string // "" = not known
	Start  Time
	Dur    Duration
}

// A Request is a host span that carries the id of a request, on the host clock.
type Request struct {
	ID    string
	Start Time
	Dur   Duration
}

// An Input is one file the trace was read from.
type Input struct {
	Path   string
	SHA256 string // hex; "" when not computed
	Bytes  int64  // as stored, before decompression
	Format string

	// Of a remote file, whose SHA-256 only a whole read would tell; "" = a local
	// one, or not stated.
	Version string // "generation 17…", or an entity tag
	CRC32C  string // base64 of the big-endian sum, as stores print it
}

// Severity ranks findings.
type Severity string

// The severities, from worst to least.
const (
	Error   Severity = "error"   // conclusions from this capture would be wrong
	Warning Severity = "warning" // read the numbers with this in mind
	Info    Severity = "info"
)

// A Finding is something a reader or an analysis noticed about the capture.
// Codes are documented in docs/findings.md.
type Finding struct {
	Code     string
	Severity Severity
	Message  string
	Count    int64 // how often; at least 1
	Hint     string
}

// maxAlike is how many findings of one code are told apart by their message.
const maxAlike = 64

type findingKey struct{ code, message string }

// find adds a finding, or counts it when the code was found with the same
// message before. Beyond maxAlike messages of one code, others are counted
// together.
func (t *Trace) find(f Finding) {
	f.Count = max(1, f.Count)
	if t.found == nil {
		t.found, t.alike = make(map[findingKey]int), make(map[string]int)
	}
	key := findingKey{f.Code, f.Message}
	i, ok := t.found[key]
	if !ok && t.alike[f.Code] >= maxAlike {
		f.Message = "others of this kind, with other messages"
		key = findingKey{f.Code, f.Message}
		i, ok = t.found[key]
	}
	if ok && i < len(t.Findings) && t.Findings[i].Message == f.Message {
		t.Findings[i].Count += f.Count
		return
	}
	t.alike[f.Code]++
	t.found[key] = len(t.Findings)
	t.Findings = append(t.Findings, f)
}
