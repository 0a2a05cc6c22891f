// SPDX-License-Identifier: Apache-2.0

package svg

import (
	"fmt"
	"math"
	"strings"

	"github.com/layerscope/layerscope/reports/internal/quantity"
)

// Trend is one quantity over runs, with the points where it changed.
type Trend struct {
	Frame
	Unit    quantity.Unit
	Axis    string // what the numbers are: "step time"
	Points  []TrendPoint
	Changes []TrendChange // in order
}

// A TrendPoint is one run. NaN is a run without a value: a gap in the line.
// Lo and Hi are the ends of its interval, equal to Value when there is none.
type TrendPoint struct {
	Label         string // the commit or date
	Value, Lo, Hi float64
}

// A TrendChange says that the level changed between points At-1 and At.
type TrendChange struct {
	At       int
	From, To float64 // levels before and after
	Label    string  // who did it
}

const (
	trendHeight = 180.0
	trendLeft   = 64.0
)

// SVG draws the chart.
func (s Trend) SVG() string {
	c := &canvas{frame: s.Frame}
	top := c.heading() + 18 // room for the changes' labels and the axis name
	bottom := top + trendHeight
	lo, hi := s.bounds()
	a := newAxis(s.Unit, lo, hi, bottom, top, 4)
	right := s.width() - margin
	for _, t := range a.ticks {
		c.line(trendLeft, a.at(t), right, a.at(t), "ls-grid")
		c.text(trendLeft-6, a.at(t)+4, "end", "ls-dim", a.label(t))
	}
	c.text(margin, top-8, "start", "ls-dim", a.name(s.Axis))
	x := s.place(right)
	s.band(c, a, x)
	s.levels(c, a, x)
	line := make([][2]float64, len(s.Points))
	for i, p := range s.Points {
		line[i] = [2]float64{x(i), a.at(p.Value)}
		if !drawable(p.Value) {
			line[i][1] = math.NaN()
		}
	}
	c.path(line, "ls-line")
	for i, p := range s.Points {
		if drawable(p.Value) {
			c.circle(x(i), a.at(p.Value), 2.5, "ls-dot", p.Label+": "+quantity.Format(s.Unit, quantity.Real(p.Value)))
		}
	}
	s.labels(c, x, bottom)
	return c.done(bottom + 26)
}

func drawable(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// bounds returns the range of values, from zero if they differ by more than a
// factor of two anyway. Otherwise zero stays out: a step of 5 % must show as one.
func (s Trend) bounds() (lo, hi float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, p := range s.Points {
		for _, v := range []float64{p.Value, p.Lo, p.Hi} {
			if drawable(p.Value) && drawable(v) {
				lo, hi = min(lo, v), max(hi, v)
			}
		}
	}
	switch {
	case lo > hi:
		return 0, 1
	case lo == hi:
		return min(lo*0.9, lo*1.1), max(hi*0.9, hi*1.1)
	case lo > 0 && lo < hi/2:
		return 0, hi
	}
	return lo, hi
}

// place returns the function from point numbers to pixels.
func (s Trend) place(right float64) func(int) float64 {
	from, to := trendLeft+8, right-8
	return func(i int) float64 {
		if len(s.Points) < 2 {
			return (from + to) / 2
		}
		return from + (to-from)*float64(i)/float64(len(s.Points)-1)
	}
}

// band shades the intervals, one polygon a run of points that have one.
func (s Trend) band(c *canvas, a axis, x func(int) float64) {
	for i := 0; i < len(s.Points); {
		j := i
		for j < len(s.Points) && s.Points[j].Lo < s.Points[j].Hi && drawable(s.Points[j].Value) {
			j++
		}
		if j > i+1 {
			var d strings.Builder
			for k := i; k < j; k++ {
				fmt.Fprintf(&d, "%s%s %s", pen(k == i), px(x(k)), px(a.at(s.Points[k].Hi)))
			}
			for k := j - 1; k >= i; k-- {
				fmt.Fprintf(&d, "L%s %s", px(x(k)), px(a.at(s.Points[k].Lo)))
			}
			fmt.Fprintf(&c.body, "<path class=\"ls-band\" d=\"%sZ\"/>\n", d.String())
		}
		i = max(j, i+1)
	}
}

func pen(first bool) string {
	if first {
		return "M"
	}
	return "L"
}

// levels draws each segment's level and a marked line at each change.
func (s Trend) levels(c *canvas, a axis, x func(int) float64) {
	start := 0
	for k, ch := range s.Changes {
		if ch.At <= start || ch.At >= len(s.Points) {
			continue
		}
		edge := (x(ch.At-1) + x(ch.At)) / 2
		c.line(x(start), a.at(ch.From), edge, a.at(ch.From), "ls-level")
		c.line(edge, a.to, edge, a.from, "ls-change")
		change := quantity.Format(quantity.Change, quantity.Real(ch.To/ch.From-1))
		anchor, at := "start", edge+4
		if edge > s.width()*0.7 {
			anchor, at = "end", edge-4
		}
		c.text(at, a.to+10+12*float64(k%3), anchor, "ls-small", strings.TrimSpace(change+" "+elide(ch.Label, 180, smallChar)))
		if k == len(s.Changes)-1 {
			c.line(edge, a.at(ch.To), x(len(s.Points)-1), a.at(ch.To), "ls-level")
		}
		start = ch.At
	}
}

// labels writes the first and last point's label below the plot.
func (s Trend) labels(c *canvas, x func(int) float64, bottom float64) {
	n := len(s.Points)
	if n == 0 {
		c.text(s.width()/2, bottom-trendHeight/2, "middle", "ls-dim", "no runs")
		return
	}
	half := (s.width() - trendLeft) / 2
	c.text(x(0), bottom+16, "start", "ls-dim", elide(s.Points[0].Label, half, smallChar))
	if n > 1 {
		c.text(x(n-1), bottom+16, "end", "ls-dim", elide(s.Points[n-1].Label, half, smallChar))
	}
}
