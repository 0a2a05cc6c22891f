// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"unsafe"
)

// Path is one implementation of the kernels.
type Path uint8

// The paths, slowest first.
const (
	Portable Path = iota // plain Go, any architecture
	AVX2                 // amd64 with AVX2, FMA and F16C
	AVX512               // amd64 with AVX-512 F, BW, DQ and VL
)

func (p Path) String() string {
	switch p {
	case Portable:
		return "portable"
	case AVX2:
		return "avx2"
	case AVX512:
		return "avx512"
	}
	return fmt.Sprintf("path(%d)", uint8(p))
}

// ParsePath reads a path's name as String prints it.
func ParsePath(s string) (Path, error) {
	for _, p := range []Path{Portable, AVX2, AVX512} {
		if s == p.String() {
			return p, nil
		}
	}
	return 0, fmt.Errorf("kernel path %q: want portable, avx2 or avx512", s)
}

// table is the set of functions that make up a path. Pointers are to the
// first of n values; n = 0 is allowed and touches nothing. dst may equal a
// source, but must not overlap it otherwise.
type table struct {
	path Path

	// micro adds to (or, when add is false, stores in) the rows×32 tile at c
	// the product of a (rows ≤ 12, row stride aStride floats) and one packed
	// panel b (kc×32, kc a multiple of 4). ldc counts floats.
	micro [3]func(rows int, a *float32, b unsafe.Pointer, c *float32, ldc, kc int, add bool)
	// widenPanel turns kc×32 packed 16-bit values into float32.
	widenPanel [3]func(dst *float32, b unsafe.Pointer, kc int)
	// packPanel writes columns [0, n) of up to 32 tensor rows as k-major
	// panel rows; src holds 32 addresses (nil = a row of zeros).
	packPanel [3]func(dst unsafe.Pointer, src *[panelN]unsafe.Pointer, n int)
	// widen turns n stored values into float32.
	widen [3]func(dst *float32, src unsafe.Pointer, n int)

	expSum  func(dst, x *float32, n int, shift float32) float32 // dst = exp(x-shift); the sum of dst
	maxOf   func(x *float32, n int) float32                     // -Inf for n = 0; NaN may be passed over
	sumSq   func(x *float32, n int) float32
	dot     func(x, y *float32, n int) float32
	axpy    func(y, x *float32, n int, a float32)              // y += a·x
	add     func(dst, x *float32, n int)                       // dst += x
	scale   func(dst, x *float32, n int, s float32)            // dst = s·x
	shift   func(dst, x *float32, n int, s float32)            // dst = x - s
	norm    func(dst, x, w *float32, n int, s, offset float32) // dst = x·s·(w+offset)
	siluMul func(dst, gate, up *float32, n int)
	geluMul func(dst, gate, up *float32, n int)
	softcap func(dst, x *float32, n int, limit float32) // dst = limit·tanh(x/limit)
	rotate  func(x0, x1, cos, sin *float32, n int)      // (x0, x1) = (x0·cos-x1·sin, x1·cos+x0·sin)

	// peak runs n rounds of independent fused multiply-adds and returns the
	// floating-point operations done.
	peak func(n int) int
}

var active atomic.Pointer[table]

func init() { active.Store(available[len(available)-1]) }

// available lists this machine's paths, slowest first.
var available = append([]*table{&portableTable}, machineTables()...)

// Active returns the path in use.
func Active() Path { return active.Load().path }

// Available lists the paths of this machine, slowest first.
func Available() []Path {
	var ps []Path
	for _, t := range available {
		ps = append(ps, t.path)
	}
	return ps
}

// Use makes p the path of all later kernel calls; an error names the paths
// that this machine has. It is for start-up (an override by the user) and for
// tests: while a kernel or an engine runs, a change of path would mix results
// of different rounding.
func Use(p Path) error {
	i := slices.IndexFunc(available, func(t *table) bool { return t.path == p })
	if i < 0 {
		var names []string
		for _, q := range Available() {
			names = append(names, q.String())
		}
		return fmt.Errorf("kernel path %v: this machine has %s", p, strings.Join(names, ", "))
	}
	active.Store(available[i])
	return nil
}
