// SPDX-License-Identifier: Apache-2.0

package svg

import (
	"encoding/xml"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// mark finds an attribute of the first element that matches.
func mark(t *testing.T, chart, element, attr string) float64 {
	t.Helper()
	m := regexp.MustCompile(`<` + element + `[^>]* ` + attr + `="([^"]*)"`).FindStringSubmatch(chart)
	if m == nil {
		t.Fatalf("no %s with %s in\n%s", element, attr, chart)
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestRoofline places points by hand: two decades to the right and one up is a
// fixed distance, the roof's corner is at peak ÷ bandwidth, and a point on the
// roof is drawn on it.
func TestRoofline(t *testing.T) {
	draw := func(points ...RoofPoint) string {
		return Roofline{Frame: Frame{Desc: "d"}, PeakFLOPs: 100e12, PeakBytes: 1e12, Series: []string{"a"}, Points: points}.SVG()
	}
	at := func(flops, bytes float64) (x, y float64) {
		c := draw(RoofPoint{Label: "p", Share: 0.25, FLOPs: flops, Bytes: bytes, Key: "k"}, RoofPoint{FLOPs: 1e12, Bytes: 1e12}, RoofPoint{FLOPs: 1e14, Bytes: 1e11})
		return mark(t, c, "circle", "cx"), mark(t, c, "circle", "cy")
	}
	x1, y1 := at(10e12, 1e12)
	x2, y2 := at(10e12, 0.1e12)
	x3, y3 := at(100e12, 1e12)
	if y1 != y2 || x3 != x2 || math.Abs((x2-x1)-(x3-x1)) > 1e-9 || !(y3 < y1) {
		t.Errorf("points at %g,%g %g,%g %g,%g: want equal rates level, equal intensities in line", x1, y1, x2, y2, x3, y3)
	}
	c := draw(RoofPoint{Label: "on the roof", FLOPs: 100e12, Bytes: 1e12})
	roof := regexp.MustCompile(`class="ls-level" d="M[^L]*L([0-9.]+) ([0-9.]+)L`).FindStringSubmatch(c)
	if roof == nil {
		t.Fatalf("no roof with a corner in\n%s", c)
	}
	if x, y := mark(t, c, "circle", "cx"), mark(t, c, "circle", "cy"); roof[1] != px(x) || roof[2] != px(y) {
		t.Errorf("the point on the corner is at %g,%g, the corner at %s,%s", x, y, roof[1], roof[2])
	}
	if r := mark(t, draw(RoofPoint{Share: 0.25, FLOPs: 1e12, Bytes: 1e12}), "circle", "r"); r != largestR/2 {
		t.Errorf("a quarter of the time has radius %g, want half of %g", r, largestR)
	}
	for _, p := range []RoofPoint{{}, {FLOPs: 1e12}, {Bytes: 1}, {FLOPs: math.NaN(), Bytes: 1}, {FLOPs: math.Inf(1), Bytes: 1}, {FLOPs: -1, Bytes: 1}} {
		if c := draw(p); !strings.Contains(c, "nothing to show") {
			t.Errorf("%+v is drawn", p)
		}
	}
}

func TestRooflineHoldsAnything(t *testing.T) {
	number := rapid.Custom(func(t *rapid.T) float64 {
		return rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, math.NaN(), math.Inf(1), -1, 5e-324, math.MaxFloat64, 1e12})).Draw(t, "v")
	})
	rapid.Check(t, func(t *rapid.T) {
		c := Roofline{PeakFLOPs: number.Draw(t, "peak"), PeakBytes: number.Draw(t, "bandwidth")}
		for range rapid.IntRange(0, 3).Draw(t, "n") {
			c.Points = append(c.Points, RoofPoint{rapid.String().Draw(t, "label"), 1, number.Draw(t, "share"), number.Draw(t, "flops"), number.Draw(t, "bytes"), rapid.String().Draw(t, "key")})
		}
		sound(t, c.SVG())
	})
}

func TestForest(t *testing.T) {
	f := Forest{Rows: []ForestRow{{Value: 5, Lo: 4, Hi: 6, Tone: Worse}}}
	for range 20 {
		f.Rows = append(f.Rows, ForestRow{Value: 0.01, Lo: -0.01, Hi: 0.03, Margin: 0.01})
	}
	if got := f.Axis(); got != "± 3.15 %" {
		t.Errorf("axis %s: one large row of 21 must not widen it", got)
	}
	if c := f.SVG(0); strings.Contains(c, "<circle") || !strings.Contains(c, `class="ls-worse"`) {
		t.Errorf("a row beyond the axis is not an arrow:\n%s", c)
	}
	if x := mark(t, f.SVG(1), "circle", "cx"); !(x > forestWidth/2 && x < forestWidth) {
		t.Errorf("+1 %% is at %g of %g", x, forestWidth)
	}
	f.Rows[1].Skip = true
	if c := f.SVG(1); c != "" {
		t.Errorf("a row to skip is drawn:\n%s", c)
	}
}

func TestForestHoldsAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, math.NaN(), math.Inf(-1), 0.1}))
		f := Forest{Rows: []ForestRow{
			{v.Draw(t, "value"), v.Draw(t, "lo"), v.Draw(t, "hi"), v.Draw(t, "margin"), Plain, false},
			{v.Draw(t, "value"), v.Draw(t, "lo"), v.Draw(t, "hi"), v.Draw(t, "margin"), Worse, false}}}
		sound(t, f.SVG(0))
		sound(t, f.SVG(1))
	})
}

// sound wants well-formed XML without NaN or infinite coordinates.
func sound(t *rapid.T, chart string) {
	t.Helper()
	if err := xml.Unmarshal([]byte(chart), new(struct{})); err != nil {
		t.Fatalf("%v in\n%s", err, chart)
	}
	if m := regexp.MustCompile(` (?:x|y|cx|cy|r|d|width|height)="[^"]*(?:NaN|Inf|e[+-])[^"]*"`).FindString(chart); m != "" {
		t.Fatalf("%s in\n%s", m, chart)
	}
}

func TestPageStylePrintsLight(t *testing.T) {
	if n := strings.Count(PageStyle(), "@media screen and (prefers-color-scheme:dark)"); n != 1 {
		t.Errorf("%d dark rules for screens only, want 1", n)
	}
}
