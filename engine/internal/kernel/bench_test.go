// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"testing"
	"time"
)

// best keeps the shortest of many runs of fn: on a shared machine the only
// figure that repeats.
type best time.Duration

func (d *best) run(fn func()) {
	start := time.Now()
	fn()
	if t := best(time.Since(start)); *d == 0 || t < *d {
		*d = t
	}
}

func (d best) rate(amount float64) float64 { return amount / time.Duration(d).Seconds() }

func benchPaths(b *testing.B, fn func(b *testing.B)) {
	before := Active()
	defer func() { _ = Use(before) }()
	for _, p := range Available() {
		if err := Use(p); err != nil {
			b.Fatal(err)
		}
		b.Run(p.String(), fn)
	}
}

// BenchmarkMul reports the fraction of the machine's multiply-add peak,
// measured turn by turn with the product on as many cores ("peak"), and
// GFLOP/s. The goal for 512×2048×2048 f32 is 0.80 on one core, 0.70 on two.
func BenchmarkMul(b *testing.B) {
	shapes := []struct{ m, n, k int }{
		{512, 2048, 2048}, {128, 2048, 1024}, {128, 3072, 1024}, {128, 1024, 3072}, {20, 3072, 1024}, {8, 2048, 2048},
	}
	defer SetWorkers(0)
	benchPaths(b, func(b *testing.B) {
		for _, typ := range []DType{F32, BF16, F16} {
			for _, s := range shapes {
				for _, cores := range []int{1, 2} {
					b.Run(fmt.Sprintf("%v/%dx%dx%d/cores=%d", typ, s.m, s.n, s.k, cores), func(b *testing.B) {
						benchMul(b, typ, s.m, s.n, s.k, cores)
					})
				}
			}
		}
	})
}

func benchMul(b *testing.B, typ DType, m, n, k, cores int) {
	SetWorkers(cores)
	r := newRand(1)
	w, _ := tensorFrom(randMat(r, n, k, 0), typ)
	p, a, c := Pack(nil, w), randMat(r, m, k, 0), NewMat(m, n)
	var d best
	peak := 0.0
	for b.Loop() {
		d.run(func() { Mul(c, a, p) })
		peak = max(peak, Peak(cores, 3))
	}
	flops := d.rate(2 * float64(m) * float64(n) * float64(k))
	b.ReportMetric(flops/peak, "peak")
	b.ReportMetric(flops/1e9, "GFLOP/s")
	b.ReportMetric(0, "ns/op") // holds the probe, too
}

// BenchmarkMulOneRow waits for memory: it reports weight bytes a second
// against copy() of the same bytes, read and write counted ("copy").
func BenchmarkMulOneRow(b *testing.B) {
	defer SetWorkers(0)
	benchPaths(b, func(b *testing.B) {
		for _, typ := range []DType{F32, BF16, F16} {
			for _, m := range []int{1, 4} {
				for _, cores := range []int{1, 2} {
					b.Run(fmt.Sprintf("%v/%dx8192x2048/cores=%d", typ, m, cores), func(b *testing.B) {
						SetWorkers(cores)
						const n, k = 8192, 2048
						w := Tensor{Type: typ, Rows: n, Cols: k, Data: make([]byte, n*k*typ.Size())}
						for i := range w.Data {
							w.Data[i] = 0x3c // not the kernel's page of zeros
						}
						p, a, c := Pack(nil, w), NewMat(m, k), NewMat(m, n)
						other := make([]byte, len(w.Data))
						var d, cp best
						for b.Loop() {
							d.run(func() { Mul(c, a, p) })
							cp.run(func() { copy(other, w.Data) })
						}
						b.ReportMetric(d.rate(float64(len(w.Data)))/1e9, "GB/s")
						b.ReportMetric(d.rate(float64(len(w.Data)))/cp.rate(2*float64(len(w.Data))), "copy")
						b.ReportMetric(0, "ns/op")
					})
				}
			}
		}
	})
}

