// SPDX-License-Identifier: Apache-2.0

package perfetto_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/layerscope/layerscope/trace/internal/perfetto"
	"github.com/layerscope/layerscope/trace/internal/perfetto/perfettogen"
	pbx "github.com/layerscope/layerscope/trace/internal/perfetto/perfettopb"
)

// sample is a small trace with a bit of everything.
func sample(tb testing.TB) []byte {
	tb.Helper()
	deep := &note{Name: ptr("n"), DictEntries: []*note{{Name: ptr("x"), ArrayValues: []*note{{StringValue: ptr("s")}}}}}
	noted := begin(1)
	noted.DebugAnnotations = []*note{deep, {NameIid: ptr(uint64(1)), UintValue: ptr(uint64(300))}}
	noted.FlowIds, noted.CategoryIids = []uint64{8}, []uint64{1, 2}
	b := pb(tb,
		steps(snapshot(1, perfetto.ClockBoottime, 1_000_000, 64, 0), 1), defaults(cleared("layer_0", "layer_1"), 7),
		&packet{TrackDescriptor: &descriptor{Uuid: ptr(uint64(7)), Thread: &pbx.ThreadDescriptor{Pid: ptr(int32(1)), Tid: ptr(int64(2)), ThreadName: ptr("main")}}},
		counter(9, &pbx.CounterDescriptor{IsIncremental: ptr(true)}), needs(at(1000, noted)), value(1500, 9, 77), needs(clocked(64, at(2000, end()))),
		at(3000, &event{LegacyEvent: &pbx.LegacyEvent{Phase: ptr(int32('X')), DurationUs: ptr(int64(5))}}),
		&packet{CompressedPackets: deflated(pb(tb, at(4000, beginOf("inner")), at(5000, end())))},
		&packet{ZstdCompressedPackets: zstandard(pb(tb, at(6000, beginOf("inner")), at(7000, end())))},
	)
	var gen bytes.Buffer
	if _, err := perfettogen.Write(&gen, perfettogen.Config{Seed: 5, Slices: 6, Sequences: 2, Chunk: 3, Annotated: true}); err != nil {
		tb.Fatal(err)
	}
	return append(b, gen.Bytes()...)
}

// drainAll reads everything a reader offers, and returns how many events there
// were. It must end without a panic whatever the input.
func drainAll(r io.Reader, opts perfetto.Options) (events int, err error) {
	rd := perfetto.NewReader(r, opts)
	type wait struct {
		clock perfetto.ClockID
		ns    int64
	}
	var waits []wait
	for {
		k, err := rd.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return events, err
		}
		switch k {
		case perfetto.EventRecord:
			events++
			_ = recordLine(rd, &rd.Event)
			if rd.Event.Pending {
				waits = append(waits, wait{rd.Event.Clock, rd.Event.Ns})
			}
		case perfetto.NamesRecord:
			for _, n := range rd.Names {
				_ = rd.Text(n.Name)
			}
		}
	}
	for _, w := range waits {
		rd.Resolve(w.clock, w.ns)
	}
	for _, p := range rd.Problems() {
		_ = p.String()
	}
	return events, nil
}

// TestCuts cuts a trace at every byte: no more events than before, none invented.
func TestCuts(t *testing.T) {
	b := sample(t)
	whole, _, err := linesOf(bytes.NewReader(b), perfetto.Options{})
	if err != nil || len(whole) < 20 {
		t.Fatalf("%d events, %v", len(whole), err)
	}
	last := 0
	for n := range len(b) + 1 {
		got, problems, err := linesOf(bytes.NewReader(b[:n]), perfetto.Options{Window: 64})
		if err != nil && len(got) > 0 {
			t.Fatalf("cut at %d: %v", n, err)
		}
		if !slices.Equal(got, whole[:len(got)]) || len(got) < last {
			t.Fatalf("cut at %d: %d events, which are not the first of the whole trace's %d", n, len(got), len(whole))
		}
		if last = len(got); n == len(b) && len(problems) != 1 { // categories and a name that are not defined
			t.Fatalf("problems of the whole trace: %v", problems)
		}
	}
	if last != len(whole) {
		t.Errorf("%d of %d events", last, len(whole))
	}
}

