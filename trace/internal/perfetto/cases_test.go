// SPDX-License-Identifier: Apache-2.0

package perfetto_test

import (
	"bytes"
	"encoding/hex"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/layerscope/layerscope/trace/internal/perfetto"
	pbx "github.com/layerscope/layerscope/trace/internal/perfetto/perfettopb"
)

// Short forms for the tables.
type (
	packet     = pbx.TracePacket
	event      = pbx.TrackEvent
	named      = pbx.InternedString
	note       = pbx.DebugAnnotation
	descriptor = pbx.TrackDescriptor
)

func ptr[T any](v T) *T { return &v }

// at is a packet of sequence 1 with a time and an event.
func at(ns uint64, ev *event) *packet {
	return &packet{Timestamp: &ns, TrustedPacketSequenceId: ptr(uint32(1)), TrackEvent: ev}
}

// needs says that the packet needs state; on puts it on another sequence.
func needs(p *packet) *packet { p.SequenceFlags = ptr(uint32(2)); return p }
func on(seq uint32, p *packet) *packet {
	p.TrustedPacketSequenceId = &seq
	return p
}

func begin(iid uint64) *event {
	return &event{Type: ptr(int32(1)), TrackUuid: ptr(uint64(7)), NameIid: &iid}
}
func beginOf(name string) *event {
	return &event{Type: ptr(int32(1)), TrackUuid: ptr(uint64(7)), Name: &name}
}
func end() *event { return &event{Type: ptr(int32(2)), TrackUuid: ptr(uint64(7))} }

// cleared begins a state of sequence 1 with names.
func cleared(names ...string) *packet {
	p := &packet{TrustedPacketSequenceId: ptr(uint32(1)), SequenceFlags: ptr(uint32(1))}
	return with(p, names...)
}

// with interns names as 1, 2, ….
func with(p *packet, names ...string) *packet {
	for i, n := range names {
		if p.InternedData == nil {
			p.InternedData = &pbx.InternedData{}
		}
		p.InternedData.EventNames = append(p.InternedData.EventNames, &named{Iid: ptr(uint64(i + 1)), Name: ptr(n)})
	}
	return p
}

func defaults(p *packet, track uint64) *packet {
	p.TracePacketDefaults = &pbx.TracePacketDefaults{TrackEventDefaults: &pbx.TrackEventDefaults{TrackUuid: &track}}
	return p
}

func value(ns uint64, track uint64, v int64) *packet {
	return at(ns, &event{Type: ptr(int32(4)), TrackUuid: &track, CounterValue: &v})
}

func counter(track uint64, c *pbx.CounterDescriptor) *packet {
	return &packet{TrustedPacketSequenceId: ptr(uint32(1)), TrackDescriptor: &descriptor{Uuid: &track, Counter: c}}
}

