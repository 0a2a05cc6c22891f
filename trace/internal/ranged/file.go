// SPDX-License-Identifier: Apache-2.0

// Package ranged reads a file that lies behind a network as if it were a local
// one: the many small reads of a parser become few large requests.
//
// A [File] is an io.ReaderAt over a [Source] of byte ranges. What was fetched is
// kept in a temporary file, so no byte is asked for twice and memory stays at a
// buffer for each request under way, whatever is read. A parser that knows what it
// will read says so with [File.Expect], and the stretch comes in one request (or
// some, when it is long) without a byte too many; other reads fetch a block, and
// larger ones while they go on behind each other.
//
// It retries nothing: a Source that can fail for a moment has to. The first error
// is final and is what all later reads return.
//
// Note: a cache of blocks in memory was tried and lost: an analysis reads tracks
// three times, and a plane that does not fit is then fetched three times.
package ranged

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// A Source yields byte ranges of one version of a file.
type Source func(ctx context.Context, off, n int64) (io.ReadCloser, error)

// At is the Source of a reader at hand.
func At(r io.ReaderAt) Source {
	return func(_ context.Context, off, n int64) (io.ReadCloser, error) {
		return io.NopCloser(io.NewSectionReader(r, off, n)), nil
	}
}

const (
	block   = 16 << 10  // the least that is asked for
	longest = 256 << 10 // the most that is asked for unexpectedly, beyond what is read
	near    = 64 << 10  // a gap worth fetching to save a request
	segment = 32 << 20  // of a long expectation, in bytes; at most 32 of a file
	chunk   = 256 << 10
	ahead   = 3 // requests at once that nobody waits for yet
)

// A File reads one remote file. It is safe for concurrent use and must be closed.
type File struct {
	src    Source
	size   int64
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	store  *os.File
	named  bool // the store has to be removed yet

	mu     sync.Mutex
	change *sync.Cond // have grew, or err was set
	have   spans      // what is in store
	queue  spans      // what is expected and not asked for yet
	active []*request
	early  int   // active requests that were started ahead
	last   int64 // end of the last unexpected request
	step   int64
	err    error
}

// A request is a range under way: [at, end) is to come.
type request struct {
	at, end int64
	early   bool
}

// New returns a File of the given size.
func New(src Source, size int64) (*File, error) {
	store, err := os.CreateTemp("", "layerscope-*.tmp")
	if err != nil {
		return nil, fmt.Errorf("no place to keep what is read: %w", err)
	}
	f := &File{src: src, size: size, store: store, last: -1}
	f.named = os.Remove(store.Name()) != nil // where an open file cannot be removed, Close does it
	f.change = sync.NewCond(&f.mu)
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f, nil
}

// Close ends what is under way and drops what was fetched.
func (f *File) Close() error {
	f.mu.Lock()
	if f.err == nil {
		f.err = os.ErrClosed
	}
	f.queue = nil
	f.change.Broadcast()
	f.mu.Unlock()
	f.cancel()
	f.wg.Wait()
	err := f.store.Close()
	if f.named {
		err = errors.Join(err, os.Remove(f.store.Name()))
	}
	return err
}

// Expect says that [off, end) will be read, all or nearly all of it.
func (f *File) Expect(off, end int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	off, end = f.have.trim(max(0, off), min(end, f.size))
	if off >= end {
		return
	}
	if n := len(f.queue); n > 0 && f.queue[n-1].off <= off && off-f.queue[n-1].end <= near {
		f.queue[n-1].end = max(f.queue[n-1].end, end)
		return
	}
	f.queue = append(f.queue, span{off, end})
}

// ReadAt implements io.ReaderAt.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("offset %d: wanted one from 0 on", off)
	}
	end := min(off+int64(len(p)), f.size)
	if off >= end {
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	if err := f.await(off, end); err != nil {
		return 0, err
	}
	n, err := f.store.ReadAt(p[:end-off], off)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// await returns when [off, end) is in the store.
func (f *File) await(off, end int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		if f.err != nil {
			return f.err
		}
		gap := f.have.gap(off, end)
		if gap >= end {
			return nil
		}
		if !f.underWay(gap) {
			f.start(f.demand(gap, end))
		}
		f.lookAhead()
		f.change.Wait()
	}
}

func (f *File) underWay(at int64) bool {
	for _, r := range f.active {
		if r.at <= at && at < r.end {
			return true
		}
	}
	return false
}

// demand decides on the request that brings the byte at off.
func (f *File) demand(off, end int64) *request {
	for i, q := range f.queue {
		if q.off <= off && off < q.end {
			return f.take(i, off)
		}
	}
	if off >= f.last && off-f.last < near {
		f.step = max(block, min(2*f.step, longest))
	} else {
		f.step = block
	}
	end = min(max(end, off+f.step), f.size)
	end = min(end, f.have.next(off), f.queue.next(off))
	for _, r := range f.active {
		if r.at > off {
			end = min(end, r.at)
		}
	}
	f.last = end
	return &request{at: off, end: end}
}

// take removes from expectation i the segment that off lies in.
func (f *File) take(i int, off int64) *request {
	q, n := f.queue[i], max(segment, f.size/32)
	at := q.off + (off-q.off)/n*n
	end := at + n
	if q.end-end < n/4 {
		end = q.end // no small rest
	}
	rest := spans{{q.off, at}, {end, q.end}}
	f.queue = append(f.queue[:i:i], append(rest.filled(), f.queue[i+1:]...)...)
	return &request{at: at, end: end}
}

// lookAhead starts on what is expected.
func (f *File) lookAhead() {
	for f.early < ahead && len(f.queue) > 0 && f.err == nil {
		r := f.take(0, f.queue[0].off)
		r.early = true
		f.early++
		f.start(r)
	}
}

func (f *File) start(r *request) {
	f.active = append(f.active, r)
	f.wg.Add(1)
	go func() {
		defer f.wg.Done()
		err := f.fetch(r)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.finish(r, err)
	}()
}

// finish takes a request off the list.
func (f *File) finish(r *request, err error) {
	for i := range f.active {
		if f.active[i] == r {
			f.active = append(f.active[:i], f.active[i+1:]...)
			break
		}
	}
	if r.early {
		f.early--
	}
	if err != nil && f.err == nil {
		f.err = err
	}
	f.lookAhead()
	f.change.Broadcast()
}

var chunks = sync.Pool{New: func() any { return new([chunk]byte) }}

// fetch brings one range into the store.
func (f *File) fetch(r *request) error {
	body, err := f.src(f.ctx, r.at, r.end-r.at)
	if err != nil {
		return err
	}
	defer body.Close()
	buf := chunks.Get().(*[chunk]byte)
	defer chunks.Put(buf)
	for at, idle := r.at, 0; at < r.end; {
		n, err := body.Read(buf[:min(chunk, r.end-at)])
		if idle++; n > 0 {
			idle = 0
			if _, err := f.store.WriteAt(buf[:n], at); err != nil {
				return fmt.Errorf("no place to keep what is read: %w", err)
			}
			f.mu.Lock()
			f.have = f.have.add(at, at+int64(n))
			at += int64(n)
			r.at = at
			f.change.Broadcast()
			f.mu.Unlock()
		}
		if err == io.EOF && at < r.end {
			err = io.ErrUnexpectedEOF
		}
		if err == nil && idle > 100 {
			err = io.ErrNoProgress
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("offset 0x%x: %d bytes of the range are missing: %w", at, r.end-at, err)
		}
	}
	return nil
}
