// SPDX-License-Identifier: Apache-2.0

package stats_test

import (
	"math"
	"testing"

	"github.com/layerscope/layerscope/analyze/internal/stats"
)

// TestMeanChange holds the interval against one worked out by hand: means 2 and 6,
// both variances 1, SE √(2/3), 4 degrees of freedom, t 2.776.
func TestMeanChange(t *testing.T) {
	d, lo, hi, ok := stats.MeanChange([]float64{1, 2, 3}, []float64{5, 6, 7}, 0.05)
	half := 2.776445 * math.Sqrt(2.0/3)
	if !ok || d != 4 || math.Abs(lo-(4-half)) > 1e-4 || math.Abs(hi-(4+half)) > 1e-4 {
		t.Errorf("%g (%g … %g), want 4 ± %g", d, lo, hi, half)
	}
	if d, lo, hi, ok := stats.MeanChange([]float64{0, 0}, []float64{8, 8}, 0.05); !ok || d != 8 || lo != 8 || hi != 8 {
		t.Errorf("constant sides: %g (%g … %g)", d, lo, hi)
	}
	if _, _, _, ok := stats.MeanChange([]float64{1}, []float64{5, 6}, 0.05); ok {
		t.Error("one value on a side has no interval")
	}
}
