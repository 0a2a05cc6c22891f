// SPDX-License-Identifier: Apache-2.0

package svg

import (
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/layerscope/layerscope/reports/internal/quantity"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func charts() map[string]string {
	layers := Stacked{
		Frame:  Frame{Title: "Device time by layer", Desc: "Each layer's self time per step, split by component."},
		Unit:   quantity.Time,
		Axis:   "self time per step",
		Series: []string{"attention", "mlp", "norm", "other"},
	}
	for i := range 6 {
		extra := 0.0
		if i == 3 {
			extra = 40e6
		}
		layers.Rows = append(layers.Rows, StackedRow{fmt.Sprintf("layer_%d", i), []float64{98.2e6, 131.6e6 + extra, 9.1e6}})
	}
	layers.Rows = append(layers.Rows, StackedRow{"lm_head", []float64{0, 0, 1.5e6, 88e6}})

	changes := Intervals{
		Frame: Frame{Title: "Change of self time", Desc: "Relative change per layer with its 95 % interval."},
		Unit:  quantity.Change,
		Rows: []IntervalRow{
			{"layer_3", 0.252, 0.231, 0.274, Worse},
			{"layer_0", -0.099, -0.12, -0.08, Better},
			{"layer_5", 0.004, -0.02, 0.03, Noise},
			{"added op", 0.05, 0.05, 0.05, Plain},
		},
	}
	times := Intervals{
		Frame: Frame{Title: "Step time", Desc: "Median step time with its interval."},
		Unit:  quantity.Time,
		Axis:  "median step",
		Rows:  []IntervalRow{{"base", 1.515e9, 1.49e9, 1.55e9, Plain}, {"new", 1.62e9, 1.6e9, 1.65e9, Worse}},
	}
	return map[string]string{
		"stacked":   layers.SVG(),
		"changes":   changes.SVG(),
		"times":     times.SVG(),
		"trend":     trend().SVG(),
		"timeline":  timeline().SVG(),
		"no_events": Timeline{Frame: Frame{Title: "nothing"}, Unit: quantity.Bytes}.SVG(),
		"sparkline": Sparkline{Frame: Frame{Desc: "step time of the last 7 runs"}, Values: []float64{3, 3.1, 2.9, math.NaN(), 4, 4.1, 4}, Changes: []int{4}}.SVG(),
		"icicle":    Icicle{Frame: Frame{Title: "Scopes", Desc: "Self time by scope."}, Unit: quantity.Time, Root: tree()}.SVG(),
		"flame":     Icicle{Frame: Frame{Title: "Scopes", Desc: "Self time by scope.", Width: 480, Inner: true, ID: "f1"}, Unit: quantity.Time, Root: tree(), Flame: true, Depth: 2}.SVG(),
		"hostile":   hostile().SVG(),
		"empty":     Stacked{Frame: Frame{Title: "nothing"}, Unit: quantity.Time}.SVG(),
	}
}

func trend() Trend {
	t := Trend{Frame: Frame{Title: "Step time", Desc: "Median step time of 24 commits; it rose at c12."}, Unit: quantity.Time, Axis: "step time"}
	for i := range 24 {
		v := 1.50e9 + 0.01e9*float64(i*7%5)
		if i >= 12 {
			v += 0.12e9
		}
		t.Points = append(t.Points, TrendPoint{fmt.Sprintf("c%02d", i), v, v - 0.02e9, v + 0.02e9})
	}
	t.Points[5].Value = math.NaN()
	t.Changes = []TrendChange{{12, 1.52e9, 1.64e9, "c12 mlp: fuse gate and up"}}
	return t
}

func timeline() Timeline {
	t := Timeline{Frame: Frame{Title: "Memory in use", Desc: "Bytes over time; the peak is marked."}, Unit: quantity.Bytes, Axis: "bytes in use"}
	for i := range 60 {
		held := float64((i*37%50 + 10) << 20)
		t.Points = append(t.Points, TimelineSample{At: 1e9 + float64(i)*3e7, Value: held, Most: held + float64(i%3)*float64(4<<20)})
	}
	t.Peak = TimelineSample{At: t.Points[44].At, Value: t.Points[44].Most}
	return t
}

