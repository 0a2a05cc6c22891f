// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports/internal/quantity"
	"github.com/layerscope/layerscope/reports/internal/texttab"
)

// What to do about tables that a capture can't fill.
const (
	noDeviceOps = "No device ran an op in this capture. Capture the device too: over the JAX profiler's port, or with a server that passes device_tracer_level on."
	noHostSpans = "The capture has no host spans. Capture with host_tracer_level 2, and python_tracer_level 1 where Python is the question."
)

// runOps is the table of the largest ops.
func (r *Report) runOps(n int) block {
	b := block{title: fmt.Sprintf("Top %d device ops", n)}
	if r.empty() {
		b.para = []string{noDeviceOps}
		return b
	}
	groups := foldOps(r.a, false)
	t := tab{columns: []texttab.Column{
		{Header: "op", Code: true},
		{Header: "type"},
		{Header: "scope", Code: true},
		{Header: "count", Unit: quantity.Count},
		{Header: "self", Unit: quantity.Time, Scale: "t"},
		{Header: "self", Unit: quantity.Share, Of: "op time"},
		{Header: "with inner ops", Unit: quantity.Time, Scale: "t"},
	}}
	var listed analyze.Duration
	for _, g := range firstN(groups, n) {
		t.add(texttab.Text(g.name()), texttab.Text(g.op.Category), texttab.Text(shownScope(g.op.Scope)), texttab.Int(g.op.Occurrences),
			ps(g.op.Self), fraction(g.op.Self, r.opTime), ps(g.op.Total))
		listed += g.op.Self
	}
	rest := []texttab.Cell{texttab.Text(more(len(groups), n, "row", "rows")), {}, {}, {}, ps(r.opTime - listed), fraction(r.opTime-listed, r.opTime)}
	if r.opTime != listed {
		t.add(rest...)
	}
	t.total(texttab.Text("op time"), texttab.Cell{}, texttab.Cell{}, texttab.Cell{}, ps(r.opTime), fraction(r.opTime, r.opTime))
	b.table = t.table()
	b.after = []string{"Self time leaves out what runs inside an op, so that loops and conditionals don't count their bodies again. Ops that do the same work in several layers are one row."}
	return b
}

// runTypes is the table of op types, all of them.
func (r *Report) runTypes() block {
	b := block{title: "Op types"}
	if r.empty() {
		b.para = []string{noDeviceOps}
		return b
	}
	all := *r
	all.opts.Top = -1
	if blocks := all.categoryBlocks(); len(blocks) > 0 {
		b.table = blocks[0].table
	}
	return b
}

// runProvenance says where the largest ops come from.
func (r *Report) runProvenance(n int) block {
	b := block{title: "Kernel provenance"}
	if r.empty() {
		b.para = []string{noDeviceOps}
		return b
	}
	t := tab{columns: []texttab.Column{
		{Header: "op", Code: true},
		{Header: "program"},
		{Header: "scope", Code: true},
		{Header: "source", Code: true},
		{Header: "HLO or kernel", Code: true},
	}}
	stated := 0
	groups := firstN(foldOps(r.a, false), n)
	for i := range groups {
		o := &groups[i].op
		if o.Source != "" {
			stated++
		}
		t.add(texttab.Text(groups[i].name()), texttab.Text(o.Program), texttab.Text(shownScope(o.Scope)), texttab.Text(homeless(o.Source)), texttab.Text(elide(o.Long, 80)))
	}
	b.table = t.table()
	b.after = []string{fmt.Sprintf("%d of these %d state the line of source they come from.", stated, len(groups))}
	if stated < len(groups) {
		b.after = append(b.after, "Lines come from the HLO's metadata: an XSpace that holds its programs' HLO has them, or --hlo FILE supplies it.")
	}
	return b
}

func (r *Report) runComponents() block {
	b := block{title: "Components"}
	if r.empty() {
		b.para = []string{noDeviceOps}
		return b
	}
	if blocks := r.componentBlocks(); len(blocks) > 0 {
		b.table = blocks[0].table
	}
	b.after = []string{"Components go by scope, not by words in op names."}
	return b
}

// runIdle is busy against idle, by device.
func (r *Report) runIdle() block {
	b := block{title: "Idle and busy"}
	if r.empty() && len(r.a.Devices) == 0 {
		b.para = []string{noDeviceOps}
		return b
	}
	t := tab{columns: []texttab.Column{
		{Header: "device", Code: true},
		{Header: "window", Unit: quantity.Time, Scale: "t"},
		{Header: "busy", Unit: quantity.Time, Scale: "t"},
		{Header: "busy", Unit: quantity.Share, Of: "window"},
		{Header: "idle", Unit: quantity.Time, Scale: "t"},
		{Header: "idle", Unit: quantity.Share, Of: "window"},
	}}
	busy, idle, window := r.times()
	for i := range r.a.Devices {
		d := &r.a.Devices[i]
		t.add(texttab.Text(d.Name), ps(d.Window), ps(d.Busy), fraction(d.Busy, d.Window), ps(d.Idle), fraction(d.Idle, d.Window))
	}
	if len(r.a.Devices) > 1 {
		t.total(texttab.Text("all devices"), ps(window), ps(busy), fraction(busy, window), ps(idle), fraction(idle, window))
	}
	b.table = t.table()
	b.after = []string{"Busy is when at least one op ran on the device; idle of the host is no part of it."}
	return b
}

// times are sums over devices.
func (r *Report) times() (busy, idle, window analyze.Duration) {
	for i := range r.a.Devices {
		d := &r.a.Devices[i]
		busy, idle, window = busy+d.Busy, idle+d.Idle, window+d.Window
	}
	return busy, idle, window
}

// runHost is the table of host spans with most self time.
func (r *Report) runHost(n int, window analyze.Duration) block {
	b := block{title: "Host"}
	if len(r.a.Host) == 0 {
		b.para = []string{noHostSpans}
		return b
	}
	rows := slices.Clone(r.a.Host)
	slices.SortStableFunc(rows, func(a, b analyze.HostRow) int { return cmp.Compare(b.Self, a.Self) })
	var self analyze.Duration
	for i := range rows {
		self += rows[i].Self
	}
	t := tab{columns: []texttab.Column{
		{Header: "span", Code: true},
		{Header: "count", Unit: quantity.Count},
		{Header: "self", Unit: quantity.Time, Scale: "t"},
		{Header: "self", Unit: quantity.Share, Of: "all spans"},
		{Header: "with inner spans", Unit: quantity.Time, Scale: "t"},
	}}
	var listed analyze.Duration
	for _, h := range firstN(rows, n) {
		t.add(texttab.Text(homeless(h.Name)), texttab.Int(h.Occurrences), ps(h.Self), fraction(h.Self, self), ps(h.Total))
		listed += h.Self
	}
	if listed != self {
		t.add(texttab.Text(more(len(rows), n, "name", "names")), texttab.Cell{}, ps(self-listed), fraction(self-listed, self))
	}
	t.total(texttab.Text("all spans"), texttab.Cell{}, ps(self), fraction(self, self))
	if window > 0 {
		b.para = append(b.para, fmt.Sprintf("From the first begin to the last end of host spans: %s.", duration(window)))
	}
	b.table = t.table()
	b.after = []string{"Self time is summed over threads; waiting counts like work."}
	return b
}
