// SPDX-License-Identifier: Apache-2.0

package main

import "fmt"

// A micro-kernel multiplies rows of a packed A tile (row stride 1024 bytes) by
// one packed B panel of 32 columns and stores the sums at c or adds them.
const microSig = "(a *float32, b unsafe.Pointer, c *float32, ldc, steps int, add bool)"

// Kernels of few rows wait for B: they prefetch it fetchAhead bytes ahead.
//
// Note: measured with AVX-512 on an 8192×2048 matrix, one core: without prefetch
// 1 row of bf16 reads 28 GB/s and 4 rows 17; 2 KB ahead 35 and 26; 8 KB ahead,
// with panels in the order of memory, 57 and 48 (copy() moves 60). 8 rows of
// f32 go from 0.83 to 0.92 of the peak.
const (
	fetchRows512, fetchRows256 = 8, 4
	fetchAhead                 = 8192
)

// fetch writes the prefetches of k bytes at off.
func (o *out) fetch(off, k int) {
	for i := 0; i < k; i += 64 {
		o.op("PREFETCHT0 %d(DI)", fetchAhead+off+i)
	}
}

func microAbout(set, typ, how string) string {
	return fmt.Sprintf("Micro-kernels of the matrix product, %s, %s weights: C (+)= A·B for R rows and %s "+
		"Each sum is one chain of fused multiply-adds in rising k that starts at zero, so a row's bits "+
		"don't depend on R. Four k a turn (steps counts turns); ldc is in bytes.", set, typ, how)
}

// micro512 writes the kernels for from to to rows: accumulators Z0-Z23, the
// panel row in Z24 and Z25, a broadcast A value in Z26 or Z27.
func micro512(typ string, from, to int) []byte {
	o := newAsm(microAbout("AVX-512", typ, "32 columns, two registers a row."))
	o.line("\n#define ROW(off, x, c0, c1) \\")
	o.line("\tVBROADCASTSS off(SI), x; VFMADD231PS Z24, x, c0; VFMADD231PS Z25, x, c1")
	o.line("#define ZERO(c0, c1) VXORPS c0, c0, c0; VXORPS c1, c1, c1")
	o.line("#define FETCH PREFETCHT0 (R8); PREFETCHT0 64(R8); ADDQ CX, R8")
	o.line("#define ADD(c0, c1) VADDPS (R8), c0, c0; VADDPS 64(R8), c1, c1; ADDQ CX, R8")
	o.line("#define STORE(c0, c1) VMOVUPS c0, (DX); VMOVUPS c1, 64(DX); ADDQ CX, DX")
	k := map[string]int{"f32": 128, "bf16": 64, "f16": 64}[typ] // bytes of a panel row
	for rows := from; rows <= to; rows++ {
		o.text(fmt.Sprintf("micro512%sx%d", typ, rows), microSig, 41)
		o.microStart(rows)
		if typ == "bf16" {
			o.op("VPBROADCASTD ·highHalf(SB), Z28")
		}
		o.ops(collect(rows, func(r int) string { return fmt.Sprintf("ZERO(Z%d, Z%d)", 2*r, 2*r+1) }))
		o.line("loop:")
		for u := range 4 {
			switch typ {
			case "f32":
				o.op("VMOVUPS %d(DI), Z24", k*u)
				o.op("VMOVUPS %d(DI), Z25", k*u+64)
			case "bf16":
				o.op("VMOVUPS %d(DI), Z25", k*u)
				o.op("VPSLLD $16, Z25, Z24")
				o.op("VPANDD Z28, Z25, Z25")
			case "f16":
				o.op("VCVTPH2PS %d(DI), Z24", k*u)
				o.op("VCVTPH2PS %d(DI), Z25", k*u+32)
			}
			if rows <= fetchRows512 {
				o.fetch(k*u, k)
			}
			o.ops(collect(rows, func(r int) string {
				return fmt.Sprintf("ROW(%d, Z%d, Z%d, Z%d)", 1024*r+4*u, 26+r%2, 2*r, 2*r+1)
			}))
		}
		o.microEnd(rows, 4*k, "Z")
	}
	return o.Bytes()
}

