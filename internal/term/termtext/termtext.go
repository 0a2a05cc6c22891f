// SPDX-License-Identifier: Apache-2.0

// Package termtext measures, cuts and defuses text for character cells: how
// wide a string is on a terminal, how to shorten it to a width, and how to
// print a name from an untrusted file so that it can't move the cursor, recolour
// the screen or reorder what stands beside it.
package termtext

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	zwnj = '\u200c'
	zwj  = '\u200d'
)

// Safe returns s with everything that isn't visible text replaced by its Go
// escape: control characters (\n, \x1b), bytes that aren't UTF-8 (\xff), bidi
// and other format controls (\u202e), line separators, unassigned and private
// code points. Spaces of any script, combining marks and the two joiners stay.
// A backslash of the text itself is left alone, so the result is for reading,
// not for parsing back. Text that needs nothing is returned as it is.
func Safe(s string) string {
	i := 0
	for i < len(s) && s[i] >= ' ' && s[i] <= '~' {
		i++
	}
	if i == len(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	b.WriteString(s[:i])
	for i < len(s) {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsGraphic(r) || r == zwj || r == zwnj:
			b.WriteString(s[i : i+n])
		default:
			writeEscape(&b, r)
		}
		i += n
	}
	return b.String()
}

func writeEscape(b *strings.Builder, r rune) {
	switch {
	case r == '\n':
		b.WriteString(`\n`)
	case r == '\r':
		b.WriteString(`\r`)
	case r == '\t':
		b.WriteString(`\t`)
	case r < 0x80:
		fmt.Fprintf(b, `\x%02x`, r)
	case r < 0x10000:
		fmt.Fprintf(b, `\u%04x`, r)
	default:
		fmt.Fprintf(b, `\U%08x`, r)
	}
}

// Width returns the number of terminal cells s takes: 2 for East Asian wide and
// emoji characters, 0 for combining marks, joiners and controls, 1 for the
// rest. Invalid bytes count 1 each (a terminal shows a replacement character).
//
// Note: clusters joined by U+200D count as the sum of their parts. Terminals
// disagree about them, and a column that is too wide is better than one that
// runs into the next.
func Width(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

func runeWidth(r rune) int {
	switch {
	case r < 0x20 || r >= 0x7f && r < 0xa0:
		return 0
	case r < 0x300:
		return 1
	case r >= 0x1160 && r <= 0x11ff: // Hangul vowels and finals join the syllable before
		return 0
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case unicode.Is(wide, r):
		return 2
	}
	return 1
}

// Elide shortens s to at most width cells by cutting from its middle and
// putting mark there, because the ends of a scope path or an op name tell more
// than its middle. The head gets the odd cell. Text that fits is returned as it
// is; a width below that of mark plus two cells gives the head of s alone.
func Elide(s string, width int, mark string) string {
	if Width(s) <= width {
		return s
	}
	room := width - Width(mark)
	if room < 2 {
		return s[:headLen(s, width)]
	}
	head := s[:headLen(s, room-room/2)]
	return head + mark + s[tailStart(s, room-Width(head)):]
}

// headLen returns the length in bytes of the longest prefix of s within width.
func headLen(s string, width int) int {
	for i, r := range s {
		if width -= runeWidth(r); width < 0 {
			return i
		}
	}
	return len(s)
}

// tailStart returns where the longest suffix of s within width begins; it never
// begins with a combining mark whose base was cut off.
func tailStart(s string, width int) int {
	start := len(s)
	for i := len(s); i > 0; {
		r, n := utf8.DecodeLastRuneInString(s[:i])
		i -= n
		w := runeWidth(r)
		if width -= w; width < 0 {
			break
		}
		if w > 0 {
			start = i
		}
	}
	return start
}
