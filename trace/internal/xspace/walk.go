// SPDX-License-Identifier: Apache-2.0

package xspace

import "unsafe"

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

// soundStats reports whether the window holds nothing but stats of the usual
// shape in [p, e): one-byte length and id, one value, nothing else.
func (sc *scanner) soundStats(p, e int) bool {
	base := unsafe.Pointer(&sc.win[0])
	for p < e {
		w := load(base, p)
		next := p + 2 + int(w>>8&0xff)
		if w&quickMask != quickHead || next > e || next < p+6 {
			return false
		}
		if _, ok := sc.quickStat(w, p+4, next); !ok {
			return false
		}
		p = next
	}
	return true
}

// quickHead is how stats begin, up to the id, whose length and id have one byte.
const (
	quickMask = 0x80_ff_80_ff
	quickHead = statID<<3<<16 | tagEvent
)

// walk gives the stats in [p, e) of the window those of their roles for row k that
// are in mask, up to the last of the n that have any. It reports false when
// something else than a stat comes before, or a wanted stat does not parse.
func (sc *scanner) walk(p, e, k int, mask statRole, n int) bool {
	var pair devicePair
	base := unsafe.Pointer(&sc.win[0])
	for found := 0; p < e; {
		w := load(base, p)
		if byte(w) != tagEvent {
			return sc.unwalk(k, k+1)
		}
		body, size := p+2, int(w>>8&0xff)
		if size >= 0x80 {
			n, next := uvarint(sc.win[:e], p+1)
			if next < 0 || n > uint64(e-next) {
				return sc.unwalk(k, k+1)
			}
			body, size = next, int(n)
		}
		p = body + size
		if p > e {
			return sc.unwalk(k, k+1)
		}
		role, rs, ok := statRole(0), rawStat{}, false
		if w&quickMask == quickHead {
			if role = sc.stats.small[w>>24&0x7f] & mask; role == 0 {
				continue
			}
			if more := sc.quickColumn(role, w, body+2, p, k); more >= 0 {
				if found += more; found == n {
					break
				}
				continue
			}
			rs, ok = sc.quickStat(w, body+2, p)
		}
		if !ok {
			if rs, ok = decodeStat(sc.win[body:p]); !ok {
				return sc.unwalk(k, k+1)
			}
			if role = sc.stats.role(rs.id) & mask; role == 0 {
				continue
			}
		}
		if found += sc.take(role, rs, k, &pair); found == n {
			break
		}
	}
	sc.pair(&pair, k)
	return true
}

// quickColumn is quickStat and take at once for the most frequent case, an integer
// or reference that is wanted as a column only; else it returns -1.
func (sc *scanner) quickColumn(role statRole, w uint64, p, e, k int) (filled int) {
	tag := byte(w >> 32)
	if role > roleColumn || tag != statUint<<3 && tag != statInt<<3 && tag != statRefTo<<3 {
		return -1
	}
	v := load(unsafe.Pointer(&sc.win[0]), p+1)
	t := stops(v)
	m := through(t)
	if t == 0 || p+1+width(m) != e {
		return -1
	}
	col := &sc.vals[role-1]
	if col.Kind[k] != NoValue {
		return 0
	}
	bits, kind := squeeze(v&m), Kind(tag>>3-1)
	if kind == Ref {
		bits = sc.refIndex(bits)
	}
	col.Kind[k], col.Bits[k] = kind, bits
	sc.found = true
	return 1
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
	case statDouble<<3 | wireI64:
		rs.kind, rs.bits = Double, load(base, p+1)
		return rs, p+9 == e
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

// unwalk takes back what rows from k to end got. It returns false.
func (sc *scanner) unwalk(k, end int) bool {
	for i := range sc.opts.Want {
		clear(sc.vals[i].Kind[k:end])
	}
	return false
}
