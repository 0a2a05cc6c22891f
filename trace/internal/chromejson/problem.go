// SPDX-License-Identifier: Apache-2.0

package chromejson

import (
	"bytes"
	"fmt"
)

// Code names a class of [Problem].
type Code string

// The problems a reader counts. Truncated, Unclosed and TextAfterEnd happen at
// most once.
const (
	// Truncated: the input ends inside an event or a member.
	Truncated Code = "truncated"
	// Unclosed: the array form ends between events, without its bracket.
	// Chrome's specification allows it.
	Unclosed Code = "unclosed"
	// TextAfterEnd: bytes follow the end of the document; they are not read.
	TextAfterEnd Code = "text-after-end"
	// BadSyntax: an event, or something before the events, that is broken as
	// JSON; skipped.
	BadSyntax Code = "bad-syntax"
	// BadTime: "ts" or "dur" is no decimal number, or beyond 106 days; skipped.
	BadTime Code = "bad-time"
	// NoPhase: an event without "ph"; skipped.
	NoPhase Code = "no-phase"
	// TooLarge: an event longer than Options.MaxEvent; skipped.
	TooLarge Code = "too-large"
	// TooDeep: an event nested deeper than 1024 levels; skipped.
	TooDeep Code = "too-deep"
	// NotObject: an element of traceEvents that is no object; skipped.
	NotObject Code = "not-object"
	// MissingComma: two events without a comma between them; both are read.
	MissingComma Code = "missing-comma"
	// ExtraComma: a comma too many between events or before the bracket.
	ExtraComma Code = "extra-comma"
	// MemberCut: a top-level member longer than Options.MaxMember; its start
	// is kept.
	MemberCut Code = "member-cut"
)

// Problem is something wrong with the input that did not stop the reader.
type Problem struct {
	Code   Code
	Offset int64  // bytes into the input, of the first occurrence
	Count  int64  // occurrences
	Msg    string // the first occurrence: what was found, what was wanted
}

func (p Problem) String() string {
	s := fmt.Sprintf("offset %d: %s", p.Offset, p.Msg)
	if p.Count > 1 {
		s += fmt.Sprintf(" (and %d more like it)", p.Count-1)
	}
	return s
}

// SyntaxError says that the input's structure cannot be followed any further.
type SyntaxError struct {
	Offset int64
	Found  string
	Wanted string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("offset %d: found %s, wanted %s", e.Offset, e.Found, e.Wanted)
}

// Problems returns what was wrong so far, one entry a code, in order of first
// occurrence. The slice is the reader's own.
func (rd *Reader) Problems() []Problem { return rd.problems }

func (rd *Reader) report(code Code, offset int64, msg string) {
	if p := rd.count(code, offset); p != nil {
		p.Msg = msg
	}
}

// count counts a problem and returns it if it is the first of its code: the
// message is still to be set.
func (rd *Reader) count(code Code, offset int64) *Problem {
	for i := range rd.problems {
		if rd.problems[i].Code == code {
			rd.problems[i].Count++
			return nil
		}
	}
	rd.problems = append(rd.problems, Problem{Code: code, Offset: offset, Count: 1})
	return &rd.problems[len(rd.problems)-1]
}

// describe names the byte at b[i] for a message.
func describe(b []byte, i int) string {
	found := bytes.TrimRight(b[min(i, len(b)):min(i+12, len(b))], " ")
	if len(found) == 0 {
		return "the end of the input"
	}
	return fmt.Sprintf("%q", found)
}
