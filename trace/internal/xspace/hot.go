// SPDX-License-Identifier: Apache-2.0

package xspace

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"
)

// The hot loop decodes events of the usual shape,
//
//	22 len | 08 id | 10 offset | 18 duration | 22 len stat | 22 len stat ...
//
// with loads of eight bytes and no branch on the length of a varint. Anything
// else it leaves, unconsumed, to scanner.odd.
//
// Bounds: an event is decoded only if its end e, computed from its length, is at
// most sc.n, and the window has padding (64) bytes behind sc.n. Between the
// event's first byte and the farthest load lie at most: 3 (tag, length) + 4 (tag,
// id of at most 3 bytes) + 9 (tag, offset of at most 8) + 9 (tag, duration) =
// 25 bytes, and a load takes 8; a stat is looked at only if it starts before e,
// and its farthest load starts 6 bytes behind that. So no load ends behind
// sc.n + 40, whatever the bytes say. That the fields read do end at or before e
// is checked before anything is stored.

// load returns eight bytes at base+p.
func load(base unsafe.Pointer, p int) uint64 {
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(base, p))[:])
}

// load1 returns the byte at base+p.
func load1(base unsafe.Pointer, p int) byte { return *(*byte)(unsafe.Add(base, p)) }

const (
	ones = 0x0101010101010101
	tops = 0x8080808080808080
)

// stops has the top bit of each byte set that ends a varint in x.
func stops(x uint64) uint64 { return ^x & tops }

// through has all bits set up to the lowest one of t: of the result of stops, the
// bytes of the varint at the lowest byte.
func through(t uint64) uint64 { return t ^ (t - 1) }

// width returns how many bytes through(t) covers.
//
// Note: a count of trailing zeros is 8 operations on AMD unless compiled for
// GOAMD64=v3; this is 3.
func width(m uint64) int { return int(m & ones * ones >> 56) }

// squeeze returns the value of the varint whose bytes, and zeros, are x.
func squeeze(x uint64) uint64 {
	x = x&0x007f007f007f007f | x>>1&0x3f803f803f803f80
	x = x&0x00003fff00003fff | x>>2&0x0fffc0000fffc000
	return x&0x000000000fffffff | x>>4&0x00fffffff0000000
}

// A deviceHead is the first bytes of the two device stats, 22 len 08 id tag, in
// the usual case that both ids have one byte. TPU op events begin with them.
type deviceHead struct {
	offset, duration uint64
}

const deviceHeadMask = 0xff_ff_ff_00_ff // all but the length

func newDeviceHead(sf *statFilter) (dh deviceHead) {
	for id, role := range sf.small {
		head := tagEvent | statID<<3<<16 | uint64(id)<<24 | (statUint<<3)<<32
		switch role >> roleShift {
		case 1:
			dh.offset = head
		case 2:
			dh.duration = head
		}
	}
	return dh
}

// hot decodes events from pos on into the batch until the batch is full, the
// window holds no further whole event, or one is unusual.
//
// Note: one loop for all shapes was 1.5 times slower on op events: its calls make
// the compiler spill most registers in each round.
func (sc *scanner) hot() {
	dense := sc.dense()
	if sc.opts.Strict || len(dense) == 0 {
		return // each event takes the slow path
	}
	from := sc.k
	for limit := 1; ; {
		before := sc.k
		if sc.mode == modeDevice {
			sc.hotDevice(dense)
		}
		if sc.k > before {
			limit = 1
		} else {
			limit = min(2*limit, maxBatch)
		}
		before = sc.k
		if sc.hotMixed(dense, min(sc.size, sc.k+limit)); sc.k == sc.size || sc.k == before {
			break
		}
	}
	if sc.aggr {
		clear(sc.occ[from:sc.k])
	}
}

