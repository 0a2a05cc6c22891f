// SPDX-License-Identifier: Apache-2.0

package arena

import (
	"testing"
	"time"
)

// BenchmarkAllocFree is one allocation and its free among a hundred others.
func BenchmarkAllocFree(b *testing.B) {
	a := New(Options{})
	defer a.Close()
	for i := range 200 {
		buf := a.mustAlloc(64 * (1 + i%50))
		if i%2 == 0 {
			defer buf.Free()
		} else {
			buf.Free()
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		a.mustAlloc(4096).Free()
	}
}

// BenchmarkTouch writes 16 MiB of recycled memory and of memory just mapped,
// "times" is fresh over recycled.
func BenchmarkTouch(b *testing.B) {
	const n = 16 << 20
	var recycled, fresh time.Duration
	a := New(Options{})
	defer a.Close()
	touch := func(buf Buffer) time.Duration {
		start := time.Now()
		d := buf.Bytes()
		for i := 0; i < len(d); i += 64 {
			d[i] = 1
		}
		return time.Since(start)
	}
	for b.Loop() {
		x := a.mustAlloc(n)
		t := touch(x)
		if fresh == 0 || t < fresh {
			fresh = t
		}
		x.Free()
		y := a.mustAlloc(n)
		if t := touch(y); recycled == 0 || t < recycled {
			recycled = t
		}
		y.Free()
		a.Trim()
	}
	b.ReportMetric(float64(n)/fresh.Seconds()/1e9, "fresh-GB/s")
	b.ReportMetric(float64(n)/recycled.Seconds()/1e9, "recycled-GB/s")
	b.ReportMetric(fresh.Seconds()/recycled.Seconds(), "times")
	b.ReportMetric(0, "ns/op")
}
