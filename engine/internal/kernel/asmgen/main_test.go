// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestCommittedFilesAreCurrent: the committed assembly is what the generator
// writes, and every generated file stays short enough to read.
func TestCommittedFilesAreCurrent(t *testing.T) {
	for _, f := range files() {
		got, err := os.ReadFile(filepath.Join("..", f.name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, f.text) {
			t.Errorf("%s is not what asmgen writes: run go generate", f.name)
		}
		if n := bytes.Count(f.text, []byte("\n")); n > 400 {
			t.Errorf("%s has %d lines", f.name, n)
		}
	}
}
