// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/layerscope/layerscope/internal/tracetest"
	"github.com/layerscope/layerscope/trace"
)

// flowsOf lists the arrows of a trace as "kind: name at µs → name at µs", in
// their order.
func flowsOf(t *testing.T, tr *trace.Trace) []string {
	t.Helper()
	names := map[int][]string{}
	name := func(r trace.EventRef) string {
		if _, ok := names[r.Track]; !ok {
			for b, err := range tr.Tracks[r.Track].Batches() {
				if err != nil {
					t.Fatal(err)
				}
				for i, id := range b.Op {
					names[r.Track] = append(names[r.Track], fmt.Sprintf("%s %g", tr.Ops[id].Name, float64(b.Start[i])/1e6))
				}
			}
		}
		return names[r.Track][r.Event]
	}
	out := []string{}
	for f, err := range tr.Flows() {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s: %s → %s", f.Kind, name(f.From), name(f.To)))
	}
	return out
}

func TestTorchFlows(t *testing.T) {
	tr := again(t, []byte(kineto), "k.json")
	if d := cmp.Diff([]string{"ac2g: cudaLaunchKernel 12.7 → aten::mm 50"}, flowsOf(t, tr)); d != "" {
		t.Error(d)
	}
	if !slices.Contains(codesOf(tr), "flows-loose 1") { // of the copy, whose end is not there
		t.Errorf("findings %v", codesOf(tr))
	}
}

// chromeFlows are events of two threads, 1 with a (0 to 10) around b (2 to 4), 2
// with c (20 to 30) and d (40 to 50), and what flows among them must be.
var chromeFlows = []struct {
	name, events string
	want         []string
}{
	{"the event around, and the next one", `{"ph":"s","id":1,"tid":1,"ts":3,"name":"n"},{"ph":"f","id":1,"tid":2,"ts":15,"name":"n"}`, []string{"n: b 2 → c 20"}},
	{"bp e is the event around", `{"ph":"s","id":1,"tid":1,"ts":5,"cat":"k"},{"ph":"f","id":1,"tid":2,"ts":25,"bp":"e","cat":"k"}`, []string{"k: a 0 → c 20"}},
	{"without bp the next one", `{"ph":"s","id":1,"tid":1,"ts":5,"cat":"k"},{"ph":"f","id":1,"tid":2,"ts":25,"cat":"k"}`, []string{"k: a 0 → d 40"}},
	{"steps", `{"ph":"s","id":1,"tid":1,"ts":5},{"ph":"t","id":1,"tid":2,"ts":25},{"ph":"f","id":1,"tid":2,"ts":45,"bp":"e"}`, []string{"flow: a 0 → c 20", "flow: c 20 → d 40"}},
	{"several ends", `{"ph":"s","id":1,"tid":1,"ts":5},{"ph":"f","id":1,"tid":2,"ts":25,"bp":"e"},{"ph":"f","id":1,"tid":2,"ts":45,"bp":"e"}`, []string{"flow: a 0 → c 20", "flow: a 0 → d 40"}},
	{"strings are of base 16", `{"ph":"s","id":16,"tid":1,"ts":5},{"ph":"f","id":"10","tid":2,"ts":25,"bp":"e"},{"ph":"s","id":31,"tid":1,"ts":3},{"ph":"f","id":"0x1f","tid":2,"ts":45,"bp":"e"}`, []string{"flow: b 2 → d 40", "flow: a 0 → c 20"}},
	{"category and name are part of the id", `{"ph":"s","id":1,"tid":1,"ts":5,"cat":"x"},{"ph":"s","id":1,"tid":1,"ts":3,"cat":"y"},{"ph":"f","id":1,"tid":2,"ts":25,"bp":"e","cat":"x"},{"ph":"f","id":1,"tid":2,"ts":45,"bp":"e","cat":"y"}`, []string{"y: b 2 → d 40", "x: a 0 → c 20"}},
	{"an id used again", `{"ph":"s","id":1,"tid":1,"ts":3},{"ph":"f","id":1,"tid":2,"ts":25,"bp":"e"},{"ph":"s","id":1,"tid":2,"ts":26},{"ph":"f","id":1,"tid":2,"ts":45,"bp":"e"}`, []string{"flow: b 2 → c 20", "flow: c 20 → d 40"}},
	{"an end before its beginning", `{"ph":"f","id":1,"tid":1,"ts":3,"bp":"e"},{"ph":"s","id":1,"tid":2,"ts":25}`, []string{"flow: c 20 → b 2"}},
	{"an end without a beginning, outside of all events, without an id", `{"ph":"f","id":1,"tid":2,"ts":25,"bp":"e"},{"ph":"s","id":2,"tid":1,"ts":15},{"ph":"s","tid":1,"ts":5}`, []string{}},
	{"bound to the event itself", `{"ph":"X","tid":3,"ts":0,"dur":9,"name":"e","bind_id":"0x7","flow_out":true},{"ph":"X","tid":3,"ts":0,"dur":2,"name":"f"},{"ph":"X","tid":4,"ts":60,"dur":1,"name":"g","bind_id":7,"flow_in":true,"flow_out":true},{"ph":"X","tid":4,"ts":70,"dur":1,"name":"h","bind_id":7,"flow_in":true}`,
		[]string{"flow: e 0 → g 60", "flow: g 60 → h 70"}},
}

