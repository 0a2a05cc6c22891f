// SPDX-License-Identifier: Apache-2.0

package inflate

import (
	"bytes"
	"testing"
)

// FuzzGzip holds the decoder against the standard library on arbitrary input.
func FuzzGzip(f *testing.F) {
	f.Add(pack(f, jsonLike(600), 6))
	f.Add(pack(f, protoLike(600), 1))
	f.Fuzz(func(t *testing.T, gz []byte) {
		if len(gz) <= 1<<16 {
			compare(t, gz)
		}
	})
}

// FuzzDeflate puts a right header before the input, so that more of them reach
// the tables and the matches.
func FuzzDeflate(f *testing.F) {
	f.Add(pack(f, jsonLike(600), 6)[10:])
	f.Add(pack(f, bytes.Repeat([]byte("abcdefghijk"), 40), 9)[10:])
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) <= 1<<16 {
			compare(t, withBody(body))
		}
	})
}

// FuzzRoundTrip compresses its input by every method of deflate, twice, and
// reads both members back.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("hello, hello"), 6)
	f.Add(noise(300), -2)
	f.Fuzz(func(t *testing.T, data []byte, level int) {
		level = -2 + (level%12+12)%12
		gz := append(pack(t, data, level), pack(t, data, (level+2)%10)...)
		got, err := unpack(bytes.NewReader(gz), Options{BlockSize: 1})
		if err != nil || !bytes.Equal(got, append(bytes.Clone(data), data...)) {
			t.Fatalf("level %d: %d bytes, %v, want 2 × %d", level, len(got), err, len(data))
		}
	})
}
