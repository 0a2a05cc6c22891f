// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports/internal/quantity"
	"github.com/layerscope/layerscope/reports/internal/texttab"
)

const memorySchema = "layerscope.memory/v1"

// Memory returns the report of what is known about memory: live buffers,
// allocators, programs. growth is what changed since another state, or nil. Of
// the options Title, Top, All and Version apply.
func Memory(use *analyze.MemoryUse, growth *analyze.MemoryGrowth, opts Options) *Report {
	a := &analyze.Analysis{Inputs: use.Inputs, Findings: append([]analyze.Finding{}, use.Findings...)}
	if len(use.Inputs) > 0 {
		a.Format = use.Inputs[0].Format
	}
	if growth != nil {
		a.Findings = append(a.Findings, growth.Findings...)
	}
	r := newReport(a, opts)
	m := &memoryReport{r: r, use: use, growth: growth}
	r.blocks = func(r *Report) []block {
		view := *m
		view.r = r
		return view.blocks()
	}
	r.document = func() any { return m.json() }
	r.records = m.csv
	r.page = func(*Report) page { return m.page() }
	return r
}

type memoryReport struct {
	r      *Report
	use    *analyze.MemoryUse
	growth *analyze.MemoryGrowth
}

func (m *memoryReport) blocks() []block {
	out := []block{{title: m.r.title(), head: true, facts: m.facts()}}
	if m.growth != nil {
		out = append(out, m.growthBlock())
	}
	if len(m.use.Live) > 0 {
		out = append(out, m.liveBlock())
	}
	if len(m.use.Allocators) > 0 {
		out = append(out, m.allocatorBlock())
	}
	out = append(out, m.activeBlocks()...)
	if len(m.use.Programs) > 0 {
		out = append(out, m.programBlock())
		if b, ok := m.bufferBlock(); ok {
			out = append(out, b)
		}
	}
	return append(out, m.r.findingBlock())
}

func (m *memoryReport) facts() []fact {
	var out []fact
	if len(m.use.Live) > 0 {
		out = append(out, fact{"live", fmt.Sprintf("%s in %s", exactBytes(m.use.LiveBytes), plural(m.use.LiveCount, "buffer"))})
	}
	if g := m.growth; g != nil && g.BaseBytes|g.NewBytes != 0 {
		out = append(out, fact{"before", fmt.Sprintf("%s in %s", exactBytes(g.BaseBytes), plural(g.BaseCount, "buffer"))},
			fact{"change", signedBytes(g.NewBytes - g.BaseBytes)})
	}
	for i := range m.use.Allocators {
		if i == 8 {
			out = append(out, fact{"…", plural(len(m.use.Allocators)-i, "more allocator")})
			break
		}
		a := &m.use.Allocators[i]
		value := exactBytes(a.Peak)
		if a.Capacity > 0 {
			value += fmt.Sprintf(", %s of its capacity", percent(float64(a.Peak)/float64(a.Capacity)))
		}
		out = append(out, fact{"peak of " + a.Name, value})
	}
	return out
}

// exactBytes writes "22.4 MiB (23,478,284 B)".
func exactBytes(n int64) string {
	if n > -1024 && n < 1024 {
		return number(n) + " B"
	}
	return fmt.Sprintf("%s (%s B)", quantity.Format(quantity.Bytes, quantity.Int(n)), number(n))
}

// signedBytes writes a change to the byte: "+6,291,456 B".
func signedBytes(n int64) string {
	if n > 0 {
		return "+" + number(n) + " B"
	}
	return number(n) + " B"
}

func (m *memoryReport) top(n int) (rows int, more string) {
	if top := m.r.opts.textTop(); !m.r.opts.All && top >= 0 && n > top {
		return top, plural(n-top, "more row") + " with --top 0."
	}
	return n, ""
}

func (m *memoryReport) finish(b *block, t *tab, more string) {
	b.table = t.table()
	if more != "" {
		b.after = append(b.after, more)
	}
}

