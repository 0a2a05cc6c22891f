// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"math"
	"runtime"
	"strings"
	"testing"
)

// TestRandomIsPinned: the weights of a specification are a promise, so that
// figures measured with them stay comparable.
func TestRandomIsPinned(t *testing.T) {
	want := map[string]string{
		"random:qwen3-tiny":            "eb745f73",
		"random:qwen3-tiny,seed=2":     "57658a50",
		"random:llama-tiny,dtype=f32":  "cca944a9",
		"random:gemma3-tiny,dtype=f16": "b80842d0",
		"random:layers=1,hidden=512":   "65560316",
	}
	for spec, sum := range want {
		h := crc32.NewIEEE()
		m := openT(t, spec)
		for _, s := range m.Config().Specs() {
			ts, err := m.tensor(s)
			if err != nil {
				t.Fatal(err)
			}
			h.Write(ts.Raw)
		}
		if got := fmt.Sprintf("%08x", h.Sum32()); got != sum {
			t.Errorf("%s: checksum %s, want %s", spec, got, sum)
		}
	}
}

// TestRandomWorkers: the number of workers does not matter.
func TestRandomWorkers(t *testing.T) {
	const n = 5*blockWords*4 + 3
	for _, dtype := range []DType{BF16, F32} {
		raws := [2][]byte{}
		for i, procs := range []int{1, 4} {
			old := runtime.GOMAXPROCS(procs)
			raws[i] = alignedBytes(int64(n * dtype.Size()))
			fill(raws[i], dtype, noise{centre: 1, width: 0.5, state: 42})
			runtime.GOMAXPROCS(old)
		}
		if !bytes.Equal(raws[0], raws[1]) {
			t.Errorf("%s: one worker and four make different weights", dtype)
		}
	}
}

// TestRandomTable: the table gives what converting each element gives.
func TestRandomTable(t *testing.T) {
	for _, dtype := range []DType{BF16, F16} {
		n := noise{width: 0.3, state: 7}
		const large, small = 1 << 17, 1 << 10
		a, b := alignedBytes(large*2), alignedBytes(small*2)
		fill(a, dtype, n)
		fill(b, dtype, n)
		if !bytes.Equal(a[:len(b)], b) {
			t.Errorf("%s: the table differs", dtype)
		}
	}
}

// TestRandomDistribution: means and deviations are within 5 standard errors,
// and different tensors and seeds are not the same.
func TestRandomDistribution(t *testing.T) {
	m := openT(t, "random:layers=2,hidden=512,vocab=1000,arch=qwen2")
	l, err := m.Layer(0)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		ts        Tensor
		mean, dev float64
	}{
		{l.Gate, 0, 1 / math.Sqrt(512)}, {l.Down, 0, 1 / math.Sqrt(1536)},
		{l.InputNorm, 1, 0.1 / math.Sqrt(3)}, {l.QBias, 0, 0.1 / math.Sqrt(3)},
	} {
		vals := tt.ts.AppendFloat32(nil)
		sum, sq := 0.0, 0.0
		for _, v := range vals {
			sum += float64(v)
			sq += (float64(v) - tt.mean) * (float64(v) - tt.mean)
		}
		n := float64(len(vals))
		// bf16 near 1 has steps of 2^-7, which adds little to the deviation.
		mean, dev := sum/n, math.Sqrt(sq/n)
		if math.Abs(mean-tt.mean) > 5*tt.dev/math.Sqrt(n) || math.Abs(dev-tt.dev) > tt.dev*(5/math.Sqrt(2*n)+0.01) {
			t.Errorf("%s: mean %g and deviation %g, want %g and %g", tt.ts.Name, mean, dev, tt.mean, tt.dev)
		}
	}
	if bytes.Equal(l.Gate.Raw, l.Up.Raw) {
		t.Error("gate and up have the same weights")
	}
	other, err := openT(t, "random:layers=2,hidden=512,vocab=1000,arch=qwen2,seed=2").Layer(0)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(l.Gate.Raw, other.Gate.Raw) {
		t.Error("two seeds have the same weights")
	}
}

// TestRandomLazy: opening makes nothing, and a tensor is made once.
func TestRandomLazy(t *testing.T) {
	m, err := Open("random:qwen3-0.6b")
	if err != nil {
		t.Fatal(err)
	}
	src := m.src.(*randomModel)
	if len(src.made) != 0 {
		t.Errorf("%d tensors were made", len(src.made))
	}
	a, err := m.FinalNorm()
	if err != nil {
		t.Fatal(err)
	}
	b, err := m.FinalNorm()
	if err != nil {
		t.Fatal(err)
	}
	if len(src.made) != 1 || &a.Raw[0] != &b.Raw[0] {
		t.Error("the norm was made twice")
	}
	if m.String() != "random:qwen3-0.6b (random weights)" || !m.IsRandom() {
		t.Errorf("label %q", m)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := m.FinalNorm(); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("after closing: %v", err)
	}
}

func TestRandomErrors(t *testing.T) {
	for spec, want := range map[string]string{
		"random:":                                      `no shape ""`,
		"random:gpt5":                                  `no shape "gpt5", known: gemma3-1b`,
		"random:qwen3-tiny,":                           `found "", wanted one KEY=VALUE`,
		"random:qwen3-tiny,layers":                     `found "layers", wanted one KEY=VALUE`,
		"random:layers=2,layers=3":                     `found "layers=3", wanted one KEY=VALUE of each`,
		"random:layers=two":                            "layers=two: ",
		"random:colour=red":                            `unknown setting "colour", known: arch`,
		"random:arch=mamba":                            `arch "mamba" is unsupported`,
		"random:dtype=f8":                              `dtype "f8", wanted bf16, f16 or f32`,
		"random:seed=-1":                               "seed=-1: ",
		"random:tie=maybe":                             "tie=maybe: ",
		"random:layers=0":                              "num_hidden_layers is 0",
		"random:hidden=-4":                             "hidden_size is -4",
		"random:heads=3,kv=2":                          "3 attention heads are not a multiple of 2",
		"random:llama-tiny,window=4":                   "arch llama has no layers with a window",
		"random:hidden=16777216,vocab=16777216,ffn=64": "weights, wanted at most",
		"random:layers=4096,hidden=16777216,heads=1,kv=1,ffn=16777216": "weights, wanted at most",
	} {
		if _, err := Open(spec); err == nil || !strings.HasPrefix(err.Error(), spec+": ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want … %s", spec, err, want)
		}
	}
}

// TestPresets: every known shape opens, and the sizes of the published models
// are the published sizes.
func TestPresets(t *testing.T) {
	want := map[string]int64{
		"qwen3-0.6b": 596_049_920, "qwen3-1.7b": 1_720_574_976, "qwen3-4b": 4_022_468_096, "qwen2.5-0.5b": 494_032_768,
		"llama3.2-1b": 1_235_814_400, "tinyllama": 1_100_048_384, "gemma3-1b": 999_885_952, "gemma3-270m": 268_098_176,
	}
	for _, name := range Presets() {
		m := openT(t, "random:"+name)
		if n := m.Config().Params(); want[name] != 0 && n != want[name] {
			t.Errorf("%s: %d weights, want %d", name, n, want[name])
		}
	}
}
