// SPDX-License-Identifier: Apache-2.0

package hlo

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
)

// visit asks everything of a module, as an analysis would, and checks what
// must hold of any module that was accepted.
func visit(tb testing.TB, m *Module) {
	tb.Helper()
	if m.Entry == nil && len(m.Computations) > 0 {
		tb.Error("no entry")
	}
	budget := 1 << 14 // instructions asked for their work
	for _, c := range m.Computations {
		c.Parameters()
		at := map[*Instruction]bool{}
		for _, in := range c.Instructions {
			if in.Parent != c || in.Shape == nil {
				tb.Fatalf("%s: parent %v, shape %v", in.Name, in.Parent, in.Shape)
			}
			at[in] = true
			in.Users()
			m.Stack(in)
			m.Source(in)
			m.OpNameNear(in)
			_ = in.String()
			for _, o := range in.Operands {
				if o == nil || o.Shape == nil || o.Parent != nil && o.Parent != c {
					tb.Fatalf("%s: operand %v", in.Name, o)
				}
			}
			cost := m.Cost(in, CostOptions{Loops: true})
			if cost.FLOPs < cost.MatmulFLOPs || cost.BytesRead < 0 || cost.BytesWritten < 0 || cost.Transcendentals < 0 {
				tb.Fatalf("%s costs %+v", in.Name, cost)
			}
			if budget -= 1 + len(in.Called); budget > 0 {
				for range m.Work(in, CostOptions{}) {
					budget--
				}
			}
		}
		if c.Root != nil && !at[c.Root] {
			tb.Fatalf("root %s of %s is elsewhere", c.Root.Name, c.Name)
		}
	}
	a, err := m.Buffers()
	if err != nil || a == nil {
		return
	}
	for _, color := range a.Colors() {
		if p, err := a.Peak(color); err == nil && (p.Heap < 0 || p.Indefinite < 0 || p.Bytes() < p.Heap) {
			tb.Fatalf("peak %+v", p)
		}
	}
}

// TestDamagedModules cuts modules at a thousand places and turns bits over:
// an error or a module, never a panic.
func TestDamagedModules(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	small := []byte(enc{}.msg(1, smallProgram()).msg(3, smallPlan()))
	for _, b := range [][]byte{read(t, "testdata/scan.hlo.pb.gz"), read(t, "testdata/scan.hlo.txt.gz"), small, []byte(toyModule)} {
		accepted := 0
		for i := range 1000 {
			d := bytes.Clone(b)
			if i%2 == 0 {
				d = d[:rng.IntN(len(d))]
			} else {
				for range 1 + rng.IntN(4) {
					d[rng.IntN(len(d))] ^= 1 << rng.IntN(8)
				}
			}
			m, err := Parse(d)
			if err != nil {
				continue
			}
			accepted++
			if i < 200 || len(b) < 1<<13 {
				visit(t, m)
			}
		}
		if accepted == 0 || accepted == 1000 {
			t.Errorf("%d of 1000 damaged modules accepted", accepted)
		}
	}
}

func TestCallCycles(t *testing.T) {
	for name, text := range map[string]string{
		"self":   "HloModule m\n%a {\n x = f32[] parameter(0)\n y = f32[] call(x), to_apply=%a\n}\nENTRY %e {\n p = f32[] parameter(0)\n r = f32[] call(p), to_apply=%a\n}\n",
		"mutual": "HloModule m\n%a {\n x = f32[] parameter(0)\n y = f32[] fusion(x), kind=kLoop, calls=%b\n}\n%b {\n z = f32[] parameter(0)\n w = f32[] fusion(z), kind=kLoop, calls=%a\n}\nENTRY %e {\n p = f32[] parameter(0)\n r = f32[] call(p), to_apply=%b\n}\n",
	} {
		m := parse(t, []byte(text))
		visit(t, m)
		if c := m.Cost(m.Instruction("r"), CostOptions{}); !c.Unknown {
			t.Errorf("%s: a call into a cycle costs %+v", name, c)
		}
		if len(m.Warnings) != 1 || m.Warnings[0].Kind != "call cycle" {
			t.Errorf("%s: warnings %v", name, m.Warnings)
		}
	}
	// An operand that comes later, and ids that are nowhere.
	m := parse(t, program(1, function(1, "e", 99,
		node(1, "later", "add", array(2), 2, 2),
		node(2, "x", "parameter", array(2)),
		node(3, "call", "call", array(2), 2, 77).packed(38, 55))))
	visit(t, m)
	kinds := map[string]int{}
	for _, w := range m.Warnings {
		kinds[w.Kind] = w.Count
	}
	if kinds["missing operand"] != 3 || kinds["missing computation"] != 1 || kinds["missing root"] != 1 {
		t.Errorf("warnings %v", m.Warnings)
	}
}

// TestCallDoubling is a chain in which each computation calls the one below
// twice: 2⁴⁰⁰ executions, one visit each.
func TestCallDoubling(t *testing.T) {
	var b strings.Builder
	b.WriteString("HloModule m\n%c0 {\n x = f32[8] parameter(0)\n ROOT y = f32[8] add(x, x)\n}\n")
	for i := 1; i <= 400; i++ {
		fmt.Fprintf(&b, "%%c%d {\n x%d = f32[8] parameter(0)\n a%d = f32[8] call(x%d), to_apply=%%c%d\n ROOT b%d = f32[8] call(a%d), to_apply=%%c%d\n}\n", i, i, i, i, i-1, i, i, i-1)
	}
	b.WriteString("ENTRY %e {\n p = f32[8] parameter(0)\n ROOT r = f32[8] call(p), to_apply=%c400\n}\n")
	m := parse(t, []byte(b.String()))
	r := m.Instruction("r")
	n := 0
	var sum Cost
	for _, c := range m.Work(r, CostOptions{}) {
		n++
		sum = sum.Add(c)
	}
	const most = 1<<63 - 1
	if n != 1+2+400*3 || sum.FLOPs != most || m.Cost(r, CostOptions{}).FLOPs != most {
		t.Errorf("%d steps, %d FLOPs", n, sum.FLOPs)
	}
}

