// SPDX-License-Identifier: Apache-2.0

package chromejson

import (
	"errors"
	"fmt"
	"io"
)

// Options set a reader's bounds. The zero value is for files of any kind.
type Options struct {
	// Want lists the keys of args whose values [Event.Want] shall return. They
	// are picked in passing; [Value.Lookup] walks args again. Keys are compared
	// as written, escapes and all.
	Want []string
	// Window is the number of bytes read at a time; 256 KiB if 0.
	Window int
	// MaxEvent is the largest event in bytes; larger ones are skipped and
	// counted. 16 MiB if 0.
	MaxEvent int
	// MaxMember is the most that is kept of each top-level member besides
	// traceEvents, and of all of them together; 4 MiB if 0.
	MaxMember int
}

func (o Options) withDefaults() Options {
	if o.Window <= 0 {
		o.Window = 256 << 10
	}
	if o.MaxEvent <= 0 {
		o.MaxEvent = 16 << 20
	}
	if o.MaxMember <= 0 {
		o.MaxMember = 4 << 20
	}
	return o
}

// Member is a top-level member besides traceEvents.
type Member struct {
	Key string // decoded
	Val Value  // raw; only its first bytes if Cut
	Cut bool
	// Offset is the place of the value in the input, in bytes.
	Offset int64
}

// Reader reads one Trace Event JSON document.
type Reader struct {
	opt  Options
	in   window
	keys keyTable

	ev    *Event
	ts    micros // of ev, before the origin is taken off
	fault fault
	at    place
	comma bool // a comma was read since the last element
	any   bool // the array has had an element

	originSet bool
	origin    int64

	events, empty int64
	members       []Member
	memberBytes   int
	problems      []Problem
	wasted        int64
	err           error
}

// place is where in the document the reader stands.
type place uint8

const (
	atStart     place = iota
	inObject          // between top-level members
	inArray           // between elements of traceEvents in the object form
	inBareArray       // between elements of the array form
	atEnd             // behind the document
)

// NewReader returns a reader of the uncompressed document r.
func NewReader(r io.Reader, opt Options) *Reader {
	opt = opt.withDefaults()
	return NewBlockReader(&readerSource{r: r, buf: make([]byte, opt.Window)}, opt)
}

// NewBlockReader returns a reader of the document whose bytes src yields. Events
// inside one block are read in place, without a copy.
func NewBlockReader(src Source, opt Options) *Reader {
	opt = opt.withDefaults()
	rd := &Reader{opt: opt, in: window{src: src}, keys: newKeyTable(opt.Want), ev: new(Event)}
	rd.ev.want = make([]span, len(opt.Want))
	return rd
}

// Next returns the next event. The event and all it points to are valid until
// the following call.
//
// At the end of the document, or of an input that was cut, Next returns io.EOF
// and [Reader.Problems] says what was lost. It returns a *[SyntaxError] if the
// structure cannot be followed, and the input's own error if that failed
// otherwise; in both cases each whole event before the place was returned first.
func (rd *Reader) Next() (*Event, error) {
	for rd.err == nil {
		if rd.at == inArray || rd.at == inBareArray {
			if rd.element() {
				return rd.ev, nil
			}
			continue
		}
		rd.err = rd.outside()
	}
	return nil, rd.err
}

// Events returns the number of events returned so far.
func (rd *Reader) Events() int64 { return rd.events }

// Empty returns the number of empty objects among the events so far; JAX ends
// each file with one.
func (rd *Reader) Empty() int64 { return rd.empty }

// Members returns the top-level members read so far, in file order. Kineto
// writes some of them, the time base among them, behind the events.
func (rd *Reader) Members() []Member { return rd.members }

// Member returns the value of a top-level member, the last one if there are
// several.
func (rd *Reader) Member(key string) (Value, bool) {
	for i := len(rd.members) - 1; i >= 0; i-- {
		if rd.members[i].Key == key {
			return rd.members[i].Val, true
		}
	}
	return nil, false
}

// Origin returns what was taken off each Event.Ts, in whole microseconds. It is
// fixed by the first event with a time: 0 unless that lies more than 50 days
// from zero, as in files whose clock is the Unix epoch, where int64 picoseconds
// would overflow; then the start of its second.
func (rd *Reader) Origin() int64 { return rd.origin }

// setTime gives rd.ev its time relative to the origin.
func (rd *Reader) setTime() bool {
	if rd.ev.Ph == 'M' {
		rd.ev.HasTs = false
		return true
	}
	if !rd.originSet {
		rd.originSet = true
		if us := rd.ts.us; us > maxMicro/2 || us < -maxMicro/2 {
			rd.origin = us - us%1e6
		}
	}
	ps, fits := rd.ts.since(rd.origin)
	rd.ev.Ts = ps
	return fits
}

// finish ends the document at the end of the input: want is what was missing.
// An input that failed otherwise than by ending early is the caller's error.
func (rd *Reader) finish(code Code, want string) error {
	cause := rd.in.err
	if cause != nil && cause != io.EOF && !errors.Is(cause, io.ErrUnexpectedEOF) {
		return fmt.Errorf("after %d events: %w", rd.events, cause)
	}
	msg := "found the end of the input, wanted " + want
	if cause != nil && cause != io.EOF {
		code = Truncated
		msg = cause.Error() + "; wanted " + want
	}
	rd.report(code, rd.in.end(), msg)
	return io.EOF
}
