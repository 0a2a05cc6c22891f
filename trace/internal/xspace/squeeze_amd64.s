// SPDX-License-Identifier: Apache-2.0

//go:build !purego

#include "textflag.h"

DATA tops7<>+0(SB)/8, $0x7f7f7f7f7f7f7f7f
GLOBL tops7<>(SB), RODATA|NOPTR, $8
DATA mul7<>+0(SB)/8, $0x8001800180018001
GLOBL mul7<>(SB), RODATA|NOPTR, $8
DATA mul14<>+0(SB)/8, $0x4000000140000001
GLOBL mul14<>(SB), RODATA|NOPTR, $8
DATA low28<>+0(SB)/8, $0x000000000fffffff
GLOBL low28<>(SB), RODATA|NOPTR, $8

// func squeezeAVX2(p *int64, n int, add int64)
//
// Per value: clear the top bits, then join bytes to 14 bits (a + 128 b), those to
// 28 bits (a + 16384 b), those to 56 bits, and add.
TEXT ·squeezeAVX2(SB), NOSPLIT, $0-24
	MOVQ         p+0(FP), SI
	MOVQ         n+8(FP), CX
	VPBROADCASTQ tops7<>(SB), Y8
	VPBROADCASTQ mul7<>(SB), Y9
	VPBROADCASTQ mul14<>(SB), Y10
	VPBROADCASTQ low28<>(SB), Y11
	VPBROADCASTQ add+16(FP), Y12

loop:
	CMPQ       CX, $4
	JLT        done
	VPAND      (SI), Y8, Y0
	VPMADDUBSW Y0, Y9, Y0    // unsigned 1, 128 times signed bytes
	VPMADDWD   Y10, Y0, Y0
	VPAND      Y11, Y0, Y1
	VPSRLQ     $4, Y0, Y0
	VPANDN     Y0, Y11, Y0
	VPOR       Y1, Y0, Y0
	VPADDQ     Y12, Y0, Y0
	VMOVDQU    Y0, (SI)
	ADDQ       $32, SI
	SUBQ       $4, CX
	JMP        loop

done:
	VZEROUPPER
	RET