// TestDeepNesting goes a million levels deep where an input can.
func TestDeepNesting(t *testing.T) {
	const n = 1_000_000
	open, shut := strings.Repeat("(", n), strings.Repeat(")", n)
	if _, err := ParseInstruction("%a = " + open + "f32[]" + shut + " add(x)"); err == nil {
		t.Error("deep tuple accepted")
	}
	if _, err := ParseInstruction("%a = f32[] add(" + open + shut + ")"); err != nil {
		t.Error(err)
	}
	if _, err := ParseShape(open); err == nil {
		t.Error("open tuple accepted")
	}
	if _, err := Parse(program(9, function(9, "main", 1, node(1, "a", "parameter", deepTuple(1000))))); err == nil {
		t.Error("deep tuple accepted")
	}
	for _, s := range []string{
		strings.Repeat("jvp(", n) + strings.Repeat(")", n),
		strings.Repeat("jvp(a/", n) + strings.Repeat(")", n),
		strings.Repeat("transpose(jvp(", n), strings.Repeat("/", n), strings.Repeat("a/", n), strings.Repeat("a;", n), strings.Repeat("[", n),
		strings.Repeat("jvp(", 8) + strings.Repeat("a/", n) + strings.Repeat(")", 8),
	} {
		FoldScope(s)
	}
	// Groups nest in the wire format even where no field is one.
	if _, err := Parse(append(smallProgram(), bytes.Repeat([]byte{0x9b, 0x06}, n)...)); err == nil {
		t.Error("open groups accepted")
	}
}

// TestBombs gives small inputs that ask for much.
func TestBombs(t *testing.T) {
	long := enc{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}
	wide := enc{}.num(2, int64(F32)).packed(3, 1<<62, 1<<62, 1<<62)
	window := enc{}.msg(1, enc{}.num(1, 1<<62).num(2, 1<<62).num(3, -1<<62).num(5, 1<<62).num(6, 1<<62))
	conv := node(3, "c", "convolution", wide, 1, 2).msg(15, window).
		msg(16, enc{}.num(3, 0).num(4, 0).packed(6, 2).num(7, 0).num(8, 0).packed(11, 1).num(9, 0).num(10, 0).packed(12, 1))
	for name, b := range map[string][]byte{
		"length":          long,
		"length inside":   append(smallProgram(), long...),
		"dimensions":      program(9, function(9, "m", 3, node(1, "a", "parameter", wide), node(2, "b", "parameter", wide), conv)),
		"parameter 2^62":  program(9, function(9, "m", 1, node(1, "a", "parameter", wide).num(9, 1<<62))),
		"negative":        program(9, function(9, "m", 1, node(1, "a", "parameter", wide).num(9, -5).num(13, -7))),
		"frame ring":      append(smallProgram(), enc{}.msg(17, enc{}.msg(3, enc{}.num(3, 1)).msg(4, enc{}.num(1, 1).num(2, 2)).msg(4, enc{}.num(1, 1).num(2, 1)))...),
		"unpacked dims":   program(9, function(9, "m", 1, node(1, "a", "parameter", enc(bytes.Repeat(enc{}.num(3, 7), 100_000))))),
		"one byte values": program(9, function(9, "m", 1, node(1, "a", "parameter", array(2)).str(36, strings.Repeat("\x01", 4<<20)))),
	} {
		if m, err := Parse(b); err == nil {
			visit(t, m)
		} else if !strings.HasPrefix(err.Error(), "hlo: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMemoryBound fills inputs with the smallest messages that count, and
// checks that what is held stays below 3 × input + 100 MB.
func TestMemoryBound(t *testing.T) {
	if testing.Short() {
		t.Skip("allocates some 100 MB")
	}
	const n = 8 << 20
	fill := func(unit []byte) []byte { return bytes.Repeat(unit, n/len(unit)) }
	tiny := enc{}.msg(2, enc{}.str(1, "a").str(2, "add").msg(3, array(2)).num(35, 1))
	for name, b := range map[string][]byte{
		"instructions":       program(9, append(enc{}.str(1, "m"), fill(tiny)...)),
		"empty instructions": program(9, append(enc{}.str(1, "m"), fill([]byte{0x12, 0})...)),
		"computations":       append(enc{}.str(1, "m"), fill([]byte{0x1a, 0})...),
		"frames":             append(smallProgram(), enc{}.str(17, string(fill([]byte{0x22, 0})))...),
		"tuple parts":        program(9, function(9, "m", 1, node(1, "a", "parameter", enc(fill([]byte{0x22, 0}))))),
		"operands":           program(9, function(9, "m", 1, node(1, "a", "add", array(2)).str(36, string(fill([]byte{1}))))),
		"text instructions":  []byte("HloModule m\nENTRY %e {\n" + string(fill([]byte("a=f32[] b()\n"))) + "}\n"),
		"text operands":      []byte("HloModule m\nENTRY %e {\na=f32[] b(" + string(fill([]byte("x,"))) + ")\n}\n"),
	} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		m, err := Parse(b)
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 3*n+100<<20 {
			t.Errorf("%s: %d MB allocated for %d MB (%v)", name, grown>>20, n>>20, err)
		}
		runtime.KeepAlive(m)
	}
}
