// SPDX-License-Identifier: Apache-2.0

package perfetto

import "fmt"

// Code names a class of [Problem].
type Code string

// The problems a reader counts.
const (
	// Truncated: the input ends inside a packet.
	Truncated Code = "truncated"
	// Garbage: bytes that are no packets stand behind the last one.
	Garbage Code = "garbage"
	// DamagedPacket: a packet that cannot be decoded; skipped.
	DamagedPacket Code = "packet-damaged"
	// Oversized: a packet longer than Options.MaxPacket; skipped.
	Oversized Code = "packet-oversized"
	// Bundle: compressed packets that cannot be opened to their end; what was
	// read of them is kept.
	Bundle Code = "bundle-damaged"
	// Nested: compressed packets inside compressed packets; skipped.
	Nested Code = "bundle-nested"
	// Lost: the writer or its buffers dropped packets of a sequence.
	Lost Code = "packets-lost"
	// NeedsState: a packet that needs interned data or defaults that were lost;
	// skipped.
	NeedsState Code = "state-lost"
	// Unknown: an interned name or category that the file does not define in
	// this state of the sequence; the event is kept.
	Unknown Code = "interned-unknown"
	// NoSequence: a packet that needs a sequence id and has none. Events are
	// kept where they need no state.
	NoSequence Code = "sequence-missing"
	// NoTime: an event without a time; skipped.
	NoTime Code = "time-missing"
	// NoType: an event with neither a type nor a phase; skipped.
	NoType Code = "type-missing"
	// BadCounter: a counter's value without a track that was described before
	// it; the value is skipped.
	BadCounter Code = "counter-undescribed"
	// BadClock: a clock snapshot that cannot be used.
	BadClock Code = "clock-damaged"
	// NamesFull: more distinct strings than are kept.
	NamesFull Code = "names-full"
)

// Problem is something wrong with the input that did not stop the reader.
type Problem struct {
	Code   Code
	Offset int64 // bytes into the input, of the first occurrence; of the bundle, in a bundle
	Count  int64
	Msg    string // the first occurrence: what was found, what was wanted
}

func (p Problem) String() string {
	s := fmt.Sprintf("offset 0x%x: %s", p.Offset, p.Msg)
	if p.Count > 1 {
		s += fmt.Sprintf(" (and %d more like it)", p.Count-1)
	}
	return s
}

// A FramingError says that the input is not a trace.
type FramingError struct {
	Offset int64
	Msg    string
}

func (e *FramingError) Error() string { return fmt.Sprintf("offset 0x%x: %s", e.Offset, e.Msg) }

// Problems returns what was wrong so far, one entry a code, in order of first
// occurrence. The slice is the reader's own.
func (rd *Reader) Problems() []Problem { return rd.problems }

// problem counts a problem; the message is made for the first of a code only.
func (rd *Reader) problem(code Code, count int64, msg func() string) {
	for i := range rd.problems {
		if rd.problems[i].Code == code {
			rd.problems[i].Count += count
			return
		}
	}
	rd.problems = append(rd.problems, Problem{Code: code, Offset: rd.offset(), Count: count, Msg: msg()})
}

func (rd *Reader) complain(code Code, format string, args ...any) {
	rd.problem(code, 1, func() string { return fmt.Sprintf(format, args...) })
}
