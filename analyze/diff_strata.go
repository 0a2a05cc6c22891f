// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"fmt"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/analyze/internal/stats"
)

// A stratum is the steps that did one kind of work: steps are compared inside
// it only. Its weight is its share of the steps of both sides.
type stratum struct {
	base, new string // signatures
	weight    float64
}

// signatures counts the steps that count by signature, over the runs of a side.
func (v *view) signatures() (names []string, count map[string]int, everywhere map[string]bool) {
	count, everywhere = make(map[string]int), make(map[string]bool)
	runs := make(map[string]int)
	for _, a := range v.side.Runs {
		seen := make(map[string]bool)
		for i := range a.Steps {
			if s := &a.Steps[i]; !s.Excluded {
				if count[s.Signature] == 0 {
					names = append(names, s.Signature)
				}
				count[s.Signature]++
				if !seen[s.Signature] {
					seen[s.Signature] = true
					runs[s.Signature]++
				}
			}
		}
	}
	for name, n := range runs {
		everywhere[name] = n == len(v.side.Runs)
	}
	return names, count, everywhere
}

// chooseStrata matches the kinds of steps of both sides: one with one, whatever
// they are called; of several, those of the same signature, then those left
// over in the order of their op time when as many are left on both sides. Steps
// of no stratum are compared with nothing, and that is said.
func (d *differ) chooseStrata() {
	bn, bc, be := d.base.signatures()
	nn, nc, ne := d.new.signatures()
	if len(bn) == 0 || len(nn) == 0 {
		return
	}
	if len(bn) == 1 && len(nn) == 1 {
		d.strata = []stratum{{bn[0], nn[0], 1}}
		return
	}
	add := func(b, n string) {
		if be[b] && ne[n] {
			share := float64(bc[b])/float64(sumOf(bc)) + float64(nc[n])/float64(sumOf(nc))
			d.strata = append(d.strata, stratum{b, n, share})
		}
	}
	var left, right []string
	for _, b := range bn {
		if slices.Contains(nn, b) {
			add(b, b)
		} else {
			left = append(left, b)
		}
	}
	for _, n := range nn {
		if !slices.Contains(bn, n) {
			right = append(right, n)
		}
	}
	if len(left) == len(right) {
		d.base.byTime(left)
		d.new.byTime(right)
		for i := range left {
			add(left[i], right[i])
		}
	}
	d.reportStrata(bc, nc)
}

// reportStrata normalises the weights and says what was left out.
func (d *differ) reportStrata(bc, nc map[string]int) {
	total, usedB, usedN := 0.0, 0, 0
	var names []string
	for _, s := range d.strata {
		total += s.weight
		usedB, usedN = usedB+bc[s.base], usedN+nc[s.new]
		names = append(names, shorten(s.new, 60))
	}
	for i := range d.strata {
		d.strata[i].weight /= total
	}
	if lostB, lostN := sumOf(bc)-usedB, sumOf(nc)-usedN; lostB+lostN > 0 {
		d.find("steps-without-counterpart", "warning", "capture both sides under the same load",
			fmt.Sprintf("%d base and %d new steps ran programs or shapes that the other side, or one of its captures, did not; they are in the totals, not in the medians", lostB, lostN))
	}
	if len(d.strata) > 1 {
		d.find("strata", "info", "", fmt.Sprintf("steps of %d kinds, compared kind by kind: %s", len(d.strata), strings.Join(names, "; ")))
	}
	mix := false
	for _, s := range d.strata {
		b, n := float64(bc[s.base])/float64(max(usedB, 1)), float64(nc[s.new])/float64(max(usedN, 1))
		mix = mix || max(b, n) > 1.1*min(b, n)
	}
	if mix {
		d.find("mix", "warning", "", "the sides ran the kinds of steps in different proportions: means per step differ for that alone, medians do not")
	}
}

// byTime sorts signatures by the median op time of their steps.
func (v *view) byTime(names []string) {
	at := make(map[string]float64)
	for _, n := range names {
		var x []float64
		for _, a := range v.side.Runs {
			for i := range a.Steps {
				if s := &a.Steps[i]; !s.Excluded && s.Signature == n {
					x = append(x, float64(s.OpTime))
				}
			}
		}
		at[n] = medianOf(x)
	}
	slices.SortStableFunc(names, func(a, b string) int {
		switch {
		case at[a] < at[b]:
			return -1
		case at[a] > at[b]:
			return 1
		}
		return strings.Compare(a, b)
	})
}

func sumOf(m map[string]int) (n int) {
	for _, v := range m {
		n += v
	}
	return n
}

func shorten(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// typical is the run's typical step: the median inside each stratum, weighted.
// value returns a step's value. whole stands in where the run has no steps that
// count. 0 means unknown.
func (d *differ) typical(v *view, run int, whole float64, value func(step int) float64) float64 {
	return d.quantile(v, run, whole, 0.5, value)
}

func (d *differ) quantile(v *view, run int, whole, p float64, value func(step int) float64) float64 {
	if len(d.strata) == 0 {
		return whole
	}
	sum := 0.0
	for _, s := range d.strata {
		name := s.new
		if v == d.base {
			name = s.base
		}
		x := d.samples(v, run, name, value)
		slices.Sort(x)
		sum += s.weight * stats.Quantile(x, p)
	}
	return sum
}

// samples returns a run's values over the steps of one signature.
func (d *differ) samples(v *view, run int, signature string, value func(step int) float64) []float64 {
	var x []float64
	steps := v.side.Runs[run].Steps
	if len(steps) > 0 {
		x = make([]float64, 0, len(steps))
	}
	for i := range steps {
		if !steps[i].Excluded && steps[i].Signature == signature {
			x = append(x, value(i))
		}
	}
	return x
}
