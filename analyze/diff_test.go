// SPDX-License-Identifier: Apache-2.0

package analyze_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"pgregory.net/rapid"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/trace"
)

// TestDiffTwins compares pairs of small traces in the text form, one pair a rule
// of alignment. Each file tells its story; the part "want" is what the
// comparison must say.
func TestDiffTwins(t *testing.T) {
	files, err := filepath.Glob("testdata/diff/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no twins: %v", err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			opts := analyze.DiffOptions{Open: true}
			var base, new, want []byte
			for _, f := range ar.Files {
				switch f.Name {
				case "options":
					opts.AllowMismatch = strings.Contains(string(f.Data), "allow-mismatch")
				case "base":
					base = f.Data
				case "new":
					new = f.Data
				case "want":
					want = f.Data
				}
			}
			b, n := analyze.Side{Runs: []*analyze.Analysis{fromText(t, base)}}, analyze.Side{Runs: []*analyze.Analysis{fromText(t, new)}}
			if opts.AllowMismatch {
				if _, err := analyze.Diff(b, n, analyze.DiffOptions{}); !errors.Is(err, analyze.ErrMismatch) {
					t.Errorf("without allow-mismatch: %v, want ErrMismatch", err)
				}
			}
			got := diffSummary(diffed(t, b, n, opts))
			if *update {
				ar.Files[len(ar.Files)-1].Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("comparison differs (-want +got):\n%s", diff)
			}
		})
	}
}

