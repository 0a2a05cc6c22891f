// SPDX-License-Identifier: Apache-2.0

package svg

import (
	"fmt"
	"math"

	"github.com/layerscope/layerscope/reports/internal/quantity"
)

// Intervals is horizontal bars from zero with a whisker over each end: how
// large and how sure. Values may be negative, as changes are.
type Intervals struct {
	Frame
	Unit quantity.Unit
	Axis string // what the numbers are: "change of self time"
	Rows []IntervalRow
}

// An IntervalRow is one bar in the base unit; Lo and Hi are the ends of its
// interval, both equal to Value when there is none.
type IntervalRow struct {
	Label         string
	Value, Lo, Hi float64
	Tone          Tone
}

// A Tone is the meaning of a bar's colour; the chart's text says the same.
type Tone uint8

// The tones: a plain measurement, a change for the better, one for the worse,
// and what can't be told from noise.
const (
	Plain Tone = iota
	Better
	Worse
	Noise
)

var toneClasses = [...]string{Plain: "ls-plain", Better: "ls-better", Worse: "ls-worse", Noise: "ls-noise"}

// SVG draws the chart.
func (s Intervals) SVG() string {
	c := &canvas{frame: s.Frame}
	top := c.heading()
	if len(s.Rows) == 0 {
		return c.nothing(top)
	}
	labels := make([]string, len(s.Rows))
	values := make([]quantity.Value, len(s.Rows))
	lo, hi := 0.0, 0.0
	for i, r := range s.Rows {
		labels[i], values[i] = r.Label, quantity.Real(r.Value)
		lo = min(lo, finite(r.Value), finite(r.Lo))
		hi = max(hi, finite(r.Value), finite(r.Hi))
	}
	left, right := labelWidth(labels), s.width()-margin-110 // room for the numbers
	a := newAxis(s.Unit, lo, hi, left, right, 5)
	bottom := top + float64(len(s.Rows))*(rowHeight+rowGap) + rowGap
	a.bottom(c, top, bottom, s.Axis)
	y := top + rowGap
	scale := s.Unit.Scale(values...)
	for _, r := range s.Rows {
		c.text(left-8, y+13, "end", "", elide(r.Label, left-8-margin, charWidth))
		s.bar(c, a, r, y, scale)
		c.text(right+8, y+13, "start", "ls-small", s.number(r, scale))
		y += rowHeight + rowGap
	}
	return c.done(bottom + axisHeight)
}

func (s Intervals) bar(c *canvas, a axis, r IntervalRow, y float64, scale quantity.Scale) {
	zero, end := a.at(0), a.at(r.Value)
	tip := fmt.Sprintf("%s: %s", r.Label, s.number(r, scale))
	if r.hasInterval() {
		tip += fmt.Sprintf(" (%s to %s)", scale.FormatUnit(quantity.Real(r.Lo)), scale.FormatUnit(quantity.Real(r.Hi)))
	}
	c.rect(min(zero, end), y+3, max(math.Abs(end-zero), 0.5), rowHeight-6, toneClasses[r.Tone], tip)
	if !r.hasInterval() {
		return
	}
	x1, x2, mid := a.at(r.Lo), a.at(r.Hi), y+rowHeight/2
	c.line(x1, mid, x2, mid, "ls-whisker")
	c.line(x1, mid-4, x1, mid+4, "ls-whisker")
	c.line(x2, mid-4, x2, mid+4, "ls-whisker")
}

func (r IntervalRow) hasInterval() bool { return r.Lo < r.Hi }

// number writes the value beside the bar: with its relative half width, or for
// changes, whose interval is drawn in the same unit, alone.
func (s Intervals) number(r IntervalRow, scale quantity.Scale) string {
	text := scale.FormatUnit(quantity.Real(r.Value))
	if r.hasInterval() && s.Unit != quantity.Change && r.Value != 0 {
		text += " " + quantity.PlusMinus(max(r.Hi-r.Value, r.Value-r.Lo)/r.Value)
	}
	return text
}
