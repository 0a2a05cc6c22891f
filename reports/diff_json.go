// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"math"

	"github.com/layerscope/layerscope/analyze"
)

// diffSchema names what JSON writes for a comparison. Additive within v1.
const diffSchema = "layerscope.diff/v1"

// The types below are layerscope.diff/v1 field by field; docs/schema/diff.v1.json
// describes them.

type jsonDiff struct {
	Schema       string            `json:"schema"`
	Tool         jsonTool          `json:"tool"`
	Seed         uint64            `json:"seed"`
	Method       jsonDiffMethod    `json:"method"`
	Base         jsonSide          `json:"base"`
	New          jsonSide          `json:"new"`
	Parity       []jsonParity      `json:"parity"`
	Verdict      string            `json:"verdict"`
	Gate         jsonGate          `json:"gate"`
	Alignment    jsonAlignment     `json:"alignment"`
	Conservation jsonConservation  `json:"conservation"`
	Rows         []jsonDiffRow     `json:"rows"`
	Explain      []jsonExplained   `json:"explain"`
	ExplainShare float64           `json:"explain_share"`
	Memory       *jsonMemoryDiff   `json:"memory"`
	Findings     []jsonFinding     `json:"findings"`
	Changes      jsonFindingChange `json:"findings_changed"`
}

type jsonDiffMethod struct {
	Test     string  `json:"test"`
	Alpha    float64 `json:"alpha"`
	Q        float64 `json:"q"`
	Margin   float64 `json:"margin"`
	MarginPS int64   `json:"margin_ps"`
	Noise    *int    `json:"noise_runs"`
}

type jsonSide struct {
	Label          string      `json:"label"`
	Commit         string      `json:"commit"`
	Inputs         []jsonInput `json:"inputs"`
	Runs           int         `json:"runs"`
	Steps          int         `json:"steps"`
	Excluded       int         `json:"excluded"`
	Disturbed      int         `json:"disturbed"`
	DisturbedSteps int         `json:"disturbed_steps"`
}

type jsonParity struct {
	Field string `json:"field"`
	Base  string `json:"base"`
	New   string `json:"new"`
	Void  bool   `json:"void"`
}

type jsonGate struct {
	Pass  bool           `json:"pass"`
	Rules []jsonGateRule `json:"rules"`
}

type jsonGateRule struct {
	Rule    string `json:"rule"`
	Pass    bool   `json:"pass"`
	Verdict string `json:"verdict"`
	Warn    bool   `json:"warn"`
	Key     string `json:"key"`
	Detail  string `json:"detail"`
}

type jsonAlignment struct {
	LayersBase int `json:"layers_base"`
	LayersNew  int `json:"layers_new"`
	Matched    int `json:"matched"`
}

type jsonConservation struct {
	DeltaPS        int64 `json:"delta_ps"`
	MatchedPS      int64 `json:"matched_ps"`
	AddedPS        int64 `json:"added_ps"`
	RemovedPS      int64 `json:"removed_ps"`
	UnattributedPS int64 `json:"unattributed_ps"`
}

type jsonDiffRow struct {
	Key       string    `json:"key"`
	Level     string    `json:"level"`
	Parent    string    `json:"parent"`
	BaseKey   string    `json:"base_key,omitempty"`
	Index     int       `json:"index"`
	Component string    `json:"component"`
	Metric    string    `json:"metric"`
	Status    string    `json:"status"`
	BasePS    *int64    `json:"base_ps"`
	NewPS     *int64    `json:"new_ps"`
	DeltaPS   *int64    `json:"delta_ps"`
	BaseValue float64   `json:"base_value"`
	NewValue  float64   `json:"new_value"`
	Unit      string    `json:"unit"`
	Raw       float64   `json:"raw"`
	Effect    float64   `json:"effect"`
	Lo        float64   `json:"lo"`
	Hi        float64   `json:"hi"`
	Margin    float64   `json:"margin"`
	P         *float64  `json:"p"`
	Q         *float64  `json:"q"`
	NBase     int       `json:"n_base"`
	NNew      int       `json:"n_new"`
	RunsBase  int       `json:"runs_base"`
	RunsNew   int       `json:"runs_new"`
	Needed    int       `json:"needed_runs"`
	Verdict   *string   `json:"verdict"`
	Note      string    `json:"note"`
	Rank      *jsonRank `json:"rank"`
	BaseCount float64   `json:"base_executions"`
	NewCount  float64   `json:"new_executions"`
	BaseFLOPs float64   `json:"base_flops"`
	NewFLOPs  float64   `json:"new_flops"`
	BaseBytes float64   `json:"base_bytes"`
	NewBytes  float64   `json:"new_bytes"`
	HLODiff   []string  `json:"hlo_diff"`
}

type jsonRank struct {
	Of    string  `json:"of"`
	P     float64 `json:"p"`
	MinP  float64 `json:"min_p"`
	Shift float64 `json:"shift"`
	Lo    float64 `json:"lo"`
	Hi    float64 `json:"hi"`
}

type jsonExplained struct {
	Key     string `json:"key"`
	DeltaPS int64  `json:"delta_ps"`
	Reason  string `json:"reason"`
	Detail  string `json:"detail"`
}

type jsonFindingChange struct {
	Appeared []jsonFinding `json:"appeared"`
	Vanished []jsonFinding `json:"vanished"`
}

