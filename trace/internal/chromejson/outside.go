// SPDX-License-Identifier: Apache-2.0

package chromejson

import (
	"bytes"
	"errors"
	"io"
)

// outside reads on where the scanner is not between events. A nil error means
// that something was read.
func (rd *Reader) outside() error {
	switch rd.at {
	case atStart:
		return rd.start()
	case inObject:
		return rd.topLevel()
	}
	return rd.tail()
}

// start finds out which form the document has.
func (rd *Reader) start() error {
	w := &rd.in
	for len(w.b) < 3 && w.grow() {
	}
	w.pos += len(w.b) - len(bytes.TrimPrefix(w.b, []byte("\xef\xbb\xbf")))
	c, err := rd.peek()
	if err != nil {
		if !errors.Is(err, io.EOF) {
			return err
		}
		return &SyntaxError{w.offset(), "the end of the input", "'{' or '['"}
	}
	switch c {
	case '{':
		rd.at = inObject
	case '[':
		rd.at = inBareArray
	default:
		return rd.syntax("'{' or '['")
	}
	w.pos++
	return nil
}

// peek skips space and returns the byte behind it, or why there is none: the
// input's own error.
func (rd *Reader) peek() (byte, error) {
	w := &rd.in
	for {
		w.pos = skipSpace(w.b, w.pos)
		if w.pos < len(w.b) {
			return w.b[w.pos], nil
		}
		if !w.grow() {
			return 0, w.err
		}
	}
}

func (rd *Reader) syntax(want string) error {
	w := &rd.in
	return &SyntaxError{w.offset(), describe(w.b, w.pos), want}
}

// topLevel reads one member of the document, or its end.
func (rd *Reader) topLevel() error {
	w := &rd.in
	c, err := rd.peek()
	if err != nil {
		return rd.finish(Truncated, "'}'")
	}
	switch c {
	case ',':
		w.pos++
		return nil
	case '}':
		w.pos++
		rd.at = atEnd
		return nil
	case '"':
	default:
		return rd.syntax("a member's name or '}'")
	}
	key, err := rd.topKey()
	if err != nil {
		return err
	}
	c, err = rd.peek()
	if err != nil {
		return rd.finish(Truncated, "a value")
	}
	if c == '[' && key == "traceEvents" {
		w.pos++
		rd.at, rd.comma, rd.any = inArray, false, false
		return nil
	}
	return rd.member(key)
}

// topKey reads a key and its colon.
func (rd *Reader) topKey() (string, error) {
	w := &rd.in
	end, st := stringEnd(w.b, w.pos+1)
	for ; st != ok; end, st = stringEnd(w.b, w.pos+1) {
		if len(w.b)-w.pos > rd.opt.MaxMember {
			return "", rd.syntax("a shorter name")
		}
		if !w.grow() {
			return "", rd.finish(Truncated, "the rest of a member's name")
		}
	}
	key, _ := Unquote(nil, w.b[w.pos+1:end])
	w.pos = end + 1
	c, err := rd.peek()
	if err != nil {
		return "", rd.finish(Truncated, "':'")
	}
	if c != ':' {
		return "", rd.syntax("':'")
	}
	w.pos++
	return string(key), nil
}

// member reads and keeps the value of a top-level member.
func (rd *Reader) member(key string) error {
	w := &rd.in
	room := max(0, rd.opt.MaxMember-rd.memberBytes)
	for {
		end, st := valueEnd(w.b, w.pos)
		size := end - w.pos
		switch {
		case st == ok && w.cutWord(end) && isWord(w.b[w.pos]):
			w.pos = end
			return rd.finish(Truncated, "the rest of a value")
		case st == ok && size <= room:
			rd.keep(key, size, false)
			w.pos = end
			return nil
		case st == bad:
			w.pos = end
			return rd.seekEvents(rd.syntax("a value"))
		case st == more && size <= room:
			if !w.grow() {
				return rd.finish(Truncated, "the rest of a value")
			}
			continue
		}
		rd.report(MemberCut, w.offset(), "found a member beyond the size or depth limit")
		rd.keep(key, min(room, len(w.b)-w.pos, cutKeeps), true)
		if st == ok {
			w.pos = end
			return nil
		}
		rd.skipStream()
		return rd.err
	}
}

// seekEvents steps over broken JSON before the events, such as an environment
// variable that Kineto copied without escaping its quotes, to the key
// "traceEvents". Without one further on, cause is the end.
func (rd *Reader) seekEvents(cause error) error {
	const key = `"traceEvents"`
	w := &rd.in
	rd.report(BadSyntax, w.offset(), cause.Error())
	for {
		if n := bytes.Index(w.b[w.pos:], []byte(key)); n >= 0 {
			w.pos += n
			return nil
		}
		w.pos = max(w.pos, len(w.b)-len(key))
		if !w.grow() {
			return cause
		}
	}
}

func isWord(c byte) bool { return c != '"' && c != '{' && c != '[' }

// cutKeeps is the length kept of a member beyond the limit; small members behind
// it shall still have room.
const cutKeeps = 4 << 10

func (rd *Reader) keep(key string, size int, cut bool) {
	w := &rd.in
	if cut && size == 0 {
		return
	}
	val := bytes.Clone(w.b[w.pos : w.pos+size])
	rd.members = append(rd.members, Member{key, val, cut, w.offset()})
	rd.memberBytes += 64 + len(key) + size
}

// tail looks at what follows the document.
func (rd *Reader) tail() error {
	_, err := rd.peek()
	switch {
	case err == nil:
		w := &rd.in
		rd.report(TextAfterEnd, w.offset(), "found "+describe(w.b, w.pos)+", wanted the end of the input")
		return io.EOF
	case err == io.EOF:
		return io.EOF
	}
	return rd.finish(Truncated, "the end of the compressed data")
}
