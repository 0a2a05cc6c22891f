// SPDX-License-Identifier: Apache-2.0

package checkpoint

import "testing"

// BenchmarkRandom makes one matrix of Qwen3-0.6B's embedding size.
func BenchmarkRandom(b *testing.B) {
	const n = 151936 * 1024
	for _, dtype := range []DType{BF16, F16, F32} {
		b.Run(string(dtype), func(b *testing.B) {
			raw := alignedBytes(n * int64(dtype.Size()))
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				fill(raw, dtype, noise{width: 0.1, state: 1})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/elem")
		})
	}
}
