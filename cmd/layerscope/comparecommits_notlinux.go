// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package main

import "syscall"

func dieWithParent(*syscall.SysProcAttr) {}

// endOrphans can't tell which processes are ours here.
func endOrphans(string) int { return 0 }
