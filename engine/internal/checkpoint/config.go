// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"errors"
	"fmt"
	"math"
)

// ErrUnsupported is wrapped by the errors for models that are well formed but
// need something this package or the engine does not have. The error names it.
var ErrUnsupported = errors.ErrUnsupported

// Arch is the family of a decoder, by its Hugging Face model_type.
type Arch string

// The supported families.
const (
	Llama  Arch = "llama"  // Llama 2 and 3, TinyLlama, llama2.c
	Qwen2  Arch = "qwen2"  // Qwen2 and Qwen2.5
	Qwen3  Arch = "qwen3"  //
	Gemma3 Arch = "gemma3" // text only
)

// Activation is the function between the gate and the product of an MLP.
type Activation string

// The supported activations: x·sigmoid(x), and GELU by its tanh formula.
const (
	SiLU     Activation = "silu"
	GELUTanh Activation = "gelu_pytorch_tanh"
)

// Config is the shape of a decoder and the constants of its formulas. Every
// family is described by the fields, so that the engine need not ask for Arch.
type Config struct {
	Arch         Arch
	Vocab        int // rows of the embedding; often more than the tokenizer has
	Hidden       int
	Layers       int
	Heads        int
	KVHeads      int // Heads is a multiple
	HeadDim      int // even; Heads·HeadDim need not be Hidden
	Intermediate int
	MaxPositions int

	NormEps     float64 // of every RMSNorm
	NormPlusOne bool    // norms multiply by 1 + weight (Gemma)
	QKNorm      bool    // RMSNorm over each head's q and k before RoPE
	OutputNorms bool    // further norms on the outputs of attention and MLP (Gemma)
	QKVBias     bool
	OBias       bool
	MLPBias     bool
	Activation  Activation

	TieEmbeddings bool
	EmbedScale    float64 // embeddings are multiplied by it; 1 for most
	AttnScale     float64 // q·k is multiplied by it
	AttnSoftcap   float64 // c: q·k becomes c·tanh(q·k/c); 0 for none
	LogitSoftcap  float64 // the same for the logits

	Rope      Rope // of layers that see all positions before
	LocalRope Rope // of layers with a window

	// SlidingWindow is how many positions, its own included, a token sees in
	// the layers that Sliding marks; 0 where there are none.
	SlidingWindow int
	Sliding       []bool // by layer; nil for none

	BOS int   // -1 where the file names none
	EOS []int // may be empty
}

// maxDim bounds every dimension, so that products of two fit an int64 with
// room to spare.
const maxDim = 1 << 24

// check refuses shapes that no model can have.
func (c *Config) check() error {
	for _, d := range []struct {
		name string
		n    int
	}{
		{"vocab_size", c.Vocab}, {"hidden_size", c.Hidden}, {"num_hidden_layers", c.Layers},
		{"num_attention_heads", c.Heads}, {"num_key_value_heads", c.KVHeads}, {"head_dim", c.HeadDim},
		{"intermediate_size", c.Intermediate}, {"max_position_embeddings", c.MaxPositions},
	} {
		if d.n < 1 || d.n > maxDim {
			return fmt.Errorf("%s is %d, wanted 1 to %d", d.name, d.n, maxDim)
		}
	}
	switch {
	case c.Heads%c.KVHeads != 0:
		return fmt.Errorf("%d attention heads are not a multiple of %d key-value heads", c.Heads, c.KVHeads)
	case c.HeadDim%2 != 0:
		return fmt.Errorf("head_dim is %d, wanted an even number", c.HeadDim)
	case c.Layers > 1<<12:
		return fmt.Errorf("num_hidden_layers is %d, wanted at most %d", c.Layers, 1<<12)
	case c.Heads*c.HeadDim > maxDim:
		return fmt.Errorf("%d heads of %d make more than %d", c.Heads, c.HeadDim, maxDim)
	case c.SlidingWindow < 0 || c.SlidingWindow > maxDim:
		return fmt.Errorf("sliding_window is %d, wanted 0 to %d", c.SlidingWindow, maxDim)
	case c.Sliding != nil && len(c.Sliding) != c.Layers:
		return fmt.Errorf("%d layer types for %d layers", len(c.Sliding), c.Layers)
	}
	for _, f := range []struct {
		name string
		v    float64
	}{
		{"rms_norm_eps", c.NormEps}, {"attention scale", c.AttnScale}, {"embedding scale", c.EmbedScale},
	} {
		if !(f.v > 0 && f.v < math.Inf(1)) {
			return fmt.Errorf("%s is %g, wanted a positive number", f.name, f.v)
		}
	}
	if c.AttnSoftcap < 0 || c.LogitSoftcap < 0 {
		return fmt.Errorf("softcapping by %g and %g, wanted positive numbers", c.AttnSoftcap, c.LogitSoftcap)
	}
	if err := c.Rope.check(); err != nil {
		return err
	}
	return c.LocalRope.check()
}

