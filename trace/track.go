// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"errors"
	"iter"
	"slices"
	"sync"
)

// A Kind says what the events of a track are.
type Kind uint8

// The kinds of tracks.
const (
	Other    Kind = iota
	Ops           // operations of one device core or thread, properly nested
	Stream        // operations of one GPU stream: kernels and copies
	Async         // start→done spans that overlap everything: never busy time
	Modules       // program executions
	StepLine      // step marks of a device
	Host          // a host thread
	Counter       // samples
	Derived       // made from other tracks when the file was written: never summed
)

// A Track is one lane of events.
type Track struct {
	Name   string
	Kind   Kind
	Device int // index in Trace.Devices; -1 = host
	Host   string
	Bytes  int64 // encoded size or a stand-in for it: work is started largest first

	source source
}

// A source yields the events of a track, any number of times.
type source interface {
	batches(yield func(*Batch, error) bool)
}

// A Batch holds some events of a track as columns of equal length, in the
// order of the file. It is valid until the next iteration step.
type Batch struct {
	Op    []OpID
	Start []Time
	Dur   []Duration

	// Optional columns; nil when no event of the track has the fact.
	Run   []int64 // execution id shared by the ops of one program run
	Count []int32 // occurrences of an aggregated event; 0 or 1 = a plain one
	Self  []Duration
	Min   []Duration
	FLOPs []int64 // measured at run time (custom calls), beside Op.FLOPs
	Bytes []int64
	Value []float64 // of the samples of a counter
}

// Len returns the number of events.
func (b *Batch) Len() int { return len(b.Op) }

// ErrAgain ends an iteration whose times are void, because the file states what
// they count from behind the events of the track. It is known now: the next
// iteration is right. No known profiler writes such files.
var ErrAgain = errors.New("the time of the track's first event stands behind its events: iterate again")

// Batches returns the events of the track. Iterations are independent: they
// may be repeated, and tracks may be read concurrently. After an error
// iteration ends; after [ErrAgain] it may be repeated.
func (t *Track) Batches() iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		if t.source != nil {
			t.source.batches(yield)
		}
	}
}

// columns is a track held in memory: 24 to 32 bytes an event.
type columns struct {
	op    []OpID
	start []Time
	dur   []Duration
	run   []int64

	count      []int32
	self, min  []Duration
	flops, mem []int64
	value      []float64

	first []bool // a kernel is the first of its op's run; nil = all are
}

func (c *columns) add(op OpID, start Time, dur Duration) {
	c.op = append(c.op, op)
	c.start = append(c.start, start)
	c.dur = append(c.dur, dur)
}

func (c *columns) len() int { return len(c.op) }

const batchLen = 4096

var batchPool = sync.Pool{New: func() any { return new(Batch) }}

func (c *columns) batches(yield func(*Batch, error) bool) {
	b := batchPool.Get().(*Batch)
	defer batchPool.Put(b)
	value := c.value
	if value != nil && len(value) < len(c.op) { // later events had none
		value = pad(slices.Clone(value), len(c.op))
	}
	for i, j := 0, 0; i < len(c.op); i = j {
		j = min(i+batchLen, len(c.op))
		sums := c.count != nil && c.count[i] > 0
		for k := i + 1; k < j && c.count != nil; k++ {
			if (c.count[k] > 0) != sums { // plain events and sums don't share a batch
				j = k
			}
		}
		*b = Batch{Op: c.op[i:j], Start: c.start[i:j], Dur: c.dur[i:j]}
		if c.run != nil {
			b.Run = c.run[i:j]
		}
		if sums {
			b.Count, b.Self, b.Min = c.count[i:j], c.self[i:j], c.min[i:j]
		}
		if c.flops != nil {
			b.FLOPs, b.Bytes = c.flops[i:j], c.mem[i:j]
		}
		if value != nil {
			b.Value = value[i:j]
		}
		if !yield(b, nil) {
			return
		}
	}
}
