// SPDX-License-Identifier: Apache-2.0

package svg

import (
	"fmt"

	"github.com/layerscope/layerscope/reports/internal/quantity"
)

// Icicle is a tree of parts: each node as wide as its value, its children below
// it (above it with Flame). What a node's children leave free is its own.
type Icicle struct {
	Frame
	Unit  quantity.Unit
	Root  Node
	Flame bool // grow upwards
	Depth int  // levels below the root; default 12
}

// A Node is a part of a tree. Value includes the children's, whose order is the
// drawing order.
type Node struct {
	Name     string
	Value    float64 // base unit
	Children []Node
}

const (
	icicleRow    = 20.0
	narrowest    = 0.7 // pixels; neighbours narrower than that are drawn as one
	icicleLevels = 12
)

type icicle struct {
	Icicle
	c     *canvas
	top   float64
	rows  int
	perPx float64 // value of a pixel
}

// SVG draws the chart. Nodes too narrow to see are drawn together as "n more".
func (s Icicle) SVG() string {
	c := &canvas{frame: s.Frame}
	if s.Depth <= 0 {
		s.Depth = icicleLevels
	}
	d := icicle{Icicle: s, c: c, top: c.heading(), rows: min(s.Root.depth(s.Depth), s.Depth) + 1}
	width := s.width() - 2*margin
	d.perPx = max(finite(s.Root.Value), 0) / width
	if !(d.perPx > 0) {
		return c.nothing(d.top)
	}
	d.node(s.Root, "", margin, width, 0, Palette-1)
	return c.done(d.top + float64(d.rows)*icicleRow + margin)
}

// depth returns the number of levels below n, no more than limit.
func (n Node) depth(limit int) int {
	if limit == 0 {
		return 0
	}
	most := 0
	for _, child := range n.Children {
		most = max(most, 1+child.depth(limit-1))
	}
	return most
}

// node draws n and what is below it. Children that claim more than their parent
// has are squeezed to fit.
func (d *icicle) node(n Node, path string, x, width float64, level, color int) {
	path += elide(n.Name, labelMax*2, smallChar)
	d.box(n.Name, path, n.Value, x, width, level, color)
	if level >= d.Depth {
		return
	}
	sum := 0.0
	for _, child := range n.Children {
		sum += max(finite(child.Value), 0)
	}
	perPx := max(n.Value, sum) / width
	var rest float64 // value of the run of narrow children
	var more int
	for i, child := range n.Children {
		w := max(finite(child.Value), 0) / perPx
		if w < narrowest {
			rest += max(finite(child.Value), 0)
			more++
			continue
		}
		x = d.more(more, rest, path, x, perPx, level+1)
		rest, more = 0, 0
		c := color
		if level == 0 {
			c = i % Palette
		}
		d.node(child, path+"/", x, w, level+1, c)
		x += w
	}
	d.more(more, rest, path, x, perPx, level+1)
}

// more draws a run of n narrow nodes as one box and returns the x behind it.
func (d *icicle) more(n int, value float64, path string, x, perPx float64, level int) float64 {
	w := value / perPx
	if n > 0 && w >= narrowest {
		d.box("…", fmt.Sprintf("%s: %d more", path, n), value, x, w, level, Palette-1)
	}
	return x + w
}

func (d *icicle) box(name, path string, value, x, width float64, level, color int) {
	row := level
	if d.Flame {
		row = d.rows - 1 - level
	}
	y := d.top + float64(row)*icicleRow
	tip := fmt.Sprintf("%s: %s (%s of %s)", path, quantity.Format(d.Unit, quantity.Real(value)),
		quantity.Format(quantity.Share, quantity.Real(value/d.Root.Value)), d.Root.Name)
	d.c.rect(x, y, width, icicleRow-1, series(color), tip)
	if width >= 4*smallChar {
		d.c.text(x+4, y+13.5, "start", "ls-on", elide(name, width-6, smallChar))
	}
}
