// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"errors"
	"fmt"
	"os"
	"slices"
)

// blockBytes is the size at which a block of packed records is closed. Smaller
// ones make more of them to merge, larger ones hold more in memory while merging.
const blockBytes = 64 << 10

// A Log keeps packed records by lane, in memory up to a limit and in a
// temporary file beyond it. One goroutine writes it; after [Log.Sort] any number
// may read it at once.
type Log struct {
	limit int64
	dir   string
	block int // blockBytes, but in tests

	lanes  []lane
	memory int64 // bytes of closed blocks in memory
	file   *os.File
	size   int64 // of file
	err    error // from the file: records since are lost
	lost   int64
}

// A lane is the records of one ring, in blocks of their own delta chain.
type lane struct {
	blocks []block
	open   []byte // the block being filled
	prev   uint64
	count  int
	least  uint64
	total  int64
}

type block struct {
	data  []byte // nil when it is in the file
	off   int64
	size  int
	count int
	least uint64 // smallest start
}

// NewLog returns an empty log that holds limit bytes in memory, the rest in a
// file in dir.
func NewLog(limit int64, dir string) *Log { return &Log{limit: limit, dir: dir, block: blockBytes} }

// Add packs records behind those of lane i. Errors of the file are kept for
// [Log.Err]; what could not be stored is counted by [Log.Lost].
func (l *Log) Add(i int, recs []Record) {
	for len(l.lanes) <= i {
		l.lanes = append(l.lanes, lane{})
	}
	if l.err != nil {
		l.lost += int64(len(recs))
		return
	}
	ln := &l.lanes[i]
	for j := range recs {
		if len(ln.open) > l.block-maxPacked {
			l.seal(ln)
		}
		if ln.open == nil {
			ln.open, ln.least, ln.prev = make([]byte, 0, l.block), ^uint64(0), 0
		}
		ln.open = appendRecord(ln.open, &recs[j], ln.prev)
		ln.prev = recs[j].Start
		ln.least = min(ln.least, recs[j].Start)
		ln.count++
	}
	ln.total += int64(len(recs))
}

// seal closes the block being filled.
func (l *Log) seal(ln *lane) {
	if ln.count == 0 {
		return
	}
	b := block{data: ln.open, size: len(ln.open), count: ln.count, least: ln.least}
	if n := len(ln.open); n < l.block/2 {
		b.data = append(make([]byte, 0, n), ln.open...)
	}
	ln.blocks = append(ln.blocks, b)
	ln.open, ln.count = nil, 0
	l.memory += int64(b.size)
	if l.memory > l.limit {
		l.spill()
	}
}

// spill moves all closed blocks to the file.
func (l *Log) spill() {
	for i := range l.lanes {
		ln := &l.lanes[i]
		for j := range ln.blocks {
			b := &ln.blocks[j]
			if b.data == nil {
				continue
			}
			if l.err = l.write(b); l.err != nil {
				return
			}
		}
	}
	l.memory = 0
}

func (l *Log) write(b *block) error {
	if l.file == nil {
		f, err := os.CreateTemp(l.dir, "layerscope-spans-*.tmp")
		if err != nil {
			return fmt.Errorf("file for spans: %w", err)
		}
		l.file = f
	}
	if _, err := l.file.WriteAt(b.data, l.size); err != nil {
		return fmt.Errorf("file for spans: %w", err)
	}
	b.off = l.size
	b.data = nil
	l.size += int64(b.size)
	return nil
}

// Err returns the first error of the file.
func (l *Log) Err() error { return l.err }

// Lost returns the number of records that were not stored.
func (l *Log) Lost() int64 { return l.lost }

// Count returns the number of records of lane i.
func (l *Log) Count(i int) int64 {
	if i >= len(l.lanes) {
		return 0
	}
	return l.lanes[i].total
}

// Spilled returns the bytes in the temporary file.
func (l *Log) Spilled() int64 { return l.size }

// Sort brings every block into the order of starts. Rings deliver spans in the
// order of their ends; sorting waits until the recording is over, because it
// costs tens of times as much as packing.
func (l *Log) Sort() error {
	var recs []Record
	for i := range l.lanes {
		l.seal(&l.lanes[i])
	}
	var err error
	for i := range l.lanes {
		for j := range l.lanes[i].blocks {
			b := &l.lanes[i].blocks[j]
			if recs, err = l.unpack(b, recs[:0]); err != nil {
				return err
			}
			if sorted(recs) {
				continue
			}
			order(recs)
			if err := l.repack(b, recs); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Log) unpack(b *block, recs []Record) ([]Record, error) {
	data, err := l.bytes(b)
	if err != nil {
		return nil, err
	}
	prev := uint64(0)
	for range b.count {
		var rec Record
		if rec, data, err = takeRecord(data, prev); err != nil {
			return nil, err
		}
		prev = rec.Start
		recs = append(recs, rec)
	}
	return recs, nil
}

// repack stores records in place of a block's. A block in the file goes behind
// its end: other deltas, another length.
func (l *Log) repack(b *block, recs []Record) error {
	data := make([]byte, 0, b.size+maxPacked)
	prev := uint64(0)
	for i := range recs {
		data = slices.Grow(data, maxPacked)
		data = appendRecord(data, &recs[i], prev)
		prev = recs[i].Start
	}
	inFile := b.data == nil
	b.data, b.size = data, len(data)
	if inFile {
		return l.write(b)
	}
	return nil
}

func (l *Log) bytes(b *block) ([]byte, error) {
	if b.data != nil {
		return b.data, nil
	}
	data := make([]byte, b.size)
	if _, err := l.file.ReadAt(data, b.off); err != nil {
		return nil, fmt.Errorf("file for spans: %w", err)
	}
	return data, nil
}

// Close removes the temporary file.
func (l *Log) Close() error {
	if l.file == nil {
		return nil
	}
	f := l.file
	l.file = nil
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