func raw(tb testing.TB, text string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// TestSequences holds the rules of a sequence's state: what a packet may refer to.
func TestSequences(t *testing.T) {
	dropped := func(p *packet) *packet { p.PreviousPacketDropped = ptr(uint32(1)); return p }
	seen := at(1, beginOf("seen"))
	for _, tc := range []struct {
		name     string
		packets  []*packet
		want     []string
		problems []string
	}{
		{"an event that needs state before any clear", []*packet{needs(at(5, begin(1)))}, nil, []string{"state-lost 1"}},
		{"names before any clear", []*packet{with(at(1, beginOf("x")), "lost"), at(5, begin(1))}, []string{`1 begin t7 "x"`, `5 begin t7 ""`}, []string{"state-lost 1", "interned-unknown 1"}},
		{"clear, intern and use in one packet", []*packet{with(at(5, begin(1)), "a")}, []string{`5 begin t7 ""`}, []string{"state-lost 1", "interned-unknown 1"}},
		{"clear flag with it", []*packet{func() *packet {
			p := with(at(5, begin(1)), "a")
			p.SequenceFlags = ptr(uint32(3))
			return p
		}()}, []string{`5 begin t7 "a"`}, nil},
		{"old clear", []*packet{{TrustedPacketSequenceId: ptr(uint32(1)), IncrementalStateCleared: ptr(true)}, needs(with(at(5, begin(1)), "a"))}, []string{`5 begin t7 "a"`}, nil},
		{"loss makes names unknown until the next clear",
			[]*packet{cleared("a"), needs(at(1, begin(1))), dropped(needs(at(2, begin(1)))), at(3, begin(1)), with(at(4, end()), "b"), cleared("c"), needs(at(5, begin(1)))},
			[]string{`1 begin t7 "a"`, `3 begin t7 "a"`, `4 end t7 ""`, `5 begin t7 "c"`}, []string{"packets-lost 1", "state-lost 2"}},
		{"loss on the first packet of a sequence is nothing", []*packet{dropped(cleared("a")), needs(at(1, begin(1)))}, []string{`1 begin t7 "a"`}, nil},
		{"loss beside a clear", []*packet{seen, dropped(cleared("a")), needs(at(2, begin(1)))}, []string{`1 begin t7 "seen"`, `2 begin t7 "a"`}, []string{"packets-lost 1"}},
		{"one id on two sequences", []*packet{cleared("a"), on(2, cleared("b")), needs(at(1, begin(1))), on(2, needs(at(2, begin(1))))}, []string{`1 begin t7 "a"`, `2 begin t7 "b"`}, nil},
		{"an id again after a clear", []*packet{cleared("a"), needs(at(1, begin(1))), cleared("b"), needs(at(2, begin(1)))}, []string{`1 begin t7 "a"`, `2 begin t7 "b"`}, nil},
		{"an id defined twice keeps the first", []*packet{cleared("a"), with(needs(at(1, begin(1))), "b")}, []string{`1 begin t7 "a"`}, nil},
		{"an unknown id", []*packet{cleared(), needs(at(1, begin(9)))}, []string{`1 begin t7 ""`}, []string{"interned-unknown 1"}},
		{"id 0 is none", []*packet{cleared(), needs(at(1, begin(0)))}, []string{`1 begin t7 ""`}, nil},
		{"a far id", []*packet{cleared(), func() *packet {
			p := needs(at(1, begin(1<<40)))
			p.InternedData = &pbx.InternedData{EventNames: []*named{{Iid: ptr(uint64(1 << 40)), Name: ptr("far")}}}
			return p
		}()}, []string{`1 begin t7 "far"`}, nil},
		{"an unknown category is named", []*packet{cleared(), at(1, &event{Type: ptr(int32(3)), CategoryIids: []uint64{4}})}, []string{`1 instant "" cat="unknown(4)"`}, []string{"interned-unknown 1"}},
		{"no sequence id", []*packet{{Timestamp: ptr(uint64(3)), TrackEvent: beginOf("x")}}, []string{`3 begin t7 "x"`}, nil},
		{"no sequence id, but state wanted", []*packet{needs(&packet{Timestamp: ptr(uint64(3)), TrackEvent: beginOf("x")})}, nil, []string{"sequence-missing 1"}},
		{"sequence 0", []*packet{on(0, cleared("a")), on(0, needs(at(3, begin(1))))}, []string{`3 begin t7 "a"`}, nil},
		{"default track, its override with 0, and a change",
			[]*packet{defaults(cleared("a"), 40), needs(at(1, &event{Type: ptr(int32(1))})), needs(at(2, &event{Type: ptr(int32(1)), TrackUuid: ptr(uint64(0))})),
				defaults(needs(at(3, &event{Type: ptr(int32(1)), NameIid: ptr(uint64(1))})), 41)},
			[]string{`1 begin t40 ""`, `2 begin t0 ""`, `3 begin t41 "a"`}, nil},
		{"a name as id and as text: the id wins", []*packet{cleared("id"), needs(at(1, &event{Type: ptr(int32(5)), NameIid: ptr(uint64(1)), Name: ptr("text")}))}, []string{`1 state "id"`}, nil},
		{"no time: that of the packet before", []*packet{at(4, beginOf("a")), {TrustedPacketSequenceId: ptr(uint32(1)), TrackEvent: end()}}, []string{`4 begin t7 "a"`, `4 end t7 ""`}, nil},
		{"no time and none before", []*packet{{TrustedPacketSequenceId: ptr(uint32(1)), TrackEvent: end()}}, nil, []string{"time-missing 1"}},
		{"no type", []*packet{at(4, &event{Name: ptr("x")}), at(5, &event{Type: ptr(int32(77))})}, nil, []string{"type-missing 2"}},
		{"flows old and new", []*packet{at(4, &event{Type: ptr(int32(3)), FlowIds: []uint64{8}, FlowIdsOld: []uint64{8}, TerminatingFlowIdsOld: []uint64{3}})}, []string{`4 instant "" flows=[8 8] ends=[3]`}, nil},
		{"correlation", []*packet{at(4, &event{Type: ptr(int32(3)), CorrelationId: ptr(uint64(6))}), at(5, &event{Type: ptr(int32(3)), CorrelationIdStr: ptr("r")})},
			[]string{`4 instant "" correlation=6`, `5 instant "" correlation=0r`}, nil},
		{"two machines", []*packet{{MachineId: ptr(uint32(2)), TrustedPacketSequenceId: ptr(uint32(1)), Timestamp: ptr(uint64(9)), TrackEvent: beginOf("far")}}, []string{`9 begin t7 "far"`}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) { expect(t, pb(t, tc.packets...), tc.want, tc.problems) })
	}
}

