// SPDX-License-Identifier: Apache-2.0

package tokenizer

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
	"unicode/utf8"
)

// bpe is the byte-pair model: a word's characters become symbols, and the
// neighbouring pair whose merge was learned first is joined until none is
// left; of equal ranks the leftmost goes first.
type bpe struct {
	vocab        map[string]int32
	merges       pairTable
	byteLevel    bool       // words are bytes spelled in GPT-2's alphabet
	bytes        [256]int32 // symbol of each byte (byte-level), or -1
	fallback     [256]int32 // id of <0xXX>, or -1
	useFallback  bool
	unk          int32 // -1: characters without a symbol are dropped
	fuseUnk      bool
	ignoreMerges bool   // a word that is a token is that token
	cut          string // a mark before which words may be cut; "" for none
	cache        wordCache
}

// maxCachedWord bounds what the cache keeps: longer words are rare and cost
// less to merge again than to hold.
const maxCachedWord = 48

// appendIDs appends the ids of one word of the splitters. SentencePiece
// vocabularies have no splitter, so the word is the whole text; it is cut
// before each mark that follows something else where no merge reaches across.
//
// Note: without the cut, 17 kB of prose went at 1.3 million tokens a second
// instead of 25: the heap is large and the cache never hits.
func (m *bpe) appendIDs(sc *scratch, word string, ids []int32) []int32 {
	if m.cut == "" {
		return m.appendWord(sc, word, ids)
	}
	for len(word) > 0 {
		end := 0
		for strings.HasPrefix(word[end:], m.cut) {
			end += len(m.cut)
		}
		if n := strings.Index(word[end:], m.cut); n >= 0 {
			end += n
		} else {
			end = len(word)
		}
		ids = m.appendWord(sc, word[:end], ids)
		word = word[end:]
	}
	return ids
}

// allowCut sets the mark to cut before, if the vocabulary has it and no merge
// joins something else with a mark behind it.
func (m *bpe) allowCut(mark string, tokens []string) {
	if _, ok := m.vocab[mark]; !ok || m.ignoreMerges {
		return
	}
	for _, key := range m.merges.keys {
		if key == 0 {
			continue
		}
		left, right := tokens[(key-1)>>32], tokens[uint32(key-1)]
		if strings.HasPrefix(right, mark) && !strings.HasSuffix(left, mark) {
			return
		}
	}
	m.cut = mark
}

func (m *bpe) appendWord(sc *scratch, word string, ids []int32) []int32 {
	if len(word) > maxCachedWord {
		return append(ids, m.encode(sc, word)...)
	}
	slot := m.cache.slot(word)
	if e := slot.Load(); e != nil && e.word == word {
		return append(ids, e.ids...)
	}
	got := m.encode(sc, word)
	slot.Store(&cachedWord{strings.Clone(word), append([]int32(nil), got...)})
	return append(ids, got...)
}

// encode returns the ids of one word in a slice that the next call reuses.
func (m *bpe) encode(sc *scratch, word string) []int32 {
	if m.ignoreMerges {
		sc.text = append(sc.text[:0], word...)
		if m.byteLevel {
			sc.text = appendByteLevel(sc.text[:0], word)
		}
		if id, ok := m.vocab[string(sc.text)]; ok {
			sc.syms = append(sc.syms[:0], id)
			return sc.syms
		}
	}
	sc.syms = m.symbols(sc, word, sc.syms[:0])
	return m.merge(sc, sc.syms)
}

// symbols appends the ids of the word's characters: of its bytes for a
// byte-level model.
func (m *bpe) symbols(sc *scratch, word string, syms []int32) []int32 {
	if m.byteLevel {
		for i := 0; i < len(word); i++ {
			id := m.bytes[word[i]]
			if id < 0 { // an alphabet with holes
				sc.text = appendByteLevel(sc.text[:0], word)
				return m.runeSymbols(string(sc.text), syms[:0])
			}
			syms = append(syms, id)
		}
		return syms
	}
	return m.runeSymbols(word, syms)
}

func (m *bpe) runeSymbols(word string, syms []int32) []int32 {
	pending := false // an unknown token seen and not yet written
	for i := 0; i < len(word); {
		_, size := utf8.DecodeRuneInString(word[i:])
		ch := word[i : i+size]
		i += size
		if id, ok := m.vocab[ch]; ok {
			if pending {
				syms, pending = append(syms, m.unk), false
			}
			syms = append(syms, id)
			continue
		}
		if m.useFallback && m.hasBytes(ch) {
			// A pending unknown stays pending: the reference
			// implementation writes it after these bytes.
			for j := 0; j < len(ch); j++ {
				syms = append(syms, m.fallback[ch[j]])
			}
			continue
		}
		if m.unk < 0 {
			continue
		}
		if pending && !m.fuseUnk {
			syms = append(syms, m.unk)
		}
		pending = true
	}
	if pending {
		syms = append(syms, m.unk)
	}
	return syms
}

func (m *bpe) hasBytes(ch string) bool {
	for i := 0; i < len(ch); i++ {
		if m.fallback[ch[i]] < 0 {
			return false
		}
	}
	return true
}

// wordCache remembers the ids of recent words: a direct-mapped table of a
// fixed size whose slots are replaced whole, so readers never wait.
type wordCache struct {
	seed  maphash.Seed
	slots []atomic.Pointer[cachedWord]
}

type cachedWord struct {
	word string
	ids  []int32
}

const cacheSlots = 1 << 13

func newWordCache() wordCache {
	return wordCache{maphash.MakeSeed(), make([]atomic.Pointer[cachedWord], cacheSlots)}
}

func (c *wordCache) slot(word string) *atomic.Pointer[cachedWord] {
	return &c.slots[maphash.String(c.seed, word)%cacheSlots]
}

// byteRune spells each byte as a printable character, GPT-2's alphabet: bytes
// that are printable in Latin-1 stand for themselves, the others follow from
// U+0100 on in order.
var byteRune, runeByte = func() (spell [256]rune, back map[rune]byte) {
	back = make(map[rune]byte, 256)
	next := rune(0x100)
	for b := range 256 {
		r := rune(b)
		if b < '!' || b > '~' && b < 0xA1 || b == 0xAD {
			r = next
			next++
		}
		spell[b], back[r] = r, byte(b)
	}
	return spell, back
}()

func appendByteLevel(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		dst = utf8.AppendRune(dst, byteRune[s[i]])
	}
	return dst
}
