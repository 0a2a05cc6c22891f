// SPDX-License-Identifier: Apache-2.0

package stats

import "math"

// A Noise is what repeated captures of one commit say of the run-to-run noise,
// as SDs of logarithms (0.02 is about 2 %). It is stored with the runs and given
// to Compare for comparisons on the same host and workload.
type Noise struct {
	Runs         int       // captures behind it
	DF           float64   // degrees of freedom of every SD, Runs-1
	Step, Common float64   // SD of the step total and of the common drift; 0 unknown
	Rows         []float64 // SD of each row less the common drift; 0 unknown
}

// Calibrate measures the A/A noise of rows[i][run] and of the step total (may be
// nil) over repeated captures of one commit. Every row's SD is the larger of its
// own and the value moderated by all rows, as in Compare. With fewer than two
// captures all is unknown.
func Calibrate(step []float64, rows [][]float64) Noise {
	n := Noise{Rows: make([]float64, len(rows))}
	logs := make([]logPair, len(rows))
	runs := len(step)
	for i, r := range rows {
		// One sample: both sides the same values gives the row's mean as center.
		l := logsOf1(r)
		logs[i] = logPair{base: l, new: l}
		runs = max(runs, len(r))
	}
	n.Runs = runs
	if runs < 2 {
		return n
	}
	n.DF = float64(runs - 1)
	drift, known := commonDrift(logs, nil)
	fits := make([]fit, len(rows))
	for i, l := range logs {
		fits[i] = oneSample(l.minus(drift).base)
	}
	pr := fitPrior(fits)
	for i := range fits {
		fits[i].moderate(pr, i, maxPriorShare)
		n.Rows[i] = math.Sqrt(fits[i].variance)
	}
	n.Step = math.Sqrt(oneSample(logsOf1(step)).variance)
	if known {
		n.Common = math.Sqrt(oneSample(drift.base).variance)
	}
	return n
}

// Floor is the 95th percentile of |change| between n1 and n2 runs of identical
// code for a row of the given SD, as a fraction: exp(1.96·sd·sqrt(1/n1+1/n2))-1.
// It is 0 for an unknown SD.
func (n *Noise) Floor(sd float64, n1, n2 int) float64 {
	if n == nil || !(sd > 0) || !usable(sd) || n1 < 1 || n2 < 1 {
		return 0
	}
	return fraction(normalQuantile(0.975) * sd * math.Sqrt(1/float64(n1)+1/float64(n2)))
}

func oneSample(x []float64) fit {
	mean, n := meanOf(x)
	if n < 2 {
		return fit{}
	}
	v := max(squares(x, mean)/float64(n-1), resolution*resolution)
	return fit{n1: n, n2: n, df: float64(n - 1), variance: v}
}

func (n *Noise) row(i int) (sd, df float64) {
	if n == nil || i >= len(n.Rows) {
		return 0, 0
	}
	return n.Rows[i], n.DF
}

func (n *Noise) step() (sd, df float64) {
	if n == nil {
		return 0, 0
	}
	return n.Step, n.DF
}

func (n *Noise) common() (sd, df float64) {
	if n == nil {
		return 0, 0
	}
	return n.Common, n.DF
}
