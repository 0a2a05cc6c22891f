// SPDX-License-Identifier: Apache-2.0

package hlo

import "testing"

// toyModule is a program with a loop, a conditional, a call, and fusions that
// slice their operand and update in place.
const toyModule = `HloModule jit_toy, is_scheduled=true

%add (a: f32[], b: f32[]) -> f32[] {
  %a = f32[] parameter(0)
  %b = f32[] parameter(1)
  ROOT %sum = f32[] add(%a, %b)
}

%row (p: f32[10,4], i: s32[]) -> f32[4] {
  %p = f32[10,4]{1,0} parameter(0)
  %i = s32[] parameter(1)
  %zero = s32[] constant(0)
  %ds = f32[1,4]{1,0} dynamic-slice(%p, %i, %zero), dynamic_slice_sizes={1,4}
  ROOT %r = f32[4]{0} reshape(%ds)
}

%put (q: f32[10,4], u: f32[1,4], k: s32[]) -> f32[10,4] {
  %q = f32[10,4]{1,0} parameter(0)
  %u = f32[1,4]{1,0} parameter(1)
  %k = s32[] parameter(2)
  %nought = s32[] constant(0)
  ROOT %dus = f32[10,4]{1,0} dynamic-update-slice(%q, %u, %k, %nought)
}

%body (t: (s32[], f32[4,4], f32[10,4])) -> (s32[], f32[4,4], f32[10,4]) {
  %t = (s32[], f32[4,4]{1,0}, f32[10,4]{1,0}) parameter(0)
  %n = s32[] get-tuple-element(%t), index=0
  %x = f32[4,4]{1,0} get-tuple-element(%t), index=1
  %w = f32[10,4]{1,0} get-tuple-element(%t), index=2
  %one = s32[] constant(1)
  %next = s32[] add(%n, %one)
  %dot = f32[4,4]{1,0} dot(%x, %x), lhs_contracting_dims={1}, rhs_contracting_dims={0}, metadata={op_name="jit(toy)/layers/while/body/dot_general"}
  ROOT %out = (s32[], f32[4,4]{1,0}, f32[10,4]{1,0}) tuple(%next, %dot, %w)
}

%cond (t.1: (s32[], f32[4,4], f32[10,4])) -> pred[] {
  %t.1 = (s32[], f32[4,4]{1,0}, f32[10,4]{1,0}) parameter(0)
  %n.1 = s32[] get-tuple-element(%t.1), index=0
  %limit = s32[] constant(5)
  ROOT %less = pred[] compare(%n.1, %limit), direction=LT
}

%cheap (c: f32[4,4]) -> f32[4,4] {
  ROOT %c = f32[4,4]{1,0} parameter(0)
}

%dear (e: f32[4,4]) -> f32[4,4] {
  %e = f32[4,4]{1,0} parameter(0)
  ROOT %exp = f32[4,4]{1,0} multiply(%e, %e)
}

%called (f: f32[4,4]) -> f32[4,4] {
  %f = f32[4,4]{1,0} parameter(0)
  ROOT %tanh = f32[4,4]{1,0} tanh(%f)
}

ENTRY %main (x.1: f32[4,4], w.1: f32[10,4], i.1: s32[], z: pred[]) -> f32[4] {
  %x.1 = f32[4,4]{1,0} parameter(0), metadata={op_name="x"}
  %w.1 = f32[10,4]{1,0} parameter(1), metadata={op_name="params[\'layers\'][0][\'w\']"}
  %i.1 = s32[] parameter(2)
  %z = pred[] parameter(3)
  %start = s32[] constant(2)
  %init = (s32[], f32[4,4]{1,0}, f32[10,4]{1,0}) tuple(%start, %x.1, %w.1)
  %loop = (s32[], f32[4,4]{1,0}, f32[10,4]{1,0}) while(%init), condition=%cond, body=%body
  %y = f32[4,4]{1,0} get-tuple-element(%loop), index=1
  %choice = f32[4,4]{1,0} conditional(%z, %y, %y), true_computation=%cheap, false_computation=%dear
  %act = f32[4,4]{1,0} call(%choice), to_apply=%called
  %nil = f32[] constant(0)
  %total = f32[4]{0} reduce(%act, %nil), dimensions={1}, to_apply=%add
  %picked = f32[4]{0} fusion(%w.1, %i.1), kind=kLoop, calls=%row
  %wide = f32[1,4]{1,0} reshape(%picked)
  %store = f32[10,4]{1,0} fusion(%w.1, %wide, %i.1), kind=kLoop, calls=%put
  ROOT %res = f32[4]{0} add(%total, %picked)
}
`

