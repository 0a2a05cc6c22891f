// SPDX-License-Identifier: Apache-2.0

package cpu

import (
	"fmt"

	"github.com/layerscope/layerscope/engine/internal/program"
)

// check holds inputs against the shape, so that kernels need not.
func (e *executable) check(in program.Inputs) error {
	s := e.p.Shape
	cached := 0
	if in.Cache != nil {
		cached = in.Cache.Len()
	}
	switch {
	case len(in.IDs) != s.Tokens || len(in.Positions) != s.Tokens || len(in.Rows) != s.Rows || len(in.Labels) != s.Labels:
		return fmt.Errorf("execute %s: %d ids, %d positions, %d rows, %d labels", s.Key(), len(in.IDs), len(in.Positions), len(in.Rows), len(in.Labels))
	case (s.Cache > 0 || s.Store) && in.Cache == nil:
		return fmt.Errorf("execute %s: no cache", s.Key())
	case s.Cache > 0 && cached > s.Cache:
		return fmt.Errorf("execute %s: cache of %d tokens", s.Key(), cached)
	}
	for i, id := range in.IDs {
		if id < 0 || int(id) >= e.b.cfg.Vocab {
			return fmt.Errorf("execute %s: id %d at %d, the vocabulary has %d", s.Key(), id, i, e.b.cfg.Vocab)
		}
		if p := in.Positions[i]; p < 0 || int(p) >= e.b.ropes[0].cos.Rows {
			return fmt.Errorf("execute %s: position %d at %d, the tables hold %d", s.Key(), p, i, e.b.ropes[0].cos.Rows)
		}
	}
	for _, id := range in.Labels {
		if id < 0 || int(id) >= e.b.cfg.Vocab {
			return fmt.Errorf("execute %s: label %d, the vocabulary has %d", s.Key(), id, e.b.cfg.Vocab)
		}
	}
	for _, r := range in.Rows {
		if r < 0 || int(r) >= s.Tokens {
			return fmt.Errorf("execute %s: row %d of %d", s.Key(), r, s.Tokens)
		}
	}
	at := 0
	for i, r := range in.Runs {
		if r.First < at || r.Len < 0 || r.Len > s.Tokens-r.First || i > 0 && !r.Item {
			return fmt.Errorf("execute %s: run %d is %+v, wanted rising runs of %d tokens, the query first", s.Key(), i, r, s.Tokens)
		}
		at = r.First + r.Len
	}
	return nil
}
