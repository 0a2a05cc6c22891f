// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"encoding/json"
	"io"
	"strconv"

	"github.com/layerscope/layerscope/analyze"
)

// reportSchema names what JSON writes for a full report. Additive within v1.
const reportSchema = "layerscope.report/v1"

func (r *Report) jsonReport() jsonReport {
	a := r.a
	out := jsonReport{
		Schema:   reportSchema,
		Tool:     r.jsonTool(),
		Title:    r.opts.Title,
		Inputs:   list(a.Inputs, newJSONInput),
		Lossy:    a.Lossy,
		Findings: list(r.findings(), newJSONFinding),
		Capture:  newJSONCapture(&a.Capture),
		Programs: list(a.Programs, newJSONProgram),
		Devices:  list(a.Devices, newJSONDevice),
		Layers:   r.jsonLayers(),
		Scopes: list(firstN(a.Scopes, r.opts.jsonTop()), func(s *analyze.Scope) jsonScope {
			return jsonScope{s.Path, int64(s.Self), int64(s.Total), s.Occurrences, directions(s.Forward, s.Backward, s.Recompute)}
		}),
		Components: list(a.Components, newJSONComponent),
		Categories: list(a.Categories, func(c *analyze.Category) jsonCategory {
			return jsonCategory{c.Name, int64(c.Self), c.Occurrences}
		}),
		Ops:   list(firstN(a.Ops, r.opts.jsonTop()), newJSONOp),
		Steps: list(a.Steps, newJSONStep),
		Async: jsonAsync{
			ExposedPS: int64(a.Async.Exposed), OverlappedPS: int64(a.Async.Overlapped),
			Rows: list(a.Async.Rows, func(r *analyze.AsyncRow) jsonAsyncRow {
				return jsonAsyncRow{r.Name, int64(r.Span), int64(r.Exposed), r.Occurrences}
			}),
		},
		Host: jsonHost{Rows: list(a.Host, func(h *analyze.HostRow) jsonHostRow {
			return jsonHostRow{h.Name, int64(h.Self), int64(h.Total), h.Occurrences}
		})},
		Compile: r.jsonCompile(),
	}
	if r.filtered() {
		out.Filter = &jsonFilter{r.opts.Filter.String(), int64(a.Layers.OpTime), int64(r.opTime)}
	}
	return out
}

func (r *Report) jsonTool() jsonTool { return jsonTool{"layerscope", r.opts.Version} }

func newJSONInput(in *analyze.Input) jsonInput {
	return jsonInput{in.Path, in.SHA256, in.Bytes, in.Format, in.Version, in.CRC32C}
}

func newJSONFinding(f *analyze.Finding) jsonFinding {
	return jsonFinding{f.Code, string(f.Severity), f.Message, max(1, f.Count), f.Hint}
}

func newJSONCapture(c *analyze.Capture) jsonCapture {
	out := jsonCapture{
		WindowPS: int64(c.Window), Hosts: c.Hosts, Metadata: c.Metadata,
		Steps: jsonStepSource{c.StepSource, c.StepCount},
	}
	if c.StartUnixNano != 0 {
		start := c.StartUnixNano
		out.StartUnixNS = &start
	}
	if out.Hosts == nil {
		out.Hosts = []string{}
	}
	if out.Metadata == nil {
		out.Metadata = map[string]string{}
	}
	return out
}

func newJSONProgram(p *analyze.Program) jsonProgram {
	return jsonProgram{
		Name: p.Name, ProgramID: strconv.FormatUint(p.ID, 10), Host: p.Host,
		Executions: p.Executions, TotalPS: int64(p.Total), OpTimePS: int64(p.OpTime), HasHLO: p.HasHLO,
	}
}

func newJSONDevice(d *analyze.Device) jsonDevice {
	return jsonDevice{
		Name: d.Name, Host: d.Host, Kind: d.Kind, Type: d.Type,
		WindowPS: int64(d.Window), BusyPS: int64(d.Busy), IdlePS: int64(d.Idle),
		OpTimePS: int64(d.OpTime), WallSharePS: int64(d.WallShare), OpEvents: d.OpEvents,
		PeakFLOPsPerS: known(d.PeakFLOPs), PeakHBMBytesPerS: known(d.PeakHBM),
	}
}

