// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layerscope/layerscope/internal/tracetest"
	"github.com/layerscope/layerscope/trace"
	"github.com/layerscope/layerscope/trace/internal/perfetto"
)

// pbuf writes protobuf fields by hand: the generated messages serve the tests of
// the wire.
type pbuf []byte

func (b pbuf) varint(v uint64) pbuf {
	for ; v >= 0x80; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}

func (b pbuf) num(field int, v int64) pbuf { return b.varint(uint64(field) << 3).varint(uint64(v)) }
func (b pbuf) str(field int, s string) pbuf {
	return append(b.varint(uint64(field)<<3|2).varint(uint64(len(s))), s...)
}
func (b pbuf) msg(field int, m pbuf) pbuf { return b.str(field, string(m)) }

// pevent is a packet with a track event at a time: type, track, name and more.
func pevent(ns, typ, track int64, name string, more ...pbuf) pbuf {
	ev := pbuf{}.num(9, typ).num(11, track)
	if name != "" {
		ev = ev.str(23, name)
	}
	for _, m := range more {
		ev = append(ev, m...)
	}
	return pbuf{}.num(8, ns).num(10, 1).msg(11, ev)
}

// ptrack is a packet with a track's description.
func ptrack(uuid, parent int64, name string, more ...pbuf) pbuf {
	d := pbuf{}.num(1, uuid)
	if parent != 0 {
		d = d.num(5, parent)
	}
	if name != "" {
		d = d.str(2, name)
	}
	for _, m := range more {
		d = append(d, m...)
	}
	return pbuf{}.num(10, 1).msg(60, d)
}

func pprocess(pid int64, name string) pbuf {
	return pbuf{}.msg(3, pbuf{}.num(1, pid).str(6, name))
}

func pthread(pid, tid int64, name string) pbuf {
	return pbuf{}.msg(4, pbuf{}.num(1, pid).num(2, tid).str(5, name))
}

func note(name, value string) pbuf { return pbuf{}.msg(4, pbuf{}.str(10, name).str(6, value)) }

func ptrace(packets ...pbuf) []byte {
	var b pbuf
	for _, p := range packets {
		b = b.msg(1, p)
	}
	return b
}

// eventsOf describes the events of a track: "start+dur name" in nanoseconds.
func eventsOf(t *testing.T, tr *trace.Trace, track *trace.Track) (out []string) {
	t.Helper()
	for b, err := range track.Batches() {
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Op {
			s := fmt.Sprintf("%d+%d %s", b.Start[i]/1000, b.Dur[i]/1000, tr.Ops[b.Op[i]].Name)
			if b.Value != nil {
				s += fmt.Sprintf("=%g", b.Value[i])
			}
			out = append(out, s)
		}
	}
	return out
}

// tracksOf describes the tracks of a trace, one line each: device, kind, name,
// events.
func tracksOf(t *testing.T, tr *trace.Trace) []string {
	t.Helper()
	var out []string
	for _, track := range tr.Tracks {
		s := track.Kind.String() + " " + track.Name + ": " + strings.Join(eventsOf(t, tr, track), " ")
		if track.Device >= 0 {
			s = tr.Devices[track.Device].Name + " " + s
		}
		out = append(out, s)
	}
	return out
}

func codesOf(tr *trace.Trace) (out []string) {
	for _, f := range tr.Findings {
		out = append(out, fmt.Sprintf("%s %d", f.Code, f.Count))
	}
	slices.Sort(out)
	return out
}

