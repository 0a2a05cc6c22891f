// SPDX-License-Identifier: Apache-2.0

package main

// transposeFile has the 8×8 transpositions that pack weights, on AVX2 for
// every amd64 path: packing waits for memory.
func transposeFile() []byte {
	o := newAsm("Packing: 8 rows of weights become 8 columns of a panel, 8 k at a time. n counts k and is a multiple of 8.")
	o.text("transposeF32", "(dst unsafe.Pointer, src *[8]unsafe.Pointer, n int)", 24)
	regs := []string{"AX", "BX", "DX", "SI", "R8", "R9", "R10", "R11"}
	o.op("MOVQ dst+0(FP), DI")
	o.op("MOVQ src+8(FP), R12")
	o.op("MOVQ n+16(FP), R13")
	for i, r := range regs {
		o.op("MOVQ %d(R12), %s", 8*i, r)
	}
	o.op("XORQ CX, CX")
	o.line("loop:")
	for i, r := range regs {
		o.op("VMOVUPS (%s)(CX*4), Y%d", r, i)
	}
	o.transpose(128)
	o.op("ADDQ $1024, DI")
	o.op("ADDQ $8, CX")
	o.op("CMPQ CX, R13")
	o.op("JLT loop")
	o.op("VZEROUPPER")
	o.op("RET")

	o.text("transposeHalves", "(dst unsafe.Pointer, lo, hi *[8]unsafe.Pointer, n int)", 32)
	o.op("MOVQ dst+0(FP), DI")
	o.op("MOVQ lo+8(FP), R12")
	o.op("MOVQ hi+16(FP), R13")
	o.op("MOVQ n+24(FP), DX")
	o.op("XORQ CX, CX")
	o.line("loop:")
	for i := range 8 { // word = low row | high row << 16
		o.op("MOVQ %d(R12), AX", 8*i)
		o.op("MOVQ %d(R13), BX", 8*i)
		o.op("VPMOVZXWD (AX)(CX*2), Y%d", i)
		o.op("VPMOVZXWD (BX)(CX*2), Y8")
		o.op("VPSLLD $16, Y8, Y8")
		o.op("VPOR Y8, Y%d, Y%d", i, i)
	}
	o.transpose(64)
	o.op("ADDQ $512, DI")
	o.op("ADDQ $8, CX")
	o.op("CMPQ CX, DX")
	o.op("JLT loop")
	o.op("VZEROUPPER")
	o.op("RET")
	return o.Bytes()
}

// transpose stores the transpose of Y0-Y7, row i at DI + i·stride.
func (o *out) transpose(stride int) {
	for i := 0; i < 8; i += 2 { // pairs of rows, elements interleaved
		o.op("VUNPCKLPS Y%d, Y%d, Y%d", i+1, i, 8+i)
		o.op("VUNPCKHPS Y%d, Y%d, Y%d", i+1, i, 9+i)
	}
	for i := 0; i < 8; i += 4 { // fours of rows
		o.op("VSHUFPS $0x44, Y%d, Y%d, Y%d", 10+i, 8+i, i)
		o.op("VSHUFPS $0xee, Y%d, Y%d, Y%d", 10+i, 8+i, i+1)
		o.op("VSHUFPS $0x44, Y%d, Y%d, Y%d", 11+i, 9+i, i+2)
		o.op("VSHUFPS $0xee, Y%d, Y%d, Y%d", 11+i, 9+i, i+3)
	}
	for i := range 4 { // halves
		o.op("VPERM2F128 $0x20, Y%d, Y%d, Y8", i+4, i)
		o.op("VPERM2F128 $0x31, Y%d, Y%d, Y9", i+4, i)
		o.op("VMOVUPS Y8, %d(DI)", i*stride)
		o.op("VMOVUPS Y9, %d(DI)", (i+4)*stride)
	}
}

// peakFile has the probes of the machine's multiply-add peak, and the pause of
// polling loops.
func peakFile() []byte {
	o := newAsm("The peak probe: independent fused multiply-adds and nothing else, n rounds of 24 (AVX-512) or 12 (AVX2). " +
		"x = x·a + b with a < 1 stays bounded and normal. And pause, the rest of a polling loop.")
	for _, s := range []struct {
		name, reg string
		chains    int
	}{{"peak512", "Z", 24}, {"peak256", "Y", 12}} {
		o.text(s.name, "(n int)", 8)
		o.op("MOVQ n+0(FP), CX")
		a, b := s.reg+"14", s.reg+"15"
		if s.reg == "Z" {
			a, b = "Z30", "Z31"
		}
		o.op("VBROADCASTSS ·peakFactor(SB), %s", a)
		o.op("VBROADCASTSS ·vecConst+%d(SB), %s", 32*constIndex("one"), b)
		for i := range s.chains {
			o.op("VXORPS %s%d, %[1]s%[2]d, %[1]s%[2]d", s.reg, i)
		}
		o.line("loop:")
		for i := range s.chains {
			o.op("VFMADD213PS %s, %s, %s%d", b, a, s.reg, i)
		}
		o.op("DECQ CX")
		o.op("JNZ loop")
		o.op("VZEROUPPER")
		o.op("RET")
	}
	o.text("pause", "()", 0)
	o.op("MOVL $8, CX")
	o.line("loop:")
	o.op("PAUSE")
	o.op("DECL CX")
	o.op("JNZ loop")
	o.op("RET")
	return o.Bytes()
}