func TestChromeFlows(t *testing.T) {
	const base = `{"ph":"X","tid":2,"ts":40,"dur":10,"name":"d"},{"ph":"X","tid":1,"ts":2,"dur":2,"name":"b"},{"ph":"X","tid":2,"ts":20,"dur":10,"name":"c"},{"ph":"B","tid":1,"ts":0,"name":"a"},{"ph":"E","tid":1,"ts":10}`
	for _, c := range chromeFlows {
		for _, doc := range []string{base + "," + c.events, c.events + "," + base} {
			tr := again(t, []byte("["+doc+"]"), "f.json")
			got, want := flowsOf(t, tr), slices.Clone(c.want)
			slices.Sort(got)
			slices.Sort(want)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s:\n%s", c.name, d)
			}
			if loose := slices.Contains(codesOf(tr), "flows-loose 2"); loose != (len(c.want) == 0) {
				t.Errorf("%s: findings %v", c.name, codesOf(tr))
			}
		}
	}
}

// fixed64 is a field of eight bytes.
func (b pbuf) fixed64(field int, v uint64) pbuf {
	b = b.varint(uint64(field)<<3 | 1)
	for i := range 8 {
		b = append(b, byte(v>>(8*i)))
	}
	return b
}

func TestPerfettoFlows(t *testing.T) {
	out, end := func(id uint64) pbuf { return pbuf{}.fixed64(47, id) }, func(id uint64) pbuf { return pbuf{}.fixed64(48, id) }
	for _, c := range []struct {
		name    string
		packets []pbuf
		want    []string
	}{
		{"begin, step, end", []pbuf{pevent(1000, 3, 1, "a", out(9)), pevent(2000, 3, 2, "b", out(9)), pevent(3000, 3, 1, "c", end(9)), pevent(4000, 3, 1, "d", end(9))},
			[]string{"flow: a 0 → b 1", "flow: b 1 → c 2"}},
		{"several of one event, in any order of the file", []pbuf{pevent(3000, 3, 1, "c", end(9)), pevent(1000, 1, 2, "a", out(9), out(8)), pevent(2000, 3, 1, "b", end(8)), pevent(5000, 2, 2, "")},
			[]string{"flow: a 0 → b 1", "flow: a 0 → c 2"}},
		{"at an end: of the slice that it ends", []pbuf{pevent(1000, 1, 1, "a"), pevent(2000, 1, 1, "b"), pevent(3000, 2, 1, "", out(9)), pevent(3500, 2, 1, ""), pevent(4000, 3, 1, "c", end(9))},
			[]string{"flow: b 1 → c 3"}},
		{"old fields", []pbuf{pevent(1000, 3, 1, "a", pbuf{}.num(36, 9)), pevent(2000, 3, 1, "b", pbuf{}.num(42, 9))}, []string{"flow: a 0 → b 1"}},
		{"old phases", []pbuf{
			pevent(1000, 1, 1, "a"), legacyFlow(1500, 1, 's', 7, false), pevent(2000, 2, 1, ""),
			pevent(3000, 1, 2, "b"), legacyFlow(3500, 2, 'f', 7, false), pevent(4000, 3, 2, "c"), pevent(5000, 2, 2, ""),
		}, []string{"flow: a 0 → c 3"}},
		{"old phases, enclosing", []pbuf{
			pevent(1000, 1, 1, "a"), legacyFlow(1500, 1, 's', 7, false), pevent(2000, 2, 1, ""),
			pevent(3000, 1, 2, "b"), legacyFlow(3500, 2, 'f', 7, true), pevent(4000, 3, 2, "c"), pevent(5000, 2, 2, ""),
		}, []string{"flow: a 0 → b 2"}},
	} {
		tr := again(t, ptrace(append([]pbuf{ptrack(1, 0, "one"), ptrack(2, 0, "two")}, c.packets...)...), "f.pftrace")
		got := flowsOf(t, tr)
		slices.Sort(got)
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s:\n%s", c.name, d)
		}
	}
}

