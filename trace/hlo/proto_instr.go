// SPDX-License-Identifier: Apache-2.0

package hlo

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// submessage marks the fields of HloInstructionProto that are messages.
var submessage = [64]bool{3: true, 7: true, 8: true, 15: true, 16: true, 30: true}

// rawInstruction is what only makes sense together with the opcode.
type rawInstruction struct {
	param, tuple               int64
	featureGroups, batchGroups int64
	called                     []int64
}

// instruction decodes HloInstructionProto: name 1, opcode 2, shape 3, metadata
// 7, id 35, operand ids 36, called computation ids 38, and what attribute
// reads. Operands must come before in the same computation, which rules out
// cycles.
func (r *reader) instruction(b []byte, in *Instruction, seen *lookup) error {
	in.Parameter, in.TupleIndex = -1, -1
	in.Shape = noShape
	ops := r.ops[:0]
	var raw rawInstruction
	m := message{b: b}
	for m.next() {
		if m.num < 64 && submessage[m.num] && !m.bytes() {
			continue
		}
		var err error
		switch m.num {
		case 1:
			in.Name = r.string(&m)
		case 2:
			in.Opcode = r.string(&m)
		case 3:
			in.Shape, err = r.shape(m.val)
		case 7:
			err = r.metadata(m.val, in)
		case 35:
			in.ID = m.int()
		case 36:
			ops, err = r.idList(&m, ops)
		case 38:
			raw.called, err = r.idList(&m, raw.called)
		default:
			err = r.attribute(&m, in, &raw)
		}
		if err != nil {
			return r.fail(b, fmt.Sprintf("instruction %s: field %d", in.Name, m.num), err)
		}
	}
	if m.err != nil {
		return r.fail(m.b, "instruction "+in.Name, m.err)
	}
	r.ops = ops
	in.finish(&raw)
	r.operands(in, ops, seen)
	if len(raw.called) > 0 {
		r.calls = append(r.calls, pendingCalls{in, raw.called})
	}
	return nil
}

// attribute decodes the fields that some opcodes have: literal 8, parameter
// number 9, fusion kind 11, tuple index 13, dimensions 14, window 15,
// convolution dimensions 16, custom-call target 28, dot dimensions 30, backend
// config 43, feature groups 50, batch groups 58, comparison direction 63,
// ragged dot dimensions 90 {dot dimensions 1}.
func (r *reader) attribute(m *message, in *Instruction, raw *rawInstruction) (err error) {
	switch m.num {
	case 8:
		in.value, in.hasValue = scalarInt(m.val)
	case 9:
		raw.param = m.int()
	case 11:
		in.FusionKind = r.string(m)
	case 13:
		raw.tuple = m.int()
	case 14:
		in.Dims = r.list(m, in.Dims)
	case 15:
		in.Window, err = r.window(m.val)
	case 16:
		in.Conv, err = r.convDims(m.val)
	case 28:
		in.CustomCallTarget = r.string(m)
	case 30:
		in.Dot, err = r.dotDims(m.val)
	case 43:
		in.BackendConfig = r.string(m)
	case 50:
		raw.featureGroups = m.int()
	case 58:
		raw.batchGroups = m.int()
	case 63:
		in.Direction = r.string(m)
	case 90:
		for d := (message{b: m.val}); d.next(); {
			if d.num == 1 && d.bytes() {
				in.Dot, err = r.dotDims(d.val)
			}
		}
	}
	return err
}

// finish sets what depends on the opcode.
func (in *Instruction) finish(raw *rawInstruction) {
	switch in.Opcode {
	case "parameter":
		in.Parameter = int(max(0, min(raw.param, maxTable)))
	case "get-tuple-element":
		in.TupleIndex = int(max(0, min(raw.tuple, maxTable)))
	}
	if in.Conv != nil {
		in.Conv.FeatureGroupCount, in.Conv.BatchGroupCount = max(1, raw.featureGroups), max(1, raw.batchGroups)
	}
}

func (r *reader) operands(in *Instruction, ids []int64, seen *lookup) {
	if len(ids) == 0 {
		return
	}
	in.Operands = r.pointers(len(ids))
	for _, id := range ids {
		o := seen.find(id)
		if o == nil {
			r.m.warnID("missing operand", in.Name, id)
			if r.missing == nil {
				r.missing = &Instruction{Name: "missing", Shape: noShape, Parameter: -1, TupleIndex: -1}
			}
			o = r.missing
		}
		in.Operands = append(in.Operands, o)
	}
}