func (d *diffReport) json() jsonDiff {
	c := d.c
	o := &c.Options
	out := jsonDiff{
		Schema: diffSchema, Tool: jsonTool{"layerscope", d.opts.Version}, Seed: o.Seed,
		Method: jsonDiffMethod{Test: "moderated t test of run medians, Benjamini-Hochberg over layers", Alpha: o.Alpha, Q: o.Alpha / 2, Margin: o.MinEffect, MarginPS: int64(o.MinAbs)},
		Base:   newJSONSide(&c.Base), New: newJSONSide(&c.New),
		Parity:       list(c.Parity, func(p *analyze.Parity) jsonParity { return jsonParity{p.Field, p.Base, p.New, p.Void} }),
		Verdict:      c.Verdict,
		Gate:         d.jsonGate(),
		Alignment:    jsonAlignment{c.Layers.Base, c.Layers.New, c.Layers.Matched},
		Conservation: jsonConservation{int64(c.Conservation.Delta), int64(c.Conservation.Matched), int64(c.Conservation.Added), int64(c.Conservation.Removed), int64(c.Conservation.Unattributed)},
		Rows:         list(firstN(c.Rows, d.opts.jsonTop()), newJSONDiffRow),
		Explain: list(c.Explain, func(e *analyze.Explained) jsonExplained {
			return jsonExplained{e.Key, int64(e.Delta), e.Reason, e.Detail}
		}),
		ExplainShare: c.ExplainShare,
		Findings:     list(c.Findings, newJSONFinding),
		Changes:      jsonFindingChange{list(c.Appeared, newJSONFinding), list(c.Vanished, newJSONFinding)},
	}
	if c.Memory != nil {
		m := memoryDiff{c: c.Memory, opts: d.opts}
		out.Memory = m.json()
	}
	if o.Noise != nil {
		out.Method.Noise = &o.Noise.Runs
	}
	return out
}

func (d *diffReport) jsonGate() jsonGate {
	g := jsonGate{Pass: true, Rules: []jsonGateRule{}}
	for _, r := range d.c.Gate {
		g.Pass = g.Pass && (r.Pass || r.Warn)
		g.Rules = append(g.Rules, jsonGateRule{r.Rule, r.Pass, r.Verdict, r.Warn, r.Key, r.Detail})
	}
	return g
}

func newJSONSide(s *analyze.Side) jsonSide {
	out := jsonSide{Label: s.Label, Commit: s.Commit, Inputs: []jsonInput{}, Runs: len(s.Runs), Steps: s.Steps, Excluded: s.Excluded, DisturbedSteps: s.DisturbedSteps}
	for r, a := range s.Runs {
		out.Inputs = append(out.Inputs, list(a.Inputs, newJSONInput)...)
		if s.Disturbed[r] {
			out.Disturbed++
		}
	}
	return out
}

func newJSONDiffRow(r *analyze.DiffRow) jsonDiffRow {
	out := jsonDiffRow{
		Key: r.Key, Level: r.Level, Parent: r.Parent, BaseKey: r.BaseKey, Index: r.Index, Component: r.Component, Metric: r.Metric, Status: r.Status,
		BaseValue: r.BaseValue, NewValue: r.NewValue, Unit: r.Unit, Raw: r.Raw, Effect: r.Effect, Lo: r.Lo, Hi: r.Hi, Margin: r.Margin,
		NBase: r.NBase, NNew: r.NNew, RunsBase: r.BaseRuns, RunsNew: r.NewRuns, Needed: r.Needed, Note: r.Note,
		BaseCount: r.BaseCount, NewCount: r.NewCount, BaseFLOPs: r.BaseFLOPs, NewFLOPs: r.NewFLOPs, BaseBytes: r.BaseBytes, NewBytes: r.NewBytes,
		HLODiff: append([]string{}, r.Text...),
	}
	if r.Metric == "op_time" {
		base, new, delta := int64(r.Base), int64(r.New), int64(r.Delta)
		out.BasePS, out.NewPS, out.DeltaPS = &base, &new, &delta
	} else if r.Unit == "ps" {
		base, new := int64(math.Round(r.BaseValue)), int64(math.Round(r.NewValue))
		delta := new - base
		out.BasePS, out.NewPS, out.DeltaPS = &base, &new, &delta
	}
	if r.Tested {
		out.P, out.Q = &r.P, &r.Q
	}
	if r.Verdict != "" {
		out.Verdict = &r.Verdict
	}
	if r.Rank.Of != "" {
		out.Rank = &jsonRank{r.Rank.Of, r.Rank.P, r.Rank.MinP, r.Rank.Shift, r.Rank.Lo, r.Rank.Hi}
	}
	return out
}

// diffColumns heads the CSV form.
var diffColumns = []string{
	"comparison", "level", "key", "parent", "component", "metric", "status", "base_ps", "new_ps", "delta_ps", "base_value", "new_value", "unit",
	"raw", "effect", "lo", "hi", "p", "q", "runs_base", "runs_new", "needed_runs", "verdict", "note",
}

func (d *diffReport) csv(c *csvWriter) {
	for _, r := range firstN(d.c.Rows, d.opts.jsonTop()) {
		f := map[string]string{
			"level": r.Level, "key": csvText(r.Key), "parent": csvText(r.Parent), "component": csvText(r.Component), "metric": r.Metric, "status": r.Status,
			"base_value": real(r.BaseValue), "new_value": real(r.NewValue), "unit": r.Unit,
			"raw": real(r.Raw), "effect": real(r.Effect), "lo": real(r.Lo), "hi": real(r.Hi), "verdict": r.Verdict, "note": csvText(r.Note),
		}
		if r.Metric == "op_time" {
			f["base_ps"], f["new_ps"], f["delta_ps"] = integer(r.Base), integer(r.New), integer(r.Delta)
		}
		if r.Tested {
			f["p"], f["q"] = real(r.P), real(r.Q)
			f["runs_base"], f["runs_new"], f["needed_runs"] = integer(r.BaseRuns), integer(r.NewRuns), integer(r.Needed)
		}
		c.write(diffColumns, f)
	}
}
