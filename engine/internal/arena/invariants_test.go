// SPDX-License-Identifier: Apache-2.0

package arena

import (
	"math"
	"testing"
)

// TestMemoryChecks needs the build tag invariants.
func TestMemoryChecks(t *testing.T) {
	if !checked {
		t.Skip("built without the tag invariants")
	}
	a := New(Options{Region: 4096})
	b := alloc(t, a, 100, "x", Temp)
	if v := float64(b.Floats()[0]); !math.IsNaN(v) {
		t.Errorf("a new buffer holds %g, want NaN", v)
	}
	over := a.live[b.id].bytes()
	over[100] = 1
	mustPanic(t, "x (temp) (100 bytes) was written 0 bytes past its end: 0x01", b.Free)

	b = New(Options{}).mustAlloc(100)
	stale := b.Bytes()
	b.Free()
	stale[7] = 3
	mustPanic(t, "byte 7 of the memory for y", func() { _, _ = b.arena.Alloc(64, Tag{Scope: "y"}) })
}

func (a *Arena) mustAlloc(n int) Buffer {
	b, err := a.Alloc(n, Tag{})
	if err != nil {
		panic(err)
	}
	return b
}
