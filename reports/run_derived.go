// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"cmp"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/analyze"
)

// derivedSchema names what the files of artifacts/derived/ are. Additive within
// v1.
const derivedSchema = "layerscope.derived/v1"

// A derivedTable is one table of artifacts/derived/: columns with the names that
// XProf gives them, so that what reads its tables reads these, and rows. Times
// are in µs, shares are of 1.
type derivedTable struct {
	Columns    []derivedColumn `json:"columns"` // first: by that, readers know such tables
	Schema     string          `json:"schema"`
	Tool       jsonTool        `json:"tool"`
	Table      string          `json:"table"`
	Side       string          `json:"side"` // device or host
	Capture    string          `json:"capture"`
	Properties map[string]any  `json:"properties"`
	Rows       [][]any         `json:"rows"`
}

type derivedColumn struct {
	ID    string `json:"id"`
	Label string `json:"label"`
	Type  string `json:"type"` // number or string
}

// A derivedTree is op_profile: what is in what, with self times.
type derivedTree struct {
	Schema  string       `json:"schema"`
	Tool    jsonTool     `json:"tool"`
	Table   string       `json:"table"`
	Side    string       `json:"side"`
	Capture string       `json:"capture"`
	Root    *derivedNode `json:"root"`
}

type derivedNode struct {
	Name        string         `json:"name"`
	SelfUS      float64        `json:"self_us"` // of the node and all below
	Share       float64        `json:"share"`   // of the root
	Occurrences int64          `json:"occurrences"`
	Children    []*derivedNode `json:"children,omitempty"`

	self analyze.Duration
}

// derived are the tables of capture i by file name: of the device where one ran
// ops, of the host where it has spans.
func (r *runReport) derived(i int) map[string]any {
	rep := r.reports[i]
	out := make(map[string]any)
	if !rep.empty() {
		out["device/overview_page_device.json"] = rep.deviceOverview()
		out["device/op_profile_device.json"] = rep.deviceProfile()
		out["device/framework_op_stats_device.json"] = rep.deviceOps()
	}
	if len(rep.a.Host) > 0 {
		out["host/overview_page.json"] = rep.hostOverview(r.Captures[i].HostWindow)
		out["host/op_profile.json"] = rep.hostProfile()
		out["host/framework_op_stats.json"] = rep.hostOps()
	}
	return out
}

func (r *Report) newTable(table, side string, columns ...derivedColumn) *derivedTable {
	return &derivedTable{Schema: derivedSchema, Tool: r.jsonTool(), Table: table, Side: side, Capture: r.title(), Properties: map[string]any{}, Columns: columns, Rows: [][]any{}}
}

func numberColumn(id, label string) derivedColumn { return derivedColumn{id, label, "number"} }
func textColumn(id, label string) derivedColumn   { return derivedColumn{id, label, "string"} }

var opColumns = []derivedColumn{
	numberColumn("rank", "Rank"),
	textColumn("host_or_device", "Host/device"),
	textColumn("type", "Operation type"),
	textColumn("operation", "Operation name"),
	numberColumn("occurrences", "Occurrences, all of them"),
	numberColumn("total_time", "Total time (us)"),
	numberColumn("avg_time", "Average time (us)"),
	numberColumn("total_self_time", "Total self time (us)"),
	numberColumn("avg_self_time", "Average self time (us)"),
	numberColumn("device_total_self_time_percent", "Self time, of busy and idle (1 = all)"),
	numberColumn("device_cumulative_total_self_time_percent", "Cumulative self time, of busy and idle (1 = all)"),
	numberColumn("measured_flop_rate", "FLOP rate (GFLOP/s)"),
	numberColumn("model_flop_rate", "Model FLOP rate (GFLOP/s)"),
	numberColumn("measured_memory_bw", "Memory bandwidth (GiB/s)"),
	numberColumn("operational_intensity", "Intensity (FLOP/byte)"),
	textColumn("bound_by", "Bound by"),
	textColumn("program", "Program"),
	textColumn("layer", "Layer"),
	textColumn("component", "Component"),
}

// A frameworkOp is the ops of one scope and type, all occurrences summed.
type frameworkOp struct {
	name string
	op   analyze.Op
}

