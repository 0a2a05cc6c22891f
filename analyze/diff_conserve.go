// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"fmt"

	"github.com/layerscope/layerscope/analyze/internal/stats"
)

// A delta is a mean per step on both sides; new − base = delta.
type delta struct {
	base, new, delta Duration
}

func (d *delta) add(o delta) {
	d.base += o.base
	d.new += o.new
	d.delta += o.delta
}

// A leaf is the smallest thing that conservation knows: an op pair, what is
// left of a component, or the unattributed time.
type leaf struct {
	base, new int64 // totals
	to        *delta
}

// conserve turns totals into means per step that add up at every level: the
// leaves are rounded together, parents are their sums.
func (d *differ) conserve() error {
	var leaves []leaf
	for _, p := range d.pairs {
		for _, c := range p.comps {
			for _, o := range c.ops {
				leaves = append(leaves, leaf{selfOf(o.base), selfOf(o.new), &o.mean})
			}
			var b, n int64
			if c.base != nil {
				b = c.base.rest
			}
			if c.new != nil {
				n = c.new.rest
			}
			if b != 0 || n != 0 {
				leaves = append(leaves, leaf{b, n, &c.rest})
			}
		}
	}
	leaves = append(leaves, leaf{d.base.none, d.new.none, &d.rest.mean})
	base, new := make([]int64, len(leaves)), make([]int64, len(leaves))
	for i, l := range leaves {
		base[i], new[i] = l.base, l.new
	}
	rows, total, err := stats.MeanDeltas(base, new, d.base.steps, d.new.steps)
	if err != nil {
		return fmt.Errorf("means per step: %w", err)
	}
	for i, r := range rows {
		*leaves[i].to = delta{Duration(r.Base), Duration(r.New), Duration(r.Delta)}
	}
	for _, p := range d.pairs {
		for _, c := range p.comps {
			c.mean = c.rest
			for _, o := range c.ops {
				c.mean.add(o.mean)
			}
			p.mean.add(c.mean)
		}
	}
	d.sumUp(Duration(total.Delta))
	return nil
}

func (d *differ) sumUp(total Duration) {
	k := &d.c.Conservation
	k.Delta, k.Unattributed = total, d.rest.mean.delta
	for _, p := range d.pairs {
		switch {
		case p.base == nil:
			k.Added += p.mean.new
		case p.new == nil:
			k.Removed += p.mean.base
		default:
			k.Matched += p.mean.delta
		}
	}
}

func selfOf(gs []*opGroup) (n int64) {
	for _, g := range gs {
		n += g.self
	}
	return n
}
