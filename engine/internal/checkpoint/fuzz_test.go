// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// FuzzSafeTensors: any bytes give an error or tensors whose data lies in the
// file, and those can be written and read again.
func FuzzSafeTensors(f *testing.F) {
	f.Add(file("{"+member("a", "F32", "[2]", 0, 8)+","+member("b", "BF16", "[3]", 8, 14)+"}", 14))
	f.Add(file(`{"__metadata__":{"format":"pt"},`+member("s", "I64", "[]", 3, 11)+"} ", 12))
	f.Add(file("{"+member("a", "F32", "[2]", 0, 8)+","+member("b", "F32", "[2]", 4, 12)+"}", 12))
	f.Fuzz(func(t *testing.T, data []byte) {
		st, err := ParseSafeTensors("fuzz", data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "fuzz: ") {
				t.Fatalf("error without the file: %v", err)
			}
			return
		}
		var all []Tensor
		total := 0
		for _, name := range st.Names() {
			ts, err := st.Tensor(name)
			if err != nil {
				t.Fatal(err)
			}
			if dtypeBits[ts.DType]*ts.Elems() != 8*len(ts.Raw) {
				t.Fatalf("%q: %d bytes for %d of %s", name, len(ts.Raw), ts.Shape, ts.DType)
			}
			total += len(ts.Raw)
			all = append(all, ts)
		}
		if total > len(data) {
			t.Fatalf("%d bytes of tensors in a file of %d", total, len(data))
		}
		var buf bytes.Buffer
		if err := WriteSafeTensors(&buf, all, st.Metadata); err != nil {
			t.Fatal(err)
		}
		again, err := ParseSafeTensors("again", buf.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range all {
			got, err := again.Tensor(want.Name)
			if err != nil || !bytes.Equal(got.Raw, want.Raw) || !slices.Equal(got.Shape, want.Shape) || got.DType != want.DType {
				t.Fatalf("%q came back as %v (%v), want %v", want.Name, got, err, want)
			}
		}
	})
}

// FuzzConfig: any bytes give an error or a configuration whose shapes multiply
// without overflow and which, if it can be written, reads the same.
func FuzzConfig(f *testing.F) {
	for _, s := range []string{qwen3Small, qwen25Small, llama32Small, tinyLlama, gemma3Small, `{"model_type":"gemma3","text_config":{}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseConfig("fuzz", data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "fuzz: ") {
				t.Fatalf("error without the file: %v", err)
			}
			return
		}
		if n := c.Params(); n <= 0 {
			t.Fatalf("%d weights", n)
		}
		for _, s := range c.Specs()[:min(40, len(c.Specs()))] {
			if n, ok := elements(s.Shape); !ok || n <= 0 {
				t.Fatalf("%s has shape %d", s.Name, s.Shape)
			}
		}
		for i := range c.Layers {
			if w := c.Window(i); w < 0 || w > 0 && !c.Sliding[i] {
				t.Fatalf("layer %d has window %d", i, w)
			}
		}
		for _, x := range c.Rope.Frequencies(min(c.HeadDim, 1<<10)) {
			if x != x || x < 0 {
				t.Fatalf("frequency %g", x)
			}
		}
		if out, err := c.MarshalHF(BF16); err == nil {
			if back, err := ParseConfig("back", out); err != nil || !reflect.DeepEqual(back, c) {
				t.Fatalf("came back as %+v (%v), want %+v", back, err, c)
			}
		}
	})
}

// FuzzIndex: any bytes give an error or a map to names without a path.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"metadata":{"total_size":7},"weight_map":{"a":"model-00001-of-00002.safetensors","b":"x"}}`))
	f.Add([]byte(`{"weight_map":{"a":"../x"}}`))
	f.Add([]byte(`{"weight_map":{"a":"x"},"metadata":[{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		weights, err := parseIndex(data)
		if err != nil {
			return
		}
		if len(weights) == 0 || len(weights) > len(data) {
			t.Fatalf("%d tensors in %d bytes", len(weights), len(data))
		}
		for tensor, file := range weights {
			if file == "" || file == "." || file == ".." || strings.ContainsAny(file, `/\`) {
				t.Fatalf("%q is in %q", tensor, file)
			}
		}
	})
}

// FuzzLlama2C: any bytes give an error or a model whose tensors can all be
// read.
func FuzzLlama2C(f *testing.F) {
	f.Add(bin(0, [7]int32{4, 6, 1, 2, 1, -3, 5}, 166))
	f.Add(bin(1, [7]int32{4, 6, 1, 2, 1, 3, 5}, 156))
	f.Add(bin(0, [7]int32{1 << 24, 1 << 24, 1 << 12, 1, 1, 1 << 24, 1 << 24}, 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := newLlama2C("fuzz", memory(data))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "fuzz: ") {
				t.Fatalf("error without the file: %v", err)
			}
			return
		}
		for _, s := range m.Config().Specs() {
			ts, err := m.tensor(s)
			if err != nil || len(ts.Raw) != 4*ts.Elems() {
				t.Fatalf("%s: %d bytes (%v)", s.Name, len(ts.Raw), err)
			}
		}
	})
}

// FuzzRandom: any specification gives an error or a model that is small enough
// to name its size.
func FuzzRandom(f *testing.F) {
	for _, s := range []string{"qwen3-0.6b", "layers=4,hidden=256", "llama-tiny,seed=7,dtype=f16", "arch=gemma3,window=3,layers=7", "heads=0,head_dim=0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		m, err := Random(spec)
		if err != nil {
			return
		}
		if n := m.Bytes(); n <= 0 || n > 4*maxRandom {
			t.Fatalf("%d bytes", n)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
