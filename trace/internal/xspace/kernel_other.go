// SPDX-License-Identifier: Apache-2.0

//go:build !amd64 || purego

package xspace

var haveKernel = false

func kernel(*kernelArgs) {}
