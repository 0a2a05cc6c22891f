// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"slices"
	"strings"
)

// A partPair is a row of the layer table on both sides; one is nil where the
// other side has nothing like it.
type partPair struct {
	base, new *part
	name      string // key of its row
	comps     []*compPair
	mean      delta
}

// A compPair is a component of a part on both sides.
type compPair struct {
	base, new *compPart
	ops       []*opPair
	rest      delta
	mean      delta
}

// An opPair is groups of ops that do the same on both sides. level says how much
// of their keys agreed: an index of opLevels, or −1 for one side only.
type opPair struct {
	base, new []*opGroup
	level     int
	mean      delta
	from      string // "layer/component" on the base side, when moved
	moved     *opPair
}

// key is the part's key on the new side. One that is gone keeps its own, marked
// where the new side calls another part so.
func (p *partPair) key() string { return p.name }

func (d *differ) setKey(p *partPair) {
	switch {
	case p.new != nil:
		p.name = p.new.key
	case d.new.byKey[p.base.key] != nil:
		p.name = p.base.key + " (base)"
	default:
		p.name = p.base.key
	}
}

func (p *partPair) index() int {
	if p.new != nil {
		return p.new.index
	}
	return p.base.index
}

func (p *compPair) name() string {
	if p.new != nil {
		return p.new.name
	}
	return p.base.name
}

// align matches layers, then named parts, then components and ops inside.
func (d *differ) align() {
	layersB, partsB := d.base.split()
	layersN, partsN := d.new.split()
	d.pairs = append(pairLayers(layersB, layersN), pairParts(partsB, partsN)...)
	for _, p := range d.pairs {
		d.setKey(p)
		p.pairComponents()
	}
	d.findMoved()
	d.c.Layers.Base, d.c.Layers.New = len(layersB), len(layersN)
	for _, p := range d.pairs {
		if p.base != nil && p.new != nil && p.new.index >= 0 {
			d.c.Layers.Matched++
		}
	}
}

// split returns the layers and the named parts outside them.
func (v *view) split() (layers, parts []*part) {
	for _, p := range v.parts {
		if p.index >= 0 {
			layers = append(layers, p)
		} else {
			parts = append(parts, p)
		}
	}
	return layers, parts
}

// A stack is the layers that have one prefix ("encoder"), by index.
type stack struct {
	name   string
	layers []*part
}

func stacksOf(layers []*part) []*stack {
	var out []*stack
	for _, p := range layers {
		name := stackOf(p.key)
		i := slices.IndexFunc(out, func(s *stack) bool { return s.name == name })
		if i < 0 {
			i = len(out)
			out = append(out, &stack{name: name})
		}
		out[i].layers = append(out[i].layers, p)
	}
	for _, s := range out {
		slices.SortStableFunc(s.layers, func(a, b *part) int { return a.index - b.index })
	}
	return out
}

// pairLayers matches stacks: of one name, then of one length in their order,
// then what is left in its order.
func pairLayers(base, new []*part) []*partPair {
	bs, ns := stacksOf(base), stacksOf(new)
	var out []*partPair
	for _, same := range []func(b, n *stack) bool{
		func(b, n *stack) bool { return b.name == n.name },
		func(b, n *stack) bool { return len(b.layers) == len(n.layers) },
		func(_, _ *stack) bool { return true },
	} {
		for i, b := range bs {
			for k, n := range ns {
				if b != nil && n != nil && same(b, n) {
					out = append(out, pairStack(b.layers, n.layers)...)
					bs[i], ns[k] = nil, nil
					b = nil
				}
			}
		}
	}
	for _, b := range bs {
		if b != nil {
			out = append(out, pairStack(b.layers, nil)...)
		}
	}
	for _, n := range ns {
		if n != nil {
			out = append(out, pairStack(nil, n.layers)...)
		}
	}
	return out
}

