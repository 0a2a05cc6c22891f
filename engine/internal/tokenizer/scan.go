// SPDX-License-Identifier: Apache-2.0

package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// scanner walks a JSON text of tens of megabytes, so that every error has its
// offset and a vocabulary is checked as it is read. Small sections are handed
// to encoding/json.
//
// Note: it is not there for speed. Reading an 11 MB file with all its checks
// takes as long as json.Unmarshal into plain maps (0.12 s).
type scanner struct {
	name string
	data []byte
	pos  int
}

// maxDepth bounds how deep values may nest.
const maxDepth = 64

// at makes an error that names the file and the offset.
func (s *scanner) at(offset int, format string, args ...any) error {
	return fmt.Errorf("%s: offset %#x: %w", s.name, offset, fmt.Errorf(format, args...))
}

// fail is an error at the current position: what is there, what was wanted.
func (s *scanner) fail(want string) error {
	if s.pos >= len(s.data) {
		return s.at(len(s.data), "the file ends, wanted %s", want)
	}
	return s.at(s.pos, "found %q, wanted %s", s.data[s.pos], want)
}

// peek skips white space and returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; c {
		case ' ', '\n', '\r', '\t':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

func (s *scanner) expect(c byte, want string) error {
	if s.peek() != c {
		return s.fail(want)
	}
	s.pos++
	return nil
}

// object calls f for each key with the position at its value.
func (s *scanner) object(f func(key string) error) error {
	if err := s.expect('{', "an object"); err != nil {
		return err
	}
	if s.peek() == '}' {
		s.pos++
		return nil
	}
	for {
		if s.peek() != '"' {
			return s.fail("a key")
		}
		key, err := s.str()
		if err != nil {
			return err
		}
		if err := s.expect(':', "a colon"); err != nil {
			return err
		}
		if err := f(key); err != nil {
			return err
		}
		more, err := s.more('}')
		if !more {
			return err
		}
	}
}

// array calls f at each element.
func (s *scanner) array(f func() error) error {
	if err := s.expect('[', "an array"); err != nil {
		return err
	}
	if s.peek() == ']' {
		s.pos++
		return nil
	}
	for {
		if err := f(); err != nil {
			return err
		}
		more, err := s.more(']')
		if !more {
			return err
		}
	}
}

func (s *scanner) more(end byte) (bool, error) {
	switch s.peek() {
	case ',':
		s.pos++
		return true, nil
	case end:
		s.pos++
		return false, nil
	}
	return false, s.fail("a comma or " + strconv.QuoteRune(rune(end)))
}

// str reads a string.
func (s *scanner) str() (string, error) {
	if s.peek() != '"' {
		return "", s.fail("a string")
	}
	start := s.pos
	plain, err := s.skipString()
	if err != nil {
		return "", err
	}
	raw := s.data[start+1 : s.pos-1]
	if plain {
		return string(raw), nil
	}
	var text string
	if err := json.Unmarshal(s.data[start:s.pos], &text); err != nil {
		return "", s.at(start, "bad string: %w", err)
	}
	// encoding/json makes U+FFFD of half a surrogate pair, and so could make
	// two tokens one.
	if strings.Contains(text, "\uFFFD") && !bytes.Contains(raw, []byte("\uFFFD")) &&
		!bytes.Contains(bytes.ToLower(raw), []byte(`\ufffd`)) {
		return "", s.at(start, "string with half a surrogate pair, wanted both halves")
	}
	return text, nil
}

// skipString moves past the string at pos and tells whether it is free of
// escapes.
func (s *scanner) skipString() (plain bool, err error) {
	start := s.pos
	plain = true
	for i := s.pos + 1; i < len(s.data); i++ {
		switch c := s.data[i]; {
		case c == '"':
			s.pos = i + 1
			return plain, nil
		case c == '\\':
			plain = false
			i++
		case c < 0x20:
			return false, s.at(i, "control character %#x in a string, wanted an escape", c)
		}
	}
	s.pos = len(s.data)
	return false, s.at(len(s.data), "the file ends in the string that starts at %#x, wanted a closing quote", start)
}

// integer reads a number that must be a non-negative integer.
func (s *scanner) integer() (int, error) {
	s.peek()
	start := s.pos
	for s.pos < len(s.data) && (s.data[s.pos] >= '0' && s.data[s.pos] <= '9') {
		s.pos++
	}
	if s.pos == start {
		return 0, s.fail("a non-negative integer")
	}
	if s.pos < len(s.data) && (s.data[s.pos] == '.' || s.data[s.pos]|0x20 == 'e') {
		return 0, s.fail("a non-negative integer")
	}
	n, err := strconv.ParseInt(string(s.data[start:s.pos]), 10, 32)
	if err != nil {
		return 0, s.at(start, "found %s, wanted an integer below 2^31", clip(s.data[start:s.pos]))
	}
	return int(n), nil
}

// skip moves past any value and returns where it starts and its bytes.
func (s *scanner) skip() (offset int, raw []byte, err error) {
	s.peek()
	offset = s.pos
	if err := s.skipValue(0); err != nil {
		return 0, nil, err
	}
	return offset, s.data[offset:s.pos], nil
}

func (s *scanner) skipValue(depth int) error {
	if depth > maxDepth {
		return s.at(s.pos, "values nest deeper than %d", maxDepth)
	}
	switch c := s.peek(); {
	case c == '{':
		s.pos++
		if s.peek() == '}' {
			s.pos++
			return nil
		}
		return s.skipMembers(depth)
	case c == '[':
		return s.array(func() error { return s.skipValue(depth + 1) })
	case c == '"':
		_, err := s.skipString()
		return err
	case c == '-' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z':
		for s.pos < len(s.data) && isScalar(s.data[s.pos]) {
			s.pos++
		}
		return nil
	}
	return s.fail("a value")
}

func (s *scanner) skipMembers(depth int) error {
	for {
		if s.peek() != '"' {
			return s.fail("a key")
		}
		if _, err := s.skipString(); err != nil {
			return err
		}
		if err := s.expect(':', "a colon"); err != nil {
			return err
		}
		if err := s.skipValue(depth + 1); err != nil {
			return err
		}
		if more, err := s.more('}'); !more {
			return err
		}
	}
}

func isScalar(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c == '-' || c == '+' || c == '.'
}

// section decodes a small value that was skipped at offset.
func (s *scanner) section(offset int, raw []byte, into any) error {
	err := json.Unmarshal(raw, into)
	switch e := err.(type) {
	case nil:
		return nil
	case *json.SyntaxError:
		return s.at(offset+int(e.Offset), "%w", err)
	case *json.UnmarshalTypeError:
		return s.at(offset+int(e.Offset), "found %s for %s, wanted %s", e.Value, e.Field, e.Type)
	}
	return s.at(offset, "%w", err)
}

// clip shortens bytes for a message.
func clip(b []byte) string {
	if len(b) > 40 {
		return fmt.Sprintf("%.40q…", b)
	}
	return fmt.Sprintf("%q", b)
}