// hotDevice decodes events that have an offset, a duration and, as their first
// two stats, the pair of device times.
func (sc *scanner) hotDevice(dense []uint32) {
	base, p, n := unsafe.Pointer(&sc.win[0]), sc.pos, sc.n
	cols, k, size := sc.cols, sc.k, sc.size
	offset, duration := sc.stats.head.offset, sc.stats.head.duration
	for k < size && p < n {
		w := load(base, p)
		body, e := p+2, p+2+int(w>>8&0xff)
		if w&0x80ff != tagEvent || e > n {
			break
		}
		w >>= 16
		t := ^w & 0x80808000
		if byte(w) != eventID<<3 || t == 0 {
			break
		}
		m := through(t)
		at := body + width(m)
		w = w & m >> 8
		id := w&0x7f | w>>1&0x3f80 | w>>2&0x1fc000
		t = stops(load(base, at+1))
		if load1(base, at) != eventOffset<<3 || t == 0 {
			break
		}
		at += 1 + width(through(t))
		t = stops(load(base, at+1))
		if load1(base, at) != eventDuration<<3 || t == 0 {
			break
		}
		at += 1 + width(through(t))
		w = load(base, at)
		x := load(base, at+5)
		t = stops(x)
		m = through(t)
		x &= m
		at += 5 + width(m)
		if w&deviceHeadMask != offset || t == 0 {
			break
		}
		w = load(base, at)
		y := load(base, at+5)
		t = stops(y)
		m = through(t)
		y &= m
		at += 5 + width(m)
		if w&deviceHeadMask != duration || t == 0 || at > e || id >= uint64(len(dense)) {
			break
		}
		meta := atomic.LoadUint32(&dense[id]) - 1
		if meta == none {
			break
		}
		i := k & (maxBatch - 1)
		cols.meta[i], cols.flags[i] = meta, OnDevice
		cols.start[i], cols.dur[i] = int64(squeeze(x)), int64(squeeze(y))
		k++
		p = e
	}
	sc.pos, sc.k = p, k
}

// hotMixed decodes events until the batch holds size.
func (sc *scanner) hotMixed(dense []uint32, size int) {
	base, p, n := unsafe.Pointer(&sc.win[0]), sc.pos, sc.n
	cols, k, mode := sc.cols, sc.k, sc.mode
	for k < size && p < n {
		w := load(base, p)
		if byte(w) != tagEvent {
			break
		}
		body, e := p+2, p+2+int(w>>8&0xff)
		w >>= 16
		if e >= body+0x80 {
			if w&0x80 != 0 {
				break
			}
			body, e = p+3, p+3+((e-body)&0x7f|int(w&0x7f)<<7)
			w >>= 8
		}
		// The five bytes of w are enough for an id of at most three.
		t := ^w & 0x80808000
		if e > n || byte(w) != eventID<<3 || t == 0 {
			break
		}
		m := through(t)
		at := body + width(m)
		w = w & m >> 8
		id := w&0x7f | w>>1&0x3f80 | w>>2&0x1fc000
		x := load(base, at+1)
		t = stops(x)
		if load1(base, at) != eventOffset<<3 || t == 0 {
			break
		}
		m = through(t)
		x &= m
		at += 1 + width(m)
		y := uint64(0)
		if load1(base, at) == eventDuration<<3 && at < e {
			y = load(base, at+1)
			if t = stops(y); t == 0 {
				break
			}
			m = through(t)
			y &= m
			at += 1 + width(m)
		} else if at < e && !sc.onlyStats(at, e) {
			break
		}
		if at > e {
			break
		}
		meta := none
		if id < uint64(len(dense)) {
			meta = atomic.LoadUint32(&dense[id]) - 1
		}
		if meta == none {
			meta = sc.index(int64(id))
		}
		i := k & (maxBatch - 1)
		cols.meta[i], cols.flags[i] = meta, 0
		cols.start[i], cols.dur[i] = int64(squeeze(x))+sc.ts, int64(squeeze(y))
		if mode != modePlain && at < e && !sc.walk(at, e, k) {
			break
		}
		k++
		p = e
	}
	sc.pos, sc.k = p, k
}

