// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"errors"
	"fmt"

	"github.com/layerscope/layerscope/analyze/internal/stats"
)

// A Noise is what repeated captures of one commit say of the noise between runs,
// as standard deviations of logarithms: 0.02 is about 2 %.
type Noise struct {
	Runs         int
	Step, Common float64 // of the step total, and of what all layers share; 0 = unknown
	Rows         []NoiseRow
	Inputs       []Input
}

// A NoiseRow is the noise of one layer or named part, without the drift that all
// share.
type NoiseRow struct {
	Key   string
	Index int
	SD    float64
	// Floor is the 95th percentile of |change| between two sides of as many runs
	// of identical code, a fraction: smaller changes can't be told from noise.
	Floor float64
	Value Duration // median step time, geometric mean over runs
}

// Calibrate measures the noise of repeated captures of one commit. It takes two
// at least.
func Calibrate(side Side) (*Noise, error) {
	if len(side.Runs) < 2 {
		return nil, errors.New("noise is measured between runs: at least two captures are needed, three are better")
	}
	v, err := newView(&side, "run")
	if err != nil {
		return nil, err
	}
	if len(v.twice) > 0 {
		return nil, fmt.Errorf("%s was given twice: that is one run", v.twice[0])
	}
	d := &differ{c: &Comparison{}, base: v, new: v}
	d.chooseStrata()
	rows := make([][]float64, len(v.parts))
	for i, p := range v.parts {
		rows[i] = d.partValues(v, p)
	}
	step := d.stepValues(v, stepOpTime)
	n := stats.Calibrate(step, rows)
	out := &Noise{Runs: n.Runs, Step: n.Step, Common: n.Common, Rows: make([]NoiseRow, len(rows)), Inputs: []Input{}}
	self := stats.Compare(nil, pairsOf(rows), stats.Options{})
	for i, p := range v.parts {
		out.Rows[i] = NoiseRow{Key: p.key, Index: p.index, SD: n.Rows[i], Floor: n.Floor(n.Rows[i], n.Runs, n.Runs), Value: Duration(self.Rows[i].Base)}
	}
	for _, a := range side.Runs {
		out.Inputs = append(out.Inputs, a.Inputs...)
	}
	return out, nil
}

func pairsOf(rows [][]float64) []stats.Pair {
	out := make([]stats.Pair, len(rows))
	for i, r := range rows {
		out[i] = stats.Pair{Base: r, New: r}
	}
	return out
}

// forRows picks the noise of the rows compared, by key. Noise measured on the
// very captures that are compared is no further evidence of their variance: it
// is then the least margin only, with next to no degrees of freedom.
func (n *Noise) forRows(pairs []*partPair, sides ...*Side) *stats.Noise {
	if n == nil || n.Runs < 2 {
		return nil
	}
	at := make(map[string]float64, len(n.Rows))
	for _, r := range n.Rows {
		at[r.Key] = r.SD
	}
	out := &stats.Noise{Runs: n.Runs, DF: float64(n.Runs - 1), Step: n.Step, Common: n.Common, Rows: make([]float64, len(pairs))}
	if n.overlaps(sides) {
		out.DF = 1e-9
	}
	for i, p := range pairs {
		if out.Rows[i] = at[p.new.key]; out.Rows[i] == 0 {
			out.Rows[i] = at[p.base.key]
		}
	}
	return out
}

func (n *Noise) overlaps(sides []*Side) bool {
	known := make(map[string]bool)
	for _, in := range n.Inputs {
		known[in.SHA256], known[in.Path] = in.SHA256 != "", in.Path != ""
	}
	for _, s := range sides {
		for _, a := range s.Runs {
			for _, in := range a.Inputs {
				if known[in.SHA256] || known[in.Path] {
					return true
				}
			}
		}
	}
	return false
}
