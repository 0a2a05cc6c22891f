// SPDX-License-Identifier: Apache-2.0

package tokenizer

import (
	"iter"
	"unicode"
	"unicode/utf8"
)

// addedTokens are the tokens matched in the text before the model sees it.
type addedTokens struct {
	raw        matcher // matched in the text as written
	normalized matcher // matched after normalization
	ids        map[string]int32
	special    map[int32]bool
	decoded    map[int32]string // what the decoder sees, where not the token's text
}

// addedToken is one of them, with the flags of tokenizer.json.
type addedToken struct {
	ID         int32  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

// matcher finds added tokens: at each position the longest, leftmost first.
// It is a trie whose edges are in a pairTable.
type matcher struct {
	edges pairTable
	first [256]bool // bytes that begin a token
	ends  []int32   // node to index in toks, or -1
	toks  []addedToken
}

// newMatcher builds the trie; pattern gives the text to match for each token.
func newMatcher(toks []addedToken, pattern func(addedToken) string) matcher {
	m := matcher{toks: toks, ends: []int32{-1}}
	total := 0
	for _, t := range toks {
		total += len(pattern(t))
	}
	m.edges = newPairTable(total)
	for i, t := range toks {
		text, node := pattern(t), int32(0)
		if text == "" {
			continue
		}
		m.first[text[0]] = true
		for j := 0; j < len(text); j++ {
			to := m.edges.get(node, int32(text[j]))
			if to.rank == noMerge {
				to = merged{0, int32(len(m.ends))}
				m.edges.set(node, int32(text[j]), to)
				m.ends = append(m.ends, -1)
			}
			node = to.id
		}
		m.ends[node] = int32(i)
	}
	return m
}

// longest returns the token that begins at s[i] and its end, or -1.
func (m *matcher) longest(s string, i int) (tok int32, end int) {
	tok = -1
	for node := int32(0); i < len(s); {
		to := m.edges.get(node, int32(s[i]))
		if to.rank == noMerge {
			break
		}
		node = to.id
		i++
		if m.ends[node] >= 0 {
			tok, end = m.ends[node], i
		}
	}
	return tok, end
}

// span is a stretch of text: an added token, or text between tokens (id -1).
type span struct {
	start, end int
	id         int32
}

// split yields the spans of s in order. Text that a token strips (lstrip,
// rstrip) belongs to its span. With plain, special tokens are text.
func (m *matcher) split(s string, plain bool) iter.Seq[span] {
	return func(yield func(span) bool) {
		done := 0 // everything before is yielded
		for i := 0; i < len(s) && len(m.toks) > 0; {
			if !m.first[s[i]] {
				i++
				continue
			}
			k, end := m.longest(s, i)
			if k < 0 {
				i++
				continue
			}
			start, tok := i, m.toks[k]
			i = end // matches do not overlap, accepted or not
			if plain && tok.Special || tok.SingleWord && !standsAlone(s, start, end) {
				continue
			}
			if tok.LStrip {
				from := min(done, start) // an rstrip before may reach past start
				start = max(from+spaceStart(s[from:start]), done)
			}
			if tok.RStrip {
				end = run(s, end, space)
			}
			if done < start && !yield(span{done, start, -1}) {
				return
			}
			if !yield(span{start, end, tok.ID}) {
				return
			}
			done = end
		}
		if done < len(s) {
			yield(span{done, len(s), -1})
		}
	}
}

// standsAlone tells whether neither neighbour of s[start:end] is a word
// character.
func standsAlone(s string, start, end int) bool {
	before, _ := utf8.DecodeLastRuneInString(s[:start])
	after, _ := utf8.DecodeRuneInString(s[end:])
	return (start == 0 || !isWord(before)) && (end == len(s) || !isWord(after))
}

// spaceStart returns where the white space at the end of s begins.
func spaceStart(s string) int {
	for len(s) > 0 {
		r, size := utf8.DecodeLastRuneInString(s)
		if !unicode.IsSpace(r) {
			break
		}
		s = s[:len(s)-size]
	}
	return len(s)
}
