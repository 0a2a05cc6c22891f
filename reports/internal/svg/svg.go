// SPDX-License-Identifier: Apache-2.0

// Package svg draws the charts of a report as SVG text: stacked bars, bars with
// intervals, trends with change points, and icicles of a tree. The same input
// gives the same bytes. Colours are CSS variables, so that one drawing serves
// light and dark pages; every drawing has a title and a description for those
// who don't see it, and every mark a tooltip with its exact value. All text is
// escaped, whatever file it came from.
package svg

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/layerscope/layerscope/internal/term/termtext"
)

// A Frame is what all charts have around them. The zero value with a title will
// do for a chart in a file of its own.
type Frame struct {
	Title string // names the chart; drawn above it
	Desc  string // says what it shows, in a sentence, for screen readers
	ID    string // distinguishes the charts of one page; default "ls"
	Width int    // pixels; default 760
	Inner bool   // part of a page that holds Style() itself
}

const (
	defaultWidth = 760
	margin       = 12.0
	rowHeight    = 18.0
	rowGap       = 5.0
	charWidth    = 6.7 // of the 12 px interface font, generous for most
	smallChar    = 6.2 // of the 11 px one
	titleHeight  = 30.0
	axisHeight   = 40.0
	labelMax     = 240.0 // pixels for row labels
)

// Palette is the number of colours; a series beyond it starts over.
const Palette = 10

func (f Frame) width() float64 {
	if f.Width <= 0 {
		return defaultWidth
	}
	return float64(f.Width)
}

// A canvas collects the marks of one chart.
type canvas struct {
	frame Frame
	body  strings.Builder
}

// done wraps the marks in the svg element.
func (c *canvas) done(height float64) string {
	f := c.frame
	id := f.ID
	if id == "" {
		id = "ls"
	}
	id = escape(id)
	w, h := px(f.width()), px(height)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" class="ls-chart" viewBox="0 0 %s %s" width="%s" height="%s" role="img" aria-labelledby="%s-t %s-d">`,
		w, h, w, h, id, id)
	fmt.Fprintf(&b, "\n<title id=\"%s-t\">%s</title>\n<desc id=\"%s-d\">%s</desc>\n", id, escape(f.Title), id, escape(f.Desc))
	if !f.Inner {
		b.WriteString("<style>" + Style() + "</style>\n")
	}
	fmt.Fprintf(&b, "<rect class=\"ls-bg\" width=\"%s\" height=\"%s\" rx=\"6\"/>\n", w, h)
	b.WriteString(c.body.String())
	b.WriteString("</svg>\n")
	return b.String()
}

// heading draws the frame's title and returns the y below it.
func (c *canvas) heading() float64 {
	if c.frame.Title == "" {
		return margin
	}
	c.text(margin, margin+12, "start", "ls-title", elide(c.frame.Title, c.frame.width()-2*margin, charWidth*1.1))
	return titleHeight
}

func (c *canvas) rect(x, y, w, h float64, class, tip string) {
	fmt.Fprintf(&c.body, `<rect class="%s" x="%s" y="%s" width="%s" height="%s"`, class, px(x), px(y), px(w), px(h))
	c.close("rect", tip)
}

func (c *canvas) circle(x, y, r float64, class, tip string) {
	fmt.Fprintf(&c.body, `<circle class="%s" cx="%s" cy="%s" r="%s"`, class, px(x), px(y), px(r))
	c.close("circle", tip)
}

func (c *canvas) close(tag, tip string) {
	if tip == "" {
		c.body.WriteString("/>\n")
		return
	}
	fmt.Fprintf(&c.body, "><title>%s</title></%s>\n", escape(tip), tag)
}

// text writes s at x, anchored at its start, middle or end.
func (c *canvas) text(x, y float64, anchor, class, s string) {
	if s == "" {
		return
	}
	fmt.Fprintf(&c.body, `<text x="%s" y="%s"`, px(x), px(y))
	if anchor != "start" {
		fmt.Fprintf(&c.body, ` text-anchor="%s"`, anchor)
	}
	if class != "" {
		fmt.Fprintf(&c.body, ` class="%s"`, class)
	}
	fmt.Fprintf(&c.body, ">%s</text>\n", escape(s))
}

func (c *canvas) line(x1, y1, x2, y2 float64, class string) {
	fmt.Fprintf(&c.body, "<path class=\"%s\" d=\"M%s %sL%s %s\"/>\n", class, px(x1), px(y1), px(x2), px(y2))
}

// path draws straight lines through points, starting anew at each NaN.
func (c *canvas) path(points [][2]float64, class string) {
	var d strings.Builder
	pen := "M"
	for _, p := range points {
		if math.IsNaN(p[0]) || math.IsNaN(p[1]) {
			pen = "M"
			continue
		}
		d.WriteString(pen + px(p[0]) + " " + px(p[1]))
		pen = "L"
	}
	if d.Len() > 0 {
		fmt.Fprintf(&c.body, "<path class=\"%s\" d=\"%s\"/>\n", class, d.String())
	}
}

// px writes a coordinate with at most two decimals.
func px(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "0"
	}
	return strconv.FormatFloat(math.Round(v*100)/100+0, 'f', -1, 64) // +0 turns -0 into 0
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;")

// escape makes any string XML text, also within an attribute.
func escape(s string) string { return escaper.Replace(termtext.Safe(s)) }

// elide cuts s in its middle to about width pixels.
func elide(s string, width, char float64) string {
	return termtext.Elide(termtext.Safe(s), max(int(width/char+1e-6), 0), "…")
}

func textWidth(s string, char float64) float64 {
	return float64(termtext.Width(termtext.Safe(s))) * char
}

// series returns the class of the i-th colour.
func series(i int) string { return "ls-c" + strconv.Itoa(i%Palette) }

// finite returns v, or 0 for what can't be drawn.
func finite(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}
