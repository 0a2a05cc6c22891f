// SPDX-License-Identifier: Apache-2.0

//go:build !purego

package xspace

import "golang.org/x/sys/cpu"

// haveKernel is whether the processor has what the kernel needs: AVX-512 with byte
// permutations (Intel since Ice Lake, AMD since Zen 4).
var haveKernel = cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL && cpu.X86.HasAVX512VBMI && cpu.X86.HasBMI2

// kernel decodes events of known layouts until args.to rows are filled, the data
// ends, or an event's layout is not known or its bytes are not those of its layout.
//
//go:noescape
func kernel(args *kernelArgs)
