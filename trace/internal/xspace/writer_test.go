// SPDX-License-Identifier: Apache-2.0

package xspace_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/layerscope/layerscope/trace/internal/xspace"
	"github.com/layerscope/layerscope/trace/internal/xspace/xspacepb"
)

// copySpace writes what this package reads of a file. Planes whose parts disagree
// on ids cannot be copied so.
func copySpace(w io.Writer, sp *xspace.Space) error {
	xw := xspace.NewWriter(w)
	for _, pl := range sp.Planes {
		if err := pl.Load(); err != nil {
			return err
		}
		if err := xw.Plane(pl.ID, pl.Name, func(pw *xspace.PlaneWriter) error { return copyPlane(pw, pl) }); err != nil {
			return err
		}
	}
	for _, s := range sp.Errors {
		xw.Error(s)
	}
	for _, s := range sp.Warnings {
		xw.Warning(s)
	}
	for _, s := range sp.Hostnames {
		if err := xw.Hostname(s); err != nil {
			return err
		}
	}
	return xw.Close()
}

func copyPlane(pw *xspace.PlaneWriter, pl *xspace.Plane) error {
	for _, ln := range pl.Lines {
		_, err := ln.Count() // fills what Display returns
		if err != nil {
			return err
		}
		head := xspace.LineHead{ID: ln.ID, Name: ln.Name, TimestampNs: ln.TimestampNs, DurationPs: ln.DurationPs()}
		head.DisplayID, head.DisplayName = ln.Display()
		err = pw.Line(head, func(lw *xspace.LineWriter) error {
			var werr error
			err := ln.Events(func(ts int64, ev *xspace.Event) bool {
				ev.OffsetPs += (ts - ln.TimestampNs) * 1000
				werr = lw.Event(ev)
				return werr == nil
			})
			return errors.Join(err, werr)
		})
		if err != nil {
			return err
		}
	}
	for i := range uint32(pl.NumEvents()) {
		em := pl.Event(i)
		if err := pw.EventMeta(&em); err != nil {
			return err
		}
	}
	for i := range uint32(pl.NumStats()) {
		sm := pl.StatMeta(i)
		if err := pw.StatMeta(&sm); err != nil {
			return err
		}
	}
	for _, st := range pl.Stats() {
		if err := pw.Stat(&st); err != nil {
			return err
		}
	}
	return nil
}

// Reading, writing and reading again gives the same, and the library reads what is
// written.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := spaceGen().Draw(rt, "space")
		for _, pl := range m.Planes {
			for _, ln := range pl.Lines {
				ln.TimestampNs = 0 // two messages of one line are written as one
			}
		}
		b, err := proto.Marshal(m)
		if err != nil {
			rt.Fatal(err)
		}
		roundTrip(fatal{t, rt}, b)
	})
}

func roundTrip(t testing.TB, b []byte) {
	t.Helper()
	sp := indexBytes(t, b)
	first := modelOf(t, sp)
	var out bytes.Buffer
	if err := copySpace(&out, sp); err != nil {
		t.Fatal(err)
	}
	again := indexBytes(t, out.Bytes())
	if d := cmp.Diff(first, modelOf(t, again)); d != "" {
		t.Fatalf("read again (-first +second):\n%s", d)
	}
	m := new(xspacepb.XSpace)
	if err := proto.Unmarshal(out.Bytes(), m); err != nil {
		return // strings that are not UTF-8, which the library refuses
	}
	compare(t, out.Bytes(), m, true)
	var third bytes.Buffer
	if err := copySpace(&third, again); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), third.Bytes()) {
		t.Fatal("written twice, the bytes differ")
	}
}

