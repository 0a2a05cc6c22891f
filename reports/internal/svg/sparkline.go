// SPDX-License-Identifier: Apache-2.0

package svg

import "math"

// Sparkline is a trend the size of a word, for a table cell: no axes, the last
// point and the change points marked. Frame.Width defaults to 120.
type Sparkline struct {
	Frame
	Values  []float64 // NaN is a gap
	Changes []int     // numbers of the first point after each change
}

// SVG draws it, 24 pixels high.
func (s Sparkline) SVG() string {
	const height, pad = 24.0, 4.0
	if s.Width <= 0 {
		s.Width = 120
	}
	c := &canvas{frame: s.Frame}
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range s.Values {
		if drawable(v) {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	x := func(i int) float64 {
		return pad + (s.width()-2*pad)*float64(i)/float64(max(len(s.Values)-1, 1))
	}
	y := func(v float64) float64 {
		if !(hi > lo) {
			return height / 2
		}
		return height - pad - (v-lo)/(hi-lo)*(height-2*pad)
	}
	for _, at := range s.Changes {
		if at > 0 && at < len(s.Values) {
			edge := (x(at-1) + x(at)) / 2
			c.line(edge, 2, edge, height-2, "ls-change")
		}
	}
	line := make([][2]float64, len(s.Values))
	last := -1
	for i, v := range s.Values {
		line[i] = [2]float64{x(i), math.NaN()}
		if drawable(v) {
			line[i][1], last = y(v), i
		}
	}
	c.path(line, "ls-line")
	if last >= 0 {
		c.circle(x(last), line[last][1], 2, "ls-dot", "")
	}
	return c.done(height)
}
