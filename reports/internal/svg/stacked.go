// SPDX-License-Identifier: Apache-2.0

package svg

import (
	"fmt"

	"github.com/layerscope/layerscope/reports/internal/quantity"
)

// Stacked is horizontal bars made of the same series: layers of components.
type Stacked struct {
	Frame
	Unit   quantity.Unit
	Axis   string   // what the numbers are: "self time per step"
	Series []string // names of the segments, in drawing order
	Rows   []StackedRow
}

// A StackedRow is one bar: a value for each series, in the base unit. Missing
// values are 0; negative and infinite ones can't be drawn and count as 0, and
// values without a series are ignored.
type StackedRow struct {
	Label  string
	Values []float64
}

// SVG draws the chart.
func (s Stacked) SVG() string {
	c := &canvas{frame: s.Frame}
	top := c.legend(s.Series, c.heading())
	if len(s.Rows) == 0 {
		return c.nothing(top)
	}
	labels := make([]string, len(s.Rows))
	sums := make([]quantity.Value, len(s.Rows))
	most := 0.0
	for i, r := range s.Rows {
		labels[i] = r.Label
		sum := r.sum(len(s.Series))
		sums[i], most = quantity.Real(sum), max(most, sum)
	}
	left := labelWidth(labels)
	right := s.width() - margin - 80 // room for the sums
	a := newAxis(s.Unit, 0, most, left, right, 5)
	bottom := top + float64(len(s.Rows))*(rowHeight+rowGap) + rowGap
	a.bottom(c, top, bottom, s.Axis)
	y := top + rowGap
	scale := s.Unit.Scale(sums...)
	for i, r := range s.Rows {
		c.text(left-8, y+13, "end", "", elide(r.Label, left-8-margin, charWidth))
		s.bar(c, a, r, y)
		c.text(a.at(sums[i].Float())+6, y+13, "start", "ls-small", scale.FormatUnit(sums[i]))
		y += rowHeight + rowGap
	}
	return c.done(bottom + axisHeight)
}

func (s Stacked) bar(c *canvas, a axis, r StackedRow, y float64) {
	sum, total := 0.0, r.sum(len(s.Series))
	for i := range s.Series {
		v := r.value(i)
		if v == 0 {
			continue
		}
		x := a.at(sum)
		sum += v
		tip := fmt.Sprintf("%s, %s: %s (%s of %s)", r.Label, s.Series[i], quantity.Format(s.Unit, quantity.Real(v)),
			quantity.Format(quantity.Share, quantity.Real(v/total)), quantity.Format(s.Unit, quantity.Real(total)))
		c.rect(x, y, a.at(sum)-x, rowHeight, series(i), tip)
	}
}

func (r StackedRow) value(i int) float64 {
	if i < len(r.Values) {
		return max(finite(r.Values[i]), 0)
	}
	return 0
}

// sum adds up the values of the first n series.
func (r StackedRow) sum(n int) float64 {
	sum := 0.0
	for i := range n {
		sum += r.value(i)
	}
	return sum
}

// nothing ends a chart that has no marks by saying so.
func (c *canvas) nothing(y float64) string {
	c.text(margin, y+14, "start", "ls-dim", "nothing to show")
	return c.done(y + rowHeight + margin)
}

// legend draws names with their colours, wrapped, and returns the y below.
func (c *canvas) legend(names []string, y float64) float64 {
	if len(names) == 0 {
		return y
	}
	x := margin
	for i, name := range names {
		name = elide(name, labelMax, smallChar)
		w := 16 + textWidth(name, smallChar) + 10
		if x+w > c.frame.width()-margin && x > margin {
			x, y = margin, y+16
		}
		c.rect(x, y, 11, 11, series(i), "")
		c.text(x+16, y+10, "start", "ls-small", name)
		x += w
	}
	return y + 20
}

// labelWidth returns the x where bars begin, given the labels before them.
func labelWidth(labels []string) float64 {
	most := 0.0
	for _, l := range labels {
		most = max(most, textWidth(l, charWidth))
	}
	return margin + min(most, labelMax) + 8
}
