// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/layerscope/layerscope/trace/internal/perfetto"
)

// An annotationRole is what an annotation of a known name says about an op, plus
// one; 0 is a name not looked at yet.
type annotationRole uint8

const (
	roleUnseen annotationRole = iota
	roleNone
	roleHLOOp
	roleHLOModule
	roleLongName
	roleScope
	roleCategory
	roleSource
	roleShape
	roleModelFLOPs
	roleFLOPs
	roleBytes
	roleRun
	roleOrdinal
	roleStep
	// The facts of our own writer.
	roleOp
	roleStartPs
	roleDurPs
	roleRunFLOPs
	roleRunBytes
)

// annotationRoles are the names that JAX and XLA give their facts, and ours.
var annotationRoles = map[string]annotationRole{
	"hlo_op": roleHLOOp, "hlo_module": roleHLOModule, "long_name": roleLongName, "tf_op": roleScope, "hlo_category": roleCategory,
	"source": roleSource, "shape_with_layout": roleShape, "model_flops": roleModelFLOPs, "flops": roleFLOPs,
	"bytes_accessed": roleBytes, "run_id": roleRun, "device_ordinal": roleOrdinal, "step_num": roleStep,
	annotationOp: roleOp, annotationStart: roleStartPs, annotationDur: roleDurPs, annotationRunFLOPs: roleRunFLOPs, annotationRunBytes: roleRunBytes,
}

// role returns what an annotation says by its name, with or without the "args."
// and "debug." that importers put before it.
func (x *perfettoReader) role(name perfetto.StringID) annotationRole {
	if int(name) < len(x.roles) && x.roles[name] != roleUnseen {
		return x.roles[name]
	}
	x.roles = pad(x.roles, int(name)+1)
	text := strings.TrimPrefix(strings.TrimPrefix(x.rd.Text(name), "debug."), "args.")
	r, ok := annotationRoles[text]
	if !ok {
		r = roleNone
	}
	x.roles[name] = r
	return r
}

// opFacts is what the annotations of an event say about its op.
type opFacts struct {
	hloOp   string
	module  string
	ordinal int64
	isOp    bool // it has the name of an HLO op
	step    int64
	isStep  bool
}

// facts yields the annotations of the event at hand that say something about an
// op, members of dictionaries too.
func (x *perfettoReader) facts(yield func(annotationRole, *perfetto.Annotation) bool) {
	for a := range x.rd.Annotations {
		if a.Kind == perfetto.Dict {
			for key, v := range a.Flatten {
				r := annotationRoles[key[strings.LastIndexByte(key, '.')+1:]]
				if r > roleNone && r < roleOp && !yield(r, v) {
					return
				}
			}
			continue
		}
		if r := x.role(a.Name); r > roleNone && r < roleOp && !yield(r, a) {
			return
		}
	}
}

// op finds the op of an event, and its run.
func (x *perfettoReader) op(ev *perfetto.Event) (OpID, int64) {
	if x.rd.NumAnnotations() == 0 {
		return x.plainOp(ev.Name, ev.Category), 0
	}
	run, known := int64(0), false
	h := &x.hash
	h.SetSeed(x.seed)
	var key [9]byte
	for r, v := range x.facts {
		known = true
		if r == roleRun {
			run, _ = v.Int()
			continue
		}
		key[8] = byte(r)
		binary.LittleEndian.PutUint64(key[:], v.Bits)
		_, _ = h.Write(key[:])
		if v.Str != 0 {
			_, _ = h.WriteString(x.rd.Text(v.Str))
		} else {
			_, _ = h.Write(v.Bytes())
		}
	}
	if !known {
		return x.plainOp(ev.Name, ev.Category), 0
	}
	binary.LittleEndian.PutUint64(key[:], uint64(ev.Name)<<32|uint64(ev.Category))
	_, _ = h.Write(key[:])
	sum := h.Sum64()
	id, ok := x.ops[sum]
	if !ok {
		id = x.factOp(ev)
		x.ops[sum] = id
	}
	return id, run
}

// factOp makes the op of an event with facts.
func (x *perfettoReader) factOp(ev *perfetto.Event) OpID {
	op := Op{Name: x.rd.Text(ev.Name), Program: -1}
	var f opFacts
	for r, v := range x.facts {
		op.setFact(r, v, &f)
	}
	if f.isOp {
		op.Long = firstOf(op.Long, op.Name)
		op.Name = f.hloOp
	}
	if strings.HasPrefix(op.Scope, "XlaModule:") {
		op.Scope = ""
	}
	if op.Category == "" && !f.isOp {
		op.Category = x.rd.Text(ev.Category)
	}
	if f.module != "" {
		op.Program = x.program(f.module)
	}
	id := x.newOp(op)
	x.known = pad(x.known, int(id-x.first)+1)
	x.known[id-x.first] = f
	return id
}

// setFact takes one fact.
func (op *Op) setFact(r annotationRole, v *perfetto.Annotation, f *opFacts) {
	s := v.String()
	switch r {
	case roleHLOOp:
		f.hloOp, f.isOp = s, true
	case roleHLOModule:
		f.module = s
	case roleLongName:
		op.Long = s
	case roleScope:
		op.Scope = s
	case roleCategory:
		op.Category = s
	case roleSource:
		op.Source = s
	case roleShape:
		op.Shape = s
	case roleFLOPs:
		op.FLOPs, _ = v.Int()
	case roleModelFLOPs:
		op.ModelFLOPs, _ = v.Int()
		if op.FLOPs == 0 {
			op.FLOPs = op.ModelFLOPs
		}
	case roleBytes:
		op.Bytes, _ = v.Int()
	case roleOrdinal:
		f.ordinal, _ = v.Int()
	case roleStep:
		f.step, f.isStep = v.Int()
	}
}

// plainOp finds the op of an event with nothing but a name and a category.
func (x *perfettoReader) plainOp(name, category perfetto.StringID) OpID {
	if int(name) < len(x.latest) {
		if l := &x.latest[name]; l.category == category && l.op != 0 {
			return l.op - 1
		}
	}
	key := uint64(name)<<32 | uint64(category)
	id, ok := x.plain[key]
	if !ok {
		id = x.newOp(Op{Name: firstOf(x.rd.Text(name), noMetadata), Category: x.rd.Text(category), Program: -1})
		x.plain[key] = id
	}
	x.latest = pad(x.latest, int(name)+1)
	x.latest[name] = plainOf{category, id + 1}
	return id
}

// A plainOf is the category and one more than the op of an event's name.
type plainOf struct {
	category perfetto.StringID
	op       OpID
}

func (x *perfettoReader) newOp(op Op) OpID {
	if n := len(x.t.Ops); n >= int(x.first)+maxNames {
		x.t.find(Finding{Code: "too-many-ops", Severity: Warning, Message: fmt.Sprintf("more than %d distinct events; the rest share one row", maxNames)})
		return OpID(n - 1)
	}
	x.t.Ops = append(x.t.Ops, op)
	return OpID(len(x.t.Ops) - 1)
}

func (x *perfettoReader) program(name string) int {
	p, ok := x.progs[name]
	if !ok {
		p = len(x.t.Programs)
		base, id, _ := splitProgram(name)
		x.progs[name] = p
		x.t.Programs = append(x.t.Programs, Program{Name: base, ID: id, Host: x.host})
	}
	return p
}

// factsOf returns what is known of an op of this file.
func (x *perfettoReader) factsOf(id OpID) opFacts {
	if i := int(id - x.first); i < len(x.known) {
		return x.known[i]
	}
	return opFacts{}
}