// frameworkOps folds ops by what the framework calls them, most self time first.
func (r *Report) frameworkOps() []frameworkOp {
	at := make(map[[3]string]int)
	var out []frameworkOp
	for i := range r.a.Ops {
		o := &r.a.Ops[i]
		name := strings.TrimSuffix(or(o.Scope, o.Name), ":")
		key := [3]string{name, o.Category, o.Program}
		k, ok := at[key]
		if !ok {
			at[key] = len(out)
			out = append(out, frameworkOp{name, *o})
			continue
		}
		sum := &out[k].op
		sum.Occurrences += o.Occurrences
		sum.Total, sum.Self = sum.Total+o.Total, sum.Self+o.Self
		sum.FLOPs, sum.ModelFLOPs, sum.Bytes = sum.FLOPs+o.FLOPs, sum.ModelFLOPs+o.ModelFLOPs, sum.Bytes+o.Bytes
		sum.Layer, sum.Component, sum.BoundBy = same(sum.Layer, o.Layer), same(sum.Component, o.Component), same(sum.BoundBy, o.BoundBy)
	}
	slices.SortStableFunc(out, func(a, b frameworkOp) int { return cmp.Compare(b.op.Self, a.op.Self) })
	return out
}

func same(a, b string) string {
	if a != b {
		return "(several)"
	}
	return a
}

// deviceOps is framework_op_stats, with the one IDLE row there is: the device's.
func (r *Report) deviceOps() *derivedTable {
	t := r.newTable("framework_op_stats", "device", opColumns...)
	_, idle, _ := r.times()
	all := r.opTime + idle
	var sum analyze.Duration
	row := func(name string, o *analyze.Op) {
		sum += o.Self
		t.Rows = append(t.Rows, []any{
			len(t.Rows) + 1, "Device", o.Category, name, o.Occurrences, micros(o.Total), mean(o.Total, o.Occurrences), micros(o.Self), mean(o.Self, o.Occurrences),
			share(o.Self, all), share(sum, all), giga(rate(o.FLOPs, o.Total), 1e9), giga(rate(o.ModelFLOPs, o.Total), 1e9), giga(rate(o.Bytes, o.Total), 1<<30),
			giga(quotient(float64(o.FLOPs), float64(o.Bytes)), 1), o.BoundBy, o.Program, o.Layer, o.Component,
		})
	}
	if idle > 0 {
		row("IDLE", &analyze.Op{Category: "IDLE", Self: idle, Total: idle})
	}
	for _, f := range r.frameworkOps() {
		row(f.name, &f.op)
	}
	return t
}

func mean(d analyze.Duration, n int64) float64 {
	if n == 0 {
		return 0
	}
	return micros(d) / float64(n)
}

func giga(v *float64, unit float64) float64 {
	if v == nil {
		return 0
	}
	return *v / unit
}

func (r *Report) deviceOverview() *derivedTable {
	t := r.newTable("overview_page", "device", numberColumn("selfTimePercent", "Self time, of op time (1 = all)"),
		numberColumn("cumulativeTimePercent", "Cumulative (1 = all)"), textColumn("category", "Category"), textColumn("operation", "Operation"), numberColumn("flopRate", "FLOP rate (GFLOP/s)"))
	var sum analyze.Duration
	for _, f := range firstN(r.frameworkOps(), 10) {
		sum += f.op.Self
		t.Rows = append(t.Rows, []any{share(f.op.Self, r.opTime), share(sum, r.opTime), f.op.Category, f.name, giga(rate(f.op.FLOPs, f.op.Total), 1e9)})
	}
	busy, idle, window := r.times()
	var flops, bytes int64
	for i := range r.a.Ops {
		flops, bytes = flops+r.a.Ops[i].FLOPs, bytes+r.a.Ops[i].Bytes
	}
	p := t.Properties
	p["device_count"], p["device_type"], p["host_count"] = len(r.a.Devices), "", len(r.a.Capture.Hosts)
	if len(r.a.Devices) > 0 {
		p["device_type"] = or(r.a.Devices[0].Type, r.a.Devices[0].Kind)
	}
	p["window_us"], p["busy_us"], p["idle_us"], p["op_time_us"] = micros(window), micros(busy), micros(idle), micros(r.opTime)
	p["device_idle_share"], p["device_duty_share"] = share(idle, window), share(busy, window)
	p["steps"], p["step_source"] = r.a.Capture.StepCount, r.a.Capture.StepSource
	p["step_time_us"], p["step_op_time_us"] = newSummarySamples(&r.a.StepDur), newSummarySamples(&r.a.StepOpTime)
	p["flop_rate_gflops"], p["flop_rate_of_peak"], p["memory_bw_gib"], p["memory_bw_of_peak"] = nil, nil, nil, nil
	if q := rate(flops, busy); q != nil {
		p["flop_rate_gflops"] = *q / 1e9
		if r.peakFLOPs > 0 {
			p["flop_rate_of_peak"] = *q / r.peakFLOPs
		}
	}
	if q := rate(bytes, busy); q != nil {
		p["memory_bw_gib"] = *q / (1 << 30)
		if r.peakHBM > 0 {
			p["memory_bw_of_peak"] = *q / r.peakHBM
		}
	}
	return t
}

