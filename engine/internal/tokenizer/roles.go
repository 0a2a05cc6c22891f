// SPDX-License-Identifier: Apache-2.0

package tokenizer

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// readAdded enters the added tokens. A token that the model has keeps the
// model's id; a new one takes the file's.
func (tk *Tokenizer) readAdded(s *scanner, parts map[string]part) error {
	p := parts["added_tokens"]
	var toks []addedToken
	if !p.absent() {
		if err := s.section(p.offset, p.raw, &toks); err != nil {
			return err
		}
	}
	limit := len(tk.tokens) + len(toks) + 1<<16
	var raw, normalized []addedToken
	a := &tk.added
	a.ids, a.special, a.decoded = map[string]int32{}, map[int32]bool{}, map[int32]string{}
	for i, t := range toks {
		if t.Content == "" {
			continue
		}
		if _, twice := a.ids[t.Content]; twice {
			return s.at(p.offset, "added token %d: %q for the second time", i, t.Content)
		}
		if id, ok := tk.vocab[t.Content]; ok {
			t.ID = id
		}
		if t.ID < 0 || int(t.ID) > limit {
			return s.at(p.offset, "added token %d: %q has id %d, wanted 0 to %d", i, t.Content, t.ID, limit)
		}
		if old, _ := tk.Token(t.ID); old != "" && old != t.Content {
			return s.at(p.offset, "added token %d: %q has id %d, which is of %q", i, t.Content, t.ID, old)
		}
		tk.enter(t)
		if t.Normalized {
			if form := tk.norm.apply(t.Content); form != t.Content {
				a.decoded[t.ID] = form
			}
			normalized = append(normalized, t)
		} else {
			raw = append(raw, t)
		}
	}
	a.raw = newMatcher(raw, func(t addedToken) string { return t.Content })
	a.normalized = newMatcher(normalized, func(t addedToken) string { return tk.norm.apply(t.Content) })
	return nil
}

func (tk *Tokenizer) enter(t addedToken) {
	if n := int(t.ID) + 1 - len(tk.tokens); n > 0 {
		tk.tokens = append(tk.tokens, make([]string, n)...)
	}
	tk.tokens[t.ID] = t.Content
	tk.added.ids[t.Content] = t.ID
	if t.Special {
		tk.added.special[t.ID] = true
	}
}

func (tk *Tokenizer) readDecoder(s *scanner, parts map[string]part) error {
	p := parts["decoder"]
	comps, err := s.flatten(p, func(c component) []json.RawMessage { return c.Decoders })
	if err != nil {
		return err
	}
	var grown growth
	for _, c := range comps {
		step, err := s.decodeStep(p, c)
		if err != nil {
			return err
		}
		if r, ok := step.(replaceDecode); ok && !grown.add(r.old, r.with) {
			return s.at(p.offset, "decoders that can make a text %d times longer, wanted at most %d", grown, maxGrowth)
		}
		tk.dec = append(tk.dec, step)
	}
	return nil
}

func (s *scanner) decodeStep(p part, c component) (decodeStep, error) {
	switch c.Type {
	case "ByteLevel":
		return byteLevelDecode{}, nil
	case "ByteFallback":
		return byteFallbackDecode{}, nil
	case "Fuse":
		return fuseDecode{}, nil
	case "Replace":
		old, err := s.literalPattern(p, c, "decoder")
		return replaceDecode{old, c.Content}, err
	case "Strip":
		if utf8.RuneCountInString(c.Content) != 1 || c.Start < 0 || c.Stop < 0 {
			return nil, s.at(p.offset, "decoder Strip of %q, %d and %d, wanted one character and counts", c.Content, c.Start, c.Stop)
		}
		return stripDecode{c.Content, c.Start, c.Stop}, nil
	case "Metaspace":
		m, err := s.metaspace(p, c)
		return metaspaceDecode{m.mark, m.prefix != prependNever}, err
	}
	return nil, s.unsupported(p, "decoder", fmt.Sprintf("%q", c.Type),
		"ByteFallback, ByteLevel, Fuse, Metaspace, Replace, Sequence, Strip")
}

// nameRoles reads the roles of tokens from a tokenizer_config.json, which
// names each by its text or by an object with the text.
func (tk *Tokenizer) nameRoles(name string, data []byte) error {
	s := &scanner{name: name, data: data}
	parts, err := s.members()
	if err != nil {
		return err
	}
	for key, id := range map[string]*int32{
		"bos_token": &tk.special.BOS, "eos_token": &tk.special.EOS,
		"pad_token": &tk.special.Pad, "unk_token": &tk.special.Unk,
	} {
		p := parts[key]
		if p.absent() {
			continue
		}
		var obj struct {
			Content string `json:"content"`
		}
		into := any(&obj)
		if p.raw[0] == '"' {
			into = &obj.Content
		}
		if err := s.section(p.offset, p.raw, into); err != nil {
			return err
		}
		found, ok := tk.TokenID(obj.Content)
		if !ok {
			return s.at(p.offset, "%s is %q, which the tokenizer lacks", key, obj.Content)
		}
		*id = found
	}
	return nil
}
