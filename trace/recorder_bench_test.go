// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"math"
	"testing"
	"time"
)

var benchName = Name("bench")

// A pass is as many spans as a forward pass of 28 layers with 20 spans each.
const benchPass = 28 * 20

// BenchmarkSpan measures what a span costs: off, and on with either clock, whole,
// chained, and with a number. An iteration is one pass of spans; min-ns/span is
// that of the quickest pass, which a busy machine disturbs least, and reads/span
// is the same in reads of the clock of the same run, the named baseline.
func BenchmarkSpan(b *testing.B) {
	kinds := []struct {
		name string
		pass func(*Lane)
	}{
		{"span", func(l *Lane) {
			for range benchPass {
				l.Begin(benchName).End()
			}
		}},
		{"nested", func(l *Lane) {
			for range benchPass / 4 {
				outer := l.Begin(benchName)
				for range 3 {
					l.Begin(benchName).End()
				}
				outer.End()
			}
		}},
		{"chained", func(l *Lane) {
			t := l.Now()
			for range benchPass {
				u := l.Now()
				l.Span(benchName, t, u)
				t = u
			}
		}},
		{"span+number", func(l *Lane) {
			for range benchPass {
				s := l.Begin(benchName)
				s.Int(benchName, 7)
				s.End()
			}
		}},
	}
	for _, c := range []struct {
		name string
		opts RecorderOptions
		on   bool
	}{{"off", RecorderOptions{}, false}, {"best", RecorderOptions{}, true}, {"nanotime", RecorderOptions{Nanotime: true}, true}} {
		for _, k := range kinds {
			b.Run(c.name+"/"+k.name, func(b *testing.B) { benchSpans(b, c.opts, c.on, k.pass) })
		}
	}
}

func benchSpans(b *testing.B, opts RecorderOptions, on bool, pass func(*Lane)) {
	opts.Ring = 1 << 16
	r := NewRecorder(opts)
	if on {
		if err := r.Start(); err != nil {
			b.Fatal(err)
		}
	}
	l := r.Lane("bench")
	read, span := math.Inf(1), math.Inf(1)
	b.ReportAllocs()
	for i := range b.N {
		begin := time.Now()
		pass(l)
		span = min(span, float64(time.Since(begin))/benchPass)
		if i%64 == 0 { // let the drainer catch up, and read the clock alone
			b.StopTimer()
			begin := time.Now()
			for range benchPass {
				r.Now()
			}
			read = min(read, float64(time.Since(begin))/benchPass)
			time.Sleep(time.Millisecond)
			b.StartTimer()
		}
	}
	b.ReportMetric(span, "min-ns/span")
	b.ReportMetric(span/read, "reads/span")
	if !on {
		return
	}
	b.StopTimer()
	rec, err := r.Stop()
	if err != nil {
		b.Fatal(err)
	}
	lost := int64(0)
	for _, f := range rec.Findings() {
		if f.Code == "spans-lost" {
			lost += f.Count
		}
	}
	b.ReportMetric(100*float64(lost)/float64(max(1, rec.Records()+lost)), "%lost")
	if err := rec.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkWriteXSpace measures writing a recording of spans with one number each.
func BenchmarkWriteXSpace(b *testing.B) {
	r := NewRecorder(RecorderOptions{Ring: 1 << 17})
	if err := r.Start(); err != nil {
		b.Fatal(err)
	}
	l := r.Lane("bench")
	const spans = 50_000
	for range spans {
		s := l.Begin(benchName)
		s.Int(benchName, 7)
		s.End()
	}
	rec, err := r.Stop()
	if err != nil {
		b.Fatal(err)
	}
	defer rec.Close()
	var n counted
	for b.Loop() {
		n = 0
		if err := rec.WriteXSpace(&n, XSpaceOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/spans, "ns/span")
	b.ReportMetric(float64(n)/spans, "B/span")
}

type counted int64

func (c *counted) Write(p []byte) (int, error) {
	*c += counted(len(p))
	return len(p), nil
}
