// SPDX-License-Identifier: Apache-2.0

package hlo

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// scopeTable holds op_names as compilers and profilers write them, from
// programs in the styles of MaxText, sglang-jax, vLLM on TPU, Flax and Gemma,
// TensorFlow and plain JAX.
var scopeTable = []struct {
	in   string
	want Scope
}{
	// Plain JAX, named scopes.
	{"jit(score)/layer_0/attention/qkv_proj/dot_general", Scope{Program: "score", Path: []string{"layer_0", "attention", "qkv_proj"}, Op: "dot_general"}},
	{"jit(score)/embed/gather", Scope{Program: "score", Path: []string{"embed"}, Op: "gather"}},
	{"jit(score)/layer_3/attention/attn/bthd,bshd->bhts/dot_general", Scope{Program: "score", Path: []string{"layer_3", "attention", "attn"}, Op: "dot_general", Spec: "bthd,bshd->bhts"}},
	{"jit(score)/layer_0/attention/attn/bkgts,bskd->btkgd/dot_general", Scope{Program: "score", Path: []string{"layer_0", "attention", "attn"}, Op: "dot_general", Spec: "bkgts,bskd->btkgd"}},
	{"jit(score)/layer_0/attention/attn/jit(_where)/select_n", Scope{Program: "score", Path: []string{"layer_0", "attention", "attn"}, Op: "select_n", Inner: []string{"_where"}}},
	{"jit(score)/layer_0/attention/attn/jit(tril)/ge", Scope{Program: "score", Path: []string{"layer_0", "attention", "attn"}, Op: "ge", Inner: []string{"tril"}}},
	{"jit(score)/score/jit(log_softmax)/reduce_sum", Scope{Program: "score", Path: []string{"score"}, Op: "reduce_sum", Inner: []string{"log_softmax"}}},
	{"jit(score)/layers/while/body/closed_call/mlp/gate_up/jit(silu)", Scope{Program: "score", Path: []string{"layers", "mlp", "gate_up"}, Op: "silu", Inner: []string{"silu"}}},
	{"jit(score)/layers/while/body/closed_call/attention/attn/cos", Scope{Program: "score", Path: []string{"layers", "attention", "attn"}, Op: "cos"}},
	{"jit(score)/layers/while", Scope{Program: "score", Path: []string{"layers"}, Op: "while"}},
	{"jit(score)/layers/while/body/closed_call", Scope{Program: "score", Path: []string{"layers"}, Op: "closed_call"}},
	{"jit(score)/layers/while/cond/lt", Scope{Program: "score", Path: []string{"layers"}, Op: "lt"}},
	{"jit(score)/while/body/eval_jaxpr/layer/attention/output_proj/bthk,hkd->btd/dot_general", Scope{Program: "score", Path: []string{"layer", "attention", "output_proj"}, Op: "dot_general", Spec: "bthk,hkd->btd"}},
	{"jit(score)/while/body/jit(dynamic_index_in_dim)/dynamic_slice", Scope{Program: "score", Op: "dynamic_slice", Inner: []string{"dynamic_index_in_dim"}}},
	{"jit(score)/shard_map/layer_5/mlp/down/dot_general", Scope{Program: "score", Path: []string{"layer_5", "mlp", "down"}, Op: "dot_general"}},
	{"jit(score)/shard_map/broadcast.19", Scope{Program: "score", Op: "broadcast.19"}},
	{"jit(score)/shard_map/layer_0/attention/output_proj/psum", Scope{Program: "score", Path: []string{"layer_0", "attention", "output_proj"}, Op: "psum"}},
	{"jit(_normal)/jit(_normal_real)/jit(_uniform)/shift_right_logical", Scope{Program: "_normal", Op: "shift_right_logical", Inner: []string{"_normal_real", "_uniform"}}},
	{"jit(convert_element_type)/convert_element_type", Scope{Program: "convert_element_type", Op: "convert_element_type"}},
	{"jit(f)", Scope{Program: "f"}},
	{"jit(f)/add", Scope{Program: "f", Op: "add"}},
	{"reduce_sum", Scope{Op: "reduce_sum"}},
	{"attention/qkv_proj/reduce_sum", Scope{Path: []string{"attention", "qkv_proj"}, Op: "reduce_sum"}},
	{"pmap(train_step)/dense/dot_general", Scope{Program: "train_step", Path: []string{"dense"}, Op: "dot_general"}},
	{"pjit(step)/pjit(inner)/mul", Scope{Program: "step", Op: "mul", Inner: []string{"inner"}}},
	{"jit(f)/cond/branch_1_fun/layer_2/mul", Scope{Program: "f", Path: []string{"layer_2"}, Op: "mul"}},
	{"jit(f)/cond", Scope{Program: "f", Op: "cond"}},
	{"jit(f)/body/mul", Scope{Program: "f", Path: []string{"body"}, Op: "mul"}},
	{"jit(f)/vmap(layer_1)/dot_general", Scope{Program: "f", Path: []string{"layer_1"}, Op: "dot_general"}},
	{"jit(f)/vmap()/while/body/vmap()/add", Scope{Program: "f", Op: "add"}},
	{"jit(f)/vmap(jit(_where))/select_n", Scope{Program: "f", Op: "select_n", Inner: []string{"_where"}}},
	{"jit(f)/custom_vjp_call/flash/pallas_call", Scope{Program: "f", Path: []string{"flash"}, Op: "pallas_call"}},
	{"jit(f)/custom_jvp_call/jit(relu)/max", Scope{Program: "f", Op: "max", Inner: []string{"relu"}}},
	{"jit(f)/core_call/xla_call/layer_0/tanh", Scope{Program: "f", Path: []string{"layer_0"}, Op: "tanh"}},

	// Parameters: no scope at all.
	{"params['layers'][3]['q']", Scope{Op: "params['layers'][3]['q']"}},
	{"model_state_leaves[14]", Scope{Op: "model_state_leaves[14]"}},
	{"params_and_buffers['vllm_model.model.layers.0.mlp.gate_up_proj.weight_scale']:", Scope{Op: "params_and_buffers['vllm_model.model.layers.0.mlp.gate_up_proj.weight_scale']"}},
	{"state.params['params']['decoder/layers']['mlp']", Scope{Op: "state.params['params']['decoder/layers']['mlp']"}},

	// Gradients.
	{"jit(loss_fn)/jvp(bsd,de->bse)/dot_general", Scope{Program: "loss_fn", Op: "dot_general", Spec: "bsd,de->bse"}},
	{"jit(loss_fn)/transpose(jvp(bsd,de->bse))/dot_general", Scope{Program: "loss_fn", Op: "dot_general", Spec: "bsd,de->bse", Direction: Backward}},
	{"jit(loss_fn)/transpose(jvp(bsd,de->bse))/transpose", Scope{Program: "loss_fn", Op: "transpose", Spec: "bsd,de->bse", Direction: Backward}},
	{"jit(loss_fn)/jvp()/te_fused_attn_forward_ffi", Scope{Program: "loss_fn", Op: "te_fused_attn_forward_ffi"}},
	{"jit(loss_fn)/transpose(jvp())/te_fused_attn_backward_ffi", Scope{Program: "loss_fn", Op: "te_fused_attn_backward_ffi", Direction: Backward}},
	{"jit(loss_fn)/jvp()/jit(_where)/select_n", Scope{Program: "loss_fn", Op: "select_n", Inner: []string{"_where"}}},
	{"jit(loss)/transpose(jvp(layer_7))/mlp/dot_general", Scope{Program: "loss", Path: []string{"layer_7", "mlp"}, Op: "dot_general", Direction: Backward}},
	{"jit(loss)/transpose(jvp(vmap(layer_7/mlp)))/dot_general", Scope{Program: "loss", Path: []string{"layer_7", "mlp"}, Op: "dot_general", Direction: Backward}},
	{"jit(transpose)/mul", Scope{Program: "transpose", Op: "mul"}},
	{"jit(f)/transpose", Scope{Program: "f", Op: "transpose"}},
	{"jit(f)/checkpoint/layer_2/dot_general", Scope{Program: "f", Path: []string{"layer_2"}, Op: "dot_general"}},
	{"jit(f)/transpose(jvp(checkpoint))/rematted_computation/layer_2/dot_general", Scope{Program: "f", Path: []string{"layer_2"}, Op: "dot_general", Direction: Recompute}},
	{"jit(f)/transpose(jvp(layer_2))/checkpoint/dot_general", Scope{Program: "f", Path: []string{"layer_2"}, Op: "dot_general", Direction: Backward}},

	// MaxText: a scanned decoder under a mesh.
	{"jit(train_step)/jit(main)/jvp(Transformer)/decoder/while/body/layers/mlp/wo/dot_general[dimension_numbers=(((2,), (0,)), ((), ())) precision=None preferred_element_type=None]", Scope{Program: "train_step", Path: []string{"Transformer", "decoder", "layers", "mlp", "wo"}, Op: "dot_general", Inner: []string{"main"}}},
	{"jit(train_step)/jit(main)/jvp(Transformer)/decoder/transpose[permutation=(1, 0, 2, 3)]", Scope{Program: "train_step", Path: []string{"Transformer", "decoder"}, Op: "transpose", Inner: []string{"main"}}},
	{"jit(train_step)/jit(main)/transpose(jvp(Transformer))/decoder/while/body/checkpoint/rematted_computation/layers/self_attention/query/dot_general", Scope{Program: "train_step", Path: []string{"Transformer", "decoder", "layers", "self_attention", "query"}, Op: "dot_general", Inner: []string{"main"}, Direction: Recompute}},
	{"jit(train_step)/jit(main)/transpose(jvp(Transformer))/decoder/while/body/checkpoint/layers/mlp/wi_0/dot_general", Scope{Program: "train_step", Path: []string{"Transformer", "decoder", "layers", "mlp", "wi_0"}, Op: "dot_general", Inner: []string{"main"}, Direction: Backward}},
	{"jit(train_step)/jit(main)/jvp(Transformer)/decoder/while/body/layers/self_attention/AttentionOp_0/AttentionOp_0.qk_product/btkgd,bskd->bkgts/dot_general", Scope{Program: "train_step", Path: []string{"Transformer", "decoder", "layers", "self_attention", "AttentionOp_0", "AttentionOp_0.qk_product"}, Op: "dot_general", Spec: "btkgd,bskd->bkgts", Inner: []string{"main"}}},
	{"jit(train_step)/jit(main)/convert_element_type[new_dtype=float32 weak_type=True]", Scope{Program: "train_step", Op: "convert_element_type", Inner: []string{"main"}}},
	{"jit(train_step)/jit(main)/jvp(Transformer)/decoder/while/body/layers/self_attention/reduce_max[axes=(4,)]", Scope{Program: "train_step", Path: []string{"Transformer", "decoder", "layers", "self_attention"}, Op: "reduce_max", Inner: []string{"main"}}},

	// sglang-jax: class or module names without index.
	{"jit(jitted_run_model)/QWen3Attention/FlashAttention/jit(ragged_paged_attention)/RPA-bq_32-bkvp_64-p_64-/pallas_call", Scope{Program: "jitted_run_model", Path: []string{"QWen3Attention", "FlashAttention", "RPA-bq_32-bkvp_64-p_64-"}, Op: "pallas_call", Inner: []string{"ragged_paged_attention"}}},
	{"jit(jitted_run_model)/Qwen3MLP/jit(silu)/neg", Scope{Program: "jitted_run_model", Path: []string{"Qwen3MLP"}, Op: "neg", Inner: []string{"silu"}}},
	{"jit(jitted_run_model)/LogitsProcessor/dot_general", Scope{Program: "jitted_run_model", Path: []string{"LogitsProcessor"}, Op: "dot_general"}},
	{"jit(jitted_run_model)/add", Scope{Program: "jitted_run_model", Op: "add"}},
	{"jit(jitted_run_model)/input_layernorm/rsqrt", Scope{Program: "jitted_run_model", Path: []string{"input_layernorm"}, Op: "rsqrt"}},

	// vLLM on TPU: torch modules and operators, tf_op with a trailing colon.
	{"jit(step_fun)/MergedColumnParallelLinear/mn,pn->mp/dot_general:", Scope{Program: "step_fun", Path: []string{"MergedColumnParallelLinear"}, Op: "dot_general", Spec: "mn,pn->mp"}},
	{"jit(step_fun)/jit(_jax_attn_func)/shard_map/jit(ragged_paged_attention):", Scope{Program: "step_fun", Op: "ragged_paged_attention", Inner: []string{"_jax_attn_func", "ragged_paged_attention"}}},
	{"jit(step_fun)/jit(_jax_attn_func)/shard_map/jit(ragged_paged_attention)/jit(_pad)/pad:", Scope{Program: "step_fun", Op: "pad", Inner: []string{"_jax_attn_func", "ragged_paged_attention", "_pad"}}},
	{"jit(step_fun)/QKVParallelLinear/shard_map/jit(quantized_matmul_kernel)/quantized_matmul_kernel_512_5120_2560/pallas_call:", Scope{Program: "step_fun", Path: []string{"QKVParallelLinear", "quantized_matmul_kernel_512_5120_2560"}, Op: "pallas_call", Inner: []string{"quantized_matmul_kernel"}}},
	{"jit(step_fun)/RowParallelLinear/shard_map:", Scope{Program: "step_fun", Path: []string{"RowParallelLinear"}, Op: "shard_map"}},
	{"jit(step_fun)/aten::mean.dim/reduce_sum:", Scope{Program: "step_fun", Path: []string{"aten::mean.dim"}, Op: "reduce_sum"}},
	{"jit(step_fun)/aten::embedding/jit(_take)/gather:", Scope{Program: "step_fun", Path: []string{"aten::embedding"}, Op: "gather", Inner: []string{"_take"}}},
	{"jit(step_fun)/aten::view/reshape;jit(step_fun)/QKVParallelLinear/reshape:", Scope{Program: "step_fun", Path: []string{"QKVParallelLinear"}, Op: "reshape"}},
	{"aten::mean.dim", Scope{Op: "aten::mean.dim"}},
	{"jit(compute_logits_func)/linear/...a,ba->...b/dot_general:", Scope{Program: "compute_logits_func", Path: []string{"linear"}, Op: "dot_general", Spec: "...a,ba->...b"}},
	{"jit(sample)/reduce:", Scope{Program: "sample", Op: "reduce"}},

	// Flax and Gemma.
	{"jit(apply)/Transformer/layer_11/attn/attn.compute_qkv/q_einsum/BTD,NDH->BTNH/dot_general", Scope{Program: "apply", Path: []string{"Transformer", "layer_11", "attn", "attn.compute_qkv", "q_einsum"}, Op: "dot_general", Spec: "BTD,NDH->BTNH"}},
	{"jit(apply)/Gemma/blocks_3/mlp/gating_einsum/mul", Scope{Program: "apply", Path: []string{"Gemma", "blocks_3", "mlp", "gating_einsum"}, Op: "mul"}},

	// TensorFlow: a device copy's prefix, gradients, types.
	{"replica_4/bert_span_labeler/bert_encoder_1/transformer/layer_15/output/add/Cast", Scope{Path: []string{"bert_span_labeler", "bert_encoder_1", "transformer", "layer_15", "output", "add"}, Op: "Cast"}},
	{"gradient_tape/replica_6/bert_span_labeler/bert_encoder_1/transformer/layer_9/output_layer_norm/MatMul:MatMul", Scope{Path: []string{"bert_span_labeler", "bert_encoder_1", "transformer", "layer_9", "output_layer_norm"}, Op: "MatMul", OpType: "MatMul", Direction: Backward}},
	{"StatefulPartitionedCall/model/dense_1/Relu:Relu", Scope{Path: []string{"model", "dense_1"}, Op: "Relu", OpType: "Relu"}},
	{"jit_score/layer_1/mlp/residual/add", Scope{Path: []string{"jit_score", "layer_1", "mlp", "residual"}, Op: "add"}},

	// Damaged names.
	{"", Scope{}},
	{"/", Scope{}},
	{"jit(f)//layer_0//add", Scope{Program: "f", Path: []string{"layer_0"}, Op: "add"}},
	{"jit(f/layer_0/add", Scope{Path: []string{"jit(f", "layer_0"}, Op: "add"}},
	{"layer)_0/add", Scope{Path: []string{"layer)_0"}, Op: "add"}},
	{"don't/add", Scope{Path: []string{"don't"}, Op: "add"}},
}

