// SPDX-License-Identifier: Apache-2.0

package cpu

import (
	"fmt"
	"math"

	"github.com/layerscope/layerscope/engine/internal/arena"
	"github.com/layerscope/layerscope/engine/internal/checkpoint"
	"github.com/layerscope/layerscope/engine/internal/kernel"
	"github.com/layerscope/layerscope/engine/internal/program"
)

// weights holds what segments read, by the names that programs use.
type weights struct {
	packed map[program.Weight]*kernel.PackedMatrix
	rows   map[program.Weight][]float32
	embed  *kernel.Tensor // nil where the packed head serves
}

type rotary struct{ cos, sin kernel.Mat }

func (b *Backend) load(w checkpoint.Weights) error {
	b.w = weights{packed: map[program.Weight]*kernel.PackedMatrix{}, rows: map[program.Weight][]float32{}}
	c := b.cfg
	for i := range c.Layers {
		l, err := w.Layer(i)
		if err != nil {
			return err
		}
		if err := b.loadLayer(i, l); err != nil {
			return fmt.Errorf("layer %d: %w", i, err)
		}
	}
	norm, err := w.FinalNorm()
	if err != nil {
		return err
	}
	if err := b.vector(program.Weight{Layer: -1, Role: "final_norm"}, "model/final_norm", norm); err != nil {
		return err
	}
	head, err := w.LMHead()
	if err != nil {
		return err
	}
	if err := b.matrix(program.Weight{Layer: -1, Role: "lm_head"}, "model/lm_head", head); err != nil {
		return err
	}
	if c.TieEmbeddings {
		return nil // rows of the packed head are the embedding
	}
	table, err := w.Embed()
	if err != nil {
		return err
	}
	typ, err := dtype(table)
	if err != nil {
		return err
	}
	buf, err := b.alloc(len(table.Raw), tag("model/embed", table))
	if err != nil {
		return err
	}
	copy(buf.Bytes(), table.Raw)
	b.w.embed = &kernel.Tensor{Type: typ, Data: buf.Bytes(), Rows: table.Shape[0], Cols: table.Shape[1]}
	return nil
}

func (b *Backend) loadLayer(i int, l checkpoint.Layer) error {
	scope := "model/" + program.LayerName(b.cfg.Layers, i) + "/"
	for _, m := range []struct {
		role, scope string
		tensors     []checkpoint.Tensor
	}{
		{"qkv", "attention/qkv_proj", []checkpoint.Tensor{l.Q, l.K, l.V}},
		{"output", "attention/output_proj", []checkpoint.Tensor{l.O}},
		{"gate_up", "mlp/gate_up_proj", []checkpoint.Tensor{l.Gate, l.Up}},
		{"down", "mlp/down_proj", []checkpoint.Tensor{l.Down}},
	} {
		if err := b.matrix(program.Weight{Layer: i, Role: m.role}, scope+m.scope, m.tensors...); err != nil {
			return err
		}
	}
	for _, v := range []struct {
		role, scope string
		tensors     []checkpoint.Tensor
	}{
		{"input_norm", "attention/input_norm", []checkpoint.Tensor{l.InputNorm}},
		{"q_norm", "attention/q_norm", []checkpoint.Tensor{l.QNorm}},
		{"k_norm", "attention/k_norm", []checkpoint.Tensor{l.KNorm}},
		{"attention_output_norm", "attention/output_norm", []checkpoint.Tensor{l.AttnOutputNorm}},
		{"mlp_norm", "mlp/input_norm", []checkpoint.Tensor{l.MLPNorm}},
		{"mlp_output_norm", "mlp/output_norm", []checkpoint.Tensor{l.MLPOutputNorm}},
		{"qkv_bias", "attention/qkv_proj", []checkpoint.Tensor{l.QBias, l.KBias, l.VBias}},
		{"output_bias", "attention/output_proj", []checkpoint.Tensor{l.OBias}},
		{"gate_up_bias", "mlp/gate_up_proj", []checkpoint.Tensor{l.GateBias, l.UpBias}},
		{"down_bias", "mlp/down_proj", []checkpoint.Tensor{l.DownBias}},
	} {
		if v.tensors[0].Raw == nil {
			continue
		}
		if err := b.vector(program.Weight{Layer: i, Role: v.role}, scope+v.scope, v.tensors...); err != nil {
			return err
		}
	}
	return nil
}

