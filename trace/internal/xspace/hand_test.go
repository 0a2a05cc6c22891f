// SPDX-License-Identifier: Apache-2.0

package xspace_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/layerscope/layerscope/trace/internal/xspace"
)

// vi and by build fields of hand-made messages: a varint, and a length-delimited
// value joined of parts. st is by of a string.
func vi(num int, v int64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, uint64(num<<3)), uint64(v))
}

func by(num int, parts ...[]byte) []byte {
	val := bytes.Join(parts, nil)
	b := binary.AppendUvarint(binary.AppendUvarint(nil, uint64(num<<3|2)), uint64(len(val)))
	return append(b, val...)
}

func st(num int, s string) []byte { return by(num, []byte(s)) }

// meta and name are entries of event and stat metadata.
func meta(key int64, name string) []byte {
	return by(4, vi(1, key), by(2, vi(1, key), st(2, name)))
}

func name(key int64, name string) []byte {
	return by(5, vi(1, key), by(2, vi(1, key), st(2, name)))
}

// ev is an event of the usual shape.
func ev(id, off, dur int64, stats ...[]byte) []byte {
	return by(4, vi(1, id), vi(2, off), vi(3, dur), bytes.Join(stats, nil))
}

func line(parts ...[]byte) []byte { return by(3, parts...) }

func plane(s string, parts ...[]byte) []byte {
	return by(1, st(2, s), bytes.Join(parts, nil))
}

// names are stat metadata the cases share.
var names = bytes.Join([][]byte{name(17, "device_offset_ps"), name(18, "device_duration_ps"), name(5, "tf_op"), name(6, "jit(f)/layer_0"), name(-7, "odd")}, nil)

