// SPDX-License-Identifier: Apache-2.0

package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// validUTF8 replaces each maximal subpart of an ill-formed sequence by one
// U+FFFD.
//
// Note: strings.ToValidUTF8 writes one replacement for a whole run of invalid
// bytes and ranging over a string writes one for each byte; Python's
// bytes.decode("replace"), Rust's from_utf8_lossy and browsers' TextDecoder
// all count maximal subparts, and tokenizers are compared through those.
func validUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 8)
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size <= 1 {
			b.WriteString("\uFFFD")
			i += invalidPrefix(s[i:])
			continue
		}
		b.WriteString(s[i : i+size])
		i += size
	}
	return b.String()
}

// invalidPrefix returns the length of the maximal subpart at the start of s,
// which does not start with a valid character: the longest prefix that could
// have begun one, or a single byte.
func invalidPrefix(s string) int {
	lo, hi, more := byte(0x80), byte(0xBF), 0
	switch c := s[0]; {
	case c >= 0xC2 && c <= 0xDF:
		more = 1
	case c >= 0xE0 && c <= 0xEF:
		more = 2
	case c >= 0xF0 && c <= 0xF4:
		more = 3
	}
	switch s[0] {
	case 0xE0:
		lo = 0xA0 // below: overlong
	case 0xED:
		hi = 0x9F // above: surrogates
	case 0xF0:
		lo = 0x90
	case 0xF4:
		hi = 0x8F // above: beyond U+10FFFF
	}
	n := 1
	for n <= more && n < len(s) && s[n] >= lo && s[n] <= hi {
		lo, hi = 0x80, 0xBF
		n++
	}
	return n
}
