// SPDX-License-Identifier: Apache-2.0

package chromejson

import (
	"errors"
	"sync"
)

// A Lender is a source whose blocks stay valid until they are released, the
// oldest first. Release is called from another goroutine than Next.
type Lender interface {
	Source
	Release()
}

// Ahead scans in a goroutine of its own while the caller works on the events
// before. What it embeds but Next and Origin may be used only once Next has
// returned an error.
type Ahead struct {
	*Reader
	src  Lender
	full chan *batch
	free chan *batch
	stop chan struct{}
	done chan struct{}

	scanned *batch // the scanner's; nil once the caller has stopped
	carried int    // size of the scanner's carry when it last passed a batch
	cur     *batch // the caller's
	at      int
}

// A batch is events in the order of the file, and what became free with them.
type batch struct {
	events []Event
	n      int
	blocks int // of the source, that no later event points into
	origin int64
	err    error // behind the events

	heavy bool // what events point into is large: let go of it
}

// Batches are as small as hand-over stays cheap: they pass from core to core.
const (
	batches   = 3
	batchLen  = 512
	heavyView = 1 << 20
)

var errStopped = errors.New("the caller stopped")

// NewAhead starts to scan the document that src yields. The caller must call
// Close, after it has made calls of src.Next return.
func NewAhead(src Lender, opt Options) *Ahead {
	a := &Ahead{
		src:  src,
		full: make(chan *batch, batches),
		free: make(chan *batch, batches),
		stop: make(chan struct{}),
		done: make(chan struct{}),
		cur:  &batch{},
	}
	a.Reader = NewBlockReader(&passing{a: a}, opt)
	a.in.fresh = true
	for range batches {
		a.free <- newBatch(len(opt.Want))
	}
	a.scanned = <-a.free
	go a.run()
	return a
}

// spare holds batches of documents that are done.
var spare sync.Pool

func newBatch(wanted int) *batch {
	if b, ok := spare.Get().(*batch); ok && len(b.events[0].want) == wanted {
		return b
	}
	b := &batch{events: make([]Event, batchLen)}
	spans := make([]span, batchLen*wanted)
	for i := range b.events {
		b.events[i].want = spans[i*wanted : (i+1)*wanted]
	}
	return b
}

func (a *Ahead) run() {
	defer close(a.done)
	for {
		if a.scanned.n == batchLen && !a.pass(0) {
			return
		}
		a.ev = &a.scanned.events[a.scanned.n]
		_, err := a.Reader.Next()
		if a.scanned == nil {
			return
		}
		if err != nil {
			a.scanned.err = err
			a.pass(0)
			return
		}
		a.scanned.n++
	}
}

// pass hands the scanner's batch to the caller and takes a free one, whose first
// event is the next one scanned. It returns false if the caller has stopped.
func (a *Ahead) pass(blocks int) bool {
	b := a.scanned
	b.blocks, b.origin = blocks, a.origin
	b.heavy = max(a.carried, a.in.widest) > heavyView
	a.carried = cap(a.in.carry)
	a.in.widest = a.carried
	last := b.err != nil
	a.full <- b // never blocks: one place a batch
	if last {
		return true
	}
	select {
	case a.scanned = <-a.free:
	case <-a.stop:
		a.scanned = nil
		return false
	}
	a.ev = &a.scanned.events[0]
	return true
}

// passing is the source of an Ahead's scanner: events point into the block before
// the next, so they are handed over with it.
type passing struct {
	a    *Ahead
	held int
}

func (s *passing) Next() ([]byte, error) {
	if !s.a.pass(s.held) {
		return nil, errStopped
	}
	s.held = 0
	block, err := s.a.src.Next()
	if err == nil {
		s.held = 1
	}
	return block, err
}

// Next is [Reader.Next].
func (a *Ahead) Next() (*Event, error) {
	for a.at == a.cur.n {
		if a.cur.err != nil {
			return nil, a.cur.err
		}
		a.giveBack()
		a.cur, a.at = <-a.full, 0
	}
	ev := &a.cur.events[a.at]
	a.at++
	return ev, nil
}

// giveBack frees the caller's batch and the blocks its events pointed into.
func (a *Ahead) giveBack() {
	b := a.cur
	for range b.blocks {
		a.src.Release()
	}
	if b.events == nil { // before the first
		return
	}
	if b.heavy {
		b.clear()
	}
	b.n, b.blocks, b.heavy = 0, 0, false
	a.free <- b
}

// clear lets go of what events point into.
func (b *batch) clear() {
	for i := range b.events {
		b.events[i].reset()
		clear(b.events[i].Fields[:cap(b.events[i].Fields)])
	}
}

// Origin is [Reader.Origin] for the events up to the last returned.
func (a *Ahead) Origin() int64 { return a.cur.origin }

// Close waits for the scanner to stop. No event may be used after it.
func (a *Ahead) Close() {
	close(a.stop)
	<-a.done
	for range len(a.free) {
		b := <-a.free
		b.clear()
		spare.Put(b)
	}
}
