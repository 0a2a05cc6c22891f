// SPDX-License-Identifier: Apache-2.0

package hlo

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseInstruction(t *testing.T) {
	const line = `  ROOT %fusion.3 = bf16[1024,5120]{1,0:T(8,128)(2,1)S(1)} fusion(bf16[1024,512]{1,0:T(8,128)(2,1)} %p.1, /*index=1*/bf16[] %p.2), kind=kOutput, calls=%fused_computation.3, metadata={op_type="dot" op_name="jit(f)/layer_0/x[\'a\']/dot_general" source_file="dir/model.py" source_line=12 deduplicated_name="fusion.1"}, backend_config={"window_config":{"estimated_cycles":"7"}}`
	in, err := ParseInstruction(line)
	if err != nil {
		t.Fatal(err)
	}
	type facts struct {
		Name, Opcode, Shape, OpName, OpType, Kind, Dedup, Source, Config, Operands, Called string
	}
	var ops, called []string
	for _, o := range in.Operands {
		ops = append(ops, o.Name+" "+o.Shape.String())
	}
	for _, c := range in.Called {
		called = append(called, c.Name)
	}
	got := facts{
		in.Name, in.Opcode, in.Shape.String(), in.OpName, in.OpType, in.FusionKind, in.DedupName,
		(&Module{}).Source(in), in.BackendConfig, strings.Join(ops, ", "), strings.Join(called, ", "),
	}
	want := facts{
		"fusion.3", "fusion", "bf16[1024,5120]{1,0:T(8,128)(2,1)S(1)}", "jit(f)/layer_0/x['a']/dot_general", "dot", "kOutput", "fusion.1",
		"dir/model.py:12", `{"window_config":{"estimated_cycles":"7"}}`, "p.1 bf16[1024,512]{1,0:T(8,128)(2,1)}, p.2 bf16[]", "fused_computation.3",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestParseInstructionForms holds forms that lines take in the wild, and lines
// that were cut.
func TestParseInstructionForms(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"add.1 = f32[] add(a, b)", "add.1 = f32[] add(a, b)"},
		{"%a.b-c_d = (f32[2]{0}, (s32[], pred[3]{0})) tuple(%x, %y)", "a.b-c_d = (f32[2]{0}, (s32[], pred[3]{0})) tuple(x, y)"},
		{"%w = (s32[], /*index=1*/f32[2]{0}) while((s32[], f32[2]{0}) %t), condition=%c, body=%b", "w = (s32[], f32[2]{0}) while(t)"},
		{"%i = s32[4]{0} iota(), iota_dimension=0", "i = s32[4]{0} iota()"},
		{"%c = f32[2]{0} constant({1, -inf})", "c = f32[2]{0} constant()"},
		{"%t = token[] after-all()", "t = token[] after-all()"},
		{"%d = f32[<=8,4]{1,0} negate(f32[<=8,4]{1,0} %x)", "d = f32[8,4]{1,0} negate(x)"},
		{"%r = f32[4]{0} reduce(f32[4,8]{1,0} %x, f32[] %z), dimensions={1}, to_apply=%region_0.1", "r = f32[4]{0} reduce(x, z)"},
		{`%k = f32[4]{0} custom-call(%x), custom_call_target="a, \"b\"", api_version=API_VERSION_ORIGINAL`, "k = f32[4]{0} custom-call(x)"},
		// Cut by a writer's limit on text: what is whole is kept.
		{"%f = f32[4]{0} fusion(f32[8]{0} %x, f32[8]{0} %y, f32[", "f = f32[4]{0} fusion(x, y, f32[)"},
		{"%f = f32[4]{0} fusion(f32[8]{0} %x), kind=kLoop, calls=%fc, metadata={op_name=\"jit(f)/lay", "f = f32[4]{0} fusion(x)"},
	} {
		in, err := ParseInstruction(tt.line)
		if err != nil {
			t.Errorf("%s: %v", tt.line, err)
			continue
		}
		if got := in.String(); got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.line, got, tt.want)
		}
		sameOperands(t, tt.line, in)
	}
}

// sameOperands holds OperandNames against what ParseInstruction found.
func sameOperands(t *testing.T, line string, in *Instruction) {
	t.Helper()
	want := []string{"before"}
	for _, o := range in.Operands {
		want = append(want, o.Name)
	}
	name, got, ok := OperandNames([]string{"before"}, line)
	if !ok || name != in.Name || !slices.Equal(got, want) {
		t.Errorf("%s: %s of %q, %v, want %s of %q", line, name, got, ok, in.Name, want)
	}
}

func TestParseInstructionErrors(t *testing.T) {
	for line, want := range map[string]string{
		"":                            "is no instruction",
		"fusion.3":                    "is no instruction",
		"%a = ":                       "is no shape",
		"%a = f32":                    "is no shape",
		"%a = f32[2":                  "is cut",
		"%a = (f32[2], f32":           "is cut",
		"%a = f33[2] add(x)":          "unknown element type",
		"%a = f32[-1] add(x)":         `dimension "-1"`,
		"%a = f32[2]":                 "no opcode",
		"%a = f32[2] Add(x)":          "no opcode",
		"%a = f32[2] parameter(x)":    "parameter number",
		"%a = (f32[2] f32[2]) add(x)": "text after its end",
		" = f32[2] add(x)":            "is no instruction",
		"%a = f32[2]{0 add(x)":        "is cut",
	} {
		if in, err := ParseInstruction(line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want %q", line, in, err, want)
		}
	}
}

