// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance*max(1, math.Abs(want))) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

// Checked to 30 digits with another program. The two-sided 5 % and 1 % points of printed t tables, and closed forms: for one
// degree of freedom t is tan(π(½-p)), for two (1-2p)·sqrt(2/(4p(1-p))).
func TestTQuantile(t *testing.T) {
	for _, c := range []struct{ df, tail, want float64 }{
		{1, 0.025, math.Tan(math.Pi * 0.475)},
		{1, 1e-6, 1 / math.Tan(math.Pi*1e-6)},
		{2, 0.025, 0.95 * math.Sqrt(2/(4*0.025*0.975))},
		{3, 0.025, 3.182446305284263},
		{4, 0.025, 2.7764451051977987},
		{4, 0.005, 4.604094871349993},
		{10, 0.025, 2.2281388519862744},
		{30, 0.005, 2.7499956535672},
		{math.Inf(1), 0.025, 1.959963984540054},
		{5, 0.5, 0},
	} {
		near(t, "tQuantile", tQuantile(c.tail, c.df), c.want, 1e-12)
	}
}

func TestTQuantileInvertsTail(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		df := math.Exp(rapid.Float64Range(math.Log(0.3), math.Log(1e6)).Draw(t, "log df"))
		tail := math.Exp(rapid.Float64Range(math.Log(1e-8), math.Log(0.49)).Draw(t, "log tail"))
		if got := tTail(tQuantile(tail, df), df); math.Abs(got-tail) > 1e-9*tail {
			t.Fatalf("tTail(tQuantile(%g, %g)) = %g", tail, df, got)
		}
	})
}

func TestBetaInc(t *testing.T) {
	near(t, "I_x(1,1)", betaInc(0.3, 1, 1), 0.3, 1e-15)
	near(t, "I_x(2,1)", betaInc(0.3, 2, 1), 0.09, 1e-15)
	near(t, "I_x(1,3)", betaInc(0.3, 1, 3), 1-0.343, 1e-15)
	near(t, "I_½(a,a)", betaInc(0.5, 37, 37), 0.5, 1e-13)
	// P(Binomial(10,0.3) >= 4)
	near(t, "I_0.3(4,7)", betaInc(0.3, 4, 7), 0.3503892816, 1e-10)
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.Float64Range(0.001, 0.999).Draw(t, "x")
		a := rapid.Float64Range(0.1, 1e5).Draw(t, "a")
		b := rapid.Float64Range(0.1, 100).Draw(t, "b")
		if s := betaInc(x, a, b) + betaInc(1-x, b, a); math.Abs(s-1) > 1e-9 {
			t.Fatalf("I_x(a,b)+I_1-x(b,a) = %v", s)
		}
	})
}

func TestGammaDerivatives(t *testing.T) {
	const euler = 0.5772156649015329
	near(t, "digamma(1)", digamma(1), -euler, 1e-13)
	near(t, "digamma(1/2)", digamma(0.5), -euler-2*math.Ln2, 1e-13)
	near(t, "trigamma(1)", trigamma(1), math.Pi*math.Pi/6, 1e-13)
	near(t, "trigamma(1/2)", trigamma(0.5), math.Pi*math.Pi/2, 1e-13)
	for _, x := range []float64{1e-5, 0.02, 0.5, 1, 3, 40, 1e5, 1e8} {
		near(t, "trigammaInverse", trigammaInverse(trigamma(x))/x, 1, 1e-5)
	}
}

// The F tail with one numerator degree is the two-sided t tail.
func TestFTail(t *testing.T) {
	near(t, "fTail", fTail(2.5*2.5, 1, 7), 2*tTail(2.5, 7), 1e-13)
	near(t, "fTail(0)", fTail(0, 3, 3), 1, 0)
}
