// SPDX-License-Identifier: Apache-2.0

package hlo

import (
	"strconv"
	"sync"
)

// Module is one HLO program: the compiler's own description of what a device
// runs. It is read-only after parsing and safe for concurrent use.
type Module struct {
	Name string
	ID   int64

	// Entry is the computation that an execution of the program runs. It is
	// nil only in a module without computations.
	Entry *Computation

	// Computations lists all computations, callees before callers where the
	// file says so (the order of the file).
	Computations []*Computation

	// Warnings are the faults of the input that were repaired or ignored.
	Warnings []Warning

	frames   frameTable
	buffers  string // undecoded BufferAssignmentProto
	byName   map[string]*Instruction
	byID     map[int64]*Instruction
	nameOnce sync.Once
	idOnce   sync.Once
	costOnce sync.Once
	order    []*Computation // callees first, no computation of a cycle
}

// Warning is one kind of fault, with its first case and the number of cases.
type Warning struct {
	Kind  string // "missing operand", "missing computation", "call cycle", …
	First string // what and where, of the first case
	Count int
}

// Computation is a function of the program: the entry, a fusion's body, a
// loop's body or condition, a reducer.
type Computation struct {
	Name string
	ID   int64

	// Instructions are in schedule order when the module has a schedule, else
	// in the file's order; both put operands before users.
	Instructions []*Instruction
	Root         *Instruction

	// Callers are the instructions that call this computation.
	Callers []*Instruction

	// Thread is the execution thread's name ("" for the main thread).
	Thread string

	cost    [2]Cost  // by CostOptions.Loops; see computeCosts
	traffic *traffic // of a fusion's body
	users   map[*Instruction][]*Instruction
	once    sync.Once
	cyclic  bool
	known   bool // has a body in the file
	module  *Module
	index   int32
}

// Instruction is one HLO instruction. Optional facts have their zero value
// when absent, except where the field says otherwise.
type Instruction struct {
	Name   string // without the leading '%'
	Opcode string // as in HLO text: "dot", "fusion", "get-tuple-element"
	ID     int64

	// Shape is never nil.
	Shape *Shape

	// OpName is the scope path that the framework gave ("jit(f)/layer_0/dot_general"),
	// or the argument's name on an entry parameter. See FoldScope.
	OpName string
	OpType string

	// Operands has one entry for each operand of the file, never nil. An
	// operand known by name only (a single instruction line, a missing id) has
	// an empty Opcode and, when the line gives it, a Shape.
	Operands []*Instruction

	// Called lists called computations: a fusion's body, a while's body and
	// then its condition, a conditional's branches, a reducer.
	Called []*Computation

	// Parent is the computation that holds the instruction; nil for an
	// instruction parsed alone.
	Parent *Computation

	Parameter  int // parameter number, -1 when not a parameter
	TupleIndex int // of get-tuple-element, -1 otherwise

	CustomCallTarget string
	FusionKind       string // "kLoop", "kInput", "kOutput", "kCustom"
	DedupName        string // the first of a group of equal instructions
	BackendConfig    string // JSON or opaque text of the compiler
	Direction        string // of compare: "EQ", "LT", …

	// TripCount is the number of iterations of a while; 0 means unknown.
	TripCount int64

	// Dims are the dimensions of broadcast, reduce, transpose, concatenate, ….
	Dims   []int64
	Dot    *DotDims
	Conv   *ConvDims
	Window []WindowDim

	file     string
	line     int32
	frame    int32
	index    int32 // position in the file's order of its computation
	value    int64 // of an integer scalar constant
	hasValue bool
	partial  bool // the line was cut
}

// DotDims are the dimension numbers of dot.
type DotDims struct {
	LHSContracting, RHSContracting []int64
	LHSBatch, RHSBatch             []int64
}

// ConvDims are the dimension numbers of convolution. Groups are at least 1.
type ConvDims struct {
	InputBatch, InputFeature           int64
	InputSpatial                       []int64
	KernelInput, KernelOutput          int64
	KernelSpatial                      []int64
	OutputBatch, OutputFeature         int64
	OutputSpatial                      []int64
	FeatureGroupCount, BatchGroupCount int64
}

