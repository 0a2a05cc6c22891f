// SPDX-License-Identifier: Apache-2.0

package perfetto_test

import (
	"bytes"
	"compress/zlib"
	"io"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/layerscope/layerscope/trace/internal/perfetto"
	"github.com/layerscope/layerscope/trace/internal/perfetto/perfettopb"
)

// maybe draws a value or none.
func maybe[T any](t *rapid.T, g *rapid.Generator[T], name string) *T {
	if !rapid.Bool().Draw(t, "has "+name) {
		return nil
	}
	v := g.Draw(t, name)
	return &v
}

func list[T any](t *rapid.T, g *rapid.Generator[T], name string) []T {
	return rapid.SliceOfN(g, 0, 3).Draw(t, name)
}

var (
	iids    = rapid.Uint64Range(0, 5)
	farIids = rapid.OneOf(iids, rapid.Uint64Range(1<<31, 1<<31+3))
	words   = rapid.SampledFrom([]string{"", "a", "layer_0", "ünïcode", "a,b", "x\x00y"})
	uuids   = rapid.OneOf(rapid.Uint64Range(0, 4), rapid.Uint64())
	numbers = rapid.OneOf(rapid.Int64Range(-3, 3), rapid.Int64())
	small   = rapid.Int64Range(-1000, 1000)
	doubles = rapid.SampledFrom([]float64{0, 1.5, -2, 1e300})
)

func drawTrace(t *rapid.T) *perfettopb.Trace {
	tr := &perfettopb.Trace{}
	for range rapid.IntRange(1, 12).Draw(t, "packets") {
		tr.Packet = append(tr.Packet, drawPacket(t))
	}
	return tr
}

func drawPacket(t *rapid.T) *perfettopb.TracePacket {
	p := &perfettopb.TracePacket{
		Timestamp:               maybe(t, rapid.OneOf(rapid.Uint64Range(1, 1000), rapid.Uint64Range(1, 1<<62)), "timestamp"),
		SequenceFlags:           maybe(t, rapid.Uint32Range(0, 3), "flags"),
		TrustedPacketSequenceId: maybe(t, rapid.SampledFrom([]uint32{1, 2, 5000}), "sequence"),
	}
	if rapid.IntRange(0, 9).Draw(t, "loss") == 0 {
		p.PreviousPacketDropped = maybe(t, rapid.Uint32Range(0, 9), "dropped")
		p.IncrementalStateCleared = maybe(t, rapid.Bool(), "cleared")
	}
	if rapid.IntRange(0, 3).Draw(t, "defaults") == 0 {
		p.TracePacketDefaults = &perfettopb.TracePacketDefaults{TrackEventDefaults: &perfettopb.TrackEventDefaults{
			TrackUuid: maybe(t, uuids, "default track"), ExtraCounterTrackUuids: list(t, uuids, "default counters"),
			ExtraDoubleCounterTrackUuids: list(t, uuids, "default doubles"),
		}}
	}
	if rapid.IntRange(0, 1).Draw(t, "interned") == 0 {
		entries := func(name string) (out []*perfettopb.InternedString) {
			for range rapid.IntRange(0, 2).Draw(t, name) {
				out = append(out, &perfettopb.InternedString{Iid: maybe(t, farIids, "iid"), Name: maybe(t, words, "text")})
			}
			return out
		}
		p.InternedData = &perfettopb.InternedData{
			EventCategories: entries("categories"), EventNames: entries("names"), DebugAnnotationNames: entries("annotations"),
			DebugAnnotationStringValues: entries("values"), CorrelationIdStr: entries("tags"),
		}
	}
	switch rapid.IntRange(0, 4).Draw(t, "payload") {
	case 0:
		p.TrackDescriptor = drawDescriptor(t)
	case 1:
	default:
		p.TrackEvent = drawEvent(t)
	}
	return p
}