// pairStack matches the layers of one stack. Of equal number, the k-th layer is
// the k-th, whatever they are called. Else layers were added or removed
// somewhere: the longest common subsequence of layers of one make; what stands
// between two of its members is matched in order as far as it goes.
func pairStack(base, new []*part) []*partPair {
	if len(base) == len(new) {
		out := make([]*partPair, len(base))
		for i := range base {
			out[i] = &partPair{base: base[i], new: new[i]}
		}
		return out
	}
	makeOf := make(map[*part]string)
	for _, p := range slices.Concat(base, new) {
		makeOf[p] = p.composition()
	}
	return closeGaps(lcs(base, new, func(b, n *part) bool { return makeOf[b] == makeOf[n] }))
}

// composition describes what a layer is made of: its components and the kinds of ops
// in them, as a set.
func (p *part) composition() string {
	var kinds []string
	for _, c := range p.comps {
		for _, g := range c.groups {
			kinds = append(kinds, c.name+"|"+g.key.scope+"|"+g.key.prim)
		}
		if len(c.groups) == 0 {
			kinds = append(kinds, c.name)
		}
	}
	slices.Sort(kinds)
	return strings.Join(slices.Compact(kinds), "\n")
}

// lcs pairs two sequences by their longest common subsequence, in order; the
// rest is of one side.
func lcs(base, new []*part, same func(b, n *part) bool) []*partPair {
	n, m := len(base), len(new)
	length := make([][]int32, n+1)
	for i := range length {
		length[i] = make([]int32, m+1)
	}
	for i := n - 1; i >= 0; i-- {
		for j := m - 1; j >= 0; j-- {
			if same(base[i], new[j]) {
				length[i][j] = length[i+1][j+1] + 1
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	var out []*partPair
	i, j := 0, 0
	for i < n || j < m {
		switch {
		case i < n && j < m && same(base[i], new[j]) && length[i][j] == length[i+1][j+1]+1:
			out = append(out, &partPair{base: base[i], new: new[j]})
			i, j = i+1, j+1
		case j == m || i < n && length[i+1][j] >= length[i][j+1]:
			out = append(out, &partPair{base: base[i]})
			i++
		default:
			out = append(out, &partPair{new: new[j]})
			j++
		}
	}
	return out
}

// closeGaps matches neighbours of one side each: a layer of another make in the
// place of one.
func closeGaps(in []*partPair) []*partPair {
	var out, base, new []*partPair
	flush := func() {
		n := min(len(base), len(new))
		for i := range n {
			out = append(out, &partPair{base: base[i].base, new: new[i].new})
		}
		out = append(append(out, base[n:]...), new[n:]...)
		base, new = nil, nil
	}
	for _, p := range in {
		switch {
		case p.new == nil:
			base = append(base, p)
		case p.base == nil:
			new = append(new, p)
		default:
			flush()
			out = append(out, p)
		}
	}
	flush()
	return out
}

// pairParts matches named parts: by name, then by what they hold.
func pairParts(base, new []*part) []*partPair {
	var out []*partPair
	taken := make(map[*part]bool)
	for _, by := range []func(b, n *part) bool{
		func(b, n *part) bool { return b.key == n.key },
		alike,
	} {
		for _, b := range base {
			for _, n := range new {
				if !taken[b] && !taken[n] && by(b, n) {
					taken[b], taken[n] = true, true
					out = append(out, &partPair{base: b, new: n})
				}
			}
		}
	}
	for _, b := range base {
		if !taken[b] {
			out = append(out, &partPair{base: b})
		}
	}
	for _, n := range new {
		if !taken[n] {
			out = append(out, &partPair{new: n})
		}
	}
	return out
}

// alike reports whether more than half of both parts' time is in ops of keys
// that the other has, too.
func alike(b, n *part) bool {
	common := func(x, y *part) bool {
		keys := make(map[opKey]bool)
		for _, c := range y.comps {
			for _, g := range c.groups {
				keys[g.key] = true
			}
		}
		var in int64
		for _, c := range x.comps {
			for _, g := range c.groups {
				if keys[g.key] {
					in += g.self
				}
			}
		}
		return 2*in > x.self
	}
	return common(b, n) && common(n, b)
}
