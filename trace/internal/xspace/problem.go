// SPDX-License-Identifier: Apache-2.0

package xspace

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Codes of a [Problem].
const (
	// CodeTruncated: the file ends inside a plane; whole events were kept.
	CodeTruncated = "truncated"
	// CodeEvent: an event that could not be decoded was skipped.
	CodeEvent = "event-damaged"
	// CodeLine: the fields of a line stopped making sense; its later events are lost.
	CodeLine = "line-damaged"
	// CodePlane: the fields of a plane stopped making sense; its later lines are lost.
	CodePlane = "plane-damaged"
	// CodeMetadata: a metadata entry or a plane stat could not be decoded.
	CodeMetadata = "metadata-damaged"
	// CodeLimit: more planes, lines or sections than are kept.
	CodeLimit = "limit"
	// CodeOversized: an event larger than maxEventBytes was skipped.
	CodeOversized = "event-oversized"
	// CodeTimestamp: a line's timestamp_ns does not fit int64 picoseconds after
	// subtracting the base; its events count from the base instead.
	CodeTimestamp = "timestamp-overflow"
)

// A Problem is damage that was read around: where it was first seen and how
// often. Offset is a file offset, Event the number of the event in its line, -1
// where it does not apply.
type Problem struct {
	Code   string
	Offset int64
	Plane  string
	Line   string
	Event  int64
	Msg    string
	Count  int64
}

// A FramingError says that the outermost message is not an XSpace, or stops
// being one at Offset.
type FramingError struct {
	Offset int64
	Msg    string
}

func (e *FramingError) Error() string {
	return fmt.Sprintf("offset 0x%x: %s", e.Offset, e.Msg)
}

var (
	// ErrEmpty is returned for a file of zero bytes, as left behind when a
	// capture passes the 2 GB limit of protocol buffers.
	ErrEmpty = errors.New("empty file: wanted an XSpace")
	// ErrMangled is returned for a file that went through a text tool: each byte
	// that was not valid UTF-8 has become EF BF BD, and cannot be recovered.
	ErrMangled = errors.New("bytes replaced by EF BF BD: the file was written as text, wanted a binary XSpace")
	// ErrLateTimestamp is returned by a scan of a large line whose timestamp
	// stands behind its events, which no known writer does: times already
	// yielded lack it. The timestamp is known now, so scanning again is right.
	ErrLateTimestamp = errors.New("timestamp_ns stands behind the events of its line: scan the line again")
)

// maxProblems bounds the distinct (code, plane, line) a problemSet keeps.
const maxProblems = 1024

type problemKey struct{ code, plane, line string }

// problemSet counts problems, keeping the first of each kind and place.
type problemSet struct {
	mu   sync.Mutex
	list []Problem
	at   map[problemKey]int
}

func (ps *problemSet) add(p Problem) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p.Count == 0 {
		p.Count = 1
	}
	key := problemKey{p.Code, p.Plane, p.Line}
	i, seen := ps.at[key]
	if !seen && len(ps.list) >= maxProblems {
		key = problemKey{code: p.Code}
		p.Plane, p.Line, p.Msg = "", "", "further places"
		i, seen = ps.at[key]
	}
	if seen {
		ps.list[i].Count += p.Count
		return
	}
	if ps.at == nil {
		ps.at = map[problemKey]int{}
	}
	ps.at[key] = len(ps.list)
	ps.list = append(ps.list, p)
}

// once adds a problem unless one of its kind and place is there.
func (ps *problemSet) once(p Problem) {
	ps.mu.Lock()
	_, seen := ps.at[problemKey{p.Code, p.Plane, p.Line}]
	ps.mu.Unlock()
	if !seen {
		ps.add(p)
	}
}

func (ps *problemSet) snapshot() []Problem {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return slices.Clone(ps.list)
}

// replace swaps the contents for those of a finished scan, so that scanning a
// line twice does not count its damage twice.
func (ps *problemSet) replace(list []Problem) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.list, ps.at = list, nil
}

// Problems returns what was found so far by Index, by the planes loaded and by
// the latest scan of each line, in file order.
func (sp *Space) Problems() []Problem {
	all := sp.probs.snapshot()
	for _, pl := range sp.Planes {
		all = append(all, pl.probs.snapshot()...)
		for _, ln := range pl.Lines {
			all = append(all, ln.probs.snapshot()...)
		}
	}
	slices.SortStableFunc(all, func(a, b Problem) int { return cmp.Compare(a.Offset, b.Offset) })
	return all
}
