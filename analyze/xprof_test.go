// SPDX-License-Identifier: Apache-2.0

package analyze_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/internal/tracetest"
	"github.com/layerscope/layerscope/trace"
)

// A golden is one row of XProf's hlo_stats, by column.
type golden map[string]any

func (g golden) number(column string) float64 {
	f, _ := g[column].(float64)
	return f
}

func (g golden) text(column string) string {
	s, _ := g[column].(string)
	return s
}

// goldens reads hlo_stats as XProf 2.24.2 wrote it for a capture.
func goldens(t *testing.T, name string) []golden {
	t.Helper()
	path := tracetest.Shared(t, "reference/goldens/xprof/"+name)
	var r io.Reader
	if f, err := os.Open(path + "/hlo_stats.json"); err == nil {
		defer f.Close()
		r = f
	} else {
		f, err := os.Open(path + "/hlo_stats.json.gz")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if r, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	var table struct {
		Columns []struct{ ID string }
		Rows    [][]any
	}
	if err := json.NewDecoder(r).Decode(&table); err != nil {
		t.Fatal(err)
	}
	var out []golden
	for _, cells := range table.Rows {
		g := golden{}
		for i, c := range table.Columns {
			g[c.ID] = cells[i]
		}
		out = append(out, g)
	}
	return out
}

func near(got, want float64) bool {
	return math.Abs(got-want) <= 1e-6*math.Max(math.Abs(want), 1e-9)
}

// TestTPUOpsEqualXProf compares every op row of the TPU captures with XProf.
func TestTPUOpsEqualXProf(t *testing.T) {
	for name, file := range map[string]string{
		"tpu_v6e_x4_host_offload": "tpu_v6e_x4_host_offload.xplane.pb",
		"tpu_v6e_torchxla_cnn":    "tpu_v6e_torchxla_cnn.xplane.pb.gz",
	} {
		t.Run(name, func(t *testing.T) {
			want := goldens(t, name)
			a := analyzed(t, tracetest.Shared(t, "data/xspace/"+file), trace.Options{})
			ours := make(map[string]*analyze.Op)
			for i := range a.Ops {
				ours[a.Ops[i].Program+"/"+a.Ops[i].Name] = &a.Ops[i]
			}
			if len(a.Ops) != len(want) || len(want) == 0 {
				t.Errorf("%d ops, XProf has %d", len(a.Ops), len(want))
			}
			programs := make(map[string]string)
			for _, p := range a.Programs {
				programs[strconv.FormatUint(p.ID, 10)] = p.Name
			}
			for _, g := range want {
				o := ours[programs[g.text("program_id")]+"/"+g.text("hlo_op_name")]
				if o == nil {
					t.Errorf("no op %s of program %v", g.text("hlo_op_name"), g["program_id"])
					continue
				}
				compareOp(t, o, g)
			}
		})
	}
}

// compareOp compares one TPU op: counts, times, work and category.
func compareOp(t *testing.T, o *analyze.Op, g golden) {
	t.Helper()
	seconds := float64(o.Total) / 1e12
	per := func(x float64) float64 {
		if seconds == 0 {
			return 0
		}
		return x / seconds
	}
	for column, got := range map[string]float64{
		"occurrences":        float64(o.Occurrences),
		"total_time":         float64(o.Total) / 1e6,
		"total_self_time":    float64(o.Self) / 1e6,
		"model_flop_rate":    per(float64(o.ModelFLOPs)) / 1e9,
		"measured_memory_bw": per(float64(o.Bytes)) / (1 << 30),
		"hbm_bw":             per(float64(o.HBMBytes)) / (1 << 30),
	} {
		if !near(got, g.number(column)) {
			t.Errorf("%s: %s %.12g, XProf %.12g", o.Name, column, got, g.number(column))
		}
	}
	if o.Category != g.text("category") {
		t.Errorf("%s: category %q, XProf %q", o.Name, o.Category, g.text("category"))
	}
}

// TestGPUOpsEqualXProf compares counts, times and categories of the rows that
// XProf has. FLOPs and bytes are ours: it multiplies them by kernels.
func TestGPUOpsEqualXProf(t *testing.T) {
	for _, name := range []string{"gpu_mi300_jax_conv", "gpu_mi355_jax_fused_attention_fwd_bwd", "gpu_gtx1080ti_x2"} {
		t.Run(name, func(t *testing.T) {
			want := goldens(t, name)
			a := analyzed(t, tracetest.Shared(t, "data/xspace/"+name+".xplane.pb"), trace.Options{})
			if len(want) == 0 {
				t.Fatal("no golden rows")
			}
			for _, g := range want {
				var o *analyze.Op
				for i := range a.Ops {
					if a.Ops[i].Name == g.text("hlo_op_name") {
						o = &a.Ops[i]
					}
				}
				if o == nil {
					t.Errorf("no op %s", g.text("hlo_op_name"))
					continue
				}
				if float64(o.Occurrences) != g.number("occurrences") || !near(float64(o.Total)/1e6, g.number("total_time")) ||
					!near(float64(o.Self)/1e6, g.number("total_self_time")) || o.Category != g.text("category") {
					t.Errorf("%s: n %d, total %d, self %d, %q; XProf %v, %v, %v, %q", o.Name, o.Occurrences, o.Total, o.Self, o.Category,
						g["occurrences"], g["total_time"], g["total_self_time"], g["category"])
				}
				if scope := strings.TrimSuffix(g.text("tf_op_name"), ":"); scope != "" && o.Scope != scope {
					t.Errorf("%s: scope %q, XProf %q", o.Name, o.Scope, scope)
				}
			}
		})
	}
}

// TestHostOffloadTable holds the published sums of the host offload capture.
func TestHostOffloadTable(t *testing.T) {
	a := analyzed(t, tracetest.Shared(t, "data/xspace/tpu_v6e_x4_host_offload.xplane.pb"), trace.Options{})
	want := []struct{ window, op analyze.Duration }{
		{92_475_685_460_000, 78_783_723_903_750}, {90_428_220_550_000, 78_788_304_606_250},
		{90_420_790_792_500, 78_780_797_327_500}, {90_405_001_966_250, 78_765_077_868_750},
	}
	for i, d := range a.Devices {
		if d.Window != want[i].window || d.OpTime != want[i].op || d.Idle != want[i].window-want[i].op {
			t.Errorf("%s: window %d, op time %d, idle %d; want %d, %d", d.Name, d.Window, d.OpTime, d.Idle, want[i].window, want[i].op)
		}
	}
	for name, self := range map[string]analyze.Duration{"copy-done": 304_033_212_062_500, "all-reduce": 1_460_345_258_750, "broadcast": 4_443_766_250} {
		for _, c := range a.Categories {
			if c.Name == name && (c.Self-self > 1_000_000 || self-c.Self > 1_000_000) { // published in µs
				t.Errorf("%s: %d, want %d", name, c.Self, self)
			}
		}
	}
	if a.Layers.Count != 0 {
		t.Errorf("%d layers by %s in a copy benchmark: %s", a.Layers.Count, a.Layers.Method, a.Layers.Why)
	}
}

// TestEventClock holds the sums of the other clock.
func TestEventClock(t *testing.T) {
	for file, want := range map[string][]analyze.Duration{
		"data/xspace/tpu_v6e_x4_host_offload.xplane.pb":          {78_784_927_635_502, 78_789_509_321_754, 78_781_986_874_072, 78_766_281_688_068},
		"data/xspace/tpu_v6e_torchxla_cnn.xplane.pb.gz":          {227_053_479_054},
		"data/trace_json/tpu_vllm_qwen25_32b_bf16.trace.json.gz": {67_209_403_000},
		"data/trace_json/tpu_vllm_qwen3_32b_quant.trace.json.gz": {65_722_835_000},
	} {
		a := analyzed(t, tracetest.Shared(t, file), trace.Options{Clock: trace.EventClock})
		for i, w := range want {
			slack := analyze.Duration(0)
			if strings.Contains(file, "json") {
				slack = 1_000_000 // published in µs
			}
			if d := a.Devices[i].OpTime - w; d > slack || d < -slack {
				t.Errorf("%s device %d: op time %d on the event clock, want %d", file, i, a.Devices[i].OpTime, w)
			}
		}
	}
}

func TestVLLMCaptures(t *testing.T) {
	for name, op := range map[string]analyze.Duration{"tpu_vllm_qwen25_32b_bf16": 67_209_386_374, "tpu_vllm_qwen3_32b_quant": 65_722_837_580} {
		a := analyzed(t, tracetest.Shared(t, "data/trace_json/"+name+".trace.json.gz"), trace.Options{})
		if a.Devices[0].OpTime != op {
			t.Errorf("%s: op time of TPU:0 %d, want %d", name, a.Devices[0].OpTime, op)
		}
		l := a.Layers
		if l.Count != 64 || l.Unattributed*50 > l.OpTime || !strings.Contains(l.Method, "anchor") {
			t.Errorf("%s: %d layers by %s, unattributed %d of %d", name, l.Count, l.Method, l.Unattributed, l.OpTime)
		}
		// What each layer holds, on both devices.
		parts := make(map[string]map[string]int64)
		for _, o := range a.Ops {
			if parts[o.Layer] == nil {
				parts[o.Layer] = make(map[string]int64)
			}
			matmul := o.Category == "convolution fusion" || strings.Contains(o.Scope, "quantized_matmul_kernel")
			for _, m := range []string{"QKVParallelLinear", "RowParallelLinear", "MergedColumnParallelLinear"} {
				if matmul && strings.Contains(o.Scope, m) {
					parts[o.Layer][m] += o.Occurrences
				}
			}
			if strings.HasPrefix(o.Name, "RPA-") {
				parts[o.Layer]["RPA"] += o.Occurrences
			}
		}
		for _, r := range l.Rows {
			p := parts[r.Key]
			if r.Index >= 0 && (p["QKVParallelLinear"] != 2 || p["RPA"] != 2 || p["RowParallelLinear"] != 4 || p["MergedColumnParallelLinear"] != 2) {
				t.Errorf("%s %s holds %v; want one QKV, attention and merged matmul and both row-parallel ones a device", name, r.Key, p)
			}
			if r.Index < 0 && len(p) > 0 {
				t.Errorf("%s %s, outside the layers, holds %v", name, r.Key, p)
			}
		}
		for _, key := range []string{"embed", "logits", "sampler"} {
			if i := rowIndex(a, key); i == nil || i.Index != -1 {
				t.Errorf("%s: no row %s outside the layers", name, key)
			}
		}
	}
}

func rowIndex(a *analyze.Analysis, key string) *analyze.Layer {
	for i := range a.Layers.Rows {
		if a.Layers.Rows[i].Key == key {
			return &a.Layers.Rows[i]
		}
	}
	return nil
}

func TestBERTLayersByScope(t *testing.T) {
	a := analyzed(t, tracetest.Shared(t, "data/xspace/gpu_v100_bert_layers.xplane.pb"), trace.Options{})
	if a.Layers.Method != "scope" || a.Layers.Count != 24 || a.Layers.Rows[0].Key != "layer_0" || a.Layers.Rows[23].Key != "layer_23" {
		t.Errorf("%s, %d layers, from %s to %s", a.Layers.Method, a.Layers.Count, a.Layers.Rows[0].Key, a.Layers.Rows[23].Key)
	}
	for name, want := range map[string][2]analyze.Duration{"/device:GPU:4": {15_023_814_000, 14_983_622_000}} {
		for _, d := range a.Devices {
			if d.Name == name && (d.OpTime != want[0] || d.Busy != want[1]) {
				t.Errorf("%s: op time %d, busy %d; want %v", name, d.OpTime, d.Busy, want)
			}
		}
	}
}

// TestPublishedSession holds the corrected figures of a published session, of
// which only XProf's tables are left.
func TestPublishedSession(t *testing.T) {
	a := analyzed(t, tracetest.Shared(t, "data/xprof_tables/qwen3_0p6b_tpuv6e1"), trace.Options{})
	d := a.Devices[0]
	if a.Lossy == "" || d.Busy != 1_254_541_250 || d.Window/1_000_000 != 5_044_904 {
		t.Errorf("lossy %q, busy %d, window %d; want 1,254.541 µs of 5.0449 s", a.Lossy, d.Busy, d.Window)
	}
	share := make(map[string]float64)
	for _, c := range a.Components {
		share[c.Name] = 100 * float64(c.Self) / float64(d.OpTime)
	}
	for name, want := range map[string]float64{"attention": 55.0, "sampler": 12.7, "logits": 17.9} {
		if math.Abs(share[name]-want) > 0.05 {
			t.Errorf("%s: %.2f %% of op time, want %.1f", name, share[name], want)
		}
	}
	for _, code := range []string{"lossy", "inclusive-time", "host-idle", "merged-names", "few-executions", "mostly-idle", "grouped-by-name"} {
		if !has(a, code) {
			t.Errorf("no finding %s", code)
		}
	}
	for _, f := range a.Findings {
		if f.Code == "grouped-by-name" && !strings.Contains(f.Message, "attention 55.1 % of op time (attention.flash 44.1 %)") {
			t.Errorf("grouping: %s", f.Message)
		}
	}
}

// TestGPUWorkByHand holds FLOPs of GPU ops against dimensions worked out by
// hand. XProf counts kernels, not runs, and reports twice the convolution.
func TestGPUWorkByHand(t *testing.T) {
	for name, want := range map[string]map[string]int64{
		// 40 runs of two kernels each but one. Every input value [32 60 104] of 16
		// channels meets one tap of each of 5120 filters: kernel 1×2×2, stride as
		// wide, what hits the padding is no work.
		"gpu_mi300_jax_conv": {"cudnn-conv.1": 40 * 2 * 32 * 60 * 104 * 16 * 5120},
		// 5 runs of [2 4096 1024] × [2 1024 6144] and its like.
		"gpu_mi355_jax_fused_attention_fwd_bwd": {
			"gemm_fusion_dot": 5 * 2 * 2 * 4096 * 6144 * 1024, "gemm_fusion_dot.1": 5 * 2 * 4 * 4096 * 2048 * 1536,
			"custom-call.1": 5 * 2 * 4096 * 2048 * 6144, "gemm_fusion_dot.7": 5 * 2 * 4 * 2048 * 6144 * 1024,
		},
	} {
		a := analyzed(t, tracetest.Shared(t, "data/xspace/"+name+".xplane.pb"), trace.Options{})
		for _, o := range a.Ops {
			if w, ok := want[o.Name]; ok && o.FLOPs != w {
				t.Errorf("%s: %d FLOPs, want %d", o.Name, o.FLOPs, w)
			}
			delete(want, o.Name)
		}
		if len(want) > 0 {
			t.Errorf("%s: no ops %v", name, want)
		}
	}
}

// TestForwardBackward holds the directions of a capture with jvp scopes.
func TestForwardBackward(t *testing.T) {
	a := analyzed(t, tracetest.Shared(t, "data/xspace/gpu_mi355_jax_fused_attention_fwd_bwd.xplane.pb"), trace.Options{})
	var forward, backward analyze.Duration
	for _, r := range a.Layers.Rows {
		forward += r.Forward
		backward += r.Backward
	}
	// transpose(jvp…) in the HLO: attention 4,645.760, dot_general 584.605 + 485.285, transpose 835.887 + 593.445 µs; in the
	// events' own names only: loop_reduce_fusion.2 to .4, 167.601 + 171.642 + 118.320 µs.
	if want := analyze.Duration(7_602_545_000); backward != want || forward+backward != a.Layers.OpTime {
		t.Errorf("forward %d, backward %d of %d; want backward %d", forward, backward, a.Layers.OpTime, want)
	}
}
