// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/layerscope/layerscope/trace"
	"github.com/layerscope/layerscope/trace/hlo"
	"github.com/layerscope/layerscope/trace/memprof"
)

// A MemoryUse is what is known about memory: from the allocators of a capture,
// from the compiler's plans in it, and from a profile of live buffers.
type MemoryUse struct {
	Inputs     []Input
	Allocators []AllocatorUse
	Programs   []ProgramMemory
	Live       []LiveMemory // by site, kind and device; the largest first
	Findings   []Finding

	LiveBytes, LiveCount int64
}

// A ProgramMemory is what one program needs in one memory space, by the
// compiler's plan.
type ProgramMemory struct {
	Name, Host string
	ID         uint64
	Color      int64  // memory space of the compiler
	Space      string // "HBM", "VMEM", …

	Peak        int64 // Heap + Indefinite
	Heap        int64 // most of the temporary buffers at once
	Indefinite  int64 // parameters, constants and results, held all the time
	Parameters  int64
	LiveOut     int64
	NonReusable int64
	Total       int64 // reserved
	Live        []ProgramBuffer
}

// A ProgramBuffer is one buffer that is held at a program's peak.
type ProgramBuffer struct {
	Instruction, Scope, Shape, Kind string
	Bytes, Unpadded                 int64
}

// A LiveMemory is the live buffers of one site, kind and device.
type LiveMemory struct {
	Site, Kind, Device string
	Path               string // the stack of the largest
	Scoped             bool   // Site is a scope path
	Bytes, Count       int64

	sizes map[int64]int64 // buffers by bytes of each
}

// Memory gathers what a capture and a profile say about memory; either may be
// nil. Allocator peaks are those of XProf's memory profile, programs' those of
// its memory viewer.
func Memory(t *trace.Trace, p *memprof.Profile) *MemoryUse {
	u := &MemoryUse{}
	if t != nil {
		u.Inputs = slices.Clone(t.Inputs)
		u.Allocators = allocators(t.Allocs)
		u.programs(t)
		u.Findings = append(u.Findings, t.Findings...)
	}
	if p != nil {
		u.live(p)
	}
	if len(u.Allocators) == 0 && len(u.Programs) == 0 && p == nil {
		u.Findings = append(u.Findings, Finding{Code: "no-memory-facts", Severity: trace.Warning, Count: 1,
			Message: "the capture holds no allocator events and no compiler's memory plan",
			Hint:    "an .xplane.pb of a TPU or GPU has both; jax.profiler.save_device_memory_profile saves live buffers"})
	}
	return u
}

// live adds a profile up by site.
func (u *MemoryUse) live(p *memprof.Profile) {
	type key struct{ site, kind, device string }
	at := make(map[key]int)
	largest := make(map[key]int64)
	for i := range p.Buffers {
		b := &p.Buffers[i]
		k := key{b.Site(), b.Kind, b.Device}
		j, ok := at[k]
		if !ok {
			j = len(u.Live)
			at[k] = j
			u.Live = append(u.Live, LiveMemory{Site: k.site, Kind: k.kind, Device: k.device, Scoped: b.Scoped(), sizes: make(map[int64]int64)})
		}
		l := &u.Live[j]
		if l.Path == "" || b.Bytes > largest[k] {
			l.Path, largest[k] = b.Path(), b.Bytes
		}
		l.Bytes, l.Count = addSat(l.Bytes, b.Bytes), addSat(l.Count, b.Count)
		if b.Count > 0 && b.Bytes%b.Count == 0 {
			l.sizes[b.Bytes/b.Count] += b.Count
		}
	}
	slices.SortStableFunc(u.Live, func(a, b LiveMemory) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Site, b.Site), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Device, b.Device))
	})
	u.LiveBytes, u.LiveCount = p.Total()
	for _, note := range p.Notes {
		u.Findings = append(u.Findings, Finding{Code: "profile-note", Severity: trace.Info, Message: note, Count: 1})
	}
}

// programs reads the plans of all programs that have one.
func (u *MemoryUse) programs(t *trace.Trace) {
	for i := range t.Programs {
		p := &t.Programs[i]
		if p.Module == nil {
			continue
		}
		plan, err := p.Module.Buffers()
		if err != nil {
			u.plan(p.Name, err)
			continue
		}
		if plan == nil {
			continue
		}
		kind := ""
		for _, d := range t.Devices {
			kind = cmp.Or(kind, d.Kind)
		}
		for _, color := range plan.Colors() {
			peak, err := plan.Peak(color)
			if err != nil {
				u.plan(p.Name, err)
				continue
			}
			u.Programs = append(u.Programs, programMemory(p, peak, kind))
		}
	}
	slices.SortStableFunc(u.Programs, func(a, b ProgramMemory) int {
		return cmp.Or(cmp.Compare(b.Peak, a.Peak), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Color, b.Color))
	})
}

func (u *MemoryUse) plan(program string, err error) {
	u.Findings = append(u.Findings, Finding{Code: "hlo-damaged", Severity: trace.Warning, Count: 1,
		Message: fmt.Sprintf("memory plan of %s: %v", program, err), Hint: "its peak is missing"})
}

func programMemory(p *trace.Program, peak *hlo.MemoryPeak, device string) ProgramMemory {
	m := ProgramMemory{
		Name: p.Name, Host: p.Host, ID: p.ID, Color: peak.Color, Space: spaceName(peak.Color, device),
		Peak: peak.Bytes(), Heap: peak.Heap, Indefinite: peak.Indefinite, Parameters: peak.Parameters,
		LiveOut: peak.LiveOut, NonReusable: peak.NonReusable, Total: peak.Total,
	}
	for i := range peak.Live {
		b := &peak.Live[i]
		row := ProgramBuffer{Kind: b.Kind, Bytes: b.Bytes, Unpadded: b.Unpadded}
		if b.LogicalBuffer != nil && b.Instruction != nil {
			row.Instruction, row.Scope, row.Shape = b.Instruction.Name, b.Instruction.OpName, b.Instruction.Shape.String()
		}
		m.Live = append(m.Live, row)
	}
	slices.SortStableFunc(m.Live, func(a, b ProgramBuffer) int { return cmp.Compare(b.Bytes, a.Bytes) })
	return m
}

// spaceName names a memory space of the compiler. The numbers are XLA's for
// TPUs; elsewhere 0 is the device's memory.
func spaceName(color int64, device string) string {
	if device == "tpu" {
		switch color {
		case 0:
			return "HBM"
		case 1:
			return "VMEM"
		case 2:
			return "sync flags"
		case 5:
			return "host"
		}
	} else if color == 0 {
		return "device"
	}
	return fmt.Sprintf("space %d", color)
}

// addSat returns a + b, or the end of int64 that it is beyond.
func addSat(a, b int64) int64 {
	switch s := a + b; {
	case a > 0 && b > 0 && s < 0:
		return 1<<63 - 1
	case a < 0 && b < 0 && s >= 0:
		return -1 << 63
	default:
		return s
	}
}
