// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The fields of real models' files, as far as they are read, in the spellings
// of the transformers versions that wrote them.
const (
	qwen3Small = `{"architectures":["Qwen3ForCausalLM"],"attention_bias":false,"attention_dropout":0.0,"bos_token_id":151643,"eos_token_id":151645,
		"head_dim":128,"hidden_act":"silu","hidden_size":1024,"intermediate_size":3072,"max_position_embeddings":40960,"max_window_layers":28,
		"model_type":"qwen3","num_attention_heads":16,"num_hidden_layers":28,"num_key_value_heads":8,"rms_norm_eps":1e-06,"rope_scaling":null,
		"rope_theta":1000000,"sliding_window":null,"tie_word_embeddings":true,"torch_dtype":"bfloat16","use_sliding_window":false,"vocab_size":151936}`
	qwen25Small = `{"architectures":["Qwen2ForCausalLM"],"bos_token_id":151643,"eos_token_id":151645,"hidden_act":"silu","hidden_size":896,
		"intermediate_size":4864,"max_position_embeddings":32768,"max_window_layers":21,"model_type":"qwen2","num_attention_heads":14,
		"num_hidden_layers":24,"num_key_value_heads":2,"rms_norm_eps":1e-06,"rope_theta":1000000.0,"sliding_window":32768,
		"tie_word_embeddings":true,"use_sliding_window":false,"vocab_size":151936}`
	llama32Small = `{"architectures":["LlamaForCausalLM"],"attention_bias":false,"bos_token_id":128000,"eos_token_id":[128001,128008,128009],"head_dim":64,
		"hidden_act":"silu","hidden_size":2048,"intermediate_size":8192,"max_position_embeddings":131072,"mlp_bias":false,"model_type":"llama",
		"num_attention_heads":32,"num_hidden_layers":16,"num_key_value_heads":8,"pretraining_tp":1,"rms_norm_eps":1e-05,
		"rope_scaling":{"factor":32.0,"high_freq_factor":4.0,"low_freq_factor":1.0,"original_max_position_embeddings":8192,"rope_type":"llama3"},
		"rope_theta":500000.0,"tie_word_embeddings":true,"vocab_size":128256}`
	tinyLlama = `{"architectures":["LlamaForCausalLM"],"bos_token_id":1,"eos_token_id":2,"hidden_act":"silu","hidden_size":2048,"intermediate_size":5632,
		"max_position_embeddings":2048,"model_type":"llama","num_attention_heads":32,"num_hidden_layers":22,"num_key_value_heads":4,
		"pretraining_tp":1,"rms_norm_eps":1e-05,"rope_scaling":null,"tie_word_embeddings":false,"vocab_size":32000}`
	gemma3Small = `{"architectures":["Gemma3ForCausalLM"],"attention_bias":false,"attn_logit_softcapping":null,"bos_token_id":2,"cache_implementation":"hybrid",
		"eos_token_id":[1,106],"final_logit_softcapping":null,"head_dim":256,"hidden_activation":"gelu_pytorch_tanh","hidden_size":1152,
		"intermediate_size":6912,"max_position_embeddings":32768,"model_type":"gemma3_text","num_attention_heads":4,"num_hidden_layers":26,
		"num_key_value_heads":1,"query_pre_attn_scalar":256,"rms_norm_eps":1e-06,"rope_local_base_freq":10000,"rope_scaling":null,
		"rope_theta":1000000,"sliding_window":512,"sliding_window_pattern":6,"vocab_size":262144}`
)

