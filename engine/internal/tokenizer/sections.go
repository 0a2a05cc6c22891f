// SPDX-License-Identifier: Apache-2.0

package tokenizer

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// component is any normalizer, pre-tokenizer, post-processor or decoder of
// tokenizer.json: a type and that type's fields.
type component struct {
	Type          string            `json:"type"`
	Normalizers   []json.RawMessage `json:"normalizers"`
	PreTokenizers []json.RawMessage `json:"pretokenizers"`
	Processors    []json.RawMessage `json:"processors"`
	Decoders      []json.RawMessage `json:"decoders"`

	Pattern struct {
		String *string
		Regex  *string
	} `json:"pattern"`
	Content          string  `json:"content"`
	Prepend          string  `json:"prepend"`
	StripLeft        bool    `json:"strip_left"`
	StripRight       bool    `json:"strip_right"`
	Behavior         string  `json:"behavior"`
	Invert           bool    `json:"invert"`
	AddPrefixSpace   *bool   `json:"add_prefix_space"`
	UseRegex         *bool   `json:"use_regex"`
	IndividualDigits bool    `json:"individual_digits"`
	Replacement      string  `json:"replacement"`
	PrependScheme    *string `json:"prepend_scheme"`
	Split            *bool   `json:"split"`
	Start            int     `json:"start"`
	Stop             int     `json:"stop"`

	Single        []templatePiece `json:"single"`
	SpecialTokens map[string]struct {
		IDs []int32 `json:"ids"`
	} `json:"special_tokens"`
}

// templatePiece is a special token or the text ("A") in a template.
type templatePiece struct {
	SpecialToken *struct {
		ID string `json:"id"`
	}
	Sequence *struct {
		ID string `json:"id"`
	}
}

// flatten decodes a section into its components, sequences laid flat.
func (s *scanner) flatten(p part, list func(component) []json.RawMessage) ([]component, error) {
	if p.absent() {
		return nil, nil
	}
	return s.flattenInto(nil, p.offset, p.raw, list, 0)
}