// legacyFlow is an event of a flow as JSON has it, converted.
func legacyFlow(ns, track int64, phase byte, id int64, enclosing bool) pbuf {
	lg := pbuf{}.num(2, int64(phase)).num(6, id)
	if enclosing {
		lg = lg.num(12, 1)
	}
	ev := pbuf{}.num(11, track).msg(6, lg)
	return pbuf{}.num(8, ns).num(10, 1).msg(11, ev)
}

// TestXSpaceFlows: what a TPU's host enqueued leads to the program that ran, as
// often as it ran.
func TestXSpaceFlows(t *testing.T) {
	tr := openCapture(t, tracetest.Shared(t, "data/xspace/tpu_v6e_x4_host_offload.xplane.pb"))
	counts := map[string]int{}
	modules := map[trace.EventRef]bool{}
	for f, err := range tr.Flows() {
		if err != nil {
			t.Fatal(err)
		}
		from, to := tr.Tracks[f.From.Track], tr.Tracks[f.To.Track]
		counts[fmt.Sprint(f.Kind, " ", from.Kind, " ", to.Kind)]++
		if to.Kind == trace.Modules {
			modules[f.To] = true
		}
	}
	if n := counts["tpu_launch host modules"]; n != len(tr.Executions) || len(modules) != n {
		t.Errorf("%d flows to %d of %d executions: %v", n, len(modules), len(tr.Executions), counts)
	}
	gpu := openCapture(t, tracetest.Shared(t, "data/xspace/gpu_mi355_jax_fused_attention_fwd_bwd.xplane.pb"))
	launched := 0
	for f := range gpu.Flows() {
		if gpu.Tracks[f.To.Track].Kind == trace.Stream && f.Kind == "gpu_launch" {
			launched++
		}
	}
	if launched != 150 { // all kernels have a correlation id that a call on the host has
		t.Errorf("%d kernels with their launch, want 150", launched)
	}
}