func drawDescriptor(t *rapid.T) *perfettopb.TrackDescriptor {
	d := &perfettopb.TrackDescriptor{Uuid: maybe(t, uuids, "uuid"), ParentUuid: maybe(t, uuids, "parent"), Name: maybe(t, words, "track name")}
	switch rapid.IntRange(0, 2).Draw(t, "track kind") {
	case 0:
		d.Counter = &perfettopb.CounterDescriptor{UnitMultiplier: maybe(t, small, "multiplier"), IsIncremental: maybe(t, rapid.Bool(), "incremental")}
	case 1:
		d.Thread = &perfettopb.ThreadDescriptor{Pid: maybe(t, rapid.Int32(), "pid"), Tid: maybe(t, rapid.Int64(), "tid"), ReferenceTimestampUs: maybe(t, small, "reference")}
	}
	return d
}

func drawEvent(t *rapid.T) *perfettopb.TrackEvent {
	ev := &perfettopb.TrackEvent{
		Type: maybe(t, rapid.Int32Range(0, 6), "type"), TrackUuid: maybe(t, uuids, "track"), CategoryIids: list(t, farIids, "category iids"),
	}
	if rapid.Bool().Draw(t, "by iid") {
		ev.NameIid = maybe(t, farIids, "name iid")
	} else {
		ev.Name = maybe(t, words, "name")
	}
	if rapid.Bool().Draw(t, "plain") {
		return ev
	}
	ev.Categories = list(t, words, "categories")
	ev.CounterValue = maybe(t, numbers, "value")
	if ev.CounterValue == nil {
		ev.DoubleCounterValue = maybe(t, doubles, "double")
	}
	ev.ExtraCounterValues, ev.ExtraCounterTrackUuids = list(t, numbers, "extra"), list(t, uuids, "extra tracks")
	ev.ExtraDoubleCounterValues, ev.ExtraDoubleCounterTrackUuids = list(t, doubles, "extra doubles"), list(t, uuids, "double tracks")
	ev.FlowIds, ev.FlowIdsOld = list(t, rapid.Uint64(), "flows"), list(t, rapid.Uint64(), "old flows")
	ev.TerminatingFlowIds, ev.TerminatingFlowIdsOld = list(t, rapid.Uint64(), "ends"), list(t, rapid.Uint64(), "old ends")
	ev.CorrelationId = maybe(t, rapid.Uint64(), "correlation")
	if ev.CorrelationId == nil {
		ev.CorrelationIdStr = maybe(t, words, "tag")
	}
	ev.TimestampDeltaUs = maybe(t, small, "delta")
	if ev.TimestampDeltaUs == nil {
		ev.TimestampAbsoluteUs = maybe(t, small, "absolute")
	}
	for range rapid.IntRange(0, 2).Draw(t, "annotations") {
		ev.DebugAnnotations = append(ev.DebugAnnotations, drawAnnotation(t, 3))
	}
	if rapid.IntRange(0, 2).Draw(t, "legacy") == 0 {
		ev.LegacyEvent = &perfettopb.LegacyEvent{
			NameIid: maybe(t, iids, "legacy name"), Phase: maybe(t, rapid.SampledFrom([]int32{0, 'B', 'E', 'X', 'i', 'I', 'b', 'e', 'n', 's', 'f', 'M', 'q'}), "phase"),
			DurationUs: maybe(t, numbers, "duration"),
		}
		switch rapid.IntRange(0, 3).Draw(t, "id") {
		case 0:
			ev.LegacyEvent.UnscopedId = maybe(t, rapid.Uint64(), "unscoped")
		case 1:
			ev.LegacyEvent.LocalId = maybe(t, rapid.Uint64(), "local")
		case 2:
			ev.LegacyEvent.GlobalId = maybe(t, rapid.Uint64(), "global")
		}
	}
	return ev
}

