// SPDX-License-Identifier: Apache-2.0

package tokenizer

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// decodeStep turns the token texts of a sequence into text, in turns.
type decodeStep interface {
	apply(parts []string) []string
}

// byteLevelDecode reads GPT-2's alphabet back into bytes. A token with a
// character outside the alphabet stands for itself.
type byteLevelDecode struct{}

func (byteLevelDecode) apply(parts []string) []string {
	var b strings.Builder
	for _, p := range parts {
		if !inAlphabet(p) {
			b.WriteString(p)
			continue
		}
		for _, r := range p {
			b.WriteByte(runeByte[r])
		}
	}
	return []string{validUTF8(b.String())}
}

func inAlphabet(s string) bool {
	for _, r := range s {
		if _, ok := runeByte[r]; !ok {
			return false
		}
	}
	return true
}

// replaceDecode replaces a string in each token.
type replaceDecode struct{ old, with string }

func (d replaceDecode) apply(parts []string) []string {
	for i, p := range parts {
		parts[i] = strings.ReplaceAll(p, d.old, d.with)
	}
	return parts
}

// byteFallbackDecode joins runs of <0xXX> tokens into characters; a run that
// is not UTF-8 becomes one U+FFFD for each byte.
type byteFallbackDecode struct{}

func (byteFallbackDecode) apply(parts []string) []string {
	out := make([]string, 0, len(parts))
	var pending []byte
	flush := func() {
		switch {
		case len(pending) == 0:
			return
		case utf8.Valid(pending):
			out = append(out, string(pending))
		default:
			out = append(out, strings.Repeat("\uFFFD", len(pending)))
		}
		pending = pending[:0]
	}
	for _, p := range parts {
		if b, ok := byteToken(p); ok {
			pending = append(pending, b)
			continue
		}
		flush()
		out = append(out, p)
	}
	flush()
	return out
}

// byteToken reads <0xXX>.
func byteToken(s string) (byte, bool) {
	if len(s) != 6 || s[:3] != "<0x" || s[5] != '>' {
		return 0, false
	}
	b, err := strconv.ParseUint(s[3:5], 16, 8)
	return byte(b), err == nil
}

// fuseDecode joins all tokens into one.
type fuseDecode struct{}

func (fuseDecode) apply(parts []string) []string {
	return []string{strings.Join(parts, "")}
}

// stripDecode removes up to start characters from the left and up to stop
// from the right of each token, as long as they are ch.
type stripDecode struct {
	ch          string
	start, stop int
}

func (d stripDecode) apply(parts []string) []string {
	for i, p := range parts {
		for n := 0; n < d.start && strings.HasPrefix(p, d.ch); n++ {
			p = p[len(d.ch):]
		}
		for n := 0; n < d.stop && strings.HasSuffix(p, d.ch); n++ {
			p = p[:len(p)-len(d.ch)]
		}
		parts[i] = p
	}
	return parts
}

// metaspaceDecode writes marks as spaces, and drops those of the first token
// where the encoder puts one there.
type metaspaceDecode struct {
	mark      string
	dropFirst bool
}

func (d metaspaceDecode) apply(parts []string) []string {
	for i, p := range parts {
		with := " "
		if i == 0 && d.dropFirst {
			with = ""
		}
		parts[i] = strings.ReplaceAll(p, d.mark, with)
	}
	return parts
}
