// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports/internal/quantity"
	"github.com/layerscope/layerscope/reports/internal/texttab"
)

const memoryDiffSchema = "layerscope.memory-diff/v1"

// MemoryDiff returns the report of two sides' memory: what all live buffers came
// to, then what changed by kind, device and site, and the peaks. inputs are the
// files of both. Of the options Title, Top, All and Version apply.
func MemoryDiff(c *analyze.MemoryComparison, inputs []analyze.Input, opts Options) *Report {
	if opts.Title == "" {
		opts.Title = homeless(c.Base) + " → " + homeless(c.New)
	}
	r := newReport(&analyze.Analysis{Inputs: inputs, Findings: c.Findings}, opts)
	m := memoryDiff{c: c, opts: opts}
	r.blocks = func(r *Report) []block {
		out := []block{{title: opts.Title, head: true, para: m.headline()}}
		return append(append(out, m.tables()...), r.findingBlock(), r.provenance())
	}
	r.document = func() any {
		return jsonMemoryDiffDoc{memoryDiffSchema, r.jsonTool(), opts.Title, list(inputs, newJSONInput), list(r.findings(), newJSONFinding), *m.json()}
	}
	r.records = m.csv
	r.page = func(r *Report) page {
		pg := page{kind: "comparison of memory", lead: verdictBadge(c.Verdict)}
		for _, b := range r.blocks(r) {
			pg.parts = append(pg.parts, pagePart{block: b})
		}
		return pg
	}
	return r
}

type memoryDiff struct {
	c    *analyze.MemoryComparison
	opts Options
}

// headline is the verdict in a line, with the numbers to the byte.
func (m *memoryDiff) headline() []string {
	states := fmt.Sprintf("%s of %s against %d of %s.", plural(m.c.BaseRuns, "state"), homeless(m.c.Base), m.c.NewRuns, homeless(m.c.New))
	if len(m.c.Rows) == 0 {
		return []string{m.c.Verdict + ": neither side says anything about memory.", states}
	}
	r := &m.c.Rows[0]
	line := fmt.Sprintf("%s: %s %s → %s, %s", m.c.Verdict, r.Key, exactBytes(r.Base), exactBytes(r.New), signedBytes(r.Delta))
	if r.Base != 0 {
		line += fmt.Sprintf(" (%s)", pct(float64(r.Delta)/float64(r.Base)))
	}
	if !r.Exact && r.Lo != r.Hi {
		line += fmt.Sprintf(", between %s and %s", signedBytes(r.Lo), signedBytes(r.Hi))
	}
	return []string{line + ".", states}
}

// tables are the rows by group; rows that didn't change are counted.
func (m *memoryDiff) tables() []block {
	var out []block
	for _, group := range []struct {
		title  string
		levels map[string]bool
	}{
		{"Live memory", map[string]bool{"live": true, "kind": true, "device": true}},
		{"Live memory by site", map[string]bool{"site": true}},
		{"Peaks and plans", map[string]bool{"peak": true, "plan": true}},
	} {
		t := tab{columns: []texttab.Column{
			{Header: "part", Code: true, Elide: true}, {Header: "kind"}, {Header: "device", Elide: true},
			{Header: "base", Unit: quantity.Bytes, Scale: "b"}, {Header: "new", Unit: quantity.Bytes, Scale: "b"}, {Header: "change, exact"},
			{Header: "change", Unit: quantity.Change}, {Header: "buffers", Unit: quantity.Count}, {Header: "new", Unit: quantity.Count}, {Header: "verdict"},
		}}
		same, left := 0, 0
		for i := range m.c.Rows {
			r := &m.c.Rows[i]
			switch top := m.opts.textTop(); {
			case !group.levels[r.Level]:
				continue
			case r.Level == "site" && r.Delta == 0 && r.BaseCount == r.NewCount && !m.opts.All:
				same++
				continue
			case r.Level == "site" && top >= 0 && len(t.rows) >= top && !m.opts.All:
				left++
				continue
			}
			m.row(&t, r)
		}
		b := block{title: group.title}
		if same > 0 {
			b.after = append(b.after, plural(same, "site")+" did not change.")
		}
		if left > 0 {
			b.after = append(b.after, plural(left, "more site")+" with --top 0.")
		}
		if len(t.rows) > 0 {
			b.table = t.table()
		}
		if len(t.rows) > 0 || same > 0 {
			out = append(out, b)
		}
	}
	return out
}

