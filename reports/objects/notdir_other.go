// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package objects

import "io/fs"

// errNotDir is the system's error for a path below a file.
var errNotDir = fs.ErrNotExist
