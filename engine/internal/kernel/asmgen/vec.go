// SPDX-License-Identifier: Apache-2.0

package main

import "fmt"

// isa generates element-wise kernels for one vector width: 16 lanes =
// AVX-512, 8 = AVX2. Registers 0-7 are the body's, 8-13 hold scalars;
// constants are registers 16-31 (AVX-512) or memory (AVX2), where register 15
// is the mask of the remainder and 14 a temporary for constants.
type isa struct {
	*out
	lanes  int
	consts map[string]int // AVX-512: registers of the constants in use
	masked bool           // the body is for the remainder
}

func (g isa) name() string {
	if g.lanes == 16 {
		return "avx512"
	}
	return "avx2"
}

func (g isa) suffix() string {
	if g.lanes == 16 {
		return "512"
	}
	return "256"
}

func (g isa) r(i int) string {
	if g.lanes == 16 {
		return fmt.Sprintf("Z%d", i)
	}
	return fmt.Sprintf("Y%d", i)
}

// load and store move one vector at a pointer register, or its remainder.
func (g isa) load(ptr string, i int) {
	switch {
	case !g.masked:
		g.op("VMOVUPS (%s), %s", ptr, g.r(i))
	case g.lanes == 16:
		g.op("VMOVUPS.Z (%s), K1, %s", ptr, g.r(i))
	default:
		g.op("VMASKMOVPS (%s), Y15, %s", ptr, g.r(i))
	}
}

func (g isa) store(i int, ptr string) {
	switch {
	case !g.masked:
		g.op("VMOVUPS %s, (%s)", g.r(i), ptr)
	case g.lanes == 16:
		g.op("VMOVUPS %s, K1, (%s)", g.r(i), ptr)
	default:
		g.op("VMASKMOVPS %s, Y15, (%s)", g.r(i), ptr)
	}
}

// k returns an operand that holds constant name in every lane; it must be an
// instruction's first operand, as it may be memory.
func (g isa) k(name string) string {
	if g.lanes == 16 {
		return fmt.Sprintf("Z%d", g.consts[name])
	}
	return fmt.Sprintf("·vecConst+%d(SB)", 32*constIndex(name))
}

// kreg is k as a register.
func (g isa) kreg(name string) string {
	if g.lanes == 16 {
		return g.k(name)
	}
	g.op("VMOVUPS %s, Y14", g.k(name))
	return "Y14"
}

// use loads constants before the loop.
func (g *isa) use(names ...string) {
	g.consts = map[string]int{}
	if g.lanes != 16 {
		return
	}
	for _, n := range names {
		if _, ok := g.consts[n]; ok {
			continue
		}
		reg := 31 - len(g.consts)
		g.consts[n] = reg
		g.op("VBROADCASTSS ·vecConst+%d(SB), Z%d", 32*constIndex(n), reg)
	}
}

// loop writes body for all full vectors of CX values and for the remainder;
// ptrs are advanced.
func (g *isa) loop(ptrs []string, body func()) {
	g.op("SUBQ $%d, CX", g.lanes)
	g.op("JLT rest")
	g.line("loop:")
	body()
	for _, p := range ptrs {
		g.op("ADDQ $%d, %s", 4*g.lanes, p)
	}
	g.op("SUBQ $%d, CX", g.lanes)
	g.op("JGE loop")
	g.line("rest:")
	g.op("ADDQ $%d, CX", g.lanes)
	g.op("JEQ done")
	g.mask()
	g.masked = true
	body()
	g.masked = false
	g.line("done:")
}

// mask selects the first CX lanes.
func (g *isa) mask() {
	if g.lanes == 16 {
		g.op("MOVL $1, AX")
		g.op("SHLL CX, AX")
		g.op("DECL AX")
		g.op("KMOVW AX, K1")
		return
	}
	g.op("LEAQ ·laneMask+32(SB), AX")
	g.op("SHLQ $2, CX")
	g.op("SUBQ CX, AX")
	g.op("VMOVUPS (AX), Y15")
}

func (g *isa) end() {
	g.op("VZEROUPPER")
	g.op("RET")
}

