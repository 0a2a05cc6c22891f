// SPDX-License-Identifier: Apache-2.0

package xspace

import (
	"encoding/binary"
	"unsafe"
)

// load returns eight bytes at base+p.
func load(base unsafe.Pointer, p int) uint64 {
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(base, p))[:])
}

// load1 returns the byte at base+p.
func load1(base unsafe.Pointer, p int) byte { return *(*byte)(unsafe.Add(base, p)) }

const (
	ones = 0x0101010101010101
	tops = 0x8080808080808080
)

// stops has the top bit of each byte set that ends a varint in x.
func stops(x uint64) uint64 { return ^x & tops }

// through has all bits set up to the lowest one of t: of the result of stops, the
// bytes of the varint at the lowest byte.
func through(t uint64) uint64 { return t ^ (t - 1) }

// width returns how many bytes through(t) covers.
//
// Note: a count of trailing zeros is 8 operations on AMD unless compiled for
// GOAMD64=v3; this is 3.
func width(m uint64) int { return int(m & ones * ones >> 56) }

// squeeze returns the value of the varint whose bytes, and zeros, are x.
func squeeze(x uint64) uint64 {
	x = x&0x007f007f007f007f | x>>1&0x3f803f803f803f80
	x = x&0x00003fff00003fff | x>>2&0x0fffc0000fffc000
	return x&0x000000000fffffff | x>>4&0x00fffffff0000000
}

// squeezeEach is squeezeAll one by one.
func squeezeEach(vals []int64, add int64) {
	for i, v := range vals {
		vals[i] = int64(squeeze(uint64(v))) + add
	}
}

// A deviceHead is the first bytes of the two device stats, 22 len 08 id tag, in
// the usual case that both ids have one byte. TPU op events begin with them.
type deviceHead struct {
	offset, duration uint64
}

const deviceHeadMask = 0xff_ff_ff_f0_ff // all but the length, which is below 16

func newDeviceHead(sf *statFilter) (dh deviceHead) {
	for id, role := range sf.small {
		head := tagEvent | statID<<3<<16 | uint64(id)<<24 | (statUint<<3)<<32
		switch role >> roleShift {
		case 1:
			dh.offset = head
		case 2:
			dh.duration = head
		}
	}
	return dh
}

// statMask keeps the bytes of the value of a stat of length l with a one-byte id,
// and statMore is which of their top bits must be set. Lengths that a varint of
// one to eight bytes cannot have never compare equal.
var statMask, statMore = func() (mask, more [16]uint64) {
	for l := range mask {
		more[l] = 1
		if n := l - 3; n >= 1 && n <= 8 {
			mask[l] = ^uint64(0) >> (64 - 8*n)
			more[l] = mask[l] >> 8 & tops
		}
	}
	return mask, more
}()
