// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/trace"
)

// A nest is a made-up capture: events of op tracks that nest, lie side by side, last
// no time, or partly overlap, on several devices.
type nest struct {
	tracks [][]bruteEvent
	device []int // of each track
	steps  [][2]int64
}

// nestOps is how many ops nests have: of three layers, of an embedding, without
// scope.
const nestOps = 8

func drawNest(t *rapid.T) *nest {
	n := &nest{}
	for range rapid.IntRange(1, 5).Draw(t, "tracks") {
		n.device = append(n.device, rapid.IntRange(0, 2).Draw(t, "device"))
		var events []bruteEvent
		at := trace.Time(0)
		for range rapid.IntRange(0, 5).Draw(t, "roots") {
			at += trace.Time(rapid.IntRange(0, 3000).Draw(t, "gap"))
			events, at = drawEvent(t, events, at, rapid.IntRange(0, 3).Draw(t, "depth"))
		}
		if rapid.IntRange(0, 4).Draw(t, "stray") == 0 { // may overlap anything by half
			start := trace.Time(rapid.IntRange(0, 8000).Draw(t, "start"))
			events = append(events, bruteEvent{0, start, start + trace.Time(rapid.IntRange(0, 5000).Draw(t, "length"))})
		}
		n.tracks = append(n.tracks, events)
	}
	at := int64(0)
	for range rapid.IntRange(0, 4).Draw(t, "steps") {
		length := rapid.Int64Range(1, 6000).Draw(t, "length")
		n.steps = append(n.steps, [2]int64{at, length})
		at += length + rapid.Int64Range(0, 2000).Draw(t, "pause")
	}
	return n
}

// drawEvent appends an event from at on, with its children, and returns its end.
func drawEvent(t *rapid.T, events []bruteEvent, at trace.Time, depth int) ([]bruteEvent, trace.Time) {
	i := len(events)
	events = append(events, bruteEvent{op: trace.OpID(rapid.IntRange(0, nestOps-1).Draw(t, "op")), start: at})
	if depth > 0 {
		for range rapid.IntRange(0, 4).Draw(t, "children") {
			at += trace.Time(rapid.SampledFrom([]int{0, 0, 1, 700}).Draw(t, "before"))
			events, at = drawEvent(t, events, at, depth-1)
		}
	}
	events[i].end = at + trace.Time(rapid.SampledFrom([]int{0, 1, 3, 1250}).Draw(t, "more"))
	return events, events[i].end
}

// text writes the capture with all times later by shift, its tracks in the given
// order, the events of each as they are.
func (n *nest) text(shift int64, order []int) string {
	var b strings.Builder
	b.WriteString("layerscope-trace 1\nprogram jit_f 7\n")
	for d := range 3 {
		fmt.Fprintf(&b, "device /device:TPU:%d tpu ordinal=%d\n", d, d)
		for i, s := range n.steps {
			fmt.Fprintf(&b, "step %d %d %d %d name=%d\n", i, d, s[0]+shift, s[1], i)
		}
	}
	for i := range nestOps {
		scope := []string{"f/layers.0/mlp", "f/layers.0/attn", "f/layers.1/mlp", "f/layers.1/attn", "f/layers.2/mlp", "f/embed", "", "f/layers.2/norm"}[i]
		fmt.Fprintf(&b, "op %d program=0 name=op.%d category=c%d scope=%q flops=%d bytes=3\n", i, i, i%3, scope, i)
	}
	for _, k := range order {
		fmt.Fprintf(&b, "track ops device=%d\n", n.device[k])
		for _, e := range n.tracks[k] {
			fmt.Fprintf(&b, "  %d %d %d\n", int64(e.start)+shift, e.end-e.start, e.op)
		}
	}
	return b.String()
}