// deviceProfile is the ops by program and type.
func (r *Report) deviceProfile() *derivedTree {
	root := &derivedNode{Name: "op time"}
	for _, f := range r.frameworkOps() {
		root.add(f.op.Self, f.op.Occurrences, or(f.op.Program, "(no program)"), or(f.op.Category, "(not stated)"), f.name)
	}
	root.finish(root.self)
	return &derivedTree{derivedSchema, r.jsonTool(), "op_profile", "device", r.title(), root}
}

// add adds to a node and to those below it on a path.
func (n *derivedNode) add(self analyze.Duration, count int64, path ...string) {
	n.self += self
	n.Occurrences += count
	if len(path) == 0 {
		return
	}
	i := -1
	if len(path) > 1 { // leaves are distinct already
		i = slices.IndexFunc(n.Children, func(c *derivedNode) bool { return c.Name == path[0] })
	}
	if i < 0 {
		i = len(n.Children)
		n.Children = append(n.Children, &derivedNode{Name: path[0]})
	}
	n.Children[i].add(self, count, path[1:]...)
}

func (n *derivedNode) finish(all analyze.Duration) {
	n.SelfUS, n.Share = micros(n.self), share(n.self, all)
	slices.SortStableFunc(n.Children, func(a, b *derivedNode) int { return cmp.Compare(b.self, a.self) })
	for _, c := range n.Children {
		c.finish(all)
	}
}

func (r *Report) hostOps() *derivedTable {
	t := r.newTable("framework_op_stats", "host", opColumns[:9]...)
	for i, h := range r.a.Host {
		t.Rows = append(t.Rows, []any{i + 1, "Host", hostGroup(h.Name), homeless(h.Name), h.Occurrences, micros(h.Total), mean(h.Total, h.Occurrences), micros(h.Self), mean(h.Self, h.Occurrences)})
	}
	return t
}

func (r *Report) hostOverview(window analyze.Duration) *derivedTable {
	t := r.newTable("overview_page", "host", textColumn("operation", "Span"), numberColumn("occurrences", "Occurrences"), numberColumn("total_self_time", "Total self time (us)"), numberColumn("share", "Self time, of all spans (1 = all)"))
	for _, p := range firstN(r.summaryHost(), 10) {
		t.Rows = append(t.Rows, []any{p.Name, *p.Occurrences, p.SelfUS, p.Share})
	}
	t.Properties["hosts"] = len(r.a.Capture.Hosts)
	t.Properties["host_window_us"] = nil
	if window > 0 {
		t.Properties["host_window_us"] = micros(window)
	}
	t.Properties["compilations"] = len(r.a.Compiles)
	return t
}

// hostProfile is the spans by where their names say they are from.
func (r *Report) hostProfile() *derivedTree {
	root := &derivedNode{Name: "host spans"}
	for _, h := range r.a.Host {
		root.add(h.Self, h.Occurrences, hostGroup(h.Name), homeless(h.Name))
	}
	root.finish(root.self)
	return &derivedTree{derivedSchema, r.jsonTool(), "op_profile", "host", r.title(), root}
}

// hostGroup is the Python file of "$file.py:12 name", the C++ class of
// "Class::Method", or the runtime at large.
func hostGroup(name string) string {
	if rest, ok := strings.CutPrefix(name, "$"); ok {
		file, _, _ := strings.Cut(rest, " ")
		if i := strings.LastIndexByte(file, ':'); i > 0 {
			file = file[:i]
		}
		return "python " + homeless(file)
	}
	if class, _, ok := strings.Cut(name, "::"); ok && !strings.ContainsAny(class, " (") {
		return class
	}
	return "runtime"
}
