// SPDX-License-Identifier: Apache-2.0

package svg

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/reports/internal/quantity"
)

// Forest is a column of intervals on one axis, one small drawing a table row:
// where the change lies, how sure that is, and the margin that matters.
type Forest struct {
	Rows []ForestRow
}

// A ForestRow is a relative change with its interval, Lo = Hi where there is
// none, and a margin either side of zero.
type ForestRow struct {
	Value, Lo, Hi, Margin float64
	Tone                  Tone
	Skip                  bool // nothing to draw
}

const (
	forestWidth  = 220.0
	forestHeight = 18.0
)

// reach is the largest distance from zero that the axis shows: nine rows in ten
// fit. Others are drawn as arrows, so that one layer that doubled doesn't flatten
// sixty that moved by a few percent.
func (s Forest) reach() float64 {
	var ends []float64
	least := math.Inf(1) // margin
	for _, r := range s.Rows {
		if !r.Skip {
			ends = append(ends, max(math.Abs(finite(r.Value)), math.Abs(finite(r.Lo)), math.Abs(finite(r.Hi))))
			least = min(least, finite(r.Margin))
		}
	}
	most := 1e-6
	if least > 0 && drawable(least) {
		most = 2 * least
	}
	if len(ends) > 0 {
		slices.Sort(ends)
		most = max(most, ends[(len(ends)*9+9)/10-1])
	}
	return most * 1.05
}

// Axis names the ends of the axis: "± 12 %".
func (s Forest) Axis() string {
	return "± " + quantity.Format(quantity.Share, quantity.Real(s.reach()))
}

// SVG draws row i.
func (s Forest) SVG(i int) string {
	r := s.Rows[i]
	if r.Skip {
		return ""
	}
	reach := s.reach()
	at := func(v float64) float64 {
		t := min(max(finite(v)/reach, -1), 1)
		return forestWidth/2 + t*(forestWidth/2-6)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="ls-forest" viewBox="0 0 %s %s" width="%s" height="%s" aria-hidden="true">`, px(forestWidth), px(forestHeight), px(forestWidth), px(forestHeight))
	if r.Margin > 0 {
		fmt.Fprintf(&b, `<rect class="ls-margin" x="%s" width="%s" height="%s"/>`, px(at(-r.Margin)), px(at(r.Margin)-at(-r.Margin)), px(forestHeight))
	}
	fmt.Fprintf(&b, `<path class="ls-axis" d="M%s 0V%s"/>`, px(at(0)), px(forestHeight))
	mid := px(forestHeight / 2)
	if r.Lo < r.Hi {
		fmt.Fprintf(&b, `<path class="ls-whisker" d="M%s %sH%s"/>`, px(at(r.Lo)), mid, px(at(r.Hi)))
		b.WriteString(forestEnd(at(r.Lo), r.Lo < -reach, -1) + forestEnd(at(r.Hi), r.Hi > reach, 1))
	}
	x, class := at(r.Value), toneClasses[r.Tone]
	if math.Abs(finite(r.Value)) > reach {
		dir := math.Copysign(5, r.Value)
		fmt.Fprintf(&b, `<path class="%s" d="M%s %sl%s 5l%s 5z"/></svg>`, class, px(x-dir/2), px(forestHeight/2-5), px(dir*1.6), px(-dir*1.6))
		return b.String()
	}
	fmt.Fprintf(&b, `<circle class="%s" cx="%s" cy="%s" r="4.5"/></svg>`, class, px(x), mid)
	return b.String()
}

// forestEnd is a tick, or an arrow where the interval goes on.
func forestEnd(x float64, beyond bool, dir float64) string {
	if beyond {
		return fmt.Sprintf(`<path class="ls-whisker" d="M%s %sL%s %sL%s %s"/>`, px(x-4*dir), px(forestHeight/2-4), px(x), px(forestHeight/2), px(x-4*dir), px(forestHeight/2+4))
	}
	return fmt.Sprintf(`<path class="ls-whisker" d="M%s %sV%s"/>`, px(x), px(forestHeight/2-4), px(forestHeight/2+4))
}
