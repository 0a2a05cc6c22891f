// SPDX-License-Identifier: Apache-2.0

package perfetto

import (
	"errors"
	"io"
)

// A window is the part of a stream of packets that is in memory.
type window struct {
	r    io.Reader
	b    []byte // [pos, n) is unread; slack bytes follow n
	pos  int
	n    int
	base int64 // offset of b[0] in the stream
	err  error // of r, once it has given one
}

func newWindow(r io.Reader, size int) *window { return &window{r: r, b: make([]byte, size+slack)} }

// reset makes w read r from its start, keeping the buffer.
func (w *window) reset(r io.Reader) { *w = window{r: r, b: w.b} }

func (w *window) offset() int64 { return w.base + int64(w.pos) }

// need brings at least n unread bytes into view, if the stream has them.
func (w *window) need(n int) bool {
	if w.n-w.pos >= n {
		return true
	}
	if w.pos > 0 {
		w.n = copy(w.b, w.b[w.pos:w.n])
		w.base += int64(w.pos)
		w.pos = 0
	}
	for w.n < n && w.err == nil {
		if w.n == len(w.b)-slack {
			// Twice as much, not what a length claims.
			w.b = append(make([]byte, 0, 2*len(w.b)), w.b[:w.n]...)
			w.b = w.b[:cap(w.b)]
		}
		w.fill()
	}
	return w.n >= n
}

// fill reads once. Readers that give nothing a hundred times are broken.
func (w *window) fill() {
	for range 100 {
		k, err := w.r.Read(w.b[w.n : len(w.b)-slack])
		w.n += k
		if err != nil {
			w.err = err
			return
		}
		if k > 0 {
			return
		}
	}
	w.err = io.ErrNoProgress
}

// discard drops n bytes and returns how many there were.
func (w *window) discard(n uint64) uint64 {
	done := uint64(0)
	for {
		k := min(n-done, uint64(w.n-w.pos))
		w.pos += int(k)
		done += k
		if done == n || w.err != nil {
			return done
		}
		w.need(w.n - w.pos + 1)
	}
}

// errFrame says that the bytes at the window's position begin no field.
var errFrame = errors.New("no field")

// frame finds the next packet: the place of its content in w.b. It skips other
// fields. Packets longer than limit are dropped and reported as oversized.
// io.EOF is the end of the stream, io.ErrUnexpectedEOF one inside a field.
func (w *window) frame(limit int) (s span, oversized bool, err error) {
	for {
		// The usual packet is short and wholly in view.
		if w.pos+2 <= w.n && w.b[w.pos] == packetTag {
			if n := int(w.b[w.pos+1]); n < 0x80 && w.pos+2+n <= w.n {
				s = span{w.pos + 2, w.pos + 2 + n}
				w.pos = s.end
				return s, false, nil
			}
		}
		if !w.need(1) {
			return s, false, w.err
		}
		w.need(20)
		clear(w.b[w.n : w.n+slack]) // a varint cut by the end must not go on in old bytes
		tag, p := tagOf(w.b, w.pos)
		if p > w.n {
			return s, false, w.cut(p)
		}
		if tag>>3 == 0 {
			return s, false, errFrame
		}
		if tag&7 != wireBytes {
			q := skip(w.b, p, w.n, tag)
			if q > w.n {
				return s, false, w.cut(q)
			}
			w.pos = q
			continue
		}
		n, p := uvarint(w.b, p)
		switch {
		case p > w.n:
			return s, false, w.cut(p)
		case n > 1<<50:
			return s, false, errFrame
		case tag != packetTag || n > uint64(limit):
			head := p - w.pos
			w.pos = p
			if w.discard(n) < n {
				w.pos = max(0, w.pos-head)
				return s, false, io.ErrUnexpectedEOF
			}
			if tag == packetTag {
				return s, true, nil
			}
			continue
		}
		head := p - w.pos
		if !w.need(head + int(n)) {
			return s, false, io.ErrUnexpectedEOF
		}
		s = span{w.pos + head, w.pos + head + int(n)}
		w.pos = s.end
		return s, false, nil
	}
}

// cut tells a field that is damaged from one that the stream's end cuts.
func (w *window) cut(p int) error {
	if p >= beyond || w.err == nil {
		return errFrame
	}
	return io.ErrUnexpectedEOF
}

// packetTag is the tag of Trace.packet.
const packetTag = 1<<3 | wireBytes
