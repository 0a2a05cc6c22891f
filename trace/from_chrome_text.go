// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"hash/maphash"
	"unsafe"

	"github.com/layerscope/layerscope/trace/internal/chromejson"
)

// A textStore keeps the texts of ops one behind another: an op of TPU has seven,
// and in a capture of one step nearly every event is an op of its own.
type textStore struct {
	seed   maphash.Seed
	chunks [][]byte     // only ever appended to, within their capacity
	recent [256]textRef // texts that ops have in common, by hash
	buf    []byte
}

// A textRef is a text of a store; the zero value is the empty one.
type textRef struct {
	n     uint32
	chunk uint32
	at    uint16
}

// Chunks are small at first, for small files. Offsets are 16 bits.
const (
	firstChunk = 2 << 10
	lastChunk  = 64 << 10
)

// text keeps the decoded text of what stands between a string's quotes.
func (s *textStore) text(raw []byte) textRef {
	if chromejson.Plain(raw) {
		return s.keep(raw)
	}
	s.buf, _ = chromejson.Unquote(s.buf[:0], raw)
	return s.keep(s.buf)
}

// value is text for a value of any kind: the bytes of what is no string count.
func (s *textStore) value(v chromejson.Value) textRef {
	if v.Kind() != chromejson.String {
		return s.keep(v)
	}
	return s.text(v.Raw())
}

// shared is value for what many ops have in common.
func (s *textStore) shared(v chromejson.Value) textRef {
	if len(v) == 0 {
		return textRef{}
	}
	ref := &s.recent[maphash.Bytes(s.seed, v)%uint64(len(s.recent))]
	if v.Kind() != chromejson.String || s.at(*ref) != string(v.Raw()) || !chromejson.Plain(v.Raw()) {
		*ref = s.value(v)
	}
	return *ref
}

func (s *textStore) keep(text []byte) textRef {
	if len(text) == 0 {
		return textRef{}
	}
	k := len(s.chunks) - 1
	if k < 0 || len(text) > cap(s.chunks[k])-len(s.chunks[k]) {
		size := firstChunk
		if k >= 0 {
			size = min(lastChunk, 2*cap(s.chunks[k]))
		}
		s.chunks = append(s.chunks, make([]byte, 0, max(size, len(text))))
		k++
	}
	chunk := &s.chunks[k]
	ref := textRef{n: uint32(len(text)), chunk: uint32(k), at: uint16(len(*chunk))}
	*chunk = append(*chunk, text...)
	return ref
}

// at returns the text of a reference, without a copy: what was once written to a
// chunk is never written again.
func (s *textStore) at(r textRef) string {
	if r.n == 0 {
		return ""
	}
	return unsafe.String(&s.chunks[r.chunk][r.at], int(r.n))
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
	n := 2 * len(old)
	if n < 1<<14 {
		n *= 2 // to be moved less often
	}
	t.slots = make([]opSlot, max(8, n))
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