// sum reduces register 0 to its lane sum (or, with op VMAXPS, maximum) in X0;
// register 1 is clobbered.
func (g *isa) reduce(op string) {
	if g.lanes == 16 {
		g.op("VEXTRACTF64X4 $1, Z0, Y1")
		g.op("%s Y1, Y0, Y0", op)
	}
	g.op("VEXTRACTF128 $1, Y0, X1")
	g.op("%s X1, X0, X0", op)
	g.op("VPERMILPS $0x4e, X0, X1")
	g.op("%s X1, X0, X0", op)
	g.op("VPERMILPS $0xb1, X0, X1")
	g.op("%s X1, X0, X0", op)
}

// vecFile has the kernels without exponentials.
func (g isa) vecFile() []byte {
	g.out = newAsm("Element-wise kernels, " + g.name() + ". The remainder of a row uses a mask, so a value's result " +
		"does not depend on its place.")
	g.text("add"+g.suffix(), "(dst, x *float32, n int)", 24)
	g.op("MOVQ dst+0(FP), DI")
	g.op("MOVQ x+8(FP), SI")
	g.op("MOVQ n+16(FP), CX")
	g.loop([]string{"DI", "SI"}, func() {
		g.load("DI", 0)
		g.load("SI", 1)
		g.op("VADDPS %s, %s, %s", g.r(1), g.r(0), g.r(0))
		g.store(0, "DI")
	})
	g.end()

	g.text("axpy"+g.suffix(), "(y, x *float32, n int, a float32)", 28)
	g.op("MOVQ y+0(FP), DI")
	g.op("MOVQ x+8(FP), SI")
	g.op("MOVQ n+16(FP), CX")
	g.op("VBROADCASTSS a+24(FP), %s", g.r(8))
	g.loop([]string{"DI", "SI"}, func() {
		g.load("DI", 0)
		g.load("SI", 1)
		g.op("VFMADD231PS %s, %s, %s", g.r(1), g.r(8), g.r(0))
		g.store(0, "DI")
	})
	g.end()

	for _, f := range [][2]string{{"scale", "VMULPS"}, {"shift", "VSUBPS"}} {
		g.text(f[0]+g.suffix(), "(dst, x *float32, n int, s float32)", 28)
		g.op("MOVQ dst+0(FP), DI")
		g.op("MOVQ x+8(FP), SI")
		g.op("MOVQ n+16(FP), CX")
		g.op("VBROADCASTSS s+24(FP), %s", g.r(8))
		g.loop([]string{"DI", "SI"}, func() {
			g.load("SI", 0)
			g.op("%s %s, %s, %s", f[1], g.r(8), g.r(0), g.r(0))
			g.store(0, "DI")
		})
		g.end()
	}

	g.text("norm"+g.suffix(), "(dst, x, w *float32, n int, s, offset float32)", 40)
	g.op("MOVQ dst+0(FP), DI")
	g.op("MOVQ x+8(FP), SI")
	g.op("MOVQ w+16(FP), DX")
	g.op("MOVQ n+24(FP), CX")
	g.op("VBROADCASTSS s+32(FP), %s", g.r(8))
	g.op("VBROADCASTSS offset+36(FP), %s", g.r(9))
	g.loop([]string{"DI", "SI", "DX"}, func() {
		g.load("SI", 0)
		g.load("DX", 1)
		g.op("VMULPS %s, %s, %s", g.r(8), g.r(0), g.r(0))
		g.op("VADDPS %s, %s, %s", g.r(9), g.r(1), g.r(1))
		g.op("VMULPS %s, %s, %s", g.r(1), g.r(0), g.r(0))
		g.store(0, "DI")
	})
	g.end()
	g.rotate()
	g.dot()
	g.maxOf()
	return g.Bytes()
}

func (g *isa) rotate() {
	g.text("rotate"+g.suffix(), "(x0, x1, cos, sin *float32, n int)", 40)
	g.op("MOVQ x0+0(FP), DI")
	g.op("MOVQ x1+8(FP), SI")
	g.op("MOVQ cos+16(FP), DX")
	g.op("MOVQ sin+24(FP), BX")
	g.op("MOVQ n+32(FP), CX")
	g.loop([]string{"DI", "SI", "DX", "BX"}, func() {
		g.load("DI", 0)
		g.load("SI", 1)
		g.load("DX", 2)
		g.load("BX", 3)
		g.op("VMULPS %s, %s, %s", g.r(3), g.r(1), g.r(4)) // x1·sin
		g.op("VMULPS %s, %s, %s", g.r(3), g.r(0), g.r(5)) // x0·sin
		g.op("VFMSUB213PS %s, %s, %s", g.r(4), g.r(2), g.r(0))
		g.op("VFMADD213PS %s, %s, %s", g.r(5), g.r(2), g.r(1))
		g.store(0, "DI")
		g.store(1, "SI")
	})
	g.end()
}

