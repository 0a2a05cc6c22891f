// SPDX-License-Identifier: Apache-2.0

package tokenizer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// tiny returns a tokenizer.json with the given members in front of a small
// byte-pair model.
func tiny(members string) string {
	if members != "" {
		members += ","
	}
	return `{` + members + `"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}}`
}

func added(fields string) string {
	return tiny(`"added_tokens":[{` + fields + `}]`)
}

var badFiles = []struct {
	name, json, want string
	unsupported      bool
}{
	{name: "empty", json: ``, want: "offset 0x0: the file ends, wanted an object"},
	{name: "not an object", json: `[]`, want: `offset 0x0: found '[', wanted an object`},
	{name: "text after the end", json: tiny("") + " x", want: "after the object"},
	{name: "not UTF-8", json: "{\"\xff\":1}", want: "offset 0x2: bytes that are not UTF-8"},
	{name: "key twice", json: `{"a":1,"a":2}`, want: "for the second time"},
	{name: "deep", json: `{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, want: "nest deeper than 64"},
	{name: "control character", json: "{\"a\nb\":1}", want: "control character 0xa"},
	{name: "version", json: tiny(`"version":"2.0"`), want: `version "2.0" is unsupported`, unsupported: true},
	{name: "no model", json: `{}`, want: "no model"},
	{name: "unigram", json: `{"model":{"type":"Unigram","vocab":[["a",0.1]]}}`, want: `model "Unigram" is unsupported`, unsupported: true},
	{name: "word piece", json: `{"model":{"type":"WordPiece","vocab":{"a":0}}}`, want: `model "WordPiece" is unsupported`, unsupported: true},
	{name: "dropout", json: `{"model":{"type":"BPE","dropout":0.1,"vocab":{"a":0},"merges":[]}}`, want: "dropout 0.1 is unsupported", unsupported: true},
	{name: "prefix", json: `{"model":{"type":"BPE","continuing_subword_prefix":"##","vocab":{"a":0},"merges":[]}}`, want: `"##" is unsupported`, unsupported: true},
	{name: "suffix", json: `{"model":{"type":"BPE","end_of_word_suffix":"</w>","vocab":{"a":0},"merges":[]}}`, want: `"</w>" is unsupported`, unsupported: true},
	{name: "no vocab", json: `{"model":{"type":"BPE","merges":[]}}`, want: "model without vocab"},
	{name: "no merges", json: `{"model":{"type":"BPE","vocab":{"a":0}}}`, want: "model without merges"},
	{name: "empty vocab", json: `{"model":{"type":"BPE","vocab":{},"merges":[]}}`, want: "empty vocabulary"},
	{name: "empty token", json: `{"model":{"type":"BPE","vocab":{"":0},"merges":[]}}`, want: "empty token"},
	{name: "token twice", json: `{"model":{"type":"BPE","vocab":{"a":0,"a":1},"merges":[]}}`, want: `token "a" has id 0 and 1`},
	{name: "id twice", json: `{"model":{"type":"BPE","vocab":{"a":0,"b":0},"merges":[]}}`, want: `id 0 is of "a" and of "b"`},
	{name: "negative id", json: `{"model":{"type":"BPE","vocab":{"a":-1},"merges":[]}}`, want: "found '-', wanted a non-negative integer"},
	{name: "fractional id", json: `{"model":{"type":"BPE","vocab":{"a":1.5},"merges":[]}}`, want: "wanted a non-negative integer"},
	{name: "far id", json: `{"model":{"type":"BPE","vocab":{"a":2000000000},"merges":[]}}`, want: "far beyond the vocabulary"},
	{name: "huge id", json: `{"model":{"type":"BPE","vocab":{"a":99999999999},"merges":[]}}`, want: "wanted an integer below 2^31"},
	{name: "half a pair", json: `{"model":{"type":"BPE","vocab":{"\ud800":0},"merges":[]}}`, want: "half a surrogate pair"},
	{name: "unknown unk", json: `{"model":{"type":"BPE","unk_token":"<unk>","vocab":{"a":0},"merges":[]}}`, want: `unk_token "<unk>" is not in the vocabulary`},
	{name: "merge of strangers", json: `{"model":{"type":"BPE","vocab":{"a":0},"merges":["a c"]}}`, want: `merge 0: "c" is not in the vocabulary`},
	{name: "merge to a stranger", json: `{"model":{"type":"BPE","vocab":{"a":0},"merges":[["a","a"]]}}`, want: `merge 0: "aa" is not in the vocabulary`},
	{name: "merge of three", json: `{"model":{"type":"BPE","vocab":{"a":0},"merges":["a a a"]}}`, want: "wanted two tokens and a space"},
	{name: "merge of one", json: `{"model":{"type":"BPE","vocab":{"a":0},"merges":[["a"]]}}`, want: "merge 0 has 1 tokens, wanted 2"},
	{name: "merge of numbers", json: `{"model":{"type":"BPE","vocab":{"a":0},"merges":[[1,2]]}}`, want: "found '1', wanted a string"},

	{name: "normalizer", json: tiny(`"normalizer":{"type":"Lowercase"}`), want: `normalizer "Lowercase" is unsupported`, unsupported: true},
	{name: "normalizer regex", json: tiny(`"normalizer":{"type":"Replace","pattern":{"Regex":"a+"},"content":"b"}`), want: `Replace regex "a+" is unsupported`, unsupported: true},
	{name: "normalizers that grow", json: tiny(`"normalizer":{"type":"Sequence","normalizers":[` + strings.TrimSuffix(strings.Repeat(`{"type":"Replace","pattern":{"String":"a"},"content":"aa"},`, 7), ",") + `]}`), want: "can make a text 128 times longer"},
	{name: "prepend much", json: tiny(`"normalizer":{"type":"Prepend","prepend":"` + strings.Repeat("a", 65) + `"}`), want: "Prepend of 65 bytes"},
	{name: "steps", json: tiny(`"decoder":{"type":"Sequence","decoders":[` + strings.TrimSuffix(strings.Repeat(`{"type":"Fuse"},`, 33), ",") + `]}`), want: "more than 32 steps"},
	{name: "decoders that grow", json: tiny(`"decoder":{"type":"Replace","pattern":{"String":"a"},"content":"` + strings.Repeat("a", 65) + `"}`), want: "can make a text 65 times longer"},
	{name: "marks twice", json: tiny(`"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Metaspace","replacement":"a"},{"type":"Metaspace","replacement":"b"}]}`), want: "two Metaspace is unsupported", unsupported: true},
	{name: "normalizer without pattern", json: tiny(`"normalizer":{"type":"Replace","content":"b"}`), want: "Replace without a pattern"},
	{name: "normalizer of wrong kind", json: tiny(`"normalizer":7`), want: "offset 0xf"},
	{name: "pre-tokenizer", json: tiny(`"pre_tokenizer":{"type":"Whitespace"}`), want: `pre-tokenizer "Whitespace" is unsupported`, unsupported: true},
	{name: "pre-tokenizer regex", json: tiny(`"pre_tokenizer":{"type":"Split","pattern":{"Regex":"\\d+"},"behavior":"Isolated","invert":false}`), want: `Split regex "\\d+" is unsupported`, unsupported: true},
	{name: "pre-tokenizer behavior", json: tiny(`"pre_tokenizer":{"type":"Split","pattern":{"String":" "},"behavior":"Isolated","invert":true}`), want: `behavior "Isolated" (invert true) is unsupported`, unsupported: true},
	{name: "pre-tokenizer after bytes", json: tiny(`"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"ByteLevel"},{"type":"Digits"}]}`), want: `"Digits" after ByteLevel is unsupported`, unsupported: true},
	{name: "metaspace scheme", json: tiny(`"pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"often"}`), want: `prepend_scheme "often" is unsupported`, unsupported: true},
	{name: "metaspace mark", json: tiny(`"pre_tokenizer":{"type":"Metaspace","replacement":"ab"}`), want: `replacement is "ab", wanted one character`},
	{name: "post-processor", json: tiny(`"post_processor":{"type":"RobertaProcessing"}`), want: `post-processor "RobertaProcessing" is unsupported`, unsupported: true},
	{name: "template token", json: tiny(`"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}}]}`), want: `template names "<s>"`},
	{name: "template id", json: tiny(`"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}}],"special_tokens":{"<s>":{"ids":[9]}}}`), want: "id 9, which is not in the vocabulary"},
	{name: "template without text", json: tiny(`"post_processor":{"type":"TemplateProcessing","single":[]}`), want: "template without the text"},
	{name: "decoder", json: tiny(`"decoder":{"type":"CTC"}`), want: `decoder "CTC" is unsupported`, unsupported: true},
	{name: "decoder strip", json: tiny(`"decoder":{"type":"Strip","content":" ","start":-1}`), want: "decoder Strip"},
	{name: "added twice", json: tiny(`"added_tokens":[{"id":3,"content":"x"},{"id":4,"content":"x"}]`), want: `"x" for the second time`},
	{name: "added on a taken id", json: added(`"id":1,"content":"x"`), want: `"x" has id 1, which is of "b"`},
	{name: "added far", json: added(`"id":2000000000,"content":"x"`), want: "has id 2000000000, wanted 0 to"},
	{name: "added of wrong kind", json: added(`"id":"one","content":"x"`), want: "found string for id, wanted int32"},
}

