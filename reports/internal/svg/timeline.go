// SPDX-License-Identifier: Apache-2.0

package svg

import (
	"fmt"
	"math"
	"strings"

	"github.com/layerscope/layerscope/reports/internal/quantity"
)

// Timeline is one quantity over time: a level that holds from each sample to the
// next, with its peak marked.
type Timeline struct {
	Frame
	Unit   quantity.Unit
	Axis   string           // what the numbers are: "bytes in use"
	Points []TimelineSample // by time
	Peak   TimelineSample   // marked; At is NaN for none
}

// A TimelineSample is the level from a time in picoseconds on. Most is the highest
// of what the sample stands for, Value the last.
type TimelineSample struct{ At, Value, Most float64 }

// SVG draws the chart.
func (s Timeline) SVG() string {
	c := &canvas{frame: s.Frame}
	top := c.heading() + 30 // room for the peak's label and the axis name
	bottom := top + trendHeight
	right := s.width() - 2*margin // the last number of the axis is centred on it
	if len(s.Points) == 0 {
		c.text(s.width()/2, top, "middle", "ls-dim", "no samples")
		return c.done(top + 26)
	}
	most := 0.0
	for _, p := range s.Points {
		most = max(most, finite(p.Most), finite(p.Value))
	}
	a := newAxis(s.Unit, 0, most, bottom, top, 4)
	for _, t := range a.ticks {
		c.line(trendLeft, a.at(t), right, a.at(t), "ls-grid")
		c.text(trendLeft-6, a.at(t)+4, "end", "ls-dim", a.label(t))
	}
	c.text(margin, top-20, "start", "ls-dim", a.name(s.Axis))
	from, to := s.Points[0].At, s.Points[len(s.Points)-1].At
	x := newAxis(quantity.Time, from, max(to, from+1), trendLeft, right, 8)
	x.bottom(c, top, bottom, "time in the capture")
	s.area(c, a, x)
	s.peak(c, a, x, top, bottom)
	return c.done(bottom + axisHeight)
}

// area fills what was held below the highest level of each sample, and draws the
// level that was left.
func (s Timeline) area(c *canvas, a, x axis) {
	var d strings.Builder
	line := make([][2]float64, 0, 2*len(s.Points))
	fmt.Fprintf(&d, "M%s %s", px(x.at(s.Points[0].At)), px(a.from))
	for i, p := range s.Points {
		from := x.at(p.At)
		to := min(x.to, from+2) // so that the last one is seen
		if i+1 < len(s.Points) {
			to = x.at(s.Points[i+1].At)
		}
		fmt.Fprintf(&d, "L%s %sL%s %s", px(from), px(a.at(p.Most)), px(to), px(a.at(p.Most)))
		line = append(line, [2]float64{from, a.at(p.Value)}, [2]float64{to, a.at(p.Value)})
	}
	fmt.Fprintf(&d, "L%s %sZ", px(line[len(line)-1][0]), px(a.from))
	fmt.Fprintf(&c.body, "<path class=\"ls-band\" d=\"%s\"/>\n", d.String())
	c.path(line, "ls-line")
}

func (s Timeline) peak(c *canvas, a, x axis, top, bottom float64) {
	if math.IsNaN(s.Peak.At) {
		return
	}
	at := x.at(s.Peak.At)
	label := "peak " + quantity.Format(s.Unit, quantity.Real(s.Peak.Value)) + " at " + quantity.Format(quantity.Time, quantity.Real(s.Peak.At))
	c.line(at, top, at, bottom, "ls-change")
	c.circle(at, a.at(s.Peak.Value), 4, "ls-worse", label)
	anchor, side := "start", at+4
	if at > s.width()*0.7 {
		anchor, side = "end", at-4
	}
	c.text(side, top-6, anchor, "ls-small", label)
}
