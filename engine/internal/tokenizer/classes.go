// SPDX-License-Identifier: Apache-2.0

package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// class is what the splitters' patterns ask of a character.
type class uint8

const (
	other  class = iota
	letter       // \p{L}
	number       // \p{N}
	space        // \s: Unicode White_Space
)

// Go 1.26 knows Unicode 15.0; the reference implementation's regular expression
// engine knows 16.0. These are the letters and numbers that came in between.
// They stay right when Go's tables have them too.
var (
	laterLetters = table([]unicode.Range16{
		{0x1C89, 0x1C8A, 1}, {0xA7CB, 0xA7CD, 1}, {0xA7DA, 0xA7DC, 1},
	}, []unicode.Range32{
		{0x105C0, 0x105F3, 1}, {0x10D4A, 0x10D65, 1}, {0x10D6F, 0x10D85, 1}, {0x10EC2, 0x10EC4, 1},
		{0x11380, 0x11389, 1}, {0x1138B, 0x1138E, 3}, {0x11390, 0x113B5, 1}, {0x113B7, 0x113B7, 1},
		{0x113D1, 0x113D3, 2}, {0x11BC0, 0x11BE0, 1}, {0x13460, 0x143FA, 1}, {0x16100, 0x1611D, 1},
		{0x16D40, 0x16D6C, 1}, {0x18CFF, 0x18CFF, 1}, {0x1E5D0, 0x1E5ED, 1}, {0x1E5F0, 0x1E5F0, 1},
		{0x2EBF0, 0x2EE5D, 1},
	})
	laterNumbers = table(nil, []unicode.Range32{
		{0x10D40, 0x10D49, 1}, {0x116D0, 0x116E3, 1}, {0x11BF0, 0x11BF9, 1}, {0x16130, 0x16139, 1},
		{0x16D70, 0x16D79, 1}, {0x1CCF0, 0x1CCF9, 1}, {0x1E5F1, 0x1E5FA, 1},
	})
)

func table(r16 []unicode.Range16, r32 []unicode.Range32) *unicode.RangeTable {
	return &unicode.RangeTable{R16: r16, R32: r32}
}

var asciiClass = func() (t [utf8.RuneSelf]class) {
	for r := range rune(utf8.RuneSelf) {
		t[r] = classOf(r)
	}
	return t
}()

func classOf(r rune) class {
	switch {
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return number
	case unicode.IsSpace(r):
		return space
	case r < 0x1C89: // nothing below came later
	case unicode.Is(laterLetters, r):
		return letter
	case unicode.Is(laterNumbers, r):
		return number
	}
	return other
}

// classAt returns the class and the size in bytes of the character at s[i];
// size 0 at the end.
func classAt(s string, i int) (class, int) {
	if i >= len(s) {
		return other, 0
	}
	if c := s[i]; c < utf8.RuneSelf {
		return asciiClass[c], 1
	}
	r, size := utf8.DecodeRuneInString(s[i:])
	return classOf(r), size
}

// run returns the end of the run of characters of class c that starts at i.
func run(s string, i int, c class) int {
	for {
		k, size := classAt(s, i)
		if size == 0 || k != c {
			return i
		}
		i += size
	}
}

// isWord is \w: Alphabetic, Mark, Decimal_Number, Connector_Punctuation and
// Join_Control.
func isWord(r rune) bool {
	return unicode.In(r, unicode.L, unicode.Nl, unicode.Other_Alphabetic,
		unicode.M, unicode.Nd, unicode.Pc) || r == '\u200C' || r == '\u200D'
}
