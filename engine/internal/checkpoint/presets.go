// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

const randomPrefix = "random:"

// maxRandom bounds the number of made weights.
const maxRandom = 1 << 36

// Random makes a model with random weights. The specification is a list of
// items after "random:" (which may be left out): first, if wanted, the name of
// a known shape, then settings that change it.
//
//	random:qwen3-0.6b
//	random:llama-tiny,layers=2,seed=7
//	random:layers=4,hidden=256
//
// Settings are arch, layers, hidden, heads, kv, head_dim, ffn, vocab,
// positions, window, theta, tie, dtype (bf16, f16, f32) and seed. Without a
// name the family is qwen3 and what is not set follows from hidden. The same
// specification always makes the same weights, whatever the machine.
func Random(spec string) (*Model, error) {
	m, err := random(strings.TrimPrefix(spec, randomPrefix))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", spec, err)
	}
	return m, nil
}

func random(spec string) (*Model, error) {
	items := strings.Split(spec, ",")
	name := "qwen3-tiny"
	named := !strings.Contains(items[0], "=")
	if named {
		name, items = items[0], items[1:]
	}
	base, ok := presets[name]
	if !ok {
		return nil, fmt.Errorf("no shape %q, known: %s", name, strings.Join(slices.Sorted(maps.Keys(presets)), ", "))
	}
	set := map[string]string{}
	for _, item := range items {
		key, value, ok := strings.Cut(item, "=")
		if _, twice := set[key]; !ok || twice || key == "" {
			return nil, fmt.Errorf("found %q, wanted one KEY=VALUE of each", item)
		}
		set[key] = value
	}
	s := settings{shape: base, dtype: BF16, seed: 1}
	if err := s.apply(set); err != nil {
		return nil, err
	}
	if !named {
		s.derive(set)
	}
	c, err := s.shape.config()
	if err != nil {
		return nil, err
	}
	if n := c.Params(); n > maxRandom {
		return nil, fmt.Errorf("%d weights, wanted at most %d", n, int64(maxRandom))
	}
	return newRandom(randomPrefix+spec, c, s.dtype, s.seed)
}

// shape is what differs between models of a family.
type shape struct {
	arch                                                      Arch
	layers, hidden, heads, kv, headDim, ffn, vocab, positions int
	window                                                    int // of Gemma's five layers of six
	theta, eps                                                float64
	untied                                                    bool
	llama3                                                    float64 // factor of Llama 3's rope scaling
}

var presets = map[string]shape{
	"qwen3-0.6b":   {arch: Qwen3, layers: 28, hidden: 1024, heads: 16, kv: 8, headDim: 128, ffn: 3072, vocab: 151936, positions: 40960, theta: 1e6, eps: 1e-6},
	"qwen3-1.7b":   {arch: Qwen3, layers: 28, hidden: 2048, heads: 16, kv: 8, headDim: 128, ffn: 6144, vocab: 151936, positions: 40960, theta: 1e6, eps: 1e-6},
	"qwen3-4b":     {arch: Qwen3, layers: 36, hidden: 2560, heads: 32, kv: 8, headDim: 128, ffn: 9728, vocab: 151936, positions: 40960, theta: 1e6, eps: 1e-6},
	"qwen2.5-0.5b": {arch: Qwen2, layers: 24, hidden: 896, heads: 14, kv: 2, headDim: 64, ffn: 4864, vocab: 151936, positions: 32768, theta: 1e6, eps: 1e-6},
	"llama3.2-1b":  {arch: Llama, layers: 16, hidden: 2048, heads: 32, kv: 8, headDim: 64, ffn: 8192, vocab: 128256, positions: 131072, theta: 5e5, eps: 1e-5, llama3: 32},
	"tinyllama":    {arch: Llama, layers: 22, hidden: 2048, heads: 32, kv: 4, headDim: 64, ffn: 5632, vocab: 32000, positions: 2048, theta: 1e4, eps: 1e-5, untied: true},
	"llama-small":  {arch: Llama, layers: 8, hidden: 512, heads: 8, kv: 8, headDim: 64, ffn: 1376, vocab: 32000, positions: 2048, theta: 1e4, eps: 1e-5, untied: true},
	"gemma3-1b":    {arch: Gemma3, layers: 26, hidden: 1152, heads: 4, kv: 1, headDim: 256, ffn: 6912, vocab: 262144, positions: 32768, window: 512, theta: 1e6, eps: 1e-6},
	"gemma3-270m":  {arch: Gemma3, layers: 18, hidden: 640, heads: 4, kv: 1, headDim: 256, ffn: 2048, vocab: 262144, positions: 32768, window: 512, theta: 1e6, eps: 1e-6},
	"qwen3-tiny":   {arch: Qwen3, layers: 4, hidden: 64, heads: 4, kv: 2, headDim: 32, ffn: 192, vocab: 512, positions: 2048, theta: 1e6, eps: 1e-6},
	"qwen2-tiny":   {arch: Qwen2, layers: 4, hidden: 64, heads: 4, kv: 2, headDim: 16, ffn: 192, vocab: 512, positions: 2048, theta: 1e6, eps: 1e-6},
	"llama-tiny":   {arch: Llama, layers: 4, hidden: 64, heads: 4, kv: 2, headDim: 16, ffn: 176, vocab: 512, positions: 2048, theta: 1e4, eps: 1e-5, untied: true},
	"gemma3-tiny":  {arch: Gemma3, layers: 6, hidden: 64, heads: 4, kv: 2, headDim: 32, ffn: 192, vocab: 512, positions: 2048, window: 16, theta: 1e6, eps: 1e-6},
}

