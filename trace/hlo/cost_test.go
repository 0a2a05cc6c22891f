// SPDX-License-Identifier: Apache-2.0

package hlo

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/layerscope/layerscope/internal/tracetest"
	"pgregory.net/rapid"
)

// costTable holds single lines with hand-worked costs.
var costTable = []struct {
	line string
	want Cost
}{
	{ // 2·4·8·16, reads 4·16 and 16·8 floats
		"%d = f32[4,8]{1,0} dot(f32[4,16]{1,0} %a, f32[16,8]{1,0} %b), lhs_contracting_dims={1}, rhs_contracting_dims={0}",
		Cost{FLOPs: 1024, MatmulFLOPs: 1024, BytesRead: 4 * (64 + 128), BytesWritten: 128},
	},
	{ // batched: 2·(3·4·8)·16 of bf16
		"%d = bf16[3,4,8]{2,1,0} dot(bf16[3,4,16]{2,1,0} %a, bf16[3,16,8]{2,1,0} %b), lhs_batch_dims={0}, lhs_contracting_dims={2}, rhs_batch_dims={0}, rhs_contracting_dims={1}",
		Cost{FLOPs: 3072, MatmulFLOPs: 3072, BytesRead: 2 * (192 + 384), BytesWritten: 192},
	},
	{ // 1 image, 3→5 features, 3×3 taps on 8×8 without padding: 6×6 results
		"%c = f32[1,5,6,6]{3,2,1,0} convolution(f32[1,3,8,8]{3,2,1,0} %x, f32[5,3,3,3]{3,2,1,0} %k), window={size=3x3}, dim_labels=bf01_oi01->bf01",
		Cost{FLOPs: 2 * 5 * 36 * 9 * 3, MatmulFLOPs: 2 * 5 * 36 * 9 * 3, BytesRead: 4 * (192 + 135), BytesWritten: 4 * 180},
	},
	{ // padded by 1: per dimension 8 results × 3 taps less 2 in the padding = 22
		"%c = f32[1,5,8,8]{3,2,1,0} convolution(f32[1,3,8,8]{3,2,1,0} %x, f32[5,3,3,3]{3,2,1,0} %k), window={size=3x3 pad=1_1x1_1}, dim_labels=bf01_oi01->bf01",
		Cost{FLOPs: 2 * 5 * 22 * 22 * 3, MatmulFLOPs: 2 * 5 * 22 * 22 * 3, BytesRead: 4 * (192 + 135), BytesWritten: 4 * 320},
	},
	{ // depthwise: 4 groups of 1 feature
		"%c = f32[2,4,6]{2,1,0} convolution(f32[2,4,8]{2,1,0} %x, f32[4,1,3]{2,1,0} %k), window={size=3}, dim_labels=bf0_oi0->bf0, feature_group_count=4",
		Cost{FLOPs: 2 * 2 * 4 * 6 * 3, MatmulFLOPs: 2 * 2 * 4 * 6 * 3, BytesRead: 4 * (64 + 12), BytesWritten: 4 * 48},
	},
	{ // a matmul of 7 batches as the TPU compiler writes it: one tap in 7 hits
		"%c = f32[7,4,8]{2,1,0} convolution(f32[7,4,16]{2,1,0} %x, f32[7,16,8]{2,1,0} %k), window={size=7 stride=6 lhs_dilate=7}, dim_labels=0bf_0io->0bf",
		Cost{FLOPs: 2 * 7 * 4 * 8 * 16, MatmulFLOPs: 2 * 7 * 4 * 8 * 16, BytesRead: 4 * (448 + 896), BytesWritten: 4 * 224},
	},
	{"%a = f32[4,8]{1,0} add(f32[4,8]{1,0} %x, f32[4,8]{1,0} %y)", Cost{FLOPs: 32, BytesRead: 256, BytesWritten: 128}},
	{"%a = pred[4]{0} compare(s32[4]{0} %x, s32[4]{0} %y), direction=LT", Cost{FLOPs: 4, BytesRead: 32, BytesWritten: 4}},
	{"%a = bf16[10]{0} exponential(bf16[10]{0} %x)", Cost{Transcendentals: 10, BytesRead: 20, BytesWritten: 20}},
	{ // 4 rows of 8: 7 additions each
		"%r = f32[4]{0} reduce(f32[4,8]{1,0} %x, f32[] %zero), dimensions={1}, to_apply=%add",
		Cost{FLOPs: 28, BytesRead: 132, BytesWritten: 16},
	},
	{"%c = f32[4]{0} copy(f32[4]{0} %x)", Cost{BytesRead: 16, BytesWritten: 16}},
	{"%s = f32[2,4]{1,0} slice(f32[100,4]{1,0} %x), slice={[0:2], [0:4]}", Cost{BytesRead: 32, BytesWritten: 32}},
	{"%s = f32[1,4]{1,0} dynamic-slice(f32[100,4]{1,0} %x, s32[] %i, s32[] %j), dynamic_slice_sizes={1,4}", Cost{BytesRead: 20, BytesWritten: 16}},
	{"%s = f32[100,4]{1,0} dynamic-update-slice(f32[100,4]{1,0} %x, f32[1,4]{1,0} %u, s32[] %i, s32[] %j)", Cost{BytesRead: 20, BytesWritten: 16}},
	{"%g = f32[3,4]{1,0} gather(f32[100,4]{1,0} %x, s32[3,1]{1,0} %i), offset_dims={1}", Cost{BytesRead: 60, BytesWritten: 48}},
	{"%b = f32[4]{0} bitcast(f32[2,2]{1,0} %x)", Cost{}},
	{"%p = f32[4]{0} parameter(0)", Cost{}},
	{"%g = f32[4]{0} get-tuple-element((f32[4]{0}, s32[]) %t), index=0", Cost{}},
	{"%d = f32[4]{0} copy-done((f32[4]{0}, f32[4]{0}, u32[]) %s)", Cost{}},
	{"%s = (f32[4]{0:S(1)}, f32[4]{0}, u32[]) copy-start(f32[4]{0} %x)", Cost{BytesRead: 16, BytesWritten: 16}},
	{"%s = ((s8[40]{0}), s8[8]{0:S(1)}, s32[]) slice-start(s8[40]{0} %x), slice={[0:8]}", Cost{BytesRead: 8, BytesWritten: 8}},
	{"%p = s4[3]{0:E(4)} negate(s4[3]{0:E(4)} %x)", Cost{FLOPs: 3, BytesRead: 2, BytesWritten: 2}},
	{"%a = f32[4]{0} all-reduce(f32[4]{0} %x), replica_groups={{0,1}}, to_apply=%add", Cost{FLOPs: 4, BytesRead: 16, BytesWritten: 16}},
	{ // a cuBLAS call: result and workspace
		`%g = (f32[4,8]{1,0}, s8[100]{0}) custom-call(f32[4,16]{1,0} %a, f32[16,8]{1,0} %b), custom_call_target="__cublas$gemm", backend_config={"gemm_backend_config":{"dot_dimension_numbers":{"lhs_contracting_dimensions":["1"],"rhs_contracting_dimensions":["0"]}}}`,
		Cost{FLOPs: 1024, MatmulFLOPs: 1024, BytesRead: 4 * (64 + 128), BytesWritten: 128 + 100},
	},
	{`%g = f32[4,8]{1,0} custom-call(f32[4,16]{1,0} %a, f32[16,8]{1,0} %b), custom_call_target="__onednn$matmul"`, Cost{FLOPs: 1024, MatmulFLOPs: 1024, BytesRead: 4 * (64 + 128), BytesWritten: 128}},
	{`%g = f32[4,8]{1,0} custom-call(f32[16,4]{1,0} %a, f32[16,8]{1,0} %b), custom_call_target="__onednn$matmul", backend_config={"onednn_matmul_config":{"transpose_a":true}}`, Cost{FLOPs: 1024, MatmulFLOPs: 1024, BytesRead: 4 * (64 + 128), BytesWritten: 128}},
	{ // gradient for the input of the 3×3 convolution above: the same taps
		`%g = (f32[1,3,8,8]{3,2,1,0}, u8[0]{0}) custom-call(f32[1,5,6,6]{3,2,1,0} %dy, f32[5,3,3,3]{3,2,1,0} %k), window={size=3x3}, dim_labels=bf01_oi01->bf01, custom_call_target="__cudnn$convBackwardInput"`,
		Cost{FLOPs: 2 * 5 * 36 * 9 * 3, MatmulFLOPs: 2 * 5 * 36 * 9 * 3, BytesRead: 4 * (180 + 135), BytesWritten: 4 * 192},
	},
	{
		`%k = f32[4]{0} custom-call(f32[8]{0} %x), custom_call_target="tpu_custom_call", backend_config={"custom_call_config":{"body":"x","cost_estimate":{"flops":"1000","transcendentals":"10","bytes_accessed":"40"}}}`,
		Cost{FLOPs: 1000, Transcendentals: 10, BytesRead: 24, BytesWritten: 16},
	},
	{`%k = f32[4]{0} custom-call(f32[8]{0} %x), custom_call_target="mystery"`, Cost{BytesRead: 32, BytesWritten: 16, Unknown: true}},
	{`%k = s8[8]{0} custom-call(s8[4]{0} %x, s8[4]{0} %y), custom_call_target="ConcatBitcast"`, Cost{}},
	{"%f = f32[4]{0} fusion(f32[8]{0} %x), kind=kLoop, calls=%fc", Cost{BytesRead: 32, BytesWritten: 16, Unknown: true}},
	{"%n = f32[4]{0} brand-new-op(f32[8]{0} %x)", Cost{BytesRead: 32, BytesWritten: 16, Unknown: true}},
	{"%d = f32[4,8]{1,0} dot(f32[4,16]{1,0} %a, f32[16,8]{1,0} %b), lhs_contracting_dims={7}", Cost{BytesRead: 768, BytesWritten: 128, Unknown: true}},
}