// Each field there is, against bytes put together by hand in the order of field
// numbers, as the C++ library of the profilers writes them. (The Go library puts
// members of a oneof last.)
func TestWrittenBytes(t *testing.T) {
	long := strings.Repeat("x", 300)
	stats := []xspace.Stat{
		{ID: 1, Kind: xspace.Double, Bits: math.Float64bits(2.5)}, {ID: 2, Kind: xspace.Uint}, {ID: -3, Kind: xspace.Int, Bits: math.MaxUint64},
		{ID: 4, Kind: xspace.String, Raw: []byte(long)}, {Kind: xspace.Bytes}, {ID: 6, Kind: xspace.Ref, Bits: 9}, {ID: 7}}
	double := slices.Concat(vi(1, 1), []byte{2<<3 | 1, 0, 0, 0, 0, 0, 0, 4, 0x40})
	wantStats := slices.Concat(by(4, double), by(4, vi(1, 2), vi(3, 0)), by(4, vi(1, -3), vi(4, -1)),
		by(4, vi(1, 4), st(5, long)), by(4, by(6)), by(4, vi(1, 6), vi(7, 9)), by(4, vi(1, 7)))
	var got bytes.Buffer
	w := xspace.NewWriter(&got)
	err := w.Plane(-2, "plane", func(pw *xspace.PlaneWriter) error {
		return errors.Join(
			pw.Line(xspace.LineHead{ID: 3, DisplayID: 4, Name: "ops", DisplayName: "Ops", TimestampNs: 5, DurationPs: 6}, func(lw *xspace.LineWriter) error {
				return errors.Join(lw.Event(&xspace.Event{MetadataID: 1, OffsetPs: 2, DurationPs: 3, Stats: stats}),
					lw.Event(&xspace.Event{}), lw.Event(&xspace.Event{MetadataID: 9, Aggregated: true, Occurrences: 4, DurationPs: 8, Stats: stats[6:]}))
			}),
			pw.Line(xspace.LineHead{}, func(*xspace.LineWriter) error { return nil }),
			pw.EventMeta(&xspace.EventMeta{Key: -8, ID: 8, Name: "n", DisplayName: "d", Metadata: []byte{1}, Stats: stats[6:], Children: []int64{1, -1}}),
			pw.StatMeta(&xspace.StatMeta{Key: 5, ID: 5, Name: "tf_op", Description: "scope"}),
			pw.Stat(&stats[0]))
	})
	if err := errors.Join(err, w.Error("e"), w.Warning("w"), w.Hostname("h"), w.Close()); err != nil {
		t.Fatal(err)
	}
	want := slices.Concat(by(1, vi(1, -2), st(2, "plane"),
		by(3, vi(1, 3), st(2, "ops"), vi(3, 5), by(4, vi(1, 1), vi(2, 2), vi(3, 3), wantStats), by(4, vi(2, 0)),
			by(4, vi(1, 9), vi(3, 8), by(4, vi(1, 7)), vi(5, 4)), vi(9, 6), vi(10, 4), st(11, "Ops")),
		by(3), by(4, vi(1, -8), by(2, vi(1, 8), st(2, "n"), by(3, []byte{1}), st(4, "d"), by(5, vi(1, 7)), by(6, []byte{1}, vi(0, -1)[1:]))),
		by(5, vi(1, 5), by(2, vi(1, 5), st(2, "tf_op"), st(3, "scope"))), by(6, double)), st(2, "e"), st(3, "w"), st(4, "h"))
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("wrote\n%x\nwant\n%x", got.Bytes(), want)
	}
}

// A body that differs between its passes, or leaves the order of fields, is an
// error, not a broken file.
func TestWriterMisuse(t *testing.T) {
	calls := 0
	for name, body := range map[string]func(*xspace.PlaneWriter) error{
		"longer the second time": func(pw *xspace.PlaneWriter) error {
			calls++
			return pw.StatMeta(&xspace.StatMeta{Key: int64(calls << 10), Name: strings.Repeat("x", calls)})
		},
		"more lines the second time": func(pw *xspace.PlaneWriter) error {
			calls++
			for range calls & 1 {
				if err := pw.Line(xspace.LineHead{}, func(*xspace.LineWriter) error { return nil }); err != nil {
					return err
				}
			}
			return nil
		},
		"lines behind metadata": func(pw *xspace.PlaneWriter) error {
			return errors.Join(pw.StatMeta(&xspace.StatMeta{}), pw.Line(xspace.LineHead{}, func(*xspace.LineWriter) error { return nil }))
		},
	} {
		calls = 1
		if err := xspace.NewWriter(io.Discard).Plane(1, "p", body); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	w := xspace.NewWriter(io.Discard)
	if err := errors.Join(w.Hostname("h"), w.Plane(1, "p", func(*xspace.PlaneWriter) error { return nil })); err == nil {
		t.Error("a plane behind a host name: no error")
	}
}