func (o *out) microStart(rows int) {
	o.op("MOVQ a+0(FP), SI")
	o.op("MOVQ b+8(FP), DI")
	o.op("MOVQ c+16(FP), DX")
	o.op("MOVQ ldc+24(FP), CX")
	o.op("MOVQ steps+32(FP), BX")
	o.op("MOVQ DX, R8")
	o.ops(collect(rows, func(int) string { return "FETCH" }))
}

func (o *out) microEnd(rows, advance int, reg string) {
	o.op("ADDQ $16, SI")
	o.op("ADDQ $%d, DI", advance)
	o.op("DECQ BX")
	o.op("JNZ loop")
	o.op("CMPB add+40(FP), $0")
	o.op("JEQ store")
	o.op("MOVQ DX, R8")
	o.ops(collect(rows, func(r int) string { return fmt.Sprintf("ADD(%s%d, %[1]s%[3]d)", reg, 2*r, 2*r+1) }))
	o.line("store:")
	o.ops(collect(rows, func(r int) string { return fmt.Sprintf("STORE(%s%d, %[1]s%[3]d)", reg, 2*r, 2*r+1) }))
	o.op("VZEROUPPER")
	o.op("RET")
}

// micro256 writes the AVX2 kernels: up to 6 rows and half a panel (16
// columns). bf16 panels hold the left half in the low and the right half in
// the high 16 bits of each word, which takes two kernels.
func micro256(typ string) []byte {
	o := newAsm(microAbout("AVX2 and FMA", typ, "16 columns (half a panel), two registers a row."))
	o.line("\n#define ROW(off, x, c0, c1) \\")
	o.line("\tVBROADCASTSS off(SI), x; VFMADD231PS Y12, x, c0; VFMADD231PS Y13, x, c1")
	o.line("#define ZERO(c0, c1) VXORPS c0, c0, c0; VXORPS c1, c1, c1")
	o.line("#define FETCH PREFETCHT0 (R8); ADDQ CX, R8")
	o.line("#define ADD(c0, c1) VADDPS (R8), c0, c0; VADDPS 32(R8), c1, c1; ADDQ CX, R8")
	o.line("#define STORE(c0, c1) VMOVUPS c0, (DX); VMOVUPS c1, 32(DX); ADDQ CX, DX")
	for rows := 1; rows <= 6; rows++ {
		switch typ {
		case "f32":
			o.micro256(typ, rows, 128, "VMOVUPS %d(DI), Y12", "VMOVUPS %d(DI), Y13")
		case "f16":
			o.micro256(typ, rows, 64, "VCVTPH2PS %d(DI), Y12", "VCVTPH2PS %d(DI), Y13")
		case "bf16lo":
			o.micro256(typ, rows, 64, "", "") // AVX2 shifts registers only
		case "bf16hi":
			o.micro256(typ, rows, 64, "VPAND %d(DI), Y15, Y12", "VPAND %d(DI), Y15, Y13")
		}
	}
	return o.Bytes()
}

func (o *out) micro256(typ string, rows, k int, load0, load1 string) {
	o.text(fmt.Sprintf("micro256%sx%d", typ, rows), microSig, 41)
	o.microStart(rows)
	if typ == "bf16hi" {
		o.op("VPBROADCASTD ·highHalf(SB), Y15")
	}
	o.ops(collect(rows, func(r int) string { return fmt.Sprintf("ZERO(Y%d, Y%d)", 2*r, 2*r+1) }))
	second := 32
	if typ == "f16" {
		second = 16
	}
	o.line("loop:")
	for u := range 4 {
		for i, load := range []string{load0, load1} {
			if typ == "bf16lo" {
				o.op("VMOVDQU %d(DI), Y%d", k*u+i*second, 12+i)
				o.op("VPSLLD $16, Y%d, Y%d", 12+i, 12+i)
				continue
			}
			o.op(load, k*u+i*second)
		}
		if rows <= fetchRows256 {
			o.fetch(k*u, k)
		}
		o.ops(collect(rows, func(r int) string {
			return fmt.Sprintf("ROW(%d, Y14, Y%d, Y%d)", 1024*r+4*u, 2*r, 2*r+1)
		}))
	}
	o.microEnd(rows, 4*k, "Y")
}
