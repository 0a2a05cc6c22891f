// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// spinRounds is how long an idle worker polls before it parks: about 50 µs.
// A forward pass starts its next kernel within that time, and waking a parked
// worker costs 5-50 µs on a virtual machine.
const spinRounds = 200

// workers is the process-wide pool. One region runs at a time; a region that
// finds the pool taken (another goroutine's, or a nested one) runs on its own
// goroutine instead, with the same result.
var workers pool

type pool struct {
	want    atomic.Int32 // workers incl. the caller; 0 = GOMAXPROCS
	region  sync.Mutex   // held while a region runs; guards helpers
	helpers []*worker
	job     atomic.Pointer[job]
}

type worker struct {
	parked atomic.Bool
	wake   chan struct{}
	gone   chan struct{}
}

// job is one parallel region. Tasks are claimed by counting up; the region is
// over when done reaches n, so that a helper which never got a core holds
// nobody up.
type job struct {
	fn    func(i, worker int)
	n     int64
	limit int // workers with a number of limit or more stay out
	stop  bool
	_     [64]byte
	next  atomic.Int64
	_     [64]byte
	done  atomic.Int64
}

// SetWorkers sets the number of cores that kernels use, the caller's
// included; 0 means GOMAXPROCS. Results don't depend on it.
func SetWorkers(n int) {
	StopWorkers()
	workers.want.Store(int32(max(0, n)))
}

// Workers returns the number of cores that kernels use.
func Workers() int {
	if n := int(workers.want.Load()); n > 0 {
		return n
	}
	return runtime.GOMAXPROCS(0)
}

// StopWorkers ends the helper goroutines and waits for them. The next kernel
// starts them again.
func StopWorkers() {
	p := &workers
	p.region.Lock()
	defer p.region.Unlock()
	p.publish(&job{stop: true})
	for _, w := range p.helpers {
		<-w.gone
	}
	p.helpers = nil
	p.job.Store(nil)
}

// Parallel calls fn(i, w) for every i in [0, n), on several cores where they
// help. w < Workers() numbers the core within this call, for scratch memory;
// two calls at the same time may use the same w.
func Parallel(n int, fn func(i, w int)) { parallel(Workers(), n, fn) }

// parallel is Parallel on at most nw cores; w < nw.
func parallel(nw, n int, fn func(i, w int)) {
	if n <= 1 || nw <= 1 || !workers.region.TryLock() {
		for i := range n {
			fn(i, 0)
		}
		return
	}
	defer workers.region.Unlock()
	workers.run(nw, n, fn)
}

// run is the body of parallel; the region is held.
func (p *pool) run(nw, n int, fn func(i, w int)) {
	for i := len(p.helpers) + 1; i < nw; i++ {
		w := &worker{wake: make(chan struct{}, 1), gone: make(chan struct{})}
		p.helpers = append(p.helpers, w)
		go w.loop(p, i, p.job.Load())
	}
	j := &job{fn: fn, n: int64(n), limit: nw}
	p.publish(j)
	j.work(0)
	for spins := 0; j.done.Load() < j.n; spins++ {
		if spins < spinRounds {
			pause()
		} else {
			runtime.Gosched()
		}
	}
	j.fn = nil // an idle helper still holds the job: let the closure go
}

func (p *pool) publish(j *job) {
	p.job.Store(j)
	for _, w := range p.helpers {
		if w.parked.CompareAndSwap(true, false) {
			w.wake <- struct{}{}
		}
	}
}

func (j *job) work(w int) {
	for {
		i := j.next.Add(1) - 1
		if i >= j.n {
			return
		}
		j.fn(int(i), w)
		j.done.Add(1)
	}
}

func (w *worker) loop(p *pool, id int, seen *job) {
	defer close(w.gone)
	for {
		j := w.await(p, seen)
		if j != nil {
			if j.stop {
				return
			}
			if id < j.limit {
				j.work(id)
			}
		}
		seen = j
	}
}

// await returns the pool's job once it is not seen: polls, then parks.
func (w *worker) await(p *pool, seen *job) *job {
	for {
		for range spinRounds {
			if j := p.job.Load(); j != seen {
				return j
			}
			pause()
		}
		w.parked.Store(true)
		if p.job.Load() != seen && w.parked.CompareAndSwap(true, false) {
			continue
		}
		<-w.wake
	}
}
