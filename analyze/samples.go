// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"slices"

	"github.com/layerscope/layerscope/analyze/internal/stats"
)

// summarise describes the values of the steps that count.
func (s *study) summarise(perStep []Duration) Samples {
	var x []float64
	for i, v := range perStep {
		if !s.out.Steps[i].Excluded && s.inRange(s.out.Steps[i].Index) {
			x = append(x, float64(v))
		}
	}
	return samplesOf(x)
}

// samplesOf summarises picosecond values. The interval is that of the median by
// order statistics; below the number of samples it needs, it is left out.
func samplesOf(x []float64) Samples {
	sum := stats.Summarize(x, 0.95)
	out := Samples{N: sum.N, Median: Duration(sum.Median), Min: Duration(sum.Min), Max: Duration(sum.Max)}
	if sum.N < sum.Needed {
		out.Need = sum.Needed
		return out
	}
	out.Lo, out.Hi, out.Confidence = Duration(sum.CI.Lo), Duration(sum.CI.Hi), sum.CI.Confidence
	return out
}

// inRange says whether a step number is among those the options ask for.
func (s *study) inRange(n int64) bool {
	return s.opts.Steps == nil || n >= s.opts.Steps[0] && n <= s.opts.Steps[1]
}

// medianOf returns the median; 0 for none.
func medianOf(x []float64) float64 {
	x = slices.Clone(x)
	slices.Sort(x)
	if len(x) == 0 {
		return 0
	}
	return stats.Quantile(x, 0.5)
}

// variation returns the standard deviation relative to the mean.
func variation(x []float64) float64 {
	sum := stats.Summarize(x, 0.95)
	if sum.Mean == 0 {
		return 0
	}
	return sum.SD / sum.Mean
}