func TestToyCosts(t *testing.T) {
	m := parse(t, []byte(toyModule))
	if len(m.Warnings) > 0 {
		t.Fatal(m.Warnings)
	}
	if m.Entry.Name != "main" || m.Entry.Root.Name != "res" {
		t.Errorf("entry %s root %s", m.Entry.Name, m.Entry.Root.Name)
	}
	loop := m.Instruction("loop")
	if loop.TripCount != 3 || loop.Body().Name != "body" || loop.Condition().Name != "cond" {
		t.Errorf("loop of %d trips, body %s", loop.TripCount, loop.Body().Name)
	}
	for _, tt := range []struct {
		name string
		o    CostOptions
		want Cost
	}{
		// A trip: 2·4·4·4 for dot, an add, a compare. dot moves 3·64 bytes, add
		// 12, compare 9.
		{"loop", CostOptions{}, Cost{FLOPs: 130, MatmulFLOPs: 128, BytesRead: 128 + 8 + 8, BytesWritten: 64 + 4 + 1}},
		{"loop", CostOptions{Loops: true}, Cost{FLOPs: 390, MatmulFLOPs: 384, BytesRead: 432, BytesWritten: 207}},
		{"choice", CostOptions{}, Cost{FLOPs: 16, BytesRead: 128, BytesWritten: 64}},
		{"act", CostOptions{}, Cost{Transcendentals: 16, BytesRead: 64, BytesWritten: 64}},
		{"total", CostOptions{}, Cost{FLOPs: 12, BytesRead: 68, BytesWritten: 16}},
		// Of w one row is read: 16 bytes and the index.
		{"picked", CostOptions{}, Cost{BytesRead: 20, BytesWritten: 16}},
		// The update and the index are read, the row is written.
		{"store", CostOptions{}, Cost{BytesRead: 20, BytesWritten: 16}},
	} {
		if got := m.Cost(m.Instruction(tt.name), tt.o); got != tt.want {
			t.Errorf("%s %+v\n got %+v\nwant %+v", tt.name, tt.o, got, tt.want)
		}
	}
}

func TestToyGraph(t *testing.T) {
	m := parse(t, []byte(toyModule))
	var users []string
	for _, u := range m.Instruction("w.1").Users() {
		users = append(users, u.Name)
	}
	if got := len(users); got != 3 || users[0] != "init" || users[1] != "picked" || users[2] != "store" {
		t.Errorf("users of w.1: %v", users)
	}
	if c := m.Instruction("sum").Parent.Callers; len(c) != 1 || c[0].Name != "total" {
		t.Errorf("callers of add: %v", c)
	}
	ps := m.Entry.Parameters()
	if len(ps) != 4 || ps[1].OpName != "params['layers'][0]['w']" {
		t.Errorf("parameters %v", ps)
	}
	if m.Instruction("no such") != nil {
		t.Error("found an instruction that is not there")
	}
	if got := m.Instruction("dot").String(); got != "dot = f32[4,4]{1,0} dot(x, x)" {
		t.Errorf("String: %s", got)
	}
}

// TestOpNameNear places instructions that the compiler left without a name.
func TestOpNameNear(t *testing.T) {
	m := parse(t, []byte(`HloModule near

%inner {
  %p = f32[4]{0} parameter(0), metadata={op_name="argument"}
  %m = f32[4]{0} dot(%p, %p), metadata={op_name="layer_1/matmul"}, lhs_contracting_dims={0}
  ROOT %c = f32[4]{0} copy(%m)
}

ENTRY %e {
  %w = f32[4]{0} parameter(0), metadata={op_name="params[\'w\']"}
  %start = (f32[4]{0}, f32[4]{0}, u32[]) copy-start(%w)
  %done = f32[4]{0} copy-done(%start)
  %f = f32[4]{0} fusion(%done), kind=kCustom, calls=%inner
  %named = f32[4]{0} tanh(%f), metadata={op_name="layer_2/act"}
  ROOT %out = f32[4]{0} copy(%named)
}
`))
	for name, want := range map[string]string{
		"start": "layer_1/matmul", // through copy-done to the fusion that waits for it
		"done":  "layer_1/matmul",
		"f":     "layer_1/matmul", // inside, not the parameter's name
		"named": "layer_2/act",
		"out":   "layer_2/act", // no user: the operand's
		"w":     "layer_1/matmul",
	} {
		if got, from := m.OpNameNear(m.Instruction(name)); got != want || from == nil {
			t.Errorf("%s: %q from %v, want %q", name, got, from, want)
		}
	}
	alone, err := ParseInstruction("%a = f32[] add(%b, %c)")
	if err != nil {
		t.Fatal(err)
	}
	if got, from := m.OpNameNear(alone); got != "" || from != nil {
		t.Errorf("an instruction alone: %q from %v", got, from)
	}
}
