// SPDX-License-Identifier: Apache-2.0

package xspace

import (
	"errors"
	"fmt"
	"io"
)

// A cursor reads small pieces of a file at increasing offsets. It reads a little
// after a jump and more while offsets stay close, so that jumping over lines
// costs a page each and walking a million metadata entries costs few reads.
type cursor struct {
	r    io.ReaderAt
	size int64
	buf  []byte
	base int64 // file offset of buf[0]
	step int   // bytes the next read asks for
}

const (
	cursorMin = 4 << 10
	cursorMax = 256 << 10
)

// The cursor's decoders return these when bytes make no sense or a value runs past
// the end of its message; other errors are of the reader.
var (
	errDamaged = errors.New("damaged")
	errShort   = errors.New("runs past the end")
)

// isDamage reports whether err speaks of the bytes, not of reading them.
func isDamage(err error) bool { return err == errDamaged || err == errShort }

// bytes returns n bytes at off, or fewer at the end of the file. They are valid
// until the next call.
func (cu *cursor) bytes(off int64, n int) ([]byte, error) {
	if n > int(min(cu.size-off, 1<<30)) {
		n = int(max(cu.size-off, 0))
	}
	if off < cu.base || off+int64(n) > cu.base+int64(len(cu.buf)) {
		if err := cu.fill(off, n); err != nil {
			return nil, err
		}
	}
	i := int(off - cu.base)
	return cu.buf[i : i+n], nil
}

func (cu *cursor) fill(off int64, n int) error {
	end := cu.base + int64(len(cu.buf))
	if len(cu.buf) > 0 && off >= cu.base && off < end+cursorMin {
		cu.step = min(2*cu.step, cursorMax)
	} else {
		cu.step = cursorMin
	}
	want := int(min(int64(max(cu.step, n)), cu.size-off))
	if cap(cu.buf) < want {
		cu.buf = make([]byte, want)
	}
	cu.buf = cu.buf[:want]
	cu.base = off
	return readFull(cu.r, cu.buf, off)
}

// readFull fills b from off; a reader that stops early is an error, since the
// size of the file was given.
func readFull(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("offset 0x%x: read %d of %d bytes: %w", off, n, len(b), err)
}

// uvarint decodes the varint at off, which must end before end.
func (cu *cursor) uvarint(off, end int64) (v uint64, next int64, err error) {
	b, err := cu.bytes(off, int(min(10, end-off)))
	if err != nil {
		return 0, 0, err
	}
	v, p := uvarint(b, 0)
	if p < 0 {
		if len(b) < 10 {
			return 0, 0, errShort
		}
		return 0, 0, errDamaged
	}
	return v, off + int64(p), nil
}

// A span is one field of a message in the file: num and wire from its tag, val
// for a varint, and [off, end) for a length-delimited value. end may lie behind
// the message that holds the field; the caller decides what that means.
type span struct {
	num, wire int
	val       uint64
	off, end  int64
}

// field decodes the field at off of a message that ends at end.
func (cu *cursor) field(off, end int64) (sp span, next int64, err error) {
	tag, off, err := cu.uvarint(off, end)
	if err != nil {
		return sp, 0, err
	}
	if tag>>3 == 0 || tag>>3 > 1<<29-1 {
		return sp, 0, errDamaged
	}
	sp.num, sp.wire = int(tag>>3), int(tag&7)
	switch sp.wire {
	case wireVarint:
		sp.val, next, err = cu.uvarint(off, end)
		return sp, next, err
	case wireBytes:
		n, off, err := cu.uvarint(off, end)
		if err != nil {
			return sp, 0, err
		}
		if n > 1<<62 {
			return sp, 0, errDamaged
		}
		sp.off, sp.end = off, off+int64(n)
		return sp, sp.end, nil
	case wireI64:
		return sp, off + 8, nil
	case wireI32:
		return sp, off + 4, nil
	}
	return sp, 0, errDamaged
}

// text returns the bytes of a length-delimited field as a string, at most
// maxName of them.
func (cu *cursor) text(sp span) (string, error) {
	b, err := cu.bytes(sp.off, int(min(sp.end-sp.off, maxName)))
	return string(b), err
}
