// SPDX-License-Identifier: Apache-2.0

package stats

import "math"

// An Interval is a two-sided interval with the confidence it really has, which
// for order-statistic intervals differs from the one asked for. Confidence 0
// means that there is no interval.
type Interval struct {
	Lo, Hi, Confidence float64
}

// normalTail is P(Z > z) of the standard normal.
func normalTail(z float64) float64 { return math.Erfc(z/math.Sqrt2) / 2 }

// normalQuantile is the z with P(Z <= z) = p, for 0 < p < 1.
func normalQuantile(p float64) float64 { return -math.Sqrt2 * math.Erfcinv(2*p) }

// maxDF is the number of degrees of freedom from which t is taken as normal:
// the two differ by less than 1e-7 there, and the incomplete beta loses digits.
const maxDF = 1e7

// tTail is P(T > t) of Student's t with df degrees of freedom.
func tTail(t, df float64) float64 {
	switch {
	case df >= maxDF:
		return normalTail(t)
	case t == 0:
		return 0.5
	case math.IsInf(t, 1):
		return 0
	case t < 0:
		return 1 - tTail(-t, df)
	}
	// Abramowitz & Stegun 26.7.1: the two tails are I_x(df/2, 1/2) with
	// x = df/(df+t²). Far out x underflows gracefully to 0.
	return betaInc(df/(df+t*t), df/2, 0.5) / 2
}

// tQuantile is the t > 0 with P(T > t) = tail, for 0 < tail <= 1/2.
func tQuantile(tail, df float64) float64 {
	switch {
	case tail >= 0.5:
		return 0
	case df >= maxDF:
		return normalQuantile(1 - tail)
	}
	// Start from Abramowitz & Stegun 26.7.5, then Newton's method on the
	// logarithms of t and tail, nearly a line for few degrees of freedom.
	z := normalQuantile(1 - tail)
	x := z + (z*z*z+z)/(4*df) + (5*math.Pow(z, 5)+16*z*z*z+3*z)/(96*df*df)
	lgA, _ := math.Lgamma((df + 1) / 2)
	lgB, _ := math.Lgamma(df / 2)
	norm := math.Exp(lgA-lgB) / math.Sqrt(df*math.Pi)
	for range 200 {
		f := tTail(x, df)
		density := norm * math.Pow(1+x*x/df, -(df+1)/2)
		if f <= 0 || density <= 0 {
			break
		}
		step := f / (x * density) * math.Log(f/tail)
		// Halving or doubling at most keeps the first steps in range.
		x *= math.Exp(min(max(step, -0.7), 0.7))
		if math.Abs(step) < 1e-9 { // quadratic: the next would be 1e-18
			break
		}
	}
	return x
}

// tTable remembers quantiles: the rows of a comparison share their few degrees of
// freedom, and a quantile costs ten incomplete betas.
type tTable map[[2]float64]float64

func (t tTable) quantile(tail, df float64) float64 {
	key := [2]float64{tail, df}
	q, ok := t[key]
	if !ok {
		q = tQuantile(tail, df)
		t[key] = q
	}
	return q
}

// fTail is P(F > x) of the F distribution with d1 and d2 degrees of freedom.
func fTail(x, d1, d2 float64) float64 {
	if x <= 0 {
		return 1
	}
	return betaInc(d2/(d2+d1*x), d2/2, d1/2)
}

// betaInc is the regularized incomplete beta function I_x(a, b), by the
// continued fraction DLMF 8.17.22 evaluated with Lentz's method.
func betaInc(x, a, b float64) float64 {
	switch {
	case x <= 0:
		return 0
	case x >= 1:
		return 1
	case x > (a+1)/(a+b+2):
		return 1 - betaInc(1-x, b, a)
	}
	lab, _ := math.Lgamma(a + b)
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	front := math.Exp(lab-la-lb+a*math.Log(x)+b*math.Log1p(-x)) / a
	const tiny = 1e-300
	guard := func(v float64) float64 {
		if math.Abs(v) < tiny {
			return tiny
		}
		return v
	}
	c, d := 1.0, 1/guard(1-(a+b)*x/(a+1))
	h := d
	// The fraction needs O(sqrt(max(a,b))) terms; maxDF keeps that < 5000.
	for m := 1.0; m < 10000; m++ {
		even := m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		d = 1 / guard(1+even*d)
		c = guard(1 + even/c)
		h *= d * c
		odd := -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		d = 1 / guard(1+odd*d)
		c = guard(1 + odd/c)
		h *= d * c
		if math.Abs(d*c-1) < 1e-15 {
			break
		}
	}
	return min(front*h, 1)
}

// digamma is the derivative of log Γ, for x > 0 (DLMF 5.5.2, 5.11.2).
func digamma(x float64) float64 {
	s := 0.0
	for ; x < 10; x++ {
		s -= 1 / x
	}
	y := 1 / (x * x)
	return s + math.Log(x) - 1/(2*x) -
		y*(1.0/12-y*(1.0/120-y*(1.0/252-y*(1.0/240-y*(1.0/132)))))
}

// trigamma is the second derivative of log Γ, for x > 0.
func trigamma(x float64) float64 {
	s := 0.0
	for ; x < 10; x++ {
		s += 1 / (x * x)
	}
	y := 1 / (x * x)
	return s + 1/x + y/2 + y/x*(1.0/6-y*(1.0/30-y*(1.0/42-y*(1.0/30-y*(5.0/66)))))
}

// trigammaInverse solves trigamma(x) = y for y > 0 by Newton's method on
// 1/trigamma, which is nearly linear (Smyth 2004, appendix).
func trigammaInverse(y float64) float64 {
	if y > 1e7 {
		return 1 / math.Sqrt(y)
	}
	if y < 1e-6 {
		return 1/y + 0.5 // trigamma(x) = 1/x + 1/2x² + O(x⁻³)
	}
	x := 0.5 + 1/y
	for range 50 {
		tri := trigamma(x)
		// Derivative of trigamma by a symmetric difference: only the speed of
		// convergence depends on it.
		h := 1e-4 * x
		slope := (trigamma(x+h) - trigamma(x-h)) / (2 * h)
		step := tri * (1 - tri/y) / slope
		x += step
		if -step/x < 1e-10 {
			break
		}
	}
	return x
}

// usable holds for finite values whose square is finite, too.
func usable(v float64) bool { return math.Abs(v) <= 1e150 }

// finite returns the usable values of x in a new slice.
func finite(x []float64) []float64 {
	out := make([]float64, 0, len(x))
	for _, v := range x {
		if usable(v) {
			out = append(out, v)
		}
	}
	return out
}