func tree() Node {
	root := Node{Name: "jit_score", Value: 1000e6}
	for i := range 3 {
		l := Node{Name: fmt.Sprintf("layer_%d", i), Value: 300e6, Children: []Node{{"attention", 120e6, []Node{{"flash_kernel", 100e6, nil}}}, {"mlp", 150e6, nil}}}
		for range 40 {
			l.Children = append(l.Children, Node{"tiny", 0.2e6, nil})
		}
		root.Children = append(root.Children, l)
	}
	return root
}

func hostile() Stacked {
	bad := "</title><script>alert('1')</script>&\"\x1b\u202e\xff\x00"
	return Stacked{
		Frame:  Frame{Title: bad, Desc: bad, ID: `x" onload="y`},
		Unit:   quantity.Count,
		Axis:   bad,
		Series: []string{bad, "nan", "negative"},
		Rows:   []StackedRow{{bad, []float64{5, math.NaN(), -1, 77}}, {strings.Repeat("long_name/", 30), []float64{1, math.Inf(1)}}},
	}
}

func TestGolden(t *testing.T) {
	for name, got := range charts() {
		path := filepath.Join("testdata", name+".svg")
		if *update {
			if err := os.MkdirAll("testdata", 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got; -update rewrites it):\n%s", path, diff)
		}
	}
}

// wellFormed parses s and returns its element names and attribute names.
func wellFormed(s string) (elements, attributes map[string]int, err error) {
	elements, attributes = make(map[string]int), make(map[string]int)
	d := xml.NewDecoder(strings.NewReader(s))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return elements, attributes, nil
		}
		if err != nil {
			return nil, nil, err
		}
		if e, ok := token.(xml.StartElement); ok {
			elements[e.Name.Local]++
			for _, a := range e.Attr {
				attributes[a.Name.Local]++
			}
		}
	}
}

func TestWellFormedAndInert(t *testing.T) {
	for name, s := range charts() {
		elements, attributes, err := wellFormed(s)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, bad := range []string{"script", "foreignObject", "image", "use", "a"} {
			if elements[bad] > 0 {
				t.Errorf("%s: has <%s>", name, bad)
			}
		}
		for a := range attributes {
			if strings.HasPrefix(a, "on") || a == "href" {
				t.Errorf("%s: has attribute %s", name, a)
			}
		}
		if elements["title"] == 0 || elements["desc"] != 1 {
			t.Errorf("%s: %d titles, %d descriptions", name, elements["title"], elements["desc"])
		}
		if strings.Contains(s, "NaN") || strings.Contains(s, "Inf") {
			t.Errorf("%s: has a coordinate that isn't a number", name)
		}
		if strings.Contains(s, "url(") || strings.Contains(strings.ReplaceAll(s, `xmlns="http://www.w3.org/2000/svg"`, ""), "http") {
			t.Errorf("%s: refers to something outside", name)
		}
	}
}

// Any numbers and names give a well-formed drawing that ends.
func TestAnyInput(t *testing.T) {
	value := rapid.OneOf(rapid.Float64(), rapid.Float64Range(0, 1e15), rapid.SampledFrom([]float64{0, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, -1}))
	rapid.Check(t, func(t *rapid.T) {
		frame := Frame{Title: rapid.String().Draw(t, "title"), Width: rapid.IntRange(-1, 2000).Draw(t, "width")}
		unit := rapid.SampledFrom([]quantity.Unit{quantity.Time, quantity.Bytes, quantity.Change, quantity.Share, quantity.Count}).Draw(t, "unit")
		values := rapid.SliceOfN(value, 0, 8).Draw(t, "values")
		names := rapid.SliceOfN(rapid.String(), len(values), len(values)).Draw(t, "names")
		stacked := Stacked{Frame: frame, Unit: unit, Series: names, Rows: []StackedRow{{"row", values}}}
		intervals := Intervals{Frame: frame, Unit: unit}
		line := Trend{Frame: frame, Unit: unit, Changes: []TrendChange{{rapid.Int().Draw(t, "at"), 0, math.NaN(), ""}}}
		root := Node{Name: "root", Value: value.Draw(t, "root")}
		for i, v := range values {
			lo, hi := value.Draw(t, "lo"), value.Draw(t, "hi")
			intervals.Rows = append(intervals.Rows, IntervalRow{Label: names[i], Value: v, Lo: lo, Hi: hi})
			line.Points = append(line.Points, TrendPoint{names[i], v, lo, hi})
			root.Children = append(root.Children, Node{Name: names[i], Value: v, Children: []Node{{Value: lo}}})
		}
		for name, s := range map[string]string{
			"stacked": stacked.SVG(), "intervals": intervals.SVG(), "trend": line.SVG(),
			"sparkline": Sparkline{Values: values, Changes: []int{1}}.SVG(), "icicle": Icicle{Frame: frame, Unit: unit, Root: root}.SVG(),
		} {
			if _, _, err := wellFormed(s); err != nil {
				t.Fatalf("%s: %v\n%s", name, err, s)
			}
		}
	})
}

