// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/trace/capture"
)

// holders says which processes of this machine have an accelerator open, for
// servers on it: two of them on one TPU is a common reason for failures. Only
// processes that we may look into are seen.
func holders(servers []*capture.Server) []string {
	if !slices.ContainsFunc(servers, func(s *capture.Server) bool { return isLocal(s.URL) }) {
		return nil
	}
	return holdersIn("/proc")
}

func holdersIn(proc string) []string {
	links, err := filepath.Glob(filepath.Join(proc, "[0-9]*", "fd", "*"))
	if err != nil {
		return nil
	}
	held := make(map[string][]string) // by process
	for _, link := range links {
		device, err := os.Readlink(link)
		if err != nil || !isAccelerator(device) {
			continue
		}
		pid := filepath.Base(filepath.Dir(filepath.Dir(link)))
		if !slices.Contains(held[pid], device) {
			held[pid] = append(held[pid], device)
		}
	}
	var out []string
	for pid, devices := range held {
		name, _ := os.ReadFile(filepath.Join(proc, pid, "comm")) // a comfort
		slices.Sort(devices)
		out = append(out, fmt.Sprintf("process %s (%s) holds %s", pid, strings.TrimSpace(string(name)), strings.Join(devices, ", ")))
	}
	slices.Sort(out)
	if len(out) > 1 {
		out = append(out, fmt.Sprintf("%d processes hold accelerators: those of one device disturb each other", len(out)))
	}
	return out
}

func isAccelerator(path string) bool {
	return strings.HasPrefix(path, "/dev/accel") || strings.HasPrefix(path, "/dev/nvidia") && !strings.HasPrefix(path, "/dev/nvidiactl") ||
		strings.HasPrefix(path, "/dev/vfio/") && path != "/dev/vfio/vfio" || strings.HasPrefix(path, "/dev/kfd")
}
