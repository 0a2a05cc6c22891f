// SPDX-License-Identifier: Apache-2.0

package chromejson

import "io"

// Source yields a document's bytes in blocks. A block stays valid until the next
// call; an error comes without a block, io.EOF at the end.
type Source interface {
	Next() ([]byte, error)
}

// readerSource is the Source of a plain io.Reader.
type readerSource struct {
	r   io.Reader
	buf []byte
}

func (s *readerSource) Next() ([]byte, error) {
	for range 100 {
		n, err := s.r.Read(s.buf)
		if n > 0 {
			return s.buf[:n], nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, io.ErrNoProgress
}

// window is the part of the input under the scanner: a block of the source, or,
// where something spans two blocks, a copy of the end of the one and the start
// of the other.
type window struct {
	src  Source
	b    []byte // the bytes in view
	pos  int    // of the scanner in b
	base int64  // offset of b[0] in the input

	block  []byte // the source's current block
	taken  int    // bytes of block that are in carry; meaningful if seam is set
	carry  []byte
	widest int  // the largest carry since this was last set
	fresh  bool // a carry is not written again: events that are still in use point into it
	seam   bool // b is carry, else b is block
	err    error
	padded bool // the input has ended and b ends in padding
}

// padding is put behind the last byte of the input. The scanner asks for more
// bytes than it needs near the end of what it sees; white space behind the end
// lets it see a last event that has nothing behind it, and changes no meaning.
const padding = "                "

// offset is the scanner's place in the input.
func (w *window) offset() int64 { return min(w.base+int64(w.pos), w.end()) }

// end is the place behind the bytes in view that are the input's.
func (w *window) end() int64 {
	n := len(w.b)
	if w.padded {
		n = max(0, n-len(padding))
	}
	return w.base + int64(n)
}

// cutWord reports whether a value that ends at b[i] has nothing but the end of
// the input behind it: a number may then have been longer.
func (w *window) cutWord(i int) bool { return w.padded && i >= len(w.b)-len(padding) }

// grow brings more bytes into view behind those from pos on, at least as many
// again, and drops those before pos. It returns false if the input has no more.
func (w *window) grow() bool {
	if w.padded {
		return false
	}
	rest := len(w.b) - w.pos
	if w.seam && rest <= w.taken {
		// The scanner has left the first block: go on in the second.
		w.base += int64(w.pos)
		w.b, w.pos, w.seam = w.block, w.taken-rest, false
		w.base -= int64(w.pos)
		if rest < len(w.b)-w.pos {
			return true
		}
	}
	if rest == 0 && !w.seam && w.nextBlock() {
		return true
	}
	if w.stitch(len(w.b) - w.pos) {
		return true
	}
	w.carry = append(w.carry, padding...)
	w.b = w.carry
	w.padded = true
	return true
}

// nextBlock replaces the view, all of it read, by the next block.
func (w *window) nextBlock() bool {
	w.base += int64(w.pos)
	w.b, w.pos, w.seam = nil, 0, false
	w.block, w.taken = nil, 0
	for w.err == nil && len(w.block) == 0 {
		w.block, w.err = w.src.Next()
	}
	w.b = w.block
	return len(w.b) > 0
}

// stitch makes the view a copy of its last rest bytes and as many more.
func (w *window) stitch(rest int) bool {
	w.base += int64(w.pos)
	target := 2*rest + 4096
	switch {
	case w.fresh:
		w.carry = append(make([]byte, 0, target+len(padding)), w.b[w.pos:]...)
	case w.seam:
		w.carry = w.carry[:copy(w.carry, w.b[w.pos:])]
	default:
		w.carry = append(w.carry[:0], w.b[w.pos:]...)
	}
	if !w.seam {
		w.block, w.taken = nil, 0
	}
	w.seam = true
	for len(w.carry) < target {
		if w.taken == len(w.block) {
			if w.err != nil {
				break
			}
			w.block, w.err = w.src.Next()
			w.taken = 0
			continue
		}
		n := min(target-len(w.carry), len(w.block)-w.taken)
		w.carry = append(w.carry, w.block[w.taken:w.taken+n]...)
		w.taken += n
	}
	w.widest = max(w.widest, cap(w.carry))
	w.b, w.pos = w.carry, 0
	return len(w.b) > rest
}
