// SPDX-License-Identifier: Apache-2.0

package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// ErrUnsupported is wrapped by the errors for files that are well formed but
// ask for something this package does not do. The error names it.
var ErrUnsupported = errors.ErrUnsupported

// part is a value of tokenizer.json that is decoded later.
type part struct {
	offset int
	raw    []byte
}

func (p part) absent() bool { return len(p.raw) == 0 || string(p.raw) == "null" }

// Parse reads the content of a tokenizer.json file; name is for messages. The
// file's truncation and padding settings are for training pipelines and are
// not applied.
func Parse(name string, data []byte) (*Tokenizer, error) {
	s := &scanner{name: name, data: data}
	if !utf8.Valid(data) {
		return nil, s.at(firstInvalid(data), "bytes that are not UTF-8, wanted JSON text")
	}
	parts, err := s.members()
	if err != nil {
		return nil, err
	}
	if s.peek() != 0 {
		return nil, s.at(s.pos, "found %q after the object, wanted the end", s.data[s.pos])
	}
	tk := &Tokenizer{special: SpecialIDs{-1, -1, -1, -1}}
	for _, step := range []func(*scanner, map[string]part) error{
		checkVersion, tk.readModel, tk.readNormalizer, tk.readAdded,
		tk.readPreTokenizer, tk.readPostProcessor, tk.readDecoder,
	} {
		if err := step(s, parts); err != nil {
			return nil, err
		}
	}
	return tk, nil
}

// members reads an object into its undecoded parts.
func (s *scanner) members() (map[string]part, error) {
	parts := map[string]part{}
	err := s.object(func(key string) error {
		if _, twice := parts[key]; twice {
			return s.at(s.pos, "key %q for the second time", key)
		}
		offset, raw, err := s.skip()
		parts[key] = part{offset, raw}
		return err
	})
	return parts, err
}

// sub reads the object p into its parts; nil for an absent one.
func (s *scanner) sub(p part) (map[string]part, error) {
	if p.absent() {
		return nil, nil
	}
	in := *s
	in.pos = p.offset
	return in.members()
}

func firstInvalid(data []byte) int {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size <= 1 {
			return i
		}
		i += size
	}
	return len(data)
}

func checkVersion(s *scanner, parts map[string]part) error {
	p := parts["version"]
	if p.absent() || string(p.raw) == `"1.0"` {
		return nil
	}
	return s.unsupported(p, "version", string(p.raw), "1.0")
}

func (s *scanner) unsupported(p part, what, found, known string) error {
	return s.at(p.offset, "%s %s is unsupported, known: %s (%w)", what, found, known, ErrUnsupported)
}

// modelFields are the small values of a BPE model.
type modelFields struct {
	Type         string   `json:"type"`
	Dropout      *float64 `json:"dropout"`
	Unk          *string  `json:"unk_token"`
	Prefix       *string  `json:"continuing_subword_prefix"`
	Suffix       *string  `json:"end_of_word_suffix"`
	FuseUnk      bool     `json:"fuse_unk"`
	ByteFallback bool     `json:"byte_fallback"`
	IgnoreMerges bool     `json:"ignore_merges"`
}

// readModel reads vocabulary and merges.
func (tk *Tokenizer) readModel(s *scanner, parts map[string]part) error {
	p := parts["model"]
	if p.absent() {
		return s.at(len(s.data), "no model, wanted a BPE model")
	}
	in, err := s.sub(p)
	if err != nil {
		return err
	}
	f, err := s.modelFields(p, in)
	if err != nil {
		return err
	}
	if err := tk.readVocab(s, p, in["vocab"]); err != nil {
		return err
	}
	m := &tk.model
	m.vocab, m.unk, m.cache = tk.vocab, -1, newWordCache()
	m.fuseUnk, m.useFallback, m.ignoreMerges = f.FuseUnk, f.ByteFallback, f.IgnoreMerges
	if f.Unk != nil && *f.Unk != "" {
		id, ok := tk.vocab[*f.Unk]
		if !ok {
			return s.at(p.offset, "unk_token %q is not in the vocabulary", *f.Unk)
		}
		m.unk, tk.special.Unk = id, id
	}
	m.fillBytes()
	if err := m.readMerges(s, p, in["merges"]); err != nil {
		return err
	}
	m.allowCut("▁", tk.tokens)
	return nil
}