func (s *scanner) flattenInto(out []component, offset int, raw []byte, list func(component) []json.RawMessage, depth int) ([]component, error) {
	if depth > maxDepth {
		return nil, s.at(offset, "sequences nest deeper than %d", maxDepth)
	}
	var c component
	if err := s.section(offset, raw, &c); err != nil {
		return nil, err
	}
	if c.Type != "Sequence" {
		if len(out) == maxSteps {
			return nil, s.at(offset, "more than %d steps in a sequence", maxSteps)
		}
		return append(out, c), nil
	}
	var err error
	for _, r := range list(c) {
		if out, err = s.flattenInto(out, offset, r, list, depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Bounds on what a section may hold: no tokenizer in use comes near them.
const (
	maxSteps   = 32
	maxPrepend = 64 // bytes
)

// maxGrowth bounds how many times longer the replacements of a file may make a
// text: a dozen of them that double it would eat the memory.
const maxGrowth = 64

// growth tracks the replacements of a section.
type growth int

// add counts one replacement and tells whether the bound is kept.
func (g *growth) add(old, with string) bool {
	*g = max(*g, 1) * growth(max(1, (len(with)+len(old)-1)/len(old)))
	return *g <= maxGrowth
}

var unicodeForms = map[string]norm.Form{
	"NFC": norm.NFC, "NFD": norm.NFD, "NFKC": norm.NFKC, "NFKD": norm.NFKD,
}

func (tk *Tokenizer) readNormalizer(s *scanner, parts map[string]part) error {
	p := parts["normalizer"]
	comps, err := s.flatten(p, func(c component) []json.RawMessage { return c.Normalizers })
	if err != nil {
		return err
	}
	var grown growth
	for _, c := range comps {
		form, isForm := unicodeForms[c.Type]
		switch {
		case isForm:
			tk.norm = append(tk.norm, unicodeNormalizer(form))
		case c.Type == "Prepend":
			if len(c.Prepend) > maxPrepend {
				return s.at(p.offset, "normalizer Prepend of %d bytes, wanted at most %d", len(c.Prepend), maxPrepend)
			}
			tk.norm = append(tk.norm, prependNormalizer(c.Prepend))
		case c.Type == "Strip":
			tk.norm = append(tk.norm, stripNormalizer(c.StripLeft, c.StripRight))
		case c.Type == "Replace":
			old, err := s.literalPattern(p, c, "normalizer")
			if err != nil {
				return err
			}
			if !grown.add(old, c.Content) {
				return s.at(p.offset, "normalizers that can make a text %d times longer, wanted at most %d", grown, maxGrowth)
			}
			tk.norm = append(tk.norm, replaceNormalizer(old, c.Content))
		default:
			return s.unsupported(p, "normalizer", fmt.Sprintf("%q", c.Type),
				"NFC, NFD, NFKC, NFKD, Prepend, Replace, Sequence, Strip")
		}
	}
	return nil
}

// literalPattern returns the fixed string that a component looks for.
func (s *scanner) literalPattern(p part, c component, where string) (string, error) {
	switch {
	case c.Pattern.Regex != nil:
		return "", s.unsupported(p, where+" "+c.Type+" regex", fmt.Sprintf("%q", *c.Pattern.Regex), "a fixed string")
	case c.Pattern.String == nil || *c.Pattern.String == "":
		return "", s.at(p.offset, "%s %s without a pattern", where, c.Type)
	}
	return *c.Pattern.String, nil
}

func (tk *Tokenizer) readPreTokenizer(s *scanner, parts map[string]part) error {
	p := parts["pre_tokenizer"]
	comps, err := s.flatten(p, func(c component) []json.RawMessage { return c.PreTokenizers })
	if err != nil {
		return err
	}
	marks := 0
	for _, c := range comps {
		if c.Type == "Metaspace" {
			marks++
		}
		if marks > 1 {
			return s.unsupported(p, "pre-tokenizer", "with two Metaspace", "one Metaspace")
		}
		if tk.model.byteLevel {
			return s.unsupported(p, "pre-tokenizer", fmt.Sprintf("%q after ByteLevel", c.Type), "ByteLevel as the last one")
		}
		sp, err := tk.preTokenizer(s, p, c)
		if err != nil {
			return err
		}
		if sp != nil {
			tk.pre = append(tk.pre, sp)
		}
	}
	return nil
}

// preTokenizer makes the splitter of one component; nil where it splits
// nothing.
func (tk *Tokenizer) preTokenizer(s *scanner, p part, c component) (splitter, error) {
	switch c.Type {
	case "ByteLevel":
		tk.model.byteLevel, tk.model.cut = true, "" // marks are text here
		useRegex := c.UseRegex == nil || *c.UseRegex
		switch addSpace := c.AddPrefixSpace != nil && *c.AddPrefixSpace; {
		case addSpace && useRegex:
			return prefixSpace{gpt2{}}, nil
		case addSpace:
			return prefixSpace{whole{}}, nil
		case useRegex:
			return gpt2{}, nil
		}
		return nil, nil
	case "Digits":
		return digits{single: c.IndividualDigits}, nil
	case "Metaspace":
		return s.metaspace(p, c)
	case "Split":
		return s.splitPattern(p, c)
	}
	return nil, s.unsupported(p, "pre-tokenizer", fmt.Sprintf("%q", c.Type),
		"ByteLevel, Digits, Metaspace, Sequence, Split")
}

func (s *scanner) metaspace(p part, c component) (metaspace, error) {
	scheme := prependAlways
	switch {
	case c.PrependScheme != nil:
		known := map[string]prependScheme{"always": prependAlways, "first": prependFirst, "never": prependNever}
		k, ok := known[*c.PrependScheme]
		if !ok {
			return metaspace{}, s.unsupported(p, "Metaspace prepend_scheme", fmt.Sprintf("%q", *c.PrependScheme), "always, first, never")
		}
		scheme = k
	case c.AddPrefixSpace != nil && !*c.AddPrefixSpace:
		scheme = prependNever
	}
	if utf8.RuneCountInString(c.Replacement) != 1 {
		return metaspace{}, s.at(p.offset, "Metaspace replacement is %q, wanted one character", c.Replacement)
	}
	return metaspace{
		split: literal{sep: c.Replacement, how: withAfter},
		mark:  c.Replacement, prefix: scheme, cut: c.Split == nil || *c.Split,
	}, nil
}

// The split patterns that have a scanner, as tokenizer.json files spell them.
const (
	gpt2Pattern  = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	tiktokenHead = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}`
	tiktokenTail = `| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

var knownPatterns = map[string]splitter{
	gpt2Pattern:                           gpt2{},
	tiktokenHead + tiktokenTail:           tiktoken{digits: 1}, // Qwen2, Qwen3
	tiktokenHead + "{1,3}" + tiktokenTail: tiktoken{digits: 3}, // Llama-3
	tiktokenHead + "{1}" + tiktokenTail:   tiktoken{digits: 1},
}

func (s *scanner) splitPattern(p part, c component) (splitter, error) {
	if re := c.Pattern.Regex; re != nil {
		sp := knownPatterns[*re]
		if sp == nil {
			return nil, s.unsupported(p, "Split regex", fmt.Sprintf("%q", *re), "those of GPT-2, Qwen2, Qwen3 and Llama-3")
		}
		// These patterns match every character, so the matches are the words.
		if c.Behavior == "Isolated" && !c.Invert || c.Behavior == "Removed" && c.Invert {
			return sp, nil
		}
		return nil, s.unsupported(p, "Split behavior", fmt.Sprintf("%q (invert %t) with a regex", c.Behavior, c.Invert), "Isolated")
	}
	sep, err := s.literalPattern(p, c, "pre-tokenizer")
	if err != nil {
		return nil, err
	}
	how, ok := map[string]behavior{
		"Isolated": isolated, "Removed": removed, "Contiguous": contiguous,
		"MergedWithPrevious": withBefore, "MergedWithNext": withAfter,
	}[c.Behavior]
	if !ok || c.Invert {
		return nil, s.unsupported(p, "Split behavior", fmt.Sprintf("%q (invert %t)", c.Behavior, c.Invert),
			"Contiguous, Isolated, MergedWithNext, MergedWithPrevious, Removed")
	}
	return literal{sep: sep, how: how}, nil
}

func (tk *Tokenizer) readPostProcessor(s *scanner, parts map[string]part) error {
	p := parts["post_processor"]
	comps, err := s.flatten(p, func(c component) []json.RawMessage { return c.Processors })
	if err != nil {
		return err
	}
	for _, c := range comps {
		switch c.Type {
		case "ByteLevel": // concerns offsets, not ids
		case "TemplateProcessing":
			if len(tk.prefix)+len(tk.suffix) > 0 {
				return s.unsupported(p, "post-processor", "with two templates", "one template")
			}
			if err := tk.readTemplate(s, p, c); err != nil {
				return err
			}
		default:
			return s.unsupported(p, "post-processor", fmt.Sprintf("%q", c.Type), "ByteLevel, Sequence, TemplateProcessing")
		}
	}
	return nil
}

func (tk *Tokenizer) readTemplate(s *scanner, p part, c component) error {
	seen := false
	for i, piece := range c.Single {
		switch {
		case piece.Sequence != nil && !seen:
			seen = true
		case piece.SpecialToken != nil:
			tok, ok := c.SpecialTokens[piece.SpecialToken.ID]
			if !ok {
				return s.at(p.offset, "template names %q, which its special_tokens lack", piece.SpecialToken.ID)
			}
			for _, id := range tok.IDs {
				if _, ok := tk.Token(id); !ok {
					return s.at(p.offset, "template token %q has id %d, which is not in the vocabulary", piece.SpecialToken.ID, id)
				}
			}
			if seen {
				tk.suffix = append(tk.suffix, tok.IDs...)
			} else {
				tk.prefix = append(tk.prefix, tok.IDs...)
			}
		default:
			return s.at(p.offset, "template piece %d is neither a special token nor the one text", i)
		}
	}
	if !seen {
		return s.at(p.offset, "template without the text")
	}
	if len(tk.prefix) == 1 {
		tk.special.BOS = tk.prefix[0]
	}
	return nil
}
