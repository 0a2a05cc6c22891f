// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBadModels: what is wrong with a model's files is said when it is opened,
// with the file's name, and nothing stays behind (TestMain looks for
// goroutines).
func TestBadModels(t *testing.T) {
	good := "testdata/reference/qwen3"
	header := func(change func(string) string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, "model.safetensors")
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			n := binary.LittleEndian.Uint64(raw)
			head := change(string(raw[8 : 8+n]))
			out := binary.LittleEndian.AppendUint64(nil, uint64(len(head)))
			out = append(append(out, head...), raw[8+n:]...)
			if err := os.WriteFile(path, out, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	replace := func(old, by string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, by, 1) }
	}
	write := func(name, text string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	edit := func(name, old, by string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			raw, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			changed := strings.Replace(string(raw), old, by, 1)
			if changed == string(raw) {
				t.Fatalf("%q is not in %s", old, name)
			}
			write(name, changed)(t, dir)
		}
	}
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, dir string)
		want  string
	}{
		{"no config", func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "config.json")) }, "config.json"},
		{"no weights", func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "model.safetensors")) }, "safetensors"},
		{"empty weights", write("model.safetensors", ""), "model.safetensors"},
		{"huge header", write("model.safetensors", "\xff\xff\xff\xff\xff\xff\xff\x7f{}"), "model.safetensors"},
		{"header is no JSON", header(func(s string) string { return "x" + s[1:] }), "model.safetensors"},
		{"overlapping ranges", header(replace(`"data_offsets": [0, `, `"data_offsets": [1, `)), "model.safetensors"},
		{"wrong dtype", header(replace(`"F32"`, `"I64"`)), "model.safetensors"},
		{"renamed tensor", header(replace("q_norm", "k_nope")), "k_nope"},
		{"missing shard", write("model.safetensors.index.json", `{"weight_map":{"model.embed_tokens.weight":"model-00001-of-00002.safetensors"}}`), "model"},
		{"config is no JSON", write("config.json", "{"), "config.json"},
		{"unknown architecture", edit("config.json", `"qwen3"`, `"mamba"`), "state-space"},
		{"other shape", edit("config.json", `"intermediate_size": 24`, `"intermediate_size": 32`), "shape"},
		{"absurd shape", edit("config.json", `"num_hidden_layers": 2`, `"num_hidden_layers": 2000000000`), "num_hidden_layers"},
		{"truncated tokenizer", write("tokenizer.json", `{"model":{"type":"BPE","vocab":{"a":0`), "tokenizer.json"},
	} {
		dir := t.TempDir()
		for _, name := range []string{"config.json", "model.safetensors"} {
			raw, err := os.ReadFile(filepath.Join(good, name))
			if err != nil {
				t.Fatal(err)
			}
			write(name, string(raw))(t, dir)
		}
		c.spoil(t, dir)
		e, err := Open(Options{Model: dir})
		if err == nil {
			e.Close()
			t.Errorf("%s: opened", c.name)
			continue
		}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, wanted it to name %s", c.name, err, c.want)
		}
	}
}

func TestBadOptions(t *testing.T) {
	pad := int32(600)
	for want, opt := range map[string]Options{
		"delimiter 600":   {Model: "random:qwen3-tiny", Delimiter: &pad},
		"MaxItems":        {Model: "random:qwen3-tiny", MaxItems: -1},
		"buckets":         {Model: "random:qwen3-tiny", Buckets: []int{64, 64}},
		"no shape":        {Model: "random:nothing"},
		"/does/not/exist": {Model: "/does/not/exist"},
	} {
		e, err := Open(opt)
		if err == nil {
			e.Close()
		}
		if err == nil || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestIDsOnly: a model without a tokenizer takes ids and says so for text.
func TestIDsOnly(t *testing.T) {
	e := mustOpen(t, Options{Model: "testdata/reference/llama2"})
	if e.Info().Text {
		t.Error("claims to read text")
	}
	if _, err := e.Score(t.Context(), Request{Query: "a", Items: []string{"b"}, Labels: []int32{1}}); err == nil || !strings.Contains(err.Error(), "tokenizer") {
		t.Errorf("text: %v", err)
	}
	score(t, e, Request{QueryIDs: []int32{1}, ItemIDs: [][]int32{{2}}, Labels: []int32{1}})
}