func TestParseErrors(t *testing.T) {
	for _, tt := range badFiles {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("t.json", []byte(tt.json))
			if err == nil {
				t.Fatal("no error")
			}
			if msg := err.Error(); !strings.HasPrefix(msg, "t.json: offset 0x") || !strings.Contains(msg, tt.want) {
				t.Errorf("got %q\nwant … %q", msg, tt.want)
			}
			if errors.Is(err, ErrUnsupported) != tt.unsupported {
				t.Errorf("unsupported: %t, want %t", !tt.unsupported, tt.unsupported)
			}
		})
	}
}

// TestParseTruncated: every prefix of a tokenizer.json is an error, and one
// that tells how far the file goes.
func TestParseTruncated(t *testing.T) {
	data, err := os.ReadFile("testdata/hf/llama2/tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(data); n += 1 + n/37 {
		_, err := Parse("t.json", data[:n])
		if err == nil {
			t.Fatalf("%d of %d bytes: no error", n, len(data))
		}
		// A cut inside a character is reported where the character begins.
		ends, cut := fmt.Sprintf("offset %#x: the file ends", n), "not UTF-8"
		if !strings.Contains(err.Error(), ends) && !strings.Contains(err.Error(), cut) {
			t.Errorf("%d bytes: %v, wanted %q", n, err, ends)
		}
	}
}