// WindowDim is one dimension of a window. Zero Stride, Dilation and
// BaseDilation never occur: an absent value is stored as 1.
type WindowDim struct {
	Size, Stride, PadLow, PadHigh int64
	Dilation, BaseDilation        int64
	Reversed                      bool
}

// Instruction returns the instruction of that name in any computation, or nil.
// Names are unique in a module that XLA wrote; of several the first counts.
func (m *Module) Instruction(name string) *Instruction {
	m.nameOnce.Do(func() {
		n := 0
		for _, c := range m.Computations {
			n += len(c.Instructions)
		}
		m.byName = make(map[string]*Instruction, n)
		for _, c := range m.Computations {
			for _, in := range c.Instructions {
				if _, dup := m.byName[in.Name]; !dup {
					m.byName[in.Name] = in
				}
			}
		}
	})
	return m.byName[name]
}

// instructionByID returns the instruction with the id, or nil.
func (m *Module) instructionByID(id int64) *Instruction {
	m.idOnce.Do(func() {
		m.byID = make(map[int64]*Instruction)
		for _, c := range m.Computations {
			for _, in := range c.Instructions {
				if _, dup := m.byID[in.ID]; !dup {
					m.byID[in.ID] = in
				}
			}
		}
	})
	return m.byID[id]
}

// Parameters returns the computation's parameters by number; a number that the
// file lacks is nil. The result has at most as many entries as instructions.
func (c *Computation) Parameters() []*Instruction {
	var ps []*Instruction
	for _, in := range c.Instructions {
		if in.Parameter < 0 || in.Parameter >= len(c.Instructions) {
			continue
		}
		for len(ps) <= in.Parameter {
			ps = append(ps, nil)
		}
		ps[in.Parameter] = in
	}
	return ps
}

// Users returns the instructions of the same computation that read in, in
// order, each once. The first call on a computation indexes all of it.
func (in *Instruction) Users() []*Instruction {
	c := in.Parent
	if c == nil {
		return nil
	}
	c.once.Do(func() {
		c.users = make(map[*Instruction][]*Instruction, len(c.Instructions))
		for _, u := range c.Instructions {
			for _, o := range u.Operands {
				l := c.users[o]
				if len(l) == 0 || l[len(l)-1] != u {
					c.users[o] = append(l, u)
				}
			}
		}
	})
	return c.users[in]
}

// Source returns "file:line" of the user code, or "". Modules that hold only
// stack frames answer with the innermost frame; see Module.Stack.
func (m *Module) Source(in *Instruction) string {
	if in.file != "" {
		return in.file + ":" + strconv.Itoa(int(in.line))
	}
	if f, ok := m.frames.frame(in.frame); ok && f.File != "" {
		return f.File + ":" + strconv.Itoa(f.Line)
	}
	return ""
}

// String returns the instruction in HLO text without attributes:
// "add.1 = f32[4]{0} add(a, b)".
func (in *Instruction) String() string {
	b := make([]byte, 0, 96)
	b = append(b, in.Name...)
	b = append(b, " = "...)
	b = append(b, in.Shape.String()...)
	b = append(b, ' ')
	b = append(b, in.Opcode...)
	b = append(b, '(')
	for i, o := range in.Operands {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, o.Name...)
	}
	return string(append(b, ')'))
}

// warn counts a fault of the input; where and what are put together for the
// first of its kind only.
func (m *Module) warn(kind, where, what string) {
	for i := range m.Warnings {
		if m.Warnings[i].Kind == kind {
			m.Warnings[i].Count++
			return
		}
	}
	m.Warnings = append(m.Warnings, Warning{Kind: kind, First: where + ": " + what, Count: 1})
}

// warnID is warn for an id that leads nowhere.
func (m *Module) warnID(kind, where string, id int64) {
	for i := range m.Warnings {
		if m.Warnings[i].Kind == kind {
			m.Warnings[i].Count++
			return
		}
	}
	m.warn(kind, where, "id "+strconv.FormatInt(id, 10))
}