// BenchmarkRows reports the bytes that row-wise kernels read and write a
// second against copy() of a row ("copy"), on one core with rows in L2.
func BenchmarkRows(b *testing.B) {
	SetWorkers(1)
	defer SetWorkers(0)
	const rows, cols = 16, 3072
	benchPaths(b, func(b *testing.B) {
		r := newRand(1)
		x, y, dst := randMat(r, rows, cols, 0), randMat(r, rows, cols, 0), NewMat(rows, cols)
		cos, sin := randMat(r, rows, 64, 0), randMat(r, rows, 64, 0)
		table, _ := tensorFrom(x, BF16)
		ids, pos := make([]int32, rows), make([]int32, rows)
		for _, op := range []struct {
			name  string
			bytes float64 // a value, read and written
			run   func()
		}{
			{"RMSNorm", 16, func() { RMSNorm(dst, x, y.Row(0), 1e-6, false) }},
			{"Softmax", 20, func() { Softmax(dst, x) }},
			{"SiLUMul", 12, func() { SiLUMul(dst, x, y) }},
			{"GELUTanhMul", 12, func() { GELUTanhMul(dst, x, y) }},
			{"Add", 12, func() { Add(dst, x) }},
			{"Softcap", 8, func() { Softcap(dst, 30) }},
			{"RoPE", 8, func() { RoPE(dst, cols/128, 128, cos, sin, pos) }},
			{"Gather bf16", 6, func() { Gather(dst, table, ids) }},
		} {
			b.Run(op.name, func(b *testing.B) {
				var d, cp best
				for b.Loop() {
					d.run(op.run)
					cp.run(func() { copy(dst.Data, y.Data) })
					copy(dst.Data, x.Data)
				}
				b.ReportMetric(d.rate(op.bytes*rows*cols)/1e9, "GB/s")
				b.ReportMetric(d.rate(op.bytes*rows*cols)/cp.rate(8*rows*cols), "copy")
				b.ReportMetric(time.Duration(d).Seconds()*1e9/rows/cols, "ns/value")
				b.ReportMetric(0, "ns/op")
			})
		}
	})
}

// BenchmarkAttend reports useful operations (visible keys only) as a fraction
// of the peak.
func BenchmarkAttend(b *testing.B) {
	defer SetWorkers(0)
	items := make([]int, 100)
	for i := range items {
		items[i] = 20
	}
	for _, c := range []struct {
		name string
		ids  []int32
	}{
		{"prompt=128", packedIDs(128, nil)}, {"prompt=512", packedIDs(512, nil)}, {"prompt=2048", packedIDs(2048, nil)},
		{"packed=500+100x20", packedIDs(500, items)},
	} {
		for _, cores := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/cores=%d", c.name, cores), func(b *testing.B) { benchAttend(b, c.ids, cores) })
		}
	}
}

func benchAttend(b *testing.B, ids []int32, cores int) {
	SetWorkers(cores)
	segs, err := SegmentsOf(ids, 0)
	if err != nil {
		b.Fatal(err)
	}
	r, n := newRand(1), len(ids)
	at := Attention{Heads: 16, KVHeads: 8, HeadDim: 128, Segments: segs}
	q, k, v := randMat(r, n, 16*128, 0), randMat(r, n, 8*128, 0), randMat(r, n, 8*128, 0)
	out := NewMat(n, 16*128)
	pairs := 0
	for _, s := range segs {
		pairs += s.Len*s.Shared + s.Len*(s.Len+1)/2
	}
	var d best
	peak := 0.0
	for b.Loop() {
		d.run(func() { Attend(out, q, k, v, at) })
		peak = max(peak, Peak(cores, 3))
	}
	flops := d.rate(4 * 128 * 16 * float64(pairs))
	b.ReportMetric(flops/peak, "peak")
	b.ReportMetric(flops/1e9, "GFLOP/s")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkPack reports packing (reading and writing) against copy().
func BenchmarkPack(b *testing.B) {
	for _, typ := range []DType{F32, BF16, F16} {
		b.Run(typ.String(), func(b *testing.B) {
			SetWorkers(1)
			defer SetWorkers(0)
			const n, k = 2048, 2048
			w := Tensor{Type: typ, Rows: n, Cols: k, Data: make([]byte, n*k*typ.Size())}
			for i := range w.Data {
				w.Data[i] = 0x3c
			}
			buf, other := make([]byte, PackedBytes(typ, n, k)), make([]byte, len(w.Data))
			var d, cp best
			for b.Loop() {
				d.run(func() { Pack(buf, w) })
				cp.run(func() { copy(other, w.Data) })
			}
			size := 2 * float64(len(w.Data))
			b.ReportMetric(d.rate(size)/1e9, "GB/s")
			b.ReportMetric(d.rate(size)/cp.rate(size), "copy")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkRegion is the cost of starting a parallel region.
func BenchmarkRegion(b *testing.B) {
	SetWorkers(2)
	defer SetWorkers(0)
	for b.Loop() {
		Parallel(2, func(int, int) {})
	}
}
