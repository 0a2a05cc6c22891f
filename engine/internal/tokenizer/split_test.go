// SPDX-License-Identifier: Apache-2.0

package tokenizer

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// words runs a splitter over a text.
func words(sp splitter, text string, atStart bool) []string {
	var out []string
	text = sp.prepare(text, atStart)
	for i := 0; i < len(text); {
		end, drop := sp.next(text, i)
		if !drop {
			out = append(out, text[i:end])
		}
		i = end
	}
	return out
}

// TestSplitters has one row for each alternative of each pattern, worked by
// hand, words separated by "|".
func TestSplitters(t *testing.T) {
	qwen, llama3 := tiktoken{digits: 1}, tiktoken{digits: 3}
	tests := []struct {
		name string
		sp   splitter
		text string
		want string
	}{
		{"gpt2 words take the space before", gpt2{}, "a bc  d", "a| bc| | d"},
		{"gpt2 contractions are lower case", gpt2{}, "I'm HE'LL", "I|'m| HE|'|LL"},
		{"gpt2 contraction inside a word", gpt2{}, "'sx", "'s|x"},
		{"gpt2 space before an apostrophe wins", gpt2{}, " 's", " '|s"},
		{"gpt2 numbers stay together", gpt2{}, "x 1234٣ ½", "x| 1234٣| ½"},
		{"gpt2 others stay together", gpt2{}, "a!?\u0301 b", "a|!?\u0301| b"},
		{"gpt2 spaces keep one for the word", gpt2{}, "a \n\tb", "a| \n|\t|b"},
		{"gpt2 spaces at the end stay whole", gpt2{}, "a \n ", "a| \n "},
		{"gpt2 wide spaces", gpt2{}, "a\u3000\u00a0b", "a|\u3000|\u00a0|b"},
		{"gpt2 with a space added", prefixSpace{gpt2{}}, "ab c", " ab| c"},
		{"gpt2 with a space there", prefixSpace{gpt2{}}, " ab", " ab"},
		{"gpt2 nothing to add a space to", prefixSpace{gpt2{}}, "", ""},

		{"qwen contractions of any case", qwen, "HE'LL it'ſ x'T", "HE|'LL| it|'ſ| x|'T"},
		{"qwen one character goes with the word", qwen, "(a) \ta\u0301b", "(a|)| |\ta|\u0301b"},
		{"qwen digits are single", qwen, "a12 3", "a|1|2| |3"},
		{"qwen newlines go with what is before", qwen, "a!\n\nb", "a|!\n\n|b"},
		{"qwen newlines end a run of spaces", qwen, "a \n \n  b", "a| \n \n| | b"},
		{"qwen carriage return begins no word", qwen, "\ra", "\r|a"},
		{"qwen space before others", qwen, "a  !!", "a| | !!"},
		{"qwen spaces at the end", qwen, "a   ", "a|   "},
		{"qwen spaces then digit", qwen, "a  1", "a| | |1"},
		{"llama3 digits by threes from the left", llama3, "12345 ½٣", "123|45| |½٣"},

		{"digits alone", digits{single: true}, "ab12c", "ab|1|2|c"},
		{"digit runs", digits{}, "ab12c", "ab|12|c"},

		{"literal isolated", literal{sep: "-", how: isolated}, "The-final--countdown", "The|-|final|-|-|countdown"},
		{"literal removed", literal{sep: "-", how: removed}, "-The-final--countdown-", "The|final|countdown"},
		{"literal before", literal{sep: "-", how: withBefore}, "-The-final--countdown", "-|The-|final-|-|countdown"},
		{"literal after", literal{sep: "-", how: withAfter}, "The-final---countdown-", "The|-final|-|-|-countdown|-"},
		{"literal runs", literal{sep: "-", how: contiguous}, "The-final--countdown", "The|-|final|--|countdown"},
	}
	for _, tt := range tests {
		got := strings.Join(words(tt.sp, tt.text, true), "|")
		if got != tt.want {
			t.Errorf("%s: %q\n got %q\nwant %q", tt.name, tt.text, got, tt.want)
		}
	}
}

func TestMetaspace(t *testing.T) {
	mark := func(scheme prependScheme, cut bool) metaspace {
		return metaspace{split: literal{sep: "▁", how: withAfter}, mark: "▁", prefix: scheme, cut: cut}
	}
	tests := []struct {
		sp      metaspace
		text    string
		atStart bool
		want    []string
	}{
		{mark(prependAlways, true), "a  b", false, []string{"▁a", "▁", "▁b"}},
		{mark(prependAlways, true), " a", false, []string{"▁a"}},
		{mark(prependFirst, true), "a b", true, []string{"▁a", "▁b"}},
		{mark(prependFirst, true), "a b", false, []string{"a", "▁b"}},
		{mark(prependNever, true), "a b ", true, []string{"a", "▁b", "▁"}},
		{mark(prependAlways, false), "a b", true, []string{"▁a▁b"}},
		{mark(prependAlways, true), "", true, nil},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, words(tt.sp, tt.text, tt.atStart)); diff != "" {
			t.Errorf("%q at start %t: %s", tt.text, tt.atStart, diff)
		}
	}
}

// TestSplittersCover: whatever the text, the words are not empty and joined
// give the text back.
func TestSplittersCover(t *testing.T) {
	sps := []splitter{gpt2{}, tiktoken{digits: 1}, tiktoken{digits: 3}, digits{}, digits{single: true}, whole{}}
	for how := isolated; how <= contiguous; how++ {
		if how != removed {
			sps = append(sps, literal{sep: " ", how: how})
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune(" \n\r\t\u3000aéſ模'sSlL1½!-\u0301😀"))).Draw(t, "text")
		for _, sp := range sps {
			got := words(sp, text, false)
			for _, w := range got {
				if w == "" {
					t.Fatalf("%T: empty word in %q", sp, got)
				}
			}
			if strings.Join(got, "") != text {
				t.Fatalf("%T: words %q of %q", sp, got, text)
			}
		}
	})
}