func (n *nest) analyse(t *rapid.T, text string) (*trace.Trace, *analyze.Analysis) {
	tr, err := trace.Read(bytes.NewReader([]byte(text)), "nest", trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a, err := analyze.Analyze(tr, analyze.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range unconserved(a) {
		t.Errorf("%s\n%s", wrong, text)
	}
	return tr, a
}

// TestNests: on any nest, in any order of events, all times are those counted by
// brute force; neither the clock's zero nor the order of tracks or events matters.
func TestNests(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := drawNest(t)
		order := make([]int, len(n.tracks))
		for i := range order {
			order[i] = i
		}
		text := n.text(0, order)
		tr, a := n.analyse(t, text)
		n.check(t, tr, a)

		_, later := n.analyse(t, n.text(rapid.Int64Range(1, 1<<50).Draw(t, "shift"), order))
		same(t, "a later clock", a, later)

		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		_, turned := n.analyse(t, n.text(0, order))
		same(t, "another order of tracks", a, turned)

		for _, events := range n.tracks {
			shuffleDistinct(rng, events)
		}
		_, shuffled := n.analyse(t, n.text(0, order))
		same(t, "another order of events", a, shuffled)
	})
}

// shuffleDistinct changes the order of a track's events, but not that of events
// with the same times: which of these is inside which only the file says.
func shuffleDistinct(rng *rand.Rand, events []bruteEvent) {
	type times struct{ start, end trace.Time }
	queue := make(map[times][]trace.OpID)
	for _, e := range events {
		k := times{e.start, e.end}
		queue[k] = append(queue[k], e.op)
	}
	rng.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	for i, e := range events {
		k := times{e.start, e.end}
		events[i].op, queue[k] = queue[k][0], queue[k][1:]
	}
}

// same compares what must not depend on how the capture is written down. (Who gets
// the odd picosecond of an instant that several tracks share does.)
func same(t *rapid.T, what string, a, b *analyze.Analysis) {
	flat := func(a *analyze.Analysis) (rows []string) {
		for _, o := range a.Ops {
			rows = append(rows, fmt.Sprint("op ", o.Name, o.Layer, o.Occurrences, o.Total, o.Self, o.Min, o.FLOPs))
		}
		for _, d := range a.Devices {
			rows = append(rows, fmt.Sprint("device ", d.Name, d.OpTime, d.Busy, d.Idle, d.OpEvents))
		}
		for _, r := range a.Layers.Rows {
			rows = append(rows, fmt.Sprint("layer ", r.Key, r.Self, r.Occurrences, r.PerStep))
		}
		for _, s := range a.Steps {
			rows = append(rows, fmt.Sprint("step ", s.Index, s.OpTime))
		}
		slices.Sort(rows)
		return rows
	}
	if d := cmp.Diff(flat(a), flat(b)); d != "" {
		t.Errorf("with %s:\n%s", what, d)
	}
}

// check compares an analysis with what brute force counts.
func (n *nest) check(t *rapid.T, tr *trace.Trace, a *analyze.Analysis) {
	want := make(map[string]trace.Duration)
	perOp := make(map[string]trace.Duration)
	byDevice := make(map[int][][]bruteEvent)
	for k, events := range n.tracks {
		d := n.device[k]
		byDevice[d] = append(byDevice[d], events)
		for op, self := range bruteSelf(events) {
			want[tr.Devices[d].Name] += self
			perOp[tr.Ops[op].Name] += self
		}
	}
	for _, d := range a.Devices {
		if d.OpTime != want[d.Name] {
			t.Errorf("%s: op time %d, want %d", d.Name, d.OpTime, want[d.Name])
		}
		for k := range tr.Devices {
			if busy := covered(byDevice[k]...); tr.Devices[k].Name == d.Name && d.Busy != busy {
				t.Errorf("%s: busy %d, want %d", d.Name, d.Busy, busy)
			}
		}
	}
	for _, o := range a.Ops {
		if o.Self != perOp[o.Name] {
			t.Errorf("%s: self %d, want %d", o.Name, o.Self, perOp[o.Name])
		}
	}
}
