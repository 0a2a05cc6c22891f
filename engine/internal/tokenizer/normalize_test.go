// SPDX-License-Identifier: Apache-2.0

package tokenizer

import (
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

// TestLongMarkRuns: more than 30 combining marks stay without the joiner that
// x/text puts in. The marks of class 220 go before those of class 230, and the
// first acute composes.
func TestLongMarkRuns(t *testing.T) {
	acute, dot := "\u0301", "\u0323"
	in := "e" + strings.Repeat(acute, 40) + strings.Repeat(dot, 10) + "z"
	tests := []struct {
		form norm.Form
		want string
	}{
		{norm.NFC, "\u1EB9" + strings.Repeat(dot, 9) + strings.Repeat(acute, 40) + "z"},
		{norm.NFD, "e" + strings.Repeat(dot, 10) + strings.Repeat(acute, 40) + "z"},
	}
	for _, tt := range tests {
		if got := unicodeNormalizer(tt.form)(in); got != tt.want {
			t.Errorf("form %d:\n got %+q\nwant %+q", tt.form, got, tt.want)
		}
	}
}

// TestNormalizeMarksLaw: our form of the algorithm gives x/text's result
// wherever that has no limit to respect.
func TestNormalizeMarksLaw(t *testing.T) {
	runes := []rune("aeo가각ᄀ\u1161\u11A8ﬁ½①が\u304B\u3099\u0301\u0308\u0323\u0327\u0338\u05B0\u0651\u0344\u0958\u212B é ệ😀")
	forms := []norm.Form{norm.NFC, norm.NFD, norm.NFKC, norm.NFKD}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOfN(rapid.SampledFrom(runes), 0, 24, -1).Draw(t, "text")
		for _, form := range forms {
			if got, want := normalizeMarks(form, s), form.String(s); got != want {
				t.Fatalf("form %d of %+q: got %+q, want %+q", form, s, got, want)
			}
		}
	})
}

func TestNormalizers(t *testing.T) {
	tests := []struct {
		name string
		f    func(string) string
		in   string
		want string
	}{
		{"prepend", prependNormalizer("▁"), "a", "▁a"},
		{"prepend to nothing", prependNormalizer("▁"), "", ""},
		{"replace", replaceNormalizer(" ", "▁"), " a  b", "▁a▁▁b"},
		{"strip left", stripNormalizer(true, false), "\u3000 a ", "a "},
		{"strip right", stripNormalizer(false, true), " a\n ", " a"},
	}
	for _, tt := range tests {
		if got := tt.f(tt.in); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}
