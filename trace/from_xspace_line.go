// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"errors"
	"math"
	"slices"
	"sync"
	"unsafe"

	"github.com/layerscope/layerscope/trace/internal/xspace"
)

// An xspaceLine is a track that is read from the file whenever it is iterated.
type xspaceLine struct {
	line  *xspace.Line
	opts  xspace.ScanOptions
	first OpID   // op of metadata index 0
	n     uint32 // metadata indices with an op of their own; the next op is for all others
	work  bool   // opts.Want begins with flops and bytes measured at run time
	agg   int    // index in opts.Want of self and min duration of aggregated events; −1 none
	value bool   // opts.Want is the value of samples
}

// samples has the line's events read as samples of a counter, which its display
// name says.
func (l *xspaceLine) samples(tr *Track) error {
	l.value, l.opts.Want = true, []string{valueStat}
	tr.Kind = Counter
	if _, err := l.line.Count(); err != nil { // the display name stands behind the events
		return err
	}
	_, tr.Name = l.line.Display()
	return nil
}

func (l xspaceLine) batches(yield func(*Batch, error) bool) {
	mem := lineMemories.Get().(*lineMemory)
	defer lineMemories.Put(mem)
	yielded := false
	err := l.scan(mem, &yielded, yield)
	if errors.Is(err, xspace.ErrLateTimestamp) {
		if err = ErrAgain; !yielded {
			err = l.scan(mem, &yielded, yield)
		}
	}
	if err != nil {
		yield(nil, inner(err))
	}
}

func (l xspaceLine) scan(mem *lineMemory, yielded *bool, yield func(*Batch, error) bool) error {
	out := &mem.batch
	return l.line.Scan(l.opts, func(b *xspace.Batch) bool {
		*yielded = true
		n := len(b.Meta)
		ops := slices.Grow(mem.ops[:0], n)[:n]
		mem.ops = ops
		for i, m := range b.Meta {
			ops[i] = l.first + OpID(min(m, l.n))
		}
		*out = Batch{Op: ops, Start: times(b.Start), Dur: durations(b.Dur)}
		if l.work && b.Found {
			out.FLOPs, out.Bytes = mem.work(b)
		}
		if l.value && b.Found {
			out.Value = mem.samples(b)
		}
		if b.Occurrences != nil {
			return l.aggregated(b, out, yield)
		}
		return yield(out, nil)
	})
}

// scanAtOnce scans a line whose events are used while the file is opened. A
// timestamp behind them is looked for before.
func scanAtOnce(ln *xspace.Line, opts xspace.ScanOptions, yield func(*xspace.Batch) bool) error {
	if ln.TimestampNs == 0 {
		if _, err := ln.Count(); err != nil {
			return err
		}
	}
	return ln.Scan(opts, yield)
}

// aggregated yields a batch that has sums among its events: first the plain
// events, then the sums.
func (l xspaceLine) aggregated(b *xspace.Batch, all *Batch, yield func(*Batch, error) bool) bool {
	plain, sums := Batch{}, Batch{Self: []Duration{}}
	for i, n := range b.Occurrences {
		if n <= 0 {
			plain.Op, plain.Start, plain.Dur = append(plain.Op, all.Op[i]), append(plain.Start, all.Start[i]), append(plain.Dur, all.Dur[i])
			if all.FLOPs != nil {
				plain.FLOPs, plain.Bytes = append(plain.FLOPs, all.FLOPs[i]), append(plain.Bytes, all.Bytes[i])
			}
			continue
		}
		self, least := all.Dur[i], all.Dur[i]
		if l.agg >= 0 {
			if c := b.Values[l.agg]; c.Kind[i] != xspace.NoValue {
				self = Duration(c.Bits[i])
			}
			if c := b.Values[l.agg+1]; c.Kind[i] != xspace.NoValue {
				least = Duration(c.Bits[i])
			}
		}
		sums.Op, sums.Start, sums.Dur = append(sums.Op, all.Op[i]), append(sums.Start, 0), append(sums.Dur, all.Dur[i])
		sums.Count = append(sums.Count, int32(min(n, 1<<31-1)))
		sums.Self, sums.Min = append(sums.Self, self), append(sums.Min, least)
		if all.FLOPs != nil {
			sums.FLOPs, sums.Bytes = append(sums.FLOPs, all.FLOPs[i]), append(sums.Bytes, all.Bytes[i])
		}
	}
	return (plain.Len() == 0 || yield(&plain, nil)) && yield(&sums, nil)
}

// A lineMemory is what the batches of a line are made of, recycled.
type lineMemory struct {
	batch Batch
	ops   []OpID
	sums  []int64
	value []float64
}

// samples returns the values of a counter; those without one are 0.
func (mem *lineMemory) samples(b *xspace.Batch) []float64 {
	mem.value = slices.Grow(mem.value[:0], len(b.Meta))[:len(b.Meta)]
	for i, k := range b.Values[0].Kind {
		switch bits := b.Values[0].Bits[i]; k {
		case xspace.Double:
			mem.value[i] = math.Float64frombits(bits)
		case xspace.Int:
			mem.value[i] = float64(int64(bits))
		case xspace.Uint:
			mem.value[i] = float64(bits)
		default:
			mem.value[i] = 0
		}
	}
	return mem.value
}

var lineMemories = sync.Pool{New: func() any { return new(lineMemory) }}

// work returns the FLOPs and bytes that events state beyond their op's.
func (mem *lineMemory) work(b *xspace.Batch) (flops, bytes []int64) {
	n := len(b.Meta)
	mem.sums = slices.Grow(mem.sums[:0], 2*n)[:2*n]
	flops, bytes = mem.sums[:n:n], mem.sums[n:]
	for c, out := range [...][]int64{flops, bytes} {
		col := b.Values[c]
		for i, k := range col.Kind {
			out[i] = 0
			if k == xspace.Int || k == xspace.Uint {
				out[i] = int64(col.Bits[i])
			}
		}
	}
	return flops, bytes
}

// times views picoseconds as Times: the types have the same representation, and
// a copy of every event's start would cost as much as a tenth of decoding it.
func times(ps []int64) []Time {
	return unsafe.Slice((*Time)(unsafe.Pointer(unsafe.SliceData(ps))), len(ps))
}

func durations(ps []int64) []Duration {
	return unsafe.Slice((*Duration)(unsafe.Pointer(unsafe.SliceData(ps))), len(ps))
}