// modelFields decodes the small values and refuses what changes the result.
func (s *scanner) modelFields(p part, in map[string]part) (f modelFields, err error) {
	small := map[string]json.RawMessage{}
	for key, v := range in {
		if key != "vocab" && key != "merges" {
			small[key] = v.raw
		}
	}
	raw, err := json.Marshal(small)
	if err != nil {
		return f, s.at(p.offset, "model: %w", err)
	}
	if err := json.Unmarshal(raw, &f); err != nil {
		return f, s.at(p.offset, "model: %w", err)
	}
	switch {
	case f.Type != "BPE" && (f.Type != "" || in["merges"].absent()):
		return f, s.unsupported(p, "model", fmt.Sprintf("%q", f.Type), "BPE")
	case f.Dropout != nil && *f.Dropout != 0:
		return f, s.unsupported(p, "model dropout", fmt.Sprint(*f.Dropout), "none, since dropout makes the ids random")
	case f.Prefix != nil && *f.Prefix != "":
		return f, s.unsupported(p, "continuing_subword_prefix", fmt.Sprintf("%q", *f.Prefix), "none")
	case f.Suffix != nil && *f.Suffix != "":
		return f, s.unsupported(p, "end_of_word_suffix", fmt.Sprintf("%q", *f.Suffix), "none")
	}
	return f, nil
}

// readVocab reads the map of token to id. Ids may have holes, but not so many
// that a small file asks for a large table.
func (tk *Tokenizer) readVocab(s *scanner, model, p part) error {
	if p.absent() {
		return s.at(model.offset, "model without vocab")
	}
	in := *s
	in.pos = p.offset
	tk.vocab = make(map[string]int32, len(p.raw)/16)
	type entry struct {
		token  string
		offset int
	}
	var byID []entry
	limit := 2*len(p.raw)/5 + 1<<16 // an entry takes at least five bytes
	err := in.object(func(token string) error {
		id, err := in.integer()
		if err != nil {
			return err
		}
		switch old, twice := tk.vocab[token]; {
		case twice:
			return in.at(in.pos, "token %q has id %d and %d", token, old, id)
		case id > limit:
			return in.at(in.pos, "token %q has id %d, far beyond the vocabulary", token, id)
		case token == "":
			return in.at(in.pos, "empty token")
		}
		if id >= len(byID) {
			byID = append(byID, make([]entry, id+1-len(byID))...)
		}
		if old := byID[id]; old.token != "" {
			return in.at(in.pos, "id %d is of %q and of %q", id, old.token, token)
		}
		byID[id] = entry{token, in.pos}
		tk.vocab[token] = int32(id)
		return nil
	})
	if err != nil {
		return err
	}
	if len(tk.vocab) == 0 {
		return s.at(p.offset, "empty vocabulary")
	}
	tk.tokens = make([]string, len(byID))
	for id, e := range byID {
		tk.tokens[id] = e.token
	}
	return nil
}

// fillBytes looks up the symbol of each byte in both spellings.
func (m *bpe) fillBytes() {
	for b := range 256 {
		m.bytes[b], m.fallback[b] = -1, -1
		if id, ok := m.vocab[string(byteRune[b])]; ok {
			m.bytes[b] = id
		}
		if id, ok := m.vocab[fmt.Sprintf("<0x%02X>", b)]; ok {
			m.fallback[b] = id
		}
	}
}

// readMerges reads the merges, written as "a b" or ["a","b"], in rank order.
func (m *bpe) readMerges(s *scanner, model, p part) error {
	if p.absent() {
		return s.at(model.offset, "model without merges")
	}
	in := *s
	in.pos = p.offset
	type rule struct {
		left, right, to int32
	}
	var rules []rule
	var buf []byte
	lookup := func(tok string) (int32, error) {
		if id, ok := m.vocab[tok]; ok {
			return id, nil
		}
		return 0, in.at(in.pos, "merge %d: %q is not in the vocabulary", len(rules), tok)
	}
	err := in.array(func() error {
		a, b, err := in.mergePair(len(rules))
		if err != nil {
			return err
		}
		var r rule
		if r.left, err = lookup(a); err != nil {
			return err
		}
		if r.right, err = lookup(b); err != nil {
			return err
		}
		buf = append(append(buf[:0], a...), b...)
		to, ok := m.vocab[string(buf)]
		if !ok {
			_, err := lookup(a + b)
			return err
		}
		r.to = to
		rules = append(rules, r)
		return nil
	})
	if err != nil {
		return err
	}
	m.merges = newPairTable(len(rules))
	for rank, r := range rules {
		m.merges.set(r.left, r.right, merged{uint32(rank), r.to})
	}
	return nil
}

// mergePair reads one merge.
func (s *scanner) mergePair(rank int) (a, b string, err error) {
	if s.peek() == '"' {
		text, err := s.str()
		if err != nil {
			return "", "", err
		}
		a, b, ok := strings.Cut(text, " ")
		if !ok || strings.Contains(b, " ") {
			return "", "", s.at(s.pos, "merge %d is %q, wanted two tokens and a space", rank, text)
		}
		return a, b, nil
	}
	var both []string
	err = s.array(func() error {
		text, err := s.str()
		both = append(both, text)
		return err
	})
	if err == nil && len(both) != 2 {
		err = s.at(s.pos, "merge %d has %d tokens, wanted 2", rank, len(both))
	}
	if err != nil {
		return "", "", err
	}
	return both[0], both[1], nil
}
