// SPDX-License-Identifier: Apache-2.0

package kernel

import "unsafe"

var packers = [3]func(unsafe.Pointer, *[panelN]unsafe.Pointer, int){
	F32: packPanelF32AVX2,
	BF16: func(dst unsafe.Pointer, src *[panelN]unsafe.Pointer, n int) {
		packHalvesAVX2(dst, src, n, func(w int) (lo, hi int) { return w, w + 16 })
		packColumnsHalf(dst, src, n&^7, n, halfIndexBF16)
	},
	F16: func(dst unsafe.Pointer, src *[panelN]unsafe.Pointer, n int) {
		packHalvesAVX2(dst, src, n, func(w int) (lo, hi int) { return 2 * w, 2*w + 1 })
		packColumnsHalf(dst, src, n&^7, n, func(c int) int { return c })
	},
}

// packChunk is how many k are packed for all 32 columns before the next: the
// chunk of the panel, 8 KB, stays in L1 while its columns arrive.
const packChunk = 64

// zeroRow stands in for the rows that a panel does not have.
var zeroRow [packChunk]float32

func packPanelF32AVX2(dst unsafe.Pointer, src *[panelN]unsafe.Pointer, n int) {
	for k := 0; k < n&^7; k += packChunk {
		c := min(packChunk, n&^7-k)
		for g := 0; g < panelN; g += 8 {
			var rows [8]unsafe.Pointer
			for i := range rows {
				rows[i] = rowAt(src[g+i], 4*k)
			}
			transposeF32(unsafe.Add(dst, 4*(k*panelN+g)), &rows, c)
		}
	}
	packColumnsF32(dst, src, n&^7, n)
}

func packHalvesAVX2(dst unsafe.Pointer, src *[panelN]unsafe.Pointer, n int, pair func(w int) (lo, hi int)) {
	for k := 0; k < n&^7; k += packChunk {
		c := min(packChunk, n&^7-k)
		for g := 0; g < panelN/2; g += 8 {
			var lo, hi [8]unsafe.Pointer
			for i := range lo {
				l, h := pair(g + i)
				lo[i], hi[i] = rowAt(src[l], 2*k), rowAt(src[h], 2*k)
			}
			transposeHalves(unsafe.Add(dst, 2*k*panelN+4*g), &lo, &hi, c)
		}
	}
}

// rowAt returns the address off bytes into a row, or zeros.
func rowAt(p unsafe.Pointer, off int) unsafe.Pointer {
	if p == nil {
		return unsafe.Pointer(&zeroRow)
	}
	return unsafe.Add(p, off)
}
