// SPDX-License-Identifier: Apache-2.0

package inflate

import "io"

// pad is room behind the input window, so that an eight-byte load at its last
// byte stays inside.
const pad = 8

// offset is the place in the compressed input of the first byte not yet used.
func (z *Reader) offset() int64 {
	return z.base + int64(z.ip) - int64(z.bits()/8)
}

func (z *Reader) bits() uint { return z.bitcnt & 63 }

// more reads until at least want bytes are unread, and reports whether they are.
func (z *Reader) more(want int) bool {
	if z.end-z.ip >= want {
		return true
	}
	back := min(z.ip, 8) // bytes in the bit buffer, that align may give back
	n := copy(z.in, z.in[z.ip-back:z.end])
	z.base += int64(z.ip - back)
	z.ip, z.end = back, n
	room := z.in[:len(z.in)-pad]
	for idle := 0; z.end-z.ip < want && z.readErr == nil; {
		n, err := z.src.Read(room[z.end:])
		z.end += n
		z.readErr = err
		if n == 0 && err == nil {
			if idle++; idle == 100 {
				z.readErr = io.ErrNoProgress
			}
		}
	}
	return z.end-z.ip >= want
}

// need brings n ≤ 32 bits into the bit buffer and reports whether the input has
// them. It takes byte by byte, so that offset is exact.
func (z *Reader) need(n uint) bool {
	for z.bits() < n {
		if z.ip == z.end && !z.more(1) {
			return false
		}
		z.bitbuf |= uint64(z.in[z.ip]) << z.bits()
		z.bitcnt = z.bits() + 8
		z.ip++
	}
	return true
}

// take removes n bits that need has brought.
func (z *Reader) take(n uint) uint {
	v := uint(z.bitbuf) & (1<<n - 1)
	z.bitbuf >>= n
	z.bitcnt = z.bits() - n
	return v
}

// align drops the bits up to the next byte boundary and gives whole bytes in
// the bit buffer back to the input.
func (z *Reader) align() {
	z.ip -= int(z.bits() / 8)
	z.bitbuf, z.bitcnt = 0, 0
}

// bytes returns the next n ≤ 64 unread bytes; the bit buffer is empty.
func (z *Reader) bytes(n int, what string) []byte {
	if !z.more(n) {
		z.ip = z.end
		z.cut(what)
		return nil
	}
	p := z.in[z.ip : z.ip+n]
	z.ip += n
	return p
}

// copyStored moves bytes of a stored block to the output.
func (z *Reader) copyStored() {
	for z.stored > 0 && z.op < z.limit {
		if z.ip == z.end && !z.more(1) {
			z.cut("the rest of a stored block")
			return
		}
		n := min(z.stored, z.limit-z.op, z.end-z.ip)
		copy(z.out[z.op:], z.in[z.ip:z.ip+n])
		z.op += n
		z.ip += n
		z.stored -= n
	}
	if z.stored == 0 {
		z.endBlock()
	}
}

func (z *Reader) endBlock() {
	z.state = atBlock
	if z.last {
		z.state = atTrailer
	}
}
