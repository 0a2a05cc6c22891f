// SPDX-License-Identifier: Apache-2.0

package inflate

import (
	"hash/crc32"
	"io"
	"time"
)

const (
	history  = 32 << 10 // how far back a match may reach
	maxMatch = 258
	slack    = 64 // bytes a word copy may write past a match's end
	// MinBuffer is the smallest buffer [Reader.NextIn] takes.
	MinBuffer = 2*history + slack
)

// Options set a reader's bounds. The zero value is for files of any size.
type Options struct {
	// BlockSize is the size of the blocks that Next hands out; 256 KiB if 0,
	// 64 KiB at least. Blocks stay in the cache of the core that uses them.
	BlockSize int
	// MaxBytes stops a bomb: output beyond it is an error that wraps
	// [ErrLimit]. No limit if 0.
	MaxBytes int64
}

// Header is what the first member's header says.
type Header struct {
	Name    string // file name, Latin-1 decoded
	Comment string
	Extra   []byte
	ModTime time.Time // zero if not recorded
	OS      byte
}

// Reader decompresses one gzip input of one or more members.
type Reader struct {
	Header

	src     io.Reader
	readErr error
	in      []byte // window of the input
	ip, end int    // unread bytes of in
	base    int64  // offset of in[0] in the input

	bitbuf uint64
	bitcnt uint // bits in bitbuf; only the lowest 6 bits count

	own   []byte // buffer of Next
	out   []byte // buffer in use; history and output
	op    int    // end of the output in out
	start int    // op at the start of the present block
	reach int    // first byte of the present member in out, or its history
	limit int    // op beyond which a block is full

	max    int64
	total  int64 // output so far, all members
	size   uint32
	crc    uint32
	member int
	state  state
	last   bool // the present deflate block is the member's last
	stored int  // bytes left in a stored block
	lit    *litTable
	dist   *distTable
	dynLit litTable
	dynDst distTable
	err    error

	pending []byte // decoded, not yet read
}

type state uint8

const (
	atBlock   state = iota // before a deflate block's header
	inStored               // inside a stored block
	inSymbols              // inside a compressed block
	atTrailer              // behind a member's last block
)

// NewReader reads the header of the gzip input r.
func NewReader(r io.Reader, opt Options) (*Reader, error) {
	block := opt.BlockSize
	switch {
	case block == 0:
		block = 256 << 10
	case block < 64<<10:
		block = 64 << 10
	}
	z := &Reader{
		src: r,
		in:  make([]byte, 64<<10+pad),
		own: newBuffer(history + block + maxMatch + slack),
		max: opt.MaxBytes,
	}
	z.member = 1
	z.header(&z.Header)
	if z.err != nil {
		return nil, z.err
	}
	return z, nil
}

// Next returns the next block of output, valid until the following call, or
// io.EOF behind the last.
func (z *Reader) Next() ([]byte, error) { return z.NextIn(z.own) }

// NextIn is Next with a buffer of the caller's, of [MinBuffer] bytes at least.
// The block returned is part of buf. The reader looks back into buf during the
// following call and not after it.
func (z *Reader) NextIn(buf []byte) ([]byte, error) {
	if p := z.pending; p != nil {
		z.pending = nil
		return p, nil
	}
	if z.err != nil {
		return nil, z.err
	}
	z.turn(buf)
	sum := z.start // output before it is part of the checksum
	for z.err == nil && z.op < z.limit {
		switch z.state {
		case atBlock:
			z.blockHeader()
		case inStored:
			z.copyStored()
		case inSymbols:
			z.symbols()
		case atTrailer:
			z.addSum(sum)
			sum = z.op
			z.trailer()
		}
	}
	z.addSum(sum)
	block := z.out[z.start:z.op:z.op]
	z.total += int64(len(block))
	z.start = z.op
	if z.max > 0 && z.total > z.max {
		block = block[:int64(len(block))-(z.total-z.max)]
		z.total = z.max
		z.err = nil // whatever else happened, it was beyond the limit
		z.fail("found more output than allowed", ErrLimit)
	}
	if len(block) == 0 {
		return nil, z.err
	}
	return block, nil
}

// turn makes buf the output buffer: the last 32 KiB of output move to its start.
func (z *Reader) turn(buf []byte) {
	keep := min(z.op-z.reach, history)
	copy(buf, z.out[z.op-keep:z.op])
	z.out, z.op, z.start, z.reach = buf, keep, keep, 0
	z.limit = len(buf) - maxMatch - slack
}

func (z *Reader) addSum(from int) {
	p := z.out[from:z.op]
	z.crc = crc32.Update(z.crc, crc32.IEEETable, p)
	z.size += uint32(len(p))
}

// Read decompresses into p.
func (z *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	block, err := z.Next()
	if err != nil {
		return 0, err
	}
	n := copy(p, block)
	if n < len(block) {
		z.pending = block[n:]
	}
	return n, nil
}

// WriteTo writes the rest of the output to w.
func (z *Reader) WriteTo(w io.Writer) (int64, error) {
	var sum int64
	for {
		block, err := z.Next()
		if err == io.EOF {
			return sum, nil
		}
		if err != nil {
			return sum, err
		}
		n, err := w.Write(block)
		sum += int64(n)
		if err != nil {
			return sum, err
		}
	}
}
