// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"testing"
)

var benchName = Name("bench")

// BenchmarkSpan measures what a span costs: off, on with either clock, with
// chained stamps, with an attribute. The named baseline is a read of the clock.
func BenchmarkSpan(b *testing.B) {
	on := func(b *testing.B, opts RecorderOptions) (*Recorder, *Lane) {
		opts.Ring = 1 << 16
		r := NewRecorder(opts)
		if err := r.Start(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
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
			_ = rec.Close()
		})
		return r, r.Lane("bench")
	}
	b.Run("off", func(b *testing.B) {
		l := NewRecorder(RecorderOptions{}).Lane("bench")
		b.ReportAllocs()
		for b.Loop() {
			l.Begin(benchName).End()
		}
	})
	for _, c := range []struct {
		name string
		opts RecorderOptions
	}{{"best", RecorderOptions{}}, {"nanotime", RecorderOptions{Nanotime: true}}} {
		b.Run(c.name+"/clock", func(b *testing.B) {
			r := NewRecorder(c.opts)
			b.ReportAllocs()
			for b.Loop() {
				_ = r.Now()
			}
		})
		b.Run(c.name+"/span", func(b *testing.B) {
			_, l := on(b, c.opts)
			b.ReportAllocs()
			for b.Loop() {
				l.Begin(benchName).End()
			}
		})
		b.Run(c.name+"/chained", func(b *testing.B) {
			_, l := on(b, c.opts)
			t := l.Now()
			b.ReportAllocs()
			for b.Loop() {
				u := l.Now()
				l.Span(benchName, t, u)
				t = u
			}
		})
		b.Run(c.name+"/span+number", func(b *testing.B) {
			_, l := on(b, c.opts)
			b.ReportAllocs()
			for b.Loop() {
				s := l.Begin(benchName)
				s.Int(benchName, 7)
				s.End()
			}
		})
	}
}
