// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layerscope/layerscope/engine/internal/tokenizer"
	"github.com/layerscope/layerscope/internal/tracetest"
)

const (
	legacyBin = "data/lm/tinystories_260k/checkpoint_legacy.bin"
	v1Bin     = "data/lm/tinystories_260k/checkpoint_v1.bin"
	tokensBin = "data/lm/tinystories_260k/tokenizer.bin"
)

// TestLlama2CLayouts: the two files hold the same model.
func TestLlama2CLayouts(t *testing.T) {
	legacy, v1 := openT(t, tracetest.Shared(t, legacyBin)), openT(t, tracetest.Shared(t, v1Bin))
	want := Config{
		Arch: Llama, Vocab: 512, Hidden: 64, Layers: 5, Heads: 8, KVHeads: 4, HeadDim: 8, Intermediate: 172, MaxPositions: 512,
		NormEps: 1e-5, Activation: SiLU, TieEmbeddings: true, EmbedScale: 1, AttnScale: 1 / math.Sqrt(8),
		Rope: Rope{Theta: 1e4}, LocalRope: Rope{Theta: 1e4}, BOS: 1, EOS: []int{2},
	}
	if diff := cmp.Diff(want, *legacy.Config()); diff != "" {
		t.Error(diff)
	}
	compareModels(t, legacy, v1)
	if legacy.Name() != "checkpoint_legacy" || legacy.Config().Params() != 260032 {
		t.Errorf("%s has %d weights", legacy, legacy.Config().Params())
	}
	// Saved as a Hugging Face directory it is still the same.
	dir := filepath.Join(t.TempDir(), "hf")
	if err := Save(dir, legacy); err != nil {
		t.Fatal(err)
	}
	compareModels(t, legacy, openT(t, dir))
}

// TestHalves: two heads of 4 rows of 2 bytes; even rows go first.
func TestHalves(t *testing.T) {
	in := []byte{0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7}
	want := []byte{0, 0, 2, 2, 1, 1, 3, 3, 4, 4, 6, 6, 5, 5, 7, 7}
	if got := halves(in, 4, 2); !bytes.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// bin makes a legacy (version 0) or version 1 file of the given header, its
// weights counting up.
func bin(version int, head [7]int32, words int) []byte {
	var out []byte
	if version > 0 {
		out = binary.LittleEndian.AppendUint32(out, binMagic)
		out = binary.LittleEndian.AppendUint32(out, uint32(version))
	}
	for _, v := range head {
		out = binary.LittleEndian.AppendUint32(out, uint32(v))
	}
	if version > 0 {
		out = append(out, make([]byte, v1Header-len(out))...)
	}
	for i := range words {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(float32(i)))
	}
	return out
}

// TestLlama2CUntied: without tying both layouts end with the classifier. With
// dim 4, hidden 6, one layer, 2 heads, 1 kv head, vocabulary 3 and 5 positions
// the weights are 12 embedding + 4 norm + 16 q + 8 k + 8 v + 16 o + 4 norm +
// 3·24 MLP + 4 norm + 12 head = 156, and the legacy tables 10.
func TestLlama2CUntied(t *testing.T) {
	legacy := bin(0, [7]int32{4, 6, 1, 2, 1, -3, 5}, 156+10)
	v1 := bin(1, [7]int32{4, 6, 1, 2, 1, 3, 5}, 156)
	for name, tt := range map[string]struct {
		data                          []byte
		head, final, q0, q1, down, up float32
	}{
		"legacy":    {legacy, 154, 140, 16, 20, 92, 116},
		"version 1": {v1, 144, 8, 24, 28, 96, 120},
	} {
		path := filepath.Join(t.TempDir(), "m.bin")
		if err := os.WriteFile(path, tt.data, 0o600); err != nil {
			t.Fatal(err)
		}
		m := openT(t, path)
		l, lerr := m.Layer(0)
		head, herr := m.LMHead()
		final, ferr := m.FinalNorm()
		if err := errors.Join(lerr, herr, ferr); err != nil {
			t.Fatal(err)
		}
		// Heads of two elements have one pair, so rows keep their order.
		q := l.Q.AppendFloat32(nil)
		got := []float32{head.AppendFloat32(nil)[0], final.AppendFloat32(nil)[0], q[0], q[4], l.Down.AppendFloat32(nil)[0], l.Up.AppendFloat32(nil)[0]}
		want := []float32{tt.head, tt.final, tt.q0, tt.q1, tt.down, tt.up}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

func TestLlama2CErrors(t *testing.T) {
	good := [7]int32{4, 6, 1, 2, 1, -3, 5}
	with := func(i int, v int32) [7]int32 { h := good; h[i] = v; return h }
	for name, tt := range map[string]struct {
		data []byte
		want string
	}{
		"empty":            {nil, "0 bytes, wanted a llama2.c header of 28"},
		"cut":              {bin(0, good, 165), "688 bytes, but the header's shape takes at least 692"},
		"long":             {bin(0, good, 167), "696 bytes, but the header's shape takes at least 692"},
		"version 2":        {bin(2, good, 0), "offset 0x4: llama2.c version 2 is unsupported"},
		"version 1 cut":    {bin(1, good, 0)[:100], "100 bytes, wanted a version 1 header of 256"},
		"no dim":           {bin(0, with(0, 0), 166), "header: hidden_size is 0"},
		"negative layers":  {bin(0, with(2, -1), 166), "num_hidden_layers is -1"},
		"heads":            {bin(0, with(3, 3), 166), "head_dim is 0"},
		"kv heads":         {bin(0, with(4, 3), 166), "2 attention heads are not a multiple of 3"},
		"smallest vocab":   {bin(0, with(5, math.MinInt32), 166), "vocab_size is"},
		"huge":             {bin(0, [7]int32{1 << 24, 1 << 24, 1 << 12, 1, 1, 1 << 24, 1 << 24}, 1), "but the header's shape takes at least"},
		"not a checkpoint": {[]byte(strings.Repeat("hello world ", 40)), "is this a llama2.c checkpoint?"},
	} {
		path := filepath.Join(t.TempDir(), "m.bin")
		if err := os.WriteFile(path, tt.data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); err == nil || !strings.HasPrefix(err.Error(), path+": ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s:\n got %v\nwant … %s", name, err, tt.want)
		}
	}
}

// TestStory: llama2.c's text at temperature 0, through the tokenizer, both
// layouts and the plainest forward pass there is.
func TestStory(t *testing.T) {
	const want = "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball."
	tk, err := tokenizer.Load(tracetest.Shared(t, tokensBin))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{legacyBin, v1Bin} {
		m := openT(t, tracetest.Shared(t, name))
		ids := tk.Encode("", tokenizer.EncodeOptions{AddSpecial: true})
		p := newPlain(t, m)
		for len(tk.DecodeText(ids)) < len(want) && len(ids) < 100 {
			ids = append(ids, p.step(ids[len(ids)-1]))
		}
		if got := tk.DecodeText(ids); got != want {
			t.Errorf("%s: got %q", name, got)
		}
	}
}
