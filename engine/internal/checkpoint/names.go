// SPDX-License-Identifier: Apache-2.0

package checkpoint

import "fmt"

// Spec is a tensor that a model must have: its canonical name, which is its
// name in Hugging Face checkpoints of the plain decoders, and its shape.
// Matrices are [outputs, inputs].
type Spec struct {
	Name  string
	Shape []int
}

const (
	embedName = "model.embed_tokens.weight"
	normName  = "model.norm.weight"
	headName  = "lm_head.weight"
)

// Layer is the weights of one decoder layer. Tensors that the architecture
// does not have are zero (Raw nil).
//
// The norms are named by what they do, since Hugging Face's
// post_attention_layernorm is before the MLP in Llama and Qwen and on the
// attention's output in Gemma.
type Layer struct {
	InputNorm Tensor // [Hidden], before attention

	Q, K, V, O                 Tensor // [Heads·HeadDim, Hidden], [KVHeads·HeadDim, Hidden] twice, [Hidden, Heads·HeadDim]
	QBias, KBias, VBias, OBias Tensor
	QNorm, KNorm               Tensor // [HeadDim], before RoPE
	AttnOutputNorm             Tensor // [Hidden], on attention's output before it is added (OutputNorms)

	MLPNorm                    Tensor // [Hidden], before the MLP
	Gate, Up, Down             Tensor // [Intermediate, Hidden] twice, [Hidden, Intermediate]
	GateBias, UpBias, DownBias Tensor
	MLPOutputNorm              Tensor // [Hidden], on the MLP's output before it is added (OutputNorms)
}

// slot ties a field of Layer to its name and shape.
type slot struct {
	field func(*Layer) *Tensor
	name  string // after "model.layers.N."
	shape []int
}

// slots lists what a layer has, in the order in which it is used.
func (c *Config) slots() []slot {
	h, q, kv, ff := c.Hidden, c.Heads*c.HeadDim, c.KVHeads*c.HeadDim, c.Intermediate
	var out []slot
	add := func(has bool, field func(*Layer) *Tensor, name string, shape ...int) {
		if has {
			out = append(out, slot{field, name, shape})
		}
	}
	mlpNorm := "post_attention_layernorm.weight"
	if c.OutputNorms {
		mlpNorm = "pre_feedforward_layernorm.weight"
	}
	add(true, func(l *Layer) *Tensor { return &l.InputNorm }, "input_layernorm.weight", h)
	add(true, func(l *Layer) *Tensor { return &l.Q }, "self_attn.q_proj.weight", q, h)
	add(c.QKVBias, func(l *Layer) *Tensor { return &l.QBias }, "self_attn.q_proj.bias", q)
	add(true, func(l *Layer) *Tensor { return &l.K }, "self_attn.k_proj.weight", kv, h)
	add(c.QKVBias, func(l *Layer) *Tensor { return &l.KBias }, "self_attn.k_proj.bias", kv)
	add(true, func(l *Layer) *Tensor { return &l.V }, "self_attn.v_proj.weight", kv, h)
	add(c.QKVBias, func(l *Layer) *Tensor { return &l.VBias }, "self_attn.v_proj.bias", kv)
	add(c.QKNorm, func(l *Layer) *Tensor { return &l.QNorm }, "self_attn.q_norm.weight", c.HeadDim)
	add(c.QKNorm, func(l *Layer) *Tensor { return &l.KNorm }, "self_attn.k_norm.weight", c.HeadDim)
	add(true, func(l *Layer) *Tensor { return &l.O }, "self_attn.o_proj.weight", h, q)
	add(c.OBias, func(l *Layer) *Tensor { return &l.OBias }, "self_attn.o_proj.bias", h)
	add(c.OutputNorms, func(l *Layer) *Tensor { return &l.AttnOutputNorm }, "post_attention_layernorm.weight", h)
	add(true, func(l *Layer) *Tensor { return &l.MLPNorm }, mlpNorm, h)
	add(true, func(l *Layer) *Tensor { return &l.Gate }, "mlp.gate_proj.weight", ff, h)
	add(c.MLPBias, func(l *Layer) *Tensor { return &l.GateBias }, "mlp.gate_proj.bias", ff)
	add(true, func(l *Layer) *Tensor { return &l.Up }, "mlp.up_proj.weight", ff, h)
	add(c.MLPBias, func(l *Layer) *Tensor { return &l.UpBias }, "mlp.up_proj.bias", ff)
	add(true, func(l *Layer) *Tensor { return &l.Down }, "mlp.down_proj.weight", h, ff)
	add(c.MLPBias, func(l *Layer) *Tensor { return &l.DownBias }, "mlp.down_proj.bias", h)
	add(c.OutputNorms, func(l *Layer) *Tensor { return &l.MLPOutputNorm }, "post_feedforward_layernorm.weight", h)
	return out
}

func layerTensor(layer int, name string) string {
	return fmt.Sprintf("model.layers.%d.%s", layer, name)
}

// Specs lists every tensor of the model in the order in which a forward pass
// uses them.
func (c *Config) Specs() []Spec {
	slots := c.slots()
	out := make([]Spec, 0, 3+c.Layers*len(slots))
	out = append(out, Spec{embedName, []int{c.Vocab, c.Hidden}})
	for i := range c.Layers {
		for _, s := range slots {
			out = append(out, Spec{layerTensor(i, s.name), s.shape})
		}
	}
	out = append(out, Spec{normName, []int{c.Hidden}})
	if !c.TieEmbeddings {
		out = append(out, Spec{headName, []int{c.Vocab, c.Hidden}})
	}
	return out
}