func luminance(hex string) float64 {
	var rgb [3]int
	if _, err := fmt.Sscanf(hex, "#%02x%02x%02x", &rgb[0], &rgb[1], &rgb[2]); err != nil {
		return math.NaN()
	}
	l := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		c := float64(rgb[i]) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		l += weight * c
	}
	return l
}

// Contrast by the WCAG 2 formula: 4.5 for text, on the page and on marks.
func TestContrast(t *testing.T) {
	for name, th := range map[string]theme{"light": light, "dark": dark} {
		check := func(a, b, what string) {
			la, lb := luminance(a), luminance(b)
			if ratio := (max(la, lb) + 0.05) / (min(la, lb) + 0.05); !(ratio >= 4.5) {
				t.Errorf("%s: %s: %s on %s is %.2f:1, want 4.5:1", name, what, a, b, ratio)
			}
		}
		check(th.fg, th.bg, "text")
		check(th.dim, th.bg, "dim text")
		check(th.better, th.bg, "better")
		check(th.worse, th.bg, "worse")
		for i, c := range th.cs {
			check(c, th.bg, fmt.Sprintf("series %d", i))
			check(th.on, c, fmt.Sprintf("text on series %d", i))
		}
	}
}

func TestAxis(t *testing.T) {
	for _, c := range []struct {
		unit   quantity.Unit
		lo, hi float64
		labels string
		name   string
	}{
		{quantity.Time, 0, 278.9e6, "0 100 200 300", "t, µs"},
		{quantity.Time, 1.48e9, 1.68e9, "1.45 1.50 1.55 1.60 1.65 1.70", "t, ms"},
		{quantity.Change, -0.12, 0.274, "-20 -10 0 10 20 30", "t, %"},
		{quantity.Bytes, 0, 3 << 30, "0 1 2 3", "t, GiB"},
		{quantity.Count, 1 << 60, 1<<60 + 512, "1000000000000000000 1050000000000000000 1100000000000000000 1150000000000000000 1200000000000000000 1250000000000000000 1300000000000000000", "t"},
		{quantity.Count, 0, 0, "0.0 0.2 0.4 0.6 0.8 1.0", "t"},
	} {
		a := newAxis(c.unit, c.lo, c.hi, 0, 100, 5)
		var labels []string
		for _, tick := range a.ticks {
			labels = append(labels, a.label(tick))
		}
		if got := strings.Join(labels, " "); got != c.labels || a.name("t") != c.name {
			t.Errorf("axis of %v to %v: %s (%s), want %s (%s)", c.lo, c.hi, got, a.name("t"), c.labels, c.name)
		}
	}
}

// A node of a third of the root is a third of the width; forty children of a
// fifth of a pixel each become one box.
func TestIcicleGeometry(t *testing.T) {
	root := Node{Name: "r", Value: 300, Children: []Node{{Name: "a", Value: 100}}}
	for range 40 {
		root.Children = append(root.Children, Node{Name: "t", Value: 0.1})
	}
	s := Icicle{Frame: Frame{Width: 624}, Unit: quantity.Count, Root: root}.SVG() // 600 px within the margins
	for _, want := range []string{
		`<rect class="ls-c0" x="12" y="32" width="200" height="19"><title>r/a: 100 (33.3 % of r)</title></rect>`,
		`<rect class="ls-c9" x="212" y="32" width="8" height="19"><title>r: 40 more: 4.0 (1.33 % of r)</title></rect>`,
	} {
		if !strings.Contains(s, want) {
			t.Errorf("no %s in\n%s", want, s)
		}
	}
}
