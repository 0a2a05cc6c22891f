// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"cmp"
	"path/filepath"
	"slices"

	"github.com/layerscope/layerscope/analyze"
)

// summarySchema names what summary.json is. Additive within v1.
const summarySchema = "layerscope.summary/v1"

// A jsonSummary is summary.json. Its first seven keys are those that published
// runs have, in their units; what isn't known is null. Times are self times, and
// idle is of devices: inclusive times would count the ops in a loop twice, and an
// idle host is no idle device.
type jsonSummary struct {
	DeviceIdleUS      *float64 `json:"device_idle_us"`
	DeviceNonIdleUS   *float64 `json:"device_non_idle_us"`
	DeviceTotalUS     *float64 `json:"device_total_us"`
	HostTraceWindowMS *float64 `json:"host_trace_window_ms"`
	ScoreRequests     *int     `json:"score_requests"`
	StartProfileCalls *int     `json:"start_profile_calls"`
	StopProfileCalls  *int     `json:"stop_profile_calls"`

	Schema     string           `json:"schema"`
	Tool       jsonTool         `json:"tool"`
	Title      string           `json:"title"`
	Captures   []summaryCapture `json:"captures"`
	Lossy      string           `json:"lossy"`
	OpTimeUS   float64          `json:"op_time_us"`
	Devices    int              `json:"devices"`
	Steps      summarySteps     `json:"steps"`
	Layers     summaryLayers    `json:"layers"`
	Components []summaryPart    `json:"components"`
	OpTypes    []summaryPart    `json:"op_types"`
	Programs   []summaryPart    `json:"programs"`
	TopOps     []summaryOp      `json:"top_ops"`
	HostTop    []summaryPart    `json:"host_top"`
	Compiles   summaryCompiles  `json:"compiles"`
	Findings   []jsonFinding    `json:"findings"`
	Cost       *summaryCost     `json:"cost"`
}

type summaryCapture struct {
	Title  string      `json:"title"`
	Path   string      `json:"path"`
	Main   bool        `json:"main"` // what the figures are of
	Inputs []jsonInput `json:"inputs"`
}

type summarySteps struct {
	Count      int             `json:"count"`
	Source     string          `json:"source"`
	DurationUS *summarySamples `json:"duration_us"`
	OpTimeUS   *summarySamples `json:"op_time_us"`
}

type summarySamples struct {
	N      int      `json:"n"`
	Median float64  `json:"median"`
	Lo     *float64 `json:"lo"`
	Hi     *float64 `json:"hi"`
}

type summaryLayers struct {
	Count          int           `json:"count"`
	Method         string        `json:"method"`
	Confidence     float64       `json:"confidence"`
	UnattributedUS float64       `json:"unattributed_us"`
	Rows           []summaryPart `json:"rows"`
}

// A summaryPart has a share of op time; of host_top, of all host spans.
type summaryPart struct {
	Name        string  `json:"name"`
	SelfUS      float64 `json:"self_us"`
	Share       float64 `json:"share"`
	Occurrences *int64  `json:"occurrences,omitempty"`
}

type summaryOp struct {
	Name        string  `json:"name"`
	Type        string  `json:"type"`
	Scope       string  `json:"scope"`
	Layer       string  `json:"layer"`
	Component   string  `json:"component"`
	Program     string  `json:"program"`
	Source      string  `json:"source"`
	Ops         int     `json:"ops"` // of equal work, in several layers
	Occurrences int64   `json:"occurrences"`
	SelfUS      float64 `json:"self_us"`
	TotalUS     float64 `json:"total_us"`
	Share       float64 `json:"share"`
	BoundBy     string  `json:"bound_by"`
}

type summaryCompiles struct {
	Count   int     `json:"count"`
	TotalUS float64 `json:"total_us"`
}

type summaryCost struct {
	Amount   float64 `json:"amount"`
	Unit     string  `json:"unit"`
	PerHour  float64 `json:"per_hour"`
	AsOf     string  `json:"as_of"`
	WindowUS float64 `json:"window_us"`
}

// micros is a duration in µs. A picosecond is 10⁻⁶ of one, so that doubles hold
// what is below two hours to the picosecond.
func micros(d analyze.Duration) float64 { return float64(d) / 1e6 }

const summaryOps = 20

