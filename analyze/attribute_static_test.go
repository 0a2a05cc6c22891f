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

// The sheet made of tallies is the one made event by event, whatever the nests and
// wherever the steps lie.
func TestStaticSheetAgreesWithEvents(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tr, err := trace.Read(strings.NewReader(steppedTrace(rt)), "random", trace.Options{})
		if err != nil {
			rt.Fatal(err)
		}
		s := newStudy(tr, Options{})
		s.selectDevices()
		if s.tallies, err = tallyTracks(s.tracks, len(tr.Ops)); err != nil {
			rt.Fatal(err)
		}
		if len(s.devices) == 0 {
			return
		}
		s.gatherOps()
		s.gatherExecutions()
		s.gatherSteps()
		if err := s.findLayers(); err != nil {
			rt.Fatal(err)
		}
		if err := s.attribute(); err != nil {
			rt.Fatal(err)
		}
		quick := s.sheet
		for i := range s.tallies {
			s.tallies[i].lane.disordered = true // forces the other way
		}
		s.components = nil
		if err := s.attribute(); err != nil {
			rt.Fatal(err)
		}
		if d := cmp.Diff(s.sheet, quick, cmp.AllowUnexported(sheet{}, rowSums{}, stepSpan{}, span{})); d != "" {
			rt.Errorf("sheets differ (-by event +by tally):\n%s", d)
		}
	})
}

// steppedTrace writes a trace in the text form: ops of four layers on up to two
// devices, in steps that may overlap the ops' borders.
func steppedTrace(rt *rapid.T) string {
	var b strings.Builder
	b.WriteString("layerscope-trace 1\ndevice /device:TPU:0 tpu\ndevice /device:TPU:1 tpu ordinal=1\nprogram jit_f 7\n")
	for i := range 6 {
		scope := fmt.Sprintf("jit(f)/layers.%d/mlp", i)
		if i >= 4 {
			scope = []string{"jit(f)/embed", ""}[i-4]
		}
		fmt.Fprintf(&b, "op o%d program=0 name=fusion.%d scope=%q flops=%d bytes=5\n", i, i, scope, i)
	}
	for d := range 2 {
		at := 0
		for n := range rapid.IntRange(0, 5).Draw(rt, "steps") {
			at += rapid.IntRange(0, 20000).Draw(rt, "pause")
			length := rapid.IntRange(0, 30000).Draw(rt, "step")
			fmt.Fprintf(&b, "step %d %d %d %d name=%d\n", n, d, at, length, n)
			if rapid.Bool().Draw(rt, "apart") {
				at += length
			}
		}
	}
	for d := range rapid.IntRange(1, 2).Draw(rt, "devices") {
		fmt.Fprintf(&b, "track ops device=%d\n", d)
		at := 0
		for range rapid.IntRange(0, 40).Draw(rt, "events") {
			at += rapid.SampledFrom([]int{0, 1, 300, 1000, 4000}).Draw(rt, "gap")
			fmt.Fprintf(&b, "  %d %d o%d", at, rapid.SampledFrom([]int{0, 1, 900, 1100, 2500, 9000, 40000}).Draw(rt, "dur"), rapid.IntRange(0, 5).Draw(rt, "op"))
			if rapid.IntRange(0, 5).Draw(rt, "more") == 0 {
				b.WriteString(" flops=7 bytes=3")
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}
