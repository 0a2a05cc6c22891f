// SPDX-License-Identifier: Apache-2.0

package termtext

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestSafe(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"plain", "jit(score)/layer_3/mlp", "jit(score)/layer_3/mlp"},
		{"empty", "", ""},
		{"colour sequence", "a\x1b[31mred", `a\x1b[31mred`},
		{"line and tab", "a\nb\tc\r", `a\nb\tc\r`},
		{"delete and C1", "a\x7f\u009b1m", `a\x7f\u009b1m`},
		{"bidi override", "a\u202egnp.exe\u2066", `a\u202egnp.exe\u2066`},
		{"zero width space and BOM", "a\u200bb\ufeff", `a\u200bb\ufeff`},
		{"line separators", "a\u2028b\u2029", `a\u2028b\u2029`},
		{"tag characters", "a\U000e0041", `a\U000e0041`},
		{"invalid bytes", "a\xff\xc3", `a\xff\xc3`},
		{"replacement character itself", "a\ufffd", "a\ufffd"},
		{"other scripts stay", "層_3/é/e\u0301/👩\u200d💻/x\u00a0y", "層_3/é/e\u0301/👩\u200d💻/x\u00a0y"},
		{"backslash stays", `C:\x`, `C:\x`},
	} {
		if got := Safe(c.in); got != c.want {
			t.Errorf("%s: Safe(%q) = %q, want %q", c.name, c.in, got, c.want)
		}
	}
}

func TestSafeIsIdempotentAndHarmless(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		out := Safe(in)
		if !utf8.ValidString(out) {
			t.Fatalf("Safe(%q) = %q isn't UTF-8", in, out)
		}
		if strings.ContainsFunc(out, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }) {
			t.Fatalf("Safe(%q) = %q keeps a control character", in, out)
		}
		if again := Safe(out); again != out {
			t.Fatalf("Safe twice: %q, then %q", out, again)
		}
	})
}

func TestWidth(t *testing.T) {
	for _, c := range []struct {
		in   string
		want int
	}{
		{"", 0}, {"layer_3", 7}, {"µs ± 1 %", 8}, {"層", 2}, {"ｗｉｄｅ", 8}, {"e\u0301", 1},
		{"한글", 4}, {"\u1112\u1161\u11ab", 2}, {"👍", 2}, {"━█▌", 3}, {"x\u200by", 2}, {"…", 1}, {"a\xffb", 3},
	} {
		if got := Width(c.in); got != c.want {
			t.Errorf("Width(%q) = %d, want %d", c.in, got, c.want)
		}
	}
}

func TestElide(t *testing.T) {
	for _, c := range []struct {
		in    string
		width int
		want  string
	}{
		{"transformer/layer_12/attention/qkv", 40, "transformer/layer_12/attention/qkv"},
		{"transformer/layer_12/attention/qkv", 15, "transfo…ion/qkv"},
		{"transformer/layer_12/attention/qkv", 14, "transfo…on/qkv"},
		{"abcdef", 3, "a…f"},
		{"abcdef", 2, "ab"},
		{"abcdef", 0, ""},
		{"層層層層", 5, "層…層"},
		{"層層層層", 6, "層…層"}, // five cells left for two-cell characters: one stays unused
		{"abce\u0301", 3, "a…e\u0301"},
	} {
		if got := Elide(c.in, c.width, "…"); got != c.want {
			t.Errorf("Elide(%q, %d) = %q, want %q", c.in, c.width, got, c.want)
		}
	}
}

func TestElideNeverWiderThanAsked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.String().Draw(t, "text")
		width := rapid.IntRange(0, 30).Draw(t, "width")
		mark := rapid.SampledFrom([]string{"…", "..."}).Draw(t, "mark")
		out := Elide(in, width, mark)
		if Width(out) > width {
			t.Fatalf("Elide(%q, %d, %q) = %q, %d cells", in, width, mark, out, Width(out))
		}
		if Width(in) <= width && out != in {
			t.Fatalf("Elide(%q, %d) = %q though it fits", in, width, out)
		}
	})
}