func (r *runReport) summary() *jsonSummary {
	c := &r.Captures[r.main]
	rep := r.reports[r.main]
	a := c.Analysis
	out := &jsonSummary{
		Schema: summarySchema, Tool: rep.jsonTool(), Title: r.Title, Lossy: a.Lossy,
		OpTimeUS: micros(rep.opTime), Devices: len(a.Devices),
		Steps:      summarySteps{a.Capture.StepCount, a.Capture.StepSource, newSummarySamples(&a.StepDur), newSummarySamples(&a.StepOpTime)},
		Layers:     rep.summaryLayers(),
		Components: list(a.Components, func(c *analyze.Component) summaryPart { return rep.part(c.Name, c.Self, nil) }),
		OpTypes:    list(a.Categories, func(c *analyze.Category) summaryPart { return rep.part(c.Name, c.Self, &c.Occurrences) }),
		Programs:   list(a.Programs, func(p *analyze.Program) summaryPart { return rep.part(p.Name, p.OpTime, nil) }),
		TopOps:     rep.summaryOps(),
		HostTop:    []summaryPart{},
		Findings:   list(rep.findings(), newJSONFinding),
	}
	for _, parts := range [][]summaryPart{out.Components, out.OpTypes, out.Programs} {
		slices.SortStableFunc(parts, func(a, b summaryPart) int { return cmp.Compare(b.SelfUS, a.SelfUS) })
	}
	if len(a.Devices) > 0 {
		busy, idle, window := rep.times()
		out.DeviceIdleUS, out.DeviceNonIdleUS, out.DeviceTotalUS = pointer(micros(idle)), pointer(micros(busy)), pointer(micros(window))
	}
	if r.host >= 0 {
		if w := r.Captures[r.host].HostWindow; w > 0 {
			out.HostTraceWindowMS = pointer(micros(w) / 1e3)
		}
		out.HostTop = r.reports[r.host].summaryHost()
	}
	out.ScoreRequests, out.StartProfileCalls, out.StopProfileCalls = r.count("score_requests"), r.count("start_profile_calls"), r.count("stop_profile_calls")
	for i := range a.Compiles {
		out.Compiles.Count++
		out.Compiles.TotalUS += micros(a.Compiles[i].Dur)
	}
	for i := range r.Captures {
		c := &r.Captures[i]
		out.Captures = append(out.Captures, summaryCapture{r.reports[i].title(), c.Path, i == r.main, r.summaryInputs(i)})
	}
	if r.PricePerHour > 0 {
		amount, window := r.costs()
		out.Cost = &summaryCost{amount, r.PriceUnit, r.PricePerHour, r.PriceDate, micros(window)}
	}
	return out
}

// summaryInputs are the files of a capture by name: where they were taken from is
// nobody's business.
func (r *runReport) summaryInputs(i int) []jsonInput {
	return list(r.Captures[i].Analysis.Inputs, func(in *analyze.Input) jsonInput {
		out := newJSONInput(in)
		out.Path = filepath.Base(in.Path)
		out.Format = or(out.Format, r.Captures[i].Analysis.Format)
		return out
	})
}

func pointer[T any](v T) *T { return &v }

func (r *runReport) count(key string) *int {
	if n, ok := r.Counts[key]; ok {
		return &n
	}
	return nil
}

func (r *Report) part(name string, self analyze.Duration, n *int64) summaryPart {
	return summaryPart{name, micros(self), share(self, r.opTime), n}
}

func newSummarySamples(s *analyze.Samples) *summarySamples {
	if s.N == 0 {
		return nil
	}
	out := &summarySamples{N: s.N, Median: micros(s.Median)}
	if hasInterval(s) {
		out.Lo, out.Hi = pointer(micros(s.Lo)), pointer(micros(s.Hi))
	}
	return out
}

func (r *Report) summaryLayers() summaryLayers {
	l := &r.a.Layers
	return summaryLayers{l.Count, l.Method, l.Confidence, micros(l.Unattributed), list(l.Rows, func(l *analyze.Layer) summaryPart { return r.part(l.Key, l.Self, &l.Occurrences) })}
}

func (r *Report) summaryOps() []summaryOp {
	groups := firstN(foldOps(r.a, false), summaryOps)
	return list(groups, func(g *opGroup) summaryOp {
		o := &g.op
		return summaryOp{
			Name: o.Name, Type: o.Category, Scope: o.Scope, Layer: g.layer, Component: o.Component, Program: o.Program, Source: homeless(o.Source),
			Ops: g.n, Occurrences: o.Occurrences, SelfUS: micros(o.Self), TotalUS: micros(o.Total), Share: share(o.Self, r.opTime), BoundBy: o.BoundBy,
		}
	})
}

func (r *Report) summaryHost() []summaryPart {
	rows := slices.Clone(r.a.Host)
	slices.SortStableFunc(rows, func(a, b analyze.HostRow) int { return cmp.Compare(b.Self, a.Self) })
	var all analyze.Duration
	for i := range rows {
		all += rows[i].Self
	}
	return list(firstN(rows, summaryOps), func(h *analyze.HostRow) summaryPart {
		return summaryPart{homeless(h.Name), micros(h.Self), share(h.Self, all), &h.Occurrences}
	})
}
