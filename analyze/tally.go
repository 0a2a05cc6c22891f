// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"cmp"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/layerscope/layerscope/trace"
)

// A tally is the sum over all events of one op.
type tally struct {
	count      int64
	total      Duration
	self       Duration
	min        Duration
	flops, mem int64 // measured at run time
}

func (t *tally) add(c *closed, b *closings) {
	if c.extra >= 0 {
		t.addExtra(c, &b.extras[c.extra])
		return
	}
	if t.count == 0 || c.dur < t.min {
		t.min = c.dur
	}
	t.count++
	t.total += c.dur
	t.self += c.self
}

func (t *tally) addExtra(c *closed, e *extras) {
	if t.count == 0 || e.min < t.min {
		t.min = e.min
	}
	t.count += e.count
	t.total += c.dur
	t.self += c.self
	t.flops += e.flops
	t.mem += e.mem
}

func (t *tally) merge(u *tally) {
	if u.count == 0 {
		return
	}
	if t.count == 0 || u.min < t.min {
		t.min = u.min
	}
	t.count += u.count
	t.total += u.total
	t.self += u.self
	t.flops += u.flops
	t.mem += u.mem
}

// A trackTally is one track's lane and ops.
type trackTally struct {
	track *trace.Track
	lane  lane
	ops   map[trace.OpID]*tally
}

// tallyTracks sums every track, on all cores, largest first. Results are in the
// order of tracks, whatever the scheduling.
func tallyTracks(tracks []*trace.Track, ops int) ([]trackTally, error) {
	out := make([]trackTally, len(tracks))
	var pool sync.Pool // of dense tables, all zero: fresh memory costs more than the sums
	err := eachTrack(tracks, func(i int, tr *trace.Track) error {
		dense, ok := pool.Get().(*denseTally)
		if !ok {
			dense = &denseTally{sums: make([]tally, ops)}
		}
		ln, err := selfTimes(tr, dense.add)
		out[i] = trackTally{track: tr, lane: ln, ops: dense.take()}
		pool.Put(dense)
		return err
	})
	return out, err
}

// A denseTally sums by op in a table as long as the op table.
type denseTally struct {
	sums []tally
	used []trace.OpID
}

func (d *denseTally) add(b *closings) {
	if b == nil {
		d.take()
		return
	}
	for k := range b.events {
		c := &b.events[k]
		t := &d.sums[c.op]
		if t.count == 0 {
			d.used = append(d.used, c.op)
		}
		t.add(c, b)
	}
}

// take returns the sums and clears the table.
func (d *denseTally) take() map[trace.OpID]*tally {
	out := make(map[trace.OpID]*tally, len(d.used))
	for _, op := range d.used {
		t := d.sums[op]
		out[op] = &t
		d.sums[op] = tally{}
	}
	d.used = d.used[:0]
	return out
}

// eachTrack calls f for every track, largest first, on as many goroutines as
// there are cores; all have ended when it returns the first error by track.
func eachTrack(tracks []*trace.Track, f func(i int, tr *trace.Track) error) error {
	order := make([]int, len(tracks))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(tracks[b].Bytes, tracks[a].Bytes) })
	errs := make([]error, len(tracks))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(tracks)) {
		wg.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= len(order) {
					return
				}
				i := order[n]
				errs[i] = f(i, tracks[i])
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
