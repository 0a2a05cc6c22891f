// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A noise is what was seen of the machine around one run.
type noise struct {
	SpinBefore int64     `json:"spin_before_ns"` // time of a fixed piece of work
	SpinAfter  int64     `json:"spin_after_ns"`
	LoadBefore []float64 `json:"load_before,omitempty"` // load averages: 1, 5, 15 minutes
	LoadAfter  []float64 `json:"load_after,omitempty"`
}

// noisyShare is how much slower than usual the spin may be around a run that
// isn't flagged.
const noisyShare = 0.15

// spin does a fixed amount of integer work.
//
//go:noinline
func spin(n int) uint64 {
	x := uint64(n) | 1
	for range n {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

// timeSpin measures the best of three spins: what the machine gives to one
// thread now. One would be at the mercy of a single interrupt.
func timeSpin(n int) int64 {
	best := time.Duration(1<<63 - 1)
	for range 3 {
		begin := time.Now()
		_ = spin(n) // not inlined, so not left out
		best = min(best, time.Since(begin))
	}
	return int64(best)
}

// calibrateSpin chooses the work of a spin: about 10 ms.
func calibrateSpin() int {
	n := 1 << 16
	for n < 1<<30 && timeSpin(n) < int64(5*time.Millisecond) {
		n *= 2
	}
	return n
}

// noisyRuns returns which of a session's runs began or ended while the machine
// was slower than in the median run, and by how much the worst was.
func noisyRuns(runs []noise) (flagged []int, worst float64) {
	var all []float64
	for _, n := range runs {
		all = append(all, float64(n.SpinBefore), float64(n.SpinAfter))
	}
	if len(all) == 0 {
		return nil, 0
	}
	slices.Sort(all)
	usual := all[(len(all)-1)/2]
	for i, n := range runs {
		if slow := float64(max(n.SpinBefore, n.SpinAfter))/usual - 1; usual > 0 && slow > noisyShare {
			flagged, worst = append(flagged, i), max(worst, slow)
		}
	}
	return flagged, worst
}

// loadAverage is that of the system, nil where it has none to read.
func loadAverage() []float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return nil
	}
	var out []float64
	for _, f := range strings.Fields(string(text)) {
		v, err := strconv.ParseFloat(f, 64)
		if err != nil || len(out) == 3 {
			break
		}
		out = append(out, v)
	}
	return out
}

// environment describes hardware, system, versions and the variables that change
// what JAX, XLA and the runtimes under them do. Secrets are never among them.
func environment(environ []string) map[string]string {
	env := map[string]string{
		"os": runtime.GOOS, "arch": runtime.GOARCH, "cpus": strconv.Itoa(runtime.NumCPU()), "layerscope": toolVersion(),
	}
	if host, err := os.Hostname(); err == nil {
		env["host"] = host
	}
	for name, from := range map[string][2]string{
		"kernel": {"/proc/sys/kernel/osrelease", ""}, "cpu": {"/proc/cpuinfo", "model name"}, "memory": {"/proc/meminfo", "MemTotal"},
		"governor": {"/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", ""}, "turbo_off": {"/sys/devices/system/cpu/intel_pstate/no_turbo", ""},
	} {
		if v := fact1(from[0], from[1]); v != "" {
			env[name] = v
		}
	}
	venv := ""
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		if name == "VIRTUAL_ENV" || name == "CONDA_PREFIX" && venv == "" {
			venv = value
		}
		if matters(name) {
			env["env."+name] = value
		}
	}
	for pkg, version := range packages(venv) {
		env["version."+pkg] = version
	}
	return env
}

// fact1 reads one fact of a file of the system: all of it, or the field behind
// "key :".
func fact1(path, key string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	if key == "" {
		return strings.TrimSpace(string(text))
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// matters reports whether a variable is worth keeping.
func matters(name string) bool {
	for _, secret := range []string{"TOKEN", "KEY", "SECRET", "PASSW", "CREDENTIAL", "AUTH"} {
		if strings.Contains(strings.ToUpper(name), secret) {
			return false
		}
	}
	for _, prefix := range []string{
		"JAX_", "XLA_", "TPU_", "LIBTPU_", "PJRT_", "SGL", "VLLM_", "CUDA_", "NVIDIA_", "NCCL_", "ROCR_", "HIP_", "HSA_",
		"OMP_", "MKL_", "OPENBLAS_", "TF_XLA", "TF_CPP", "TF_FORCE", "TORCH_", "GOMAXPROCS", "GOGC", "GODEBUG", "MALLOC_", "LD_PRELOAD", "PYTHONHASHSEED", "VIRTUAL_ENV", "CONDA_DEFAULT_ENV",
	} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// packages returns the versions of the runtimes installed in a Python
// environment, by its metadata.
func packages(venv string) map[string]string {
	out := make(map[string]string)
	if venv == "" {
		return out
	}
	for _, pkg := range []string{"jax", "jaxlib", "libtpu", "flax", "torch", "torch_xla", "vllm", "sglang", "numpy"} {
		found, err := filepath.Glob(filepath.Join(venv, "lib", "python*", "site-packages", pkg+"-*.dist-info"))
		if err == nil && len(found) > 0 {
			out[pkg] = strings.TrimSuffix(strings.TrimPrefix(filepath.Base(found[0]), pkg+"-"), ".dist-info")
		}
	}
	return out
}
