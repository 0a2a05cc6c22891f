// SPDX-License-Identifier: Apache-2.0

package tokenizer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/layerscope/layerscope/internal/tracetest"
)

// bin makes a tokenizer.bin of the three special tokens, the bytes, and the
// given tokens with scores -1, -2 and so on.
func bin(longest int32, tokens ...string) []byte {
	all := []string{"<unk>", "\n<s>\n", "\n</s>\n"}
	for b := range 256 {
		all = append(all, fmt.Sprintf("<0x%02X>", b))
	}
	buf := binary.LittleEndian.AppendUint32(nil, uint32(longest))
	for i, s := range append(all, tokens...) {
		score := float32(0)
		if i >= len(all) {
			score = -float32(i - len(all) + 1)
		}
		buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(score))
		buf = binary.LittleEndian.AppendUint32(buf, uint32(len(s)))
		buf = append(buf, s...)
	}
	return buf
}

// TestLlama2C: ids of a small vocabulary, worked by hand. Ids 259 on are the
// listed tokens; the better score goes first wherever it stands.
func TestLlama2C(t *testing.T) {
	tk, err := ParseLlama2C("t.bin", bin(8, "bc", "ab", " a", "a", "b", "c", " ", "é"))
	if err != nil {
		t.Fatal(err)
	}
	const bc, ab, spA, a, c, sp, é = 259, 260, 261, 262, 264, 265, 266
	tests := []struct {
		text string
		want []int32
	}{
		{"", []int32{}},
		{"a", []int32{spA}},          // the space in front joins
		{"abc", []int32{spA, bc}},    // bc before ab
		{"ab", []int32{sp, ab}},      // ab before " a"
		{"bcc", []int32{sp, bc, c}},  //
		{"éa", []int32{sp, é, a}},    // a character that is a token
		{"è", []int32{sp, 198, 171}}, // and one that is not: bytes C3 A8
	}
	for _, tt := range tests {
		if got := tk.Encode(tt.text, EncodeOptions{}); !slices.Equal(got, tt.want) {
			t.Errorf("%q: got %v, want %v", tt.text, got, tt.want)
		}
		if got := tk.Decode(tt.want); got != tt.text {
			t.Errorf("decoded %q, want %q", got, tt.text)
		}
	}
	if got := tk.Encode("a", EncodeOptions{AddSpecial: true}); !slices.Equal(got, []int32{1, spA}) {
		t.Errorf("with BOS: %v", got)
	}
	if got := tk.DecodeText([]int32{1, spA}); got != "a" {
		t.Errorf("decoded %q", got)
	}
	if got, want := tk.Special(), (SpecialIDs{BOS: 1, EOS: 2, Pad: -1, Unk: 0}); got != want {
		t.Errorf("roles %v, want %v", got, want)
	}
}

func TestLlama2CErrors(t *testing.T) {
	good := bin(8, "ab")
	score := func(at int, bits uint32) []byte {
		b := bytes.Clone(good)
		binary.LittleEndian.PutUint32(b[at:], bits)
		return b
	}
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "offset 0: the file ends"},
		{"no longest token", bin(0), "longest token has 0 bytes"},
		{"longest token absurd", bin(1 << 20), "wanted 1 to 1024"},
		{"too long a token", bin(6, "ab cd ef"), "has 8 bytes, wanted 0 to 6"},
		{"negative length", score(8, 1<<31), "has -2147483648 bytes"},
		{"score", score(4, 0x7FC00000), "not a number"},
		{"cut in a token", good[:len(good)-1], "wanted 2 bytes"},
		{"cut in a head", good[:len(good)-5], "wanted score and length"},
		{"few tokens", good[:12+5], "1 tokens, wanted at least 259"},
		{"bytes missing", bytes.Replace(good, []byte("<0x41>"), []byte("<0x4X>"), 1), `token 68 is "<0x4X>", wanted the byte token <0x41>`},
	}
	for _, tt := range tests {
		if _, err := ParseLlama2C("t.bin", tt.data); err == nil || !strings.HasPrefix(err.Error(), "t.bin: ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want … %q", tt.name, err, tt.want)
		}
	}
}

// naiveLlama2C encodes as llama2.c's run.c does: characters, then again and
// again the neighbours whose joined text has the best score.
func naiveLlama2C(tk *Tokenizer, scores []float32, text string) []int32 {
	ids := []int32{}
	if text != "" {
		text = " " + text
	}
	for _, r := range text {
		if id, ok := tk.vocab[string(r)]; ok {
			ids = append(ids, id)
			continue
		}
		for _, b := range utf8.AppendRune(nil, r) {
			ids = append(ids, int32(b)+3)
		}
	}
	for {
		best, at, to := float32(-1e10), -1, int32(0)
		for i := range max(len(ids)-1, 0) {
			id, ok := tk.vocab[tk.tokens[ids[i]]+tk.tokens[ids[i+1]]]
			if ok && scores[id] > best {
				best, at, to = scores[id], i, id
			}
		}
		if at < 0 {
			return ids
		}
		ids = slices.Replace(ids, at, at+2, to)
	}
}

// TestLlama2CLaw compares with the naive form on the vocabulary of 512 tokens.
func TestLlama2CLaw(t *testing.T) {
	data, err := os.ReadFile(tracetest.Shared(t, "data/lm/tinystories_260k/tokenizer.bin"))
	if err != nil {
		t.Fatal(err)
	}
	tk, err := ParseLlama2C("tokenizer.bin", data)
	if err != nil {
		t.Fatal(err)
	}
	if tk.VocabSize() != 512 {
		t.Fatalf("%d tokens, want 512", tk.VocabSize())
	}
	scores, err := (&Tokenizer{vocab: map[string]int32{}}).readBin("tokenizer.bin", data)
	if err != nil {
		t.Fatal(err)
	}
	word := rapid.SampledFrom(strings.Fields("Once upon a time there was little girl named Lily. She loved to play, outside in the park! \"One day\" they saw 模型 naïve 42 \n\n <s> <0x41> \u2581 😀 xyzzy"))
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(word, 0, 12).Draw(t, "words"), rapid.SampledFrom([]string{" ", "", "  "}).Draw(t, "between"))
		got, want := tk.Encode(text, EncodeOptions{}), naiveLlama2C(tk, scores, text)
		if !slices.Equal(got, want) {
			t.Fatalf("%q:\n got %v\nwant %v", text, got, want)
		}
		if back := tk.Decode(got); back != text {
			t.Fatalf("%q came back as %q", text, back)
		}
	})
}
