// SPDX-License-Identifier: Apache-2.0

package svg

import (
	"fmt"
	"math"
	"strconv"

	"github.com/layerscope/layerscope/reports/internal/quantity"
)

// Roofline is a scatter of what ops reach over what they could: FLOP/s over
// FLOP per byte, both logarithmic, below the roof that the device's peaks make.
type Roofline struct {
	Frame
	PeakFLOPs float64 // FLOP/s; 0 = no flat roof
	PeakBytes float64 // bytes/s; 0 = no slanted roof
	Series    []string
	Points    []RoofPoint
}

// A RoofPoint is one op, or several of a kind. Points that lack FLOPs or bytes
// can't be drawn and are left out.
type RoofPoint struct {
	Label  string
	Series int     // index in Series
	Share  float64 // of the time, for the point's area
	FLOPs  float64 // per second
	Bytes  float64 // per second
	Key    string  // becomes data-key
}

const (
	roofHeight = 320.0
	smallestR  = 3.0
	largestR   = 18.0
)

// SVG draws the chart.
func (s Roofline) SVG() string {
	c := &canvas{frame: s.Frame}
	top := c.legend(s.Series, c.heading())
	points := s.drawable()
	if !plausible(s.PeakFLOPs) {
		s.PeakFLOPs = 0
	}
	if !plausible(s.PeakBytes) || s.PeakFLOPs > 0 && !plausible(s.PeakFLOPs/s.PeakBytes) {
		s.PeakBytes = 0
	}
	if len(points) == 0 {
		return c.nothing(top)
	}
	x, y := s.axes(points, top)
	bottom := top + roofHeight
	x.grid(c, func(at float64, label, class string) {
		c.line(at, top, at, bottom, class)
		c.text(at, bottom+14, "middle", "ls-dim", label)
	}, func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) })
	y.grid(c, func(at float64, label, class string) {
		c.line(x.from, at, x.to, at, class)
		c.text(x.from-6, at+4, "end", "ls-dim", label)
	}, func(v float64) string {
		scale := quantity.FLOPRate.Scale(quantity.Real(v))
		return strconv.FormatFloat(math.Round(1e3*v/scale.Factor())/1e3, 'g', -1, 64) + " " + scale.Symbol()
	})
	c.text(x.from, bottom+30, "start", "ls-dim", "intensity, FLOP/byte")
	s.roof(c, x, y)
	for _, p := range points {
		s.point(c, p, x, y)
	}
	return c.done(bottom + axisHeight)
}

func (s Roofline) drawable() []RoofPoint {
	var out []RoofPoint
	for _, p := range s.Points {
		if plausible(p.FLOPs) && plausible(p.Bytes) && plausible(p.FLOPs/p.Bytes) {
			out = append(out, p)
		}
	}
	return out
}

// plausible keeps to numbers whose decades can be counted.
func plausible(v float64) bool { return v > 1e-30 && v < 1e30 }

// axes cover the points and, where there is one, the corner of the roof.
func (s Roofline) axes(points []RoofPoint, top float64) (x, y logAxis) {
	x, y = logAxis{lo: math.Inf(1), hi: 0}, logAxis{lo: math.Inf(1), hi: 0}
	for _, p := range points {
		x.cover(p.FLOPs / p.Bytes)
		y.cover(p.FLOPs)
	}
	if s.PeakFLOPs > 0 {
		y.cover(s.PeakFLOPs * 1.2)
		y.cover(s.PeakFLOPs / 2)
		if s.PeakBytes > 0 {
			x.cover(s.PeakFLOPs / s.PeakBytes * 2)
			x.cover(s.PeakFLOPs / s.PeakBytes / 2)
		}
	}
	x.widen()
	y.widen()
	x.from, x.to = margin+82, s.width()-margin-largestR
	y.from, y.to = top+roofHeight, top
	return x, y
}