func drawAnnotation(t *rapid.T, depth int) *perfettopb.DebugAnnotation {
	a := &perfettopb.DebugAnnotation{}
	if rapid.Bool().Draw(t, "named") {
		a.Name = maybe(t, words, "annotation name")
	} else {
		a.NameIid = maybe(t, farIids, "annotation iid")
	}
	switch rapid.IntRange(0, 11).Draw(t, "value") {
	case 0:
		a.BoolValue = maybe(t, rapid.Bool(), "bool")
	case 1:
		a.UintValue = maybe(t, rapid.Uint64(), "uint")
	case 2:
		a.IntValue = maybe(t, rapid.Int64(), "int")
	case 3:
		a.DoubleValue = maybe(t, doubles, "double")
	case 4:
		a.StringValue = maybe(t, words, "string")
	case 5:
		a.PointerValue = maybe(t, rapid.Uint64(), "pointer")
	case 6:
		a.LegacyJsonValue = maybe(t, words, "json")
	case 7:
		a.StringValueIid = maybe(t, farIids, "value iid")
	case 8:
		a.NestedValue = drawNested(t, depth)
	case 9, 10:
		if depth > 0 {
			for range rapid.IntRange(0, 3).Draw(t, "members") {
				a.DictEntries = append(a.DictEntries, drawAnnotation(t, depth-1))
			}
		}
	case 11:
		if depth > 0 {
			for range rapid.IntRange(0, 3).Draw(t, "elements") {
				a.ArrayValues = append(a.ArrayValues, drawAnnotation(t, depth-1))
			}
		}
	}
	return a
}

func drawNested(t *rapid.T, depth int) *perfettopb.NestedValue {
	v := &perfettopb.NestedValue{}
	switch rapid.IntRange(0, 5).Draw(t, "nested") {
	case 0:
		v.IntValue = maybe(t, rapid.Int64(), "int")
	case 1:
		v.DoubleValue = maybe(t, doubles, "double")
	case 2:
		v.BoolValue = maybe(t, rapid.Bool(), "bool")
	case 3:
		v.StringValue = maybe(t, words, "string")
	case 4:
		v.DictKeys = list(t, words, "keys")
		for range rapid.IntRange(0, 3).Draw(t, "dict") {
			if depth > 0 {
				v.DictValues = append(v.DictValues, drawNested(t, depth-1))
			}
		}
	case 5:
		for range rapid.IntRange(0, 3).Draw(t, "array") {
			if depth > 0 {
				v.ArrayValues = append(v.ArrayValues, drawNested(t, depth-1))
			}
		}
	}
	return v
}

// TestReaderMatchesGeneratedMessages reads random traces with the reader and with
// protobuf's library and the rules of the format, whole, byte by byte, and with
// packets in compressed bundles.
func TestReaderMatchesGeneratedMessages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tr := drawTrace(t)
		b, err := proto.Marshal(tr)
		if err != nil {
			t.Fatal(err)
		}
		want := referenceLines(tr)
		check := func(what string, r io.Reader, opts perfetto.Options) {
			got, _, err := linesOf(r, opts)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("%s (-reference +reader):\n%s", what, diff)
			}
		}
		check("whole", bytes.NewReader(b), perfetto.Options{})
		check("byte by byte", iotest.OneByteReader(bytes.NewReader(b)), perfetto.Options{Window: 64})
		check("in bundles", bytes.NewReader(bundled(t, tr)), perfetto.Options{Window: 64})
	})
}

// bundled puts runs of packets into compressed ones.
func bundled(t *rapid.T, tr *perfettopb.Trace) []byte {
	var out perfettopb.Trace
	for rest := tr.Packet; len(rest) > 0; {
		n := rapid.IntRange(1, len(rest)).Draw(t, "bundle")
		b, err := proto.Marshal(&perfettopb.Trace{Packet: rest[:n]})
		if err != nil {
			t.Fatal(err)
		}
		switch rapid.IntRange(0, 2).Draw(t, "compression") {
		case 0:
			out.Packet = append(out.Packet, rest[:n]...)
		case 1:
			out.Packet = append(out.Packet, &perfettopb.TracePacket{CompressedPackets: deflated(b)})
		case 2:
			out.Packet = append(out.Packet, &perfettopb.TracePacket{ZstdCompressedPackets: zstandard(b)})
		}
		rest = rest[n:]
	}
	b, err := proto.Marshal(&out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func deflated(b []byte) []byte {
	var out bytes.Buffer
	z := zlib.NewWriter(&out)
	_, _ = z.Write(b)
	_ = z.Close()
	return out.Bytes()
}

func zstandard(b []byte) []byte {
	z, _ := zstd.NewWriter(nil)
	return z.EncodeAll(b, nil)
}
