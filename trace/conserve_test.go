// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/trace"
)

// unconserved says which sums of an analysis are not what they should be, to the
// picosecond. The op time of a device is computed apart from the op table.
func unconserved(a *analyze.Analysis) (wrong []string) {
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	var op, wall analyze.Duration
	for _, d := range a.Devices {
		op += d.OpTime
		wall += d.WallShare
		if d.Busy+d.Idle != d.Window || d.Busy != d.WallShare {
			bad("%s: busy %d, idle %d, window %d, wall share %d", d.Name, d.Busy, d.Idle, d.Window, d.WallShare)
		}
	}
	rows, rowWall := a.Layers.Unattributed, analyze.Duration(0)
	for _, r := range a.Layers.Rows {
		rows += r.Self
		rowWall += r.WallShare
		var comps analyze.Duration
		for _, c := range r.Components {
			comps += c.Self
		}
		if comps != r.Self || r.Forward+r.Backward+r.Recompute != r.Self {
			bad("%s: components %d, directions %d, self %d", r.Key, comps, r.Forward+r.Backward+r.Recompute, r.Self)
		}
	}
	var ops, cats, scopes, comps analyze.Duration
	for _, o := range a.Ops {
		ops += o.Self
	}
	for _, c := range a.Categories {
		cats += c.Self
	}
	for _, s := range a.Scopes {
		scopes += s.Self
	}
	for _, c := range a.Components {
		comps += c.Self
	}
	if rows != op || ops != op || cats != op || scopes != op || comps != op || a.Layers.OpTime != op {
		bad("op time %d: layers give %d, their sum %d, ops %d, categories %d, scopes %d, components %d", op, rows, a.Layers.OpTime, ops, cats, scopes, comps)
	}
	if rowWall > wall {
		bad("rows' wall shares %d exceed %d", rowWall, wall)
	}
	return wrong
}

// A bruteEvent is one event of an op track.
type bruteEvent struct {
	op         trace.OpID
	start, end trace.Time
}

// bruteTracks collects the events of all op tracks of a device.
func bruteTracks(t *trace.Trace, device int) (tracks [][]bruteEvent, err error) {
	for _, tr := range t.Tracks {
		if tr.Device != device || tr.Kind != trace.Ops && tr.Kind != trace.Stream {
			continue
		}
		var events []bruteEvent
		for b, err := range tr.Batches() {
			if err != nil {
				return nil, err
			}
			if b.Self != nil {
				continue
			}
			for i, op := range b.Op {
				events = append(events, bruteEvent{op, b.Start[i], b.Start[i].Add(b.Dur[i])})
			}
		}
		tracks = append(tracks, events)
	}
	return tracks, nil
}

// bruteSelf gives each op of a track the time that is its own, straight from the
// rule: the parent of an event is the last one before it, by start and longest
// first, that ends no earlier; children are charged to it; below 0 is 0.
func bruteSelf(events []bruteEvent) map[trace.OpID]trace.Duration {
	events = slices.Clone(events)
	slices.SortStableFunc(events, func(a, b bruteEvent) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end))
	})
	own := make([]trace.Duration, len(events))
	for i, e := range events {
		own[i] += e.end.Sub(e.start)
		for j := i - 1; j >= 0; j-- {
			if events[j].end >= e.end {
				own[j] -= e.end.Sub(e.start)
				break
			}
		}
	}
	self := make(map[trace.OpID]trace.Duration)
	for i, e := range events {
		self[e.op] += max(0, own[i])
	}
	return self
}

// covered is the length of the union of events, from the borders alone: between two
// neighbouring borders either some event is open or none.
func covered(tracks ...[]bruteEvent) (busy trace.Duration) {
	type border struct {
		at trace.Time
		by int
	}
	var borders []border
	for _, events := range tracks {
		for _, e := range events {
			borders = append(borders, border{e.start, 1}, border{e.end, -1})
		}
	}
	slices.SortFunc(borders, func(a, b border) int {
		if a.at != b.at {
			return int(min(1, max(-1, a.at-b.at)))
		}
		return b.by - a.by
	})
	open := 0
	for i, b := range borders {
		if open > 0 {
			busy += b.at.Sub(borders[i-1].at)
		}
		open += b.by
	}
	return busy
}
