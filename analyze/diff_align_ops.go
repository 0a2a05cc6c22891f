// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"fmt"
	"slices"
)

// pairComponents matches a part's components by name, and what is left over when
// there is one on each side.
func (p *partPair) pairComponents() {
	var base, new []*compPart
	if p.base != nil {
		base = p.base.comps
	}
	if p.new != nil {
		new = p.new.comps
	}
	var left []*compPart
	used := make(map[*compPart]bool)
	for _, b := range base {
		i := slices.IndexFunc(new, func(n *compPart) bool { return n.name == b.name })
		if i < 0 {
			left = append(left, b)
			continue
		}
		used[new[i]] = true
		p.comps = append(p.comps, &compPair{base: b, new: new[i]})
	}
	right := slices.DeleteFunc(slices.Clone(new), func(n *compPart) bool { return used[n] })
	if len(left) == 1 && len(right) == 1 && p.base != nil && p.new != nil && sameMake(left[0], right[0]) {
		p.comps = append(p.comps, &compPair{base: left[0], new: right[0]})
		left, right = nil, nil
	}
	for _, b := range left {
		p.comps = append(p.comps, &compPair{base: b})
	}
	for _, n := range right {
		p.comps = append(p.comps, &compPair{new: n})
	}
	for _, c := range p.comps {
		c.pairOps()
	}
}

// sameMake reports whether two components of different names have an op key in
// common.
func sameMake(b, n *compPart) bool {
	return slices.ContainsFunc(b.groups, func(x *opGroup) bool {
		return slices.ContainsFunc(n.groups, func(y *opGroup) bool { return x.key == y.key })
	})
}

// opLevels are what ops must have in common, from everything to next to nothing:
// an op is matched at the first level where it agrees with one of the other
// side. Ops of one key are matched as a group, so that one op which became three
// is one row.
var opLevels = []struct {
	name string
	of   func(k opKey) opKey
}{
	{"the same op", func(k opKey) opKey { return k }},
	{"the same op, other shape", func(k opKey) opKey { k.shape = ""; return k }},
	{"the same scope, primitive and category", func(k opKey) opKey { return opKey{scope: k.scope, prim: k.prim, category: k.category} }},
	{"the same scope and category", func(k opKey) opKey { return opKey{scope: k.scope, category: k.category} }},
	{"the same scope", func(k opKey) opKey { return opKey{scope: k.scope} }},
	{"the same kind and shape", func(k opKey) opKey { return opKey{category: k.category, shape: k.shape} }},
	{"the same category", func(k opKey) opKey { return opKey{category: k.category} }},
}

func (c *compPair) pairOps() {
	var base, new []*opGroup
	if c.base != nil {
		base = c.base.groups
	}
	if c.new != nil {
		new = c.new.groups
	}
	for l, level := range opLevels {
		if len(base) == 0 || len(new) == 0 {
			break
		}
		at := make(map[opKey]*opPair)
		var order []*opPair
		for _, g := range base {
			k := level.of(g.key)
			if k == (opKey{}) {
				continue
			}
			p := at[k]
			if p == nil {
				p = &opPair{level: l}
				at[k] = p
				order = append(order, p)
			}
			p.base = append(p.base, g)
		}
		for _, g := range new {
			if p := at[level.of(g.key)]; p != nil {
				p.new = append(p.new, g)
			}
		}
		done := make(map[*opGroup]bool)
		for _, p := range order {
			if len(p.new) > 0 {
				c.ops = append(c.ops, p)
				for _, g := range slices.Concat(p.base, p.new) {
					done[g] = true
				}
			}
		}
		left := func(gs []*opGroup) []*opGroup {
			return slices.DeleteFunc(slices.Clone(gs), func(g *opGroup) bool { return done[g] })
		}
		base, new = left(base), left(new)
	}
	for _, g := range base {
		c.ops = append(c.ops, &opPair{base: []*opGroup{g}, level: -1})
	}
	for _, g := range new {
		c.ops = append(c.ops, &opPair{new: []*opGroup{g}, level: -1})
	}
}

// findMoved joins ops that left one part with equal ones that came to another:
// the compiler moved work, it is neither new nor gone.
func (d *differ) findMoved() {
	type place struct {
		pair *opPair
		at   string
	}
	gone := make(map[opKey][]place)
	each := func(f func(key string, o *opPair)) {
		for _, p := range d.pairs {
			for _, c := range p.comps {
				for _, o := range c.ops {
					f(p.key()+"/"+c.name(), o)
				}
			}
		}
	}
	each(func(key string, o *opPair) {
		if o.level < 0 && len(o.base) == 1 {
			gone[o.base[0].key] = append(gone[o.base[0].key], place{o, key})
		}
	})
	each(func(key string, o *opPair) {
		if o.level >= 0 || len(o.new) != 1 {
			return
		}
		if list := gone[o.new[0].key]; len(list) > 0 {
			from := list[0]
			gone[o.new[0].key] = list[1:]
			o.moved, o.from = from.pair, from.at
			from.pair.moved, from.pair.from = o, key
		}
	})
}

// changed says in words how ops became others, "" when one stayed one.
func (o *opPair) changed() string {
	b, n := opCount(o.base), opCount(o.new)
	switch {
	case b == 0 || n == 0 || b == n:
		return ""
	case b < n:
		return fmt.Sprintf("%d became %d: split", b, n)
	}
	return fmt.Sprintf("%d became %d: fused", b, n)
}

func opCount(gs []*opGroup) int {
	n := 0
	for _, g := range gs {
		n += len(g.names)
	}
	return n
}
