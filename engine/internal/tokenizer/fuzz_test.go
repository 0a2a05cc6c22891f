// SPDX-License-Identifier: Apache-2.0

package tokenizer

import (
	"os"
	"slices"
	"testing"
	"unicode/utf8"
)

// FuzzParse: any bytes give an error or a tokenizer whose ids are in its
// vocabulary and whose memory is in proportion to the file's.
func FuzzParse(f *testing.F) {
	f.Add([]byte(tiny("")), "abba")
	f.Add([]byte(tiny(`"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":true}`)), "a b")
	f.Add([]byte(tiny(`"normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Prepend","prepend":"b"}]},"decoder":{"type":"Sequence","decoders":[{"type":"ByteFallback"},{"type":"Fuse"}]}`)), "é a")
	f.Add([]byte(tiny(`"added_tokens":[{"id":3,"content":"ba","lstrip":true,"normalized":true},{"id":4,"content":" ","special":true,"single_word":true}]`)), " ba  ba")
	f.Add([]byte(`{"model":{"type":"BPE","unk_token":"?","fuse_unk":true,"byte_fallback":true,"vocab":{"?":0,"<0x41>":5},"merges":[]}}`), "AB\xff")
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		tk, err := Parse("fuzz.json", data)
		if err != nil {
			return
		}
		if n := tk.VocabSize(); n > 2*len(data)+1<<17 {
			t.Fatalf("%d bytes made a table of %d tokens", len(data), n)
		}
		if len(text) > 1<<10 {
			text = text[:1<<10]
		}
		for _, opts := range []EncodeOptions{{}, {AddSpecial: true}, {PlainText: true}} {
			ids := tk.Encode(text, opts)
			for _, id := range ids {
				if _, ok := tk.Token(id); !ok {
					t.Fatalf("%q gave id %d, which no token has", text, id)
				}
			}
			if again := tk.Encode(text, opts); !slices.Equal(ids, again) {
				t.Fatalf("%q gave %v, then %v", text, ids, again)
			}
			if out := tk.Decode(ids); utf8.Valid(data) && !utf8.ValidString(out) {
				t.Fatalf("decoded %q", out)
			}
			tk.DecodeText(ids)
		}
	})
}

// FuzzEncode: byte-level vocabularies without a normalizer give every valid
// text back.
func FuzzEncode(f *testing.F) {
	for _, s := range []string{"", "I'm here,  naïve 123\n\n", "模型 😀‍🔥", "\xf0\x9f\x98 <|endoftext|>", "e\u0301\u0323", " \u3000\t"} {
		f.Add(s)
	}
	var all []*Tokenizer
	for _, name := range []string{"gpt2", "llama3", "removed_inverted"} {
		tk, err := Load("testdata/hf/" + name)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, tk)
	}
	all = append(all, Bytes())
	f.Fuzz(func(t *testing.T, text string) {
		for i, tk := range all {
			for _, opts := range []EncodeOptions{{}, {PlainText: true}} {
				ids := tk.Encode(text, opts)
				if got, want := tk.Decode(ids), validUTF8(text); got != want {
					t.Fatalf("tokenizer %d: %q came back as %q", i, want, got)
				}
			}
		}
	})
}

// FuzzParseLlama2C: any bytes give an error or a tokenizer that can be used.
func FuzzParseLlama2C(f *testing.F) {
	f.Add(bin(8, "ab", "a", "b", " "), "abba é")
	f.Add([]byte("\x08\x00\x00\x00"), "")
	if data, err := os.ReadFile("testdata/hf/gpt2/tokenizer.json"); err == nil {
		f.Add(data[:64], "x")
	}
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		tk, err := ParseLlama2C("fuzz.bin", data)
		if err != nil {
			return
		}
		if len(text) > 1<<10 {
			text = text[:1<<10]
		}
		ids := tk.Encode(text, EncodeOptions{AddSpecial: true})
		for _, id := range ids {
			if int(id) >= tk.VocabSize() || id < 0 {
				t.Fatalf("%q gave id %d of %d", text, id, tk.VocabSize())
			}
		}
		tk.Decode(ids)
	})
}
