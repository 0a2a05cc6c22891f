// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func openT(t *testing.T, path string) *Model {
	t.Helper()
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// TestSaveOpen: a model of every family, saved and opened from disk and from a
// file system, has the same configuration and tensors in all roles.
func TestSaveOpen(t *testing.T) {
	for _, spec := range []string{
		"random:qwen3-tiny", "random:qwen2-tiny,dtype=f16", "random:llama-tiny,dtype=f32", "random:gemma3-tiny", "random:layers=1,hidden=48,head_dim=6,vocab=97,tie=false",
	} {
		want := openT(t, spec)
		dir := filepath.Join(t.TempDir(), "m")
		if err := Save(dir, want); err != nil {
			t.Fatal(err)
		}
		embedded, err := OpenFS(os.DirFS(dir), "embedded")
		if err != nil {
			t.Fatal(err)
		}
		for _, got := range []*Model{openT(t, dir), embedded} {
			if got.IsRandom() || got.String() != got.Name() {
				t.Errorf("%s: read weights are not random", got)
			}
			if got.Bytes() != want.Bytes() || got.Bytes() != want.Config().Params()*int64(want.dtype().Size()) {
				t.Errorf("%s: %d bytes, want %d", spec, got.Bytes(), want.Bytes())
			}
			compareModels(t, want, got)
		}
	}
}

func compareModels(t *testing.T, want, got Weights) {
	t.Helper()
	if diff := cmp.Diff(want.Config(), got.Config()); diff != "" {
		t.Fatal(diff)
	}
	same := func(what string, a, b Tensor, err error) {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		} else if a.DType != b.DType || !slices.Equal(a.Shape, b.Shape) || !bytes.Equal(a.Raw, b.Raw) {
			t.Errorf("%s: %s %d and %s %d, or their data, differ", what, a.DType, a.Shape, b.DType, b.Shape)
		}
	}
	for what, get := range map[string]func(Weights) (Tensor, error){"embedding": Weights.Embed, "final norm": Weights.FinalNorm, "head": Weights.LMHead} {
		a, aerr := get(want)
		b, berr := get(got)
		same(what, a, b, errors.Join(aerr, berr))
	}
	for i := range want.Config().Layers {
		a, aerr := want.Layer(i)
		b, berr := got.Layer(i)
		for _, s := range want.Config().slots() {
			x, y := *s.field(&a), *s.field(&b)
			same(layerTensor(i, s.name), x, y, errors.Join(aerr, berr))
			if !slices.Equal(x.Shape, s.shape) {
				t.Errorf("%s has shape %d, want %d", layerTensor(i, s.name), x.Shape, s.shape)
			}
		}
	}
}

// TestRoles: which fields of Layer each family fills, and where the two
// meanings of post_attention_layernorm end up.
func TestRoles(t *testing.T) {
	tests := map[string]struct {
		has, hasNot []string
		mlpNorm     string
	}{
		"llama-tiny":  {nil, []string{"QNorm", "QBias", "AttnOutputNorm", "MLPOutputNorm"}, "post_attention_layernorm.weight"},
		"qwen2-tiny":  {[]string{"QBias", "KBias", "VBias"}, []string{"OBias", "QNorm", "AttnOutputNorm"}, "post_attention_layernorm.weight"},
		"qwen3-tiny":  {[]string{"QNorm", "KNorm"}, []string{"QBias", "AttnOutputNorm"}, "post_attention_layernorm.weight"},
		"gemma3-tiny": {[]string{"QNorm", "KNorm", "AttnOutputNorm", "MLPOutputNorm"}, []string{"QBias"}, "pre_feedforward_layernorm.weight"},
	}
	for name, tt := range tests {
		l, err := openT(t, "random:"+name).Layer(1)
		if err != nil {
			t.Fatal(err)
		}
		fields := map[string]Tensor{"QBias": l.QBias, "KBias": l.KBias, "VBias": l.VBias, "OBias": l.OBias, "QNorm": l.QNorm, "KNorm": l.KNorm, "AttnOutputNorm": l.AttnOutputNorm, "MLPOutputNorm": l.MLPOutputNorm}
		for _, f := range tt.has {
			if fields[f].Raw == nil {
				t.Errorf("%s has no %s", name, f)
			}
		}
		for _, f := range tt.hasNot {
			if fields[f].Raw != nil {
				t.Errorf("%s has a %s", name, f)
			}
		}
		if want := "model.layers.1." + tt.mlpNorm; l.MLPNorm.Name != want {
			t.Errorf("%s: norm before the MLP is %s, want %s", name, l.MLPNorm.Name, want)
		}
	}
	if _, err := openT(t, "random:llama-tiny").Layer(4); err == nil || !strings.Contains(err.Error(), "layer 4, wanted 0 to 3") {
		t.Errorf("got %v", err)
	}
}

