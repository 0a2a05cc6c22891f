// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/internal/term/termtext"
)

// sideOf makes repeated captures of a model; wobble parts in a thousand of every
// layer's time tell the runs apart.
func sideOf(label string, m model, runs int) analyze.Side {
	s := analyze.Side{Label: label}
	for r := range runs {
		a := m.analysis()
		a.Inputs[0].Path = fmt.Sprintf("runs/%s/%d.xplane.pb", label, r)
		a.Inputs[0].SHA256 = fmt.Sprintf("%s%063d", map[bool]string{true: "a", false: "b"}[label == "base"], r)
		for l := range a.Layers.Rows {
			row := &a.Layers.Rows[l]
			row.PerStep = make([]analyze.Duration, len(a.Steps))
			for i := range a.Steps {
				row.PerStep[i] = row.Self/analyze.Duration(len(a.Steps)) + analyze.Duration((7*r+3*l)%5-2)*microsecond/10
			}
		}
		for i := range a.Steps {
			a.Steps[i].OpTime = 0
			for l := range a.Layers.Rows {
				a.Steps[i].OpTime += a.Layers.Rows[l].PerStep[i]
			}
			a.Steps[i].Dur = a.Steps[i].OpTime + 50*microsecond
		}
		s.Runs = append(s.Runs, a)
	}
	return s
}

