// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"cmp"
	"slices"

	"github.com/layerscope/layerscope/trace"
)

// A MemorySample is what an allocator held from a time on, stack and heap
// together. Most is the largest sum of the stretch that the sample stands for: an
// event, or many of them in a long capture.
type MemorySample struct {
	At         trace.Time
	Held, Most int64
}

// timelineSamples is how many samples a timeline has at most.
const timelineSamples = 400

// timeline returns what an allocator held over time. Stretches of equal length
// stand for events that are more; none hides a peak.
func timeline(events []*trace.Alloc) []MemorySample {
	events = slices.Clone(events)
	slices.SortStableFunc(events, func(a, b *trace.Alloc) int { return cmp.Compare(a.Time, b.Time) })
	first, last := events[0].Time, events[len(events)-1].Time
	width := trace.Time(1)
	if len(events) > timelineSamples {
		width = max(1, (last-first)/timelineSamples+1)
	}
	var out []MemorySample
	at := trace.Time(-1)
	for _, e := range events {
		held := addSat(e.Reserved, e.Allocated)
		if k := (e.Time - first) / width; k != at || len(out) == 0 {
			at = k
			out = append(out, MemorySample{At: e.Time, Most: held})
		}
		s := &out[len(out)-1]
		s.Held, s.Most = held, max(s.Most, held)
	}
	return out
}
