// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"slices"
)

// madScale makes the median absolute deviation estimate the standard deviation
// of normal data: 1/Φ⁻¹(3/4).
const madScale = 1.4826022185056018

// A Summary describes one sample, normally the step times of one run.
type Summary struct {
	N                              int // finite values
	Min, Q1, Median, Q3, Max, Mean float64
	SD                             float64 // n-1 in the denominator; 0 below two values
	MAD                            float64 // median |x - median|, unscaled
	// Rho is the lag-1 autocorrelation in the given order, between -1 and 1; 0
	// below three values or when all are equal.
	Rho float64
	// CI holds the median with at least the confidence asked for, or the whole
	// range with the confidence that has.
	CI Interval
	// Needed is the sample size from which CI can reach the confidence asked
	// for (6 at 95 %).
	Needed int
	// Outliers are positions in the input further than 5 scaled MADs from the
	// median. They are counted in everything above: a slow step is a fact.
	Outliers []int
}

// Summarize describes x; x keeps its order. confidence is that of the median's
// interval; outside (0,1) it is 0.95.
//
// The interval is (x₍k₎, x₍n+1-k₎) with the largest k for which
// 1 - 2·P(Binomial(n,½) < k) >= confidence (David & Nagaraja, Order Statistics,
// 7.1). Should the MAD be zero, outliers are found with 1.2533 × the mean
// absolute deviation instead (Iglewicz & Hoaglin 1993).
func Summarize(x []float64, confidence float64) Summary {
	confidence = orDefault(confidence, 0.95)
	kept := finite(x)
	s := Summary{N: len(kept), Outliers: []int{}, Needed: medianNeeds(confidence)}
	if s.N == 0 {
		return s
	}
	s.Rho = lag1(kept)
	slices.Sort(kept)
	s.Min, s.Max = kept[0], kept[s.N-1]
	s.Q1, s.Median, s.Q3 = Quantile(kept, 0.25), Quantile(kept, 0.5), Quantile(kept, 0.75)
	s.Mean, s.SD = meanSD(kept)
	s.CI = medianCI(kept, confidence)
	dev := make([]float64, s.N)
	for i, v := range kept {
		dev[i] = math.Abs(v - s.Median)
	}
	meanDev, _ := meanSD(dev)
	slices.Sort(dev)
	s.MAD = Quantile(dev, 0.5)
	scale := s.MAD * madScale
	if scale == 0 {
		scale = 1.2533 * meanDev
	}
	for i, v := range x {
		if usable(v) && math.Abs(v-s.Median) > 5*scale {
			s.Outliers = append(s.Outliers, i)
		}
	}
	return s
}

// Quantile interpolates linearly between the order statistics around
// p·(n-1) (type 7 of Hyndman & Fan 1996, the default of R and NumPy). sorted
// must ascend and hold finite values; p is clamped to [0,1]; 0 if empty.
func Quantile(sorted []float64, p float64) float64 {
	n := len(sorted)
	if n == 0 {
		return 0
	}
	h := min(max(p, 0), 1) * float64(n-1)
	i := int(h)
	if i >= n-1 {
		return sorted[n-1]
	}
	lo, hi := sorted[i], sorted[i+1]
	if lo == hi {
		return lo
	}
	f := h - float64(i)
	return lo*(1-f) + hi*f
}

// medianCI is the order-statistic interval of Summarize.
func medianCI(sorted []float64, confidence float64) Interval {
	n := len(sorted)
	if n == 0 {
		return Interval{}
	}
	// below is P(Binomial(n,½) < k), grown term by term in logs.
	below, logTerm := 0.0, -float64(n)*math.Ln2
	k, reached := 1, 0.0
	for i := 0; i < (n+1)/2; i++ {
		below += math.Exp(logTerm)
		logTerm += math.Log(float64(n-i)) - math.Log(float64(i+1))
		if i > 0 && 1-2*below < confidence {
			break
		}
		k, reached = i+1, 1-2*below
	}
	return Interval{Lo: sorted[k-1], Hi: sorted[n-k], Confidence: max(reached, 0)}
}

// medianNeeds is the least n with 1 - 2·2⁻ⁿ >= confidence.
func medianNeeds(confidence float64) int {
	return int(math.Ceil(1 - math.Log2(1-confidence) - 1e-9))
}

// lag1 is Σ(x_t-m)(x_{t+1}-m) / Σ(x_t-m)² (Box & Jenkins 2.1).
func lag1(x []float64) float64 {
	if len(x) < 3 {
		return 0
	}
	m, _ := meanSD(x)
	num, den := 0.0, 0.0
	for i, v := range x {
		den += (v - m) * (v - m)
		if i > 0 {
			num += (v - m) * (x[i-1] - m)
		}
	}
	// Equal values leave rounding noise, not zero, in den.
	if den <= 1e-28*m*m*float64(len(x)) {
		return 0
	}
	return num / den
}

// meanSD returns mean and standard deviation (two passes), 0 where undefined.
func meanSD(x []float64) (mean, sd float64) {
	if len(x) == 0 {
		return 0, 0
	}
	n := float64(len(x))
	for _, v := range x {
		mean += v / n
	}
	if len(x) < 2 {
		return mean, 0
	}
	ss, comp := 0.0, 0.0
	for _, v := range x {
		ss += (v - mean) * (v - mean)
		comp += v - mean
	}
	return mean, math.Sqrt(max(ss-comp*comp/n, 0) / (n - 1))
}

// Disturbed says which captures were hit throughout. cv[r][l] is the
// coefficient of variation (SD/mean over steps) of layer l in run r. A run is
// disturbed when its layers' CVs are together twice those of the other runs
// (median over layers of CV / median CV of that layer in the other runs >= 2,
// and at least three quarters of the layers raised by half), or when the median
// layer's CV is 15 % or more, the only test possible for a single run. One noisy
// layer does not disturb a run. Values that are not finite and positive are
// skipped.
func Disturbed(cv [][]float64) []bool {
	out := make([]bool, len(cv))
	for r := range cv {
		var ratios, own []float64
		raised := 0
		for l, v := range cv[r] {
			if !(v > 0 && usable(v)) {
				continue
			}
			own = append(own, v)
			var others []float64
			for o := range cv {
				if o != r && l < len(cv[o]) && cv[o][l] > 0 && usable(cv[o][l]) {
					others = append(others, cv[o][l])
				}
			}
			if len(others) == 0 {
				continue
			}
			ratio := v / median(others)
			ratios = append(ratios, ratio)
			if ratio >= 1.5 {
				raised++
			}
		}
		out[r] = median(own) >= 0.15 ||
			len(ratios) > 0 && median(ratios) >= 2 && 4*raised >= 3*len(ratios)
	}
	return out
}

// median sorts x in place; 0 if empty.
func median(x []float64) float64 {
	slices.Sort(x)
	return Quantile(x, 0.5)
}

// orDefault returns v if it lies in (0,1), else def.
func orDefault(v, def float64) float64 {
	if v > 0 && v < 1 {
		return v
	}
	return def
}