func fromText(t testing.TB, text []byte) *analyze.Analysis {
	t.Helper()
	tr, err := trace.Read(bytes.NewReader(text), "trace.txt", trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a, err := analyze.Analyze(tr, analyze.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range a.Inputs {
		a.Inputs[i].Path = "" // traces of tests have no file
	}
	return a
}

// diffSummary prints the integers of a comparison and its words.
func diffSummary(c *analyze.Comparison) string {
	var b strings.Builder
	k := c.Conservation
	fmt.Fprintf(&b, "layers %d and %d, matched %d\n", c.Layers.Base, c.Layers.New, c.Layers.Matched)
	fmt.Fprintf(&b, "delta %d = matched %d + added %d - removed %d + unattributed %d\n", k.Delta, k.Matched, k.Added, k.Removed, k.Unattributed)
	for _, p := range c.Parity {
		fmt.Fprintf(&b, "parity %s: %q and %q void %v\n", p.Field, p.Base, p.New, p.Void)
	}
	for _, r := range c.Rows {
		if r.Metric != "op_time" || r.Level == "component" && r.Parent == "step" {
			continue
		}
		fmt.Fprintf(&b, "%s %s %s %d %d %+d", r.Level, r.Key, r.Status, r.Base, r.New, r.Delta)
		if r.BaseKey != "" {
			fmt.Fprintf(&b, " was %s", r.BaseKey)
		}
		if r.Note != "" {
			fmt.Fprintf(&b, " (%s)", r.Note)
		}
		b.WriteByte('\n')
	}
	for _, e := range c.Explain {
		fmt.Fprintf(&b, "because %s %+d %s %s\n", e.Key, e.Delta, e.Reason, e.Detail)
	}
	return b.String()
}

// A plan makes captures of a model of layers whose times are known.
type plan struct {
	layers, steps int
	layer         func(run, step, layer int) int64 // ps
	marked        bool                             // steps marked on the device
	gap           int64                            // idle after the first layer
}

// run writes one capture in the text form and analyses it.
func (p plan) run(t testing.TB, r int) *analyze.Analysis {
	var b strings.Builder
	b.WriteString("layerscope-trace 1\ndevice /device:TPU:0 tpu\nprogram jit_score 7\n")
	for l := range p.layers {
		fmt.Fprintf(&b, "op f%d program=0 category=fusion scope=\"jit(score)/layer_%d/mlp/dot_general\"\n", l, l)
	}
	var events, execs, marks strings.Builder
	at := int64(0)
	for s := range p.steps {
		start := at
		for l := range p.layers {
			d := p.layer(r, s, l)
			fmt.Fprintf(&events, "  %d %d f%d\n", at, d, l)
			if at += d; l == 0 {
				at += p.gap
			}
		}
		fmt.Fprintf(&execs, "exec 0 0 %d %d %d\n", s, start, at-start)
		fmt.Fprintf(&marks, "step %d 0 %d %d name=step\n", s, start, at-start)
	}
	b.WriteString(execs.String())
	if p.marked {
		b.WriteString(marks.String())
	}
	b.WriteString("track ops device=0 name=\"XLA Ops\"\n" + events.String())
	return fromText(t, []byte(b.String()))
}

func (p plan) side(t testing.TB, label string, from, n int) analyze.Side {
	s := analyze.Side{Label: label}
	for r := range n {
		s.Runs = append(s.Runs, p.run(t, from+r))
	}
	return s
}

// wobble is a deterministic noise of ± one part in a thousand.
func wobble(run, step, layer int) int64 {
	h := uint64(run*1_000_003+step*10_007+layer*101+7) * 0x9e3779b97f4a7c15
	return int64(h>>33)%200_001 - 100_000
}

const layerTime = 100_000_000 // 100 µs

func TestDiffPlantedChange(t *testing.T) {
	plain := func(r, s, l int) int64 { return layerTime + wobble(r, s, l) }
	slow := func(r, s, l int) int64 {
		if l == 5 {
			return layerTime*103/100 + wobble(r, s, l)
		}
		return plain(r, s, l)
	}
	base := plan{layers: 12, steps: 6, layer: plain}.side(t, "base", 0, 3)
	c := diffed(t, base, plan{layers: 12, steps: 6, layer: slow}.side(t, "new", 10, 3), analyze.DiffOptions{})
	if got := verdicts(c, "layer"); len(got) != 1 || got["layer_5"] != "REGRESSION" {
		t.Errorf("+3 %% in layer_5: changed %v", got)
	}
	if len(c.Explain) != 1 || !strings.HasPrefix(c.Explain[0].Key, "layer_5/") || c.Explain[0].Reason != "slower-kernel" {
		t.Errorf("explained by %+v, want a slower kernel in layer_5", c.Explain)
	}
	c = diffed(t, base, plan{layers: 12, steps: 6, layer: plain}.side(t, "new", 20, 3), analyze.DiffOptions{})
	if c.Verdict != "EQUIVALENT" || len(verdicts(c, "layer"))+len(verdicts(c, "step")) > 0 {
		t.Errorf("the same code: %s, layers %v, step %v", c.Verdict, verdicts(c, "layer"), verdicts(c, "step"))
	}
	c = diffed(t, base, plan{layers: 12, steps: 6, layer: slow}.side(t, "new", 10, 1), analyze.DiffOptions{})
	if got := verdicts(c, "layer"); len(got) != 1 || got["layer_5"] != "DIFFERS" || c.Verdict != "DIFFERS" {
		t.Errorf("one new capture: %s, changed %v; want layer_5 DIFFERS", c.Verdict, got)
	}
}

// A slow-down of all layers alike is a row of its own, not normalised away.
func TestDiffUniformSlowDown(t *testing.T) {
	plain := func(r, s, l int) int64 { return layerTime + wobble(r, s, l) }
	slow := func(r, s, l int) int64 { return layerTime*105/100 + wobble(r, s, l) }
	c := diffed(t, plan{layers: 12, steps: 6, layer: plain}.side(t, "base", 0, 3), plan{layers: 12, steps: 6, layer: slow}.side(t, "new", 10, 3), analyze.DiffOptions{})
	if got := verdicts(c, "layer"); len(got) != 0 {
		t.Errorf("layers %v are called changed beyond what all share", got)
	}
	if got := verdicts(c, "step"); got["common shift"] != "REGRESSION" || got["step"] != "REGRESSION" || c.Verdict != "REGRESSION" {
		t.Errorf("%s, step rows %v; want the common shift and the step", c.Verdict, got)
	}
	if len(c.Explain) != 1 || c.Explain[0].Key != "mlp of all layers" || c.Explain[0].Reason != "common-shift" {
		t.Errorf("explained by %+v, want the common shift in the mlp of all layers", c.Explain)
	}
}

// The step takes longer though its ops don't: the host is late.
func TestDiffHostGap(t *testing.T) {
	plain := func(r, s, l int) int64 { return layerTime + wobble(r, s, l) }
	p := plan{layers: 12, steps: 6, layer: plain, marked: true, gap: layerTime}
	late := p
	late.gap = 4 * layerTime
	base := p.side(t, "base", 0, 3)
	c := diffed(t, base, late.side(t, "new", 10, 3), analyze.DiffOptions{})
	if d := c.Conservation.Delta; d > layerTime/100 || d < -layerTime/100 {
		t.Errorf("op time changed by %d", d)
	}
	found := false
	for _, e := range c.Explain {
		found = found || e.Reason == "host-gap"
	}
	if got := verdicts(c, "step"); got["step duration"] != "REGRESSION" || !found {
		t.Errorf("step rows %v, explained by %+v; want the duration and a host gap", got, c.Explain)
	}
}

func TestDiffBadInput(t *testing.T) {
	p := plan{layers: 4, steps: 3, layer: func(r, s, l int) int64 { return layerTime + wobble(r, s, l) }}
	good := p.run(t, 0)
	side := func(a *analyze.Analysis) analyze.Side { return analyze.Side{Label: "x", Runs: []*analyze.Analysis{a}} }
	empty := fromText(t, []byte("layerscope-trace 1\ndevice /device:TPU:0 tpu\n"))
	gpu := fromText(t, []byte("layerscope-trace 1\ndevice gpu:0 gpu\nprogram jit_score 7\nop a program=0 scope=\"jit(score)/layer_0/mlp/dot\"\nop b program=0 scope=\"jit(score)/layer_1/mlp/dot\"\nexec 0 0 1 0 200\ntrack ops device=0 name=s\n  0 100 a\n  100 100 b\n"))
	noLayers := fromText(t, []byte("layerscope-trace 1\ndevice /device:TPU:0 tpu\nprogram jit_f 7\nop a program=0 category=fusion\nexec 0 0 1 0 200\ntrack ops device=0 name=\"XLA Ops\"\n  0 100 a\n"))
	fewer := plan{layers: 3, steps: 3, layer: p.layer}.run(t, 0)
	for _, c := range []struct {
		name      string
		base, new analyze.Side
		want      string
	}{
		{"no runs", analyze.Side{Label: "x"}, side(good), "x: no captures"},
		{"no ops", side(good), side(empty), "no op time"},
		{"other hardware", side(good), side(gpu), "device kind: base tpu, new gpu"},
		{"other model", side(good), side(fewer), "layers: base 4, new 3"},
		{"no layers on one side", side(good), side(noLayers), "layers: base 4, new 0"},
	} {
		if _, err := analyze.Diff(c.base, c.new, analyze.DiffOptions{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one that says %q", c.name, err, c.want)
		}
	}
	for _, new := range []*analyze.Analysis{gpu, noLayers, fewer} {
		diffed(t, side(good), side(new), analyze.DiffOptions{AllowMismatch: true})
		diffed(t, side(new), side(good), analyze.DiffOptions{AllowMismatch: true})
	}
	one := plan{layers: 4, steps: 1, layer: p.layer}.run(t, 3)
	if c := diffed(t, side(one), side(good), analyze.DiffOptions{}); c.Base.Steps != 1 {
		t.Errorf("one step: %d steps count", c.Base.Steps)
	}
	zero := *good
	zero.Steps = nil
	c := diffed(t, side(&zero), side(&zero), analyze.DiffOptions{AllowMismatch: true})
	if c.Conservation.Delta != 0 || c.Verdict != "INCONCLUSIVE" {
		t.Errorf("no steps: %s, delta %d", c.Verdict, c.Conservation.Delta)
	}
}

// Conservation holds for any two captures, to the picosecond at every level.
func TestDiffConserves(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		make := func(label string) analyze.Side {
			s := analyze.Side{Label: label}
			for range rapid.IntRange(1, 3).Draw(rt, label+" runs") {
				s.Runs = append(s.Runs, fromText(t, randomTrace(rt, label)))
			}
			return s
		}
		base, new := make("base"), make("new")
		c, err := analyze.Diff(base, new, analyze.DiffOptions{AllowMismatch: true, Open: true})
		if err != nil {
			rt.Fatal(err)
		}
		comparable(t, c)
		// The step's delta is the exact difference of the means, rounded.
		var total, steps [2]int64
		for i, s := range []*analyze.Side{&c.Base, &c.New} {
			for _, a := range s.Runs {
				total[i] += int64(a.Layers.OpTime)
				steps[i] += int64(max(len(a.Steps), 1))
			}
		}
		num, den := total[1]*steps[0]-total[0]*steps[1], steps[0]*steps[1]
		if diff := int64(c.Conservation.Delta)*den - num; 2*diff > den || 2*diff < -den {
			rt.Errorf("delta %d is not %d/%d rounded", c.Conservation.Delta, num, den)
		}
	})
}

// randomTrace writes a capture of a few ops in random scopes.
func randomTrace(rt *rapid.T, label string) []byte {
	var b, events, execs strings.Builder
	b.WriteString("layerscope-trace 1\ndevice /device:TPU:0 tpu\nprogram jit_f 7\n")
	n := rapid.IntRange(2, 12).Draw(rt, label+" ops")
	for i := range n {
		scope := ""
		if k := rapid.IntRange(-1, 3).Draw(rt, "layer"); k >= 0 {
			scope = fmt.Sprintf("jit(f)/layer_%d/%s/dot", k, rapid.SampledFrom([]string{"mlp", "attention", "norm"}).Draw(rt, "component"))
		}
		fmt.Fprintf(&b, "op f%d program=0 category=%s scope=%q\n", i, rapid.SampledFrom([]string{"fusion", "copy"}).Draw(rt, "category"), scope)
	}
	at := 0
	for s := range rapid.IntRange(1, 4).Draw(rt, "steps") {
		start := at
		for range rapid.IntRange(1, 15).Draw(rt, "events") {
			d := rapid.IntRange(1, 1_000_000).Draw(rt, "ps")
			fmt.Fprintf(&events, "  %d %d f%d\n", at, d, rapid.IntRange(0, n-1).Draw(rt, "op"))
			at += d
		}
		fmt.Fprintf(&execs, "exec 0 0 %d %d %d\n", s, start, at-start)
	}
	return []byte(b.String() + execs.String() + "track ops device=0 name=\"XLA Ops\"\n" + events.String())
}
