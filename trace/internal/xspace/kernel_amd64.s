// SPDX-License-Identifier: Apache-2.0

//go:build !purego

#include "textflag.h"

DATA tops7<>+0(SB)/8, $0x7f7f7f7f7f7f7f7f
GLOBL tops7<>(SB), RODATA|NOPTR, $8
DATA hash<>+0(SB)/8, $0x9e3779b97f4a7c15
GLOBL hash<>(SB), RODATA|NOPTR, $8
DATA mul7<>+0(SB)/8, $0x8001800180018001
GLOBL mul7<>(SB), RODATA|NOPTR, $8
DATA mul14<>+0(SB)/8, $0x4000000140000001
GLOBL mul14<>(SB), RODATA|NOPTR, $8
DATA low28<>+0(SB)/8, $0x000000000fffffff
GLOBL low28<>(SB), RODATA|NOPTR, $8
DATA fixed<>+0(SB)/8, $0xffffffff00000000
GLOBL fixed<>(SB), RODATA|NOPTR, $8

// func kernel(args *kernelArgs)
//
// An event is 64 bytes in Z0. SI is where it begins, R8 where the data ends, CX its
// row, DX its end, BX its layout. The window's padding lets 64 bytes be loaded from
// any byte of the data.
TEXT ·kernel(SB), NOSPLIT, $0-8
	MOVQ         args+0(FP), DI
	MOVQ         0(DI), SI
	MOVQ         16(DI), R8
	ADDQ         SI, R8
	ADDQ         8(DI), SI
	MOVQ         24(DI), CX
	MOVQ         40(DI), R9
	MOVQ         48(DI), R10
	MOVQ         56(DI), R11
	MOVQ         64(DI), R12
	MOVQ         96(DI), R13
	MOVQ         80(DI), R14
	MOVQ         104(DI), R15
	MOVQ         $0x80, AX
	VPBROADCASTB AX, Z8
	VPBROADCASTQ mul7<>(SB), Y9
	VPBROADCASTQ mul14<>(SB), Y10
	VPBROADCASTQ low28<>(SB), Y11
	KMOVQ        fixed<>(SB), K7

loop:
	CMPQ      CX, 32(DI)
	JGE       done
	CMPQ      SI, R8
	JAE       done
	MOVBLZX   1(SI), BX
	VMOVDQU64 (SI), Z0
	LEAQ      2(SI)(BX*1), DX
	CMPQ      DX, R8
	JA        done
	ADDL      $2, BX

	// The layout, by the bytes that end a varint.
	VPTESTNMB Z8, Z0, K1
	KMOVQ     K1, AX
	BZHIQ     BX, AX, AX
	MOVQ      AX, BX
	IMULQ     hash<>(SB), BX
	SHRQ      $56, BX
	LEAQ      (BX)(BX*2), BX
	SHLQ      $7, BX
	ADDQ      R13, BX
	CMPQ      AX, 160(BX)
	JNE       other

known:
	VMOVDQU64 (BX), Z1
	VPERMB    Z0, Z1, Z2
	VPCMPUB   $4, 64(BX), Z2, K7, K2
	KORTESTQ  K2, K2
	JNE       done

	// Bytes of seven bits to values, as in squeezeAVX2.
	VPAND      128(BX), Y2, Y2
	VPMADDUBSW Y2, Y9, Y2
	VPMADDWD   Y10, Y2, Y2
	VPSRLQ     $4, Y2, Y3
	VPTERNLOGQ $0xd8, Y11, Y2, Y3 // the low 28 bits of Y2, the others of Y3

	VEXTRACTI128 $1, Y3, X4
	VMOVD        X4, AX
	CMPQ         AX, 72(DI)
	JAE          done
	MOVL         (R12)(AX*4), AX
	SUBL         $1, AX
	JCS          done
	VMOVQ        X3, (R10)(CX*8)
	VMOVHPD      X3, (R11)(CX*8)
	MOVL         AX, (R9)(CX*4)

	CMPQ AX, 88(DI)
	JAE  next
	CMPB (R14)(AX*1), $0
	JE   next
	MOVQ 168(BX), BX
	LEAQ (SI)(BX*1), AX
	CMPQ AX, DX
	JE   next             // no more stats
	MOVQ SI, AX
	SUBQ 0(DI), AX
	SHLQ $8, AX
	ORQ  BX, AX
	SHLQ $12, AX
	ORQ  CX, AX
	MOVQ AX, (R15)
	ADDQ $8, R15

next:
	INCQ CX
	MOVQ DX, SI
	JMP  loop

other:
	ADDQ $192, BX
	CMPQ AX, 160(BX)
	JE   known

done:
	MOVQ CX, 24(DI)
	SUBQ 0(DI), SI
	MOVQ SI, 8(DI)
	SUBQ 104(DI), R15
	SHRQ $3, R15
	MOVQ R15, 112(DI)
	VZEROUPPER
	RET

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
