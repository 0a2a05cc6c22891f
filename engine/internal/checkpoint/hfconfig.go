// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// hfConfig is what is read of a config.json. Pointers tell an absent or null
// field from a zero.
type hfConfig struct {
	ModelType     string          `json:"model_type"`
	Architectures []string        `json:"architectures"`
	TextConfig    json.RawMessage `json:"text_config"`
	Quantization  json.RawMessage `json:"quantization_config"`

	Vocab        *int     `json:"vocab_size"`
	Hidden       *int     `json:"hidden_size"`
	Layers       *int     `json:"num_hidden_layers"`
	Heads        *int     `json:"num_attention_heads"`
	KVHeads      *int     `json:"num_key_value_heads"`
	HeadDim      *int     `json:"head_dim"`
	Intermediate *int     `json:"intermediate_size"`
	MaxPositions *int     `json:"max_position_embeddings"`
	NormEps      *float64 `json:"rms_norm_eps"`
	Act          *string  `json:"hidden_act"`
	Activation   *string  `json:"hidden_activation"`
	Tie          *bool    `json:"tie_word_embeddings"`
	AttnBias     *bool    `json:"attention_bias"`
	MLPBias      *bool    `json:"mlp_bias"`

	RopeTheta      *float64        `json:"rope_theta"`
	RopeLocalTheta *float64        `json:"rope_local_base_freq"`
	RopeScaling    *hfRope         `json:"rope_scaling"`
	RopeParameters json.RawMessage `json:"rope_parameters"`
	PartialRotary  *float64        `json:"partial_rotary_factor"`

	UseSliding    *bool    `json:"use_sliding_window"`
	SlidingWindow *int     `json:"sliding_window"`
	MaxWindow     *int     `json:"max_window_layers"`
	Pattern       *int     `json:"sliding_window_pattern"`
	PatternOld    *int     `json:"_sliding_window_pattern"`
	LayerTypes    []string `json:"layer_types"`

	QueryScalar  *float64 `json:"query_pre_attn_scalar"`
	AttnSoftcap  *float64 `json:"attn_logit_softcapping"`
	LogitSoftcap *float64 `json:"final_logit_softcapping"`

	Bidirectional *bool `json:"use_bidirectional_attention"`
	Experts       *int  `json:"num_experts"`
	LocalExperts  *int  `json:"num_local_experts"`

	BOS json.RawMessage `json:"bos_token_id"`
	EOS json.RawMessage `json:"eos_token_id"`
}

// hfRope is a rope_scaling, or a rope_parameters of newer files.
type hfRope struct {
	Type     string   `json:"rope_type"`
	TypeOld  string   `json:"type"`
	Theta    *float64 `json:"rope_theta"`
	Factor   float64  `json:"factor"`
	LowFreq  float64  `json:"low_freq_factor"`
	HighFreq float64  `json:"high_freq_factor"`
	Original int      `json:"original_max_position_embeddings"`
	Partial  *float64 `json:"partial_rotary_factor"`
}

// lacking says what the engine lacks for families that are asked for and not
// supported.
var lacking = map[string]string{
	"cohere": "parallel attention and MLP", "cohere2": "parallel attention and MLP",
	"deepseek_v2": "latent attention and expert routing", "deepseek_v3": "latent attention and expert routing",
	"falcon": "parallel attention and MLP", "gemma": "a checked configuration; use gemma3", "gemma2": "a checked configuration; use gemma3",
	"gemma3n": "alternating updates and per-layer embeddings", "gpt2": "learned positions and LayerNorm", "gpt_neox": "partial rotary embedding and LayerNorm",
	"gpt_oss": "expert routing and attention sinks", "llama4": "expert routing and chunked attention", "llama4_text": "expert routing and chunked attention",
	"mamba": "state-space layers", "mistral": "a checked configuration", "mixtral": "expert routing", "olmo2": "norms after the blocks only",
	"phi": "partial rotary embedding and LayerNorm", "phi3": "fused projections", "qwen2_moe": "expert routing", "qwen3_moe": "expert routing",
	"qwen3_next": "linear attention and expert routing", "starcoder2": "LayerNorm",
}

