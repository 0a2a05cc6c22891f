// SPDX-License-Identifier: Apache-2.0

package chromejson

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// Unquote appends the text of a JSON string to dst; raw is the bytes between
// the quotes. Surrogate pairs become one character. What JSON forbids is kept
// in the nearest form and reported by valid == false: a lone surrogate and bytes
// that are no UTF-8 become U+FFFD, an unknown escape stands for the character
// behind the backslash, raw control bytes stay.
func Unquote(dst, raw []byte) (text []byte, valid bool) {
	if Plain(raw) {
		return append(dst, raw...), true
	}
	valid = true
	for len(raw) > 0 {
		n := bytes.IndexByte(raw, '\\')
		plain := raw
		if n >= 0 {
			plain = raw[:n]
		}
		var clean bool
		dst, clean = appendUTF8(dst, plain)
		valid = valid && clean
		if n < 0 {
			break
		}
		dst, raw, clean = unescape(dst, raw[n:])
		valid = valid && clean
	}
	return dst, valid
}

// Plain reports whether the bytes between a string's quotes are its text as they
// stand: ASCII above the control bytes without a backslash. Almost all names are.
func Plain(raw []byte) bool {
	const backslashes = '\\' * ones
	// A byte's high bit comes on if it is no ASCII, below a space, or a
	// backslash. Borrows reach only bytes above one whose bit is on already.
	odd := uint64(0)
	for len(raw) >= 16 {
		p := raw[:16]
		a, b := binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint64(p[8:])
		odd |= a | (a - ' '*ones) | (a ^ backslashes - ones)
		odd |= b | (b - ' '*ones) | (b ^ backslashes - ones)
		raw = raw[16:]
	}
	if len(raw) >= 8 {
		a := binary.LittleEndian.Uint64(raw)
		odd |= a | (a - ' '*ones) | (a ^ backslashes - ones)
		raw = raw[8:]
	}
	if odd&highs != 0 {
		return false
	}
	for _, c := range raw {
		if c < ' ' || c == '\\' || c >= 0x80 {
			return false
		}
	}
	return true
}

// appendUTF8 appends text that has no escapes, replacing what is no UTF-8.
func appendUTF8(dst, text []byte) ([]byte, bool) {
	valid := true
	for _, c := range text {
		if c < ' ' {
			valid = false
			break
		}
	}
	if utf8.Valid(text) {
		return append(dst, text...), valid
	}
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		dst = utf8.AppendRune(dst, r) // RuneError for each stray byte
		text = text[n:]
	}
	return dst, false
}

// unescape decodes the escape at the start of raw and returns what is behind.
func unescape(dst, raw []byte) (text, rest []byte, valid bool) {
	if len(raw) < 2 {
		return append(dst, raw...), nil, false
	}
	c, rest := raw[1], raw[2:]
	switch c {
	case '"', '\\', '/':
		return append(dst, c), rest, true
	case 'b':
		return append(dst, '\b'), rest, true
	case 'f':
		return append(dst, '\f'), rest, true
	case 'n':
		return append(dst, '\n'), rest, true
	case 'r':
		return append(dst, '\r'), rest, true
	case 't':
		return append(dst, '\t'), rest, true
	case 'u':
	default: // the character itself, decoded with what follows
		return dst, raw[1:], false
	}
	r, valid := hex4(rest)
	if !valid {
		return append(dst, 'u'), rest, false
	}
	rest = rest[4:]
	if !utf16.IsSurrogate(r) {
		return utf8.AppendRune(dst, r), rest, true
	}
	if len(rest) >= 6 && rest[0] == '\\' && rest[1] == 'u' {
		low, _ := hex4(rest[2:])
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return utf8.AppendRune(dst, pair), rest[6:], true
		}
	}
	return utf8.AppendRune(dst, utf8.RuneError), rest, false
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case c-'0' <= 9:
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
