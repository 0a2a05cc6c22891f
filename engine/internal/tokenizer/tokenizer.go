// SPDX-License-Identifier: Apache-2.0

// Package tokenizer turns text into token ids and ids into text, as the model
// that reads them was trained to expect. It reads Hugging Face tokenizer.json
// files whose model is BPE (byte-level with the GPT-2, Qwen and Llama-3
// splitters; SentencePiece style with byte fallback) and llama2.c
// tokenizer.bin files.
//
// The work is a pipeline, kept in the order of the Hugging Face format: bytes
// that are not UTF-8 become U+FFFD, added tokens are cut out of the text, the
// pieces between them are normalized and split into words, and byte-pair
// merges turn each word into ids. Every stage is written by hand: the splitters'
// patterns need lookahead and Unicode classes, which Go's regexp lacks.
//
// A Tokenizer is immutable apart from a bounded word cache and may be used by
// any number of goroutines; the same text always gives the same ids.
package tokenizer

import (
	"strings"
	"sync"
)

// Tokenizer maps text to token ids and back. Load or Parse makes one.
type Tokenizer struct {
	vocab   map[string]int32 // the model's tokens: text to id
	tokens  []string         // id to token text; "" where the id is unused
	added   addedTokens
	norm    normalizers
	pre     []splitter
	model   bpe
	prefix  []int32 // what the template puts before the text
	suffix  []int32 // and after it
	dec     []decodeStep
	special SpecialIDs
	scratch sync.Pool // *scratch
}

// SpecialIDs are the ids of the tokens that have a role; -1 where the files
// name none.
type SpecialIDs struct {
	BOS, EOS, Pad, Unk int32
}

// EncodeOptions says how Encode treats special tokens.
type EncodeOptions struct {
	// AddSpecial wraps the ids in the tokenizer's template, which for most
	// models puts BOS first. Set it for the start of a sequence, not for a
	// continuation.
	AddSpecial bool
	// PlainText reads special tokens that occur in the text as ordinary
	// characters. Set it for text from untrusted users. Added tokens that
	// are not marked special are still recognised.
	PlainText bool
}

// Encode returns the token ids of text. Bytes that are not valid UTF-8 are
// replaced by U+FFFD first, one for each maximal invalid subpart (the practice
// of the Unicode standard, section 3.9).
func (tk *Tokenizer) Encode(text string, opts EncodeOptions) []int32 {
	text = validUTF8(text)
	ids := make([]int32, 0, len(tk.prefix)+len(tk.suffix)+len(text)/3+4)
	if opts.AddSpecial {
		ids = append(ids, tk.prefix...)
	}
	sc, _ := tk.scratch.Get().(*scratch)
	if sc == nil {
		sc = new(scratch)
	}
	ids = tk.encodeRaw(sc, text, opts, ids)
	tk.scratch.Put(sc)
	if opts.AddSpecial {
		ids = append(ids, tk.suffix...)
	}
	return ids
}

// encodeRaw cuts the added tokens out of the text as written, normalizes what
// is between them, and cuts out those that are matched in normalized form.
func (tk *Tokenizer) encodeRaw(sc *scratch, text string, opts EncodeOptions, ids []int32) []int32 {
	for raw := range tk.added.raw.split(text, opts.PlainText) {
		if raw.id >= 0 {
			ids = append(ids, raw.id)
			continue
		}
		piece := tk.norm.apply(text[raw.start:raw.end])
		for nt := range tk.added.normalized.split(piece, opts.PlainText) {
			if nt.id >= 0 {
				ids = append(ids, nt.id)
				continue
			}
			atStart := raw.start == 0 && nt.start == 0
			ids = tk.encodeWords(sc, 0, piece[nt.start:nt.end], atStart, ids)
		}
	}
	return ids
}

// encodeWords runs the splitters from the given stage on and appends the ids
// of each word. atStart is true for the piece that begins the text.
func (tk *Tokenizer) encodeWords(sc *scratch, stage int, text string, atStart bool, ids []int32) []int32 {
	if stage == len(tk.pre) {
		return tk.model.appendIDs(sc, text, ids)
	}
	sp := tk.pre[stage]
	text = sp.prepare(text, atStart)
	for i := 0; i < len(text); {
		end, drop := sp.next(text, i)
		if !drop {
			ids = tk.encodeWords(sc, stage+1, text[i:end], atStart && i == 0, ids)
		}
		i = end
	}
	return ids
}

// Decode returns the text of ids, special tokens written out. Ids outside the
// vocabulary are skipped. Byte sequences that are not valid UTF-8 come out as
// U+FFFD, so the ids of half a character do not give half a character back.
func (tk *Tokenizer) Decode(ids []int32) string {
	return tk.decode(ids, false)
}

// DecodeText is Decode without the special tokens.
func (tk *Tokenizer) DecodeText(ids []int32) string {
	return tk.decode(ids, true)
}

func (tk *Tokenizer) decode(ids []int32, skipSpecial bool) string {
	parts := make([]string, 0, len(ids))
	for _, id := range ids {
		if id < 0 || int(id) >= len(tk.tokens) || tk.tokens[id] == "" {
			continue
		}
		if skipSpecial && tk.added.special[id] {
			continue
		}
		if form, ok := tk.added.decoded[id]; ok {
			parts = append(parts, form)
			continue
		}
		parts = append(parts, tk.tokens[id])
	}
	if len(tk.dec) == 0 {
		return strings.Join(parts, " ")
	}
	for _, step := range tk.dec {
		parts = step.apply(parts)
	}
	return strings.Join(parts, "")
}

// TokenID returns the id of a token by its text in the vocabulary's own
// spelling ("Ġthe", "▁the", "<|im_start|>").
func (tk *Tokenizer) TokenID(token string) (int32, bool) {
	if id, ok := tk.added.ids[token]; ok {
		return id, true
	}
	id, ok := tk.vocab[token]
	return id, ok
}

// Token returns the vocabulary's spelling of an id, and false where no token
// has it.
func (tk *Tokenizer) Token(id int32) (string, bool) {
	if id < 0 || int(id) >= len(tk.tokens) || tk.tokens[id] == "" {
		return "", false
	}
	return tk.tokens[id], true
}

// VocabSize is one more than the largest id. Models often have more rows
// than that, padded to a round number.
func (tk *Tokenizer) VocabSize() int { return len(tk.tokens) }

// Special returns the ids of the tokens that have a role.
func (tk *Tokenizer) Special() SpecialIDs { return tk.special }

// IsSpecial tells whether an id is of a token marked special.
func (tk *Tokenizer) IsSpecial(id int32) bool { return tk.added.special[id] }
