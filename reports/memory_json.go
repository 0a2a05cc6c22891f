// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"strconv"

	"github.com/layerscope/layerscope/analyze"
)

// The types below are layerscope.memory/v1, in the order of
// docs/schema/memory.v1.json.

type jsonMemory struct {
	Schema    string              `json:"schema"`
	Tool      jsonTool            `json:"tool"`
	Title     string              `json:"title,omitempty"`
	Inputs    []jsonInput         `json:"inputs"`
	Findings  []jsonFinding       `json:"findings"`
	LiveBytes int64               `json:"live_bytes"`
	LiveCount int64               `json:"live_count"`
	Live      []jsonLive          `json:"live"`
	Devices   []jsonAllocator     `json:"devices"`
	Programs  []jsonProgramMemory `json:"programs"`
	Growth    *jsonGrowth         `json:"growth"`
}

type jsonLive struct {
	Scope  string `json:"scope"`
	Stack  string `json:"stack"`
	Kind   string `json:"kind"`
	Device string `json:"device"`
	Bytes  int64  `json:"bytes"`
	Count  int64  `json:"count"`
}

type jsonAllocator struct {
	Name           string       `json:"name"`
	Host           string       `json:"host"`
	PeakBytes      int64        `json:"peak_bytes"`
	PeakPS         int64        `json:"peak_ps"`
	StackBytes     int64        `json:"stack_bytes"`
	HeapBytes      int64        `json:"heap_bytes"`
	AvailableBytes int64        `json:"available_bytes"`
	CapacityBytes  int64        `json:"capacity_bytes"`
	LifetimeBytes  int64        `json:"lifetime_heap_peak_bytes"`
	Fragmentation  float64      `json:"fragmentation"`
	Allocations    int64        `json:"allocations"`
	Frees          int64        `json:"frees"`
	RequestedBytes int64        `json:"requested_bytes"`
	Unfreed        int64        `json:"unfreed"`
	UnfreedBytes   int64        `json:"unfreed_bytes"`
	Active         []jsonActive `json:"active"`
	Timeline       []jsonSample `json:"timeline"`
}

type jsonSample struct {
	AtPS  int64 `json:"at_ps"`
	Bytes int64 `json:"bytes"`
	Most  int64 `json:"most_bytes"`
}

type jsonActive struct {
	Scope          string `json:"scope"`
	Region         string `json:"region"`
	Shape          string `json:"shape"`
	Special        bool   `json:"special"`
	Count          int64  `json:"count"`
	BytesEach      int64  `json:"bytes_each"`
	RequestedBytes int64  `json:"requested_bytes_each"`
}

type jsonProgramMemory struct {
	Name             string       `json:"name"`
	ProgramID        string       `json:"program_id"`
	Host             string       `json:"host"`
	Space            string       `json:"space"`
	Color            int64        `json:"color"`
	PeakBytes        int64        `json:"peak_bytes"`
	HeapBytes        int64        `json:"heap_bytes"`
	IndefiniteBytes  int64        `json:"indefinite_bytes"`
	ParameterBytes   int64        `json:"parameter_bytes"`
	LiveOutBytes     int64        `json:"live_out_bytes"`
	NonReusableBytes int64        `json:"non_reusable_bytes"`
	TotalBytes       int64        `json:"total_bytes"`
	Buffers          []jsonBuffer `json:"buffers"`
}

type jsonBuffer struct {
	Instruction   string `json:"instruction"`
	Scope         string `json:"scope"`
	Kind          string `json:"kind"`
	Shape         string `json:"shape"`
	Bytes         int64  `json:"bytes"`
	UnpaddedBytes int64  `json:"unpadded_bytes"`
}

type jsonGrowth struct {
	BaseBytes int64                 `json:"base_bytes"`
	NewBytes  int64                 `json:"new_bytes"`
	BaseCount int64                 `json:"base_count"`
	NewCount  int64                 `json:"new_count"`
	Rows      []jsonGrowthRow       `json:"rows"`
	Devices   []jsonAllocatorGrowth `json:"devices"`
}

type jsonGrowthRow struct {
	Scope     string `json:"scope"`
	Stack     string `json:"stack"`
	Kind      string `json:"kind"`
	Device    string `json:"device"`
	BaseBytes int64  `json:"base_bytes"`
	NewBytes  int64  `json:"new_bytes"`
	BaseCount int64  `json:"base_count"`
	NewCount  int64  `json:"new_count"`
	Added     int64  `json:"added"`
	BytesEach int64  `json:"bytes_each"`
	Suspect   bool   `json:"suspect"`
}

type jsonAllocatorGrowth struct {
	Name      string `json:"name"`
	BasePeak  int64  `json:"base_peak_bytes"`
	NewPeak   int64  `json:"new_peak_bytes"`
	BaseAlive int64  `json:"base_unfreed_bytes"`
	NewAlive  int64  `json:"new_unfreed_bytes"`
}

