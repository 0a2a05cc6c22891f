// SPDX-License-Identifier: Apache-2.0

package hlo

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/layerscope/layerscope/internal/tracetest"
)

// aot is what the script that compiled the v6e modules knows of them.
type aot struct {
	Target struct{ Devices int64 }
	Config struct{ Layers int }
	Truth  struct {
		PerLayer int64 `json:"per_layer_total"`
		LMHead   int64 `json:"lm_head"`
		Total    int64
	} `json:"ground_truth_matmul_flops"`
	Cost        map[string]float64 `json:"cost_analysis"`
	Attribution struct {
		Computations, Instructions int
		Scheduled                  int `json:"scheduled_instructions"`
		WithOpName                 int `json:"with_op_name"`
		WithLayer                  int `json:"with_layer_index"`
		AllWithOpName              int `json:"all_with_op_name"`
		Matmul                     struct {
			Total        int64
			OwnerLayer   int64 `json:"owner_has_layer_index"`
			MatmulLayer  int64 `json:"matmul_has_layer_index"`
			MatmulOpName int64 `json:"matmul_has_op_name"`
		} `json:"matmul_flops"`
	}
}

func hasLayer(opName string) bool { return strings.Contains(opName, "/layer_") }

// TestV6eModules holds what is counted in real TPU compiler output against the
// analytic FLOPs of the model and the counts of the script that compiled it.
func TestV6eModules(t *testing.T) {
	for _, variant := range []string{"unrolled", "classname", "packed", "tp4", "scan"} {
		t.Run(variant, func(t *testing.T) {
			stem := "data/hlo/qwen3_0p6b_score_v6e_" + variant
			m := parse(t, readAny(t, tracetest.Shared(t, stem+".hlo.pb.xz")))
			var want aot
			b, err := os.ReadFile(tracetest.Shared(t, stem+".json"))
			if err == nil {
				err = json.Unmarshal(b, &want)
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(m.Warnings) > 0 {
				t.Errorf("warnings %v", m.Warnings)
			}
			checkAttribution(t, m, &want)
			checkCostAnalysis(t, m, &want)
			if variant == "scan" || variant == "classname" {
				return
			}
			by := map[string]int64{}
			for scope, f := range matmulByScope(m) {
				first, _, _ := strings.Cut(scope, "/")
				by[first] += f
			}
			for i := range want.Config.Layers {
				if k := fmt.Sprintf("layer_%d", i); by[k] != want.Truth.PerLayer/want.Target.Devices {
					t.Errorf("%s: %d FLOPs, want %d", k, by[k], want.Truth.PerLayer/want.Target.Devices)
				}
			}
		})
	}
}

// checkAttribution compares shares of the matmul FLOPs: by op_name of the
// matmul itself, and of the scheduled instruction around it.
func checkAttribution(t *testing.T, m *Module, want *aot) {
	t.Helper()
	scheduled, named, layered := 0, 0, 0
	for queue := []*Computation{m.Entry}; len(queue) > 0; queue = queue[1:] {
		for _, in := range queue[0].Instructions {
			if in.Opcode == "while" {
				queue = append(queue, in.Body()) // the script leaves out the loop itself and its condition
				continue
			}
			if classes[in.Opcode] == free && in.Opcode != "partition-id" {
				continue
			}
			scheduled++
			if in.OpName != "" {
				named++
			}
			if hasLayer(in.OpName) {
				layered++
			}
		}
	}
	if a := want.Attribution; scheduled != a.Scheduled || named != a.WithOpName || layered != a.WithLayer {
		t.Errorf("%d scheduled, %d named, %d with a layer; want %d, %d, %d", scheduled, named, layered, a.Scheduled, a.WithOpName, a.WithLayer)
	}
	got := want.Attribution.Matmul
	got.Total, got.OwnerLayer, got.MatmulLayer, got.MatmulOpName = 0, 0, 0, 0
	for _, in := range m.Entry.Instructions {
		for leaf, c := range m.Work(in, CostOptions{Loops: true}) {
			got.Total += c.MatmulFLOPs
			if hasLayer(in.OpName) {
				got.OwnerLayer += c.MatmulFLOPs
			}
			if hasLayer(leaf.OpName) {
				got.MatmulLayer += c.MatmulFLOPs
			}
			if leaf.OpName != "" {
				got.MatmulOpName += c.MatmulFLOPs
			}
		}
	}
	if got != want.Attribution.Matmul {
		t.Errorf("matmul FLOPs %+v, want %+v", got, want.Attribution.Matmul)
	}
	if got.Total != want.Truth.Total/want.Target.Devices {
		t.Errorf("matmul FLOPs %d, want %d", got.Total, want.Truth.Total/want.Target.Devices)
	}
}

// checkCostAnalysis compares with the compiler's own cost analysis, which
// counts a loop's body once. Ours is above it by the reduce-window rule only
// (see reduceWindowCalls).
func checkCostAnalysis(t *testing.T, m *Module, want *aot) {
	t.Helper()
	var c Cost
	for _, in := range m.Entry.Instructions {
		c = c.Add(m.Cost(in, CostOptions{}))
	}
	if c.Unknown {
		t.Error("part of the cost is unknown")
	}
	for what, pair := range map[string][2]float64{
		"flops":           {float64(c.FLOPs), want.Cost["flops"]},
		"transcendentals": {float64(c.Transcendentals), want.Cost["transcendentals"]},
	} {
		if d := math.Abs(pair[0]/pair[1] - 1); d > 3e-4 {
			t.Errorf("%s %g, the compiler says %g", what, pair[0], pair[1])
		}
	}
}

// opFacts are the facts that a TPU capture states of an operation.
type opFacts struct {
	name, long   string
	flops, bytes uint64
}

// tpuOps returns the operations of a profile's first TPU plane: XPlane event
// metadata 4 and stat metadata 5 (both maps), XEventMetadata name 2, display
// name 4, stats 5.
func tpuOps(tb testing.TB, path string) []opFacts {
	tb.Helper()
	var ops []opFacts
	each(readAny(tb, path), 1, func(plane []byte) {
		name := ""
		each(plane, 2, func(v []byte) { name = string(v) })
		if name != "/device:TPU:0" {
			return
		}
		stats := map[uint64]string{}
		each(plane, 5, func(entry []byte) {
			var id uint64
			for m := (message{b: entry}); m.next(); {
				if m.num == 1 {
					id = m.x
				}
			}
			each(entry, 2, func(meta []byte) {
				each(meta, 2, func(v []byte) { stats[id] = string(v) })
			})
		})
		each(plane, 4, func(entry []byte) {
			each(entry, 2, func(meta []byte) {
				var op opFacts
				each(meta, 4, func(v []byte) { op.name = string(v) })
				each(meta, 2, func(v []byte) { op.long = string(v) })
				each(meta, 5, func(stat []byte) {
					var id, x uint64
					for m := (message{b: stat}); m.next(); {
						if m.num == 1 {
							id = m.x
						} else {
							x = m.x
						}
					}
					switch stats[id] {
					case "flops":
						op.flops = x
					case "bytes_accessed":
						op.bytes = x
					}
				})
				if strings.HasPrefix(op.long, "%") {
					ops = append(ops, op)
				}
			})
		})
	})
	return ops
}

// TestCostAgainstTPU compares FLOPs and bytes of each operation of two real
// captures with what the TPU compiler wrote into them. Three of the CNN's 137
// fusions differ by up to 8,192 of 1e11 operations; asynchronous pairs, which
// the compiler prices at both ends, and splits of 64-bit integers are left out
// of the bytes.
func TestCostAgainstTPU(t *testing.T) {
	for _, x := range []struct {
		file       string
		ops, exact int
	}{{"tpu_v6e_torchxla_cnn.xplane.pb.gz", 137, 134}, {"tpu_v6e_x4_host_offload.xplane.pb", 17, 17}} {
		path := tracetest.Shared(t, "data/xspace/"+x.file)
		byName := map[string]*Module{}
		for _, b := range xspaceModules(t, path) {
			m := parse(t, b)
			for _, in := range m.Entry.Instructions {
				byName[in.Name] = m
			}
		}
		n, exact := 0, 0
		for _, op := range tpuOps(t, path) {
			m := byName[op.name]
			if m == nil {
				continue
			}
			n++
			in := m.Instruction(op.name)
			c := m.Cost(in, CostOptions{})
			if uint64(c.FLOPs) == op.flops {
				exact++
			}
			if math.Abs(float64(c.FLOPs)-float64(op.flops)) > 1e-6*float64(op.flops) {
				t.Errorf("%s: %d FLOPs, the capture says %d", op.name, c.FLOPs, op.flops)
			}
			async := strings.HasSuffix(in.Opcode, "-start") || strings.HasSuffix(in.Opcode, "-done")
			if d := math.Abs(float64(c.Bytes()) - float64(op.bytes)); d > 300 && !async && in.Opcode != "custom-call" {
				t.Errorf("%s: %d bytes, the capture says %d", op.name, c.Bytes(), op.bytes)
			}
		}
		if n != x.ops || exact < x.exact {
			t.Errorf("%s: %d operations of which %d with equal FLOPs, want %d and %d", x.file, n, exact, x.ops, x.exact)
		}
	}
}

// TestLongNames parses the HLO line of each operation of the TPU captures and
// compares it with the module's instruction.
func TestLongNames(t *testing.T) {
	n := 0
	for _, f := range []string{"tpu_v6e_torchxla_cnn.xplane.pb.gz", "tpu_v6e_x4_host_offload.xplane.pb"} {
		path := tracetest.Shared(t, "data/xspace/"+f)
		for _, b := range xspaceModules(t, path) {
			m := parse(t, b)
			for _, op := range tpuOps(t, path) {
				want := m.Instruction(op.name)
				in, err := ParseInstruction(op.long)
				if err != nil {
					t.Fatal(err)
				}
				if want == nil || want.Shape.String() != in.Shape.String() {
					continue // an operation of another module of that name
				}
				n++
				if want.String() != in.String() || want.FusionKind != in.FusionKind || len(want.Called) != len(in.Called) {
					t.Errorf("%s\n got %s %s\nwant %s %s", op.long, in, in.FusionKind, want, want.FusionKind)
				}
				for i, o := range in.Operands {
					if o.Shape.String() != want.Operands[i].Shape.String() {
						t.Errorf("%s operand %d: %s, want %s", in.Name, i, o.Shape, want.Operands[i].Shape)
					}
				}
			}
		}
	}
	if n < 150 {
		t.Errorf("%d lines compared, want at least 150", n)
	}
}

// TestLongNamesOfJSON parses every HLO line of the Chrome JSON captures.
func TestLongNamesOfJSON(t *testing.T) {
	for _, f := range []string{"tpu_vllm_qwen25_32b_bf16", "tpu_vllm_qwen3_32b_quant"} {
		var trace struct {
			TraceEvents []struct {
				Name string
				Args struct {
					LongName string `json:"long_name"`
					Shape    string `json:"shape_with_layout"`
					Bytes    int64  `json:"bytes_accessed,string"`
				}
			}
		}
		if err := json.Unmarshal(read(t, tracetest.Shared(t, "data/trace_json/"+f+".trace.json.gz")), &trace); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, e := range trace.TraceEvents {
			line := e.Args.LongName
			if line == "" || seen[line] {
				continue
			}
			seen[line] = true
			in, err := ParseInstruction(line)
			if err != nil {
				t.Errorf("%v\n%s", err, line)
				continue
			}
			sameOperands(t, line, in)
			if in.Name != e.Name {
				t.Errorf("name %q, want %q", in.Name, e.Name)
			}
			if got := in.Shape.String(); e.Args.Shape != "" && got != e.Args.Shape {
				t.Errorf("%s: shape %s, want %s", in.Name, got, e.Args.Shape)
			}
			for _, o := range in.Operands {
				if o.Shape.Type == Invalid || o.Name == "" {
					t.Errorf("%s: operand %q of shape %s\n%s", in.Name, o.Name, o.Shape, line)
				}
			}
		}
		if len(seen) < 500 {
			t.Errorf("%s: %d different lines", f, len(seen))
		}
	}
}