// TestParseConfig reads them; the shapes known by name are the same ones, so
// the two check each other, and the counts of weights are the published ones.
func TestParseConfig(t *testing.T) {
	tests := []struct {
		preset, json string
		bos          int
		eos          []int
		params       int64
	}{
		{"qwen3-0.6b", qwen3Small, 151643, []int{151645}, 596_049_920},
		{"qwen2.5-0.5b", qwen25Small, 151643, []int{151645}, 494_032_768},
		{"llama3.2-1b", llama32Small, 128000, []int{128001, 128008, 128009}, 1_235_814_400},
		{"tinyllama", tinyLlama, 1, []int{2}, 1_100_048_384},
		{"gemma3-1b", gemma3Small, 2, []int{1, 106}, 999_885_952},
	}
	for _, tt := range tests {
		got, err := ParseConfig("config.json", []byte(tt.json))
		if err != nil {
			t.Errorf("%s: %v", tt.preset, err)
			continue
		}
		want, err := presets[tt.preset].config()
		if err != nil {
			t.Fatal(err)
		}
		want.BOS, want.EOS = tt.bos, tt.eos
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", tt.preset, diff)
		}
		if n := got.Params(); n != tt.params {
			t.Errorf("%s: %d weights, want %d", tt.preset, n, tt.params)
		}
	}
}