func TestFoldScope(t *testing.T) {
	for _, tt := range scopeTable {
		got := FoldScope(tt.in)
		if d := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("FoldScope(%q) (-want +got):\n%s", tt.in, d)
		}
	}
}

func TestSplitScope(t *testing.T) {
	for in, want := range map[string][]string{
		"":                         nil,
		"a":                        {"a"},
		"a/b":                      {"a", "b"},
		"/a//b/":                   {"a", "b"},
		"jvp(a/b)/c":               {"jvp(a/b)", "c"},
		"p['x/y']['(']/z":          {"p['x/y']['(']", "z"},
		"a/bhts,bshd->bthd/c":      {"a", "bhts,bshd->bthd", "c"},
		"aten::mean.dim/x":         {"aten::mean.dim", "x"},
		"a(b/c":                    {"a(b", "c"},
		`f["a/b]`:                  {`f["a`, "b]"},
		"op[axes=(0, 1)]/b[x=y/z]": {"op[axes=(0, 1)]", "b[x=y/z]"},
	} {
		if got := SplitScope(in); !slices.Equal(got, want) {
			t.Errorf("SplitScope(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzFoldScope(f *testing.F) {
	for _, tt := range scopeTable {
		f.Add(tt.in)
	}
	f.Add(strings.Repeat("jvp(a/", 300) + strings.Repeat(")", 300))
	f.Fuzz(func(t *testing.T, in string) {
		s := FoldScope(in)
		n := 0
		for _, p := range append(s.Path, s.Inner...) {
			if p == "" {
				t.Errorf("empty part in %+v of %q", s, in)
			}
			n += len(p)
		}
		if n+len(s.Op)+len(s.OpType) > 2*len(in) {
			t.Errorf("%+v holds more text than %q", s, in)
		}
		if parts := SplitScope(in); len(strings.Join(parts, "/")) > len(in) {
			t.Errorf("parts %q of %q", parts, in)
		}
	})
}
