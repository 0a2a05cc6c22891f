// SPDX-License-Identifier: Apache-2.0

package arena

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"unsafe"
)

// Align is the alignment of every buffer, and the unit that sizes are rounded
// up to: one cache line.
const Align = 64

// Kind says what a buffer is for. The names appear in memory reports.
type Kind string

// The engine's kinds.
const (
	Weights     Kind = "weights"
	Activations Kind = "activations"
	KVCache     Kind = "kv_cache"
	Inputs      Kind = "inputs"
	Outputs     Kind = "outputs"
	Temp        Kind = "temp"
)

// Tag names a buffer's owner in reports. Type and Shape are optional ("bf16",
// "[128,1024]").
type Tag struct {
	Scope       string
	Kind        Kind
	Type, Shape string
}

// Options of an arena; the zero value is a good one.
type Options struct {
	Limit  int64 // bytes that may be mapped; 0 = no limit
	Region int64 // bytes mapped at a time, at least; 0 = 64 MiB
	Stack  int   // call frames kept with each allocation; 0 = none (they cost 0.2 µs)

	// OnEvent is called for every allocation and free, in their order and
	// under the arena's lock: it must be quick and must not call the arena.
	// It reads its own clock.
	OnEvent func(Event)
}

const defaultRegion = 64 << 20

// ErrClosed is returned by Alloc on a closed arena.
var ErrClosed = errors.New("arena: closed")

// Arena is an allocator. All methods may be called from several goroutines.
type Arena struct {
	opt Options

	mu      sync.Mutex
	closed  bool
	regions []*region
	free    freeList
	live    map[uint64]*block
	spare   []*block // structs of merged blocks, for the next split
	lastID  uint64
	stats   Stats
}

// New returns an empty arena; memory is mapped as needed.
func New(opt Options) *Arena {
	if opt.Region <= 0 {
		opt.Region = defaultRegion
	}
	return &Arena{opt: opt, live: make(map[uint64]*block), stats: Stats{BytesLimit: opt.Limit}}
}

// Buffer is a piece of an arena. The zero Buffer is empty and may be freed.
// Copies are the same buffer: freeing one frees all.
type Buffer struct {
	arena *Arena
	id    uint64
	data  []byte
}

// Alloc returns n bytes aligned to Align; n = 0 gives an empty buffer that
// counts as an allocation of Align bytes. The error is an *OutOfMemory or
// ErrClosed.
func (a *Arena) Alloc(n int, tag Tag) (Buffer, error) {
	if n < 0 {
		panic(fmt.Sprintf("arena: allocation of %d bytes", n))
	}
	var stack []uintptr
	if a.opt.Stack > 0 {
		stack = make([]uintptr, a.opt.Stack)
		stack = stack[:runtime.Callers(2, stack)]
	}
	size := max(roundUp(int64(n), Align), Align)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return Buffer{}, ErrClosed
	}
	b := a.free.fit(size)
	if b == nil {
		if b = a.grow(size); b == nil {
			return Buffer{}, a.outOfMemory(int64(n), tag)
		}
	}
	a.free.remove(b)
	if rest := b.size - size; rest > 0 {
		a.free.add(b.split(size, a.newBlock()))
	}
	a.lastID++
	b.id, b.requested, b.tag, b.stack = a.lastID, int64(n), tag, stack
	a.live[b.id] = b
	a.stats.count(size)
	onAlloc(b)
	a.event(OpAlloc, b)
	return Buffer{arena: a, id: b.id, data: b.bytes()[:n:n]}, nil
}

// newBlock returns a block struct to fill.
func (a *Arena) newBlock() *block {
	if n := len(a.spare); n > 0 {
		b := a.spare[n-1]
		a.spare = a.spare[:n-1]
		return b
	}
	return new(block)
}

// ID returns the buffer's Record.ID; 0 for the zero Buffer.
func (b Buffer) ID() uint64 { return b.id }

