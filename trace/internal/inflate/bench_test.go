// SPDX-License-Identifier: Apache-2.0

package inflate

import (
	"bytes"
	"compress/gzip"
	"io"
	"testing"
	"time"

	kgzip "github.com/klauspost/compress/gzip"
)

func own(r io.Reader) (int64, error) {
	z, err := NewReader(r, Options{})
	if err != nil {
		return 0, err
	}
	return z.WriteTo(io.Discard)
}

func standard(r io.Reader) (int64, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return 0, err
	}
	return io.Copy(io.Discard, z)
}

func klauspost(r io.Reader) (int64, error) {
	z, err := kgzip.NewReader(r)
	if err != nil {
		return 0, err
	}
	return io.Copy(io.Discard, z)
}

// BenchmarkInflate reports, beside its own speed, how many times faster it is
// than two other decoders on the same data in the same run (best of three each).
func BenchmarkInflate(b *testing.B) {
	for kind, gz := range map[string][]byte{
		"json":  pack(b, jsonLike(32<<20), 6),
		"proto": pack(b, protoLike(32<<20), 1),
	} {
		b.Run(kind, func(b *testing.B) {
			b.ReportAllocs()
			var size int64
			best := time.Duration(1 << 62)
			for b.Loop() {
				t := time.Now()
				n, err := own(bytes.NewReader(gz))
				if err != nil {
					b.Fatal(err)
				}
				best = min(best, time.Since(t))
				size = n
			}
			b.SetBytes(size)
			b.ReportMetric(float64(size)/float64(len(gz)), "out/in")
			b.ReportMetric(fastest(b, standard, gz).Seconds()/best.Seconds(), "x-std")
			b.ReportMetric(fastest(b, klauspost, gz).Seconds()/best.Seconds(), "x-klauspost")
		})
	}
}

func fastest(b *testing.B, f func(io.Reader) (int64, error), gz []byte) time.Duration {
	best := time.Duration(1 << 62)
	for range 3 {
		t := time.Now()
		if _, err := f(bytes.NewReader(gz)); err != nil {
			b.Fatal(err)
		}
		best = min(best, time.Since(t))
	}
	return best
}
