// SPDX-License-Identifier: Apache-2.0

package xspace_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/layerscope/layerscope/trace/internal/xspace"
	"github.com/layerscope/layerscope/trace/internal/xspace/xspacepb"
)

// The tests compare an XSpace as this package reads it with the same file as the
// protobuf library reads it, both turned into these plain values.

type planeModel struct {
	Name  string
	ID    int64
	Stats []string
	Metas map[int64]string // event metadata, printed
	Names map[int64]string // stat metadata
	Lines []lineModel
}

type lineModel struct {
	ID, DisplayID     int64
	Name, DisplayName string
	DurationPs        int64
	Events            []string // whole, in file order
}

func indexBytes(t testing.TB, b []byte) *xspace.Space {
	t.Helper()
	sp, err := xspace.Index(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return sp
}

// modelOf reads a whole space.
func modelOf(t testing.TB, sp *xspace.Space) (planes []planeModel) {
	t.Helper()
	for _, pl := range sp.Planes {
		if err := pl.Load(); err != nil {
			t.Fatal(err)
		}
		pm := planeModel{Name: pl.Name, ID: pl.ID, Metas: map[int64]string{}, Names: map[int64]string{}}
		for _, st := range pl.Stats() {
			pm.Stats = append(pm.Stats, printStat(st))
		}
		for i := range uint32(pl.NumEvents()) {
			em := pl.Event(i)
			pm.Metas[em.Key] = printMeta(em)
		}
		for i := range uint32(pl.NumStats()) {
			sm := pl.StatMeta(i)
			pm.Names[sm.Key] = fmt.Sprintf("%d %q %q", sm.ID, sm.Name, sm.Description)
		}
		for _, ln := range pl.Lines {
			lm := lineModel{}
			err := ln.Events(func(ts int64, ev *xspace.Event) bool {
				lm.Events = append(lm.Events, printEvent(ts, ev))
				return true
			})
			if err != nil && !errors.Is(err, xspace.ErrLateTimestamp) {
				t.Fatal(err)
			}
			lm.ID, lm.Name, lm.DurationPs = ln.ID, ln.Name, ln.DurationPs()
			lm.DisplayID, lm.DisplayName = ln.Display()
			pm.Lines = append(pm.Lines, lm)
		}
		planes = append(planes, pm)
	}
	return planes
}

func printStat(st xspace.Stat) string {
	if st.Kind == xspace.Ref {
		return fmt.Sprintf("%d %q ref %d %q", st.ID, st.Name, st.Bits, st.Text())
	}
	return fmt.Sprintf("%d %q %d %#x %q", st.ID, st.Name, st.Kind, st.Bits, st.Text())
}

func printMeta(em xspace.EventMeta) string {
	s := fmt.Sprintf("%d %q %q %q %v", em.ID, em.Name, em.DisplayName, em.Metadata, em.Children)
	for _, st := range em.Stats {
		s += " | " + printStat(st)
	}
	return s
}

func printEvent(ts int64, ev *xspace.Event) string {
	s := fmt.Sprintf("%d: %d +%d %d %v×%d", ts, ev.MetadataID, ev.OffsetPs, ev.DurationPs, ev.Aggregated, ev.Occurrences)
	for _, st := range ev.Stats {
		s += " | " + printStat(st)
	}
	return s
}

// reference turns a message of the protobuf library into the same values. Planes
// of one name must not be repeated in it.
func reference(m *xspacepb.XSpace) (planes []planeModel) {
	for _, pl := range m.Planes {
		pm := planeModel{Name: pl.Name, ID: pl.Id, Metas: map[int64]string{}, Names: map[int64]string{}}
		for _, st := range pl.Stats {
			pm.Stats = append(pm.Stats, printStat(refStat(pl, st)))
		}
		for key, em := range pl.EventMetadata {
			v := xspace.EventMeta{Key: key, ID: em.GetId(), Name: em.GetName(), DisplayName: em.GetDisplayName(),
				Metadata: em.GetMetadata(), Children: em.GetChildId()}
			for _, st := range em.GetStats() {
				v.Stats = append(v.Stats, refStat(pl, st))
			}
			pm.Metas[key] = printMeta(v)
		}
		for key, sm := range pl.StatMetadata {
			pm.Names[key] = fmt.Sprintf("%d %q %q", sm.GetId(), sm.GetName(), sm.GetDescription())
		}
		pm.Lines = refLines(pl)
		planes = append(planes, pm)
	}
	return planes
}

func refLines(pl *xspacepb.XPlane) (lines []lineModel) {
	for _, ln := range pl.Lines {
		i := slices.IndexFunc(lines, func(l lineModel) bool { return l.ID == ln.Id && l.Name == ln.Name })
		if i < 0 {
			i = slices.IndexFunc(lines, func(l lineModel) bool { return l.ID == ln.Id })
			if i >= 0 && lines[i].Name != "" && ln.Name != "" {
				i = -1
			}
		}
		if i < 0 {
			i = len(lines)
			lines = append(lines, lineModel{ID: ln.Id, Name: ln.Name, DisplayID: ln.Id, DisplayName: ln.Name})
		}
		l := &lines[i]
		if l.Name == "" && ln.Name != "" {
			if l.DisplayName == "" {
				l.DisplayName = ln.Name
			}
			l.Name = ln.Name
		}
		if ln.DisplayId != 0 {
			l.DisplayID = ln.DisplayId
		}
		if ln.DisplayName != "" {
			l.DisplayName = ln.DisplayName
		}
		if ln.DurationPs != 0 {
			l.DurationPs = ln.DurationPs
		}
		for _, ev := range ln.Events {
			v := xspace.Event{MetadataID: ev.MetadataId, OffsetPs: ev.GetOffsetPs(), DurationPs: ev.DurationPs, Occurrences: ev.GetNumOccurrences()}
			_, v.Aggregated = ev.Data.(*xspacepb.XEvent_NumOccurrences)
			for _, st := range ev.Stats {
				v.Stats = append(v.Stats, refStat(pl, st))
			}
			l.Events = append(l.Events, printEvent(ln.TimestampNs, &v))
		}
	}
	return lines
}

func refStat(pl *xspacepb.XPlane, st *xspacepb.XStat) xspace.Stat {
	v := xspace.Stat{ID: st.MetadataId, Name: pl.StatMetadata[st.MetadataId].GetName()}
	switch x := st.Value.(type) {
	case *xspacepb.XStat_DoubleValue:
		v.Kind, v.Bits = xspace.Double, math.Float64bits(x.DoubleValue)
	case *xspacepb.XStat_Uint64Value:
		v.Kind, v.Bits = xspace.Uint, x.Uint64Value
	case *xspacepb.XStat_Int64Value:
		v.Kind, v.Bits = xspace.Int, uint64(x.Int64Value)
	case *xspacepb.XStat_StrValue:
		v.Kind, v.Raw = xspace.String, []byte(x.StrValue)
	case *xspacepb.XStat_BytesValue:
		v.Kind, v.Raw = xspace.Bytes, x.BytesValue
	case *xspacepb.XStat_RefValue:
		v.Kind, v.Bits = xspace.Ref, x.RefValue
		v.Raw = []byte(pl.StatMetadata[int64(x.RefValue)].GetName())
	}
	return v
}

// scanned is what a scan yields of every event, printed.
func scanned(t testing.TB, sp *xspace.Space, opts xspace.ScanOptions) (events []string) {
	t.Helper()
	for _, pl := range sp.Planes {
		for _, ln := range pl.Lines {
			at := len(events)
			for try := 0; ; try++ {
				events = events[:at]
				err := ln.Scan(opts, func(b *xspace.Batch) bool {
					if b.First != int64(len(events)-at) {
						t.Fatalf("batch begins at event %d, wanted %d", b.First, len(events)-at)
					}
					for i := range b.Meta {
						events = append(events, printRow(ln, b, i))
					}
					return true
				})
				if errors.Is(err, xspace.ErrLateTimestamp) && try < 100 {
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				break
			}
		}
	}
	return events
}

func printRow(ln *xspace.Line, b *xspace.Batch, i int) string {
	var occ int64
	if b.Occurrences != nil {
		occ = b.Occurrences[i]
	}
	s := fmt.Sprintf("%d %d+%d flags %d ×%d", ln.Plane().Event(b.Meta[i]).Key, b.Start[i], b.Dur[i], b.Flags[i], occ)
	for c, col := range b.Values {
		switch k := col.Kind[i]; k {
		case xspace.NoValue:
			s += " | -"
		case xspace.String, xspace.Bytes, xspace.Ref:
			s += fmt.Sprintf(" | %d %q", k, b.Text(c, i))
		default:
			s += fmt.Sprintf(" | %d %#x", k, col.Bits[i])
		}
	}
	return s
}

// refScan computes what a scan must yield from the message of the library.
func refScan(m *xspacepb.XSpace, opts xspace.ScanOptions) (events []string) {
	for _, pl := range m.Planes {
		byLine := map[string][]string{}
		var order []string
		names := refLines(pl)
		for _, ln := range pl.Lines {
			key := lineKeyOf(names, ln)
			if !slices.Contains(order, key) {
				order = append(order, key)
			}
			for _, ev := range ln.Events {
				byLine[key] = append(byLine[key], refRow(pl, ln, ev, opts))
			}
		}
		for _, key := range order {
			events = append(events, byLine[key]...)
		}
	}
	return events
}

// lineKeyOf names the united line that a message belongs to.
func lineKeyOf(lines []lineModel, ln *xspacepb.XLine) string {
	for i, l := range lines {
		if l.ID == ln.Id && l.Name == ln.Name {
			return fmt.Sprint(i)
		}
	}
	return fmt.Sprint(slices.IndexFunc(lines, func(l lineModel) bool { return l.ID == ln.Id }))
}

func refRow(pl *xspacepb.XPlane, ln *xspacepb.XLine, ev *xspacepb.XEvent, opts xspace.ScanOptions) string {
	base := ln.TimestampNs
	if base > math.MaxInt64/1000 || base < math.MinInt64/1000 {
		base = 0
	}
	start, dur, flags := ev.GetOffsetPs()+base*1000, ev.DurationPs, xspace.Flag(0)
	first := func(name string, ok func(xspace.Stat) bool) (xspace.Stat, bool) {
		for _, st := range ev.Stats {
			if v := refStat(pl, st); v.Name == name && pl.StatMetadata[st.MetadataId] != nil && ok(v) {
				return v, true
			}
		}
		return xspace.Stat{}, false
	}
	isInt := func(st xspace.Stat) bool { _, ok := st.Int(); return ok }
	if off, ok := first("device_offset_ps", isInt); ok && opts.DeviceClock {
		if d, ok := first("device_duration_ps", isInt); ok {
			start, dur, flags = int64(off.Bits), int64(d.Bits), xspace.OnDevice
		}
	}
	if _, ok := ev.Data.(*xspacepb.XEvent_NumOccurrences); ok {
		flags |= xspace.Aggregated
	}
	s := fmt.Sprintf("%d %d+%d flags %d ×%d", ev.MetadataId, start, dur, flags, ev.GetNumOccurrences())
	for _, name := range opts.Want {
		v, _ := first(name, func(st xspace.Stat) bool { return st.Kind != xspace.NoValue })
		switch v.Kind {
		case xspace.NoValue:
			s += " | -"
		case xspace.String, xspace.Bytes, xspace.Ref:
			s += fmt.Sprintf(" | %d %q", v.Kind, v.Text())
		default:
			s += fmt.Sprintf(" | %d %#x", v.Kind, v.Bits)
		}
	}
	return s
}
