// SPDX-License-Identifier: Apache-2.0

package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// splitter is one pre-tokenizer. prepare may rewrite the piece (replace
// spaces, add one in front); next returns where the word that starts at i
// ends, and whether it is to be dropped. Words cover the piece.
type splitter interface {
	prepare(text string, atStart bool) string
	next(text string, i int) (end int, drop bool)
}

// asIs is embedded by splitters that do not rewrite their text.
type asIs struct{}

func (asIs) prepare(text string, _ bool) string { return text }

// gpt2 is the splitter of GPT-2:
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
type gpt2 struct{ asIs }

func (gpt2) next(s string, i int) (int, bool) {
	if s[i] == '\'' {
		if n := contraction(s[i:], false); n > 0 {
			return i + n, false
		}
	}
	j := i
	if s[i] == ' ' {
		j++
	}
	if c, size := classAt(s, j); size > 0 && c != space {
		return run(s, j, c), false
	}
	return spaces(s, i), false
}

// tiktoken is the splitter that Qwen2, Qwen3 and Llama-3 share, apart from
// the number of digits k that stay together:
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,k}|
//	 ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
type tiktoken struct {
	asIs
	digits int
}

func (t tiktoken) next(s string, i int) (int, bool) {
	c, size := classAt(s, i)
	switch c {
	case letter:
		return run(s, i+size, letter), false
	case number:
		end := i + size
		for n := 1; n < t.digits; n++ {
			c, size := classAt(s, end)
			if size == 0 || c != number {
				break
			}
			end += size
		}
		return end, false
	}
	if s[i] == '\'' {
		if n := contraction(s[i:], true); n > 0 {
			return i + n, false
		}
	}
	if s[i] != '\r' && s[i] != '\n' {
		if k, _ := classAt(s, i+size); k == letter {
			return run(s, i+size, letter), false
		}
	}
	j := i
	if s[i] == ' ' {
		j++
	}
	if k, ksize := classAt(s, j); ksize > 0 && k == other {
		return newlines(s, run(s, j+ksize, other)), false
	}
	if end := run(s, i, space); strings.ContainsAny(s[i:end], "\r\n") {
		return i + strings.LastIndexAny(s[i:end], "\r\n") + 1, false
	}
	return spaces(s, i), false
}

// contraction returns the length of the contraction at the start of s, which
// begins with an apostrophe, or 0. In the case-insensitive form the long s
// (U+017F) folds to s.
func contraction(s string, fold bool) int {
	low := func(i int) byte {
		if i >= len(s) {
			return 0
		}
		if c := s[i]; fold && c >= 'A' && c <= 'Z' {
			return c + 'a' - 'A'
		}
		return s[i]
	}
	switch a, b := low(1), low(2); {
	case a == 's' || a == 't' || a == 'm' || a == 'd':
		return 2
	case (a == 'r' || a == 'v') && b == 'e', a == 'l' && b == 'l':
		return 3
	}
	if fold && strings.HasPrefix(s[1:], "ſ") {
		return 1 + len("ſ")
	}
	return 0
}

// spaces matches \s+(?!\S)|\s+ at i, where a run of white space begins: all of
// the run where it ends the text, all but its last character where it does
// not, and that character alone.
func spaces(s string, i int) int {
	end := run(s, i, space)
	if end == len(s) {
		return end
	}
	_, last := utf8.DecodeLastRuneInString(s[i:end])
	if end-last > i {
		return end - last
	}
	return end
}

func newlines(s string, i int) int {
	for i < len(s) && (s[i] == '\r' || s[i] == '\n') {
		i++
	}
	return i
}

// prefixSpace puts a space in front of each piece that has none (ByteLevel's
// add_prefix_space).
type prefixSpace struct{ splitter }

func (p prefixSpace) prepare(text string, atStart bool) string {
	if text == "" || text[0] == ' ' {
		return p.splitter.prepare(text, atStart)
	}
	return p.splitter.prepare(" "+text, atStart)
}

// whole keeps the piece as one word.
type whole struct{ asIs }

func (whole) next(s string, _ int) (int, bool) { return len(s), false }

// digits cuts numbers out: each digit alone, or runs of them.
type digits struct {
	asIs
	single bool
}

func (d digits) next(s string, i int) (int, bool) {
	c, size := classAt(s, i)
	if c == number {
		if d.single {
			return i + size, false
		}
		return run(s, i, number), false
	}
	for i < len(s) {
		c, size := classAt(s, i)
		if c == number {
			break
		}
		i += size
	}
	return i, false
}

// literal splits at each occurrence of a fixed string.
type literal struct {
	asIs
	sep string
	how behavior
}

// behavior is what becomes of the separators that a literal splitter finds.
type behavior uint8

const (
	isolated   behavior = iota // a word of their own
	removed                    // dropped
	withBefore                 // end of the word before (MergedWithPrevious)
	withAfter                  // start of the word after (MergedWithNext)
	contiguous                 // runs of them are one word
)

func (l literal) next(s string, i int) (int, bool) {
	if strings.HasPrefix(s[i:], l.sep) {
		end := i + len(l.sep)
		switch l.how {
		case contiguous:
			for strings.HasPrefix(s[end:], l.sep) {
				end += len(l.sep)
			}
		case withAfter:
			// The last separator of a run joins the word after it.
			if end < len(s) && !strings.HasPrefix(s[end:], l.sep) {
				return l.textEnd(s, end), false
			}
		}
		return end, l.how == removed
	}
	end := l.textEnd(s, i)
	if l.how == withBefore && end < len(s) {
		end += len(l.sep)
	}
	return end, false
}

func (l literal) textEnd(s string, i int) int {
	if n := strings.Index(s[i:], l.sep); n >= 0 {
		return i + n
	}
	return len(s)
}

// metaspace writes spaces as a mark (usually U+2581), puts one in front, and
// splits before each mark.
type metaspace struct {
	split  literal
	mark   string
	prefix prependScheme
	cut    bool
}

type prependScheme uint8

const (
	prependAlways prependScheme = iota
	prependFirst                // only at the start of the text
	prependNever
)

func (m metaspace) prepare(text string, atStart bool) string {
	text = strings.ReplaceAll(text, " ", m.mark)
	want := m.prefix == prependAlways || m.prefix == prependFirst && atStart
	if want && text != "" && !strings.HasPrefix(text, m.mark) {
		text = m.mark + text
	}
	return text
}

func (m metaspace) next(s string, i int) (int, bool) {
	if !m.cut {
		return len(s), false
	}
	return m.split.next(s, i)
}