func TestCostOfLines(t *testing.T) {
	for _, tt := range costTable {
		in, err := ParseInstruction(tt.line)
		if err != nil {
			t.Errorf("%s: %v", tt.line, err)
			continue
		}
		if got := in.Cost(); got != tt.want {
			t.Errorf("%s\n got %+v\nwant %+v", tt.line, got, tt.want)
		}
	}
}

// TestWindowHits compares the counting of window taps with going through them
// all, which is the definition.
func TestWindowHits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		small := func(name string, low int64) int64 { return rapid.Int64Range(low, 9).Draw(t, name) }
		w := WindowDim{
			Size: 1, Stride: small("stride", 1), Dilation: small("dilation", 1), BaseDilation: small("base", 1),
			PadLow: rapid.Int64Range(-5, 9).Draw(t, "low"),
		}
		size, kernel, output := small("size", 0), small("kernel", 0), small("output", 0)
		var want int64
		for o := range output {
			for k := range kernel {
				x := o*w.Stride + k*w.Dilation - w.PadLow
				if x >= 0 && x%w.BaseDilation == 0 && x/w.BaseDilation < size {
					want++
				}
			}
		}
		got, exact := newCounter(CostOptions{}).hits(w, size, kernel, output)
		if got != want || !exact {
			t.Fatalf("%+v size %d kernel %d output %d: %d, want %d", w, size, kernel, output, got, want)
		}
	})
}