func compared(t *testing.T, base, new analyze.Side, rules ...string) *analyze.Comparison {
	t.Helper()
	c, err := analyze.Diff(base, new, analyze.DiffOptions{Seed: 1, AllowMismatch: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range rules {
		gate, err := analyze.ParseGate(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Judge(gate); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

type diffCase struct {
	name string
	c    *analyze.Comparison
	opts Options
}

func diffCases(t *testing.T) []diffCase {
	base := sideOf("base", model{layers: 28, steps: 10}, 3)
	slow := sideOf("new", model{layers: 28, steps: 10, slow: map[int]float64{3: 1.5}}, 3)
	slow.Commit = "0123456789abcdef"
	few := model{layers: 4, steps: 6}
	return []diffCase{
		{"diff_regression_folds", compared(t, base, slow, "layer>+3%", "step>+10%", "compiles>0"), Options{Version: "v0.1.0"}},
		{"diff_equal", compared(t, sideOf("base", few, 3), sideOf("new", few, 3)), Options{}},
		{"diff_one_run", compared(t, sideOf("base", few, 1), sideOf("new", model{layers: 4, steps: 6, slow: map[int]float64{1: 2}}, 1)), Options{}},
		{"diff_layers_added", compared(t, sideOf("base", few, 2), sideOf("new", model{layers: 5, steps: 6, unnamed: microsecond}, 2)), Options{}},
	}
}

func TestDiffGoldens(t *testing.T) {
	for _, c := range diffCases(t) {
		t.Run(c.name, func(t *testing.T) {
			r := Diff(c.opts, c.c)
			var text, md bytes.Buffer
			if err := errors.Join(r.Text(&text, Style{}), r.Markdown(&md)); err != nil {
				t.Fatal(err)
			}
			ar := txtar.Archive{Files: []txtar.File{{Name: "diff.txt", Data: text.Bytes()}, {Name: "diff.md", Data: md.Bytes()}}}
			golden(t, filepath.Join("testdata", "golden", c.name+".txtar"), txtar.Format(&ar))
		})
	}
}

func TestDiffJSONFollowsItsSchema(t *testing.T) {
	schema := strict(t, "diff.v1.json")
	for _, c := range diffCases(t) {
		var b bytes.Buffer
		if err := Diff(c.opts, c.c).JSON(&b); err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(doc); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestNoiseJSONFollowsItsSchema(t *testing.T) {
	n, err := analyze.Calibrate(sideOf("base", model{layers: 4, steps: 6}, 3))
	if err != nil {
		t.Fatal(err)
	}
	var b, text bytes.Buffer
	r := Noise(n, Options{})
	if err := errors.Join(r.JSON(&b), r.Text(&text, Style{})); err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(&b)
	if err != nil {
		t.Fatal(err)
	}
	if err := strict(t, "noise.v1.json").Validate(doc); err != nil {
		t.Error(err)
	}
	if !strings.Contains(text.String(), "3 captures say little about their spread") {
		t.Errorf("few captures aren't called few:\n%s", text.String())
	}
}

// The numbers of the JSON form add up as the schema promises.
func TestDiffJSONConserves(t *testing.T) {
	for _, c := range diffCases(t) {
		var b bytes.Buffer
		if err := Diff(c.opts, c.c).JSON(&b); err != nil {
			t.Fatal(err)
		}
		var doc jsonDiff
		if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
			t.Fatal(err)
		}
		k := doc.Conservation
		if k.DeltaPS != k.MatchedPS+k.AddedPS-k.RemovedPS+k.UnattributedPS {
			t.Errorf("%s: %+v does not add up", c.name, k)
		}
		var layers int64
		for _, r := range doc.Rows {
			if r.Level == "layer" && r.Metric == "op_time" {
				layers += *r.DeltaPS
			}
			if r.Metric == "op_time" && *r.NewPS-*r.BasePS != *r.DeltaPS {
				t.Errorf("%s: %s: %d − %d ≠ %d", c.name, r.Key, *r.NewPS, *r.BasePS, *r.DeltaPS)
			}
		}
		if layers != k.DeltaPS {
			t.Errorf("%s: layers sum to %d, delta is %d", c.name, layers, k.DeltaPS)
		}
	}
}

// No byte of a hostile name acts on a terminal, a page or a spreadsheet.
func TestDiffHostileNames(t *testing.T) {
	a, b := hostileAnalysis(), hostileAnalysis()
	for i := range b.Ops {
		b.Ops[i].Long, b.Ops[i].Category = "```"+hostile, "other"+hostile
	}
	c, err := analyze.Diff(analyze.Side{Label: hostile, Runs: []*analyze.Analysis{a}}, analyze.Side{Label: "=" + hostile, Commit: hostile, Runs: []*analyze.Analysis{b}}, analyze.DiffOptions{AllowMismatch: true, Open: true})
	if err != nil {
		t.Fatal(err)
	}
	r := Diff(Options{All: true}, c)
	var text, md, csv bytes.Buffer
	if err := errors.Join(r.Text(&text, Style{}), r.Markdown(&md), CSV(&csv, r)); err != nil {
		t.Fatal(err)
	}
	for name, out := range map[string]string{"text": text.String(), "markdown": md.String(), "csv": csv.String()} {
		for _, r := range out {
			if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
				t.Errorf("%s holds %U", name, r)
				break
			}
		}
	}
	for line := range strings.Lines(md.String()) {
		if plain := codeSpans(line); strings.Contains(plain, "<b>") || strings.Contains(plain, "@x") {
			t.Errorf("markdown acts on a name: %s", line)
		}
	}
	if strings.Contains(csv.String(), ",=") || strings.Contains(csv.String(), "\n=") {
		t.Errorf("csv holds a formula:\n%s", csv.String())
	}
	if strings.Contains(text.String()+md.String()+csv.String(), "somebody") {
		t.Error("the name of a home directory is printed")
	}
}

func TestDiffTrend(t *testing.T) {
	base := sideOf("base", model{layers: 4, steps: 6}, 3)
	slow := sideOf("slow", model{layers: 4, steps: 6, slow: map[int]float64{2: 2}}, 3)
	r := Diff(Options{}, compared(t, base, sideOf("same", model{layers: 4, steps: 6}, 3)), compared(t, base, slow))
	var b bytes.Buffer
	if err := r.Text(&b, Style{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Trend from base", "same: EQUIVALENT", "slow: REGRESSION: layer_2 "} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("want %q in:\n%s", want, b.String())
		}
	}
}

func TestDiffFitsTheTerminal(t *testing.T) {
	c := diffCases(t)[0].c
	for _, width := range []int{120, 160} {
		var b bytes.Buffer
		if err := Diff(Options{}, c).Text(&b, Style{Width: width}); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if w := termtext.Width(strings.TrimRight(line, "\n")); w > width {
				t.Errorf("width %d: %d cells: %s", width, w, line)
			}
		}
	}
}

func TestDiffColourOnlyAdds(t *testing.T) {
	c := diffCases(t)[0].c
	var plain, coloured bytes.Buffer
	if err := errors.Join(Diff(Options{}, c).Text(&plain, Style{}), Diff(Options{}, c).Text(&coloured, Style{Color: true})); err != nil {
		t.Fatal(err)
	}
	if plain.String() == coloured.String() {
		t.Error("no colour at all")
	}
	stripped := coloured.String()
	for _, sgr := range []string{"\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m"} {
		stripped = strings.ReplaceAll(stripped, sgr, "")
	}
	if d := cmp.Diff(plain.String(), stripped); d != "" {
		t.Errorf("without its colours the text differs:\n%s", d)
	}
}