func dtype(t checkpoint.Tensor) (kernel.DType, error) {
	switch t.DType {
	case checkpoint.F32:
		return kernel.F32, nil
	case checkpoint.BF16:
		return kernel.BF16, nil
	case checkpoint.F16:
		return kernel.F16, nil
	}
	return 0, fmt.Errorf("tensor %q is %s, wanted F32, BF16 or F16", t.Name, t.DType)
}

func tag(scope string, t checkpoint.Tensor) arena.Tag {
	return arena.Tag{Scope: scope, Kind: arena.Weights, Type: string(t.DType), Shape: fmt.Sprint(t.Shape)}
}

// matrix packs tensors of one type and width, stacked, into the arena.
func (b *Backend) matrix(key program.Weight, scope string, ts ...checkpoint.Tensor) error {
	stack := make([]kernel.Tensor, len(ts))
	n := 0
	for i, t := range ts {
		typ, err := dtype(t)
		if err != nil {
			return err
		}
		if typ != stack[0].Type && i > 0 {
			return fmt.Errorf("tensors %q and %q are %s and %s, wanted one type", ts[0].Name, t.Name, ts[0].DType, t.DType)
		}
		stack[i] = kernel.Tensor{Type: typ, Data: t.Raw, Rows: t.Shape[0], Cols: t.Shape[1]}
		n += t.Shape[0]
	}
	label := tag(scope, ts[0])
	label.Shape = fmt.Sprintf("[%d %d]", n, stack[0].Cols)
	buf, err := b.alloc(kernel.PackedBytes(stack[0].Type, n, stack[0].Cols), label)
	if err != nil {
		return err
	}
	b.w.packed[key] = kernel.Pack(buf.Bytes(), stack...)
	return nil
}

// vector widens small tensors, one behind the other.
func (b *Backend) vector(key program.Weight, scope string, ts ...checkpoint.Tensor) error {
	var all []float32
	for _, t := range ts {
		all = t.AppendFloat32(all)
	}
	label := tag(scope, ts[0])
	label.Type, label.Shape = "F32", fmt.Sprintf("[%d]", len(all))
	buf, err := b.alloc(4*len(all), label)
	if err != nil {
		return err
	}
	copy(buf.Floats(), all)
	b.w.rows[key] = buf.Floats()[:len(all)]
	return nil
}

// tables computes the rotary tables of the model's one or two frequencies.
// Angles are computed in float64: at position 40,000 a float32 product is off
// by 2e-3.
func (b *Backend) tables(positions int) error {
	c := b.cfg
	half := c.HeadDim / 2
	for i, r := range []checkpoint.Rope{c.Rope, c.LocalRope} {
		if i == 1 && (c.Sliding == nil || c.LocalRope == c.Rope) {
			b.ropes[1] = b.ropes[0]
			continue
		}
		buf, err := b.alloc(2*4*positions*half, arena.Tag{Scope: "model/rope", Kind: arena.Weights, Type: "f32", Shape: fmt.Sprintf("[2,%d,%d]", positions, half)})
		if err != nil {
			return err
		}
		data := buf.Floats()
		t := rotary{kernel.MatOf(data[:positions*half], positions, half), kernel.MatOf(data[positions*half:2*positions*half], positions, half)}
		freq := r.Frequencies(c.HeadDim)
		kernel.Parallel(positions, func(p, _ int) {
			for k, f := range freq {
				s, co := math.Sincos(float64(p) * f)
				t.cos.Row(p)[k], t.sin.Row(p)[k] = float32(co), float32(s)
			}
		})
		b.ropes[i] = t
	}
	return nil
}

// bind finds what a segment reads.
func (w *weights) bind(st *step) error {
	key := st.Weight
	row := func(role string) []float32 { return w.rows[program.Weight{Layer: key.Layer, Role: role}] }
	switch st.Op {
	case program.Linear, program.LinearAdd:
		st.packed, st.bias = w.packed[key], row(key.Role+"_bias")
		if st.packed == nil {
			return fmt.Errorf("no weight %s", key)
		}
	case program.Norm:
		if st.norm = row(key.Role); st.norm == nil {
			return fmt.Errorf("no weight %s", key)
		}
	case program.HeadNorm:
		st.norm, st.norm2 = row("q_norm"), row("k_norm")
		if st.norm == nil || st.norm2 == nil {
			return fmt.Errorf("no weight %s", key)
		}
	case program.Embed:
		st.packed = w.packed[program.Weight{Layer: -1, Role: "lm_head"}]
	}
	return nil
}