// ParseConfig reads a Hugging Face config.json; name is for messages. Values
// that a file may leave out have the defaults of the transformers library.
func ParseConfig(name string, data []byte) (Config, error) {
	c, err := parseConfig(data)
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

func parseConfig(data []byte) (Config, error) {
	var h hfConfig
	if err := decodeConfig(data, &h); err != nil {
		return Config{}, err
	}
	if err := h.refuse(); err != nil {
		return Config{}, err
	}
	if h.ModelType == "gemma3" && len(h.TextConfig) > 0 {
		// Text and vision in one; only the text part is used.
		outer := h
		h = hfConfig{}
		if err := decodeConfig(outer.TextConfig, &h); err != nil {
			return Config{}, fmt.Errorf("text_config: %w", err)
		}
		if h.ModelType == "" {
			h.ModelType = "gemma3_text"
		}
		if h.Tie == nil {
			h.Tie = outer.Tie
		}
		if err := h.refuse(); err != nil {
			return Config{}, fmt.Errorf("text_config: %w", err)
		}
	}
	c, err := h.config()
	if err != nil {
		return Config{}, err
	}
	return c, c.check()
}

func decodeConfig(data []byte, h *hfConfig) error {
	err := json.Unmarshal(data, h)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("offset %#x: %w", syntax.Offset, err)
	case errors.As(err, &kind):
		return fmt.Errorf("offset %#x: %s is a %s, wanted %s", kind.Offset, kind.Field, kind.Value, kind.Type)
	}
	return err
}

// refuse names what a file asks for and the engine lacks.
func (h *hfConfig) refuse() error {
	unsupported := func(format string, args ...any) error {
		return fmt.Errorf("%s (%w)", fmt.Sprintf(format, args...), ErrUnsupported)
	}
	switch h.ModelType {
	case "llama", "qwen2", "qwen3", "gemma3", "gemma3_text":
	case "":
		return errors.New("no model_type")
	default:
		why := ""
		if l := lacking[h.ModelType]; l != "" {
			why = ": it needs " + l
		}
		return unsupported("model_type %q is unsupported%s; known: gemma3, gemma3_text, llama, qwen2, qwen3", h.ModelType, why)
	}
	for _, a := range h.Architectures {
		if !strings.HasSuffix(a, "ForCausalLM") && !strings.HasSuffix(a, "ForConditionalGeneration") {
			return unsupported("architecture %q is unsupported, wanted a language model head (…ForCausalLM)", a)
		}
	}
	if q := string(h.Quantization); q != "" && q != "null" {
		var method struct {
			Method string `json:"quant_method"`
		}
		_ = json.Unmarshal(h.Quantization, &method) // the name is for the message only
		return unsupported("quantization_config (%q) is unsupported, wanted bf16, f16 or f32 weights", method.Method)
	}
	switch {
	case or(h.Experts, 0) > 0 || or(h.LocalExperts, 0) > 0:
		return unsupported("expert routing (num_experts) is unsupported")
	case or(h.Bidirectional, false):
		return unsupported("use_bidirectional_attention is unsupported, wanted a causal decoder")
	case or(h.PartialRotary, 1) != 1:
		return unsupported("partial_rotary_factor %g is unsupported, wanted 1", *h.PartialRotary)
	}
	return nil
}

// or returns a field's value, or the default of an absent one.
func or[T any](p *T, absent T) T {
	if p == nil {
		return absent
	}
	return *p
}

// config applies the family's rules and defaults.
func (h *hfConfig) config() (Config, error) {
	if err := h.required(); err != nil {
		return Config{}, err
	}
	gemma := h.ModelType == "gemma3" || h.ModelType == "gemma3_text"
	c := Config{
		Arch: Arch(h.ModelType), Vocab: or(h.Vocab, 262208), Hidden: or(h.Hidden, 2304), Layers: or(h.Layers, 26),
		Heads: or(h.Heads, 8), Intermediate: or(h.Intermediate, 9216), NormEps: or(h.NormEps, 1e-6),
		TieEmbeddings: or(h.Tie, gemma), QKVBias: or(h.AttnBias, false), OBias: or(h.AttnBias, false), EmbedScale: 1,
	}
	if c.Heads < 1 || c.Hidden < 1 {
		return c, c.check() // before they divide
	}
	headDim := c.Hidden / c.Heads
	switch c.Arch {
	case Llama:
		c.KVHeads, c.MaxPositions, c.MLPBias = or(h.KVHeads, c.Heads), or(h.MaxPositions, 2048), or(h.MLPBias, false)
	case Qwen2:
		c.KVHeads, c.MaxPositions, c.QKVBias, c.OBias = *h.KVHeads, or(h.MaxPositions, 32768), true, false
	case Qwen3:
		c.KVHeads, c.MaxPositions, c.QKNorm, headDim = *h.KVHeads, or(h.MaxPositions, 32768), true, 128
	default:
		c.Arch, c.KVHeads, c.MaxPositions, headDim = Gemma3, or(h.KVHeads, 4), or(h.MaxPositions, 131072), 256
		c.QKNorm, c.NormPlusOne, c.OutputNorms, c.EmbedScale = true, true, true, math.Sqrt(float64(c.Hidden))
	}
	c.HeadDim = or(h.HeadDim, headDim)
	if h.HeadDim == nil && c.Arch != Qwen3 && !gemma && c.Hidden%c.Heads != 0 {
		return c, fmt.Errorf("hidden_size %d is not a multiple of %d heads, and there is no head_dim", c.Hidden, c.Heads)
	}
	c.AttnScale = 1 / math.Sqrt(float64(c.HeadDim))
	if gemma {
		c.AttnScale = 1 / math.Sqrt(or(h.QueryScalar, 256))
		c.AttnSoftcap, c.LogitSoftcap = or(h.AttnSoftcap, 0), or(h.LogitSoftcap, 0)
	}
	for _, step := range []func(*Config) error{h.activation, h.sliding, h.rope, h.tokens} {
		if err := step(&c); err != nil {
			return c, err
		}
	}
	return c, nil
}

