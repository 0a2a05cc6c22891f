// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// oracleCases is what internal/oracle/stats compares with SciPy.
type oracleCases struct {
	Distributions []oracleDistribution
	Summaries     []oracleSummary
	Ranks         []oracleRank
	Strata        []oracleStrata
	Adjusted      []oracleAdjusted
	Comparisons   []oracleComparison
}

type oracleDistribution struct {
	X, DF, DF2, Tail, TTail, TQuantile, FTail float64
	Digamma, Trigamma, TrigammaInverse        float64
	K, N                                      int
	CPLo, CPHi                                float64
}

type oracleSummary struct {
	X       []float64
	Summary Summary
}

type oracleRank struct {
	Base, New               []float64
	Rank                    Rank
	T, DF, WelchP, PermuteP float64
}

type oracleStrata struct {
	Strata []Pair
	Z, P   float64
}

type oracleAdjusted struct{ P, Q []float64 }

type oracleComparison struct {
	Step       Pair
	Rows       []Pair
	Comparison Comparison
}

// TestOracleDump writes random inputs and our results for the comparison with
// SciPy, internal/oracle/stats/run.sh.
func TestOracleDump(t *testing.T) {
	path := os.Getenv("LAYERSCOPE_STATS_ORACLE")
	if path == "" {
		t.Skip("writes cases for internal/oracle/stats/run.sh, which sets LAYERSCOPE_STATS_ORACLE")
	}
	seed, _ := strconv.ParseUint(os.Getenv("LAYERSCOPE_STATS_SEED"), 10, 64)
	rng := rand.New(rand.NewPCG(seed, 0x6f7261636c65))
	var c oracleCases
	for range 300 {
		c.Distributions = append(c.Distributions, dumpDistribution(rng))
		c.Summaries = append(c.Summaries, dumpSummary(rng))
		c.Ranks = append(c.Ranks, dumpRank(rng))
		c.Strata = append(c.Strata, dumpStrata(rng))
		c.Adjusted = append(c.Adjusted, dumpAdjusted(rng))
	}
	for i := range 60 {
		c.Comparisons = append(c.Comparisons, dumpComparison(rng, uint64(i)))
	}
	out, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, out, 0o644); err != nil {
		t.Fatal(err)
	}
}

func logUniform(rng *rand.Rand, lo, hi float64) float64 {
	return lo * math.Pow(hi/lo, rng.Float64())
}

func dumpDistribution(rng *rand.Rand) oracleDistribution {
	d := oracleDistribution{
		X: logUniform(rng, 1e-3, 50), DF: logUniform(rng, 0.5, 1e4), DF2: logUniform(rng, 0.5, 1e4),
		Tail: logUniform(rng, 1e-7, 0.49), N: 1 + rng.IntN(2000),
	}
	d.TTail, d.TQuantile, d.FTail = tTail(d.X, d.DF), tQuantile(d.Tail, d.DF), fTail(d.X, d.DF, d.DF2)
	d.Digamma, d.Trigamma, d.TrigammaInverse = digamma(d.DF), trigamma(d.DF), trigammaInverse(d.Tail)
	d.K = rng.IntN(d.N + 1)
	d.CPLo, d.CPHi = clopperPearson(d.K, d.N)
	return d
}

// dumpSample draws around 100 with ties in one of three samples.
func dumpSample(rng *rand.Rand, n int, ties bool) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = 100 * math.Exp(0.05*rng.NormFloat64())
		if ties {
			x[i] = math.Round(x[i] / 3)
		}
	}
	return x
}

func dumpSummary(rng *rand.Rand) oracleSummary {
	x := dumpSample(rng, 4+rng.IntN(60), rng.IntN(3) == 0)
	return oracleSummary{X: x, Summary: Summarize(x, 0.95)}
}

func dumpRank(rng *rand.Rand) oracleRank {
	ties := rng.IntN(3) == 0
	size := func() int {
		if rng.IntN(2) == 0 {
			return 2 + rng.IntN(5)
		}
		return 2 + rng.IntN(40)
	}
	r := oracleRank{Base: dumpSample(rng, size(), ties), New: dumpSample(rng, size(), ties)}
	r.Rank = RankTest(r.Base, r.New, 0.95)
	r.T, r.DF, r.WelchP = Welch(r.Base, r.New)
	r.PermuteP, _ = Permute(r.Base, r.New, 1)
	return r
}

func dumpStrata(rng *rand.Rand) oracleStrata {
	var s oracleStrata
	for range 1 + rng.IntN(5) {
		ties := rng.IntN(2) == 0
		s.Strata = append(s.Strata, Pair{dumpSample(rng, 2+rng.IntN(20), ties), dumpSample(rng, 2+rng.IntN(20), ties)})
	}
	s.Z, s.P = VanElteren(s.Strata)
	return s
}

func dumpAdjusted(rng *rand.Rand) oracleAdjusted {
	p := make([]float64, 1+rng.IntN(30))
	for i := range p {
		p[i] = math.Pow(rng.Float64(), 3)
	}
	return oracleAdjusted{P: p, Q: BH(p)}
}

// dumpComparison varies size, noise and balance of the sides.
func dumpComparison(rng *rand.Rand, seed uint64) oracleComparison {
	m := []noiseModel{modelN1, modelN2}[rng.IntN(2)]
	m.layers = 5 + rng.IntN(60)
	runs := 2 + rng.IntN(5)
	c := newSession(m, seed).captures(runs, map[int]float64{planted: 1 + 0.2*rng.Float64()})
	if keep := 2 + rng.IntN(runs-1); rng.IntN(2) == 0 {
		c.step.Base = c.step.Base[:keep]
		for i := range c.rows {
			c.rows[i].Base = c.rows[i].Base[:keep]
		}
	}
	return oracleComparison{Step: c.step, Rows: c.rows, Comparison: Compare(&c.step, c.rows, Options{})}
}