// dot sums in four accumulators, then vector by vector in the first.
func (g *isa) dot() {
	g.text("dot"+g.suffix(), "(x, y *float32, n int) (ret float32)", 28)
	g.op("MOVQ x+0(FP), SI")
	g.op("MOVQ y+8(FP), DX")
	g.op("MOVQ n+16(FP), CX")
	for i := range 4 {
		g.op("VXORPS %s, %s, %s", g.r(i), g.r(i), g.r(i))
	}
	g.op("SUBQ $%d, CX", 4*g.lanes)
	g.op("JLT single")
	g.line("four:")
	for i := range 4 {
		g.op("VMOVUPS %d(SI), %s", 4*g.lanes*i, g.r(4+i))
		g.op("VFMADD231PS %d(DX), %s, %s", 4*g.lanes*i, g.r(4+i), g.r(i))
	}
	g.op("ADDQ $%d, SI", 16*g.lanes)
	g.op("ADDQ $%d, DX", 16*g.lanes)
	g.op("SUBQ $%d, CX", 4*g.lanes)
	g.op("JGE four")
	g.line("single:")
	g.op("ADDQ $%d, CX", 4*g.lanes)
	g.loop([]string{"SI", "DX"}, func() {
		g.load("SI", 4)
		g.load("DX", 5)
		g.op("VFMADD231PS %s, %s, %s", g.r(5), g.r(4), g.r(0))
	})
	g.op("VADDPS %s, %s, %s", g.r(1), g.r(0), g.r(0))
	g.op("VADDPS %s, %s, %s", g.r(3), g.r(2), g.r(2))
	g.op("VADDPS %s, %s, %s", g.r(2), g.r(0), g.r(0))
	g.reduce("VADDPS")
	g.op("VMOVSS X0, ret+24(FP)")
	g.end()
}

func (g *isa) maxOf() {
	g.text("maxOf"+g.suffix(), "(x *float32, n int) (ret float32)", 20)
	g.op("MOVQ x+0(FP), SI")
	g.op("MOVQ n+8(FP), CX")
	for i := range 4 {
		g.op("VBROADCASTSS ·vecConst+%d(SB), %s", 32*constIndex("-inf"), g.r(i))
	}
	g.op("SUBQ $%d, CX", 4*g.lanes)
	g.op("JLT single")
	g.line("four:")
	for i := range 4 {
		g.op("VMAXPS %d(SI), %s, %s", 4*g.lanes*i, g.r(i), g.r(i))
	}
	g.op("ADDQ $%d, SI", 16*g.lanes)
	g.op("SUBQ $%d, CX", 4*g.lanes)
	g.op("JGE four")
	g.line("single:")
	g.op("ADDQ $%d, CX", 4*g.lanes)
	g.loop([]string{"SI"}, func() {
		g.load("SI", 4)
		switch {
		case !g.masked:
			g.op("VMAXPS %s, %s, %s", g.r(4), g.r(0), g.r(0))
		case g.lanes == 16:
			g.op("VMAXPS Z4, Z0, K1, Z0")
		default: // keep what the accumulator has where the mask is off
			g.op("VMAXPS Y4, Y0, Y4")
			g.op("VBLENDVPS Y15, Y4, Y0, Y0")
		}
	})
	g.op("VMAXPS %s, %s, %s", g.r(1), g.r(0), g.r(0))
	g.op("VMAXPS %s, %s, %s", g.r(3), g.r(2), g.r(2))
	g.op("VMAXPS %s, %s, %s", g.r(2), g.r(0), g.r(0))
	g.reduce("VMAXPS")
	g.op("VMOVSS X0, ret+16(FP)")
	g.end()
}