// required names the first field that a file must have and lacks. Gemma's
// files leave out what equals the defaults.
func (h *hfConfig) required() error {
	if strings.HasPrefix(h.ModelType, "gemma3") {
		return nil
	}
	for _, f := range []struct {
		name string
		have bool
	}{
		{"vocab_size", h.Vocab != nil}, {"hidden_size", h.Hidden != nil}, {"num_hidden_layers", h.Layers != nil},
		{"num_attention_heads", h.Heads != nil}, {"intermediate_size", h.Intermediate != nil},
		{"num_key_value_heads", h.KVHeads != nil || h.ModelType == "llama"},
	} {
		if !f.have {
			return fmt.Errorf("%s is missing", f.name)
		}
	}
	return nil
}

func (h *hfConfig) activation(c *Config) error {
	name := or(h.Act, string(SiLU))
	if c.Arch == Gemma3 {
		name = or(h.Activation, string(GELUTanh))
	}
	c.Activation = Activation(name)
	if c.Activation != SiLU && c.Activation != GELUTanh {
		return fmt.Errorf("activation %q is unsupported, known: %s, %s (%w)", name, SiLU, GELUTanh, ErrUnsupported)
	}
	return nil
}

// sliding finds the layers with a window.
func (h *hfConfig) sliding(c *Config) error {
	window := or(h.SlidingWindow, 4096)
	switch c.Arch {
	case Llama:
		return nil
	case Qwen2, Qwen3:
		if !or(h.UseSliding, false) || h.SlidingWindow == nil {
			return nil
		}
	}
	if c.Layers < 1 || c.Layers > 1<<12 {
		return nil // check names it
	}
	pattern := or(h.Pattern, or(h.PatternOld, 6))
	sliding := make([]bool, c.Layers)
	switch {
	case h.LayerTypes != nil:
		if len(h.LayerTypes) != c.Layers {
			return fmt.Errorf("%d layer_types for %d layers", len(h.LayerTypes), c.Layers)
		}
		for i, t := range h.LayerTypes {
			if t != "full_attention" && t != "sliding_attention" {
				return fmt.Errorf("layer type %q is unsupported, known: full_attention, sliding_attention (%w)", t, ErrUnsupported)
			}
			sliding[i] = t == "sliding_attention"
		}
	case c.Arch != Gemma3:
		for i := range sliding {
			sliding[i] = i >= or(h.MaxWindow, 28)
		}
	case pattern < 1:
		return fmt.Errorf("sliding_window_pattern is %d, wanted at least 1", pattern)
	default:
		for i := range sliding {
			sliding[i] = (i+1)%pattern != 0
		}
	}
	if slices.Contains(sliding, true) {
		if window < 1 {
			return fmt.Errorf("sliding_window is %d, wanted at least 1", window)
		}
		c.SlidingWindow, c.Sliding = window, sliding
	}
	return nil
}

// tokens reads the ids of BOS and EOS; the latter may be a list.
func (h *hfConfig) tokens(c *Config) error {
	c.BOS = -1
	if s := string(h.BOS); s != "" && s != "null" {
		if err := json.Unmarshal(h.BOS, &c.BOS); err != nil {
			return fmt.Errorf("bos_token_id: %w", err)
		}
	}
	switch s := string(h.EOS); {
	case s == "" || s == "null":
	case s[0] == '[':
		if err := json.Unmarshal(h.EOS, &c.EOS); err != nil {
			return fmt.Errorf("eos_token_id: %w", err)
		}
	default:
		c.EOS = []int{0}
		if err := json.Unmarshal(h.EOS, &c.EOS[0]); err != nil {
			return fmt.Errorf("eos_token_id: %w", err)
		}
	}
	if len(c.EOS) == 0 {
		c.EOS = nil
	}
	return nil
}
