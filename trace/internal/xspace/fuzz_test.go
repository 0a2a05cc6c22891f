// SPDX-License-Identifier: Apache-2.0

package xspace_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/layerscope/layerscope/trace/internal/xspace/xspacepb"
)

// FuzzScan reads any bytes in every way there is: without panic, within memory,
// and, where the protobuf library accepts the bytes and they do nothing that this
// package handles otherwise by design, with the same result.
func FuzzScan(f *testing.F) {
	f.Add(generated(f, 4<<10)[:3000])
	for _, c := range handCases {
		f.Add(plane("p", names, bytes.Join(c.plane, nil), meta(1, "one")))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			t.Skip("too large to compare")
		}
		events, _ := readAll(bytes.NewReader(b), int64(len(b)))
		if events > int64(len(b)/2) {
			t.Fatalf("%d events in %d bytes", events, len(b))
		}
		indexAll(b)
		m := new(xspacepb.XSpace)
		if !plain(b, spaceMessage) || proto.Unmarshal(b, m) != nil || repeats(m) {
			return
		}
		compare(t, b, m, false)
	})
}

// FuzzRoundTrip writes what it reads and reads it again, the same.
func FuzzRoundTrip(f *testing.F) {
	f.Add(generated(f, 4<<10)[:3000])
	for _, c := range handCases {
		f.Add(plane("p", names, bytes.Join(c.plane, nil), meta(1, "one")))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m := new(xspacepb.XSpace)
		if len(b) > 1<<16 || !plain(b, spaceMessage) || proto.Unmarshal(b, m) != nil || repeats(m) {
			return
		}
		for _, pl := range m.Planes {
			for _, ln := range pl.Lines {
				if ln.TimestampNs != 0 {
					return // messages of one line are written as one
				}
			}
		}
		roundTrip(t, b)
	})
}

// repeats reports whether planes of one name occur twice, which this package
// unites and the library does not, or nothing at all, which it refuses.
func repeats(m *xspacepb.XSpace) bool {
	seen := map[string]bool{}
	for _, pl := range m.Planes {
		if seen[pl.Name] {
			return true
		}
		seen[pl.Name] = true
	}
	return len(m.Planes)+len(m.Errors)+len(m.Warnings)+len(m.Hostnames) == 0
}

type message int

const (
	spaceMessage message = iota
	planeMessage
	lineMessage
	eventMessage
	statMessage
	entryMessage
	otherMessage
)

// below gives the kind of message in a length-delimited field.
var below = map[message]map[uint64]message{
	spaceMessage: {1: planeMessage},
	planeMessage: {3: lineMessage, 4: entryMessage, 5: entryMessage, 6: statMessage},
	lineMessage:  {4: eventMessage},
	eventMessage: {4: statMessage},
	entryMessage: {2: otherMessage},
}

// plain reports whether b is free of groups, which this package takes as damage,
// and of lines with their id, name or timestamp behind events, which it only half
// supports.
func plain(b []byte, kind message) bool {
	events := false
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			return false
		}
		b = b[n:]
		switch tag & 7 {
		case 0:
			if _, n = binary.Uvarint(b); n <= 0 {
				return false
			}
			b = b[n:]
		case 1, 5:
			n := 8 - int(tag&4)
			if len(b) < n {
				return false
			}
			b = b[n:]
		case 2:
			v, n := binary.Uvarint(b)
			if n <= 0 || v > uint64(len(b)-n) {
				return false
			}
			if sub, ok := below[kind][tag>>3]; ok && !plain(b[n:n+int(v)], sub) {
				return false
			}
			b = b[n+int(v):]
		default:
			return false
		}
		if kind == lineMessage {
			events = events || tag == 4<<3|2
			if num := tag >> 3; events && num <= 3 {
				return false
			}
		}
	}
	return true
}

// The corpus must not rot: each seed is comparable with the library or damaged on
// purpose.
func TestSeedsCompare(t *testing.T) {
	compared := 0
	for _, c := range handCases {
		b := plane("p", names, bytes.Join(c.plane, nil), meta(1, "one"))
		m := new(xspacepb.XSpace)
		if plain(b, spaceMessage) && proto.Unmarshal(b, m) == nil {
			compare(t, b, m, false)
			compared++
		}
	}
	if compared < 15 {
		t.Errorf("%d of %d hand-made files were compared with the library, want 15 at least", compared, len(handCases))
	}
}