// Cases of one plane "p", scanned with its device clock and the stats tf_op and
// odd, each worked out by hand: key of the metadata, start, duration, flags (1 on
// device, 2 aggregated), occurrences, values.
var handCases = []struct {
	name  string
	plane [][]byte
	want  []string
	codes []string // of problems
}{
	{"usual", [][]byte{line(vi(1, 3), st(2, "ops"), vi(3, 2), ev(1, 10, 20), ev(2, 30, 5))},
		[]string{"1 2010+20 flags 0 ×0 | - | -", "2 2030+5 flags 0 ×0 | - | -"}, nil},
	{"device pair", [][]byte{line(ev(1, 10, 20, by(4, vi(1, 17), vi(3, 1000)), by(4, vi(1, 18), vi(3, 7))))},
		[]string{"1 1000+7 flags 1 ×0 | - | -"}, nil},
	{"device pair as int64, other order, behind another stat", [][]byte{line(vi(3, 9), ev(1, 10, 20, by(4, vi(1, 5), vi(7, 6)), by(4, vi(1, 18), vi(4, 7)), by(4, vi(1, 17), vi(4, 1000))))},
		[]string{`1 1000+7 flags 1 ×0 | 6 "jit(f)/layer_0" | -`}, nil},
	{"half a device pair is none", [][]byte{line(vi(3, 1), ev(1, 10, 20, by(4, vi(1, 18), vi(3, 7))))},
		[]string{"1 1010+20 flags 0 ×0 | - | -"}, nil},
	{"no duration", [][]byte{line(by(4, vi(1, 1), vi(2, 50)), by(4, vi(1, 1), vi(2, 60), by(4, vi(1, 5), st(5, "x"))))},
		[]string{"1 50+0 flags 0 ×0 | - | -", `1 60+0 flags 0 ×0 | 4 "x" | -`}, nil},
	{"duration behind the stats", [][]byte{line(by(4, vi(1, 1), vi(2, 60), by(4, vi(1, 5), st(5, "x")), vi(3, 8)))},
		[]string{`1 60+8 flags 0 ×0 | 4 "x" | -`}, nil},
	{"fields in reverse", [][]byte{line(by(4, by(4, vi(1, 5), st(5, "x")), vi(3, 8), vi(2, 60), vi(1, 2)))},
		[]string{`2 60+8 flags 0 ×0 | 4 "x" | -`}, nil},
	{"unknown fields", [][]byte{line(by(4, vi(1, 1), vi(2, 60), vi(3, 8), vi(99, 1)), by(4, st(77, "?"), vi(1, 1), vi(2, 61), vi(3, 9)), st(50, "?"), ev(2, 62, 1))},
		[]string{"1 60+8 flags 0 ×0 | - | -", "1 61+9 flags 0 ×0 | - | -", "2 62+1 flags 0 ×0 | - | -"}, nil},
	{"aggregated", [][]byte{line(vi(3, 4), by(4, vi(1, 1), vi(3, 900), by(4, vi(1, -7), vi(4, -3)), vi(5, 12)), ev(2, 5, 6))},
		[]string{"1 4000+900 flags 2 ×12 | - | 3 0xfffffffffffffffd", "2 4005+6 flags 0 ×0 | - | -"}, nil},
	{"of offset and occurrences the last counts", [][]byte{line(by(4, vi(1, 1), vi(5, 12), vi(3, 8), vi(2, 60)))},
		[]string{"1 60+8 flags 0 ×0 | - | -"}, nil},
	{"negative and absent ids", [][]byte{line(ev(-5, 1, 1), ev(77777, 2, 2), by(4, vi(2, 3), vi(3, 3)), ev(-5, 4, 4))},
		[]string{"-5 1+1 flags 0 ×0 | - | -", "77777 2+2 flags 0 ×0 | - | -", "0 3+3 flags 0 ×0 | - | -", "-5 4+4 flags 0 ×0 | - | -"}, nil},
	{"varints of ten bytes, and longer than needed", [][]byte{line(ev(1, -1, -2),
		by(4, []byte{0x08, 0x81, 0x80, 0x80, 0x80, 0x00, 0x10, 0x85, 0x80, 0x00, 0x18, 0x86, 0x00}))},
		[]string{"1 -1+-2 flags 0 ×0 | - | -", "1 5+6 flags 0 ×0 | - | -"}, nil},
	{"reference to nothing", [][]byte{line(ev(1, 1, 1, by(4, vi(1, 5), vi(7, 12345))))},
		[]string{`1 1+1 flags 0 ×0 | 6 "" | -`}, nil},
	{"first of two stats", [][]byte{line(ev(1, 1, 1, by(4, vi(1, 5), st(5, "first")), by(4, vi(1, 5), st(5, "second"))))},
		[]string{`1 1+1 flags 0 ×0 | 4 "first" | -`}, nil},
	{"timestamp behind the events", [][]byte{line(vi(1, 1), ev(1, 1, 1), vi(3, 7))},
		[]string{"1 7001+1 flags 0 ×0 | - | -"}, nil},
	{"all line fields behind the events", [][]byte{line(ev(1, 1, 1), vi(3, 7), vi(1, 4), st(2, "late"))},
		[]string{"1 7001+1 flags 0 ×0 | - | -"}, nil},
	{"empty event", [][]byte{line(by(4), ev(1, 2, 3))},
		[]string{"0 0+0 flags 0 ×0 | - | -", "1 2+3 flags 0 ×0 | - | -"}, nil},
	{"one line in two messages with clocks of their own", [][]byte{line(vi(1, 3), vi(3, 1), ev(1, 1, 1)), line(vi(1, 3), vi(3, 2), ev(2, 2, 2))},
		[]string{"1 1001+1 flags 0 ×0 | - | -", "2 2002+2 flags 0 ×0 | - | -"}, nil},
	{"unix time that is no int64 of ps", [][]byte{line(vi(3, 1763983000000000000), ev(1, 1, 1))},
		[]string{"1 1+1 flags 0 ×0 | - | -"}, []string{xspace.CodeTimestamp}},
	{"event with a bad wire type", [][]byte{line(ev(1, 1, 1), by(4, vi(1, 1), []byte{0x13}), ev(2, 2, 2))},
		[]string{"1 1+1 flags 0 ×0 | - | -", "2 2+2 flags 0 ×0 | - | -"}, []string{xspace.CodeEvent}},
	{"stat that runs past its event", [][]byte{line(ev(1, 1, 1, []byte{0x22, 0x20, 0x08}), ev(2, 2, 2))},
		[]string{"2 2+2 flags 0 ×0 | - | -"}, []string{xspace.CodeEvent}},
	{"event that runs past its line", [][]byte{line(ev(1, 1, 1), []byte{0x22, 0x50, 0x08, 0x01}), line(vi(1, 2), ev(2, 2, 2))},
		[]string{"1 1+1 flags 0 ×0 | - | -", "2 2+2 flags 0 ×0 | - | -"}, []string{xspace.CodeLine}},
	{"tag that is none inside a line", [][]byte{line(ev(1, 1, 1), []byte{0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07}, ev(2, 2, 2)), line(vi(1, 2), ev(3, 3, 3))},
		[]string{"1 1+1 flags 0 ×0 | - | -", "3 3+3 flags 0 ×0 | - | -"}, []string{xspace.CodeLine}},
	{"tag that is none inside a plane", [][]byte{line(ev(1, 1, 1)), {0x07, 0x07}, line(vi(1, 2), ev(2, 2, 2))},
		[]string{"1 1+1 flags 0 ×0 | - | -"}, []string{xspace.CodePlane}},
}

