// SPDX-License-Identifier: Apache-2.0

package analyze

import "github.com/layerscope/layerscope/trace"

// These are the model's own types, named here so that a report needs to know
// this package only.
type (
	Time     = trace.Time     // picoseconds since the trace's origin
	Duration = trace.Duration // picoseconds
	Finding  = trace.Finding
	Input    = trace.Input
)

// An Analysis is everything known about one capture. Durations are summed over
// all analysed devices unless said otherwise. Slices are never nil.
//
// Conservation: Σ Ops.Self = Σ Layers.Rows.Self + Layers.Unattributed =
// Σ Devices.OpTime, to the picosecond; per device Busy + Idle = Window.
type Analysis struct {
	Inputs   []Input
	Format   string
	Lossy    string // why the input holds less than was measured; "" = it does not
	OpsOnly  bool   // made with Options.OpsOnly
	Findings []Finding

	Capture    Capture
	Programs   []Program
	Devices    []Device
	Layers     Layers
	Scopes     []Scope     // folded scope paths; totals include descendants
	Components []Component // over all layers and outside them
	Categories []Category
	Ops        []Op
	Steps      []Step
	Async      Async
	Host       []HostRow
	Compiles   []Compile
	Allocators []AllocatorUse // of captures with events of memory allocators; see [Memory]

	// StepDur and StepOpTime sum up the steps that are not excluded: their
	// durations and the op time in each.
	StepDur, StepOpTime Samples

	Places []Place // by trace.OpID: where each op belongs
}

// A Capture says when and where it was taken.
type Capture struct {
	StartUnixNano int64 // 0 = unknown
	Window        Duration
	Hosts         []string
	StepSource    string // "annotation", "steps-line", "executions of jit_f", "none"
	StepCount     int    // including excluded steps
	Metadata      map[string]string
}

// A Program is one compiled module, with its executions over all devices.
type Program struct {
	Name       string
	ID         uint64
	Host       string
	Executions int
	Total      Duration // Σ of the executions' spans; 0 when there is no module line
	OpTime     Duration
	HasHLO     bool
}

// A Device is one accelerator core (or one device ordinal of a CPU backend).
type Device struct {
	Name, Host, Kind, Type string
	Window                 Duration // last end − first begin of op and step lines
	Busy                   Duration // union of op intervals over the device's tracks
	Idle                   Duration // Window − Busy
	OpTime                 Duration // Σ over tracks of the track's self time, computed apart from the op table
	WallShare              Duration // Σ of the rows' wall shares; equals Busy
	OpEvents               int64
	Tracks                 int
	PeakFLOPs              float64 // FLOP/s, 0 = not stated
	PeakHBM                float64 // bytes/s, 0 = not stated
}

// Layers is the layer table: one row a layer, one a named non-layer part, and
// what could not be placed.
type Layers struct {
	Method       string  // "scope", "param", "anchor", "scan", combined with "+"; "none"
	Confidence   float64 // 0…1: placed share of the step program's op time × the method's own regularity
	Why          string  // one sentence: what was matched, what was tried before
	Count        int     // rows with Index ≥ 0
	OpTime       Duration
	Unattributed Duration
	// UnattributedOps are the largest ops without a row, by self time.
	UnattributedOps []Op
	Rows            []Layer
	Outliers        []Outlier // layers unlike their peers, the worst first
}

// A Layer is one row of the layer table.
type Layer struct {
	Key         string // "layer_3", "embed"; "jit_draft/layer_3" when several programs have layers
	Index       int    // -1 for a named part outside the layers
	Program     string // base name; "" when several
	Self        Duration
	WallShare   Duration
	Occurrences int64 // op events
	FLOPs       int64
	Bytes       int64
	Components  []Component
	Forward     Duration
	Backward    Duration
	Recompute   Duration
	Samples     Samples    // self time a step
	WallSamples Samples    // wall share a step
	PerStep     []Duration // self time in each step of Analysis.Steps, excluded ones too
	Mixed       Duration   // self time of ops whose fused parts come from other rows too
	Note        string     // "includes the worker pool's wake-up", …
}

// An Outlier is a layer whose median differs from its peers'.
type Outlier struct {
	Key   string
	Ratio float64 // its median ÷ the median layer's
	Note  string
}

// Samples summarises one quantity over steps.
type Samples struct {
	N              int
	Median, Lo, Hi Duration
	Min, Max       Duration
	Confidence     float64 // of the interval, reached; 0 = no interval
	Need           int     // samples needed for a 95 % interval; 0 = enough
}

// A Component is a part of a layer (attention, mlp, norm) by scope and rules.
type Component struct {
	Name  string
	Self  Duration
	FLOPs int64
	Bytes int64
}

// A Scope is one node of the folded scope tree.
type Scope struct {
	Path        string
	Self        Duration // of ops directly in it
	Total       Duration // with all descendants
	Occurrences int64
	Forward     Duration
	Backward    Duration
	Recompute   Duration
}

// A Category is one HLO op category.
type Category struct {
	Name        string
	Self        Duration
	Occurrences int64
}

// An Op is one row of the op table: equal (program, name) merged over devices.
type Op struct {
	Name, Program, Category, Scope string
	Device                         string // "" = more than one
	Layer                          string // row key; "" = unattributed, "(several)" for an op of a scanned layer
	Component                      string
	Occurrences                    int64
	Total, Self, Min               Duration
	FLOPs, ModelFLOPs              int64 // over all occurrences
	Bytes, HBMBytes                int64
	OnChip                         [4]int64 // CMEM read, write; VMEM read, write
	BoundBy                        string   // "hbm", "compute", …; "" = not stated
	Source                         string
	Long                           string // HLO text or kernel name
	Shape                          string
}

// A Step is one step of the capture.
type Step struct {
	Index    int64 // step number as marked, else the ordinal
	Name     string
	Host     string
	Start    Time
	Dur      Duration
	Busy     Duration // union of op intervals, over devices
	OpTime   Duration
	Excluded bool
	Reason   string // "compile", "outlier" (flagged, not excluded), …
	// Signature names the programs that ran in it, with their shape bucket:
	// steps of one signature did the same work. "" = not known.
	Signature string
}

// Async sums the spans of async lines: how much of them was hidden behind ops.
type Async struct {
	Exposed    Duration // op time spent in waits (…-done ops)
	Overlapped Duration
	Rows       []AsyncRow
}

// An AsyncRow is one async op.
type AsyncRow struct {
	Name        string
	Span        Duration
	Exposed     Duration
	Occurrences int64
}

// A HostRow is one span name of the host threads.
type HostRow struct {
	Name        string
	Self, Total Duration
	Occurrences int64
}

// A Compile is one compilation inside the capture.
type Compile struct {
	Module string
	Start  Time
	Dur    Duration
	Step   int // index in Steps, -1 = outside
}
