// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

//go:generate go run ./asmgen

// machineTables returns the assembly paths that this machine can run, slowest
// first.
func machineTables() []*table {
	x := cpu.X86
	if !x.HasAVX2 || !x.HasFMA || !x.HasF16C {
		return nil
	}
	tables := []*table{&avx2Table}
	if x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL {
		tables = append(tables, &avx512Table)
	}
	return tables
}

// microASM is an assembly micro-kernel: ldc in bytes, steps of four k.
type microASM func(a *float32, b unsafe.Pointer, c *float32, ldc, steps int, add bool)

// micro512 makes a table entry of kernels for 1 to 12 rows.
func micro512(fns *[tileM]microASM) func(int, *float32, unsafe.Pointer, *float32, int, int, bool) {
	return func(rows int, a *float32, b unsafe.Pointer, c *float32, ldc, kc int, add bool) {
		fns[rows-1](a, b, c, 4*ldc, kc/4, add)
	}
}

// micro256 makes a table entry of kernels for 1 to 6 rows and the left or
// right half of a panel; shift is the right half's distance in bytes.
func micro256(left, right *[6]microASM, shift int) func(int, *float32, unsafe.Pointer, *float32, int, int, bool) {
	return func(rows int, a *float32, b unsafe.Pointer, c *float32, ldc, kc int, add bool) {
		for r := 0; r < rows; r += 6 {
			n := min(6, rows-r)
			at := (*float32)(unsafe.Add(unsafe.Pointer(a), 4*r*aStride))
			ct := (*float32)(unsafe.Add(unsafe.Pointer(c), 4*r*ldc))
			left[n-1](at, b, ct, 4*ldc, kc/4, add)
			ct = (*float32)(unsafe.Add(unsafe.Pointer(ct), 4*panelN/2))
			right[n-1](at, unsafe.Add(b, shift), ct, 4*ldc, kc/4, add)
		}
	}
}

var avx512Table = table{
	path: AVX512,
	micro: [3]func(int, *float32, unsafe.Pointer, *float32, int, int, bool){
		F32: micro512(&[tileM]microASM{micro512f32x1, micro512f32x2, micro512f32x3, micro512f32x4,
			micro512f32x5, micro512f32x6, micro512f32x7, micro512f32x8,
			micro512f32x9, micro512f32x10, micro512f32x11, micro512f32x12}),
		BF16: micro512(&[tileM]microASM{micro512bf16x1, micro512bf16x2, micro512bf16x3, micro512bf16x4,
			micro512bf16x5, micro512bf16x6, micro512bf16x7, micro512bf16x8,
			micro512bf16x9, micro512bf16x10, micro512bf16x11, micro512bf16x12}),
		F16: micro512(&[tileM]microASM{micro512f16x1, micro512f16x2, micro512f16x3, micro512f16x4,
			micro512f16x5, micro512f16x6, micro512f16x7, micro512f16x8,
			micro512f16x9, micro512f16x10, micro512f16x11, micro512f16x12}),
	},
	widenPanel: [3]func(*float32, unsafe.Pointer, int){BF16: widenPanelBF16512, F16: widenPanelF16512},
	packPanel:  packers,
	widen:      [3]func(*float32, unsafe.Pointer, int){F32: widenF32, BF16: widenRowBF16512, F16: widenRowF16512},
	expSum:     expSum512,
	maxOf:      maxOf512,
	sumSq:      func(x *float32, n int) float32 { return dot512(x, x, n) },
	dot:        dot512,
	axpy:       axpy512,
	add:        add512,
	scale:      scale512,
	shift:      shift512,
	norm:       norm512,
	siluMul:    siluMul512,
	geluMul:    geluMul512,
	softcap:    softcap512,
	rotate:     rotate512,
	peak:       func(n int) int { peak512(n); return n * 24 * 16 * 2 },
}

var avx2Table = table{
	path: AVX2,
	micro: [3]func(int, *float32, unsafe.Pointer, *float32, int, int, bool){
		F32:  micro256(&micro256f32, &micro256f32, 64),
		BF16: micro256(&micro256bf16lo, &micro256bf16hi, 0),
		F16:  micro256(&micro256f16, &micro256f16, 32),
	},
	widenPanel: [3]func(*float32, unsafe.Pointer, int){BF16: widenPanelBF16256, F16: widenPanelF16256},
	packPanel:  packers,
	widen:      [3]func(*float32, unsafe.Pointer, int){F32: widenF32, BF16: widenRowBF16256, F16: widenRowF16256},
	expSum:     expSum256,
	maxOf:      maxOf256,
	sumSq:      func(x *float32, n int) float32 { return dot256(x, x, n) },
	dot:        dot256,
	axpy:       axpy256,
	add:        add256,
	scale:      scale256,
	shift:      shift256,
	norm:       norm256,
	siluMul:    siluMul256,
	geluMul:    geluMul256,
	softcap:    softcap256,
	rotate:     rotate256,
	peak:       func(n int) int { peak256(n); return n * 12 * 8 * 2 },
}

var (
	micro256f32    = [6]microASM{micro256f32x1, micro256f32x2, micro256f32x3, micro256f32x4, micro256f32x5, micro256f32x6}
	micro256f16    = [6]microASM{micro256f16x1, micro256f16x2, micro256f16x3, micro256f16x4, micro256f16x5, micro256f16x6}
	micro256bf16lo = [6]microASM{micro256bf16lox1, micro256bf16lox2, micro256bf16lox3,
		micro256bf16lox4, micro256bf16lox5, micro256bf16lox6}
	micro256bf16hi = [6]microASM{micro256bf16hix1, micro256bf16hix2, micro256bf16hix3,
		micro256bf16hix4, micro256bf16hix5, micro256bf16hix6}
)

func widenPanelF16512(dst *float32, b unsafe.Pointer, kc int) { widenF16512(dst, b, kc*panelN) }
func widenPanelF16256(dst *float32, b unsafe.Pointer, kc int) { widenF16256(dst, b, kc*panelN) }

func widenRowBF16512(dst *float32, src unsafe.Pointer, n int) {
	widenRow(widenBF16512, widenBF16, dst, src, n)
}
func widenRowBF16256(dst *float32, src unsafe.Pointer, n int) {
	widenRow(widenBF16256, widenBF16, dst, src, n)
}
func widenRowF16512(dst *float32, src unsafe.Pointer, n int) {
	widenRow(widenF16512, widenF16, dst, src, n)
}
func widenRowF16256(dst *float32, src unsafe.Pointer, n int) {
	widenRow(widenF16256, widenF16, dst, src, n)
}

// widenRow widens multiples of 16 values with fast, the rest with slow; both
// are exact.
func widenRow(fast, slow func(*float32, unsafe.Pointer, int), dst *float32, src unsafe.Pointer, n int) {
	m := n &^ 15
	fast(dst, src, m)
	if n > m {
		slow((*float32)(unsafe.Add(unsafe.Pointer(dst), 4*m)), unsafe.Add(src, 2*m), n-m)
	}
}
