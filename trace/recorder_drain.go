// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"errors"
	"time"

	"github.com/layerscope/layerscope/trace/internal/ring"
	"github.com/layerscope/layerscope/trace/internal/tick"
)

// drainEvery is how often rings are emptied and clocks compared.
const drainEvery = 10 * time.Millisecond

// A drainer empties the rings of a recorder while a recording runs.
type drainer struct {
	log   *ring.Log
	scale tick.Scale
	lost  []int64  // records that found no room, by lane
	depth []uint32 // of the span that ended last, by lane
	stop  chan struct{}
	done  chan struct{}
}

// Start begins a recording. It fails when one runs already.
func (r *Recorder) Start() error {
	if r == nil {
		return errors.New("start of a nil recorder")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.drain != nil {
		return errors.New("a recording is running already, wanted none: stop it first")
	}
	for _, l := range r.lanes { // what came too late for the recording before
		l.ring.Drain(func([]ring.Record) {})
		l.ring.Lost()
	}
	r.texts.reset()
	d := &drainer{log: ring.NewLog(r.opts.Memory, r.opts.Dir), stop: make(chan struct{}), done: make(chan struct{})}
	d.scale.Add(r.clock.Pair())
	r.drain = d
	go r.drainLoop(d)
	r.last = max(r.last+1, 1)
	r.gen.Store(r.last)
	return nil
}

func (r *Recorder) drainLoop(d *drainer) {
	defer close(d.done)
	t := time.NewTicker(drainEvery)
	defer t.Stop()
	for {
		select {
		case <-d.stop:
			r.drainOnce(d)
			d.scale.Add(r.clock.Pair())
			return
		case <-t.C:
			d.scale.Add(r.clock.Pair())
		case <-r.wake:
		}
		r.drainOnce(d)
	}
}

func (r *Recorder) drainOnce(d *drainer) {
	r.mu.Lock()
	lanes := r.lanes
	r.mu.Unlock()
	for len(d.lost) < len(lanes) {
		d.lost = append(d.lost, 0)
		d.depth = append(d.depth, 0)
	}
	for i, l := range lanes {
		l.ring.Drain(func(recs []ring.Record) {
			d.log.Add(i, recs)
			if last := &recs[len(recs)-1]; last.Kind() == ring.Span {
				d.depth[i] = last.Extra
			}
		})
		d.lost[i] += int64(l.ring.Lost())
	}
}

// Stop ends the recording and returns it. Spans that have not ended are lost:
// let them end first.
func (r *Recorder) Stop() (*Recording, error) {
	if r == nil {
		return nil, errors.New("stop of a nil recorder")
	}
	r.mu.Lock()
	d := r.drain
	r.drain = nil
	r.mu.Unlock()
	if d == nil {
		return nil, errors.New("no recording is running")
	}
	r.gen.Store(0)
	close(d.stop)
	<-d.done
	rec := r.recording(d)
	if err := d.log.Sort(); err != nil {
		return nil, errors.Join(err, d.log.Close())
	}
	return rec, nil
}
