// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// dieWithParent has the kernel end the command when this program is killed.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }

// endOrphans ends what a killed session of this id left running: its commands
// carry the id in their environment. It returns how many there were.
func endOrphans(id string) int {
	mark := []byte("LAYERSCOPE_SESSION=" + id + "\x00")
	ended := 0
	for range 50 {
		found := 0
		dirs, err := filepath.Glob("/proc/[0-9]*")
		if err != nil {
			return ended
		}
		for _, dir := range dirs {
			pid, err := strconv.Atoi(filepath.Base(dir))
			if err != nil || pid == os.Getpid() {
				continue
			}
			env, err := os.ReadFile(dir + "/environ")
			if err == nil && bytes.Contains(append(env, 0), mark) && syscall.Kill(pid, syscall.SIGKILL) == nil {
				found++
			}
		}
		if found == 0 {
			break
		}
		ended = max(ended, found)
		time.Sleep(20 * time.Millisecond) // until they are gone
	}
	return ended
}
