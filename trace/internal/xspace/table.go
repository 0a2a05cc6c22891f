// SPDX-License-Identifier: Apache-2.0

package xspace

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"unsafe"
)

// none marks an absent index.
const none = ^uint32(0)

// A metaTable holds the metadata entries of a united plane by index (their order
// of first appearance) and finds the index of a map key. Keys may be negative,
// sparse or huge: small ones index a slice sized by how many entries there are,
// the others go through a hash table. Entries stay encoded in the buffers they
// were read into, 8 bytes of position each, and are decoded when asked for:
//
// Note: a slice of decoded entries took 120 bytes an entry; ten million hostile
// entries of 7 bytes then cost 1.2 GB instead of 0.2.
type metaTable struct {
	bufs  []metaBuf
	loc   []uint64 // of entry i: buffer<<locShift | offset of its length in the buffer
	dense []uint32 // key -> index+1; 0 is absent. Read and written atomically
	slots []uint32 // open addressing: index+1 of entries with other keys
	used  int      // entries in slots
	seed  uint64
}

const locShift = 40

// A metaBuf is the bytes of one run.
type metaBuf struct {
	b    []byte
	off  int64 // in the file
	part int32
}

// entry returns the encoded map entry i.
func (mt *metaTable) entry(i uint32) []byte {
	loc := mt.loc[i]
	b := mt.bufs[loc>>locShift].b
	n, p := uvarint(b, int(loc&(1<<locShift-1)))
	return b[p : p+int(n)]
}

// part returns the part of the plane that entry i came from.
func (mt *metaTable) part(i uint32) int32 { return mt.bufs[mt.loc[i]>>locShift].part }

// key returns the map key of entry i.
func (mt *metaTable) key(i uint32) int64 {
	key, _, _ := mapEntry(mt.entry(i))
	return key
}

// value returns the encoded value of entry i.
func (mt *metaTable) value(i uint32) []byte {
	_, val, _ := mapEntry(mt.entry(i))
	return val
}

// mapEntry splits an encoded map entry. A later key wins, a later value is merged
// into an earlier one, which is the same as joining their bytes.
func mapEntry(b []byte) (key int64, val []byte, ok bool) {
	for p := 0; p < len(b); {
		f, next := nextField(b, p)
		if next < 0 {
			return key, val, false
		}
		switch {
		case f.num == mapKey && f.wire == wireVarint:
			key = int64(f.val)
		case f.num == mapValue && f.wire == wireBytes:
			if val != nil {
				f.raw = append(val, f.raw...) // val has no spare capacity: this copies
			}
			val = f.raw
		}
		p = next
	}
	return key, val, true
}

// lookup returns the index of key, or none. It is safe while scans run.
func (mt *metaTable) lookup(key int64) uint32 {
	if uint64(key) < uint64(len(mt.dense)) {
		return atomic.LoadUint32(&mt.dense[key]) - 1
	}
	if i, ok := mt.probe(key); ok {
		return mt.slots[i] - 1
	}
	return none
}

// probe returns the slot that holds key, or the free one it would go to.
func (mt *metaTable) probe(key int64) (slot int, ok bool) {
	if len(mt.slots) == 0 {
		return 0, false
	}
	mask := len(mt.slots) - 1
	hi, lo := bits.Mul64(uint64(key)^mt.seed, 0x9e3779b97f4a7c15)
	for i := int(hi^lo) & mask; ; i = (i + 1) & mask {
		switch {
		case mt.slots[i] == 0:
			return i, false
		case mt.key(mt.slots[i]-1) == key:
			return i, true
		}
	}
}

// add makes index the one of key, which is not in the table.
func (mt *metaTable) add(key int64, index uint32) {
	if uint64(key) < uint64(len(mt.dense)) {
		mt.dense[key] = index + 1
		return
	}
	if 2*(mt.used+1) > len(mt.slots) {
		old := mt.slots
		mt.slots = make([]uint32, max(16, 2*len(old)))
		for _, s := range old {
			if s != 0 {
				i, _ := mt.probe(mt.key(s - 1))
				mt.slots[i] = s
			}
		}
	}
	i, _ := mt.probe(key)
	mt.slots[i] = index + 1
	mt.used++
}

// size prepares the table for n entries; top is the largest key below denseBound,
// sparse how many others there are.
func (mt *metaTable) size(n, sparse int, top int64) {
	mt.dense = make([]uint32, top+1)
	mt.loc = make([]uint64, 0, n)
	if sparse > 0 {
		mt.slots = make([]uint32, 1<<bits.Len(uint(2*sparse)))
	}
}

// denseBound is the key from which on keys are looked up by hash.
func denseBound(n int) int64 { return 2*int64(n) + 1024 }

// An overlay says which ids mean something else in one part of a plane than in
// the parts before it, as happens when captures of different runs are joined.
type overlay struct{ events, stats map[int64]uint32 }

// maxUnknown bounds the distinct ids without metadata that get an index of their
// own in a plane; the rest share one.
const maxUnknown = 1 << 16

// unknownIDs hands out indices past the metadata to ids that events use and
// nobody names.
type unknownIDs struct {
	mu   sync.Mutex
	keys []int64          // by index - len(metadata)
	at   map[int64]uint32 // index of keys that are not dense
	over bool             // some id got the shared index
}

// eventIndex returns the index of an event's metadata id in the given part.
func (pl *Plane) eventIndex(key int64, part int32) uint32 {
	if pl.overlay != nil {
		if i, ok := pl.overlay[part].events[key]; ok {
			return i
		}
	}
	if i := pl.events.lookup(key); i != none {
		return i
	}
	return pl.unknownIndex(key)
}

func (pl *Plane) unknownIndex(key int64) uint32 {
	un := &pl.unknown
	un.mu.Lock()
	defer un.mu.Unlock()
	dense := uint64(key) < uint64(len(pl.events.dense))
	if dense {
		if i := atomic.LoadUint32(&pl.events.dense[key]); i != 0 {
			return i - 1
		}
	} else if i, ok := un.at[key]; ok {
		return i
	}
	index := uint32(len(pl.events.loc) + len(un.keys))
	if len(un.keys) == maxUnknown {
		un.over = true
		return index
	}
	un.keys = append(un.keys, key)
	if dense {
		atomic.StoreUint32(&pl.events.dense[key], index+1)
		return index
	}
	if un.at == nil {
		un.at = map[int64]uint32{}
	}
	un.at[key] = index
	return index
}

// statIndex returns the plane-wide index of a stat id in the given part, or none.
func (pl *Plane) statIndex(key int64, part int32) uint32 {
	if pl.overlay != nil {
		if i, ok := pl.overlay[part].stats[key]; ok {
			return i
		}
	}
	return pl.stats.lookup(key)
}

// text views bytes that never change as a string.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
