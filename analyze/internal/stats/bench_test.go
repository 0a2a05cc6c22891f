// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// benchRows is the size of a large diff.
const benchRows = 5000

// benchSamples draws benchRows pairs of samples of n step times a side.
func benchSamples(n int) [][2][]float64 {
	rng := rand.New(rand.NewPCG(1, 2))
	data := make([][2][]float64, benchRows)
	for i := range data {
		for side := range 2 {
			for range n {
				data[i][side] = append(data[i][side], 1e9*(1+0.02*rng.NormFloat64()))
			}
		}
	}
	return data
}

func perOp(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/op")
}

// BenchmarkRowStatistics is the budget of a large diff, 100 ms: rank tests with
// shifts and intervals of 5,000 rows of 50 samples (25 a side) and the run-level
// comparison of the same rows with 3 runs a side.
func BenchmarkRowStatistics(b *testing.B) {
	data := benchSamples(25)
	m := modelN2
	m.layers = benchRows
	c := newSession(m, 1).captures(3, nil)
	b.Run("rank", func(b *testing.B) {
		for b.Loop() {
			for _, d := range data {
				RankTest(d[0], d[1], 0.95)
			}
		}
		perOp(b)
	})
	b.Run("rank-50-a-side", func(b *testing.B) {
		wide := benchSamples(50)
		for b.Loop() {
			for _, d := range wide {
				RankTest(d[0], d[1], 0.95)
			}
		}
		perOp(b)
	})
	b.Run("compare", func(b *testing.B) {
		for b.Loop() {
			Compare(&c.step, c.rows, Options{})
		}
		perOp(b)
	})
}

// BenchmarkShift sets the selection of pair sums against sorting all of them.
func BenchmarkShift(b *testing.B) {
	data := benchSamples(25)
	for _, d := range data {
		slices.Sort(d[0])
		slices.Sort(d[1])
	}
	b.Run("select", func(b *testing.B) {
		for b.Loop() {
			for _, d := range data {
				logShift(d[0], d[1], 0.95)
			}
		}
		perOp(b)
	})
	b.Run("sort-baseline", func(b *testing.B) {
		sums := make([]float64, 0, 625)
		for b.Loop() {
			for _, d := range data {
				sums = sums[:0]
				for _, x := range d[0] {
					lx := math.Log(x)
					for _, y := range d[1] {
						sums = append(sums, math.Log(y)-lx)
					}
				}
				slices.Sort(sums)
			}
		}
		perOp(b)
	})
}

// BenchmarkOpened is the price of opening 200 rows: bootstrap of 3 runs of 10
// steps a side.
func BenchmarkOpened(b *testing.B) {
	s := newSession(modelN2, 1)
	side := func() (out [][]float64) {
		for range 3 {
			s.run(nil)
			out = append(out, slices.Clone(s.steps[planted]))
		}
		return out
	}
	base, new := side(), side()
	for b.Loop() {
		for row := range 200 {
			Bootstrap(base, new, 0.95, uint64(row))
		}
	}
	perOp(b)
}

// BenchmarkChangePoints is a history of 1,000 commits with two steps.
func BenchmarkChangePoints(b *testing.B) {
	x := levels(1, 0.02, 400, 100, 300, 105, 300, 100)
	for b.Loop() {
		ChangePoints(x, 1)
	}
	perOp(b)
}

// BenchmarkMeanDeltas apportions 5,000 rows.
func BenchmarkMeanDeltas(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 3))
	base, new := make([]int64, benchRows), make([]int64, benchRows)
	for i := range base {
		base[i], new[i] = rng.Int64N(1e15), rng.Int64N(1e15)
	}
	for b.Loop() {
		if _, _, err := MeanDeltas(base, new, 30, 29); err != nil {
			b.Fatal(err)
		}
	}
	perOp(b)
}
