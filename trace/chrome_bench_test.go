// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"testing"
	"time"

	"github.com/layerscope/layerscope/internal/tracetest"
	"github.com/layerscope/layerscope/trace"
)

// BenchmarkChromeToColumns reads trace.json.gz into columns. The ratio is to
// compress/gzip alone on the same bytes in the same run, the best of each.
func BenchmarkChromeToColumns(b *testing.B) {
	for _, name := range []string{"trace_json/tpu_vllm_qwen3_32b_quant.trace.json.gz", "trace_json/tpu_vllm_qwen25_32b_bf16.trace.json.gz", "torch/h100_qwen15_05b.json.gz"} {
		b.Run(name, func(b *testing.B) {
			packed, err := os.ReadFile(tracetest.Shared(b, "data/"+name))
			if err != nil {
				b.Fatal(err)
			}
			size, baseline := gzipAlone(b, packed)
			b.SetBytes(size)
			b.ReportAllocs()
			best := time.Duration(1 << 62)
			for b.Loop() {
				start := time.Now()
				t, err := trace.Read(bytes.NewReader(packed), "t.json.gz", trace.Options{})
				if err != nil {
					b.Fatal(err)
				}
				t.Close()
				best = min(best, time.Since(start))
			}
			b.ReportMetric(float64(baseline)/float64(best), "×compress/gzip")
		})
	}
}

// gzipAlone returns the size of what packed expands to and how long the standard
// library takes for it, the best of ten.
func gzipAlone(b *testing.B, packed []byte) (int64, time.Duration) {
	b.Helper()
	best, size := time.Duration(1<<62), int64(0)
	for range 10 {
		start := time.Now()
		z, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			b.Fatal(err)
		}
		if size, err = io.Copy(io.Discard, z); err != nil {
			b.Fatal(err)
		}
		best = min(best, time.Since(start))
	}
	return size, best
}
