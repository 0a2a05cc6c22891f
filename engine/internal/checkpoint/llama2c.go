// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// The two layouts of a llama2.c checkpoint with f32 weights.
//
// Legacy: seven int32 (dim, hidden_dim, layers, heads, kv_heads, vocab,
// seq_len; a negative vocab says that the classifier is not tied), then the
// tensors in the order of legacyOrder, each for all layers, with two tables of
// rotary frequencies before the classifier.
//
// Version 1: magic, version, the seven int32, one byte that says whether the
// classifier is tied, zeros up to 256 bytes, then the norms and the matrices in
// the order of v1Order.
const (
	binMagic     = 0x616B3432 // "ak42" as a number
	legacyHeader = 7 * 4
	v1Header     = 256
)

const freqTables = "freq_cis" // two tables of seq_len × head size/2

var (
	legacyOrder = []string{
		embedName, "input_layernorm.weight", "self_attn.q_proj.weight", "self_attn.k_proj.weight",
		"self_attn.v_proj.weight", "self_attn.o_proj.weight", "post_attention_layernorm.weight",
		"mlp.gate_proj.weight", "mlp.down_proj.weight", "mlp.up_proj.weight", normName, freqTables, headName,
	}
	v1Order = []string{
		"input_layernorm.weight", "post_attention_layernorm.weight", normName, embedName,
		"self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight", "self_attn.o_proj.weight",
		"mlp.gate_proj.weight", "mlp.down_proj.weight", "mlp.up_proj.weight", headName,
	}
)

// llama2C is an open llama2.c checkpoint, its tensors under canonical names.
type llama2C struct {
	name    string
	data    storage
	entries map[string]entry // begin and end count from the file's start
	headDim int

	mu     sync.Mutex
	turned map[string][]byte // q and k projections in the order of halves
}

// openLlama2C opens a checkpoint of either layout.
func openLlama2C(path string) (*Model, error) {
	st, err := openFile(path)
	if err != nil {
		return nil, err
	}
	return newLlama2C(path, st)
}

func newLlama2C(path string, st storage) (*Model, error) {
	src := &llama2C{name: path, data: st, turned: map[string][]byte{}}
	c, err := src.readHeader()
	if err != nil {
		st.close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	src.headDim = c.HeadDim
	return newModel(c, strings.TrimSuffix(filepath.Base(path), ".bin"), src, sameName)
}

func (f *llama2C) readHeader() (Config, error) {
	size := f.data.size()
	if size < legacyHeader {
		return Config{}, fmt.Errorf("%d bytes, wanted a llama2.c header of %d", size, legacyHeader)
	}
	raw, err := f.data.bytes(0, min(size, v1Header))
	if err != nil {
		return Config{}, err
	}
	word := func(off int) int { return int(int32(binary.LittleEndian.Uint32(raw[off:]))) }
	start, at, order := int64(legacyHeader), 0, legacyOrder
	tied := false
	if word(0) == binMagic {
		if v := word(4); v != 1 {
			return Config{}, fmt.Errorf("offset 0x4: llama2.c version %d is unsupported, known: legacy and 1, both f32 (%w)", v, ErrUnsupported)
		}
		if size < v1Header {
			return Config{}, fmt.Errorf("%d bytes, wanted a version 1 header of %d", size, v1Header)
		}
		start, at, order = v1Header, 8, v1Order
		tied = raw[8+legacyHeader] != 0
	}
	vocab := word(at + 20)
	if start == legacyHeader {
		tied = vocab > 0
		vocab = max(vocab, -vocab)
	}
	c := Config{
		Arch: Llama, Hidden: word(at), Intermediate: word(at + 4), Layers: word(at + 8), Heads: word(at + 12),
		KVHeads: word(at + 16), Vocab: vocab, MaxPositions: word(at + 24),
		NormEps: 1e-5, Activation: SiLU, TieEmbeddings: tied, EmbedScale: 1,
		Rope: Rope{Theta: 10000}, LocalRope: Rope{Theta: 10000}, BOS: 1, EOS: []int{2},
	}
	if c.Heads > 0 && c.Hidden%c.Heads == 0 {
		c.HeadDim = c.Hidden / c.Heads
		c.AttnScale = 1 / math.Sqrt(float64(c.HeadDim))
	}
	if err := c.check(); err != nil {
		return c, fmt.Errorf("header: %w (is this a llama2.c checkpoint?)", err)
	}
	return c, f.lay(&c, start, order)
}

// lay computes where each tensor is and holds the sum against the file's size.
func (f *llama2C) lay(c *Config, off int64, order []string) error {
	shapes := map[string][]int{embedName: {c.Vocab, c.Hidden}, normName: {c.Hidden}, headName: {c.Vocab, c.Hidden}}
	for _, s := range c.slots() {
		shapes[s.name] = s.shape
	}
	size := f.data.size()
	f.entries = map[string]entry{}
	place := func(name string, shape []int) {
		n, _ := elements(shape) // two dimensions of at most maxDim
		f.entries[name] = entry{F32, shape, off, off + 4*n}
		off += 4 * n
	}
	for _, name := range order {
		switch {
		case name == freqTables:
			off += 4 * int64(c.MaxPositions) * int64(c.HeadDim)
		case name == headName && c.TieEmbeddings:
		case name == embedName || name == normName || name == headName:
			place(name, shapes[name])
		default:
			for i := 0; i < c.Layers && off <= size; i++ {
				place(layerTensor(i, name), shapes[name])
			}
		}
		if off > size {
			break // long before the sum could overflow
		}
	}
	if off != size {
		return fmt.Errorf("%d bytes, but the header's shape takes at least %d", size, off)
	}
	return nil
}

func (f *llama2C) Names() []string { return slices.Sorted(maps.Keys(f.entries)) }

func (f *llama2C) info(name string) (DType, []int, bool) {
	e, ok := f.entries[name]
	return e.dtype, e.shape, ok
}

func (f *llama2C) where(string) string { return f.name }

func (f *llama2C) Close() error { return f.data.close() }

// Tensor returns a view of the file, except for the query and key projections:
// llama2.c turns neighbouring elements of a head together, Hugging Face
// checkpoints and so the engine turn element p of the first half with element p
// of the second. Their rows come in the latter order, which leaves q·k as it
// is, in a copy that is made once.
func (f *llama2C) Tensor(name string) (Tensor, error) {
	e, ok := f.entries[name]
	if !ok {
		return Tensor{}, fmt.Errorf("%s: no tensor %q", f.name, name)
	}
	raw, err := f.data.bytes(e.begin, e.end-e.begin)
	if err != nil {
		return Tensor{}, fmt.Errorf("%s: tensor %q: %w", f.name, name, err)
	}
	if strings.HasSuffix(name, "q_proj.weight") || strings.HasSuffix(name, "k_proj.weight") {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.turned[name] == nil {
			f.turned[name] = halves(raw, f.headDim, 4*e.shape[1])
		}
		raw = f.turned[name]
	}
	return Tensor{Name: name, DType: F32, Shape: slices.Clone(e.shape), Raw: aligned(raw, 4)}, nil
}

// halves moves the even rows of each head before its odd rows.
func halves(raw []byte, headDim, rowBytes int) []byte {
	out := alignedBytes(int64(len(raw)))
	headBytes := headDim * rowBytes
	for head := 0; head < len(raw); head += headBytes {
		for i := range headDim {
			to := i/2 + i%2*(headDim/2)
			copy(out[head+to*rowBytes:][:rowBytes], raw[head+i*rowBytes:])
		}
	}
	return out
}
