// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"cmp"
	"math"
	"slices"

	"github.com/layerscope/layerscope/trace"
)

// A piece is a stretch of one track's time that belongs to one op: the
// innermost one open.
type piece struct {
	start, end Time
	row        int32
	step       int32
}

// pieces cuts a track's nest into stretches by innermost op. Where ops of one
// track overlap without nesting, the later one takes over.
func (s *study) pieces(tr *trace.Track, pl *placer) ([]piece, error) {
	type openOp struct {
		end       Time
		row, step int32
	}
	var out []piece
	var stack []openOp
	now := Time(math.MinInt64)
	emit := func(until Time) {
		if n := len(stack); n > 0 && until > now {
			out = append(out, piece{now, until, stack[n-1].row, stack[n-1].step})
		}
		now = max(now, until)
	}
	add := func(e seqOp) {
		for n := len(stack); n > 0 && stack[n-1].end <= e.start; n = len(stack) {
			emit(stack[n-1].end)
			stack = stack[:n-1]
		}
		emit(e.start)
		end := e.start.Add(e.dur)
		for n := len(stack); n > 0 && stack[n-1].end < end; n = len(stack) {
			stack = stack[:n-1]
		}
		now = max(now, e.start)
		stack = append(stack, openOp{end, pl.row(&closed{op: e.op, start: e.start}), pl.steps.at(e.start)})
	}
	events, err := s.ordered(tr)
	for _, e := range events {
		add(e)
	}
	for n := len(stack); n > 0; n = len(stack) {
		emit(stack[n-1].end)
		stack = stack[:n-1]
	}
	return out, err
}

// ordered returns a track's events by start, longest first.
func (s *study) ordered(tr *trace.Track) ([]seqOp, error) {
	var events []seqOp
	for b, err := range tr.Batches() {
		if err != nil {
			return nil, err
		}
		if b.Self != nil {
			continue
		}
		for i, op := range b.Op {
			events = append(events, seqOp{op, b.Start[i], b.Dur[i]})
		}
	}
	byStart := func(a, b seqOp) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.dur, a.dur))
	}
	if !slices.IsSortedFunc(events, byStart) {
		slices.SortStableFunc(events, byStart)
	}
	return events, nil
}

// A border is where a piece begins or ends.
type border struct {
	at    Time
	piece int32
	end   bool
}

// shareWall splits each instant of a device equally between the ops that are
// innermost on its tracks, to the picosecond, and returns the time in which any
// was open.
func (s *study) shareWall(device int) (Duration, error) {
	var all []piece
	for _, i := range s.tracksOn[device] {
		tr := s.tracks[i]
		pl, err := s.newPlacer(tr)
		if err != nil {
			return 0, err
		}
		ps, err := s.pieces(tr, pl)
		if err != nil {
			return 0, err
		}
		all = append(all, ps...)
	}
	borders := make([]border, 0, 2*len(all))
	for i, p := range all {
		borders = append(borders, border{p.start, int32(i), false}, border{p.end, int32(i), true})
	}
	slices.SortFunc(borders, func(a, b border) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.piece, b.piece))
	})
	var busy Duration
	var active []int32
	var now Time
	for _, b := range borders {
		if n := Duration(len(active)); n > 0 && b.at > now {
			d := b.at.Sub(now)
			busy += d
			each, rest := d/n, d%n
			for k, i := range active {
				share := each
				if Duration(k) < rest {
					share++
				}
				s.shareTo(&all[i], share)
			}
		}
		now = b.at
		if !b.end {
			active = append(active, b.piece)
		} else if k := slices.Index(active, b.piece); k >= 0 {
			active = slices.Delete(active, k, k+1)
		}
	}
	return busy, nil
}

func (s *study) shareTo(p *piece, share Duration) {
	r := s.sheet.row(p.row + 1)
	r.wall += share
	if p.step >= 0 {
		r.wallStep[p.step] += share
	}
}
