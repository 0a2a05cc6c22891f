// SPDX-License-Identifier: Apache-2.0

package profile_test

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	pprof "github.com/google/pprof/profile"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/internal/tracetest"
	"github.com/layerscope/layerscope/reports/profile"
	"github.com/layerscope/layerscope/trace"
)

func analysis(t *testing.T, name string) *analyze.Analysis {
	t.Helper()
	tr, err := trace.Open(filepath.Join(tracetest.Root(t), "testdata", "captures", name), trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	a, err := analyze.Analyze(tr, analyze.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestFrames(t *testing.T) {
	for _, c := range []struct {
		op   analyze.Op
		want string
	}{
		{analyze.Op{Name: "dot", Program: "p", Layer: "layer_3", Scope: "jit(f)/layers/3/mlp/dot_general"}, "p;layer_3;mlp;dot"},
		{analyze.Op{Name: "dot", Program: "p", Layer: "draft/layer_12", Scope: "jit(f)/draft/layer_12/attn/q/dot_general"}, "p;draft/layer_12;attn;q;dot"},
		{analyze.Op{Name: "dot", Program: "p", Layer: "layer_0", Scope: "jit(f)/Qwen3Attention/q_proj/dot_general"}, "p;layer_0;Qwen3Attention;q_proj;dot"},
		{analyze.Op{Name: "gather", Program: "p", Layer: "embed", Scope: "jit(f)/embed/gather"}, "p;embed;gather"},
		{analyze.Op{Name: "copy.1"}, "(no program);(unattributed);copy.1"},
		{analyze.Op{Name: "a;b\n\x1b[31m ", Layer: "layer_1"}, "(no program);layer_1;a,b  [31m"},
		{analyze.Op{Name: "\xff"}, "(no program);(unattributed);\uFFFD"},
	} {
		c.op.Self = 7
		var b bytes.Buffer
		if err := profile.WriteFolded(&b, &analyze.Analysis{Ops: []analyze.Op{c.op}}); err != nil {
			t.Fatal(err)
		}
		if got, want := b.String(), c.want+" 7\n"; got != want {
			t.Errorf("folded %q, want %q", got, want)
		}
	}
}

// TestSumsAreTheReports: all three forms add up to the op time, folded stacks
// to the picosecond, and by layer to the layer rows.
func TestSumsAreTheReports(t *testing.T) {
	for _, name := range []string{"base_a.xplane.pb.gz", "modules_flat.xplane.pb.gz", "scan.xplane.pb.gz", "tp4.xplane.pb.gz"} {
		a := analysis(t, name)
		var b bytes.Buffer
		if err := profile.WriteFolded(&b, a); err != nil {
			t.Fatal(err)
		}
		total, layers := analyze.Duration(0), map[string]analyze.Duration{}
		for line := range strings.Lines(b.String()) {
			i := strings.LastIndexByte(line, ' ')
			n, err := strconv.ParseInt(strings.TrimSpace(line[i:]), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			total += analyze.Duration(n)
			layers[strings.Split(line[:i], ";")[1]] += analyze.Duration(n)
		}
		if total != a.Layers.OpTime {
			t.Errorf("%s: folded stacks add up to %d, op time %d", name, total, a.Layers.OpTime)
		}
		for _, r := range a.Layers.Rows {
			if r.Self != layers[r.Key] && layers["(several)"] == 0 {
				t.Errorf("%s: %s: %d in stacks, %d in the report", name, r.Key, layers[r.Key], r.Self)
			}
		}
		pprofSum(t, name, a)
		speedscopeSum(t, name, a)
	}
}

func pprofSum(t *testing.T, name string, a *analyze.Analysis) {
	t.Helper()
	var b bytes.Buffer
	if err := profile.WritePprof(&b, a); err != nil {
		t.Fatal(err)
	}
	p, err := pprof.Parse(&b)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.CheckValid(); err != nil {
		t.Error(err)
	}
	flat := map[string]int64{}
	for _, s := range p.Sample {
		flat[s.Location[0].Line[0].Function.Name] += s.Value[3]
	}
	want := map[string]int64{}
	for _, o := range a.Ops {
		if o.Self > 0 {
			want[o.Name] += (int64(o.Self) + 500) / 1000
		}
	}
	if d := cmp.Diff(want, flat); d != "" {
		t.Errorf("%s: pprof, ns by op (-report +profile):\n%.2000s", name, d)
	}
}

func speedscopeSum(t *testing.T, name string, a *analyze.Analysis) {
	t.Helper()
	var b bytes.Buffer
	if err := profile.WriteSpeedscope(&b, a, name); err != nil {
		t.Fatal(err)
	}
	var f struct {
		Shared   struct{ Frames []struct{ Name string } }
		Profiles []struct {
			Samples  [][]int
			Weights  []float64
			EndValue float64
		}
	}
	if err := json.Unmarshal(b.Bytes(), &f); err != nil {
		t.Fatal(err)
	}
	p, sum := f.Profiles[0], 0.0
	if len(p.Samples) != len(p.Weights) {
		t.Fatalf("%s: %d samples, %d weights", name, len(p.Samples), len(p.Weights))
	}
	for i, s := range p.Samples {
		sum += p.Weights[i]
		for _, n := range s {
			if n < 0 || n >= len(f.Shared.Frames) {
				t.Fatalf("%s: sample %d: frame %d of %d", name, i, n, len(f.Shared.Frames))
			}
		}
	}
	want := float64(a.Layers.OpTime) / 1000
	if d := sum - want; d > 1 || d < -1 || p.EndValue-want > 1 {
		t.Errorf("%s: speedscope weights add up to %.3f ns, end %.3f, op time %.3f", name, sum, p.EndValue, want)
	}
}