// roof draws the bound that the peaks make, from the left end to the right.
func (s Roofline) roof(c *canvas, x, y logAxis) {
	limit := func(intensity float64) float64 {
		bound := math.Inf(1)
		if s.PeakBytes > 0 {
			bound = s.PeakBytes * intensity
		}
		if s.PeakFLOPs > 0 {
			bound = min(bound, s.PeakFLOPs)
		}
		return bound
	}
	if math.IsInf(limit(1), 1) {
		return
	}
	start, end := x.lo, x.hi
	if s.PeakBytes > 0 {
		start = max(start, y.lo/s.PeakBytes)
	}
	if s.PeakFLOPs <= 0 {
		end = min(end, y.hi/s.PeakBytes)
	}
	line := [][2]float64{{x.at(start), y.at(limit(start))}}
	corner := end
	if ridge := s.PeakFLOPs / s.PeakBytes; s.PeakBytes > 0 && ridge > start && ridge < end {
		line = append(line, [2]float64{x.at(ridge), y.at(s.PeakFLOPs)})
		corner = ridge
	}
	c.path(append(line, [2]float64{x.at(end), y.at(limit(end))}), "ls-level")
	if s.PeakFLOPs > 0 {
		c.text(x.to, y.at(s.PeakFLOPs)-5, "end", "ls-small", "peak "+quantity.Format(quantity.FLOPRate, quantity.Real(s.PeakFLOPs)))
	}
	if s.PeakBytes > 0 {
		middle := math.Sqrt(start * corner)
		c.text(x.at(middle)-8, y.at(limit(middle))-6, "end", "ls-small", "HBM "+quantity.Format(quantity.ByteRate, quantity.Real(s.PeakBytes)))
	}
}

func (s Roofline) point(c *canvas, p RoofPoint, x, y logAxis) {
	r := max(smallestR, largestR*math.Sqrt(min(max(p.Share, 0), 1)))
	tip := fmt.Sprintf("%s: %s of op time, %s, %s, %s FLOP/byte", p.Label, quantity.Format(quantity.Share, quantity.Real(p.Share)),
		quantity.Format(quantity.FLOPRate, quantity.Real(p.FLOPs)), quantity.Format(quantity.ByteRate, quantity.Real(p.Bytes)),
		strconv.FormatFloat(p.FLOPs/p.Bytes, 'g', 3, 64))
	if s.PeakFLOPs > 0 {
		tip += ", " + quantity.Format(quantity.Share, quantity.Real(p.FLOPs/s.PeakFLOPs)) + " of the compute peak"
	}
	if s.PeakBytes > 0 {
		tip += ", " + quantity.Format(quantity.Share, quantity.Real(p.Bytes/s.PeakBytes)) + " of the HBM peak"
	}
	fmt.Fprintf(&c.body, `<circle class="ls-point %s" data-key="%s" cx="%s" cy="%s" r="%s"`,
		series(p.Series), escape(p.Key), px(x.at(p.FLOPs/p.Bytes)), px(y.at(p.FLOPs)), px(r))
	c.close("circle", tip)
}

// A logAxis maps the logarithm of values to pixels.
type logAxis struct{ lo, hi, from, to float64 }

func (a *logAxis) cover(v float64) {
	a.lo, a.hi = min(a.lo, v), max(a.hi, v)
}

// widen rounds to whole decades, at least two and at most twelve.
func (a *logAxis) widen() {
	lo, hi := math.Floor(math.Log10(a.lo)+1e-9), math.Ceil(math.Log10(a.hi)-1e-9)
	if hi-lo < 2 {
		hi = lo + 2
	}
	lo = max(lo, hi-12)
	a.lo, a.hi = math.Pow(10, lo), math.Pow(10, hi)
}

// at returns the pixel of v, kept within the axis.
func (a logAxis) at(v float64) float64 {
	t := math.Log(v/a.lo) / math.Log(a.hi/a.lo)
	return a.from + min(max(t, 0), 1)*(a.to-a.from)
}

// grid calls draw for every decade.
func (a logAxis) grid(c *canvas, draw func(at float64, label, class string), label func(float64) string) {
	lo, hi := math.Round(math.Log10(a.lo)), math.Round(math.Log10(a.hi))
	for e := lo; e <= hi; e++ {
		v := math.Pow(10, e)
		class := "ls-grid"
		if e == lo {
			class = "ls-axis"
		}
		draw(a.at(v), label(v), class)
	}
}
