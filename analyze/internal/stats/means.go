// SPDX-License-Identifier: Apache-2.0

package stats

import "math"

// MeanChange returns the difference of two means and its interval at 1 − alpha, by
// Welch's t: for quantities that may be 0, whose logarithms [Compare] can't take.
// It is not ok with fewer than two values on a side.
func MeanChange(base, new []float64, alpha float64) (d, lo, hi float64, ok bool) {
	b, n1 := meanOf(base)
	n, n2 := meanOf(new)
	d = n - b
	if n1 < 2 || n2 < 2 {
		return d, d, d, false
	}
	v1, v2 := squares(base, b)/float64(n1-1)/float64(n1), squares(new, n)/float64(n2-1)/float64(n2)
	if v1+v2 == 0 {
		return d, d, d, true
	}
	df := (v1 + v2) * (v1 + v2) / (v1*v1/float64(n1-1) + v2*v2/float64(n2-1)) // Welch–Satterthwaite
	half := math.Sqrt(v1+v2) * tTable{}.quantile(alpha/2, df)
	return d, d - half, d + half, true
}
