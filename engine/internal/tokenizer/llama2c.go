// SPDX-License-Identifier: Apache-2.0

package tokenizer

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"
)

// The layout of a llama2.c tokenizer.bin: the length of the longest token as
// int32, then for each id a float32 score, an int32 length and the bytes. Ids 0
// to 2 are unknown, BOS and EOS; ids 3 to 258 are the bytes as <0x00> to <0xFF>.
const (
	binBOS       = 1
	binEOS       = 2
	binFirstByte = 3
	binMaxToken  = 1024 // longest token that is read
	binMinScore  = -1e10
)

// ParseLlama2C reads the content of a llama2.c tokenizer.bin file; name is for
// messages. A score orders merges: of the neighbours whose joined text is a
// token, the pair with the best score goes first, the leftmost on a tie. A
// space is put in front of the text. The number of tokens is the file's.
func ParseLlama2C(name string, data []byte) (*Tokenizer, error) {
	tk := &Tokenizer{
		vocab:   map[string]int32{},
		special: SpecialIDs{BOS: binBOS, EOS: binEOS, Pad: -1, Unk: 0},
		prefix:  []int32{binBOS},
		norm:    normalizers{prependNormalizer(" ")},
		dec:     []decodeStep{byteFallbackDecode{}, fuseDecode{}, stripDecode{" ", 1, 0}},
	}
	tk.added.special = map[int32]bool{0: true, binBOS: true, binEOS: true}
	scores, err := tk.readBin(name, data)
	if err != nil {
		return nil, err
	}
	m := &tk.model
	m.vocab, m.unk, m.cache, m.useFallback = tk.vocab, -1, newWordCache(), true
	m.fillBytes()
	for b := range 256 {
		id := binFirstByte + b
		if got, _ := tk.Token(int32(id)); got != fmt.Sprintf("<0x%02X>", b) {
			return nil, fmt.Errorf("%s: token %d is %q, wanted the byte token <0x%02X>", name, id, got, b)
		}
		m.fallback[b] = int32(id)
	}
	m.mergesFromScores(tk.tokens, scores)
	m.allowCut(" ", tk.tokens)
	return tk, nil
}

// readBin fills the vocabulary and returns the scores. Of tokens with one
// text, the first is the one that text gives.
func (tk *Tokenizer) readBin(name string, data []byte) ([]float32, error) {
	if len(data) < 4 {
		return nil, fmt.Errorf("%s: offset 0: the file ends, wanted the longest token's length", name)
	}
	longest := int32(binary.LittleEndian.Uint32(data))
	if longest < 1 || longest > binMaxToken {
		return nil, fmt.Errorf("%s: offset 0: longest token has %d bytes, wanted 1 to %d (is this a tokenizer.bin?)", name, longest, binMaxToken)
	}
	var scores []float32
	for at := 4; at < len(data); {
		if len(data)-at < 8 {
			return nil, fmt.Errorf("%s: offset %#x: the file ends in token %d, wanted score and length", name, at, len(tk.tokens))
		}
		score := math.Float32frombits(binary.LittleEndian.Uint32(data[at:]))
		n := int32(binary.LittleEndian.Uint32(data[at+4:]))
		switch {
		case n < 0 || n > longest:
			return nil, fmt.Errorf("%s: offset %#x: token %d has %d bytes, wanted 0 to %d", name, at+4, len(tk.tokens), n, longest)
		case len(data)-at-8 < int(n):
			return nil, fmt.Errorf("%s: offset %#x: the file ends in token %d, wanted %d bytes", name, at+8, len(tk.tokens), n)
		case score != score:
			return nil, fmt.Errorf("%s: offset %#x: the score of token %d is not a number", name, at, len(tk.tokens))
		}
		text := string(data[at+8 : at+8+int(n)])
		if _, taken := tk.vocab[text]; !taken && text != "" {
			tk.vocab[text] = int32(len(tk.tokens))
		}
		tk.tokens = append(tk.tokens, text)
		scores = append(scores, score)
		at += 8 + int(n)
	}
	if len(tk.tokens) < binFirstByte+256 {
		return nil, fmt.Errorf("%s: %d tokens, wanted at least %d for the bytes", name, len(tk.tokens), binFirstByte+256)
	}
	return scores, nil
}

// mergesFromScores enters every way of joining two tokens into a third; equal
// scores share a rank.
func (m *bpe) mergesFromScores(tokens []string, scores []float32) {
	type rule struct {
		left, right, to int32
	}
	var rules []rule
	for id, text := range tokens {
		if m.vocab[text] != int32(id) || scores[id] <= binMinScore || !utf8.ValidString(text) {
			continue
		}
		for i := 1; i < len(text); i++ {
			left, okLeft := m.vocab[text[:i]]
			right, okRight := m.vocab[text[i:]]
			if okLeft && okRight {
				rules = append(rules, rule{left, right, int32(id)})
			}
		}
	}
	slices.SortStableFunc(rules, func(a, b rule) int {
		switch sa, sb := scores[a.to], scores[b.to]; {
		case sa > sb:
			return -1
		case sa < sb:
			return 1
		}
		return 0
	})
	m.merges = newPairTable(len(rules))
	rank := uint32(0)
	for i, r := range rules {
		if i > 0 && scores[r.to] != scores[rules[i-1].to] {
			rank++
		}
		m.merges.set(r.left, r.right, merged{rank, r.to})
	}
}

// Bytes returns a tokenizer without a vocabulary of its own: each byte of the
// text is the id of its value. It serves models with random weights.
func Bytes() *Tokenizer {
	tk := &Tokenizer{
		vocab:   make(map[string]int32, 256),
		tokens:  make([]string, 256),
		special: SpecialIDs{-1, -1, -1, -1},
		dec:     []decodeStep{byteLevelDecode{}},
	}
	for b, r := range byteRune {
		tk.tokens[b] = string(r)
		tk.vocab[string(r)] = int32(b)
	}
	m := &tk.model
	m.vocab, m.unk, m.cache, m.byteLevel = tk.vocab, -1, newWordCache(), true
	m.merges = newPairTable(0)
	m.fillBytes()
	return tk
}
