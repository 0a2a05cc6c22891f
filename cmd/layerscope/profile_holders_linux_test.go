// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestHolders finds who has an accelerator open.
func TestHolders(t *testing.T) {
	proc := t.TempDir()
	for pid, device := range map[string]string{"41": "/dev/accel0", "42": "/dev/null", "43": "/dev/vfio/0", "44": "/dev/vfio/vfio"} {
		fd := filepath.Join(proc, pid, "fd")
		if err := os.MkdirAll(fd, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(device, filepath.Join(fd, "3")); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(proc, pid, "comm"), "python"+pid+"\n")
	}
	got := holdersIn(proc)
	if len(got) != 3 || got[0] != "process 41 (python41) holds /dev/accel0" || got[1] != "process 43 (python43) holds /dev/vfio/0" || !strings.HasPrefix(got[2], "2 processes") {
		t.Errorf("%q", got)
	}
}