// string returns a string field, "" for another wire type.
func (r *reader) string(m *message) string {
	if !m.bytes() {
		return ""
	}
	return r.str(m.val)
}

// metadata decodes OpMetadata: op_type 1, op_name 2, source_file 3,
// source_line 4, deduplicated_name 12, stack_frame_id 15.
func (r *reader) metadata(b []byte, in *Instruction) error {
	m := message{b: b}
	for m.next() {
		switch m.num {
		case 1:
			in.OpType = r.string(&m)
		case 2:
			in.OpName = r.string(&m)
		case 3:
			in.file = r.string(&m)
		case 4:
			in.line = int32(m.int())
		case 12:
			in.DedupName = r.string(&m)
		case 15:
			in.frame = int32(m.int())
		}
	}
	return m.err
}

// dotDims decodes DotDimensionNumbers: contracting 1 and 2, batch 3 and 4.
func (r *reader) dotDims(b []byte) (*DotDims, error) {
	d := &DotDims{}
	m := message{b: b}
	for m.next() {
		switch m.num {
		case 1:
			d.LHSContracting = r.list(&m, d.LHSContracting)
		case 2:
			d.RHSContracting = r.list(&m, d.RHSContracting)
		case 3:
			d.LHSBatch = r.list(&m, d.LHSBatch)
		case 4:
			d.RHSBatch = r.list(&m, d.RHSBatch)
		}
	}
	return d, m.err
}

// convDims decodes ConvolutionDimensionNumbers: kernel input feature 3, output
// feature 4, spatial 6; input batch 7, feature 8, spatial 11; output batch 9,
// feature 10, spatial 12.
func (r *reader) convDims(b []byte) (*ConvDims, error) {
	d := &ConvDims{FeatureGroupCount: 1, BatchGroupCount: 1}
	m := message{b: b}
	for m.next() {
		switch m.num {
		case 3:
			d.KernelInput = m.int()
		case 4:
			d.KernelOutput = m.int()
		case 6:
			d.KernelSpatial = r.list(&m, d.KernelSpatial)
		case 7:
			d.InputBatch = m.int()
		case 8:
			d.InputFeature = m.int()
		case 9:
			d.OutputBatch = m.int()
		case 10:
			d.OutputFeature = m.int()
		case 11:
			d.InputSpatial = r.list(&m, d.InputSpatial)
		case 12:
			d.OutputSpatial = r.list(&m, d.OutputSpatial)
		}
	}
	return d, m.err
}

// window decodes Window: dimensions 1 {size 1, stride 2, padding low 3 and
// high 4, window dilation 5, base dilation 6, reversal 7}.
func (r *reader) window(b []byte) ([]WindowDim, error) {
	var ws []WindowDim
	m := message{b: b}
	for m.next() {
		if m.num != 1 || !m.bytes() || len(ws) >= 64 {
			continue
		}
		var w WindowDim
		d := message{b: m.val}
		for d.next() {
			switch d.num {
			case 1:
				w.Size = d.int()
			case 2:
				w.Stride = d.int()
			case 3:
				w.PadLow = d.int()
			case 4:
				w.PadHigh = d.int()
			case 5:
				w.Dilation = d.int()
			case 6:
				w.BaseDilation = d.int()
			case 7:
				w.Reversed = d.int() != 0
			}
		}
		if d.err != nil {
			return nil, d.err
		}
		w.Stride, w.Dilation, w.BaseDilation = max(1, w.Stride), max(1, w.Dilation), max(1, w.BaseDilation)
		ws = append(ws, w)
	}
	return ws, m.err
}

// scalarInt returns the value of an integer LiteralProto of one element: s32
// in field 4, s64 in 5, u32 in 6, u64 in 7.
func scalarInt(b []byte) (int64, bool) {
	var v int64
	n := 0
	for m := (message{b: b}); m.next(); {
		switch m.num {
		case 4, 5, 6, 7:
			p := m.val
			if m.typ == protowire.VarintType {
				v = int64(m.x)
				n++
				continue
			}
			for len(p) > 0 && n < 2 {
				x, k := protowire.ConsumeVarint(p)
				if k < 0 {
					return 0, false
				}
				v, p = int64(x), p[k:]
				n++
			}
		}
	}
	return v, n == 1
}