// TestAttributes reads those that the captures at hand do not all have.
func TestAttributes(t *testing.T) {
	in, err := ParseInstruction("%c = bf16[1,8,6,6]{3,2,1,0} convolution(%x, %k), window={size=3x2 stride=2x1 pad=1_0x-1_2 lhs_dilate=1x2 rhs_dilate=3x1 rhs_reversal=1x0}, dim_labels=b01f_01io->bf01, feature_group_count=2, batch_group_count=4")
	if err != nil {
		t.Fatal(err)
	}
	window := []WindowDim{
		{Size: 3, Stride: 2, PadLow: 1, Dilation: 3, BaseDilation: 1, Reversed: true},
		{Size: 2, Stride: 1, PadLow: -1, PadHigh: 2, Dilation: 1, BaseDilation: 2},
	}
	conv := &ConvDims{
		InputBatch: 0, InputFeature: 3, InputSpatial: []int64{1, 2},
		KernelInput: 2, KernelOutput: 3, KernelSpatial: []int64{0, 1},
		OutputBatch: 0, OutputFeature: 1, OutputSpatial: []int64{2, 3},
		FeatureGroupCount: 2, BatchGroupCount: 4,
	}
	if d := cmp.Diff(window, in.Window); d != "" {
		t.Errorf("window (-want +got):\n%s", d)
	}
	if d := cmp.Diff(conv, in.Conv); d != "" {
		t.Errorf("convolution (-want +got):\n%s", d)
	}
	in, err = ParseInstruction("%c = f32[] conditional(%i, %a, %b), branch_computations={%one, /*index=1*/%two}")
	if err != nil || len(in.Called) != 2 || in.Called[1].Name != "two" {
		t.Errorf("branches %v, %v", in.Called, err)
	}
	in, err = ParseInstruction(`%c = f32[] custom-call(%i), custom_call_target="t\x", backend_config="a\"b\n\001"`)
	if err != nil || in.BackendConfig != "a\"b\n\x01" {
		t.Errorf("backend config %q, %v", in.BackendConfig, err)
	}
}

func TestShapes(t *testing.T) {
	for _, tt := range []struct {
		text            string
		elements, bytes int64
		space           int64
	}{
		{"f32[]", 1, 4, 0},
		{"bf16[3,4]", 12, 24, 0},
		{"bf16[1024,5120]{1,0:T(8,128)(2,1)S(1)}", 1024 * 5120, 2 * 1024 * 5120, 1},
		{"s4[7]{0:T(1024)(128)(8,1)E(4)}", 7, 4, 0},
		{"s4[3]", 3, 2, 0},
		{"pred[5]{0:T(512)(128)(4,1)}", 5, 5, 0},
		{"(f32[2]{0}, (u8[3]{0}, token[]))", 5, 11, 0},
		{"f32[0,8]{1,0}", 0, 0, 0},
		{"s32[]{:T(128)S(6)}", 1, 4, 6},
		{"f32[8]{0:T(*,128)L(1024)}", 8, 32, 0},
		{"f32[9223372036854775807,4]", 1<<63 - 1, 1<<63 - 1, 0},
		{"opaque[]", 0, 0, 0},
		{"b(f32[2]{0})", 2, 8, 0},
		{"()", 0, 0, 0},
	} {
		s, err := ParseShape(tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if got := s.String(); got != tt.text {
			t.Errorf("%s prints as %s", tt.text, got)
		}
		if s.Elements() != tt.elements || s.Bytes() != tt.bytes || s.Space() != tt.space {
			t.Errorf("%s: %d elements, %d bytes, space %d; want %d, %d, %d", tt.text, s.Elements(), s.Bytes(), s.Space(), tt.elements, tt.bytes, tt.space)
		}
	}
	if s, _ := ParseShape("bf16[2,3]{1,0:T(8,128)}"); s.Dense() != "bf16[2,3]" {
		t.Errorf("dense %s", s.Dense())
	}
}

// TestTextRepairs holds what is counted and passed over.
func TestTextRepairs(t *testing.T) {
	m := parse(t, []byte("// a comment\nHloModule m\n\n/* another */ENTRY %e {\n  a = f32[] parameter(0)\n  b = f32[] add(a, nowhere)\n  b = f32[] call(a), to_apply=%none\n}, execution_thread=\"host\"\n"))
	var got []string
	for _, w := range m.Warnings {
		got = append(got, w.Kind+": "+w.First)
	}
	want := []string{"missing operand: b: nowhere", "instruction name used twice: e: b", "missing computation: b: none"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("warnings (-want +got):\n%s", d)
	}
	if m.Entry == nil || m.Entry.Thread != "host" || m.Entry.Root.Opcode != "call" {
		t.Errorf("entry %+v", m.Entry)
	}
	if c := m.Cost(m.Entry.Root, CostOptions{}); !c.Unknown {
		t.Errorf("cost of a call into nothing: %+v", c)
	}
}
