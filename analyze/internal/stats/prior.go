// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"slices"
)

// resolution is the least SD of a log value: a part in 10⁹, one picosecond in a
// millisecond. It keeps equal values from claiming infinite certainty.
const resolution = 1e-9

// infiniteDF stands for a prior so tight that its variance is known.
const infiniteDF = 1e4

// fit is what one row says by itself, then moderated, on the log scale.
type fit struct {
	n1, n2   int
	d        float64 // mean(new) - mean(base)
	variance float64 // of one run
	df       float64 // degrees of freedom behind variance
	floor    float64 // 95th percentile of calibrated noise of d, over sqrt(width)
	alone    bool    // noisier than the prior allows
}

// width is 1/n1 + 1/n2: the variance of d in units of a run's.
func (f fit) width() float64 {
	if f.n1 == 0 || f.n2 == 0 {
		return 0
	}
	return 1/float64(f.n1) + 1/float64(f.n2)
}

func fitRow(l logPair) fit {
	mb, nb := meanOf(l.base)
	mn, nn := meanOf(l.new)
	f := fit{n1: nb, n2: nn}
	if nb == 0 || nn == 0 {
		return f
	}
	f.d = mn - mb
	ssb, ssn := squares(l.base, mb), squares(l.new, mn)
	f.df = float64(nb + nn - 2)
	if f.df == 0 {
		return f
	}
	f.variance = (ssb + ssn) / f.df
	if nb > 1 && nn > 1 {
		// Sides of unequal length and variance: the pooled error may be too
		// small, Welch's is not. Equal lengths give the same.
		welch := ssb/float64(nb*(nb-1)) + ssn/float64(nn*(nn-1))
		f.variance = max(f.variance, welch/f.width())
	}
	f.variance = max(f.variance, resolution*resolution)
	return f
}

func squares(x []float64, mean float64) float64 {
	ss := 0.0
	for _, v := range x {
		if !math.IsNaN(v) {
			ss += (v - mean) * (v - mean)
		}
	}
	return ss
}

// addNoise pools a calibrated SD on df degrees of freedom with the row's own
// variance. The own one stays the least: today may be noisier than calibration.
func (f *fit) addNoise(sd, df float64) {
	if !(sd > 0 && df > 0 && usable(sd) && usable(df)) || f.width() == 0 {
		return
	}
	v := max(sd, resolution)
	pooled := (f.df*f.variance + df*v*v) / (f.df + df)
	f.variance = max(f.variance, pooled)
	f.df += df
	f.floor = normalQuantile(0.975) * v
}

// prior is the scaled inverse chi-square that the rows' variances come from.
type prior struct {
	variance, df float64 // df 0: no prior
	alone        []bool  // rows too noisy to belong to it
}

// fitPrior estimates it by the moments of log s² (Smyth 2004, section 6.2),
// leaving out rows whose variance it would call impossible (the idea of
// Phipson et al. 2016), and repeats until the set is stable. The first set is
// held against the median variance, with as many degrees as a row has: the
// moments of six rows bend to one outlier and would excuse it.
func fitPrior(fits []fit) prior {
	pr := prior{alone: make([]bool, len(fits))}
	var vars []float64
	sumDF := 0.0
	for _, f := range fits {
		if f.df > 0 {
			vars = append(vars, f.variance)
			sumDF += f.df
		}
	}
	if len(vars) < 3 {
		return pr
	}
	rows := float64(len(vars))
	variance, df := median(vars), sumDF/rows
	for range 10 {
		changed := false
		for i, f := range fits {
			out := f.df > 0 && fTail(f.variance/variance, f.df, df) < 0.1/rows
			changed = changed || out != pr.alone[i]
			pr.alone[i] = out
		}
		if pr.df > 0 && !changed {
			break
		}
		variance, df = moments(fits, pr.alone)
		if df == 0 {
			break
		}
		pr.variance, pr.df = variance, df
	}
	return pr
}

// moments matches mean and variance of z = log s² - digamma(f/2) + log(f/2),
// whose expectation is log s0² - digamma(f0/2) + log(f0/2) and whose variance
// is trigamma(f/2) + trigamma(f0/2). At least three rows, else df is 0.
func moments(fits []fit, leave []bool) (variance, df float64) {
	var z, vars []float64
	for i, f := range fits {
		if f.df > 0 && !leave[i] {
			vars = append(vars, f.variance)
		}
	}
	if len(vars) < 3 {
		return 0, 0
	}
	// A zero by chance would drag the mean of logs to nowhere.
	least := 1e-4 * median(slices.Clone(vars))
	excess := 0.0
	for i, f := range fits {
		if f.df > 0 && !leave[i] {
			z = append(z, math.Log(max(f.variance, least))-digamma(f.df/2)+math.Log(f.df/2))
			excess -= trigamma(f.df / 2)
		}
	}
	mean, sd := meanSD(z)
	excess = excess/float64(len(z)) + sd*sd
	if excess <= trigamma(infiniteDF/2) {
		return math.Exp(mean), infiniteDF
	}
	df = 2 * trigammaInverse(excess)
	return math.Exp(mean + digamma(df/2) - math.Log(df/2)), df
}

// maxPriorShare bounds the prior's degrees of freedom by the row's own: with a
// few runs a noisy layer often looks as quiet as its neighbours, and however many
// they are, they don't know it.
const maxPriorShare = 2

// moderate replaces the row's variance by the larger of its own and the
// posterior mean, and adds the prior's degrees of freedom, at most share times
// its own.
func (f *fit) moderate(pr prior, row int, share float64) {
	if pr.df == 0 || f.df == 0 {
		return
	}
	if pr.alone[row] {
		f.alone = true
		return
	}
	posterior := (pr.df*pr.variance + f.df*f.variance) / (pr.df + f.df)
	f.variance = max(f.variance, posterior)
	f.df += min(pr.df, share*f.df)
}

// spread is what the rows' differences say of the noise when a side has one run
// only: the SD of a difference, robustly, and its degrees of freedom.
type spread struct {
	sd, df float64
}

// The degrees of freedom of a spread: a fifth of the rows' within bounds. The
// median's efficiency would allow 0.37 of them, if rows didn't differ in noise;
// with fewer than two no factor of two in six layers would ever be seen.
const minSpreadDF, maxSpreadDF = 2, 4

// diffSpread takes 1.4826 × the median |d|: half of the rows may have changed
// at most.
func diffSpread(fits []fit) spread {
	var d []float64
	for _, f := range fits {
		if f.width() > 0 {
			d = append(d, math.Abs(f.d))
		}
	}
	if len(d) < 3 {
		return spread{}
	}
	df := min(max(float64(len(d)-1)/5, minSpreadDF), maxSpreadDF)
	return spread{sd: madScale * median(d), df: df}
}

// useSpread widens a row that has a single run on a side.
func (f *fit) useSpread(s spread) {
	if min(f.n1, f.n2) != 1 || s.df == 0 {
		return
	}
	f.variance = max(f.variance, s.sd*s.sd/f.width(), resolution*resolution)
	f.df = max(f.df, s.df)
}