func TestByHand(t *testing.T) {
	for _, c := range handCases {
		t.Run(c.name, func(t *testing.T) {
			// The stat metadata goes first where damage ends the plane.
			b := plane("p", names, bytes.Join(c.plane, nil), meta(1, "one"))
			for _, window := range []int{0, 1, 40} {
				sp := indexBytes(t, b)
				got := scanned(t, sp, xspace.ScanOptions{DeviceClock: true, Want: []string{"tf_op", "odd"}, WindowBytes: window})
				if d := cmp.Diff(c.want, got); d != "" {
					t.Errorf("window %d: events (-want +got):\n%s", window, d)
				}
				var codes []string
				for _, p := range sp.Problems() {
					codes = append(codes, p.Code)
					if p.Count != 1 || p.Offset <= 0 || p.Offset >= int64(len(b)) || p.Msg == "" {
						t.Errorf("problem %+v: wanted one, within the %d bytes, with a message", p, len(b))
					}
				}
				if d := cmp.Diff(c.codes, codes, cmpopts.EquateEmpty()); d != "" {
					t.Errorf("window %d: problems (-want +got):\n%s", window, d)
				}
			}
		})
	}
}

// A base in nanoseconds keeps Unix times within int64 picoseconds.
func TestBase(t *testing.T) {
	const unix = 1763983000000000000
	b := plane("p", line(vi(3, unix+5), ev(1, 7, 1)))
	got := scanned(t, indexBytes(t, b), xspace.ScanOptions{BaseNs: unix})
	if want := []string{"1 5007+1 flags 0 ×0"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Planes and lines that repeat are united, their metadata too; what two parts call
// by one id stays apart.
func TestUnite(t *testing.T) {
	ops := func(events ...[]byte) []byte { return line(vi(1, 3), st(2, "ops"), bytes.Join(events, nil)) }
	b := slices.Concat(
		plane("a", ops(ev(1, 1, 1), ev(2, 2, 2)), meta(1, "one"), meta(2, "two"), name(5, "tf_op")),
		plane("b", line(vi(1, 3), st(2, "steps"), ev(1, 1, 1)), meta(1, "b-one")),
		// A chunk with a full copy, and one more name.
		plane("a", ops(ev(2, 3, 3), ev(3, 4, 4)), meta(1, "one"), meta(2, "two"), meta(3, "three")),
		// Another run joined to it: 2 is another operation, 5 and 6 other stats.
		plane("a", ops(ev(1, 5, 5), ev(2, 6, 6, by(4, vi(1, 6), st(5, "path"))), ev(3, 7, 7)), line(vi(1, 3), st(2, "async"), ev(2, 8, 8)),
			meta(2, "other two"), name(5, "else"), name(6, "tf_op")),
		st(3, "lost 3 events"), st(4, "host-a"), st(4, "host-b"))
	sp := indexBytes(t, b)
	var got []string
	for _, pl := range sp.Planes {
		for _, ln := range pl.Lines {
			got = append(got, pl.Name+"/"+ln.Name)
			err := ln.Scan(xspace.ScanOptions{Want: []string{"tf_op"}}, func(b *xspace.Batch) bool {
				for i, m := range b.Meta {
					em := pl.Event(m)
					short, _ := pl.EventName(m)
					if short != em.Name {
						t.Errorf("EventName %q, Event %q", short, em.Name)
					}
					got = append(got, em.Name+" "+b.Text(0, i))
				}
				return true
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	want := []string{"a/ops", "one ", "two ", "two ", "three ", "one ", "other two path", "three ", "a/async", "other two ", "b/steps", "b-one "}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
	if pl := sp.Plane("a"); pl.Parts != 3 || pl.NumEvents() != 4 || pl.Lines[0].Sections() != 3 {
		t.Errorf("plane a: %d parts, %d metadata entries, %d sections; want 3, 4, 3", pl.Parts, pl.NumEvents(), pl.Lines[0].Sections())
	}
	if d := cmp.Diff([][]string{{"lost 3 events"}, {"host-a", "host-b"}}, [][]string{sp.Warnings, sp.Hostnames}); d != "" {
		t.Errorf("texts (-want +got):\n%s", d)
	}
}

// Ids without metadata get indices of their own, the same in every scan, up to a
// bound beyond which they share one.
func TestUnknownIDs(t *testing.T) {
	var events []byte
	for i := range int64(70_000) {
		events = append(events, ev(-10-i, i, 1)...)
	}
	sp := indexBytes(t, plane("p", line(events), meta(1, "one")))
	pl, seen := sp.Planes[0], map[uint32]bool{}
	for range 2 {
		err := pl.Lines[0].Scan(xspace.ScanOptions{}, func(b *xspace.Batch) bool {
			for i, m := range b.Meta {
				seen[m] = true
				want := -10 - b.First - int64(i)
				if want <= -10-65536 {
					want = 0
				}
				if em := pl.Event(m); em.Key != want || em.Name != "" {
					t.Fatalf("event %d has metadata %+v, want key %d and no name", b.First+int64(i), em, want)
				}
			}
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 65537 || pl.Slots() != 1+65537 {
		t.Errorf("%d indices, %d slots; want 65537 and one more", len(seen), pl.Slots())
	}
}

// Stopping early is no error and does not report what was not read.
func TestStop(t *testing.T) {
	sp := indexBytes(t, plane("p", line(ev(1, 1, 1), ev(1, 2, 1), ev(1, 3, 1), []byte{0x22, 0x50})))
	n := 0
	err := sp.Planes[0].Lines[0].Scan(xspace.ScanOptions{BatchEvents: 2}, func(b *xspace.Batch) bool { n += len(b.Meta); return false })
	if err != nil || n != 2 || len(sp.Problems()) != 0 {
		t.Errorf("%d events, error %v, problems %v; want 2 and none", n, err, sp.Problems())
	}
}

func TestNotAnXSpace(t *testing.T) {
	for _, c := range []struct {
		name string
		b    []byte
		want error
	}{
		{"empty", nil, xspace.ErrEmpty},
		{"text", []byte("version https://git-lfs.github.com/spec/v1\n"), new(xspace.FramingError)},
		{"zeros", make([]byte, 100), new(xspace.FramingError)},
		{"unknown fields only", by(9, []byte("x")), new(xspace.FramingError)},
		{"garbage behind a plane", slices.Concat(plane("p"), bytes.Repeat([]byte{0xff}, 30)), new(xspace.FramingError)},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := xspace.Index(bytes.NewReader(c.b), int64(len(c.b)))
			var framing *xspace.FramingError
			if c.want == xspace.ErrEmpty && err != c.want || c.want != xspace.ErrEmpty && !errors.As(err, &framing) {
				t.Errorf("error %v, want %T", err, c.want)
			}
		})
	}
}
