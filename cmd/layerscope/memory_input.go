// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"os"

	"github.com/layerscope/layerscope/analyze"
)

// profileInput describes a profile that was read; profiles are small enough to
// be hashed always.
func profileInput(path string) analyze.Input {
	in := analyze.Input{Path: path, Format: "pprof"}
	if b, err := os.ReadFile(path); err == nil {
		sum := sha256.Sum256(b)
		in.Bytes, in.SHA256 = int64(len(b)), hex.EncodeToString(sum[:])
	}
	return in
}
