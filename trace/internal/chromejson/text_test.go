// SPDX-License-Identifier: Apache-2.0

package chromejson

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestUnquote(t *testing.T) {
	tests := []struct {
		raw, want string
		valid     bool
	}{
		{``, ``, true},
		{`plain`, `plain`, true},
		{`a\nb\t\"\\\/\b\f\r`, "a\nb\t\"\\/\b\f\r", true},
		{`\u0041\u00e9\u20ac`, "Aé€", true},
		{`\u0000`, "\x00", true},
		{`\ud83d\ude00`, "😀", true},
		{`\uD83D\uDE00!`, "😀!", true},
		{`raw é 😀`, `raw é 😀`, true},
		{`\ud83d`, "\uFFFD", false},
		{`\ud83dx`, "\uFFFDx", false},
		{`\ude00\ud83d`, "\uFFFD\uFFFD", false},
		{`\ud83d\u0041`, "\uFFFDA", false},
		{`\x41`, `x41`, false}, // Windows paths: C:\x
		{`\u12`, `u12`, false},
		{`\u12zz`, `u12zz`, false},
		{`a\`, `a\`, false},
		{`\é`, `é`, false},
		{"a\x01b", "a\x01b", false}, // control bytes stay
		{"a\xffb\xfe\xfd", "a\uFFFDb\uFFFD\uFFFD", false},
		{"\xe2\x82", "\uFFFD\uFFFD", false},
	}
	for _, tt := range tests {
		got, valid := Unquote([]byte("> "), []byte(tt.raw))
		if string(got) != "> "+tt.want || valid != tt.valid {
			t.Errorf("Unquote(%q) = %q, %v, want %q, %v", tt.raw, got, valid, "> "+tt.want, tt.valid)
		}
	}
}

func FuzzUnquote(f *testing.F) {
	for _, s := range []string{``, `a\nb`, `\ud83d\ude00`, `\ud83d`, `\x`, "\xff", `\u00zz`, `é\`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, valid := Unquote(nil, raw)
		if !utf8.Valid(got) {
			t.Fatalf("Unquote(%q) = %q, which is no UTF-8", raw, got)
		}
		quoted := append(append([]byte{'"'}, raw...), '"')
		var want string
		if err := json.Unmarshal(quoted, &want); err != nil {
			return
		}
		if string(got) != want {
			t.Fatalf("Unquote(%q) = %q, want %q", raw, got, want)
		}
		again, _ := json.Marshal(want)
		if !valid && utf8.Valid(raw) && string(again) == string(quoted) {
			t.Fatalf("Unquote(%q) reports a fault", raw)
		}
	})
}

// TestPlain: one odd byte anywhere makes a text one that must be decoded.
func TestPlain(t *testing.T) {
	for n := range 50 {
		text := []byte(strings.Repeat("~ [", n))[:n]
		if !Plain(text) {
			t.Errorf("%q is not plain", text)
		}
		for i := range text {
			for c := range 256 {
				odd := slices.Clone(text)
				odd[i] = byte(c)
				if got, want := Plain(odd), c >= ' ' && c < 0x80 && c != '\\'; got != want {
					t.Fatalf("Plain(%q) = %v, want %v", odd, got, want)
				}
			}
		}
	}
}
