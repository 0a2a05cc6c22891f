// SPDX-License-Identifier: Apache-2.0

//go:build unix

package objects

import "syscall"

// errNotDir is the system's error for a path below a file.
var errNotDir error = syscall.ENOTDIR