func (m *memoryReport) growthBlock() block {
	b := block{title: "Growth"}
	g := m.growth
	if len(g.Rows) == 0 && len(g.Allocators) == 0 {
		b.para = []string{"Nothing changed."}
		return b
	}
	t := tab{columns: []texttab.Column{
		{Header: "site", Code: true, Elide: true}, {Header: "kind"}, {Header: "device", Elide: true},
		{Header: "before", Unit: quantity.Bytes, Scale: "b"}, {Header: "after", Unit: quantity.Bytes, Scale: "b"}, {Header: "change", Unit: quantity.Bytes, Scale: "b"},
		{Header: "buffers", Unit: quantity.Count}, {Header: "added", Unit: quantity.Count}, {Header: "of each", Unit: quantity.Bytes}, {Header: "note"},
	}}
	n, more := m.top(len(g.Rows))
	for i := range g.Rows[:n] {
		r := &g.Rows[i]
		added, each, note := texttab.Cell{}, texttab.Cell{}, ""
		if r.Added > 0 {
			added, each = texttab.Int(r.Added), texttab.Int(r.Each)
		}
		if r.Suspect {
			note = "leak?"
		}
		t.add(texttab.Text(r.Site), texttab.Text(r.Kind), texttab.Text(r.Device), texttab.Int(r.BaseBytes), texttab.Int(r.NewBytes),
			texttab.Int(r.NewBytes-r.BaseBytes), texttab.Int(r.NewCount), added, each, texttab.Text(note))
	}
	for i := range g.Allocators {
		a := &g.Allocators[i]
		t.add(texttab.Text(a.Name), texttab.Text("peak"), texttab.Cell{}, texttab.Int(a.BasePeak), texttab.Int(a.NewPeak), texttab.Int(a.NewPeak-a.BasePeak))
	}
	m.finish(&b, &t, more)
	return b
}

func (m *memoryReport) liveBlock() block {
	b := block{title: "Live buffers"}
	t := tab{columns: []texttab.Column{
		{Header: "site", Code: true, Elide: true}, {Header: "kind"}, {Header: "device", Elide: true},
		{Header: "bytes", Unit: quantity.Bytes, Scale: "b"}, {Header: "of live", Unit: quantity.Share}, {Header: "buffers", Unit: quantity.Count},
	}}
	n, more := m.top(len(m.use.Live))
	for i := range m.use.Live[:n] {
		l := &m.use.Live[i]
		of := texttab.Cell{}
		if m.use.LiveBytes > 0 {
			of = texttab.Real(float64(l.Bytes) / float64(m.use.LiveBytes))
		}
		t.add(texttab.Text(l.Site), texttab.Text(l.Kind), texttab.Text(l.Device), texttab.Int(l.Bytes), of, texttab.Int(l.Count))
	}
	t.total(texttab.Text("all"), texttab.Cell{}, texttab.Cell{}, texttab.Int(m.use.LiveBytes), texttab.Cell{}, texttab.Int(m.use.LiveCount))
	m.finish(&b, &t, more)
	return b
}

func (m *memoryReport) allocatorBlock() block {
	b := block{title: "Allocators"}
	t := tab{columns: []texttab.Column{
		{Header: "allocator", Code: true}, {Header: "host", Elide: true}, {Header: "peak", Unit: quantity.Bytes, Scale: "b"}, {Header: "stack", Unit: quantity.Bytes, Scale: "b"},
		{Header: "heap", Unit: quantity.Bytes, Scale: "b"}, {Header: "capacity", Unit: quantity.Bytes, Scale: "b"}, {Header: "at", Unit: quantity.Time},
		{Header: "fragmented", Unit: quantity.Share}, {Header: "allocations", Unit: quantity.Count}, {Header: "frees", Unit: quantity.Count},
		{Header: "not freed", Unit: quantity.Bytes, Scale: "b"},
	}}
	hosts := make(map[string]bool)
	for i := range m.use.Allocators {
		hosts[m.use.Allocators[i].Host] = true
	}
	n, more := m.top(len(m.use.Allocators))
	for i := range m.use.Allocators[:n] {
		a := &m.use.Allocators[i]
		host := a.Host
		if len(hosts) == 1 {
			host = ""
		}
		t.add(texttab.Text(a.Name), texttab.Text(host), texttab.Int(a.Peak), texttab.Int(a.Reserved), texttab.Int(a.Allocated), texttab.Int(a.Capacity),
			texttab.Int(int64(a.PeakAt)), texttab.Real(a.Fragmentation), texttab.Int(a.Allocations), texttab.Int(a.Frees), texttab.Int(a.UnfreedBytes))
	}
	m.finish(&b, &t, more)
	return b
}

