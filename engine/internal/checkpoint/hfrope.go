// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
)

// rope reads the rotary embedding in either form: rope_theta and rope_scaling,
// or rope_parameters with both, by layer type where the two differ.
func (h *hfConfig) rope(c *Config) error {
	theta, local := 10000.0, 10000.0
	if c.Arch == Gemma3 {
		theta = 1e6
	}
	var byType struct {
		Full    *hfRope `json:"full_attention"`
		Sliding *hfRope `json:"sliding_attention"`
	}
	if s := string(h.RopeParameters); s != "" && s != "null" {
		if err := json.Unmarshal(h.RopeParameters, &byType); err != nil {
			return fmt.Errorf("rope_parameters: %w", err)
		}
		if byType.Full == nil && byType.Sliding == nil {
			byType.Full = new(hfRope)
			if err := json.Unmarshal(h.RopeParameters, byType.Full); err != nil {
				return fmt.Errorf("rope_parameters: %w", err)
			}
		}
	} else {
		byType.Full = h.RopeScaling
	}
	var err error
	if c.Rope, err = byType.Full.rope(or(h.RopeTheta, theta)); err != nil {
		return err
	}
	if c.Arch != Gemma3 {
		c.LocalRope = c.Rope
		return nil
	}
	c.LocalRope, err = byType.Sliding.rope(or(h.RopeLocalTheta, local))
	return err
}

// rope converts one description; nil is the plain embedding of that theta.
func (r *hfRope) rope(theta float64) (Rope, error) {
	if r == nil {
		return Rope{Theta: theta}, nil
	}
	out := Rope{Theta: or(r.Theta, theta)}
	if or(r.Partial, 1) != 1 {
		return out, fmt.Errorf("partial_rotary_factor %g is unsupported, wanted 1 (%w)", *r.Partial, ErrUnsupported)
	}
	kind := r.Type
	if kind == "" {
		kind = r.TypeOld
	}
	switch kind {
	case "", "default":
	case "linear":
		out.Scaling, out.Factor = kind, r.Factor
	case "llama3":
		out.Scaling, out.Factor = kind, r.Factor
		out.LowFreq, out.HighFreq, out.OriginalPositions = r.LowFreq, r.HighFreq, r.Original
	default:
		return out, fmt.Errorf("rope scaling %q is unsupported, known: default, linear, llama3 (%w)", kind, ErrUnsupported)
	}
	return out, nil
}

// MarshalHF writes the configuration as a config.json for weights of the given
// type. It fails for configurations that the family's file cannot express.
func (c *Config) MarshalHF(dtype DType) ([]byte, error) {
	names := map[Arch][2]string{
		Llama: {"llama", "LlamaForCausalLM"}, Qwen2: {"qwen2", "Qwen2ForCausalLM"},
		Qwen3: {"qwen3", "Qwen3ForCausalLM"}, Gemma3: {"gemma3_text", "Gemma3ForCausalLM"},
	}
	name, ok := names[c.Arch]
	if !ok {
		return nil, fmt.Errorf("architecture %q has no config.json", c.Arch)
	}
	m := map[string]any{
		"model_type": name[0], "architectures": []string{name[1]},
		"torch_dtype": map[DType]string{F32: "float32", F16: "float16", BF16: "bfloat16"}[dtype],
		"vocab_size":  c.Vocab, "hidden_size": c.Hidden, "num_hidden_layers": c.Layers,
		"num_attention_heads": c.Heads, "num_key_value_heads": c.KVHeads, "head_dim": c.HeadDim,
		"intermediate_size": c.Intermediate, "max_position_embeddings": c.MaxPositions,
		"rms_norm_eps": c.NormEps, "hidden_act": c.Activation, "tie_word_embeddings": c.TieEmbeddings,
		"rope_theta": c.Rope.Theta, "rope_scaling": c.Rope.hf(),
	}
	if c.Arch != Qwen2 {
		m["attention_bias"] = c.QKVBias
	}
	switch c.Arch {
	case Llama:
		m["mlp_bias"] = c.MLPBias
	case Gemma3:
		m["hidden_activation"] = c.Activation
		m["query_pre_attn_scalar"] = scalarOf(c.AttnScale)
		m["rope_local_base_freq"] = c.LocalRope.Theta
		m["attn_logit_softcapping"], m["final_logit_softcapping"] = orNull(c.AttnSoftcap), orNull(c.LogitSoftcap)
	}
	if c.Sliding != nil || c.Arch == Gemma3 {
		types := make([]string, c.Layers)
		for i := range types {
			types[i] = "full_attention"
			if c.Window(i) > 0 {
				types[i] = "sliding_attention"
			}
		}
		m["layer_types"], m["sliding_window"], m["use_sliding_window"] = types, c.SlidingWindow, c.Sliding != nil
	}
	m["bos_token_id"] = nil
	if c.BOS >= 0 {
		m["bos_token_id"] = c.BOS
	}
	m["eos_token_id"] = c.EOS
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetIndent("", "  ")
	if err := enc.Encode(m); err != nil {
		return nil, err
	}
	back, err := ParseConfig("config.json", buf.Bytes())
	if err != nil {
		return nil, err
	}
	if !reflect.DeepEqual(back, *c) {
		return nil, fmt.Errorf("a config.json of family %s cannot express this configuration: it would read as %+v, wanted %+v", c.Arch, back, *c)
	}
	return buf.Bytes(), nil
}

// scalarOf inverts 1/√x, to an integer where there is one.
func scalarOf(scale float64) float64 {
	x := 1 / (scale * scale)
	if r := math.Round(x); math.Abs(x-r) < 1e-9*x {
		return r
	}
	return x
}

func orNull(x float64) any {
	if x == 0 {
		return nil
	}
	return x
}

func (r Rope) hf() any {
	switch r.Scaling {
	case "linear":
		return map[string]any{"rope_type": r.Scaling, "factor": r.Factor}
	case "llama3":
		return map[string]any{
			"rope_type": r.Scaling, "factor": r.Factor, "low_freq_factor": r.LowFreq,
			"high_freq_factor": r.HighFreq, "original_max_position_embeddings": r.OriginalPositions,
		}
	}
	return nil
}
