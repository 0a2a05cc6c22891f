// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"cmp"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func rec(kind Kind, id uint32, start, value uint64) Record { return Make(kind, id, start, value, 0) }

func drainAll(r *Ring) []Record {
	var out []Record
	r.Drain(func(recs []Record) { out = append(out, recs...) })
	return out
}

// TestFullRing: what finds no room is counted, and what was taken out makes room.
func TestFullRing(t *testing.T) {
	wake := make(chan struct{}, 1)
	r := New(8, wake)
	for i := range uint64(11) {
		r.Push(rec(Span, 1, i, i))
	}
	if len(wake) != 1 {
		t.Error("a ring with a full half woke nobody")
	}
	got := drainAll(r)
	if len(got) != 8 || got[0].Start != 0 || got[7].Start != 7 || r.Lost() != 3 || r.Lost() != 0 {
		t.Fatalf("%d records: %v", len(got), got)
	}
	five := []Record{rec(AttrInt, 1, 20, 0), rec(AttrInt, 2, 20, 0), rec(AttrInt, 3, 20, 0), rec(AttrInt, 4, 20, 0), rec(Instant, 9, 20, 0)}
	r.PushAll(five)
	r.PushAll(five) // no room for all: none is pushed
	r.Push(rec(Span, 1, 30, 31))
	got = drainAll(r)
	if len(got) != 6 || got[4].Kind() != Instant || got[5].Start != 30 || r.Lost() != 1 {
		t.Fatalf("%v, lost %d", got, r.Lost())
	}
}

// TestConcurrent: one goroutine writes, one reads; every record arrives once and
// in order, or is counted. Run it with -race.
func TestConcurrent(t *testing.T) {
	const n = 100_000
	r := New(1024, make(chan struct{}, 1))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := uint64(1); i <= n; i++ {
			if i%5 == 0 {
				r.PushAll([]Record{Make(AttrInt, 3, i, i*3, 7), Make(Instant, 7, i, i*3, 9)})
			} else {
				r.Push(Make(Span, 7, i, i*3, 9))
			}
			if i%256 == 0 {
				time.Sleep(10 * time.Microsecond)
			} else if i%16 == 0 {
				runtime.Gosched()
			}
		}
	}()
	last, seen, lost := uint64(0), uint64(0), uint64(0)
	take := func(recs []Record) {
		for _, rec := range recs {
			attr := rec.Kind() == AttrInt
			if rec.Start < last || rec.Start == last && attr || rec.Value != rec.Start*3 || !attr && (rec.ID() != 7 || rec.Extra != 9) {
				t.Errorf("after %d: %+v", last, rec)
				return
			}
			if !attr {
				last = rec.Start
				seen++
			}
		}
	}
	for open := true; open; {
		select {
		case <-done:
			open = false
		default:
		}
		r.Drain(take)
		lost += r.Lost()
	}
	r.Drain(take)
	lost += r.Lost()
	if seen+lost != n || seen == 0 {
		t.Errorf("%d seen and %d lost of %d", seen, lost, n)
	}
	t.Logf("%d of %d lost", lost, n)
}

func records() *rapid.Generator[[]Record] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Record {
		kind := Kind(rapid.IntRange(0, int(AttrText)).Draw(t, "kind"))
		start := rapid.OneOf(rapid.Uint64Range(0, 50), rapid.Uint64()).Draw(t, "start")
		value := rapid.Uint64().Draw(t, "value")
		if kind.spanLike() {
			value = start + min(rapid.OneOf(rapid.Uint64Range(0, 20), rapid.Uint64()).Draw(t, "dur"), ^uint64(0)-start)
		}
		return Make(kind, rapid.Uint32Range(0, MaxID).Draw(t, "id"), start, value, rapid.OneOf(rapid.Uint32Range(0, 4), rapid.Uint32()).Draw(t, "extra"))
	}), 0, 300)
}

// TestPack: records of any content survive packing, in at most maxPacked bytes.
func TestPack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		recs := records().Draw(t, "records")
		var b []byte
		prev := uint64(0)
		for i := range recs {
			n := len(b)
			if b = appendRecord(slices.Grow(b, maxPacked), &recs[i], prev); len(b)-n > maxPacked {
				t.Fatalf("%d bytes", len(b)-n)
			}
			prev = recs[i].Start
		}
		prev = 0
		for i := range recs {
			got, rest, err := takeRecord(b, prev)
			if err != nil || got != recs[i] {
				t.Fatalf("record %d: %+v, %v; want %+v", i, got, err, recs[i])
			}
			b, prev = rest, got.Start
		}
		if len(b) != 0 {
			t.Fatalf("%d bytes left", len(b))
		}
	})
}

