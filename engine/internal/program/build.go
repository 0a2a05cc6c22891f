// SPDX-License-Identifier: Apache-2.0

package program

import (
	"fmt"
	"slices"

	"github.com/layerscope/layerscope/engine/internal/checkpoint"
)

// headRows bounds the rows whose logits exist at one time: 64 rows of a
// vocabulary of 151,936 are 39 MB.
const headRows = 64

// Build lays out the forward pass of a model for a shape.
func Build(c *checkpoint.Config, s Shape) (*Program, error) {
	if s.Tokens < 1 || s.Rows < 0 || s.Rows > s.Tokens || s.Labels < 0 || s.Rows > 0 && s.Labels == 0 || s.Cache < 0 {
		return nil, fmt.Errorf("program %s: not a shape", s.Key())
	}
	b := &builder{c: c, p: &Program{Shape: s, Output: None}, width: layerWidth(c.Layers)}
	b.body()
	if s.Rows > 0 {
		b.head()
	}
	b.free()
	return b.p, nil
}

func layerWidth(layers int) int {
	if layers > 100 {
		return 3
	}
	return 2
}

// LayerName is a layer's element of scope paths.
func LayerName(layers, i int) string { return fmt.Sprintf("layer_%0*d", layerWidth(layers), i) }

type builder struct {
	c     *checkpoint.Config
	p     *Program
	width int
	layer int
}

// value declares a buffer.
func (b *builder) value(scope, name string, rows, cols int, kind string) Value {
	b.p.Values = append(b.p.Values, Buffer{Name: name, Scope: b.scope(scope), Rows: rows, Cols: cols, Kind: kind})
	return Value(len(b.p.Values) - 1)
}

func (b *builder) scope(name string) string {
	if b.layer < 0 {
		return "score/" + b.p.Shape.Phase + "/" + name
	}
	return fmt.Sprintf("score/%s/layer_%0*d/%s", b.p.Shape.Phase, b.width, b.layer, name)
}

func (b *builder) add(scope string, s Segment) {
	s.Scope, s.Layer = b.scope(scope), b.layer
	if s.Count == 0 {
		s.Count = b.p.Values[max(s.Out, s.In)].Rows
		if s.Out != None {
			s.Count = b.p.Values[s.Out].Rows
		}
	}
	if s.Weight.Role != "" {
		s.Weight.Layer = b.layer
	}
	b.cost(&s)
	b.p.Segments = append(b.p.Segments, s)
}

func (b *builder) body() {
	c, n := b.c, b.p.Shape.Tokens
	b.layer = -1
	x := b.value("embed", "hidden", n, c.Hidden, "activations")
	b.add("embed", Segment{Op: Embed, In: None, Out: x, Weight: Weight{Role: "embed"}})
	if c.EmbedScale != 1 {
		b.add("embed_scale", Segment{Op: Scale, In: None, Out: x, Factor: c.EmbedScale})
	}
	for b.layer = range c.Layers {
		last := b.layer == c.Layers-1 && b.p.Shape.Rows == 0
		b.attention(x, last)
		if !last { // a pass that only fills the cache is done with the last layer's keys
			b.mlp(x)
		}
	}
	b.layer = -1
}

