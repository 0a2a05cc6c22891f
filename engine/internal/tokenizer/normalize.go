// SPDX-License-Identifier: Apache-2.0

package tokenizer

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// normalizers rewrite a piece of text, one after the other.
type normalizers []func(string) string

func (n normalizers) apply(s string) string {
	for _, f := range n {
		s = f(s)
	}
	return s
}

func prependNormalizer(prefix string) func(string) string {
	return func(s string) string {
		if s == "" {
			return s
		}
		return prefix + s
	}
}

func replaceNormalizer(old, with string) func(string) string {
	return func(s string) string { return strings.ReplaceAll(s, old, with) }
}

func stripNormalizer(left, right bool) func(string) string {
	return func(s string) string {
		if left {
			s = strings.TrimLeftFunc(s, unicode.IsSpace)
		}
		if right {
			s = strings.TrimRightFunc(s, unicode.IsSpace)
		}
		return s
	}
}

// unicodeNormalizer is one of the four Unicode normalization forms.
//
// Note: x/text makes its output stream-safe, which puts U+034F into runs of
// more than 30 combining marks; the reference implementations do not, so
// text with such a run takes a slower way of our own.
func unicodeNormalizer(form norm.Form) func(string) string {
	return func(s string) string {
		if isASCII(s) || form.IsNormalString(s) {
			return s
		}
		out := form.String(s)
		const joiner = "\u034F"
		if strings.Count(out, joiner) != strings.Count(s, joiner) {
			return normalizeMarks(form, s)
		}
		return out
	}
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// normalizeMarks is the algorithm of Unicode section 3.11 without a limit on
// combining marks: decompose, order marks by class, compose.
func normalizeMarks(form norm.Form, s string) string {
	split := norm.NFD
	if form == norm.NFKC || form == norm.NFKD {
		split = norm.NFKD
	}
	var rs []rune
	for _, r := range s {
		// One character at a time never reaches the limit.
		rs = append(rs, []rune(split.String(string(r)))...)
	}
	classes := make([]uint8, len(rs))
	for i, r := range rs {
		classes[i] = norm.NFD.PropertiesString(string(r)).CCC()
	}
	orderMarks(rs, classes)
	if form == norm.NFC || form == norm.NFKC {
		rs = composeMarks(rs, classes)
	}
	return string(rs)
}

func orderMarks(rs []rune, classes []uint8) {
	type mark struct {
		r rune
		c uint8
	}
	for i := 0; i < len(rs); i++ {
		end := i
		for end < len(rs) && classes[end] != 0 {
			end++
		}
		marks := make([]mark, 0, end-i)
		for k := i; k < end; k++ {
			marks = append(marks, mark{rs[k], classes[k]})
		}
		slices.SortStableFunc(marks, func(a, b mark) int { return int(a.c) - int(b.c) })
		for k, m := range marks {
			rs[i+k], classes[i+k] = m.r, m.c
		}
		i = end
	}
}

// composeMarks joins each starter with the marks after it that no other mark
// of its class blocks.
func composeMarks(rs []rune, classes []uint8) []rune {
	out := make([]rune, 0, len(rs))
	starter, last := -1, -1 // index in out; class of the last kept mark
	for i, r := range rs {
		if starter >= 0 && (last < int(classes[i]) || last == -1) {
			if c, ok := composePair(out[starter], r); ok {
				out[starter] = c
				continue
			}
		}
		if classes[i] == 0 {
			starter, last = len(out), -1
		} else {
			last = int(classes[i])
		}
		out = append(out, r)
	}
	return out
}

func composePair(a, b rune) (rune, bool) {
	joined := norm.NFC.String(string([]rune{a, b}))
	r, size := utf8.DecodeRuneInString(joined)
	return r, size == len(joined)
}
