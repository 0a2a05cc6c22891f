// SPDX-License-Identifier: Apache-2.0

//go:build !amd64 || purego

package xspace

const haveKernel = false

func kernel(*kernelArgs) {}
