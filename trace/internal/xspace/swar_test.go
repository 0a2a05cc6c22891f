// SPDX-License-Identifier: Apache-2.0

package xspace

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// SWAR and vector decoding agree with encoding/binary on varints of one to eight
// bytes, whatever stands behind them, for any number of values.
func TestSqueeze(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 70).Draw(t, "n")
		add := rapid.Int64().Draw(t, "add")
		var raw, want []int64
		for range n {
			size := rapid.IntRange(1, 8).Draw(t, "size")
			v := rapid.Uint64().Draw(t, "value") >> (64 - 7*size)
			var buf [18]byte
			binary.LittleEndian.PutUint64(buf[8:], rapid.Uint64().Draw(t, "behind"))
			k := binary.PutUvarint(buf[:], v)
			copy(buf[k:8], buf[8:])
			x := binary.LittleEndian.Uint64(buf[:])
			m := through(stops(x))
			if width(m) != k {
				t.Fatalf("%x: width %d, want %d", buf[:8], width(m), k)
			}
			raw, want = append(raw, int64(x&m)), append(want, int64(v)+add)
		}
		vector, single := slices.Clone(raw), slices.Clone(raw)
		squeezeAll(vector, add)
		squeezeEach(single, add)
		if !slices.Equal(vector, want) || !slices.Equal(single, want) {
			t.Fatalf("%x: vector %v, single %v, want %v", raw, vector, single, want)
		}
	})
}

// The tables for stat values accept exactly the lengths and bytes of a varint that
// ends where its stat does.
func TestStatMasks(t *testing.T) {
	for l := range uint64(16) {
		for n := 1; n <= 8; n++ { // a varint of n bytes
			x := ^uint64(0) &^ (0x80 << (8 * (n - 1)))
			ok := x&statMask[l]&tops == statMore[l]
			if want := l == uint64(n+3); ok != want {
				t.Errorf("stat of %d bytes with a value of %d: accepted %t, want %t", l, n, ok, want)
			}
		}
		if l >= 4 && l <= 11 && bits.OnesCount64(statMask[l]) != 8*int(l-3) {
			t.Errorf("mask of length %d is %x", l, statMask[l])
		}
	}
}
