// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"cmp"
	"errors"
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
	ops   []opTally // of the ops that the track has, in order of first sight
}

type opTally struct {
	tally
	op trace.OpID
}

// tallyTracks sums every track, on all cores, largest first. Results are in the
// order of tracks, whatever the scheduling.
func tallyTracks(tracks []*trace.Track, ops int) ([]trackTally, error) {
	out := make([]trackTally, len(tracks))
	var pool sync.Pool // of tables, all zero: fresh memory costs more than the sums
	err := eachTrack(tracks, func(i int, tr *trace.Track) error {
		tl, ok := pool.Get().(*tallier)
		if !ok {
			tl = &tallier{byOp: make([]tally, ops)}
		}
		ln, err := tl.read(tr)
		out[i] = trackTally{track: tr, lane: ln, ops: tl.take()}
		pool.Put(tl)
		return err
	})
	return out, err
}

// eachTrack calls f for every track, largest first, on as many goroutines as
// there are cores; all have ended when it returns the first error by track. f is
// called again for a track that says [trace.ErrAgain].
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
				if errs[i] = f(i, tracks[i]); errors.Is(errs[i], trace.ErrAgain) {
					errs[i] = f(i, tracks[i])
				}
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
