// SPDX-License-Identifier: Apache-2.0

package xspace_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/layerscope/layerscope/internal/tracetest"
	"github.com/layerscope/layerscope/trace/internal/xspace"
	"github.com/layerscope/layerscope/trace/internal/xspace/xspacepb"
)

// scanVariants are option sets that must agree with the reference, among them
// windows and batches so small that every seam is crossed.
var scanVariants = []xspace.ScanOptions{
	{},
	{DeviceClock: true},
	{DeviceClock: true, BatchEvents: 3, WindowBytes: 48},
	{Want: []string{"s1", "missing", "s2"}},
	{Want: []string{"s1", "s2", "s3", "device_offset_ps"}, DeviceClock: true, WindowBytes: 100},
	{Want: []string{"s3"}, BatchEvents: 2},
	{WindowBytes: 1, BatchEvents: 1},
}

// compare checks everything this package says of b against m, the same file as the
// library reads it. canonical says that b has the order of fields libraries write,
// which scans that are not strict rely on.
func compare(t testing.TB, b []byte, m *xspacepb.XSpace, canonical bool) {
	t.Helper()
	sp := indexBytes(t, b)
	if d := cmp.Diff(reference(m), modelOf(t, sp), cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("contents differ (-library +xspace):\n%s", d)
	}
	if d := cmp.Diff([][]string{m.Errors, m.Warnings, m.Hostnames}, [][]string{sp.Errors, sp.Warnings, sp.Hostnames}, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("texts differ (-library +xspace):\n%s", d)
	}
	for _, opts := range scanVariants {
		for _, strict := range []bool{true, false} {
			if opts.Strict = strict; !strict && !canonical {
				continue
			}
			if d := cmp.Diff(refScan(m, opts), scanned(t, sp, opts), cmpopts.EquateEmpty()); d != "" {
				t.Fatalf("scan %+v differs (-library +xspace):\n%s", opts, d)
			}
		}
	}
	for _, pl := range sp.Planes {
		for _, ln := range pl.Lines {
			var want int64
			if err := ln.Events(func(int64, *xspace.Event) bool { want++; return true }); err != nil {
				t.Fatal(err)
			}
			if n, err := ln.Count(); n != want || err != nil {
				t.Fatalf("line %q: counted %d events, has %d, error %v", ln.Name, n, want, err)
			}
		}
	}
	for _, p := range sp.Problems() {
		if p.Code != xspace.CodeTimestamp {
			t.Fatalf("problem in a sound file: %+v", p)
		}
	}
}

// statGen draws stats of the ids and kinds that matter to scans.
func statGen() *rapid.Generator[*xspacepb.XStat] {
	return rapid.Custom(func(t *rapid.T) *xspacepb.XStat {
		st := &xspacepb.XStat{MetadataId: rapid.SampledFrom([]int64{0, 1, 2, 3, 3, 17, 18, 17, 18, 200, -5, 1 << 40}).Draw(t, "stat")}
		if rapid.IntRange(0, 3).Draw(t, "usual") > 0 && (st.MetadataId == 17 || st.MetadataId == 18) {
			st.Value = &xspacepb.XStat_Uint64Value{Uint64Value: rapid.Uint64().Draw(t, "u")}
			return st
		}
		switch rapid.IntRange(0, 6).Draw(t, "kind") {
		case 1:
			st.Value = &xspacepb.XStat_DoubleValue{DoubleValue: rapid.Float64().Draw(t, "d")}
		case 2:
			st.Value = &xspacepb.XStat_Uint64Value{Uint64Value: rapid.Uint64().Draw(t, "u")}
		case 3:
			st.Value = &xspacepb.XStat_Int64Value{Int64Value: rapid.Int64().Draw(t, "i")}
		case 4:
			st.Value = &xspacepb.XStat_StrValue{StrValue: rapid.String().Draw(t, "s")}
		case 5:
			st.Value = &xspacepb.XStat_BytesValue{BytesValue: rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "b")}
		case 6:
			st.Value = &xspacepb.XStat_RefValue{RefValue: rapid.Uint64Range(0, 20).Draw(t, "r")}
		}
		return st
	})
}

func eventGen() *rapid.Generator[*xspacepb.XEvent] {
	return rapid.Custom(func(t *rapid.T) *xspacepb.XEvent {
		ev := &xspacepb.XEvent{
			MetadataId: rapid.OneOf(rapid.Int64Range(0, 200), rapid.SampledFrom([]int64{5000, 1 << 20, 1 << 22, -1, -1 << 63, 1<<63 - 1})).Draw(t, "id"),
			DurationPs: rapid.OneOf(rapid.Int64Range(0, 1<<34), rapid.Int64()).Draw(t, "dur"),
			Stats:      rapid.SliceOfN(statGen(), 0, 4).Draw(t, "stats"),
		}
		switch rapid.IntRange(0, 9).Draw(t, "data") {
		case 0:
		case 1:
			ev.Data = &xspacepb.XEvent_NumOccurrences{NumOccurrences: rapid.Int64Range(0, 1<<40).Draw(t, "n")}
		default:
			ev.Data = &xspacepb.XEvent_OffsetPs{OffsetPs: rapid.OneOf(rapid.Int64Range(0, 1<<50), rapid.Int64()).Draw(t, "off")}
		}
		return ev
	})
}