// dense returns the table the hot loop may look metadata ids up in: none where
// ids of this part mean something of their own.
func (sc *scanner) dense() []uint32 {
	if ov := sc.pl.overlay; ov != nil && ov[sc.sec.part].events != nil {
		return nil
	}
	return sc.pl.events.dense
}

// onlyStats reports whether the window holds nothing but whole stats in [p, e):
// then an event that lacks a duration so far has none.
func (sc *scanner) onlyStats(p, e int) bool {
	for p < e {
		if sc.win[p] != tagEvent {
			return false
		}
		n, next := uvarint(sc.win[:e], p+1)
		if next < 0 || n > uint64(e-next) {
			return false
		}
		p = next + int(n)
	}
	return true
}

// walk gives the stats in [p, e) of the window their roles for row k, up to the
// last one that is wanted. It reports false when something else than a stat comes
// before, or a wanted stat does not parse.
func (sc *scanner) walk(p, e, k int) bool {
	var pair devicePair
	base := unsafe.Pointer(&sc.win[0])
	for found := 0; p < e; {
		w := load(base, p)
		if byte(w) != tagEvent {
			return sc.unwalk(k)
		}
		body, size := p+2, int(w>>8&0xff)
		if size >= 0x80 {
			n, next := uvarint(sc.win[:e], p+1)
			if next < 0 || n > uint64(e-next) {
				return sc.unwalk(k)
			}
			body, size = next, int(n)
		}
		p = body + size
		if p > e {
			return sc.unwalk(k)
		}
		role, rs, ok := statRole(0), rawStat{}, false
		if w&0x80_ff_80_ff == statID<<3<<16|tagEvent { // one byte each for length and id
			if role = sc.stats.small[w>>24&0x7f]; role == 0 {
				continue
			}
			rs, ok = sc.quickStat(w, body+2, p)
		}
		if !ok {
			if rs, ok = decodeStat(sc.win[body:p]); !ok {
				return sc.unwalk(k)
			}
			if role = sc.stats.role(rs.id); role == 0 {
				continue
			}
		}
		if found += sc.take(role, rs, k, &pair); found == sc.stats.roles {
			break
		}
	}
	sc.pair(&pair, k)
	return true
}

// quickStat decodes the value of a stat whose first eight bytes are w, whose value
// has its tag at p and ends at e, if it is of the usual shape.
func (sc *scanner) quickStat(w uint64, p, e int) (rs rawStat, ok bool) {
	base := unsafe.Pointer(&sc.win[0])
	switch tag := byte(w >> 32); tag {
	case statUint<<3 | wireVarint, statInt<<3 | wireVarint, statRefTo<<3 | wireVarint:
		v := load(base, p+1)
		t := stops(v)
		m := through(t)
		rs.kind, rs.bits = Kind(tag>>3-1), squeeze(v&m)
		return rs, t != 0 && p+1+width(m) == e
	case statString<<3 | wireBytes, statBytes<<3 | wireBytes:
		n := int(w >> 40 & 0xff)
		if n >= 0x80 || p+2+n != e {
			return rs, false
		}
		rs.kind, rs.raw = Kind(tag>>3-1), sc.win[p+2:e:e]
		return rs, true
	}
	return rs, false
}

// unwalk takes back what row k got.
func (sc *scanner) unwalk(k int) bool {
	for i := range sc.opts.Want {
		sc.vals[i].Kind[k] = NoValue
	}
	return false
}

// hop counts whole events from pos on.
func (sc *scanner) hop() {
	base, p, n, total := unsafe.Pointer(&sc.win[0]), sc.pos, sc.n, int64(0)
	for p < n {
		w := load(base, p)
		e := p + 2 + int(w>>8&0xff)
		if w&0x8000 != 0 {
			e = p + 3 + int(w>>8&0x7f) + int(w>>16&0x7f)<<7
			if w&0x800000 != 0 {
				break
			}
		}
		if byte(w) != tagEvent || e > n {
			break
		}
		p = e
		total++
	}
	sc.pos = p
	sc.total += total
}
