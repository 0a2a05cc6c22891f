// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/internal/tracetest"
	"github.com/layerscope/layerscope/reports/internal/quantity"
	"github.com/layerscope/layerscope/reports/internal/svg"
	"github.com/layerscope/layerscope/trace"
)

// TestReadmePicture keeps the README's chart what the committed capture says:
// self time a step of each layer, by component. -update draws it again.
func TestReadmePicture(t *testing.T) {
	root := tracetest.Root(t)
	tr, err := trace.Open(filepath.Join(root, "testdata", "captures", "slow_a.xplane.pb.gz"), trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	a, err := analyze.Analyze(tr, analyze.Options{})
	if err != nil {
		t.Fatal(err)
	}
	chart := svg.Stacked{
		Frame:  svg.Frame{Title: "Where a step's time goes", Desc: "Self time a step of each layer by component; layer 3's MLP is three times as wide as its peers'."},
		Unit:   quantity.Time,
		Axis:   "self time a step, mean of 12 steps",
		Series: []string{"attention", "mlp", "norm"},
	}
	for _, r := range a.Layers.Rows {
		if r.Index < 0 {
			continue
		}
		row := svg.StackedRow{Label: r.Key, Values: make([]float64, len(chart.Series))}
		for _, c := range r.Components {
			for i, name := range chart.Series {
				if c.Name == name {
					row.Values[i] = float64(c.Self) / float64(len(a.Steps))
				}
			}
		}
		chart.Rows = append(chart.Rows, row)
	}
	got := chart.SVG()
	path := filepath.Join(root, "docs", "img", "layers.svg")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s differs from what the capture gives; run go test ./reports -run Picture -update", path)
	}
}