// truth is what the capture script knows of the model that it ran.
type truth struct {
	Devices int64
	Flops   struct {
		Layers []struct {
			QKV    int64 `json:"qkv_proj"`
			Attn   int64
			Output int64 `json:"output_proj"`
			GateUp int64 `json:"gate_up"`
			Down   int64
			Total  int64
		}
		LMHead int64 `json:"lm_head"`
		Total  int64
	}
}

// matmulByScope sums matmul FLOPs of one execution by the path of each
// operation's own op_name, or that of its nearest neighbour.
func matmulByScope(m *Module) map[string]int64 {
	by := map[string]int64{}
	for _, in := range m.Entry.Instructions {
		for leaf, c := range m.Work(in, CostOptions{Loops: true}) {
			if c.MatmulFLOPs == 0 {
				continue
			}
			name := leaf.OpName
			if name == "" {
				name, _ = m.OpNameNear(in)
			}
			s := FoldScope(name)
			by[s.Name()] += c.MatmulFLOPs
		}
	}
	return by
}

// TestMatmulFLOPsOfCaptures holds the counted FLOPs against those of the model
// that made the captures: by layer and block where scopes carry the layer.
func TestMatmulFLOPsOfCaptures(t *testing.T) {
	for _, name := range captures {
		t.Run(name, func(t *testing.T) {
			m := parse(t, read(t, tracetest.Shared(t, "data/jax_cpu/"+name+"/score.optimized.hlo_module.pb.gz")))
			var want truth
			b, err := os.ReadFile(tracetest.Shared(t, "data/jax_cpu/"+name+"/ground_truth.json"))
			if err == nil {
				err = json.Unmarshal(b, &want)
			}
			if err != nil {
				t.Fatal(err)
			}
			by := matmulByScope(m)
			if name == "modules" || name == "modules_flat" {
				var sum int64
				for _, f := range by {
					sum += f
				}
				if sum != want.Flops.Total {
					t.Errorf("total %d, want %d", sum, want.Flops.Total)
				}
				return
			}
			expect := map[string]int64{"lm_head": want.Flops.LMHead}
			for i, l := range want.Flops.Layers {
				layer := fmt.Sprintf("layer_%d", i)
				if name == "scan" {
					layer = "layers"
				}
				for block, f := range map[string]int64{
					"attention/qkv_proj": l.QKV, "attention/attn": l.Attn, "attention/output_proj": l.Output,
					"mlp/gate_up": l.GateUp, "mlp/down": l.Down,
				} {
					expect[layer+"/"+block] += f / want.Devices // lm_head is whole on each device
				}
			}
			for k, f := range expect {
				if by[k] != f {
					t.Errorf("%s: %d, want %d", k, by[k], f)
				}
				delete(by, k)
			}
			if len(by) > 0 {
				t.Errorf("matmuls in other scopes: %v", by)
			}
		})
	}
}