func (r *Report) jsonLayers() jsonLayers {
	l := &r.a.Layers
	return jsonLayers{
		Method: l.Method, Confidence: l.Confidence, Why: l.Why, Count: l.Count,
		OpTimePS: int64(l.OpTime), UnattributedPS: int64(l.Unattributed),
		UnattributedOps: list(l.UnattributedOps, func(o *analyze.Op) jsonPlainOp {
			return jsonPlainOp{o.Name, o.Program, int64(o.Self)}
		}),
		Rows: list(l.Rows, r.jsonLayer),
		Outliers: list(l.Outliers, func(o *analyze.Outlier) jsonOutlier {
			return jsonOutlier{o.Key, o.Ratio, o.Note}
		}),
	}
}

func (r *Report) jsonLayer(l *analyze.Layer) jsonLayer {
	return jsonLayer{
		Key: l.Key, Index: l.Index, Program: l.Program,
		SelfPS: int64(l.Self), WallSharePS: int64(l.WallShare), ShareOfOpTime: share(l.Self, r.opTime),
		Occurrences: l.Occurrences, FLOPs: l.FLOPs, Bytes: l.Bytes, MixedPS: int64(l.Mixed),
		Components: list(l.Components, newJSONComponent),
		Directions: directions(l.Forward, l.Backward, l.Recompute),
		Samples:    newJSONSamples(&l.Samples), WallSamples: newJSONSamples(&l.WallSamples),
		Note: l.Note,
	}
}

func directions(forward, backward, recompute analyze.Duration) jsonDirections {
	return jsonDirections{int64(forward), int64(backward), int64(recompute)}
}

func newJSONSamples(s *analyze.Samples) jsonSamples {
	out := jsonSamples{
		N: s.N, MedianPS: int64(s.Median), MinPS: int64(s.Min), MaxPS: int64(s.Max),
		Confidence: s.Confidence, Needed: s.Need,
	}
	if hasInterval(s) {
		lo, hi := int64(s.Lo), int64(s.Hi)
		out.LoPS, out.HiPS = &lo, &hi
	}
	return out
}

func newJSONComponent(c *analyze.Component) jsonComponent {
	return jsonComponent{c.Name, int64(c.Self), c.FLOPs, c.Bytes}
}

func newJSONOp(o *analyze.Op) jsonOp {
	return jsonOp{
		Name: o.Name, Program: o.Program, Device: o.Device, Category: o.Category, Scope: o.Scope,
		Layer: o.Layer, Component: o.Component, Occurrences: o.Occurrences,
		TotalPS: int64(o.Total), SelfPS: int64(o.Self), MinPS: int64(o.Min),
		FLOPs: o.FLOPs, ModelFLOPs: o.ModelFLOPs, Bytes: o.Bytes, HBMBytes: o.HBMBytes,
		FLOPsPerS: rate(o.FLOPs, o.Total), BytesPerS: rate(o.Bytes, o.Total),
		Intensity: quotient(float64(o.FLOPs), float64(o.Bytes)),
		BoundBy:   o.BoundBy, Source: homeless(o.Source),
	}
}

func newJSONStep(s *analyze.Step) jsonStep {
	return jsonStep{
		Index: s.Index, Name: s.Name, Host: s.Host, StartPS: int64(s.Start), DurationPS: int64(s.Dur),
		BusyPS: int64(s.Busy), OpTimePS: int64(s.OpTime), Excluded: s.Excluded, Reason: s.Reason,
	}
}

func (r *Report) jsonCompile() jsonCompile {
	steps := r.a.Steps
	out := jsonCompile{Count: len(r.a.Compiles)}
	out.Rows = list(r.a.Compiles, func(c *analyze.Compile) jsonCompileRow {
		out.TotalPS += int64(c.Dur)
		row := jsonCompileRow{Module: c.Module, StartPS: int64(c.Start), DurationPS: int64(c.Dur)}
		if c.Step >= 0 && c.Step < len(steps) {
			row.StepIndex = &steps[c.Step].Index
		}
		return row
	})
	return out
}

// writeJSON writes v as one indented document with a newline at its end.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// list maps in to a list that is never null.
func list[In, Out any](in []In, f func(*In) Out) []Out {
	out := make([]Out, len(in))
	for i := range in {
		out[i] = f(&in[i])
	}
	return out
}

func known(v float64) *float64 {
	if v <= 0 {
		return nil
	}
	return &v
}

// quotient returns a ÷ b, or nil when either is missing.
func quotient(a, b float64) *float64 {
	if a <= 0 || b <= 0 {
		return nil
	}
	q := a / b
	return &q
}

const psPerSecond = 1e12

// rate returns n per second of d, or nil.
func rate(n int64, d analyze.Duration) *float64 {
	return quotient(float64(n), float64(d)/psPerSecond)
}