// TestLog: whatever goes to memory or to the file, each lane comes back whole and
// in order, as a stable sort of it all gives.
func TestLog(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		l := NewLog(int64(rapid.SampledFrom([]int{0, 200, 1 << 20}).Draw(t, "memory")), dir)
		l.block = rapid.IntRange(64, 400).Draw(t, "block")
		want := make([][]Record, 3)
		for range rapid.IntRange(0, 6).Draw(t, "drains") {
			i := rapid.IntRange(0, 2).Draw(t, "lane")
			recs := records().Draw(t, "records")
			l.Add(i, recs)
			want[i] = append(want[i], recs...)
		}
		if err := l.Sort(); err != nil {
			t.Fatal(err)
		}
		for i := range want {
			order(want[i])
			var got []Record
			if err := l.Each(i, func(r *Record) bool { got = append(got, *r); return true }); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, want[i]) {
				t.Fatalf("lane %d: %s", i, gocmp.Diff(len(want[i]), len(got)))
			}
			if l.Count(i) != int64(len(got)) {
				t.Fatalf("count %d of %d", l.Count(i), len(got))
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%d temporary files left, %v", len(left), err)
	}
}

// TestOrder: of records that begin together attributes come first, then the
// longest, then the one opened first.
func TestOrder(t *testing.T) {
	want := []Record{
		Make(AttrInt, 5, 10, 1, 1), Make(Span, 1, 10, 90, 0), Make(Span, 2, 10, 40, 1), Make(Span, 3, 10, 40, 2), Make(Instant, 4, 10, 7, 0), Make(Span, 0, 11, 12, 3),
	}
	for shift := range want {
		got := slices.Concat(want[shift:], want[:shift])
		order(got)
		if !slices.Equal(got, want) {
			t.Errorf("%v", got)
		}
	}
	if !slices.IsSortedFunc(want, func(a, b Record) int { return cmp.Compare(a.Start, b.Start) }) {
		t.Error("not by start")
	}
}

// TestDiskFull: a file that can't be made loses records, counts them and says so.
func TestDiskFull(t *testing.T) {
	l := NewLog(0, "/nonexistent directory")
	l.block = 64
	for i := range 100 {
		l.Add(0, []Record{rec(Span, 1, uint64(i), uint64(i))})
	}
	if l.Err() == nil || l.Lost() == 0 || l.Lost() >= 100 {
		t.Errorf("error %v, %d lost", l.Err(), l.Lost())
	}
	if err := l.Sort(); err != nil {
		t.Error(err)
	}
	n := int64(0)
	if err := l.Each(0, func(*Record) bool { n++; return true }); err != nil || n+l.Lost() != 100 {
		t.Errorf("%d kept and %d lost of 100: %v", n, l.Lost(), err)
	}
}

// BenchmarkLog measures packing, which happens while the program runs, sorting,
// which happens afterwards, and reading; spans nest as those of a model do.
func BenchmarkLog(b *testing.B) {
	var recs []Record
	at := uint64(1 << 40)
	for range 100 {
		step := at
		for range 28 {
			layer := at
			for range 6 {
				recs = append(recs, Make(Span, 40, at, at+900, 2))
				at += 1000
			}
			recs = append(recs, Make(Span, 41, layer, at, 1))
		}
		recs = append(recs, Make(Span, 42, step, at, 0))
	}
	per := func(b *testing.B, name string) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(recs)), name)
	}
	b.Run("pack", func(b *testing.B) {
		size := int64(0)
		for b.Loop() {
			l := NewLog(1<<40, "")
			l.Add(0, recs)
			size = l.memory + int64(len(l.lanes[0].open))
		}
		per(b, "ns/record")
		b.ReportMetric(float64(size)/float64(len(recs)), "B/record")
	})
	b.Run("pack+sort+read", func(b *testing.B) {
		for b.Loop() {
			l := NewLog(1<<40, "")
			l.Add(0, recs)
			if err := l.Sort(); err != nil {
				b.Fatal(err)
			}
			if err := l.Each(0, func(*Record) bool { return true }); err != nil {
				b.Fatal(err)
			}
		}
		per(b, "ns/record")
	})
}
