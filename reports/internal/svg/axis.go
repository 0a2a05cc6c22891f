// SPDX-License-Identifier: Apache-2.0

package svg

import (
	"math"
	"strconv"

	"github.com/layerscope/layerscope/reports/internal/quantity"
)

// An axis maps values to pixels and knows where its ticks are.
type axis struct {
	lo, hi   float64 // values at the ends
	from, to float64 // pixels at the ends
	ticks    []float64
	scale    quantity.Scale
	step     float64 // between ticks, in printed units
}

const maxTicks = 50

// newAxis covers [lo, hi] by a round number of about n steps of 1, 2 or 5 in
// the printed unit.
func newAxis(unit quantity.Unit, lo, hi, from, to float64, n int) axis {
	if most := max(math.Abs(lo), math.Abs(hi)); !(hi-lo > 1e-9*most) {
		pad := max(1, most/10) // a range too small for its ticks to differ
		lo, hi = lo-pad*btof(lo != 0), hi+pad
	}
	scale := unit.Scale(quantity.Real(max(math.Abs(lo), math.Abs(hi))))
	a := axis{from: from, to: to, scale: scale}
	f := scale.Factor()
	a.step = niceStep((hi - lo) / f / float64(max(n, 1)))
	first := math.Floor(lo/f/a.step + 1e-9)
	last := math.Ceil(hi/f/a.step - 1e-9)
	for k := range int(min(last-first, maxTicks)) + 1 {
		a.ticks = append(a.ticks, (first+float64(k))*a.step*f)
	}
	a.lo, a.hi = first*a.step*f, last*a.step*f
	return a
}

func btof(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// niceStep rounds up to 1, 2 or 5 times a power of ten.
func niceStep(raw float64) float64 {
	pow := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 5} {
		if raw <= m*pow*(1+1e-9) {
			return m * pow
		}
	}
	return 10 * pow
}

// at returns the pixel of v, kept within the axis.
func (a axis) at(v float64) float64 {
	t := (finite(v) - a.lo) / (a.hi - a.lo)
	return a.from + min(max(t, 0), 1)*(a.to-a.from)
}

// label returns a tick's number in the printed unit, with as many decimals as
// the step has.
func (a axis) label(tick float64) string {
	decimals := max(0, -int(math.Floor(math.Log10(a.step)+1e-9)))
	v := tick/a.scale.Factor() + 0
	if math.Abs(v) < a.step/2 {
		v = 0
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}

// bottom draws a horizontal axis below the plot between top and y: grid lines,
// numbers, and under them what they count.
func (a axis) bottom(c *canvas, top, y float64, name string) {
	for _, t := range a.ticks {
		x := a.at(t)
		class := "ls-grid"
		if t == 0 {
			class = "ls-axis"
		}
		c.line(x, top, x, y, class)
		c.text(x, y+14, "middle", "ls-dim", a.label(t))
	}
	c.text(a.from, y+30, "start", "ls-dim", elide(a.name(name), a.to-a.from, smallChar))
}

// name joins what an axis shows and its unit.
func (a axis) name(what string) string {
	switch symbol := a.scale.Symbol(); {
	case symbol == "":
		return what
	case what == "":
		return symbol
	default:
		return what + ", " + symbol
	}
}
