// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/layerscope/layerscope/internal/tracetest"
)

// TestEndToEnd runs the script of a run's whole way with this program: serve,
// profile, push, list, history and diff by commit, pull.
func TestEndToEnd(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	tool := filepath.Join(dir, "layerscope") // the test's program is layerscope under that name
	if err := os.Symlink(self, tool); err != nil {
		t.Skipf("no links here: %v", err)
	}
	out, err := exec.CommandContext(t.Context(), sh, filepath.Join(tracetest.Root(t), "internal", "ci", "endtoend.sh"), tool, filepath.Join(dir, "work")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
