// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package checkpoint

import (
	"errors"
	"os"
)

// mapFile maps nothing here: tensors are read as they are asked for.
func mapFile(*os.File, int64) ([]byte, error) { return nil, errors.ErrUnsupported }

// mapZero returns zeroed memory, on the Go heap here.
func mapZero(size int) ([]byte, error) { return alignedBytes(int64(size)), nil }

func unmap([]byte) error { return nil }