// saved writes a tiny model whose tensors a test may change, in one file or
// in the given number of shards.
func saved(t *testing.T, spec string, shards int, change func(map[string]Tensor)) string {
	t.Helper()
	m := openT(t, spec)
	dir := t.TempDir()
	tensors := map[string]Tensor{}
	for _, s := range m.Config().Specs() {
		ts, err := m.tensor(s)
		if err != nil {
			t.Fatal(err)
		}
		tensors[s.Name] = ts
	}
	if change != nil {
		change(tensors)
	}
	parts, weights := make([][]Tensor, shards), map[string]string{}
	for i, name := range slices.Sorted(maps.Keys(tensors)) {
		ts := tensors[name]
		ts.Name = name
		parts[i%shards] = append(parts[i%shards], ts)
		weights[name] = fmt.Sprintf("model-%d.safetensors", i%shards)
	}
	config, err := m.Config().MarshalHF(m.dtype())
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "config.json", config)
	for i, p := range parts {
		var buf bytes.Buffer
		if err := WriteSafeTensors(&buf, p, nil); err != nil {
			t.Fatal(err)
		}
		name := singleFile
		if shards > 1 {
			name = fmt.Sprintf("model-%d.safetensors", i)
		}
		write(t, dir, name, buf.Bytes())
	}
	if shards > 1 {
		index, err := json.Marshal(map[string]any{"metadata": map[string]int{"total_size": 1}, "weight_map": weights})
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, indexFile, index)
	}
	return dir
}

func write(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestShards(t *testing.T) {
	want := openT(t, "random:qwen3-tiny")
	compareModels(t, want, openT(t, saved(t, "random:qwen3-tiny", 3, nil)))

	dir := saved(t, "random:qwen3-tiny", 3, nil)
	if err := os.Remove(filepath.Join(dir, "model-1.safetensors")); err != nil {
		t.Fatal(err)
	}
	_, err := Open(dir)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), `shard "model-1.safetensors", which has tensor "model.layers.`) {
		t.Errorf("missing shard: %v", err)
	}

	dir = saved(t, "random:qwen3-tiny", 2, nil)
	for name, tt := range map[string]struct{ index, want string }{
		"not JSON":         {"{", "offset 0x1: EOF"},
		"no map":           {"{}", "no weight_map"},
		"map twice":        {`{"weight_map":{},"weight_map":{}}`, `key "weight_map" for the second time`},
		"tensor twice":     {`{"weight_map":{"a":"x","a":"y"}}`, `key "a" for the second time`},
		"leads out":        {`{"weight_map":{"a":"../secret"}}`, "wanted a file of the same directory"},
		"leads out at all": {`{"weight_map":{"a":"/etc/passwd"}}`, "wanted a file of the same directory"},
		"is no file":       {`{"weight_map":{"a":".."}}`, "wanted a file of the same directory"},
		"empty":            {`{"weight_map":{"a":""}}`, "wanted a file of the same directory"},
		"wrong kind":       {`{"weight_map":{"a":1}}`, "found 1, wanted a string"},
		"strange tensor":   {`{"weight_map":{"a":"model-0.safetensors"}}`, `tensor "a" should be in shard "model-0.safetensors" and is not`},
	} {
		write(t, dir, indexFile, []byte(tt.index))
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), indexFile+": ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want … %s", name, err, tt.want)
		}
	}
}

