// SPDX-License-Identifier: Apache-2.0

package hlo

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/layerscope/layerscope/internal/tracetest"
)

// TestWrappers finds the module inside each message that can hold one.
func TestWrappers(t *testing.T) {
	mod := smallProgram()
	for name, b := range map[string]enc{
		"HloModuleProto":           mod,
		"HloProto":                 enc{}.msg(1, mod).msg(3, smallPlan()),
		"HloProto without plan":    enc{}.msg(1, mod),
		"HloProto, plan first":     enc{}.msg(3, smallPlan()).msg(1, mod),
		"HloModuleProtoWithConfig": enc{}.msg(1, mod).msg(2, enc{}.num(1, 3)),
		"HloSnapshot":              enc{}.msg(1, enc{}.msg(1, mod).msg(3, smallPlan())).str(4, "cpu"),
	} {
		m, err := Parse(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if m.Name != "jit_synthetic" || m.ID != 7 || m.Entry.Name != "main" || len(m.Warnings) > 0 {
			t.Errorf("%s: module %s id %d entry %s warnings %v", name, m.Name, m.ID, m.Entry.Name, m.Warnings)
		}
		a, err := m.Buffers()
		if err != nil || (a != nil) != strings.Contains(string(b), string(smallPlan())) {
			t.Errorf("%s: buffers %v, %v", name, a, err)
		}
	}
}

func TestSmallProgram(t *testing.T) {
	m := parse(t, smallProgram())
	var order []string
	for _, in := range m.Entry.Instructions {
		order = append(order, in.Name)
	}
	if d := cmp.Diff([]string{"b", "a", "dot.3", "sum"}, order); d != "" {
		t.Errorf("schedule (-want +got):\n%s", d)
	}
	dot := m.Instruction("dot.3")
	if dot.OpType != "dot_general" || dot.OpName != "jit(f)/layer_0/dot_general" || dot.DedupName != "dot.1" || m.Source(dot) != "model.py:12" {
		t.Errorf("metadata %+v, source %s", dot, m.Source(dot))
	}
	want := Cost{FLOPs: 128, MatmulFLOPs: 128, BytesRead: 128, BytesWritten: 64}
	if got := m.Cost(dot, CostOptions{}); got != want {
		t.Errorf("cost %+v, want %+v", got, want)
	}
	if m.Entry.Root.Name != "sum" || m.Instruction("b").Parameter != 1 {
		t.Errorf("root %s, parameter %d", m.Entry.Root.Name, m.Instruction("b").Parameter)
	}
}

// TestRaggedDot reads a grouped matmul: each of 6 rows meets one of 3 matrices.
func TestRaggedDot(t *testing.T) {
	m := parse(t, program(1, function(1, "main", 4,
		node(1, "rows", "parameter", array(6, 8)),
		node(2, "matrices", "parameter", array(3, 8, 5)).num(9, 1),
		node(3, "sizes", "parameter", array(3)).num(9, 2),
		node(4, "r", "ragged-dot", array(6, 5), 1, 2, 3).msg(90, enc{}.msg(1, enc{}.packed(1, 1).packed(2, 1)).packed(2, 0).packed(3, 0)))))
	if c := m.Instruction("r").Cost(); c.MatmulFLOPs != 2*6*8*5 || c.Unknown {
		t.Errorf("cost %+v", c)
	}
}

// TestHLOWithConfig reads the module that was compiled from StableHLO text.
func TestHLOWithConfig(t *testing.T) {
	m := parse(t, readAny(t, tracetest.Shared(t, "data/hlo/go_two_layers_v6e.hlo_with_config.pb.xz")))
	var flops int64
	types, sources := map[string]int{}, map[string]int{}
	for _, in := range m.Entry.Instructions {
		flops += m.Cost(in, CostOptions{}).MatmulFLOPs
	}
	for _, c := range m.Computations {
		for _, in := range c.Instructions {
			types[in.OpType]++
			sources[m.Source(in)]++
		}
	}
	if m.Name != "jit_score" || flops != 2*2*512*1024*1024 || types["dot_general"] != 2 {
		t.Errorf("%s: %d matmul FLOPs, op types %v", m.Name, flops, types)
	}
	if sources["score.go:12"] != 1 {
		t.Errorf("sources %v", sources)
	}
}

// TestMaxText reads a GPU training step of 8 scanned layers, and its memory
// plan. The compiler has taken iterations out of the loops and unrolled what is
// left: 3 trips of 2 layers forward, 2 backward. The sums are still those of 8
// layers, and a backward pass has two matmuls for each forward one.
func TestMaxText(t *testing.T) {
	m := parse(t, readAny(t, tracetest.Shared(t, "data/hlo/maxtext_train_step_h100_after_opt.hlo.pb.xz")))
	const wo = 2 * 4096 * 2560 * 8192 // of one layer: tokens, width, hidden width
	dirs := map[Direction]int64{}
	trips := map[int64]int{}
	for _, in := range m.Entry.Instructions {
		if in.Opcode == "while" {
			trips[in.TripCount]++
		}
		for leaf, c := range m.Work(in, CostOptions{Loops: true}) {
			if s := FoldScope(leaf.OpName); strings.HasSuffix(s.Name(), "decoder/layers/mlp/wo") {
				dirs[s.Direction] += c.MatmulFLOPs
			}
		}
	}
	if d := cmp.Diff(map[int64]int{3: 1, 2: 1}, trips); d != "" {
		t.Errorf("loops by trip count (-want +got):\n%s", d)
	}
	if f, b := dirs[Forward], dirs[Backward]; f != 8*wo || b != 16*wo {
		t.Errorf("mlp/wo: %d matmul FLOPs forward, %d backward, want %d and %d", f, b, 8*wo, 16*wo)
	}
	a, err := m.Buffers()
	if err != nil {
		t.Fatal(err)
	}
	p, err := a.Peak(0)
	if err != nil || p.Heap == 0 || p.Bytes() > p.Total {
		t.Errorf("peak %+v of total %d, %v", p.Bytes(), p.Total, err)
	}
}

func TestParseErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		in   []byte
		want string
	}{
		"empty":                {nil, "no HloModuleProto"},
		"text of another":      {[]byte("hello"), "no HloModuleProto"},
		"an XSpace":            {enc{}.msg(1, enc{}.num(1, 3).str(2, "/host:CPU")), "no HloModuleProto"},
		"cut in a computation": {smallProgram()[:60], "no HloModuleProto"},
		"deep shape":           {program(9, function(9, "main", 1, node(1, "a", "parameter", deepTuple(100)))), "nested deeper"},
		"two modules":          {[]byte("HloModule a\nENTRY e {\n a = f32[] parameter(0)\n}\nHloModule b\n"), "line 5: a second module"},
		"no computation":       {[]byte("HloModule a\n"), "no computation"},
		"open computation":     {[]byte("HloModule a\n\nENTRY e {\n a = f32[] parameter(0)\n"), "no closing brace"},
		"open quote":           {[]byte("HloModule a\n\nENTRY e {\n a = f32[2] custom-call(), t=\"x\n}\n"), "line 4: computation e: brackets"},
		"no instruction":       {[]byte("HloModule a\n\nENTRY e {\n hello\n}\n"), "line 4: \"hello\" is no instruction"},
		"bad type":             {[]byte("HloModule a\n\nENTRY e {\n a = q8[2] parameter(0)\n}\n"), "unknown element type \"q8\""},
		"stray line":           {[]byte("HloModule a\n\nwhat is this\n"), "line 3: \"what is this\" is neither"},
	} {
		_, err := Parse(tt.in)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "hlo: ") {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

func deepTuple(n int) enc {
	s := array(1)
	for range n {
		s = enc{}.num(2, int64(Tuple)).msg(4, s)
	}
	return s
}