// Presets lists the names of known shapes.
func Presets() []string { return slices.Sorted(maps.Keys(presets)) }

type settings struct {
	shape shape
	dtype DType
	seed  uint64
}

func (s *settings) apply(set map[string]string) error {
	ints := map[string]*int{
		"layers": &s.shape.layers, "hidden": &s.shape.hidden, "heads": &s.shape.heads, "kv": &s.shape.kv,
		"head_dim": &s.shape.headDim, "ffn": &s.shape.ffn, "vocab": &s.shape.vocab,
		"positions": &s.shape.positions, "window": &s.shape.window,
	}
	for _, key := range slices.Sorted(maps.Keys(set)) {
		value := set[key]
		var err error
		switch p := ints[key]; {
		case p != nil:
			*p, err = strconv.Atoi(value)
		case key == "arch":
			s.shape.arch = Arch(value)
			if !slices.Contains([]Arch{Llama, Qwen2, Qwen3, Gemma3}, s.shape.arch) {
				return fmt.Errorf("arch %q is unsupported, known: gemma3, llama, qwen2, qwen3 (%w)", value, ErrUnsupported)
			}
		case key == "theta":
			s.shape.theta, err = strconv.ParseFloat(value, 64)
		case key == "tie":
			var tie bool
			tie, err = strconv.ParseBool(value)
			s.shape.untied = !tie
		case key == "seed":
			s.seed, err = strconv.ParseUint(value, 10, 64)
		case key == "dtype":
			s.dtype = DType(strings.ToUpper(value))
			if !s.dtype.usable() {
				return fmt.Errorf("dtype %q, wanted bf16, f16 or f32", value)
			}
		default:
			return fmt.Errorf("unknown setting %q, known: arch, dtype, ffn, head_dim, heads, hidden, kv, layers, positions, seed, theta, tie, vocab, window", key)
		}
		if err != nil {
			return fmt.Errorf("%s=%s: %w", key, value, err)
		}
	}
	return nil
}

// derive makes what was not set follow from hidden, in usual proportions.
func (s *settings) derive(set map[string]string) {
	free := func(key string) bool { _, ok := set[key]; return !ok }
	sh := &s.shape
	if free("head_dim") {
		sh.headDim = 64
		if sh.hidden < 256 {
			sh.headDim = 16
		}
	}
	if free("heads") {
		sh.heads = max(1, sh.hidden/max(1, sh.headDim))
	}
	if free("kv") {
		sh.kv = sh.heads
		if sh.heads%2 == 0 {
			sh.kv = sh.heads / 2
		}
	}
	if free("ffn") {
		sh.ffn = 3 * sh.hidden
	}
	if free("window") && sh.arch == Gemma3 {
		sh.window = 512
	}
}

// config makes the configuration of the shape by its family's rules.
func (s shape) config() (Config, error) {
	c := Config{
		Arch: s.arch, Vocab: s.vocab, Hidden: s.hidden, Layers: s.layers, Heads: s.heads, KVHeads: s.kv,
		HeadDim: s.headDim, Intermediate: s.ffn, MaxPositions: s.positions, NormEps: s.eps, Activation: SiLU,
		TieEmbeddings: !s.untied, EmbedScale: 1, Rope: Rope{Theta: s.theta}, BOS: -1,
		QKNorm: s.arch == Qwen3 || s.arch == Gemma3, QKVBias: s.arch == Qwen2,
	}
	if s.llama3 > 0 {
		c.Rope = Rope{Theta: s.theta, Scaling: "llama3", Factor: s.llama3, LowFreq: 1, HighFreq: 4, OriginalPositions: 8192}
	}
	c.LocalRope = c.Rope
	c.AttnScale = 1 / math.Sqrt(float64(max(1, s.headDim)))
	if s.arch == Gemma3 {
		c.Activation, c.NormPlusOne, c.OutputNorms = GELUTanh, true, true
		c.EmbedScale, c.LocalRope = math.Sqrt(float64(max(1, s.hidden))), Rope{Theta: 1e4}
	}
	if s.window > 0 && s.arch == Llama {
		return c, fmt.Errorf("window=%d: arch llama has no layers with a window", s.window)
	}
	if s.window > 0 && s.layers > 0 && s.layers <= 1<<12 {
		c.SlidingWindow, c.Sliding = s.window, make([]bool, s.layers)
		for i := range c.Sliding {
			c.Sliding[i] = (i+1)%6 != 0
		}
	}
	return c, c.check()
}
