// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"cmp"
	"math"
	"slices"
)

// opsOnly finishes an analysis that is to have the tables of ops, categories and
// programs: what the events add up to by op is known, and where ops belong.
func (s *study) opsOnly() error {
	s.out.OpsOnly = true
	s.indexComponents()
	if err := s.summariseDevices(); err != nil {
		return err
	}
	l := &s.out.Layers
	for i := range s.out.Devices {
		l.OpTime += s.out.Devices[i].OpTime
	}
	for i := range s.ops {
		if s.ops[i].row == unplaced {
			l.Unattributed += s.ops[i].self
		}
	}
	for i := range s.rows {
		if s.rows[i].index >= 0 {
			l.Count++
		}
	}
	s.tableOps()
	s.notePlaces()
	s.judge()
	return nil
}

// busyUnion returns the time in which any track of a device had an op open; of one
// track that is what its walk found.
func (s *study) busyUnion(device int, oneTrack Duration) (Duration, error) {
	if len(s.tracksOn[device]) <= 1 {
		return oneTrack, nil
	}
	var all []span
	for _, i := range s.tracksOn[device] {
		n := len(all) // spans of other tracks are not to be extended
		for b, err := range s.tracks[i].Batches() {
			if err != nil {
				return 0, err
			}
			if b.Self != nil {
				continue
			}
			for k, start := range b.Start {
				end := start.Add(b.Dur[k])
				if last := len(all) - 1; last >= n && start >= all[last].start && start <= all[last].end {
					all[last].end = max(all[last].end, end)
				} else {
					all = append(all, span{start, end})
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	var busy Duration
	now := Time(math.MinInt64)
	for _, sp := range all {
		if from := max(now, sp.start); sp.end > from {
			busy += sp.end.Sub(from)
			now = sp.end
		}
	}
	return busy, nil
}