// Bytes returns the buffer's memory. It panics when the buffer was freed.
func (b Buffer) Bytes() []byte {
	b.check("use")
	return b.data
}

// Floats returns the memory as float32 values.
func (b Buffer) Floats() []float32 {
	d := b.Bytes()
	if len(d) < 4 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&d[0])), len(d)/4)
}

// Len returns the bytes asked for.
func (b Buffer) Len() int { return len(b.data) }

// Free gives the buffer back. Freeing twice panics and names the buffer.
func (b Buffer) Free() {
	if b.arena == nil {
		return
	}
	b.arena.release(b)
}

// check panics when the buffer is no longer live. It takes the lock: a
// buffer's memory should be fetched once per kernel, not per value.
func (b Buffer) check(what string) {
	if b.arena == nil {
		return
	}
	b.arena.mu.Lock()
	defer b.arena.mu.Unlock()
	b.checkLocked(what)
}

func (b Buffer) checkLocked(what string) {
	if _, ok := b.arena.live[b.id]; !ok {
		panic(fmt.Sprintf("arena: %s of buffer %d (%d bytes) after it was freed", what, b.id, len(b.data)))
	}
}

func (a *Arena) release(buf Buffer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	buf.checkLocked("free")
	b := a.live[buf.id]
	onFree(b)
	delete(a.live, b.id)
	a.stats.BytesInUse -= b.size
	a.event(OpFree, b)
	b.id, b.requested, b.tag, b.stack = 0, 0, Tag{}, nil
	if n := b.next; n != nil && n.id == 0 {
		a.free.remove(n)
		a.spare = append(a.spare, b.merge())
	}
	if p := b.prev; p != nil && p.id == 0 {
		a.free.remove(p)
		a.spare = append(a.spare, p.merge())
		b = p
	}
	a.free.add(b)
}

// grow maps a region with room for size bytes and returns its free block.
// Regions without live buffers are unmapped first when the limit asks for it.
func (a *Arena) grow(size int64) *block {
	want := max(size, a.opt.Region)
	if limit := a.opt.Limit; limit > 0 {
		if a.stats.PoolBytes+want > limit && a.stats.PoolBytes+size > limit {
			a.trim()
		}
		want = max(size, min(want, (limit-a.stats.PoolBytes)&^(Align-1)))
		if a.stats.PoolBytes+want > limit {
			return nil
		}
	}
	r, err := mapRegion(want)
	if err != nil {
		return nil
	}
	b := &block{region: r, size: want}
	r.first = b
	a.regions = append(a.regions, r)
	a.stats.PoolBytes += want
	a.stats.PeakPoolBytes = max(a.stats.PeakPoolBytes, a.stats.PoolBytes)
	a.free.add(b)
	return b
}

// Trim unmaps regions that hold no live buffer and returns their bytes.
func (a *Arena) Trim() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.trim()
}

func (a *Arena) trim() int64 {
	var freed int64
	keep := a.regions[:0]
	for _, r := range a.regions {
		if b := r.first; b.id == 0 && b.next == nil {
			a.free.remove(b)
			freed += b.size
			r.unmap()
			continue
		}
		keep = append(keep, r)
	}
	clear(a.regions[len(keep):])
	a.regions = keep
	a.stats.PoolBytes -= freed
	return freed
}

// Close unmaps everything. Buffers that are still live are returned in a
// *LeakError; their memory is gone all the same.
func (a *Arena) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil
	}
	a.closed = true
	leaks := a.records()
	for _, r := range a.regions {
		r.unmap()
	}
	a.regions, a.free = nil, freeList{}
	clear(a.live)
	a.stats.BytesInUse, a.stats.PoolBytes = 0, 0
	if len(leaks) > 0 {
		return &LeakError{Leaks: leaks}
	}
	return nil
}

func roundUp(n, unit int64) int64 { return (n + unit - 1) / unit * unit }
