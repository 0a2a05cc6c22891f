// SPDX-License-Identifier: Apache-2.0

package chromejson

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// status is the outcome of a step over bytes in the window.
type status uint8

const (
	ok   status = iota
	more        // the window ends inside: read on and repeat the step
	bad         // not JSON
	deep        // nested beyond maxDepth
)

const maxDepth = 1024

const (
	ones   = 0x0101010101010101
	highs  = 0x8080808080808080
	quotes = '"' * ones
)

// stringEnd returns the index of the quote that ends the string whose first
// byte is b[i]; b[i-1] is the opening quote.
//
// Note: the byte before a found quote decides alone whether backslashes are
// counted; it is there without a bounds test because b[i-1] is a quote. A
// further live variable in this loop once halved the speed of a whole scanner.
func stringEnd(b []byte, i int) (int, status) {
	for i+24 <= len(b) {
		p := b[i : i+24 : i+24]
		x := binary.LittleEndian.Uint64(p) ^ quotes
		m := (x - ones) &^ x & highs
		if m == 0 {
			i += 8
			x = binary.LittleEndian.Uint64(p[8:]) ^ quotes
			m = (x - ones) &^ x & highs
			if m == 0 {
				i += 8
				x = binary.LittleEndian.Uint64(p[16:]) ^ quotes
				m = (x - ones) &^ x & highs
				if m == 0 {
					i += 8
					n := bytes.IndexByte(b[i:], '"')
					if n < 0 {
						return len(b), more
					}
					i += n
					if b[i-1] != '\\' || !escaped(b, i) {
						return i, ok
					}
					i++
					continue
				}
			}
		}
		i += bits.TrailingZeros64(m) / 8
		if b[i-1] != '\\' || !escaped(b, i) {
			return i, ok
		}
		i++
	}
	for ; i < len(b); i++ {
		if b[i] == '"' && (b[i-1] != '\\' || !escaped(b, i)) {
			return i, ok
		}
	}
	return len(b), more
}

// escaped reports whether an odd number of backslashes stands before b[i]. The
// opening quote ends the count.
func escaped(b []byte, i int) bool {
	n := 0
	for i-1-n >= 0 && b[i-1-n] == '\\' {
		n++
	}
	return n&1 == 1
}

// skipSpace returns the index of the next byte above the space: control bytes
// count as space.
func skipSpace(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' {
		i++
	}
	return i
}

// skipBreak is skipSpace where pretty-printed files have a line break and
// indentation: eight bytes at a time.
func skipBreak(b []byte, i int) int {
	if i < len(b) && b[i] < ' ' {
		return breakEnd(b, i+1)
	}
	return skipSpace(b, i)
}

func breakEnd(b []byte, i int) int {
	for i+8 <= len(b) {
		w := binary.LittleEndian.Uint64(b[i:])
		above := (w&^highs + (0x7f-' ')*ones | w) & highs
		if above != 0 {
			return i + bits.TrailingZeros64(above)/8
		}
		i += 8
	}
	for i < len(b) && b[i] <= ' ' {
		i++
	}
	return i
}

// valueEnd returns the index behind the value at b[i:]. Strings, numbers and
// words end at the first byte that cannot belong to them, so a value that the
// window cuts is never taken for a whole one.
func valueEnd(b []byte, i int) (int, status) {
	if i >= len(b) {
		return i, more
	}
	switch b[i] {
	case '"':
		i, st := stringEnd(b, i+1)
		return i + 1, st
	case '{', '[':
		return containerEnd(b, i)
	}
	return wordEnd(b, i)
}

// wordEnd is valueEnd for numbers, true, false, null and words JSON does not know.
func wordEnd(b []byte, i int) (int, status) {
	start := i
	for i < len(b) {
		switch c := b[i]; {
		case c <= ' ', c == ',', c == '}', c == ']':
			if i == start {
				return i, bad
			}
			return i, ok
		case c == '"', c == '{', c == '[', c == ':':
			return i, bad
		}
		i++
	}
	return i, more
}

// containerEnd is valueEnd for objects and arrays. It checks that brackets
// match and that a string is followed by what may follow one: with a quote
// missing somewhere that fails soon, where counting brackets would run on
// through the file.
func containerEnd(b []byte, i int) (int, status) {
	var objects [maxDepth / 64]uint64 // one bit a level, set for an object
	depth := 0
	for i < len(b) {
		switch c := b[i]; c {
		case '"':
			end, st := stringEnd(b, i+1)
			if st != ok {
				return end, st
			}
			i = skipSpace(b, end+1)
			if i < len(b) && !followsString[b[i]] {
				return i, bad
			}
			continue
		case '{', '[':
			if depth == maxDepth {
				return i, deep
			}
			bit := uint64(1) << (depth & 63)
			if c == '{' {
				objects[depth>>6] |= bit
			} else {
				objects[depth>>6] &^= bit
			}
			depth++
		case '}', ']':
			depth--
			if isObject := objects[depth>>6]>>(depth&63)&1 == 1; isObject != (c == '}') {
				return i, bad
			}
			if depth == 0 {
				return i + 1, ok
			}
		}
		i++
	}
	return i, more
}

var followsString = [256]bool{':': true, ',': true, '}': true, ']': true}
