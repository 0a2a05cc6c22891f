// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"

	"github.com/layerscope/layerscope/analyze"
)

// hashing computes the SHA-256 of input files beside their analysis, which takes
// as long. The function it returns waits for them, and returns one for each input,
// "" for streams and files that cannot be read again.
func hashing(inputs []analyze.Input) (wait func() []string) {
	done := make(chan []string, 1)
	paths := make([]string, len(inputs))
	for i, in := range inputs {
		paths[i] = in.Path
	}
	go func() {
		sums := make([]string, len(paths))
		for i, path := range paths {
			sums[i] = hashFile(path)
		}
		done <- sums
	}()
	return func() []string { return <-done }
}

func hashFile(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}
