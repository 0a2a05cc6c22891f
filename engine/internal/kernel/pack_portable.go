// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// The portable forms of packing and widening. They are the reference for the
// assembly and also finish what it leaves over.

func packPanelF32(dst unsafe.Pointer, src *[panelN]unsafe.Pointer, n int) {
	packColumnsF32(dst, src, 0, n)
}

// packColumnsF32 packs columns [k0, k1) only.
func packColumnsF32(dst unsafe.Pointer, src *[panelN]unsafe.Pointer, k0, k1 int) {
	d := unsafe.Slice((*float32)(dst), k1*panelN)
	for c, p := range src {
		if p == nil {
			for k := k0; k < k1; k++ {
				d[k*panelN+c] = 0
			}
			continue
		}
		s := unsafe.Slice((*byte)(p), 4*k1)
		for k := k0; k < k1; k++ {
			d[k*panelN+c] = math.Float32frombits(binary.LittleEndian.Uint32(s[4*k:]))
		}
	}
}

func packPanelBF16(dst unsafe.Pointer, src *[panelN]unsafe.Pointer, n int) {
	packColumnsHalf(dst, src, 0, n, halfIndexBF16)
}

func packPanelF16(dst unsafe.Pointer, src *[panelN]unsafe.Pointer, n int) {
	packColumnsHalf(dst, src, 0, n, func(c int) int { return c })
}

func packColumnsHalf(dst unsafe.Pointer, src *[panelN]unsafe.Pointer, k0, k1 int, place func(int) int) {
	d := unsafe.Slice((*uint16)(dst), k1*panelN)
	for c, p := range src {
		at := place(c)
		if p == nil {
			for k := k0; k < k1; k++ {
				d[k*panelN+at] = 0
			}
			continue
		}
		s := unsafe.Slice((*byte)(p), 2*k1)
		for k := k0; k < k1; k++ {
			d[k*panelN+at] = binary.LittleEndian.Uint16(s[2*k:])
		}
	}
}

func widenPanelBF16(dst *float32, b unsafe.Pointer, kc int) {
	d := unsafe.Slice(dst, kc*panelN)
	w := unsafe.Slice((*uint32)(b), kc*panelN/2)
	for k := range kc {
		row := d[k*panelN : (k+1)*panelN]
		for i, v := range w[k*16 : k*16+16] {
			row[i] = math.Float32frombits(v << 16)
			row[i+16] = math.Float32frombits(v & 0xffff0000)
		}
	}
}

func widenPanelF16(dst *float32, b unsafe.Pointer, kc int) {
	d := unsafe.Slice(dst, kc*panelN)
	for i, h := range unsafe.Slice((*uint16)(b), kc*panelN) {
		d[i] = f16ToF32(h)
	}
}

func widenF32(dst *float32, src unsafe.Pointer, n int) {
	d, s := unsafe.Slice(dst, n), unsafe.Slice((*byte)(src), 4*n)
	for i := range d {
		d[i] = math.Float32frombits(binary.LittleEndian.Uint32(s[4*i:]))
	}
}

func widenBF16(dst *float32, src unsafe.Pointer, n int) {
	d, s := unsafe.Slice(dst, n), unsafe.Slice((*byte)(src), 2*n)
	for i := range d {
		d[i] = bf16ToF32(binary.LittleEndian.Uint16(s[2*i:]))
	}
}

func widenF16(dst *float32, src unsafe.Pointer, n int) {
	d, s := unsafe.Slice(dst, n), unsafe.Slice((*byte)(src), 2*n)
	for i := range d {
		d[i] = f16ToF32(binary.LittleEndian.Uint16(s[2*i:]))
	}
}
