// SPDX-License-Identifier: Apache-2.0

package hlo

import "fmt"

// BufferAssignment is the compiler's memory plan of a program.
type BufferAssignment struct {
	Buffers     []LogicalBuffer
	Allocations []Allocation
	Traces      []HeapTrace

	byID  map[int64]int32 // logical buffer id → index in Buffers
	owner []int32         // logical buffer → index in Allocations, -1 without
}

// LogicalBuffer is a value that needs memory.
type LogicalBuffer struct {
	ID, Size int64 // bytes, with tiling padding
	Color    int64 // memory space: 0 HBM, 1 VMEM on TPU, 2 sync flags, 5 host

	// Instruction defines the buffer; nil when the module lacks it.
	Instruction *Instruction
	ShapeIndex  []int64 // which part of a tuple-shaped result
	instruction int64
}

// Allocation is a block of memory that holds one or more logical buffers.
type Allocation struct {
	Index, Size, Color int64
	ThreadLocal        bool
	Tuple              bool
	Constant           bool
	LiveOut            bool // the program's result may lie in it
	Parameter          bool // holds an entry parameter
	ParameterNumber    int64
	Assigned           []Assigned
}

// Assigned places a logical buffer inside an allocation.
type Assigned struct{ Buffer, Offset, Size int64 }

// HeapKind is what a heap event does.
type HeapKind uint8

// The kinds of heap events.
const (
	HeapAlloc HeapKind = iota
	HeapFree
	HeapShare // the buffer takes the memory of Canonical
)

// HeapEvent is one step of the compiler's heap simulation.
type HeapEvent struct {
	Kind              HeapKind
	Buffer, Canonical int64
	Instruction       string
}

// HeapTrace is the heap simulation of one allocation, in program order.
type HeapTrace struct {
	Events     []HeapEvent
	Allocation int64 // as the file says; it is often 0, see BufferAssignment.Peak
}

// indefinite reports memory that lives as long as the program runs.
func (a *Allocation) indefinite() bool { return a.Parameter || a.Constant || a.LiveOut }

// Buffers decodes the module's memory plan. It is nil when the file has none,
// as in a bare HloModuleProto, HLO text, or a program compiled for TPU ahead
// of time. Each call decodes anew: keep the result.
func (m *Module) Buffers() (*BufferAssignment, error) {
	if m.buffers == "" {
		return nil, nil
	}
	b := []byte(m.buffers)
	r := &reader{base: b, text: m.buffers, m: m}
	a := &BufferAssignment{}
	if err := r.bufferAssignment(b, a); err != nil {
		return nil, fmt.Errorf("buffer assignment of %s: %w", m.Name, err)
	}
	for i := range a.Buffers {
		a.Buffers[i].Instruction = m.instructionByID(a.Buffers[i].instruction)
	}
	a.index()
	return a, nil
}

// index links logical buffers and allocations.
func (a *BufferAssignment) index() {
	a.byID = make(map[int64]int32, len(a.Buffers))
	a.owner = make([]int32, len(a.Buffers))
	for i := range a.Buffers {
		a.byID[a.Buffers[i].ID] = int32(i)
		a.owner[i] = -1
	}
	for i := range a.Allocations {
		for _, s := range a.Allocations[i].Assigned {
			if k, ok := a.byID[s.Buffer]; ok {
				a.owner[k] = int32(i)
			}
		}
	}
}

// bufferAssignment decodes BufferAssignmentProto: logical buffers 1,
// allocations 3, heap simulator traces 4.
func (r *reader) bufferAssignment(b []byte, a *BufferAssignment) error {
	m := message{b: b}
	for m.next() {
		if !m.bytes() {
			continue
		}
		var err error
		if len(a.Buffers)+len(a.Allocations)+len(a.Traces) >= maxTable {
			return r.fail(m.val, "fields", errTable)
		}
		switch m.num {
		case 1:
			var l LogicalBuffer
			err = r.logicalBuffer(m.val, &l)
			a.Buffers = append(a.Buffers, l)
		case 3:
			var l Allocation
			err = r.allocation(m.val, &l)
			a.Allocations = append(a.Allocations, l)
		case 4:
			var t HeapTrace
			err = r.heapTrace(m.val, &t)
			a.Traces = append(a.Traces, t)
		}
		if err != nil {
			return r.fail(m.val, fmt.Sprintf("field %d", m.num), err)
		}
	}
	if m.err != nil {
		return r.fail(m.b, "fields", m.err)
	}
	return nil
}

// logicalBuffer decodes LogicalBufferProto: id 1, size 2, defined at 3 {shape
// index 3, instruction id 4}, color 4.
func (r *reader) logicalBuffer(b []byte, l *LogicalBuffer) error {
	m := message{b: b}
	for m.next() {
		switch m.num {
		case 1:
			l.ID = m.int()
		case 2:
			l.Size = max(0, m.int())
		case 3:
			d := message{b: m.val}
			for d.next() {
				switch d.num {
				case 3:
					l.ShapeIndex = r.list(&d, l.ShapeIndex)
				case 4:
					l.instruction = d.int()
				}
			}
			if d.err != nil {
				return d.err
			}
		case 4:
			l.Color = m.int()
		}
	}
	return m.err
}

// allocation decodes BufferAllocationProto: index 1, size 2, thread-local 3,
// entry parameter 5, parameter number 6, live out 7, color 8, assigned 9
// {buffer 1, offset 2, size 3}, tuple 11, constant 12.
func (r *reader) allocation(b []byte, a *Allocation) error {
	m := message{b: b}
	for m.next() {
		switch m.num {
		case 1:
			a.Index = m.int()
		case 2:
			a.Size = max(0, m.int())
		case 3:
			a.ThreadLocal = m.int() != 0
		case 5:
			a.Parameter = m.int() != 0
		case 6:
			a.ParameterNumber = m.int()
		case 7:
			a.LiveOut = m.int() != 0
		case 8:
			a.Color = m.int()
		case 9:
			var s Assigned
			d := message{b: m.val}
			for d.next() {
				switch d.num {
				case 1:
					s.Buffer = d.int()
				case 2:
					s.Offset = d.int()
				case 3:
					s.Size = d.int()
				}
			}
			if d.err != nil {
				return d.err
			}
			if r.parts++; r.parts > maxTable {
				return errTable
			}
			a.Assigned = append(a.Assigned, s)
		case 11:
			a.Tuple = m.int() != 0
		case 12:
			a.Constant = m.int() != 0
		}
	}
	return m.err
}

// heapTrace decodes HeapSimulatorTrace: events 1 {kind 1, buffer 2,
// instruction name 4, canonical 5}, allocation index 3.
func (r *reader) heapTrace(b []byte, t *HeapTrace) error {
	m := message{b: b}
	for m.next() {
		switch {
		case m.num == 3:
			t.Allocation = m.int()
		case m.num == 1 && m.bytes():
			var e HeapEvent
			d := message{b: m.val}
			for d.next() {
				switch d.num {
				case 1:
					e.Kind = HeapKind(min(uint64(d.int()), 255))
				case 2:
					e.Buffer = d.int()
				case 4:
					e.Instruction = r.string(&d)
				case 5:
					e.Canonical = d.int()
				}
			}
			if d.err != nil {
				return d.err
			}
			if r.parts++; r.parts > maxTable {
				return errTable
			}
			t.Events = append(t.Events, e)
		}
	}
	return m.err
}