// TestOpenRefuses: the error names file and tensor.
func TestOpenRefuses(t *testing.T) {
	const q = "model.layers.2.self_attn.q_proj.weight"
	tests := []struct {
		name, spec  string
		change      func(map[string]Tensor)
		want        string
		unsupported bool
	}{
		{"one missing", "random:llama-tiny", func(m map[string]Tensor) { delete(m, q) }, `model.safetensors: tensor "` + q + `" is missing`, false},
		{"many missing", "random:llama-tiny", func(m map[string]Tensor) {
			maps.DeleteFunc(m, func(k string, _ Tensor) bool { return strings.Contains(k, "layers.3.") })
		}, `tensor "model.layers.3.input_layernorm.weight" and 8 more are missing`, false},
		{"no head", "random:llama-tiny", func(m map[string]Tensor) { delete(m, headName) }, `tensor "lm_head.weight" is missing`, false},
		{"shape", "random:llama-tiny", func(m map[string]Tensor) {
			ts := m[q]
			ts.Shape = []int{32, 128}
			m[q] = ts
		}, `tensor "` + q + `" has shape [32 128], but the configuration makes it [64 64]`, false},
		{"dtype", "random:llama-tiny", func(m map[string]Tensor) {
			m[q] = Tensor{DType: "F8_E4M3", Shape: []int{64, 64}, Raw: make([]byte, 64*64)}
		}, `tensor "` + q + `" is F8_E4M3, wanted BF16, F16 or F32`, true},
		{"layers too many", "random:llama-tiny", func(m map[string]Tensor) {
			m["model.layers.4.mlp.up_proj.weight"] = m["model.layers.3.mlp.up_proj.weight"]
		},
			`tensor "model.layers.4.mlp.up_proj.weight" has no use in a llama model of 4 layers`, true},
		{"bias without use", "random:qwen3-tiny", func(m map[string]Tensor) { m["model.layers.0.self_attn.q_proj.bias"] = m[normName] },
			`tensor "model.layers.0.self_attn.q_proj.bias" has no use in a qwen3 model`, true},
		{"quantized names", "random:llama-tiny", func(m map[string]Tensor) {
			m["model.layers.0.mlp.up_proj.qweight"] = Tensor{DType: "I32", Shape: []int{1}, Raw: make([]byte, 4)}
		}, `tensor "model.layers.0.mlp.up_proj.qweight" has no use`, true},
	}
	for _, tt := range tests {
		_, err := Open(saved(t, tt.spec, 1, tt.change))
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "model.safetensors: ") {
			t.Errorf("%s:\n got %v\nwant … %s", tt.name, err, tt.want)
		}
		if errors.Is(err, ErrUnsupported) != tt.unsupported {
			t.Errorf("%s: unsupported %t, want %t", tt.name, !tt.unsupported, tt.unsupported)
		}
	}
}

// TestOpenAccepts tensors that other programs leave in files, and the two
// spellings of Gemma's text part beside vision.
func TestOpenAccepts(t *testing.T) {
	rename := func(prefix, head string) func(map[string]Tensor) {
		return func(m map[string]Tensor) {
			for name, ts := range maps.Clone(m) {
				delete(m, name)
				m[prefix+strings.TrimPrefix(name, "model.")] = ts
			}
			m["vision_tower.blocks.0.weight"] = Tensor{DType: "I8", Shape: []int{1}, Raw: []byte{1}}
			m[head] = Tensor{DType: BF16, Shape: []int{1}, Raw: []byte{1, 2}}
		}
	}
	for name, tt := range map[string]struct {
		spec   string
		change func(map[string]Tensor)
	}{
		"frequencies": {"random:llama-tiny", func(m map[string]Tensor) {
			m["model.layers.0.self_attn.rotary_emb.inv_freq"] = Tensor{DType: F32, Shape: []int{1}, Raw: make([]byte, 4)}
		}},
		"a head beside tied embeddings": {"random:qwen3-tiny", func(m map[string]Tensor) { m[headName] = m[embedName] }},
		"mixed types":                   {"random:qwen3-tiny,dtype=f32", nil},
		"gemma, older":                  {"random:gemma3-tiny", rename("language_model.model.", "language_model.lm_head.weight")},
		"gemma, newer":                  {"random:gemma3-tiny", rename("model.language_model.", headName)},
	} {
		t.Run(name, func(t *testing.T) {
			compareModels(t, openT(t, tt.spec), openT(t, saved(t, tt.spec, 1, tt.change)))
		})
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "model.gguf", []byte("GGUF"))
	for path, want := range map[string]string{
		filepath.Join(dir, "none"):       "no such file",
		filepath.Join(dir, "model.gguf"): `a single ".gguf" file, wanted a directory`,
		dir:                              "config.json",
	} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want … %s", path, err, want)
		}
	}
	write(t, dir, "config.json", []byte(qwen3Small))
	if _, err := Open(dir); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "found model.gguf, wanted model.safetensors") {
		t.Errorf("other weights: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "model.gguf")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), indexFile) {
		t.Errorf("no weights: %v", err)
	}
	write(t, dir, "config.json", bytes.Repeat([]byte(" "), 1<<20+1))
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "more than 1048576 bytes") {
		t.Errorf("large configuration: %v", err)
	}
}
