// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports/internal/quantity"
	"github.com/layerscope/layerscope/reports/internal/texttab"
)

const noiseSchema = "layerscope.noise/v1"

// Noise returns the report of a calibration. Its JSON is what is kept beside the
// captures. It has no CSV form.
func Noise(n *analyze.Noise, opts Options) *Report {
	r := newReport(&analyze.Analysis{Inputs: n.Inputs}, opts)
	r.blocks = func(r *Report) []block { return []block{noiseBlock(n, r.title())} }
	r.document = func() any {
		return jsonNoise{
			Schema: noiseSchema, Tool: r.jsonTool(), Inputs: list(n.Inputs, newJSONInput), Runs: n.Runs, Step: n.Step, Common: n.Common,
			Rows: list(n.Rows, func(r *analyze.NoiseRow) jsonNoiseRow {
				return jsonNoiseRow{r.Key, r.Index, r.SD, r.Floor, int64(r.Value)}
			}),
		}
	}
	return r
}

func noiseBlock(n *analyze.Noise, title string) block {
	t := &tab{columns: []texttab.Column{
		{Header: "layer", Code: true, Elide: true}, {Header: "median step", Unit: quantity.Time},
		{Header: "varies by", Unit: quantity.Share}, {Header: "floor", Unit: quantity.Share},
	}}
	for i := range n.Rows {
		r := &n.Rows[i]
		t.add(texttab.Text(r.Key), ps(r.Value), texttab.Real(r.SD), texttab.Real(r.Floor))
	}
	b := block{title: "Noise of " + title, head: true, table: t.table()}
	b.para = []string{fmt.Sprintf("Between %s of one commit the step varies by %s (standard deviation) and all layers together by %s; layers, without what they share, as below. "+
		"The floor is what %d against %d captures of the same code differ by in 1 of 20 comparisons.", plural(n.Runs, "capture"), percent(n.Step), percent(n.Common), n.Runs, n.Runs)}
	if n.Runs < 5 {
		b.after = []string{fmt.Sprintf("%s say little about their spread: five or more make a floor to rely on.", plural(n.Runs, "capture"))}
	}
	return b
}

type jsonNoise struct {
	Schema string         `json:"schema"`
	Tool   jsonTool       `json:"tool"`
	Inputs []jsonInput    `json:"inputs"`
	Runs   int            `json:"runs"`
	Step   float64        `json:"step_sd"`
	Common float64        `json:"common_sd"`
	Rows   []jsonNoiseRow `json:"rows"`
}

type jsonNoiseRow struct {
	Key     string  `json:"key"`
	Index   int     `json:"index"`
	SD      float64 `json:"sd"`
	Floor   float64 `json:"floor"`
	ValuePS int64   `json:"value_ps"`
}
