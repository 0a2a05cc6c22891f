package xspace_test

import (
	"github.com/layerscope/layerscope/trace/internal/xspace"
	"testing"
)

func BenchmarkTmp(b *testing.B) {
	bf := newBenchFile(b, 64<<20)
	for _, dev := range []bool{true, false} {
		for _, name := range []string{"XLA Ops", "Async XLA Ops"} {
			sp, err := xspace.Index(bf.f, bf.truth.Bytes)
			if err != nil {
				b.Fatal(err)
			}
			b.Run(name, func(b *testing.B) {
				n := 0
				var d = fastest(func() {
					n = 0
					for _, pl := range sp.Planes {
						for _, ln := range pl.Lines {
							if ln.Name == name {
								ln.Scan(xspace.ScanOptions{DeviceClock: dev}, func(b *xspace.Batch) bool { n += len(b.Meta); return true })
							}
						}
					}
				})
				var c = fastest(func() {
					for _, pl := range sp.Planes {
						for _, ln := range pl.Lines {
							if ln.Name == name {
								ln.Count()
							}
						}
					}
				})
				b.ReportMetric(float64(d)/float64(n), "ns/event")
				b.ReportMetric(float64(c)/float64(n), "ns/event-count")
			})
		}
	}
}
