// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"errors"

	"github.com/layerscope/layerscope/trace/internal/ring"
)

// A kindSet is a set of kinds of records, by bit.
type kindSet uint

const hostKinds kindSet = 1<<ring.Span | 1<<ring.Instant | 1<<ring.Count

// each yields the records of a lane that are of some kinds, by start and a span
// before what it holds, with their attributes.
func (rec *Recording) each(lane int, kinds kindSet, yield func(*ring.Record, []ring.Record) error) error {
	if lane < 0 {
		return nil
	}
	first := rec.scale.First().Ticks
	var pending, own []ring.Record // attributes of records that start at the same tick
	var failed error
	err := rec.log.Each(lane, func(r *ring.Record) bool {
		if r.Start < first {
			return true // left over from the recording before
		}
		if len(pending) > 0 && pending[0].Start != r.Start {
			pending = pending[:0]
		}
		if r.Kind().Attr() {
			pending = append(pending, *r)
			return true
		}
		if kinds>>r.Kind()&1 == 0 {
			return true
		}
		own = own[:0]
		if len(pending) > 0 {
			pending, own = claim(pending, own, r.ID())
		}
		failed = yield(r, own)
		return failed == nil
	})
	if failed != nil {
		return failed
	}
	return err
}

// claim moves the attributes of the record with the given id from pending to own.
func claim(pending, own []ring.Record, id uint32) (rest, got []ring.Record) {
	rest = pending[:0]
	for _, a := range pending {
		if a.Extra == id {
			own = append(own, a)
		} else {
			rest = append(rest, a)
		}
	}
	return rest, own
}

var errFound = errors.New("found")

// has says whether a lane has records of some kinds.
func (rec *Recording) has(lane int, kinds kindSet) bool {
	found := false
	// An error comes up again when the events are written.
	_ = rec.each(lane, kinds, func(*ring.Record, []ring.Record) error {
		found = true
		return errFound
	})
	return found
}

// span places a record: picoseconds since the recording began.
func (rec *Recording) span(r *ring.Record) (start, dur int64) {
	start = rec.scale.Picoseconds(r.Start)
	return start, rec.scale.Picoseconds(r.End()) - start
}
