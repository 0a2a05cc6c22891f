// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"hash/maphash"
	"strings"

	"github.com/layerscope/layerscope/trace/internal/chromejson"
)

// A textStore keeps the texts of ops one behind another: an op of TPU has six,
// and in a capture of one step nearly every event is an op of its own.
//
// Note: with an allocation for each text, and Trace.Ops grown by append's own
// quarter, a capture of 10,000 ops in 11 MB of JSON took 12.4 ms to read; with
// this store and doubling 7 ms, of which inflating and scanning are 3.9.
type textStore struct {
	seed   maphash.Seed
	chunk  strings.Builder
	recent [256]string // texts that ops have in common, by hash
	buf    []byte
}

// Chunks are small at first, for small files.
const (
	firstChunk = 2 << 10
	lastChunk  = 64 << 10
)

// text returns the decoded text of what stands between a string's quotes. The
// text stays as long as any other of its chunk.
func (s *textStore) text(raw []byte) string {
	s.buf, _ = chromejson.Unquote(s.buf[:0], raw)
	return s.keep(s.buf)
}

// value is text for a value of any kind, the bytes of which count if it is no string.
func (s *textStore) value(v chromejson.Value) string {
	s.buf = v.AppendText(s.buf[:0])
	return s.keep(s.buf)
}

// shared is value for what many ops have in common.
func (s *textStore) shared(v chromejson.Value) string {
	s.buf = v.AppendText(s.buf[:0])
	if len(s.buf) == 0 {
		return ""
	}
	at := &s.recent[maphash.Bytes(s.seed, s.buf)%uint64(len(s.recent))]
	if *at != string(s.buf) {
		*at = s.keep(s.buf)
	}
	return *at
}

func (s *textStore) keep(text []byte) string {
	if len(text) == 0 {
		return ""
	}
	if len(text) > s.chunk.Cap()-s.chunk.Len() {
		if len(text) > lastChunk/8 {
			return string(text)
		}
		size := min(lastChunk, max(firstChunk, 2*s.chunk.Cap()))
		s.chunk = strings.Builder{}
		s.chunk.Grow(max(size, len(text)))
	}
	at := s.chunk.Len()
	s.chunk.Write(text)
	return s.chunk.String()[at:]
}

// An opTable finds ops by the hash of what tells them apart. Hashes are seeded
// anew for each file.
type opTable struct {
	slots []opSlot // a power of two of them; at most three quarters are used
	used  int
}

type opSlot struct {
	hash uint64 // 0 = free
	op   OpID
}

// find returns the op of a hash, or where to put it.
func (t *opTable) find(hash uint64) (op OpID, at *opSlot, ok bool) {
	if 4*t.used >= 3*len(t.slots) {
		t.grow()
	}
	mask := uint64(len(t.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		s := &t.slots[i]
		if s.hash == hash {
			return s.op, s, true
		}
		if s.hash == 0 {
			return 0, s, false
		}
	}
}

// put fills the free place that find returned last.
func (t *opTable) put(at *opSlot, hash uint64, op OpID) {
	*at = opSlot{hash, op}
	t.used++
}

func (t *opTable) grow() {
	old := t.slots
	t.slots = make([]opSlot, max(8, 2*len(old)))
	mask := uint64(len(t.slots) - 1)
	for _, s := range old {
		if s.hash == 0 {
			continue
		}
		i := s.hash & mask
		for t.slots[i].hash != 0 {
			i = (i + 1) & mask
		}
		t.slots[i] = s
	}
}
