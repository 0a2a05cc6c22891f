// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/layerscope/layerscope/internal/tracetest"
	"github.com/layerscope/layerscope/trace"
)

// drawCapture draws a trace in the text form: devices of a TPU, programs that
// ran, ops with odd names, nested and async events, host threads.
func drawCapture(t *rapid.T) string {
	var b strings.Builder
	text := rapid.StringOf(rapid.RuneFrom([]rune("ab/_.0 :%\"\\\n\té→\x1b=;")))
	name := func(label string) string {
		return fmt.Sprintf("%q", text.Draw(t, label)+"n") // "" stands for none
	}
	peak := func(label string) float64 { return float64(rapid.IntRange(1, 1<<40).Draw(t, label)) / 1024 } // as XLA states it: TFLOP/s, GB/s
	b.WriteString("layerscope-trace 1\norigin 1700000000000000000\nwall 50000\nhost h\n")
	devices, programs := rapid.IntRange(1, 3).Draw(t, "devices"), rapid.IntRange(1, 3).Draw(t, "programs")
	for p := range programs {
		fmt.Fprintf(&b, "program %q %d host=h\n", fmt.Sprintf("jit_f%d", p), p+1)
	}
	for d := range devices {
		fmt.Fprintf(&b, "device /device:TPU:%d tpu ordinal=%d host=h type=%s flops=%.17g hbm=%.17g memory=7\n", d, d, name("type"), peak("flops")*1e12, peak("hbm")*1e9)
	}
	ops := rapid.IntRange(1, 6).Draw(t, "ops")
	for i := range ops {
		flops := rapid.IntRange(1, 1<<40).Draw(t, "op flops")
		fmt.Fprintf(&b, "op %d name=%s program=%d category=%s scope=%s flops=%d model_flops=%d bytes=%d hbm_read=%d source=%s long=%s\n", i, name("op"), i%programs,
			name("category"), name("scope"), flops, flops, rapid.IntRange(0, 1<<40).Draw(t, "bytes"), rapid.IntRange(0, 9).Draw(t, "read"), name("source"), name("long"))
	}
	fmt.Fprintf(&b, "op host name=%s\n", name("span"))
	for d := range devices {
		fmt.Fprintf(&b, "track ops device=%d name=\"XLA Ops\" host=h\n", d)
		at := int64(0)
		for range rapid.IntRange(0, 8).Draw(t, "events") {
			at += rapid.Int64Range(0, 3000).Draw(t, "gap")
			dur := rapid.Int64Range(0, 5000).Draw(t, "dur")
			fmt.Fprintf(&b, "  %d %d %d\n", at, dur, rapid.IntRange(0, ops-1).Draw(t, "op"))
			if dur > 2 {
				fmt.Fprintf(&b, "  %d %d %d\n", at+1, dur-2, rapid.IntRange(0, ops-1).Draw(t, "inner"))
			}
			at += dur
		}
		fmt.Fprintf(&b, "track async device=%d name=\"Async XLA Ops\" host=h\n", d)
		for range rapid.IntRange(0, 4).Draw(t, "transfers") {
			fmt.Fprintf(&b, "  %d %d 0\n", rapid.IntRange(0, 9000).Draw(t, "start"), rapid.IntRange(0, 9000).Draw(t, "length"))
		}
	}
	b.WriteString("track host name=\"thread → 1\" host=h\n")
	for i := range rapid.IntRange(0, 4).Draw(t, "spans") {
		fmt.Fprintf(&b, "  %d %d host\n", 1000*i, rapid.IntRange(0, 1000).Draw(t, "span"))
	}
	return b.String()
}

// TestRoundTrips: text, Chrome JSON with exact times and XSpace give back what
// was written; Chrome JSON as it is by default, to the nanosecond.
func TestRoundTrips(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		in := drawFlows(rt, drawCapture(rt))
		read := func(b []byte, name string) *trace.Trace {
			tr, err := trace.Read(bytes.NewReader(b), name, trace.Options{})
			if err != nil {
				rt.Fatalf("%s: %v\n%s", name, err, in)
			}
			return tr
		}
		tr := read([]byte(in), "in.txt")
		want := text(t, tr)
		if d := cmp.Diff(want, text(t, read([]byte(want), "copy.txt"))); d != "" {
			rt.Fatalf("text changed:\n%s", d)
		}
		if d := cmp.Diff(want, text(t, read(chrome(t, tr, trace.ChromeOptions{Exact: true}), "exact.json"))); d != "" {
			rt.Fatalf("exact Chrome JSON changed:\n%s", d)
		}
		if d := cmp.Diff(canonical(t, tr), canonical(t, read(xspaceOf(t, tr), "x.pb"))); d != "" {
			rt.Fatalf("XSpace changed:\n%s", d)
		}
		near(rt, tr, read(chrome(t, tr, trace.ChromeOptions{}), "ns.json"))
	})
}

// near wants the same events with starts and ends off by half a nanosecond.
func near(t *rapid.T, want, got *trace.Trace) {
	if len(want.Tracks) != len(got.Tracks) {
		t.Fatalf("%d tracks, want %d", len(got.Tracks), len(want.Tracks))
	}
	for i, tr := range want.Tracks {
		a, b := events(tr), events(got.Tracks[i])
		if len(a) != len(b) {
			t.Fatalf("track %d: %d events, want %d", i, len(b), len(a))
		}
		for k := range a {
			off := func(x, y trace.Time) bool { d := x - y; return d > 500 || d < -500 }
			if a[k].op != b[k].op || off(a[k].from, b[k].from) || off(a[k].to, b[k].to) {
				t.Fatalf("track %d: event %d is %v, want %v", i, k, b[k], a[k])
			}
		}
	}
}

type plainEvent struct {
	op       trace.OpID
	from, to trace.Time
}

func events(tr *trace.Track) []plainEvent {
	var out []plainEvent
	for b := range tr.Batches() {
		for i, op := range b.Op {
			out = append(out, plainEvent{op, b.Start[i], b.Start[i].Add(b.Dur[i])})
		}
	}
	return out
}

// TestChromeNests: on a thread of what is written X events nest, or strict
// readers drop them; ts and dur are plain decimals.
func TestChromeNests(t *testing.T) {
	tr, err := trace.Open(tracetest.Shared(t, "data/torch/h100_qwen15_05b.json.gz"), trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	for _, exact := range []bool{false, true} {
		checkNesting(t, chrome(t, tr, trace.ChromeOptions{Exact: exact}))
	}
}
