// SPDX-License-Identifier: Apache-2.0

package ring

import "sync/atomic"

// A Kind says what a record is; its upper four bits of ID hold it.
type Kind uint8

// The kinds of records. Value is the end of a span-like record, and the value
// of all others. Attributes belong to the record with their start and with
// their Extra as its id; they are pushed before it.
const (
	Span Kind = iota
	Op
	Run
	Step
	Instant
	Count
	AttrInt
	AttrFloat // the bits of a float64
	AttrText
)

// spanLike says whether Value is an end.
func (k Kind) spanLike() bool { return k <= Step }

// Attr says whether the kind is an attribute.
func (k Kind) Attr() bool { return k >= AttrInt }

// MaxID is the largest id of a record.
const MaxID = 1<<28 - 1

// A Record is one event: 24 bytes without pointers.
type Record struct {
	Start, Value uint64
	id, Extra    uint32
}

// Make makes a record.
func Make(kind Kind, id uint32, start, value uint64, extra uint32) Record {
	return Record{start, value, uint32(kind)<<28 | id, extra}
}

// Kind returns what the record is.
func (r *Record) Kind() Kind { return Kind(r.id >> 28) }

// ID returns the id of the record's name, op or program.
func (r *Record) ID() uint32 { return r.id & MaxID }

// End returns the end of a span-like record, and the start of others.
func (r *Record) End() uint64 {
	if r.Kind().spanLike() {
		return r.Value
	}
	return r.Start
}

// A Ring takes records from one goroutine to another. Each side's fields have
// cache lines of their own.
type Ring struct {
	buf  []Record
	wake chan<- struct{}

	_     [64]byte
	pos   uint64 // the writer's position, not yet published
	limit uint64 // where the ring was last seen to be full
	lost  atomic.Uint64
	head  atomic.Uint64 // published position

	_    [64]byte
	tail atomic.Uint64 // the reader's position
	_    [56]byte
}

// New returns a ring of n records, n a power of two. Each half that is full
// sends to wake, without waiting.
func New(n int, wake chan<- struct{}) *Ring {
	return &Ring{buf: make([]Record, n), wake: wake, limit: uint64(n)}
}

// Push adds one record, or counts it as lost when the reader is a whole ring
// behind. The writer calls it.
func (r *Ring) Push(rec Record) {
	if r.pos == r.limit && !r.room(1) {
		return
	}
	r.buf[r.pos&uint64(len(r.buf)-1)] = rec
	r.pos++
	r.head.Store(r.pos)
	if r.pos&uint64(len(r.buf)/2-1) == 0 {
		r.signal()
	}
}

// PushAll adds several records or none; the loss of all counts as one.
func (r *Ring) PushAll(recs []Record) {
	n := uint64(len(recs))
	if r.pos+n > r.limit && !r.room(n) {
		return
	}
	for i := range recs {
		r.buf[(r.pos+uint64(i))&uint64(len(r.buf)-1)] = recs[i]
	}
	half := uint64(len(r.buf) / 2)
	crossed := r.pos/half != (r.pos+n)/half
	r.pos += n
	r.head.Store(r.pos)
	if crossed {
		r.signal()
	}
}

// room looks where the reader is.
func (r *Ring) room(n uint64) bool {
	r.limit = r.tail.Load() + uint64(len(r.buf))
	if r.pos+n <= r.limit {
		return true
	}
	r.lost.Add(1)
	return false
}

//go:noinline
func (r *Ring) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Lost takes the number of records lost since the last call.
func (r *Ring) Lost() uint64 { return r.lost.Swap(0) }

// Drain hands what was published to take, in at most two pieces, and frees it.
// The reader calls it.
func (r *Ring) Drain(take func([]Record)) {
	tail, head := r.tail.Load(), r.head.Load()
	for tail < head {
		i := tail & uint64(len(r.buf)-1)
		n := min(head-tail, uint64(len(r.buf))-i)
		take(r.buf[i : i+n])
		tail += n
		r.tail.Store(tail)
	}
}