// Window is how many positions, its own included, a token sees in a layer; 0
// for all.
func (c *Config) Window(layer int) int {
	if c.Sliding == nil || !c.Sliding[layer] {
		return 0
	}
	return c.SlidingWindow
}

// LayerRope is the rotary embedding of a layer.
func (c *Config) LayerRope(layer int) Rope {
	if c.Window(layer) > 0 {
		return c.LocalRope
	}
	return c.Rope
}

// Params is the number of weights; a tied head counts once. It stops counting
// at 2^61.
func (c *Config) Params() int64 {
	n := int64(0)
	for _, s := range c.Specs() {
		e, _ := elements(s.Shape) // two dimensions of at most maxDim
		if n += e; n > 1<<61 {
			break
		}
	}
	return n
}

// Rope is a rotary position embedding: element p of the first half of a head
// and element p of its second half are turned by position × frequency p.
type Rope struct {
	Theta float64
	// Scaling is "", "linear" or "llama3".
	Scaling string
	Factor  float64 // of either scaling
	// Of llama3: wavelengths below OriginalPositions/HighFreq stay, those
	// above OriginalPositions/LowFreq are divided by Factor, those between
	// are blended.
	LowFreq, HighFreq float64
	OriginalPositions int
}

func (r Rope) check() error {
	finite := func(x float64) bool { return x > 0 && x < math.Inf(1) }
	switch {
	case r.Theta < 1 || !finite(r.Theta):
		return fmt.Errorf("rope_theta is %g, wanted at least 1", r.Theta)
	case r.Scaling == "":
		return nil
	case !finite(r.Factor):
		return fmt.Errorf("rope factor is %g, wanted a positive number", r.Factor)
	case r.Scaling == "linear":
		return nil
	case r.Scaling != "llama3":
		return fmt.Errorf("rope scaling %q is unsupported, known: linear, llama3 (%w)", r.Scaling, ErrUnsupported)
	case !finite(r.LowFreq) || !finite(r.HighFreq) || r.HighFreq <= r.LowFreq || r.OriginalPositions < 1:
		return fmt.Errorf("llama3 rope scaling with low_freq_factor %g, high_freq_factor %g and original_max_position_embeddings %d, wanted 0 < low < high and positions", r.LowFreq, r.HighFreq, r.OriginalPositions)
	}
	return nil
}

// Frequencies returns the headDim/2 angles that a step of one position turns
// each pair of elements by: Theta^(-2p/headDim), scaled. The llama3 scaling is
// that of Meta's Llama 3.1 release.
func (r Rope) Frequencies(headDim int) []float64 {
	out := make([]float64, headDim/2)
	for p := range out {
		f := math.Pow(r.Theta, -2*float64(p)/float64(headDim))
		switch r.Scaling {
		case "linear":
			f /= r.Factor
		case "llama3":
			f = r.llama3(f)
		}
		out[p] = f
	}
	return out
}

func (r Rope) llama3(f float64) float64 {
	// turns is how often the pair turns over the original positions.
	turns := float64(r.OriginalPositions) * f / (2 * math.Pi)
	switch {
	case turns > r.HighFreq:
		return f
	case turns < r.LowFreq:
		return f / r.Factor
	}
	smooth := (turns - r.LowFreq) / (r.HighFreq - r.LowFreq)
	return (1-smooth)*f/r.Factor + smooth*f
}