func lineGen(i int) *rapid.Generator[*xspacepb.XLine] {
	return rapid.Custom(func(t *rapid.T) *xspacepb.XLine {
		return &xspacepb.XLine{
			Id: rapid.SampledFrom([]int64{int64(i), int64(i), 0, -559038737}).Draw(t, "line"), Name: rapid.SampledFrom([]string{"", "XLA Ops", "a"}).Draw(t, "name"),
			TimestampNs: rapid.SampledFrom([]int64{0, 0, 5000, -3, 1763983000000000000}).Draw(t, "ts"),
			DurationPs:  rapid.SampledFrom([]int64{0, 77}).Draw(t, "dur"), DisplayId: rapid.SampledFrom([]int64{0, 9}).Draw(t, "display"),
			DisplayName: rapid.SampledFrom([]string{"", "shown"}).Draw(t, "shown"),
			Events:      rapid.SliceOfN(eventGen(), 0, 30).Draw(t, "events"),
		}
	})
}

func spaceGen() *rapid.Generator[*xspacepb.XSpace] {
	return rapid.Custom(func(t *rapid.T) *xspacepb.XSpace {
		m := &xspacepb.XSpace{Errors: rapid.SliceOfN(rapid.String(), 0, 2).Draw(t, "errors"), Hostnames: rapid.SliceOfN(rapid.String(), 0, 1).Draw(t, "hosts")}
		for i := range rapid.IntRange(1, 3).Draw(t, "planes") {
			pl := &xspacepb.XPlane{Id: rapid.Int64Range(0, 3).Draw(t, "id"), Name: fmt.Sprintf("plane %d", i),
				Stats: rapid.SliceOfN(statGen(), 0, 3).Draw(t, "stats"), EventMetadata: map[int64]*xspacepb.XEventMetadata{},
				StatMetadata: map[int64]*xspacepb.XStatMetadata{
					1: {Id: 1, Name: "s1"}, 2: {Name: "s2"}, 17: {Id: 17, Name: "device_offset_ps"}, 18: {Name: "device_duration_ps"}, 200: {Name: "s3"}, 3: {Name: "s3"}, -5: {Name: "s2"}}}
			for range rapid.IntRange(0, 20).Draw(t, "metas") {
				id := rapid.OneOf(rapid.Int64Range(0, 200), rapid.Int64()).Draw(t, "key")
				pl.EventMetadata[id] = &xspacepb.XEventMetadata{Id: rapid.SampledFrom([]int64{0, id}).Draw(t, "inner"), Name: rapid.String().Draw(t, "name"),
					DisplayName: rapid.String().Draw(t, "display"), Stats: rapid.SliceOfN(statGen(), 0, 3).Draw(t, "stats"),
					ChildId: rapid.SliceOfN(rapid.Int64(), 0, 3).Draw(t, "children"), Metadata: rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "bytes")}
			}
			for j := range rapid.IntRange(0, 3).Draw(t, "lines") {
				pl.Lines = append(pl.Lines, lineGen(j).Draw(t, "line"))
			}
			m.Planes = append(m.Planes, pl)
		}
		return m
	})
}

// What the protobuf library writes, this package reads the same, in every way of
// scanning it.
func TestReadsWhatLibraryWrites(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := spaceGen().Draw(rt, "space")
		b, err := proto.Marshal(m)
		if err != nil {
			rt.Fatal(err)
		}
		compare(fatal{t, rt}, b, m, true)
	})
}

// fatal is a testing.TB whose failures rapid can shrink.
type fatal struct {
	testing.TB
	rt *rapid.T
}

func (f fatal) Helper()                   {}
func (f fatal) Fatal(args ...any)         { f.rt.Fatal(args...) }
func (f fatal) Fatalf(s string, a ...any) { f.rt.Fatalf(s, a...) }

// Every real capture reads the same as with the library.
func TestCapturesAgreeWithLibrary(t *testing.T) {
	files := []string{"data/xspace/cpu_reactant.xplane.pb", "data/xspace/gpu_gtx1080ti_x2.xplane.pb",
		"data/xspace/gpu_mi300_jax_conv.xplane.pb", "data/xspace/gpu_mi355_jax_fused_attention_fwd_bwd.xplane.pb",
		"data/xspace/tpu_v6e_torchxla_cnn.xplane.pb.gz", "data/xspace/tpu_v6e_x4_host_offload.xplane.pb",
		"data/xspace/gpu_v100_bert_layers.xplane.pb", "data/jax_cpu/cold/host.xplane.pb.gz", "data/jax_cpu/tp4/host.xplane.pb"}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			b := content(t, tracetest.Shared(t, file))
			m := new(xspacepb.XSpace)
			if err := proto.Unmarshal(b, m); err != nil {
				t.Fatal(err)
			}
			sp := indexBytes(t, b)
			if d := cmp.Diff(reference(m), modelOf(t, sp), cmpopts.EquateEmpty()); d != "" {
				t.Fatalf("contents differ (-library +xspace):\n%.4000s", d)
			}
			for _, opts := range []xspace.ScanOptions{{}, {DeviceClock: true, WindowBytes: 1000},
				{Want: []string{"hlo_op", "program_id", "run_id", "_r", "step_num", "name", "tf_op"}, DeviceClock: true}} {
				for _, opts.Strict = range []bool{false, true} {
					if d := cmp.Diff(refScan(m, opts), scanned(t, sp, opts)); d != "" {
						t.Fatalf("scan %+v differs (-library +xspace):\n%.4000s", opts, d)
					}
				}
			}
		})
	}
}
