// SPDX-License-Identifier: Apache-2.0

package xspace

import (
	"encoding/binary"
	"math/bits"
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

// stops has the top bit of each byte set that ends a varint in x.
func stops(x uint64) uint64 { return ^x & 0x8080808080808080 }

// squeeze returns the value of the varint that begins at the lowest byte of x and
// ends where t, not zero, has its lowest bit.
func squeeze(x, t uint64) uint64 {
	x &= t ^ (t - 1)
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
func (sc *scanner) hot() {
	if sc.opts.Strict || len(sc.dense()) == 0 {
		return // each event takes the slow path
	}
	base, p, n := unsafe.Pointer(&sc.win[0]), sc.pos, sc.n
	k := sc.k
	meta := sc.cols.meta[:sc.size]
	start, dur, flags := sc.cols.start[:len(meta)], sc.cols.dur[:len(meta)], sc.cols.flags[:len(meta)]
	dense, ts, mode, head := sc.dense(), sc.ts, sc.mode, sc.stats.head
	for k < len(meta) && p < n {
		w := load(base, p)
		if byte(w) != tagEvent {
			break
		}
		size, body := int(w>>8&0xff), p+2
		if size >= 0x80 {
			if w>>16&0x80 != 0 {
				break
			}
			size, body = size&0x7f|int(w>>16&0x7f)<<7, p+3
		}
		e := body + size
		if e > n {
			break
		}
		// id: at most three bytes, so that the tag of the offset is loaded, too.
		w = load(base, body)
		t := ^w & 0x80808000
		if byte(w) != eventID<<3 || t == 0 {
			break
		}
		q := uint(bits.TrailingZeros64(t)) + 1
		if byte(w>>q) != eventOffset<<3 {
			break
		}
		id := w & (t ^ (t - 1)) >> 8
		id = id&0x7f | id>>1&0x3f80 | id>>2&0x1fc000
		at := body + int(q>>3) + 1
		// offset and duration
		x := load(base, at)
		tx := stops(x)
		if tx == 0 {
			break
		}
		at += (bits.TrailingZeros64(tx) + 1) >> 3
		var y, ty uint64 = 0, 1
		if w = load(base, at); byte(w) == eventDuration<<3 && at < e {
			y = load(base, at+1)
			if ty = stops(y); ty == 0 {
				break
			}
			at += 1 + (bits.TrailingZeros64(ty)+1)>>3
		} else if at < e && !sc.onlyStats(at, e) {
			break
		}
		if at > e {
			break
		}
		var m uint32
		if id < uint64(len(dense)) {
			m = atomic.LoadUint32(&dense[id]) - 1
		}
		if id >= uint64(len(dense)) || m == none {
			m = sc.index(int64(id))
		}
		if mode == modeDevice && at < e {
			w = load(base, at)
			v := load(base, at+5)
			tv := stops(v)
			next := at + 2 + int(w>>8&0xff)
			if w&deviceHeadMask == head.offset && tv != 0 && at+5+(bits.TrailingZeros64(tv)+1)>>3 == next && next < e {
				w = load(base, next)
				u := load(base, next+5)
				tu := stops(u)
				end := next + 2 + int(w>>8&0xff)
				if w&deviceHeadMask == head.duration && tu != 0 && next+5+(bits.TrailingZeros64(tu)+1)>>3 == end && end <= e {
					meta[k], flags[k] = m, OnDevice
					start[k], dur[k] = int64(squeeze(v, tv)), int64(squeeze(u, tu))
					k++
					p = e
					continue
				}
			}
		}
		meta[k], flags[k] = m, 0
		start[k], dur[k] = int64(squeeze(x, tx))+ts, int64(squeeze(y, ty))
		if mode != modePlain && at < e && !sc.walk(at, e, k) {
			break
		}
		k++
		p = e
	}
	if sc.aggr {
		clear(sc.cols.occ[sc.k:k])
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
	base, small := unsafe.Pointer(&sc.win[0]), &sc.stats.small
	for found := 0; p < e; {
		w := load(base, p)
		if byte(w) != tagEvent {
			return sc.unwalk(k)
		}
		size, body := int(w>>8&0xff), p+2
		if size >= 0x80 {
			n, next := uvarint(sc.win[:e], p+1)
			if next < 0 || n > uint64(e-next) {
				return sc.unwalk(k)
			}
			size, body = int(n), next
		}
		p = body + size
		if p > e {
			return sc.unwalk(k)
		}
		if byte(w>>16) == statID<<3 && w>>24&0x80 == 0 && body == p-size && byte(w>>8)&0x80 == 0 && small[w>>24&0x7f] == 0 {
			continue
		}
		rs, ok := decodeStat(sc.win[body:p])
		if !ok {
			return sc.unwalk(k)
		}
		role := sc.stats.role(rs.id)
		if role == 0 {
			continue
		}
		if found += sc.take(role, rs, k, &pair); found == sc.stats.roles {
			break
		}
	}
	sc.pair(&pair, k)
	return true
}

// unwalk takes back what row k got.
func (sc *scanner) unwalk(k int) bool {
	for i := range sc.opts.Want {
		sc.cols.values[i].Kind[k] = NoValue
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
