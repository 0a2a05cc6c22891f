// SPDX-License-Identifier: Apache-2.0

package xspace

import (
	"sync"
)

const (
	maxBatch      = 4096 // events, a power of two
	defaultWindow = 256 << 10
	// maxEventBytes bounds the window: a larger event is skipped.
	maxEventBytes = 64 << 20
	// padding is how far behind the data of a window the hot loop may read: see
	// the bounds in hot.go.
	padding = 64
)

// A scanner is the state of one scan. It is recycled, since fresh memory is what
// costs most in a short scan.
type scanner struct {
	ln   *Line
	pl   *Plane
	opts ScanOptions

	win  []byte // the window, room bytes of data and padding
	room int
	pos  int   // of the next undecoded byte in win
	n    int   // bytes of data in win
	base int64 // file offset of win[0]
	sec  section
	ts   int64 // ps that the section's offsets count from

	b     Batch
	cols  *columns
	occ   []int64
	vals  []Column
	k     int   // events in the batch
	size  int   // events the batch may hold
	total int64 // events in the batches before
	held  bool  // the batch points into win
	aggr  bool  // the batch has aggregated events
	found bool  // a wanted stat was stored since the columns were cleared

	mode    scanMode
	stats   statFilter
	refs    []uint32 // stat id -> index+1, where ids mean the same in all parts
	layouts layouts
	vectors bool             // the kernel can be used, for events of these stats
	some    []uint64         // events the kernel found that have more wanted stats
	seen    map[int64]uint32 // metadata index of ids that are not dense
	probs   problemSet
	stopped bool // yield returned false

	record func(int64, *Event) bool // in modeRecord
	event  Event
}

// columns own the memory of a batch.
//
// Note: four slices cost the hot loop a spilled register each.
type columns struct {
	meta       [maxBatch]uint32
	start, dur [maxBatch]int64
	flags      [maxBatch]Flag
}

// scanners is the free list: at most as many as ever ran at once, at most 16.
//
// Note: a sync.Pool is emptied by each collection, and on a virtual machine the
// page faults of a fresh 1 MiB window cost milliseconds.
var scanners struct {
	mu   sync.Mutex
	free []*scanner
}

func newScanner(ln *Line, opts ScanOptions) *scanner {
	scanners.mu.Lock()
	var sc *scanner
	if n := len(scanners.free); n > 0 {
		sc = scanners.free[n-1]
		scanners.free = scanners.free[:n-1]
	}
	scanners.mu.Unlock()
	if sc == nil {
		sc = &scanner{cols: &columns{}}
	}
	sc.ln, sc.pl, sc.opts, sc.mode = ln, ln.pl, opts, modePlain
	sc.k, sc.total, sc.held, sc.aggr, sc.found, sc.stopped = 0, 0, false, false, false, false
	window := opts.WindowBytes
	if window <= 0 {
		window = defaultWindow
	}
	sc.reserve(int(min(int64(window), ln.Bytes)))
	return sc
}

// batch prepares the columns.
func (sc *scanner) batch() {
	sc.size = sc.opts.BatchEvents
	if sc.size <= 0 || sc.size > maxBatch {
		sc.size = maxBatch
	}
	for len(sc.vals) < len(sc.opts.Want) {
		sc.vals = append(sc.vals, Column{make([]Kind, maxBatch), make([]uint64, maxBatch)})
	}
	sc.clear(sc.size)
}

// clear makes the first n events of the batch carry no wanted stat.
func (sc *scanner) clear(n int) {
	for i := range sc.opts.Want {
		clear(sc.vals[i].Kind[:n])
	}
}

// reserve sets the window to n bytes, dropping what it holds.
func (sc *scanner) reserve(n int) {
	sc.room, sc.pos, sc.n, sc.base = n, 0, 0, 0
	if len(sc.win) < n+padding {
		sc.win = make([]byte, n+padding)
	}
}

// release gives the scanner back, without what would keep the file alive.
func (sc *scanner) release() {
	sc.ln, sc.pl, sc.opts, sc.record = nil, nil, ScanOptions{}, nil
	clear(sc.event.Stats)
	sc.b.win, sc.b.pl = nil, nil
	sc.stats.other, sc.refs = nil, nil
	sc.probs = problemSet{}
	clear(sc.seen)
	if len(sc.win) > 4<<20 {
		sc.win = nil
	}
	scanners.mu.Lock()
	defer scanners.mu.Unlock()
	if len(scanners.free) < 16 {
		scanners.free = append(scanners.free, sc)
	}
}

// open starts section i.
func (sc *scanner) open(i int) {
	sc.ln.mu.Lock()
	sc.sec = sc.ln.sections[i]
	sc.ln.mu.Unlock()
	sc.base, sc.pos, sc.n = sc.sec.off, 0, 0
}

// jump continues the section at file offset off, outside the window.
func (sc *scanner) jump(off int64) { sc.base, sc.pos, sc.n = off, 0, 0 }

// left returns how many bytes of the section are not in the window yet.
func (sc *scanner) left() int64 { return sc.sec.end - sc.base - int64(sc.n) }

// more moves the undecoded tail to the front of the window and reads on, so that
// at least need bytes are in it, or all that are left. The window grows for it.
func (sc *scanner) more(need int) error {
	rest := sc.n - sc.pos
	off := sc.base + int64(sc.n)
	if need > sc.room {
		sc.room = max(need, min(2*sc.room, maxEventBytes))
	}
	if len(sc.win) < sc.room+padding {
		win := make([]byte, sc.room+padding)
		copy(win, sc.win[sc.pos:sc.n])
		sc.win = win
	} else {
		copy(sc.win, sc.win[sc.pos:sc.n])
	}
	sc.base += int64(sc.pos)
	sc.pos, sc.n = 0, rest
	n := int(min(sc.sec.end-off, int64(sc.room-rest)))
	if err := readFull(sc.pl.sp.r, sc.win[rest:rest+n], off); err != nil {
		return err
	}
	sc.n += n
	return nil
}

// flush yields the batch, if it has events, and reports whether to go on.
func (sc *scanner) flush(yield func(*Batch) bool) bool {
	if sc.k == 0 {
		return true
	}
	b, k := &sc.b, sc.k
	b.pl, b.win, b.First = sc.pl, sc.win, sc.total
	b.Meta, b.Start, b.Dur, b.Flags = sc.cols.meta[:k], sc.cols.start[:k], sc.cols.dur[:k], sc.cols.flags[:k]
	b.Occurrences = nil
	if sc.aggr {
		b.Occurrences = sc.occ[:k]
	}
	b.Values = b.Values[:0]
	for i := range sc.opts.Want {
		c := sc.vals[i]
		b.Values = append(b.Values, Column{c.Kind[:k], c.Bits[:k]})
	}
	b.Found = sc.found
	sc.total += int64(k)
	sc.stopped = !yield(b)
	if sc.found {
		sc.clear(k)
	}
	sc.k, sc.held, sc.aggr, sc.found = 0, false, false, false
	return !sc.stopped
}