// TestTorchFlowsShared counts the arrows of real files: one for each end that has
// its event and its beginning in the file.
func TestTorchFlowsShared(t *testing.T) {
	for name, want := range map[string]map[string]int{
		"h100_qwen15_05b.json.gz": {"ac2g": 1198}, "mi300_qwen15_05b.json.gz": {"ac2g": 1054},
	} {
		tr := openCapture(t, tracetest.Shared(t, "data/torch/"+name))
		got := map[string]int{}
		for f := range tr.Flows() {
			got[f.Kind]++
			if f.Kind == "ac2g" && tr.Tracks[f.To.Track].Kind != trace.Stream {
				t.Errorf("%s: %v leads to %s", name, f, tr.Tracks[f.To.Track].Name)
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// drawFlows appends flows, and counters with a sample each of any value, to a
// drawn capture.
func drawFlows(t *rapid.T, in string) string {
	counter := func(device string) string {
		var b strings.Builder
		fmt.Fprintf(&b, "track counter %sname=\"c %s\" host=h\n", device, strings.Trim(device, " "))
		for i := range rapid.IntRange(1, 5).Draw(t, "samples") {
			fmt.Fprintf(&b, "  %d 0 %s value=%g\n", 1500*i, rapid.SampledFrom([]string{"gauge", "other"}).Draw(t, "gauge"), rapid.Float64().Draw(t, "value"))
		}
		return b.String()
	}
	at := strings.Index(in, "track ops device=1") // an XSpace's tracks are in the order of its devices
	if at < 0 {
		at = strings.Index(in, "track host")
	}
	var b strings.Builder
	b.WriteString(in[:at] + "op gauge name=gauge\nop other name=gauge\n" + counter("device=0 ") + in[at:] + counter(""))
	var counts []int
	samples := false
	for line := range strings.Lines(b.String()) {
		switch {
		case strings.HasPrefix(line, "track "):
			counts, samples = append(counts, 0), strings.HasPrefix(line, "track counter")
		case strings.HasPrefix(line, " ") && !samples: // Perfetto's counters have no flows
			counts[len(counts)-1]++
		}
	}
	var events []string
	for track, n := range counts {
		for i := range n {
			events = append(events, fmt.Sprintf("%d %d", track, i))
		}
	}
	if len(events) == 0 {
		return b.String()
	}
	kind := rapid.StringOfN(rapid.RuneFrom([]rune("ab →\"\n")), 1, 4, -1)
	taken := map[string]bool{}
	for range rapid.IntRange(0, 6).Draw(t, "flows") {
		from, to := rapid.SampledFrom(events).Draw(t, "from"), rapid.SampledFrom(events).Draw(t, "to")
		if from != to && !taken[to] { // an XSpace has one flow to an event
			taken[to] = true
			fmt.Fprintf(&b, "flow %s %s kind=%q\n", from, to, kind.Draw(t, "kind"))
		}
	}
	return b.String()
}

// TestPerfettoRoundTrips: a capture whose events are in order of time is the same
// capture after Perfetto, to the last digit of its counters.
func TestPerfettoRoundTrips(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		in := drawFlows(rt, drawCapture(rt))
		tr, err := trace.Read(strings.NewReader(in), "in.txt", trace.Options{})
		if err != nil {
			rt.Fatalf("%v\n%s", err, in)
		}
		var b bytes.Buffer
		if err := trace.WritePerfetto(&b, tr, trace.PerfettoOptions{}); err != nil {
			rt.Fatal(err)
		}
		got, err := trace.Read(&b, "copy.pftrace", trace.Options{})
		if err != nil {
			rt.Fatal(err)
		}
		want, have := sortedText(t, tr), sortedText(t, got)
		if d := cmp.Diff(want, have); d != "" {
			rt.Fatalf("Perfetto changed:\n%s", d)
		}
	})
}

// sortedText is the text form with the events of each track in order, and flows
// with their events in place of numbers.
func sortedText(t *testing.T, tr *trace.Trace) []string {
	var tracks [][]string
	var head, flows []string
	for line := range strings.Lines(text(t, tr)) {
		switch {
		case strings.HasPrefix(line, "track "):
			tracks = append(tracks, []string{line})
		case strings.HasPrefix(line, " "):
			k := len(tracks) - 1
			tracks[k] = append(tracks[k], line)
		case strings.HasPrefix(line, "flow "):
			var n [4]int
			if _, err := fmt.Sscanf(line, "flow %d %d %d %d", &n[0], &n[1], &n[2], &n[3]); err != nil {
				t.Fatal(err)
			}
			kind := strings.SplitAfterN(strings.TrimSuffix(line, "\n"), " ", 6)[5:]
			flows = append(flows, fmt.Sprint("flow ", n[0], tracks[n[0]][n[1]+1], n[2], tracks[n[2]][n[3]+1], kind))
		default:
			head = append(head, line)
		}
	}
	slices.Sort(flows)
	for _, tk := range tracks {
		slices.Sort(tk[1:])
		head = append(head, tk...)
	}
	return append(head, flows...)
}
