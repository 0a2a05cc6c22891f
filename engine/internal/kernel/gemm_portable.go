// SPDX-License-Identifier: Apache-2.0

package kernel

import "unsafe"

// microPortable is the micro-kernel in plain Go: tiles of 4×4, then single
// rows of 4 columns. Both sum in the same order, so a row's result does not
// depend on which one computes it. The float32 conversions forbid the
// compiler to fuse a multiplication with an addition (arm64 would), which
// could differ from loop to loop.
//
// Note: 4×4 is what 16 registers allow; 2×8 and 4×8 spill and lose.
func microPortable(rows int, a *float32, b unsafe.Pointer, c *float32, ldc, kc int, add bool) {
	as := unsafe.Slice(a, (rows-1)*aStride+kc)
	bs := unsafe.Slice((*float32)(b), kc*panelN)
	cs := unsafe.Slice(c, (rows-1)*ldc+panelN)
	r := 0
	for ; r+4 <= rows; r += 4 {
		for j := 0; j < panelN; j += 4 {
			micro4x4(as[r*aStride:], bs[j:], cs[r*ldc+j:], ldc, kc, add)
		}
	}
	for ; r < rows; r++ {
		for j := 0; j < panelN; j += 4 {
			micro1x4(as[r*aStride:], bs[j:], cs[r*ldc+j:], kc, add)
		}
	}
}

func micro4x4(a, b, c []float32, ldc, kc int, add bool) {
	var s [16]float32
	a0, a1 := a[:kc], a[aStride:][:kc]
	a2, a3 := a[2*aStride:][:kc], a[3*aStride:][:kc]
	var c00, c01, c02, c03, c10, c11, c12, c13 float32
	var c20, c21, c22, c23, c30, c31, c32, c33 float32
	for k, x := range a0 {
		bk := b[k*panelN : k*panelN+4 : k*panelN+4]
		b0, b1, b2, b3 := bk[0], bk[1], bk[2], bk[3]
		c00 += float32(x * b0)
		c01 += float32(x * b1)
		c02 += float32(x * b2)
		c03 += float32(x * b3)
		x = a1[k]
		c10 += float32(x * b0)
		c11 += float32(x * b1)
		c12 += float32(x * b2)
		c13 += float32(x * b3)
		x = a2[k]
		c20 += float32(x * b0)
		c21 += float32(x * b1)
		c22 += float32(x * b2)
		c23 += float32(x * b3)
		x = a3[k]
		c30 += float32(x * b0)
		c31 += float32(x * b1)
		c32 += float32(x * b2)
		c33 += float32(x * b3)
	}
	s = [16]float32{c00, c01, c02, c03, c10, c11, c12, c13, c20, c21, c22, c23, c30, c31, c32, c33}
	for r := range 4 {
		store(c[r*ldc:r*ldc+4], s[4*r:], add)
	}
}

func micro1x4(a, b, c []float32, kc int, add bool) {
	var c0, c1, c2, c3 float32
	for k, x := range a[:kc] {
		bk := b[k*panelN : k*panelN+4 : k*panelN+4]
		c0 += float32(x * bk[0])
		c1 += float32(x * bk[1])
		c2 += float32(x * bk[2])
		c3 += float32(x * bk[3])
	}
	s := [4]float32{c0, c1, c2, c3}
	store(c[:4], s[:], add)
}
