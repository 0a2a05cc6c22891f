// SPDX-License-Identifier: Apache-2.0

package hlo

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// loop is a while over (counter, bound); %s are the step's instruction, the
// compare and the while's attributes.
const loop = `HloModule jit_loop

%%wrapped (p0: s32[], p1: s32[]) -> pred[] {
  %%p0 = s32[] parameter(0)
  %%p1 = s32[] parameter(1)
  ROOT %%lt = pred[] compare(%%p0, %%p1), direction=LT
}

%%bump (p2: s32[]) -> s32[] {
  %%p2 = s32[] parameter(0)
  %%c3 = s32[] constant(3)
  ROOT %%plus = s32[] add(%%c3, %%p2)
}

%%body (t: (s32[], s32[])) -> (s32[], s32[]) {
  %%t = (s32[], s32[]) parameter(0)
  %%i = s32[] get-tuple-element(%%t), index=0
  %%n = s32[] get-tuple-element(%%t), index=1
  %%c1 = s32[] constant(1)
  %%next = s32[] %s
  ROOT %%out = (s32[], s32[]) tuple(%%next, %%n)
}

%%cond (u: (s32[], s32[])) -> pred[] {
  %%u = (s32[], s32[]) parameter(0)
  %%j = s32[] get-tuple-element(%%u), index=0
  %%m = s32[] get-tuple-element(%%u), index=1
  %%c28 = s32[] constant(28)
  ROOT %%go = pred[] %s
}

ENTRY %%main (x: s32[]) -> (s32[], s32[]) {
  %%x = s32[] parameter(0)
  %%c0 = s32[] constant(%d)
  %%c9 = s32[] constant(9)
  %%first = s32[] copy(%%c0)
  %%init = (s32[], s32[]) tuple(%%first, %%c9)
  ROOT %%w = (s32[], s32[]) while(%%init), condition=%%cond, body=%%body%s
}
`

func TestTripCounts(t *testing.T) {
	const add1 = "add(%i, %c1)"
	for _, tt := range []struct {
		step, compare string
		first         int64
		attributes    string
		want          int64
	}{
		{add1, "compare(%j, %c28), direction=LT", 0, "", 28},
		{add1, "compare(%j, %c28), direction=LE", 0, "", 29},
		{add1, "compare(%c28, %j), direction=GT", 0, "", 28},
		{add1, "compare(%j, %c28), direction=NE", 8, "", 20},
		{"add(%c1, %i)", "compare(%j, %c28), direction=LT", 25, "", 3},
		{"fusion(%i), kind=kLoop, calls=%bump", "compare(%j, %c28), direction=LT", 0, "", 10},
		{"subtract(%i, %c1)", "compare(%j, %c28), direction=GT", 30, "", 2},
		{"subtract(%i, %c1)", "compare(%j, %c28), direction=GE", 30, "", 3},
		{add1, "compare(%j, %m), direction=LT", 0, "", 9}, // the bound comes through the loop
		{add1, "fusion(%j, %c28), kind=kLoop, calls=%wrapped", 0, "", 28},
		{add1, "compare(%j, %c28), direction=LT", 0, `, backend_config={"known_trip_count":{"n":"5"}}`, 5},
		{add1, "compare(%j, %c28), direction=LT", 28, "", 0}, // never runs: unknown is as good
		{add1, "compare(%j, %c28), direction=GT", 30, "", 0}, // never ends
		{add1, "compare(%j, %c28), direction=EQ", 28, "", 0},
		{"multiply(%i, %c1)", "compare(%j, %c28), direction=LT", 1, "", 0},
		{add1, "compare(%j, %j), direction=LT", 0, "", 0},
		{add1, "not(%j)", 0, "", 0},
	} {
		m := parse(t, fmt.Appendf(nil, loop, tt.step, tt.compare, tt.first, tt.attributes))
		if len(m.Warnings) > 0 {
			t.Fatal(m.Warnings)
		}
		if got := m.Instruction("w").TripCount; got != tt.want {
			t.Errorf("%s, %s from %d: %d trips, want %d", tt.step, tt.compare, tt.first, got, tt.want)
		}
	}
}

// TestCountTrips compares with running the loop.
func TestCountTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.Int64Range(-20, 20).Draw(t, "first")
		bound := rapid.Int64Range(-20, 20).Draw(t, "bound")
		step := rapid.Int64Range(-5, 5).Draw(t, "step")
		dir := rapid.SampledFrom([]string{"LT", "LE", "GT", "GE", "NE"}).Draw(t, "dir")
		holds := map[string]func(a, b int64) bool{
			"LT": func(a, b int64) bool { return a < b }, "LE": func(a, b int64) bool { return a <= b },
			"GT": func(a, b int64) bool { return a > b }, "GE": func(a, b int64) bool { return a >= b },
			"NE": func(a, b int64) bool { return a != b },
		}[dir]
		want := int64(0)
		for i := first; holds(i, bound); i += step {
			if want++; want > 100 {
				want = 0 // endless
				break
			}
		}
		if got := countTrips(first, bound, step, dir); got != want {
			t.Fatalf("for i := %d; i %s %d; i += %d: %d trips, want %d", first, dir, bound, step, got, want)
		}
	})
}

func TestScanTrips(t *testing.T) {
	m := parse(t, read(t, "testdata/scan.hlo.pb.gz"))
	w := m.Instruction("while.1")
	if w == nil || w.TripCount != 6 {
		t.Fatalf("while.1 %v", w)
	}
	w.BackendConfig = "" // now from the condition's constant
	if got := tripCount(w); got != 6 {
		t.Errorf("%d trips without the compiler's word, want 6", got)
	}
	if !strings.HasPrefix(w.Body().Root.Opcode, "tuple") {
		t.Errorf("body root %s", w.Body().Root)
	}
}
