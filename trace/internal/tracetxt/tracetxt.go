// SPDX-License-Identifier: Apache-2.0

// Package tracetxt splits the text form of a trace into lines of fields, and
// joins fields to lines. What the fields mean is the business of package trace;
// docs/formats/txt.md describes the whole form.
//
// A line is a keyword, positional fields and key=value fields, separated by
// blanks; a field with blanks, quotes or '=' is a Go string literal. '#' begins
// a comment. Lines between "hlo …" and a line "." are text to be kept as it is.
package tracetxt

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Magic is the first line of the text form, and its version.
const Magic = "layerscope-trace 1"

// A Line is one line of fields.
type Line struct {
	N      int    // line number in the file, from 1
	Word   string // the keyword; "" on a line that continues a track
	Args   []string
	Values map[string]string
	Block  string // text up to the line "." for keywords that have one
}

// An Error says which line is wrong.
type Error struct {
	N   int
	Msg string
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.N, e.Msg) }

// Errorf returns an Error about the line.
func (l *Line) Errorf(format string, args ...any) error {
	return &Error{l.N, fmt.Sprintf(format, args...)}
}

// Int parses a positional field.
func (l *Line) Int(i int) (int64, error) {
	if i >= len(l.Args) {
		return 0, l.Errorf("found %d fields, wanted %d", len(l.Args), i+1)
	}
	n, err := strconv.ParseInt(l.Args[i], 10, 64)
	if err != nil {
		return 0, l.Errorf("found %q, wanted an integer", l.Args[i])
	}
	return n, nil
}

// Arg returns a positional field, "" when there are fewer.
func (l *Line) Arg(i int) string {
	if i < len(l.Args) {
		return l.Args[i]
	}
	return ""
}

// Key parses an integer field by key; absent is 0.
func (l *Line) Key(key string) (int64, error) {
	v, ok := l.Values[key]
	if !ok {
		return 0, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		return 0, l.Errorf("%s=%s: wanted an integer", key, v)
	}
	return n, nil
}

// maxLine bounds a line; HLO text has long ones.
const maxLine = 16 << 20

// Read yields the lines of r until yield fails or r ends.
func Read(r io.Reader, yield func(*Line) error) error {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 64<<10), maxLine)
	n := 0
	for sc.Scan() {
		n++
		text := sc.Text()
		if n == 1 {
			if strings.TrimRight(text, " \r") != Magic {
				return &Error{1, fmt.Sprintf("found %.40q, wanted %q", text, Magic)}
			}
			continue
		}
		l, err := Parse(text, n)
		if err != nil {
			return cmp.Or(sc.Err(), err) // a line that was cut off is not what is wrong
		}
		if l == nil {
			continue
		}
		if l.Word == "hlo" {
			var b strings.Builder
			closed := false
			for !closed && sc.Scan() {
				n++
				if closed = strings.TrimRight(sc.Text(), " \r") == "."; !closed {
					b.WriteString(sc.Text())
					b.WriteByte('\n')
				}
			}
			if !closed {
				return &Error{n, `the text ends inside a block, wanted a line "."`}
			}
			l.Block = b.String()
		}
		if err := yield(l); err != nil {
			return cmp.Or(sc.Err(), err)
		}
	}
	return sc.Err()
}

// Parse splits line n of the text form on its own; nil for a blank one. Lines
// with a block can't be read so.
func Parse(text string, n int) (*Line, error) {
	l := &Line{N: n}
	continued := strings.HasPrefix(text, " ") || strings.HasPrefix(text, "\t")
	for first := true; ; first = false {
		text = strings.TrimLeft(text, " \t\r")
		if text == "" || text[0] == '#' {
			break
		}
		key, value, rest, err := field(text)
		if err != nil {
			return nil, &Error{n, err.Error()}
		}
		text = rest
		switch {
		case key != "":
			if l.Values == nil {
				l.Values = make(map[string]string)
			}
			l.Values[key] = value
		case first && !continued:
			l.Word = value
		default:
			l.Args = append(l.Args, value)
		}
	}
	if l.Word == "" && len(l.Args) == 0 {
		return nil, nil
	}
	return l, nil
}

// field cuts one field off text.
func field(text string) (key, value, rest string, err error) {
	end := strings.IndexAny(text, " \t\r=\"")
	if text[0] == '=' {
		return "", "", "", fmt.Errorf("found %.20s, wanted a key before it", text)
	}
	if end >= 0 && text[end] == '=' {
		key = text[:end]
		text = text[end+1:]
		end = strings.IndexAny(text, " \t\r\"")
	}
	if strings.HasPrefix(text, `"`) {
		q, err := strconv.QuotedPrefix(text)
		if err != nil {
			return "", "", "", fmt.Errorf("found %.20s, wanted a quoted string", text)
		}
		value, err = strconv.Unquote(q)
		return key, value, text[len(q):], err
	}
	if end < 0 {
		end = len(text)
	}
	return key, text[:end], text[end:], nil
}

// Quote returns a field as it is written: bare where it can be.
func Quote(s string) string {
	if s == "" || strings.ContainsAny(s, " \t\r\n=\"#") || !isPlain(s) {
		return strconv.Quote(s)
	}
	return s
}

func isPlain(s string) bool {
	for _, r := range s {
		if !strconv.IsPrint(r) || r == '\uFFFD' {
			return false
		}
	}
	return true
}
