// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"slices"
	"strings"
)

// maxTextLines bounds the HLO shown for one row.
const maxTextLines = 6

// textDiff is a small unified diff of the HLO of the ops on both sides, nil
// where one has none or both have the same but for numbers in names.
func textDiff(base, new []*opGroup) []string {
	b, n := texts(base), texts(new)
	if len(b) == 0 || len(n) == 0 {
		return nil
	}
	var out []string
	for _, line := range b {
		if !slices.Contains(n, line) {
			out = append(out, "- "+line)
		}
	}
	for _, line := range n {
		if !slices.Contains(b, line) {
			out = append(out, "+ "+line)
		}
	}
	if len(out) > maxTextLines {
		minus := slices.DeleteFunc(slices.Clone(out), func(s string) bool { return s[0] == '+' })
		plus := out[len(minus):]
		half := maxTextLines / 2
		keepM := min(len(minus), max(half, maxTextLines-len(plus)))
		keepP := min(len(plus), maxTextLines-keepM)
		out = append(slices.Clone(minus[:keepM]), plus[:keepP]...)
	}
	return out
}

// texts returns the distinct HLO lines of the groups, unnumbered.
func texts(gs []*opGroup) []string {
	var out []string
	for _, g := range gs {
		for _, l := range g.long {
			if l = unnumbered(l); !slices.Contains(out, l) {
				out = append(out, l)
			}
		}
	}
	return out
}

// unnumbered is HLO text on one line, without the numbers that make names unique
// and without layouts and metadata: what is left is what the compiler decided.
func unnumbered(s string) string {
	s, _, _ = strings.Cut(s, ", metadata={")
	s = plainShape(strings.Join(strings.Fields(s), " "))
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		b.WriteByte(s[i])
		if s[i] != '%' {
			continue
		}
		end := i + 1
		for end < len(s) && (s[end] == '.' || s[end] == '-' || s[end] == '_' || s[end] >= '0' && s[end] <= '9' || s[end] >= 'A' && s[end] <= 'Z' || s[end] >= 'a' && s[end] <= 'z') {
			end++
		}
		b.WriteString(opStem(s[i+1 : end]))
		i = end - 1
	}
	return shorten(b.String(), 400)
}