// TestFlips changes bytes, duplicates and reorders packets.
func TestFlips(t *testing.T) {
	b := sample(t)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		c := slices.Clone(b)
		for range 1 + rng.IntN(4) {
			switch i := rng.IntN(len(c)); rng.IntN(3) {
			case 0:
				c[i] ^= 1 << rng.IntN(8)
			case 1:
				c[i] = byte(rng.Uint32())
			case 2:
				j := min(len(c), i+rng.IntN(40))
				c = slices.Insert(c, rng.IntN(len(c)), c[i:j]...)
			}
		}
		_, _ = drainAll(bytes.NewReader(c), perfetto.Options{Window: 64, MaxPacket: 1 << 20, MaxExpanded: 1 << 20}) // it ends: that's all
	}
}

// TestBombs holds inputs that claim or expand to far more than they are.
func TestBombs(t *testing.T) {
	bomb := deflated(bytes.Repeat([]byte{0x0a, 0x00}, 8<<20)) // 16 MiB from 16 KiB
	for name, b := range map[string][]byte{
		"a length of 200 MiB at the end of a short file": raw(t, "0a 00 0a 80 80 80 64"),
		"a bundle of empty packets":                      pb(t, &packet{CompressedPackets: bomb}),
		"ten of them":                                    pb(t, slices.Repeat([]*packet{{CompressedPackets: bomb}}, 10)...),
		"zstd":                                           pb(t, &packet{ZstdCompressedPackets: zstandard(bytes.Repeat([]byte{0x0a, 0x00}, 8<<20))}),
		"a bundle that is one long packet":               pb(t, &packet{CompressedPackets: deflated(append(raw(t, "0a 80 80 80 08"), make([]byte, 16<<20)...))}),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, problems, err := linesOf(bytes.NewReader(b), perfetto.Options{MaxExpanded: 4 << 20, MaxPacket: 1 << 20})
			runtime.ReadMemStats(&after)
			if err != nil {
				t.Fatal(err)
			}
			if grown := int64(after.TotalAlloc - before.TotalAlloc); grown > 12<<20 {
				t.Errorf("%d bytes allocated for %d", grown, len(b))
			}
			if len(problems) == 0 {
				t.Error("nothing was found wrong")
			}
		})
	}
}

// TestManyOfAll holds tables that a file can fill: strings, sequences, clocks,
// snapshots, tracks.
func TestManyOfAll(t *testing.T) {
	var packets []*packet
	for i := range uint32(70_000) {
		p := &packet{TrustedPacketSequenceId: ptr(5000 + i), SequenceFlags: ptr(uint32(1)), Timestamp: ptr(uint64(i)), TimestampClockId: ptr(128 + i)}
		p.TrackEvent = &event{Type: ptr(int32(3)), TrackUuid: ptr(uint64(i)), Name: ptr(string(rune('0'+i%64)) + string(rune(i)))}
		packets = append(packets, p)
		packets = append(packets, snapshot(1, 6, uint64(i), 3, uint64(100_000-i), uint64(128+i), uint64(i)))
	}
	_, problems, err := linesOf(bytes.NewReader(pb(t, packets...)), perfetto.Options{MaxStrings: 1000})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{"sequence-missing": false, "names-full": false, "clock-damaged": false}
	for _, p := range problems {
		for k := range want {
			want[k] = want[k] || len(p) > len(k) && p[:len(k)] == k
		}
	}
	for k, found := range want {
		if !found {
			t.Errorf("no %s among %v", k, problems)
		}
	}
}

// FuzzReader reads anything: it must not panic or hang, a prefix must give a
// prefix of the events, and small windows must give the same as large ones.
func FuzzReader(f *testing.F) {
	f.Add(sample(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		opts := perfetto.Options{MaxPacket: 1 << 16, MaxExpanded: 1 << 20, MaxStrings: 1000}
		got, problems, err := linesOf(bytes.NewReader(b), opts)
		opts.Window = 64
		again, problems2, err2 := linesOf(bytes.NewReader(b), opts)
		if !slices.Equal(got, again) || !slices.Equal(problems, problems2) || (err == nil) != (err2 == nil) {
			t.Fatalf("a small window changes what is read:\n%q %v %v\n%q %v %v", got, problems, err, again, problems2, err2)
		}
	})
}
