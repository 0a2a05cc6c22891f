// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/layerscope/layerscope/trace"
)

// adder sums what selfTimes yields.
type adder map[trace.OpID]tally

func (a adder) add(b *closings) {
	if b == nil {
		clear(a)
		return
	}
	for i := range b.events {
		c := &b.events[i]
		t, seen := a[c.op]
		least, e := c.dur, extras{count: 1}
		if c.extra >= 0 {
			e = b.extras[c.extra]
			least = e.min
		}
		if !seen || least < t.min {
			t.min = least
		}
		t.count += e.count
		t.total += c.dur
		t.self += c.self
		t.flops += e.flops
		t.mem += e.mem
		a[c.op] = t
	}
}

// The two walks over a track agree on everything, whatever its events are: nested
// or not, in order or not, with sums among them.
func TestTallierAgreesWithSelfTimes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var b strings.Builder
		b.WriteString("layerscope-trace 1\ndevice d tpu\nop a\nop b\nop c\ntrack ops device=0\n")
		sorted, at := rapid.Bool().Draw(rt, "sorted"), 0
		for range rapid.IntRange(0, 60).Draw(rt, "events") {
			if sorted {
				at += rapid.IntRange(0, 3000).Draw(rt, "gap")
			} else {
				at = rapid.IntRange(0, 20000).Draw(rt, "start")
			}
			fmt.Fprintf(&b, "  %d %d %s", at, rapid.SampledFrom([]int{0, 1, 900, 1100, 2500, 9000, 40000}).Draw(rt, "dur"), rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "op"))
			switch rapid.IntRange(0, 9).Draw(rt, "kind") {
			case 0:
				b.WriteString(" flops=7 bytes=3")
			case 1:
				b.WriteString(" count=4 self=100 min=2")
			}
			b.WriteString("\n")
		}
		tr, err := trace.Read(strings.NewReader(b.String()), "random", trace.Options{})
		if err != nil {
			rt.Fatal(err)
		}
		want := adder{}
		lane, err := selfTimes(tr.Tracks[0], want.add)
		if err != nil {
			rt.Fatal(err)
		}
		got, err := tallyTracks(tr.Tracks, len(tr.Ops))
		if err != nil {
			rt.Fatal(err)
		}
		have := adder{}
		for _, o := range got[0].ops {
			have[o.op] = o.tally
		}
		all := cmp.AllowUnexported(tally{}, lane)
		if d := cmp.Diff(want, have, all); d != "" {
			rt.Errorf("sums by op (-yielding +adding):\n%s\n%s", d, b.String())
		}
		if d := cmp.Diff(lane, got[0].lane, all); d != "" {
			rt.Errorf("track (-yielding +adding):\n%s\n%s", d, b.String())
		}
	})
}