func (m *memoryDiff) row(t *tab, r *analyze.MemoryDiffRow) {
	change := signedBytes(r.Delta)
	if !r.Exact && r.Lo != r.Hi {
		change += fmt.Sprintf(" (%s … %s)", signedBytes(r.Lo), signedBytes(r.Hi))
	}
	verdict := r.Verdict
	switch verdict {
	case "EQUIVALENT":
		verdict = "="
	case "INCONCLUSIVE":
		verdict = "~"
	}
	buffers := [2]texttab.Cell{}
	if r.Level != "peak" && r.Level != "plan" {
		buffers = [2]texttab.Cell{texttab.Int(r.BaseCount), texttab.Int(r.NewCount)}
	}
	t.add(texttab.Text(r.Key), texttab.Text(r.Kind), texttab.Text(r.Device), texttab.Int(r.Base), texttab.Int(r.New), texttab.Text(change),
		changeCell(float64(r.Base), float64(r.New)), buffers[0], buffers[1], texttab.Text(verdict))
}

type (
	jsonMemoryDiffDoc struct {
		Schema   string        `json:"schema"`
		Tool     jsonTool      `json:"tool"`
		Title    string        `json:"title,omitempty"`
		Inputs   []jsonInput   `json:"inputs"`
		Findings []jsonFinding `json:"findings"`
		jsonMemoryDiff
	}
	jsonMemoryDiff struct {
		Base     string              `json:"base"`
		New      string              `json:"new"`
		BaseRuns int                 `json:"base_runs"`
		NewRuns  int                 `json:"new_runs"`
		Verdict  string              `json:"verdict"`
		Rows     []jsonMemoryDiffRow `json:"rows"`
	}
	jsonMemoryDiffRow struct {
		Level      string  `json:"level"`
		Key        string  `json:"key"`
		Kind       string  `json:"kind"`
		Device     string  `json:"device"`
		BaseBytes  int64   `json:"base_bytes"`
		NewBytes   int64   `json:"new_bytes"`
		DeltaBytes int64   `json:"delta_bytes"`
		BaseCount  int64   `json:"base_count"`
		NewCount   int64   `json:"new_count"`
		Exact      bool    `json:"exact"`
		LoBytes    int64   `json:"lo_bytes"`
		HiBytes    int64   `json:"hi_bytes"`
		Verdict    string  `json:"verdict"`
		BaseValues []int64 `json:"base_values"`
		NewValues  []int64 `json:"new_values"`
	}
)

func (m *memoryDiff) json() *jsonMemoryDiff {
	c := m.c
	return &jsonMemoryDiff{c.Base, c.New, c.BaseRuns, c.NewRuns, c.Verdict, list(firstN(c.Rows, m.opts.jsonTop()), func(r *analyze.MemoryDiffRow) jsonMemoryDiffRow {
		return jsonMemoryDiffRow{r.Level, r.Key, r.Kind, r.Device, r.Base, r.New, r.Delta, r.BaseCount, r.NewCount, r.Exact, r.Lo, r.Hi, r.Verdict,
			append([]int64{}, r.BaseValues...), append([]int64{}, r.NewValues...)}
	})}
}

var memoryDiffColumns = []string{
	"input", "level", "key", "kind", "device", "base_bytes", "new_bytes", "delta_bytes", "base_count", "new_count", "exact", "lo_bytes", "hi_bytes", "verdict",
}

func (m *memoryDiff) csv(c *csvWriter) {
	for _, r := range firstN(m.c.Rows, m.opts.jsonTop()) {
		c.write(memoryDiffColumns, map[string]string{
			"level": r.Level, "key": csvText(r.Key), "kind": csvText(r.Kind), "device": csvText(r.Device),
			"base_bytes": integer(r.Base), "new_bytes": integer(r.New), "delta_bytes": integer(r.Delta), "base_count": integer(r.BaseCount), "new_count": integer(r.NewCount),
			"exact": fmt.Sprint(r.Exact), "lo_bytes": integer(r.Lo), "hi_bytes": integer(r.Hi), "verdict": r.Verdict,
		})
	}
}
