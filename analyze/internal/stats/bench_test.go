// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math/rand/v2"
	"testing"
)

// BenchmarkRankTest5000x50 is the budget of a large diff: rank tests with shifts
// and intervals of 5,000 rows, 25 samples a side, in less than 100 ms.
func BenchmarkRankTest5000x50(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	const rows, n = 5000, 25
	data := make([][2][]float64, rows)
	for i := range data {
		for side := range 2 {
			for range n {
				data[i][side] = append(data[i][side], 1e9*(1+0.02*rng.NormFloat64()))
			}
		}
	}
	for b.Loop() {
		for _, d := range data {
			RankTest(d[0], d[1], 0.95)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/op")
}

// BenchmarkCompare5000 is the run-level comparison of 5,000 rows, 3 runs a side.
func BenchmarkCompare5000(b *testing.B) {
	m := modelN2
	m.layers = 5000
	c := newSession(m, 1).captures(3, nil)
	for b.Loop() {
		Compare(&c.step, c.rows, Options{})
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/op")
}
