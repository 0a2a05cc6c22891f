// SPDX-License-Identifier: Apache-2.0

package stats_test

import (
	"fmt"

	"github.com/layerscope/layerscope/analyze/internal/stats"
)

// Median step times (ps) of four layers in three runs of each commit. The second
// run of the new commit is 2 % slower throughout; layer_2 has gained work.
func ExampleCompare() {
	ms := func(x ...float64) []float64 {
		for i := range x {
			x[i] *= 1e9
		}
		return x
	}
	rows := []stats.Pair{
		{Base: ms(8.00, 8.04, 8.01), New: ms(8.03, 8.17, 7.98)},
		{Base: ms(8.11, 8.08, 8.12), New: ms(8.10, 8.28, 8.12)},
		{Base: ms(8.05, 8.06, 8.02), New: ms(8.83, 9.02, 8.86)},
		{Base: ms(8.02, 8.05, 8.06), New: ms(8.04, 8.22, 8.05)},
	}
	c := stats.Compare(nil, rows, stats.Options{MinAbs: 1e6})
	for i, r := range c.Rows {
		fmt.Printf("layer_%d %+5.1f %% [%+.1f, %+.1f] q %.3f %s\n",
			i, 100*r.Effect, 100*r.Lo, 100*r.Hi, r.Q, r.Verdict)
	}
	fmt.Printf("common %+.1f %% %s, %d more runs\n", 100*c.Common.Effect, c.Common.Verdict, c.Common.Needed)
	// Output:
	// layer_0  -0.3 % [-0.9, +0.2] q 0.426 EQUIVALENT
	// layer_1  -0.1 % [-0.5, +0.3] q 0.603 EQUIVALENT
	// layer_2  +9.7 % [+9.1, +10.3] q 0.000 REGRESSION
	// layer_3  -0.1 % [-0.5, +0.2] q 0.603 EQUIVALENT
	// common +0.9 % INCONCLUSIVE, 176 more runs
}
