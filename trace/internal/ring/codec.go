// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"encoding/binary"
	"errors"
)

// A record is packed as: id with the kind in its low bits, start minus the
// start before (zigzag), value (its distance from the start where it is an end),
// extra; all varints. That is 7 to 10 bytes a span instead of 24.

const maxPacked = 5 + 10 + 10 + 5

// appendRecord packs rec behind a record that starts at prev. b must have room
// for maxPacked bytes more.
func appendRecord(b []byte, rec *Record, prev uint64) []byte {
	n := len(b)
	b = b[:n+maxPacked]
	n = putUvarint(b, n, uint64(rec.id<<4|rec.id>>28))
	delta := int64(rec.Start - prev)
	n = putUvarint(b, n, uint64(delta<<1^delta>>63))
	v := rec.Value
	if rec.Kind().spanLike() {
		v -= rec.Start
	}
	n = putUvarint(b, n, v)
	n = putUvarint(b, n, uint64(rec.Extra))
	return b[:n]
}

// putUvarint writes v at b[n:] and returns the position behind it.
func putUvarint(b []byte, n int, v uint64) int {
	for v >= 0x80 {
		b[n] = byte(v) | 0x80
		v >>= 7
		n++
	}
	b[n] = byte(v)
	return n + 1
}

// errPacked is damage to the log, which is our own: a bug or a broken disk.
var errPacked = errors.New("damaged record")

// takeRecord unpacks one record from the front of b.
func takeRecord(b []byte, prev uint64) (rec Record, rest []byte, err error) {
	var f [4]uint64
	for i := range f {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return rec, nil, errPacked
		}
		f[i], b = v, b[n:]
	}
	id := uint32(f[0])
	rec.id = id>>4 | id<<28
	delta := int64(f[1]>>1) ^ -int64(f[1]&1)
	rec.Start = prev + uint64(delta)
	rec.Value = f[2]
	if rec.Kind().spanLike() {
		rec.Value += rec.Start
	}
	rec.Extra = uint32(f[3])
	return rec, b, nil
}