func TestLoadRoles(t *testing.T) {
	model := `"model":{"type":"BPE","unk_token":"u","vocab":{"u":0,"a":1},"merges":[]}`
	added := `"added_tokens":[{"id":2,"content":"<s>","special":true},{"id":3,"content":"</s>","special":true}]`
	files := func(config string) fstest.MapFS {
		fsys := fstest.MapFS{"tokenizer.json": {Data: []byte("{" + added + "," + model + "}")}}
		if config != "" {
			fsys["tokenizer_config.json"] = &fstest.MapFile{Data: []byte(config)}
		}
		return fsys
	}
	tests := []struct {
		config string
		want   SpecialIDs
	}{
		{"", SpecialIDs{-1, -1, -1, 0}},
		{`{"bos_token":"<s>","eos_token":{"content":"</s>"},"pad_token":null}`, SpecialIDs{2, 3, -1, 0}},
		{`{"pad_token":"a","unk_token":"<s>"}`, SpecialIDs{-1, -1, 1, 2}},
	}
	for _, tt := range tests {
		tk, err := LoadFS(files(tt.config))
		if err != nil {
			t.Fatal(err)
		}
		if got := tk.Special(); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.config, got, tt.want)
		}
	}
	if _, err := LoadFS(files(`{"eos_token":"<end>"}`)); err == nil || !strings.Contains(err.Error(), `eos_token is "<end>", which the tokenizer lacks`) {
		t.Errorf("got %v", err)
	}
}

func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing path: %v", err)
	}
	if _, err := Load(dir); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "tokenizer.json") {
		t.Errorf("empty folder: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tokenizer.model"), []byte{1}, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "tokenizer.model") {
		t.Errorf("SentencePiece file only: %v", err)
	}
}

// TestAccessors on a vocabulary with a hole at id 3.
func TestAccessors(t *testing.T) {
	tk, err := Parse("t.json", []byte(tiny(`"added_tokens":[{"id":4,"content":"<x>","special":true}],"decoder":{"type":"Fuse"}`)))
	if err != nil {
		t.Fatal(err)
	}
	if n := tk.VocabSize(); n != 5 {
		t.Errorf("size %d, want 5", n)
	}
	for id, want := range map[int32]string{-1: "", 0: "a", 2: "ab", 3: "", 4: "<x>", 5: ""} {
		if got, ok := tk.Token(id); got != want || ok != (want != "") {
			t.Errorf("token %d: %q %t, want %q", id, got, ok, want)
		}
	}
	for token, want := range map[string]int32{"ab": 2, "<x>": 4} {
		if got, ok := tk.TokenID(token); got != want || !ok {
			t.Errorf("id of %q: %d %t, want %d", token, got, ok, want)
		}
	}
	if _, ok := tk.TokenID("c"); ok {
		t.Error("id of an unknown token")
	}
	if !tk.IsSpecial(4) || tk.IsSpecial(0) {
		t.Error("only <x> is special")
	}
	ids := []int32{0, 4, -7, 3, 99, 2}
	if got := tk.Decode(ids); got != "a<x>ab" {
		t.Errorf("decoded %q", got)
	}
	if got := tk.DecodeText(ids); got != "aab" {
		t.Errorf("decoded %q", got)
	}
}