// TestCommittedCaptures is the twin of the tests above on the two captures
// that the repository carries.
func TestCommittedCaptures(t *testing.T) {
	const layer, lmHead = 889192448, 4194304
	for _, form := range []string{".hlo.txt.gz", ".hlo.pb.gz"} {
		m := parse(t, read(t, "testdata/base_a"+form))
		by := map[string]int64{}
		for scope, f := range matmulByScope(m) {
			first, _, _ := strings.Cut(scope, "/")
			by[first] += f
		}
		for i := range 6 {
			if k := fmt.Sprintf("layer_%d", i); by[k] != layer {
				t.Errorf("base_a%s: %s has %d FLOPs, want %d", form, k, by[k], layer)
			}
		}
		if by["lm_head"] != lmHead || len(by) != 7 {
			t.Errorf("base_a%s: %v", form, by)
		}
		m = parse(t, read(t, "testdata/scan"+form))
		for loops, want := range map[bool]int64{true: 6*layer + lmHead, false: layer + lmHead} {
			var c Cost
			for _, in := range m.Entry.Instructions {
				c = c.Add(m.Cost(in, CostOptions{Loops: loops}))
			}
			if c.MatmulFLOPs != want || c.Unknown {
				t.Errorf("scan%s loops %t: %+v, want %d matmul FLOPs", form, loops, c, want)
			}
		}
	}
}

// TestWorkAddsUp is the law of Work: its costs add up to Cost, in each field,
// on every instruction of every module at hand.
func TestWorkAddsUp(t *testing.T) {
	mods := []*Module{parse(t, read(t, "testdata/base_a.hlo.pb.gz")), parse(t, read(t, "testdata/scan.hlo.txt.gz")), parse(t, []byte(toyModule))}
	for _, m := range mods {
		for _, o := range []CostOptions{{}, {Loops: true}} {
			for _, c := range m.Computations {
				for _, in := range c.Instructions {
					var sum Cost
					for _, w := range m.Work(in, o) {
						sum = sum.Add(w)
					}
					if want := m.Cost(in, o); sum != want {
						t.Errorf("%s %s %+v: work %+v, cost %+v", m.Name, in.Name, o, sum, want)
					}
				}
			}
		}
	}
}