func expect(t *testing.T, b []byte, want, problems []string) {
	t.Helper()
	got, found, err := linesOf(bytes.NewReader(b), perfetto.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(problems, found, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// TestCounters holds units, increments and extra values.
func TestCounters(t *testing.T) {
	nine := &event{Type: ptr(int32(1))}
	for i := range 9 {
		nine.ExtraCounterValues = append(nine.ExtraCounterValues, int64(i))
		nine.ExtraCounterTrackUuids = append(nine.ExtraCounterTrackUuids, 5)
	}
	for _, tc := range []struct {
		name     string
		packets  []*packet
		want     []string
		problems []string
	}{
		{"before its description", []*packet{value(1, 5, 3), counter(5, &pbx.CounterDescriptor{}), value(2, 5, 4)}, []string{`2 counter t5 "" v=4`}, []string{"counter-undescribed 1"}},
		{"on a track that is no counter", []*packet{{TrackDescriptor: &descriptor{Uuid: ptr(uint64(5))}}, value(1, 5, 3)}, nil, []string{"counter-undescribed 1"}},
		{"in units", []*packet{counter(5, &pbx.CounterDescriptor{UnitMultiplier: ptr(int64(1024))}), value(1, 5, 3)}, []string{`1 counter t5 "" v=3072`}, nil},
		{"increments, from 0 after a clear", []*packet{counter(5, &pbx.CounterDescriptor{IsIncremental: ptr(true), UnitMultiplier: ptr(int64(10))}), value(1, 5, 3), value(2, 5, -1), cleared(), value(3, 5, 4)},
			[]string{`1 counter t5 "" v=30`, `2 counter t5 "" v=20`, `3 counter t5 "" v=40`}, nil},
		{"increments are of a sequence", []*packet{counter(5, &pbx.CounterDescriptor{IsIncremental: ptr(true)}), value(1, 5, 3), on(2, value(2, 5, 4))},
			[]string{`1 counter t5 "" v=3`, `2 counter t5 "" v=4`}, nil},
		{"a double", []*packet{counter(5, &pbx.CounterDescriptor{}), at(1, &event{Type: ptr(int32(4)), TrackUuid: ptr(uint64(5)), DoubleCounterValue: ptr(2.5)})}, []string{`1 counter t5 "" v=2.5`}, nil},
		{"described twice: the first counts", []*packet{counter(5, &pbx.CounterDescriptor{UnitMultiplier: ptr(int64(2))}), counter(5, &pbx.CounterDescriptor{}), value(1, 5, 3)}, []string{`1 counter t5 "" v=6`}, nil},
		{"nine extra values", []*packet{counter(5, &pbx.CounterDescriptor{}), at(1, nine)}, []string{`1 begin "" extra=[5:0 5:1 5:2 5:3 5:4 5:5 5:6 5:7 5:8]`}, nil},
		{"extra values of default tracks, one too many", []*packet{counter(5, &pbx.CounterDescriptor{}),
			{TrustedPacketSequenceId: ptr(uint32(1)), TracePacketDefaults: &pbx.TracePacketDefaults{TrackEventDefaults: &pbx.TrackEventDefaults{ExtraCounterTrackUuids: []uint64{5}}}},
			at(1, &event{Type: ptr(int32(1)), ExtraCounterValues: []int64{1, 2}})}, []string{`1 begin "" extra=[5:1]`}, []string{"counter-undescribed 1"}},
		{"without a value", []*packet{counter(5, &pbx.CounterDescriptor{}), at(1, &event{Type: ptr(int32(4)), TrackUuid: ptr(uint64(5))})}, nil, []string{"counter-undescribed 1"}},
	} {
		t.Run(tc.name, func(t *testing.T) { expect(t, pb(t, tc.packets...), tc.want, tc.problems) })
	}
}

// snapshot relates clocks: id, time, id, time….
func snapshot(seq uint32, clocks ...uint64) *packet {
	p := &packet{TrustedPacketSequenceId: &seq, ClockSnapshot: &pbx.ClockSnapshot{}}
	for i := 0; i < len(clocks); i += 2 {
		p.ClockSnapshot.Clocks = append(p.ClockSnapshot.Clocks, &pbx.Clock{ClockId: ptr(uint32(clocks[i])), Timestamp: ptr(clocks[i+1])})
	}
	return p
}

// steps makes the last clock of a snapshot incremental.
func steps(p *packet, unit uint64) *packet {
	c := p.ClockSnapshot.Clocks[len(p.ClockSnapshot.Clocks)-1]
	c.IsIncremental, c.UnitMultiplierNs = ptr(true), &unit
	return p
}

func clocked(id uint32, p *packet) *packet { p.TimestampClockId = &id; return p }

// TestClocks holds how times of other clocks become trace time.
func TestClocks(t *testing.T) {
	const boot, mono = perfetto.ClockBoottime, perfetto.ClockMonotonic
	tick := func(ns uint64) *packet { return clocked(64, at(ns, end())) }
	thread := &packet{TrustedPacketSequenceId: ptr(uint32(1)), ThreadDescriptor: &pbx.ThreadDescriptor{Pid: ptr(int32(3)), Tid: ptr(int64(4)), ReferenceTimestampUs: ptr(int64(100))}}
	for _, tc := range []struct {
		name     string
		packets  []*packet
		want     []string
		problems []string
	}{
		{"incremental, in units, with a snapshot midway",
			[]*packet{steps(snapshot(1, boot, 1000, 64, 5), 1000), tick(2), tick(3), steps(snapshot(1, boot, 90000, 64, 50), 1000), tick(1)},
			[]string{`3000 end t7 ""`, `6000 end t7 ""`, `91000 end t7 ""`}, nil},
		{"incremental, snapshot after first use: steps lead up to it", []*packet{tick(2), tick(3), steps(snapshot(1, boot, 1000, 64, 50), 10), tick(4)},
			[]string{`970 end t7 ""`, `1000 end t7 ""`, `1040 end t7 ""`}, nil},
		{"of a sequence, not incremental, snapshot after first use", []*packet{tick(45), tick(46), snapshot(1, boot, 1000, 64, 50)}, []string{`995 end t7 ""`, `996 end t7 ""`}, nil},
		{"clocks of two sequences are two clocks", []*packet{snapshot(1, boot, 1000, 64, 0), on(2, snapshot(2, boot, 5000, 64, 0)), tick(1), on(2, tick(1))}, []string{`1001 end t7 ""`, `5001 end t7 ""`}, nil},
		{"builtin, deferred", []*packet{clocked(mono, at(10, end())), snapshot(1, boot, 1000, mono, 900)}, []string{`110 end t7 ""`}, nil},
		{"drift: the snapshot before counts", []*packet{snapshot(1, boot, 1000, mono, 900), snapshot(1, boot, 2000, mono, 1800), clocked(mono, at(100, end())), clocked(mono, at(1000, end())), clocked(mono, at(1900, end()))},
			[]string{`200 end t7 ""`, `1100 end t7 ""`, `2100 end t7 ""`}, nil},
		{"over another clock", []*packet{snapshot(1, 200, 10, mono, 900), snapshot(1, boot, 1000, mono, 900), clocked(200, at(15, end()))}, []string{`1005 end t7 ""`}, nil},
		{"no snapshot and boot time", []*packet{at(5, end()), clocked(boot, at(6, end()))}, []string{`5 end t7 ""`, `6 end t7 ""`}, nil},
		{"no snapshot and one clock", []*packet{clocked(mono, at(6, end()))}, []string{`6 end t7 ""`}, nil},
		{"never related", []*packet{snapshot(1, boot, 1, 200, 1), clocked(mono, at(6, end()))}, []string{`never end t7 ""`}, nil},
		{"the default clock of a sequence", []*packet{snapshot(1, boot, 1000, mono, 900),
			{TrustedPacketSequenceId: ptr(uint32(1)), TracePacketDefaults: &pbx.TracePacketDefaults{TimestampClockId: ptr(uint32(mono))}}, at(10, end())}, []string{`110 end t7 ""`}, nil},
		{"a clock of a sequence without one", []*packet{{Timestamp: ptr(uint64(3)), TimestampClockId: ptr(uint32(64)), TrackEvent: end()}}, nil, []string{"time-missing 1"}},
		{"machines have clocks of their own", []*packet{snapshot(1, boot, 1000, mono, 900),
			{MachineId: ptr(uint32(2)), TrustedPacketSequenceId: ptr(uint32(9)), ClockSnapshot: snapshot(9, boot, 50, mono, 10).ClockSnapshot},
			{MachineId: ptr(uint32(2)), TrustedPacketSequenceId: ptr(uint32(9)), TimestampClockId: ptr(uint32(mono)), Timestamp: ptr(uint64(20)), TrackEvent: end()}}, []string{`60 end t7 ""`}, nil},
		{"old times since a thread descriptor", []*packet{cleared(), thread,
			{TrustedPacketSequenceId: ptr(uint32(1)), TrackEvent: &event{Type: ptr(int32(1)), TimestampDeltaUs: ptr(int64(5))}},
			{TrustedPacketSequenceId: ptr(uint32(1)), TrackEvent: &event{Type: ptr(int32(2)), TimestampDeltaUs: ptr(int64(2))}},
			{TrustedPacketSequenceId: ptr(uint32(1)), TrackEvent: &event{Type: ptr(int32(3)), TimestampAbsoluteUs: ptr(int64(9))}}},
			[]string{`105000 begin "" thread=3/4`, `107000 end "" thread=3/4`, `9000 instant "" thread=3/4`}, nil},
		{"the thread stays after a clear, its time does not", []*packet{cleared(), thread, cleared(),
			{TrustedPacketSequenceId: ptr(uint32(1)), TrackEvent: &event{Type: ptr(int32(1)), TimestampDeltaUs: ptr(int64(5))}}, at(6, &event{Type: ptr(int32(2))})},
			[]string{`6 end "" thread=3/4`}, []string{"time-missing 1"}},
		{"a time beyond 63 bits", []*packet{at(1<<63+1, end())}, nil, []string{"time-missing 1"}},
		{"a snapshot that overflows", []*packet{steps(snapshot(1, boot, 1, 64, 1<<62), 1000)}, nil, []string{"clock-damaged 1"}},
	} {
		t.Run(tc.name, func(t *testing.T) { expect(t, pb(t, tc.packets...), tc.want, tc.problems) })
	}
}

// TestOrigin wants the Unix time of trace time 0.
func TestOrigin(t *testing.T) {
	rd := perfetto.NewReader(bytes.NewReader(pb(t, snapshot(1, perfetto.ClockBoottime, 1000, perfetto.ClockRealtime, 1_700_000_000_000_001_000))), perfetto.Options{})
	if _, err := rd.Next(); err != io.EOF {
		t.Fatal(err)
	}
	if ns, ok := rd.Origin(); !ok || ns != 1_700_000_000_000_000_000 {
		t.Errorf("origin %d, %v", ns, ok)
	}
}

// TestWire holds what the encoding may look like.
func TestWire(t *testing.T) {
	const evTail = "48 01 58 07" // type begin, track 7
	for _, tc := range []struct {
		name, hex string
		want      []string
		problems  []string
	}{
		{"plain", "0a 0a  40 05 50 01  5a 04" + evTail, []string{`5 begin t7 ""`}, nil},
		{"an empty packet", "0a 00 0a 0a 40 05 50 01 5a 04" + evTail, []string{`5 begin t7 ""`}, nil},
		{"unknown fields of a trace, of all wire types", "10 96 01  1a 02 00 00  21 0102030405060708  2d 01020304  0a 0a 40 05 50 01 5a 04" + evTail, []string{`5 begin t7 ""`}, nil},
		{"unknown fields of a packet and an event", "0a 1e  40 05 50 01  c2 3e 02 ff ff  99 06 0102030405060708 5a 09 c2 3e 02 ff ff" + evTail, []string{`5 begin t7 ""`}, nil},
		{"categories packed", "0a 0e  40 05 50 01  5a 08 1a 02 04 05" + evTail, []string{`5 begin t7 ""`}, []string{"interned-unknown 2"}},
		{"flows packed", "0a 1d  40 05 50 01  5a 17 fa 02 10 0100000000000000 0200000000000000" + evTail, []string{`5 begin t7 "" flows=[1 2]`}, nil},
		{"a timestamp of ten bytes", "0a 13  40 85 80 80 80 80 80 80 80 80 00 50 01  5a 04" + evTail, []string{`5 begin t7 ""`}, nil},
		{"a varint of eleven bytes", "0a 14  40 85 80 80 80 80 80 80 80 80 80 00 50 01  5a 04" + evTail, nil, []string{"packet-damaged 1"}},
		{"tags longer than they need be", "0a 0c  c0 00 05 d0 00 01  5a 04" + evTail, []string{`5 begin t7 ""`}, nil},
		{"a group", "0a 0c  0b 0c  40 05 50 01  5a 04" + evTail, nil, []string{"packet-damaged 1"}},
		{"an event longer than its packet", "0a 0a  40 05 50 01  5a 7f" + evTail, nil, []string{"packet-damaged 1"}},
		{"an event in two parts is one", "0a 0c  40 05 50 01  5a 02 48 01 5a 02 58 07", []string{`5 begin t7 ""`}, nil},
		{"fields given twice: the last counts", "0a 0c  40 01 40 05 50 01  5a 04" + evTail, []string{`5 begin t7 ""`}, nil},
		{"cut in a packet", "0a 0a 40 05 50 01 5a 04" + evTail + "0a 0a 40 05", []string{`5 begin t7 ""`}, []string{"truncated 1"}},
		{"cut in a length", "0a 0a 40 05 50 01 5a 04" + evTail + "0a 80", []string{`5 begin t7 ""`}, []string{"truncated 1"}},
		{"cut behind a tag", "0a 0a 40 05 50 01 5a 04" + evTail + "0a", []string{`5 begin t7 ""`}, []string{"truncated 1"}},
		{"a length of 4 GiB", "0a 0a 40 05 50 01 5a 04" + evTail + "0a ff ff ff ff 0f 01 02", []string{`5 begin t7 ""`}, []string{"truncated 1"}},
		{"a length of 2⁶³", "0a 0a 40 05 50 01 5a 04" + evTail + "0a ff ff ff ff ff ff ff ff 7f 01", []string{`5 begin t7 ""`}, []string{"garbage 1"}},
		{"text behind the end", "0a 0a 40 05 50 01 5a 04" + evTail + "0b 68 65 6c 6c 6f", []string{`5 begin t7 ""`}, []string{"garbage 1"}},
	} {
		t.Run(tc.name, func(t *testing.T) { expect(t, raw(t, tc.hex), tc.want, tc.problems) })
	}
	if _, _, err := linesOf(strings.NewReader("hello"), perfetto.Options{}); err == nil || !strings.Contains(err.Error(), "offset 0x2: found 6c 6c") {
		t.Errorf("text: %v", err)
	}
	big := pb(t, at(1, beginOf(strings.Repeat("x", 5000))), at(2, end()))
	got, problems, err := linesOf(bytes.NewReader(big), perfetto.Options{MaxPacket: 4096})
	if err != nil || len(got) != 1 || len(problems) != 1 || problems[0] != "packet-oversized 1" {
		t.Errorf("a long packet: %v, %v, %v", got, problems, err)
	}
}

// TestBundles holds compressed packets.
func TestBundles(t *testing.T) {
	inner := pb(t, at(1, beginOf("a")), at(2, end()))
	zl := &packet{CompressedPackets: deflated(inner)}
	zs := &packet{ZstdCompressedPackets: zstandard(inner)}
	whole := []string{`1 begin t7 "a"`, `2 end t7 ""`}
	both := append(append([]string{}, whole...), whole...)
	broken := deflated(inner)
	broken = broken[:len(broken)-6]
	for _, tc := range []struct {
		name     string
		packets  []*packet
		want     []string
		problems []string
	}{
		{"zlib", []*packet{zl, at(3, end())}, append(append([]string{}, whole...), `3 end t7 ""`), nil},
		{"zstd", []*packet{zs}, whole, nil},
		{"both in one trace", []*packet{zl, zs}, both, nil},
		{"an empty bundle", []*packet{{CompressedPackets: deflated(nil)}, zl}, whole, nil},
		{"no zlib at all", []*packet{{CompressedPackets: []byte("hello, hello")}, zl}, whole, []string{"bundle-damaged 1"}},
		{"cut", []*packet{{CompressedPackets: broken}, zs}, both, []string{"bundle-damaged 1"}},
		{"one in another", []*packet{{CompressedPackets: deflated(pb(t, zs, at(1, beginOf("a"))))}}, whole[:1], []string{"bundle-nested 1"}},
		{"a packet cut in a bundle", []*packet{{CompressedPackets: deflated(inner[:len(inner)-2])}, zl}, append([]string{whole[0]}, whole...), []string{"bundle-damaged 1"}},
	} {
		t.Run(tc.name, func(t *testing.T) { expect(t, pb(t, tc.packets...), tc.want, tc.problems) })
	}
}

// TestAnnotations holds the forms of annotations.
func TestAnnotations(t *testing.T) {
	ev := &event{Type: ptr(int32(3)), DebugAnnotations: []*note{
		{Name: ptr("d"), DictEntries: []*note{{Name: ptr("x"), IntValue: ptr(int64(-1))}, {Name: ptr("y"), ArrayValues: []*note{{StringValue: ptr("s")}, {BoolValue: ptr(true)}}}}},
		{Name: ptr("j"), LegacyJsonValue: ptr(`{"k":1}`)},
		{Name: ptr("n"), NestedValue: &pbx.NestedValue{NestedType: ptr(int32(1)), DictKeys: []string{"a", "b"}, DictValues: []*pbx.NestedValue{{IntValue: ptr(int64(4))}, {ArrayValues: []*pbx.NestedValue{{DoubleValue: ptr(0.5)}}}}}},
		{Name: ptr("p"), PointerValue: ptr(uint64(255))},
		{NameIid: ptr(uint64(1)), StringValueIid: ptr(uint64(2))},
		{Name: ptr("m"), ProtoValue: []byte("\x01")},
	}}
	p := at(1, ev)
	p.SequenceFlags = ptr(uint32(3))
	p.InternedData = &pbx.InternedData{DebugAnnotationNames: []*named{{Iid: ptr(uint64(1)), Name: ptr("i")}}, DebugAnnotationStringValues: []*named{{Iid: ptr(uint64(2)), Name: ptr("text")}}}
	expect(t, pb(t, p), []string{"1 instant \"\" {d.x=-1 d.y[0]=s d.y[1]=true j={\"k\":1} n.a=4 n.b[0]=0.5 p=0xff i=text m=\x01}"}, nil)

	deep := &note{Name: ptr("leaf"), IntValue: ptr(int64(1))}
	for range 100 {
		deep = &note{Name: ptr("n"), DictEntries: []*note{deep}}
	}
	expect(t, pb(t, at(1, &event{Type: ptr(int32(3)), DebugAnnotations: []*note{deep}})), []string{`1 instant ""`}, nil)
}

// TestRecords holds the records that are no events.
func TestRecords(t *testing.T) {
	b := pb(t,
		&packet{TraceAttributes: &pbx.TraceAttributes{Attribute: []*pbx.Attribute{{Key: ptr("commit"), StringValue: ptr("abc")}, {Key: ptr("n"), LongValue: ptr(int64(-3))}}}},
		&packet{ProcessTree: &pbx.ProcessTree{Processes: []*pbx.Process{{Pid: ptr(int32(3)), Cmdline: []string{"python3", "x.py"}}}, Threads: []*pbx.Thread{{Tid: ptr(int32(4)), Name: ptr("main"), Tgid: ptr(int32(3))}}}},
		&packet{TraceStats: &pbx.TraceStats{BufferStats: []*pbx.BufferStats{{ChunksOverwritten: ptr(uint64(2))}, {ChunksOverwritten: ptr(uint64(3)), TraceWriterPacketLoss: ptr(uint64(1))}}, FinalFlushOutcome: ptr(int32(2))}},
		&packet{Timestamp: ptr(uint64(8)), GpuCounterEvent: &pbx.GpuCounterEvent{GpuId: ptr(int32(1)), CounterDescriptor: &pbx.GpuCounterDescriptor{Specs: []*pbx.GpuCounterSpec{{CounterId: ptr(uint32(5)), Name: ptr("busy")}}},
			Counters: []*pbx.GpuCounter{{CounterId: ptr(uint32(5)), DoubleValue: ptr(0.25)}, {CounterId: ptr(uint32(6)), IntValue: ptr(int64(7))}}}},
		&packet{TrustedPacketSequenceId: ptr(uint32(1)), SequenceFlags: ptr(uint32(1)), InternedData: &pbx.InternedData{GpuSpecifications: []*named{{Iid: ptr(uint64(1)), Name: ptr("queue")}, {Iid: ptr(uint64(2)), Name: ptr("stage")}}}},
		&packet{TrustedPacketSequenceId: ptr(uint32(1)), Timestamp: ptr(uint64(9)), GpuRenderStageEvent: &pbx.GpuRenderStageEvent{Duration: ptr(uint64(4)), HwQueueIid: ptr(uint64(1)), StageIid: ptr(uint64(2))}},
		&packet{TrackDescriptor: &descriptor{Name: ptr("no uuid")}},
	)
	rd := perfetto.NewReader(bytes.NewReader(b), perfetto.Options{})
	next := func(want perfetto.Kind) {
		t.Helper()
		if k, err := rd.Next(); k != want || err != nil {
			t.Fatalf("record of kind %d, %v; want %d", k, err, want)
		}
	}
	next(perfetto.AttributesRecord)
	if diff := cmp.Diff([]perfetto.Attribute{{Key: "commit", Text: "abc"}, {Key: "n", Int: -3, IsInt: true}}, rd.Attributes); diff != "" {
		t.Error(diff)
	}
	next(perfetto.NamesRecord)
	if n := rd.Names; len(n) != 2 || rd.Text(n[0].Name) != "python3" || n[1].Pid != 3 || n[1].Tid != 4 || rd.Text(n[1].Name) != "main" {
		t.Errorf("names %+v", n)
	}
	next(perfetto.StatsRecord)
	if want := (perfetto.ServiceStats{Overwritten: 5, PacketLoss: 1, FlushFailed: true}); rd.Stats != want || !rd.Stats.Lossy() {
		t.Errorf("%+v, want %+v", rd.Stats, want)
	}
	next(perfetto.GPUCountersRecord)
	if c := rd.GPUCounters; len(c) != 2 || c[0].Value != 0.25 || rd.Text(c[0].Name) != "busy" || c[1].Value != 7 || c[1].Name != 0 || c[1].Ns != 8 || c[1].GPU != 1 {
		t.Errorf("%+v", c)
	}
	next(perfetto.GPUStageRecord)
	if s := rd.Stage; s.Ns != 9 || s.DurNs != 4 || rd.Text(s.Queue) != "queue" || rd.Text(s.Name) != "stage" {
		t.Errorf("%+v", s)
	}
	if k, err := rd.Next(); err != io.EOF {
		t.Errorf("%d, %v", k, err)
	}
	if p := rd.Problems(); len(p) != 1 || p[0].Code != perfetto.DamagedPacket {
		t.Errorf("%v", p)
	}
}