// activeBlocks lists who is alive at the peak of each allocator, equal ones
// (the cores of one computation) once.
func (m *memoryReport) activeBlocks() []block {
	const most = 4
	var out []block
	for i := range m.use.Allocators {
		a := &m.use.Allocators[i]
		if len(a.Active) == 0 {
			continue
		}
		if len(out) == most && !m.r.opts.All {
			out[most-1].after = append(out[most-1].after, plural(len(m.use.Allocators)-i, "more allocator")+" with --all.")
			break
		}
		b := block{title: activeTitle(a)}
		t := tab{columns: []texttab.Column{
			{Header: "scope", Code: true, Elide: true}, {Header: "region"}, {Header: "shape", Elide: true}, {Header: "count", Unit: quantity.Count},
			{Header: "of each", Unit: quantity.Bytes, Scale: "b"}, {Header: "bytes", Unit: quantity.Bytes, Scale: "b"}, {Header: "of peak", Unit: quantity.Share},
		}}
		n, more := m.top(len(a.Active))
		for j := range a.Active[:n] {
			c := &a.Active[j]
			of := texttab.Cell{}
			if a.Peak > 0 {
				of = texttab.Real(float64(c.Bytes*c.Count) / float64(a.Peak))
			}
			t.add(texttab.Text(or(c.Scope, "(not named)")), texttab.Text(c.Region), texttab.Text(c.Shape), texttab.Int(c.Count), texttab.Int(c.Bytes), texttab.Int(c.Bytes*c.Count), of)
		}
		m.finish(&b, &t, more)
		out = append(out, b)
	}
	return out
}

func (m *memoryReport) programBlock() block {
	b := block{title: "Programs, by the compiler's plan"}
	t := tab{columns: []texttab.Column{
		{Header: "program", Code: true, Elide: true}, {Header: "space"}, {Header: "peak", Unit: quantity.Bytes, Scale: "b"},
		{Header: "temporary", Unit: quantity.Bytes, Scale: "b"}, {Header: "held", Unit: quantity.Bytes, Scale: "b"},
		{Header: "parameters", Unit: quantity.Bytes, Scale: "b"}, {Header: "reserved", Unit: quantity.Bytes, Scale: "b"},
	}}
	n, more := m.top(len(m.use.Programs))
	for i := range m.use.Programs[:n] {
		p := &m.use.Programs[i]
		t.add(texttab.Text(p.Name), texttab.Text(p.Space), texttab.Int(p.Peak), texttab.Int(p.Heap), texttab.Int(p.Indefinite), texttab.Int(p.Parameters), texttab.Int(p.Total))
	}
	m.finish(&b, &t, more)
	return b
}

// bufferBlock lists the buffers at the peak of the program that needs most.
func (m *memoryReport) bufferBlock() (block, bool) {
	p := &m.use.Programs[0]
	if len(p.Live) == 0 {
		return block{}, false
	}
	b := block{title: fmt.Sprintf("Held at the peak of %s in %s", p.Name, p.Space)}
	t := tab{columns: []texttab.Column{
		{Header: "instruction", Code: true, Elide: true}, {Header: "scope", Code: true, Elide: true}, {Header: "kind"},
		{Header: "shape", Elide: true}, {Header: "bytes", Unit: quantity.Bytes, Scale: "b"}, {Header: "padding", Unit: quantity.Bytes, Scale: "b"},
	}}
	n, more := m.top(len(p.Live))
	for i := range p.Live[:n] {
		l := &p.Live[i]
		pad := texttab.Cell{}
		if l.Unpadded > 0 && l.Bytes > l.Unpadded {
			pad = texttab.Int(l.Bytes - l.Unpadded)
		}
		t.add(texttab.Text(l.Instruction), texttab.Text(shownScope(l.Scope)), texttab.Text(l.Kind), texttab.Text(l.Shape), texttab.Int(l.Bytes), pad)
	}
	m.finish(&b, &t, more)
	return b, true
}