func (b *builder) attention(x Value, storeOnly bool) {
	c, n := b.c, b.p.Shape.Tokens
	heads, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	normed := b.value("attention/input_norm", "normed", n, c.Hidden, "activations")
	b.add("attention/input_norm", Segment{Op: Norm, In: x, Out: normed, Weight: Weight{Role: "input_norm"}})
	qkv := b.value("attention/qkv_proj", "qkv", n, heads+2*kv, "activations")
	b.add("attention/qkv_proj", Segment{Op: Linear, In: normed, Out: qkv, Weight: Weight{Role: "qkv"}})
	if c.QKNorm {
		b.add("attention/qk_norm", Segment{Op: HeadNorm, In: None, Out: qkv, Weight: Weight{Role: "qk_norm"}})
	}
	b.add("attention/rope", Segment{Op: Rotate, In: None, Out: qkv})
	if b.p.Shape.Store {
		b.add("attention/kv_write", Segment{Op: Store, In: qkv, Out: None})
	}
	if storeOnly {
		return
	}
	mixed := b.value("attention/softmax", "mixed", n, heads, "activations")
	b.add("attention/softmax", Segment{Op: Attend, In: qkv, Out: mixed, Window: c.Window(b.layer)})
	if !c.OutputNorms {
		b.add("attention/output_proj", Segment{Op: LinearAdd, In: mixed, Out: x, Weight: Weight{Role: "output"}})
		return
	}
	out := b.value("attention/output_proj", "attention_out", n, c.Hidden, "activations")
	b.add("attention/output_proj", Segment{Op: Linear, In: mixed, Out: out, Weight: Weight{Role: "output"}})
	b.add("attention/output_norm", Segment{Op: Norm, In: out, Out: out, Weight: Weight{Role: "attention_output_norm"}})
	b.add("attention/residual", Segment{Op: Add, In: out, Out: x})
}

func (b *builder) mlp(x Value) {
	c, n := b.c, b.p.Shape.Tokens
	normed := b.value("mlp/input_norm", "normed", n, c.Hidden, "activations")
	b.add("mlp/input_norm", Segment{Op: Norm, In: x, Out: normed, Weight: Weight{Role: "mlp_norm"}})
	both := b.value("mlp/gate_up_proj", "gate_up", n, 2*c.Intermediate, "activations")
	b.add("mlp/gate_up_proj", Segment{Op: Linear, In: normed, Out: both, Weight: Weight{Role: "gate_up"}})
	b.add("mlp/activation", Segment{Op: Gate, In: both, Out: both})
	if !c.OutputNorms {
		b.add("mlp/down_proj", Segment{Op: LinearAdd, In: both, Out: x, Weight: Weight{Role: "down"}})
		return
	}
	out := b.value("mlp/down_proj", "mlp_out", n, c.Hidden, "activations")
	b.add("mlp/down_proj", Segment{Op: Linear, In: both, Out: out, Weight: Weight{Role: "down"}})
	b.add("mlp/output_norm", Segment{Op: Norm, In: out, Out: out, Weight: Weight{Role: "mlp_output_norm"}})
	b.add("mlp/residual", Segment{Op: Add, In: out, Out: x})
}

// head scores the picked rows, a block of them at a time.
func (b *builder) head() {
	c, s := b.c, b.p.Shape
	picked := b.value("pick_rows", "scored", s.Rows, c.Hidden, "activations")
	b.add("pick_rows", Segment{Op: Pick, In: 0, Out: picked})
	b.add("final_norm", Segment{Op: Norm, In: picked, Out: picked, Weight: Weight{Role: "final_norm"}})
	b.p.Output = b.value("log_probs", "log_probs", s.Rows, s.Labels, "outputs")
	for at := 0; at < s.Rows; at += headRows {
		n := min(headRows, s.Rows-at)
		logits := b.value("lm_head", "logits", n, c.Vocab, "activations")
		b.add("lm_head", Segment{Op: Linear, In: picked, Out: logits, First: at, Count: n, Weight: Weight{Role: "lm_head"}})
		if c.LogitSoftcap > 0 {
			b.add("logit_softcap", Segment{Op: Softcap, In: None, Out: logits, Factor: c.LogitSoftcap})
		}
		b.add("log_probs", Segment{Op: LogProb, In: logits, Out: b.p.Output, First: at, Count: n})
	}
}

// free marks each value's last use, so that a backend holds what is needed.
func (b *builder) free() {
	last := make([]int, len(b.p.Values))
	for i, s := range b.p.Segments {
		for _, v := range []Value{s.In, s.Out} {
			if v != None {
				last[v] = i
			}
		}
	}
	for v, i := range last {
		if s := &b.p.Segments[i]; Value(v) != b.p.Output && !slices.Contains(s.Free, Value(v)) {
			s.Free = append(s.Free, Value(v))
		}
	}
}
