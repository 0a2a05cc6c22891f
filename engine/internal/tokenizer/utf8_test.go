// SPDX-License-Identifier: Apache-2.0

package tokenizer

import (
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// TestInvalidBytes: one U+FFFD for each maximal subpart. The first row is the
// example of Unicode section 3.9 ("Substitution of Maximal Subparts").
func TestInvalidBytes(t *testing.T) {
	tests := []struct{ in, want string }{
		{"a\xF1\x80\x80\xE1\x80\xC2b\x80c\x80\xBFd", "a\uFFFD\uFFFD\uFFFDb\uFFFDc\uFFFD\uFFFDd"},
		{"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82A", "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDA"}, // overlong
		{"\xED\xA0\x80\xED\xBF\xBF", "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD"},                       // surrogates
		{"\xF4\x91\x92\x93\xFFA\x80", "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDA\uFFFD"},                     // beyond U+10FFFF
		{"\xF0\x9F\x98", "\uFFFD"}, // cut off
		{"\xE6\xA8", "\uFFFD"},     // cut off
		{"\xE6\xA8模", "\uFFFD模"},   // cut off by a character
		{"模\uFFFD", "模\uFFFD"},     // a real U+FFFD stays
		{"", ""}, {"plain", "plain"}, {"\x00", "\x00"},
	}
	for _, tt := range tests {
		if got := validUTF8(tt.in); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
	}
}

// TestInvalidBytesEncode: Encode of damaged text is Encode of the repaired
// text, for a byte-level vocabulary.
func TestInvalidBytesEncode(t *testing.T) {
	tk := Bytes()
	if got := tk.Decode(tk.Encode("a\xF0\x9F\x98b\xFF", EncodeOptions{})); got != "a\uFFFDb\uFFFD" {
		t.Errorf("got %q", got)
	}
}

func TestValidUTF8Laws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		out := validUTF8(in)
		if !utf8.ValidString(out) {
			t.Fatalf("%q is not valid", out)
		}
		if utf8.ValidString(in) && out != in {
			t.Fatalf("valid %q became %q", in, out)
		}
		if validUTF8(out) != out {
			t.Fatalf("second pass changed %q", out)
		}
	})
}