// TestParseConfigVariants: spellings and defaults that the files above do not
// have.
func TestParseConfigVariants(t *testing.T) {
	small := func(model, more string) string {
		return `{"model_type":"` + model + `","vocab_size":100,"hidden_size":64,"num_hidden_layers":3,"num_attention_heads":4,"num_key_value_heads":2,"intermediate_size":96` + more + `}`
	}
	tests := []struct {
		name, json string
		get        func(Config) any
		want       any
	}{
		{"llama defaults", `{"model_type":"llama","vocab_size":100,"hidden_size":64,"num_hidden_layers":3,"num_attention_heads":4,"intermediate_size":96}`,
			func(c Config) any {
				return []any{c.KVHeads, c.HeadDim, c.MaxPositions, c.NormEps, c.Rope.Theta, c.TieEmbeddings, c.BOS, len(c.EOS)}
			},
			[]any{4, 16, 2048, 1e-6, 1e4, false, -1, 0}},
		{"llama biases", small("llama", `,"attention_bias":true,"mlp_bias":true`), func(c Config) any { return []bool{c.QKVBias, c.OBias, c.MLPBias} }, []bool{true, true, true}},
		{"qwen2 biases", small("qwen2", ``), func(c Config) any { return []bool{c.QKVBias, c.OBias, c.QKNorm} }, []bool{true, false, false}},
		{"qwen3 head size", small("qwen3", ``), func(c Config) any { return c.HeadDim }, 128},
		{"qwen3 biases", small("qwen3", `,"attention_bias":true`), func(c Config) any { return []bool{c.QKVBias, c.OBias, c.QKNorm} }, []bool{true, true, true}},
		{"window by layer number", small("qwen3", `,"use_sliding_window":true,"sliding_window":8,"max_window_layers":1`),
			func(c Config) any { return []int{c.Window(0), c.Window(1), c.Window(2)} }, []int{0, 8, 8}},
		{"window by types", small("qwen2", `,"use_sliding_window":true,"sliding_window":8,"layer_types":["sliding_attention","full_attention","full_attention"]`),
			func(c Config) any { return []int{c.Window(0), c.Window(1), c.Window(2)} }, []int{8, 0, 0}},
		{"window off", small("qwen3", `,"use_sliding_window":false,"sliding_window":8,"max_window_layers":1`), func(c Config) any { return c.Sliding == nil }, true},
		{"linear rope, older key", small("llama", `,"rope_scaling":{"type":"linear","factor":4}`), func(c Config) any { return c.Rope }, Rope{Theta: 1e4, Scaling: "linear", Factor: 4}},
		{"rope_parameters", small("qwen3", `,"rope_parameters":{"rope_type":"default","rope_theta":5000}`), func(c Config) any { return []Rope{c.Rope, c.LocalRope} }, []Rope{{Theta: 5000}, {Theta: 5000}}},
		{"rope_parameters of gemma", small("gemma3_text", `,"rope_parameters":{"full_attention":{"rope_type":"linear","factor":8,"rope_theta":2e6},"sliding_attention":{"rope_type":"default","rope_theta":3e4}}`),
			func(c Config) any { return []Rope{c.Rope, c.LocalRope} }, []Rope{{Theta: 2e6, Scaling: "linear", Factor: 8}, {Theta: 3e4}}},
		{"gemma defaults in a model with vision", `{"model_type":"gemma3","architectures":["Gemma3ForConditionalGeneration"],"vision_config":{},"text_config":{"hidden_size":2560,"intermediate_size":10240,"num_hidden_layers":34,"sliding_window":1024,"rope_scaling":{"factor":8.0,"rope_type":"linear"}}}`,
			func(c Config) any {
				return []any{c.Arch, c.Heads, c.KVHeads, c.HeadDim, c.Vocab, c.TieEmbeddings, c.Rope.Factor, c.LocalRope, c.Window(4), c.Window(5), c.EmbedScale}
			},
			[]any{Gemma3, 8, 4, 256, 262208, true, 8.0, Rope{Theta: 1e4}, 1024, 0, math.Sqrt(2560)}},
		{"gemma scale and caps", small("gemma3_text", `,"query_pre_attn_scalar":64,"attn_logit_softcapping":50.0,"final_logit_softcapping":30`),
			func(c Config) any { return []float64{c.AttnScale, c.AttnSoftcap, c.LogitSoftcap} }, []float64{0.125, 50, 30}},
		{"gemma pattern, older key", small("gemma3_text", `,"_sliding_window_pattern":2`), func(c Config) any { return c.Sliding }, []bool{true, false, true}},
		{"gemma activation is its own field", small("gemma3_text", `,"hidden_act":"relu"`), func(c Config) any { return c.Activation }, GELUTanh},
	}
	for _, tt := range tests {
		c, err := ParseConfig("config.json", []byte(tt.json))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, tt.get(c)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// with changes fields of a configuration file.
func with(base, change string) string {
	var m, c map[string]any
	if err := errors.Join(json.Unmarshal([]byte(base), &m), json.Unmarshal([]byte(change), &c)); err != nil {
		panic(err)
	}
	for k, v := range c {
		m[k] = v
		if v == "DELETE" {
			delete(m, k)
		}
	}
	out, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(out)
}

// badConfigs change one field of a good file at a time.
var badConfigs = []struct {
	name, json, want string
	unsupported      bool
}{
	{"not JSON", `{"model_type":`, "offset 0xe: unexpected end of JSON input", false},
	{"wrong kind", `{"vocab_size":"many"}`, "vocab_size is a string, wanted int", false},
	{"fraction", `{"vocab_size":1.5}`, "vocab_size is a number 1.5, wanted int", false},
	{"no type", `{}`, "no model_type", false},
	{"unknown type", `{"model_type":"hal9000"}`, `model_type "hal9000" is unsupported; known: gemma3`, true},
	{"mixture", `{"model_type":"qwen3_moe"}`, `model_type "qwen3_moe" is unsupported: it needs expert routing`, true},
	{"experts", with(qwen3Small, `{"num_experts":8}`), "expert routing (num_experts) is unsupported", true},
	{"classifier", with(qwen3Small, `{"architectures":["Qwen3ForSequenceClassification"]}`), `architecture "Qwen3ForSequenceClassification" is unsupported`, true},
	{"quantized", with(qwen3Small, `{"quantization_config":{"quant_method":"awq","bits":4}}`), `quantization_config ("awq") is unsupported`, true},
	{"bidirectional", with(gemma3Small, `{"use_bidirectional_attention":true}`), "use_bidirectional_attention is unsupported", true},
	{"partial rotary", with(llama32Small, `{"partial_rotary_factor":0.5}`), "partial_rotary_factor 0.5 is unsupported", true},
	{"activation", with(llama32Small, `{"hidden_act":"relu"}`), `activation "relu" is unsupported`, true},
	{"rope", with(qwen3Small, `{"rope_scaling":{"rope_type":"yarn","factor":4.0}}`), `rope scaling "yarn" is unsupported`, true},
	{"layer type", with(qwen3Small, `{"use_sliding_window":true,"sliding_window":8,"num_hidden_layers":1,"layer_types":["linear_attention"]}`), `layer type "linear_attention" is unsupported`, true},
	{"layer types", with(gemma3Small, `{"layer_types":["full_attention"]}`), "1 layer_types for 26 layers", false},
	{"pattern", with(gemma3Small, `{"sliding_window_pattern":0}`), "sliding_window_pattern is 0", false},
	{"window", with(gemma3Small, `{"sliding_window":-1}`), "sliding_window is -1", false},
	{"missing", with(qwen3Small, `{"hidden_size":"DELETE"}`), "hidden_size is missing", false},
	{"missing in qwen only", with(qwen3Small, `{"num_key_value_heads":null}`), "num_key_value_heads is missing", false},
	{"zero layers", with(qwen3Small, `{"num_hidden_layers":0}`), "num_hidden_layers is 0, wanted 1 to", false},
	{"zero heads", with(tinyLlama, `{"num_attention_heads":0}`), "num_attention_heads is 0", false},
	{"many layers", with(gemma3Small, `{"num_hidden_layers":5000}`), "num_hidden_layers is 5000, wanted at most 4096", false},
	{"huge", with(qwen3Small, `{"hidden_size":1000000000}`), "hidden_size is 1000000000, wanted 1 to", false},
	{"huge heads", with(qwen3Small, `{"num_attention_heads":16777216,"num_key_value_heads":1}`), "make more than", false},
	{"head sharing", with(qwen3Small, `{"num_key_value_heads":5}`), "16 attention heads are not a multiple of 5", false},
	{"head size odd", with(qwen3Small, `{"head_dim":7}`), "head_dim is 7, wanted an even number", false},
	{"head size unclear", with(tinyLlama, `{"hidden_size":2050}`), "2050 is not a multiple of 32 heads", false},
	{"norm", with(qwen3Small, `{"rms_norm_eps":-1}`), "rms_norm_eps is -1", false},
	{"scalar", with(gemma3Small, `{"query_pre_attn_scalar":-256}`), "attention scale is NaN", false},
	{"cap", with(gemma3Small, `{"attn_logit_softcapping":-2}`), "softcapping by -2", false},
	{"theta", with(qwen3Small, `{"rope_theta":0}`), "rope_theta is 0", false},
	{"factor", with(qwen3Small, `{"rope_scaling":{"type":"linear"}}`), "rope factor is 0", false},
	{"llama3 bands", with(llama32Small, `{"rope_scaling":{"rope_type":"llama3","factor":8,"low_freq_factor":4,"high_freq_factor":1,"original_max_position_embeddings":8192}}`), "wanted 0 < low < high", false},
	{"eos", with(qwen3Small, `{"eos_token_id":"end"}`), "eos_token_id", false},
	{"bos", with(qwen3Small, `{"bos_token_id":[1]}`), "bos_token_id", false},
	{"text part", `{"model_type":"gemma3","text_config":{"model_type":"mamba"}}`, `text_config: model_type "mamba" is unsupported: it needs state-space layers`, true},
}

func TestParseConfigErrors(t *testing.T) {
	for _, tt := range badConfigs {
		_, err := ParseConfig("config.json", []byte(tt.json))
		if err == nil || !strings.HasPrefix(err.Error(), "config.json: ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s:\n got %v\nwant … %s", tt.name, err, tt.want)
		}
		if errors.Is(err, ErrUnsupported) != tt.unsupported {
			t.Errorf("%s: unsupported %t, want %t", tt.name, !tt.unsupported, tt.unsupported)
		}
	}
}

// TestConfigRoundTrip: what MarshalHF writes, ParseConfig reads, for all known
// shapes and random ones of every family.
func TestConfigRoundTrip(t *testing.T) {
	for _, name := range Presets() {
		c, err := presets[name].config()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.MarshalHF(BF16); err != nil { // compares by itself
			t.Errorf("%s: %v", name, err)
		}
	}
	dim := rapid.IntRange(1, 300)
	rapid.Check(t, func(t *rapid.T) {
		arch := rapid.SampledFrom([]Arch{Llama, Qwen2, Qwen3, Gemma3}).Draw(t, "arch")
		kv := rapid.IntRange(1, 4).Draw(t, "kv")
		s := shape{
			arch: arch, layers: rapid.IntRange(1, 12).Draw(t, "layers"), hidden: dim.Draw(t, "hidden"), kv: kv,
			heads: kv * rapid.IntRange(1, 4).Draw(t, "group"), headDim: 2 * dim.Draw(t, "half head"), ffn: dim.Draw(t, "ffn"),
			vocab: dim.Draw(t, "vocab"), positions: dim.Draw(t, "positions"), theta: rapid.Float64Range(1, 1e7).Draw(t, "theta"),
			eps: rapid.Float64Range(1e-8, 1e-3).Draw(t, "eps"), untied: rapid.Bool().Draw(t, "untied"),
			llama3: float64(rapid.SampledFrom([]int{0, 8}).Draw(t, "llama3")),
		}
		if arch != Llama {
			s.window = rapid.IntRange(0, 64).Draw(t, "window")
		}
		c, err := s.config()
		if err != nil {
			t.Fatal(err)
		}
		if arch == Gemma3 {
			// Scales come from the file's scalar, of which √ is not exact.
			c.AttnScale = 1 / math.Sqrt(float64(s.headDim))
			c.LogitSoftcap = float64(rapid.IntRange(0, 40).Draw(t, "cap"))
		}
		c.BOS, c.EOS = rapid.IntRange(-1, 5).Draw(t, "bos"), rapid.SampledFrom([][]int{nil, {2}, {1, 7}}).Draw(t, "eos")
		data, err := c.MarshalHF(F32)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseConfig("config.json", data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestMarshalRefuses configurations that no file of the family has.
func TestMarshalRefuses(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"llama with norms on q and k": func(c *Config) { c.QKNorm = true },
		"unknown family":              func(c *Config) { c.Arch = "hal9000" },
		"a bias on o only":            func(c *Config) { c.OBias = true },
	} {
		c, err := presets["llama-tiny"].config()
		if err != nil {
			t.Fatal(err)
		}
		change(&c)
		if _, err := c.MarshalHF(F32); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestFrequencies: theta 10000 and heads of 8 make 1, 1/10, 1/100, 1/1000; the
// scalings are worked by hand from their definitions.
func TestFrequencies(t *testing.T) {
	// Over 2π·1000 positions the pairs turn 1000, 100, 10 and 1 times; with
	// low 5 and high 50 the first two stay, the third is blended with weight
	// (10-5)/45 = 1/9, the fourth is divided by 8.
	blend := 0.01 * (8.0/9/8 + 1.0/9)
	tests := []struct {
		r    Rope
		want []float64
	}{
		{Rope{Theta: 1e4}, []float64{1, 0.1, 0.01, 0.001}},
		{Rope{Theta: 1e4, Scaling: "linear", Factor: 4}, []float64{0.25, 0.025, 0.0025, 0.00025}},
		{Rope{Theta: 1e4, Scaling: "llama3", Factor: 8, LowFreq: 5, HighFreq: 50, OriginalPositions: 6283}, []float64{1, 0.1, blend, 0.001 / 8}},
	}
	for _, tt := range tests {
		got := tt.r.Frequencies(8)
		for p, want := range tt.want {
			if math.Abs(got[p]-want) > 1e-4*want {
				t.Errorf("%s: pair %d: %g, want %g", tt.r.Scaling, p, got[p], want)
			}
		}
	}
}

func ExampleConfig() {
	m, err := Open("random:gemma3-tiny")
	if err != nil {
		panic(err)
	}
	defer m.Close()
	c := m.Config()
	fmt.Println(m, c.Arch, c.Layers, "layers")
	for i := range c.Layers {
		fmt.Print(c.Window(i), " ")
	}
	// Output:
	// random:gemma3-tiny (random weights) gemma3 6 layers
	// 16 16 16 16 16 0
}