// TestPerfettoTracks holds how tracks, nesting and times of any Perfetto trace
// become tracks of the model.
func TestPerfettoTracks(t *testing.T) {
	const begin, end, instant, counter, state = 1, 2, 3, 4, 5
	var far []pbuf // a chain of 102 tracks
	for i := range int64(102) {
		far = append(far, ptrack(1000+i, 1001+i, "link"))
	}
	for _, tc := range []struct {
		name    string
		packets []pbuf
		want    []string
		codes   []string
	}{
		{"a thread of a process", []pbuf{ptrack(1, 0, "", pprocess(5, "app")), ptrack(2, 0, "", pthread(5, 6, "main")), pevent(100, begin, 2, "a"), pevent(110, begin, 2, "b"), pevent(120, end, 2, ""), pevent(150, end, 2, "")},
			[]string{"host main: 0+50 a 10+10 b"}, nil},
		{"described after use", []pbuf{pevent(100, begin, 2, "a"), pevent(150, end, 2, ""), ptrack(2, 0, "late")}, []string{"host late: 0+50 a"}, nil},
		{"never described: named after its first event", []pbuf{pevent(100, begin, 2, "a"), pevent(150, end, 2, "")}, []string{"host a: 0+50 a"}, nil},
		{"uuid 0", []pbuf{pevent(100, instant, 0, "a")}, []string{"host Default Track: 0+0 a"}, nil},
		{"a child has its own name", []pbuf{ptrack(1, 0, "", pprocess(5, "app")), ptrack(2, 1, "child"), pevent(100, instant, 2, "a")}, []string{"host child: 0+0 a"}, nil},
		{"same names stay apart", []pbuf{ptrack(2, 0, "x"), ptrack(3, 0, "x"), pevent(1, instant, 2, "a"), pevent(2, instant, 3, "b")}, []string{"host x: 0+0 a", "host x: 1+0 b"}, nil},
		{"parents in a circle", []pbuf{ptrack(2, 3, "x"), ptrack(3, 2, "y"), pevent(1, instant, 2, "a")}, []string{"host x: 0+0 a"}, []string{"track-parents 1"}},
		{"an undescribed parent", []pbuf{ptrack(2, 99, "x"), pevent(1, instant, 2, "a")}, []string{"host x: 0+0 a"}, []string{"track-parents 1"}},
		{"a chain too long", append(far, ptrack(1102, 0, "end"), pevent(1, instant, 1000, "a")), []string{"host link: 0+0 a"}, []string{"track-parents 1"}},
		{"a thread with a parent", []pbuf{ptrack(2, 99, "", pthread(5, 6, "main")), pevent(1, instant, 2, "a")}, []string{"host main: 0+0 a"}, nil},
		{"an end without a begin", []pbuf{pevent(1, end, 2, ""), pevent(5, instant, 2, "a")}, []string{"host a: 4+0 a"}, []string{"slices-unopened 1"}},
		{"a begin without an end", []pbuf{pevent(1, begin, 2, "a"), pevent(9, instant, 3, "b")}, []string{"host a: 0+8 a", "host b: 8+0 b"}, []string{"slices-open 1"}},
		{"an end of another name closes the innermost", []pbuf{pevent(1, begin, 2, "a"), pevent(2, begin, 2, "b"), pevent(3, end, 2, "a"), pevent(4, end, 2, "b")}, []string{"host a: 0+3 a 1+1 b"}, nil},
		{"out of order", []pbuf{pevent(50, end, 2, ""), pevent(10, begin, 2, "a"), pevent(20, begin, 2, "b"), pevent(30, end, 2, "")}, []string{"host a: 0+40 a 10+10 b"}, nil},
		{"an end before its begin", []pbuf{pevent(10, begin, 2, "a"), pevent(5, end, 2, ""), pevent(20, instant, 3, "z")}, []string{"host a: 5+10 a", "host z: 15+0 z"}, []string{"slices-open 1", "slices-unopened 1"}},
		{"states", []pbuf{pevent(10, state, 2, "on"), pevent(15, state, 2, "off"), pevent(20, state, 2, ""), pevent(30, state, 2, "on"), pevent(35, instant, 3, "z")},
			[]string{"host on: 0+5 on 5+5 off 20+5 on", "host z: 25+0 z"}, []string{"slices-open 1"}},
		{"counters", []pbuf{ptrack(4, 0, "mem", pbuf{}.msg(8, pbuf{}.num(3, 3))), pevent(10, counter, 4, "", pbuf{}.num(30, 7)), pevent(12, counter, 4, "", pbuf{}.num(30, 9))},
			[]string{"counter mem [bytes]: 0+0 mem [bytes]=7 2+0 mem [bytes]=9"}, nil},
		{"counters that slices bring along", []pbuf{ptrack(4, 0, "mem", pbuf{}.msg(8, pbuf{})), pevent(10, begin, 2, "a", pbuf{}.num(31, 4).num(12, 7)), pevent(12, end, 2, "")},
			[]string{"host a: 0+2 a", "counter mem: 0+0 mem=7"}, nil},
		{"async by id", []pbuf{legacy(10, 'b', 1, "r"), legacy(11, 'b', 2, "s"), legacy(15, 'e', 1, "r"), legacy(17, 'e', 2, "s")}, []string{"host r: 0+5 r", "host s: 1+6 s"}, nil},
		{"complete", []pbuf{legacy(10, 'X', 0, "r", pbuf{}.num(3, 4))}, []string{"host r: 0+4000 r"}, nil},
		{"a thread named by an old event", []pbuf{
			pbuf{}.num(10, 1).num(13, 1), pbuf{}.num(10, 1).msg(44, pbuf{}.num(1, 3).num(2, 4).str(5, "worker")),
			pbuf{}.num(8, 10).num(10, 1).msg(11, pbuf{}.num(9, begin).str(23, "a")), pbuf{}.num(8, 12).num(10, 1).msg(11, pbuf{}.num(9, end))},
			[]string{"host worker: 0+2 a"}, nil},
		{"a GPU's queue and counter", []pbuf{pbuf{}.num(8, 5).msg(53, pbuf{}.num(2, 9).num(3, 1).str(17, "draw")), pbuf{}.num(8, 7).msg(52, pbuf{}.msg(2, pbuf{}.num(1, 3).num(2, 44)))},
			[]string{"other GPU 0 queue 1: 0+9 draw", "counter GPU 0 counter 3: 2+0 GPU 0 counter 3=44"}, []string{"gpu-stages 1"}},
		{"packets of other kinds", []pbuf{pevent(1, instant, 2, "a"), pbuf{}.num(8, 5).msg(69, pbuf{}), pbuf{}.num(8, 5).msg(1, pbuf{})}, []string{"host a: 0+0 a"}, []string{"not-decoded 2"}},
		{"a recording that lost data", []pbuf{pevent(1, instant, 2, "a"), pbuf{}.msg(35, pbuf{}.msg(1, pbuf{}.num(3, 6)))}, []string{"host a: 0+0 a"}, []string{"packets-lost 1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tr, err := trace.Read(bytes.NewReader(ptrace(tc.packets...)), "t.pftrace", trace.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, tracksOf(t, tr)); diff != "" {
				t.Errorf("tracks (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.codes, codesOf(tr)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

// legacy is an event of a Trace Event JSON phase, with an id unless it is 0.
func legacy(ns, phase, id int64, name string, more ...pbuf) pbuf {
	lg := pbuf{}.num(2, phase)
	if id != 0 {
		lg = lg.num(6, id)
	}
	for _, m := range more {
		lg = append(lg, m...)
	}
	return pbuf{}.num(8, ns).num(10, 1).msg(11, pbuf{}.str(23, name).msg(6, lg).num(11, 2))
}

// TestPerfettoDevices makes devices of processes that are called so, and of
// threads whose slices tell which HLO op they ran.
func TestPerfettoDevices(t *testing.T) {
	tr, err := trace.Read(bytes.NewReader(ptrace(
		ptrack(1, 0, "", pprocess(3, "/device:TPU:0")), ptrack(2, 0, "", pthread(3, 1, "XLA Ops")), ptrack(3, 0, "", pthread(3, 2, "XLA Modules")), ptrack(4, 0, "", pthread(3, 3, "Steps")),
		pevent(100, 1, 3, "jit_f(77)", note("run_id", "5")), pevent(200, 2, 3, ""), pevent(100, 1, 4, "9"), pevent(200, 2, 4, ""),
		pevent(100, 1, 2, "fusion.3", note("tf_op", "jit(f)/layer_0/dot"), note("hlo_category", "loop fusion"), note("model_flops", "12"), note("bytes_accessed", "34"), note("source", "a.py:3")),
		pevent(150, 2, 2, ""),
		ptrack(5, 0, "", pthread(9, 4, "python")), pevent(90, 1, 5, "train", note("step_num", "9")), pevent(300, 2, 5, ""),
		ptrack(6, 0, "", pthread(9, 5, "worker")), pevent(400, 1, 6, "Thunk", note("hlo_op", "dot.1"), note("hlo_module", "jit_g(3)"), note("device_ordinal", "1"), note("run_id", "2")), pevent(410, 1, 6, "inner"), pevent(420, 2, 6, ""), pevent(450, 2, 6, ""),
	)), "t.pftrace", trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"/device:TPU:0 modules XLA Modules: 10+100 jit_f(77)", "/device:TPU:0 steps Steps: 10+100 9", "/device:TPU:0 ops XLA Ops: 10+50 fusion.3",
		"host python: 0+210 train", "host worker: 320+10 inner", "cpu:1 ops worker: 310+50 dot.1",
	}
	if diff := cmp.Diff(want, tracksOf(t, tr)); diff != "" {
		t.Errorf("tracks (-want +got):\n%s", diff)
	}
	op := tr.Ops[slices.IndexFunc(tr.Ops, func(o trace.Op) bool { return o.Name == "fusion.3" })]
	if op.Scope != "jit(f)/layer_0/dot" || op.Category != "loop fusion" || op.FLOPs != 12 || op.Bytes != 34 || op.Source != "a.py:3" {
		t.Errorf("op %+v", op)
	}
	if e := tr.Executions; len(e) != 2 || tr.Programs[e[0].Program].Name != "jit_f" || tr.Programs[e[0].Program].ID != 77 || e[0].RunID != 5 || tr.Programs[e[1].Program].Name != "jit_g" || e[1].RunID != 2 {
		t.Errorf("executions %+v of %+v", e, tr.Programs)
	}
	if s := tr.Steps; len(s) != 2 || s[0].Number != 9 || s[0].Device != -1 || s[1].Number != 9 || s[1].Device != 0 {
		t.Errorf("steps %+v", s)
	}
}

// TestPerfettoShared opens real traces.
func TestPerfettoShared(t *testing.T) {
	for _, tc := range []struct {
		name   string
		events int64 // slices and instants
		codes  []string
	}{
		{"android_gpu_counters.pftrace", 0, []string{"not-decoded 4", "packets-lost 1"}},
		{"chrome_track_events.pftrace", 142164 + 3969 + 75 + 1698, nil},
		{"sdk_nested_tracks.perfetto-trace", 1364, nil},
		{"typed_args_tiny.perfetto-trace", 3, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tr := openCapture(t, tracetest.Shared(t, "data/perfetto/"+tc.name))
			var events, samples int64
			for _, track := range tr.Tracks {
				for b, err := range track.Batches() {
					if err != nil {
						t.Fatal(err)
					}
					if track.Kind == trace.Counter {
						samples += int64(b.Len())
					} else {
						events += int64(b.Len())
					}
				}
			}
			t.Logf("%d tracks, %d events, %d samples, %v", len(tr.Tracks), events, samples, codesOf(tr))
			if events != tc.events {
				t.Errorf("%d events, want %d", events, tc.events)
			}
			if tc.codes != nil && !slices.Equal(codesOf(tr), tc.codes) {
				t.Errorf("findings %v, want %v", codesOf(tr), tc.codes)
			}
			again, _ := perfettoOf(t, tr, trace.PerfettoOptions{})
			for i, track := range tr.Tracks {
				want, got := eventsOf(t, tr, track), eventsOf(t, again, again.Tracks[i])
				slices.Sort(want) // events of one start may change places
				if slices.Sort(got); !slices.Equal(want, got) {
					t.Errorf("%s: events change when they are written and read:\n%.2000s", track.Name, cmp.Diff(want, got))
				}
			}
		})
	}
}

// TestPerfettoWriter writes what cannot be written plainly: overlaps, negative
// times, sums of events, picoseconds.
func TestPerfettoWriter(t *testing.T) {
	const form = `layerscope-trace 1
origin 1700000000000000000
wall 5000000
host "h 1"
meta version "1 \"2\""
program jit_f 3 host="h 1"
device /device:TPU:0 tpu host="h 1" type="TPU v9" memory=16
exec 0 0 7 -1500 3000
step 4 -1 -2000 9000
finding truncated error "a message" count=2 hint=none
op 0 name=a program=0 scope=jit(f)/layer_0/x category=fusion flops=5 bytes=6
op 1 name=b bare=1
op 2 name=""
track ops device=0 name="XLA Ops"
  -1500 3000 0 run=7
  -1499 2 1 run=7
  1501 0 2 run=0
track async device=0 name=async
  0 1000 0
  500 1000 1
  900 1000 2
  999 1 0
  1999 1 1
track other device=0 name=sums
  0 12345 0 count=3 self=1000 min=4
track stream device=0
  0 5 0
  5 5 1 flops=8 bytes=9
track host name=t host="h 1"
  5000 10 1
  5000 5 0
`
	tr, err := trace.Read(strings.NewReader(form), "t.txt", trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, clear := range []int64{0, 1} {
		again, b := perfettoOf(t, tr, trace.PerfettoOptions{Clear: clear, Place: func(id trace.OpID) (string, string) { return "layer_0", "x" }})
		if diff := cmp.Diff(strings.Split(text(t, tr), "\n"), strings.Split(text(t, again), "\n")); diff != "" {
			t.Errorf("clear %d:\n%s", clear, diff)
		}
		if !perfetto.LooksLikeTrace(b) {
			t.Error("the file does not look like a Perfetto trace")
		}
	}
}

// TestPerfettoOverlaps writes 5,000 slices that all overlap, more than there are
// lanes for.
func TestPerfettoOverlaps(t *testing.T) {
	var form strings.Builder
	form.WriteString("layerscope-trace 1\nop 0 name=a\ntrack async\n")
	for i := range 5000 {
		fmt.Fprintf(&form, "  %d %d 0\n", i*1000, 10_000_000+i%7)
	}
	tr, err := trace.Read(strings.NewReader(form.String()), "t.txt", trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	again, _ := perfettoOf(t, tr, trace.PerfettoOptions{})
	if diff := cmp.Diff(strings.Split(text(t, tr), "\n"), strings.Split(text(t, again), "\n")); diff != "" {
		t.Errorf("%.2000s", diff)
	}
}

// TestPerfettoCut cuts a converted file at every 97th byte: it opens, its events
// are the first ones, and it says so.
func TestPerfettoCut(t *testing.T) {
	tr := openCapture(t, tracetest.Root(t)+"/testdata/captures/base_a.xplane.pb.gz")
	var b bytes.Buffer
	if err := trace.WritePerfetto(&b, tr, trace.PerfettoOptions{Clear: 16 << 10}); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	last := 0
	for n := 64; n < len(whole); n += len(whole)/97 + 1 {
		cut, err := trace.Read(bytes.NewReader(whole[:n]), "cut.pftrace", trace.Options{})
		if err != nil {
			if n > 4096 {
				t.Fatalf("cut at %d of %d: %v", n, len(whole), err)
			}
			continue
		}
		events := 0
		for _, track := range cut.Tracks {
			for b := range track.Batches() {
				events += b.Len()
			}
		}
		if !slices.ContainsFunc(cut.Findings, func(f trace.Finding) bool { return f.Code == "truncated" }) || events < last {
			t.Fatalf("cut at %d: %d events after %d, findings %v", n, events, last, codesOf(cut))
		}
		last = events
	}
	if last < 10_000 {
		t.Errorf("only %d events at the last cut", last)
	}
}

// TestPerfettoSniff tells Perfetto traces from XSpace, which begins with the same
// byte.
func TestPerfettoSniff(t *testing.T) {
	for name, want := range map[string]string{
		"data/xspace/cpu_reactant.xplane.pb": "xspace", "data/xspace/gpu_gtx1080ti_x2.xplane.pb": "xspace", "data/xspace/gpu_mi300_jax_conv.xplane.pb": "xspace",
		"data/xspace/gpu_v100_bert_layers.xplane.pb": "xspace", "data/xspace/tpu_v6e_x4_host_offload.xplane.pb": "xspace", "data/xspace/tpu_v6e_torchxla_cnn.xplane.pb.gz": "xspace",
		"data/perfetto/android_gpu_counters.pftrace": "perfetto", "data/perfetto/chrome_track_events.pftrace": "perfetto",
		"data/perfetto/sdk_nested_tracks.perfetto-trace": "perfetto", "data/perfetto/typed_args_tiny.perfetto-trace": "perfetto",
	} {
		t.Run(name, func(t *testing.T) {
			if tr := openCapture(t, tracetest.Shared(t, name)); tr.Format != want {
				t.Errorf("%s, want %s", tr.Format, want)
			}
		})
	}
}

// FuzzPerfetto opens anything that may be a Perfetto trace, and writes and reads
// what it opened.
func FuzzPerfetto(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		if !perfetto.LooksLikeTrace(b) {
			return
		}
		tr, err := trace.Read(bytes.NewReader(b), "f.pftrace", trace.Options{MaxDecompressed: 1 << 20})
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := trace.WritePerfetto(&out, tr, trace.PerfettoOptions{}); err != nil {
			t.Fatal(err)
		}
		again, err := trace.Read(&out, "f.pftrace", trace.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if len(again.Tracks) != len(tr.Tracks) || len(again.Ops) < len(tr.Ops) {
			t.Fatalf("%d tracks and %d ops became %d and %d", len(tr.Tracks), len(tr.Ops), len(again.Tracks), len(again.Ops))
		}
	})
}