func (m *memoryReport) json() jsonMemory {
	u, top := m.use, m.r.opts.jsonTop()
	out := jsonMemory{
		Schema: memorySchema, Tool: m.r.jsonTool(), Title: m.r.opts.Title, Inputs: list(u.Inputs, newJSONInput),
		Findings: list(m.r.findings(), newJSONFinding), LiveBytes: u.LiveBytes, LiveCount: u.LiveCount,
		Live: list(firstN(u.Live, top), func(l *analyze.LiveMemory) jsonLive {
			return jsonLive{l.Site, l.Path, l.Kind, l.Device, l.Bytes, l.Count}
		}),
		Devices: list(u.Allocators, newJSONAllocator), Programs: list(u.Programs, newJSONProgramMemory),
	}
	if g := m.growth; g != nil {
		out.Growth = &jsonGrowth{
			BaseBytes: g.BaseBytes, NewBytes: g.NewBytes, BaseCount: g.BaseCount, NewCount: g.NewCount,
			Rows: list(firstN(g.Rows, top), func(r *analyze.GrowthRow) jsonGrowthRow {
				return jsonGrowthRow{r.Site, r.Path, r.Kind, r.Device, r.BaseBytes, r.NewBytes, r.BaseCount, r.NewCount, r.Added, r.Each, r.Suspect}
			}),
			Devices: list(g.Allocators, func(a *analyze.AllocatorGrowth) jsonAllocatorGrowth {
				return jsonAllocatorGrowth{a.Name, a.BasePeak, a.NewPeak, a.BaseUnfreed, a.NewUnfreed}
			}),
		}
	}
	return out
}

func newJSONAllocator(a *analyze.AllocatorUse) jsonAllocator {
	return jsonAllocator{
		a.Name, a.Host, a.Peak, int64(a.PeakAt), a.Reserved, a.Allocated, a.Available, a.Capacity, a.Lifetime, a.Fragmentation,
		a.Allocations, a.Frees, a.Requested, a.Unfreed, a.UnfreedBytes,
		list(a.Active, func(c *analyze.ActiveMemory) jsonActive {
			return jsonActive{c.Scope, c.Region, c.Shape, c.Special, c.Count, c.Bytes, c.Requested}
		}),
		list(a.Timeline, func(s *analyze.MemorySample) jsonSample { return jsonSample{int64(s.At), s.Held, s.Most} }),
	}
}

func newJSONProgramMemory(p *analyze.ProgramMemory) jsonProgramMemory {
	return jsonProgramMemory{
		p.Name, strconv.FormatUint(p.ID, 10), p.Host, p.Space, p.Color, p.Peak, p.Heap, p.Indefinite, p.Parameters, p.LiveOut, p.NonReusable, p.Total,
		list(p.Live, func(b *analyze.ProgramBuffer) jsonBuffer {
			return jsonBuffer{b.Instruction, b.Scope, b.Kind, b.Shape, b.Bytes, b.Unpadded}
		}),
	}
}

// memoryColumns head the CSV form: rows of all sections, told apart by the
// first two columns. Numbers are bytes and buffers.
var memoryColumns = []string{
	"input", "section", "name", "kind", "device", "stack", "bytes", "count", "base_bytes", "base_count", "capacity_bytes", "stack_bytes", "heap_bytes", "note",
}

func (m *memoryReport) csv(c *csvWriter) {
	row := func(section, name string, fields map[string]string) {
		fields["section"], fields["name"] = section, csvText(name)
		c.write(memoryColumns, fields)
	}
	top := m.r.opts.jsonTop()
	if m.growth != nil {
		for _, r := range firstN(m.growth.Rows, top) {
			note := ""
			if r.Suspect {
				note = "leak suspect"
			}
			row("growth", r.Site, map[string]string{"kind": csvText(r.Kind), "device": csvText(r.Device), "stack": csvText(r.Path), "bytes": integer(r.NewBytes),
				"count": integer(r.NewCount), "base_bytes": integer(r.BaseBytes), "base_count": integer(r.BaseCount), "note": note})
		}
		for _, a := range m.growth.Allocators {
			row("allocator growth", a.Name, map[string]string{"bytes": integer(a.NewPeak), "base_bytes": integer(a.BasePeak)})
		}
	}
	for _, l := range firstN(m.use.Live, top) {
		row("live", l.Site, map[string]string{"kind": csvText(l.Kind), "device": csvText(l.Device), "stack": csvText(l.Path), "bytes": integer(l.Bytes), "count": integer(l.Count)})
	}
	for _, a := range m.use.Allocators {
		row("allocator", a.Name, map[string]string{"bytes": integer(a.Peak), "count": integer(a.Allocations), "capacity_bytes": integer(a.Capacity),
			"stack_bytes": integer(a.Reserved), "heap_bytes": integer(a.Allocated)})
		for _, x := range firstN(a.Active, top) {
			row("active", x.Scope, map[string]string{"kind": csvText(x.Region), "device": csvText(a.Name), "bytes": integer(x.Bytes * x.Count), "count": integer(x.Count), "note": csvText(x.Shape)})
		}
	}
	for _, p := range m.use.Programs {
		row("program", p.Name, map[string]string{"kind": csvText(p.Space), "bytes": integer(p.Peak), "capacity_bytes": integer(p.Total), "heap_bytes": integer(p.Heap)})
	}
}
