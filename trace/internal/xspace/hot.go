// SPDX-License-Identifier: Apache-2.0

package xspace

import (
	"sync/atomic"
	"unsafe"
)

// The hot loop decodes events of the usual shape,
//
//	22 len | 08 id | 10 offset | 18 duration | 22 len stat | 22 len stat ...
//
// with loads of eight bytes and no branch on the length of a varint. Anything
// else it leaves, unconsumed, to scanner.odd. Where the processor can, events with
// device times go through the kernel of layout.go in place of gatherEnds and
// gatherPairs.
//
// Bounds: a field is looked at only in an event that ends, by its length, at or
// before sc.n, and the window has padding (64) bytes behind sc.n. From the event's
// first byte p on, the offset's tag is at p+6 at most (length of one byte, id of
// three), the duration's nine bytes behind that, the first stat nine more, at p+24,
// the second, whose length nibble says so, 17 more, at p+41; its value is loaded
// from there + 5, eight bytes: p+54, whatever the bytes say. (With a length of two
// bytes no stat is looked at before it is known to begin inside the event.) That
// what was decoded ends inside the event is checked before it counts.

// hot decodes events from pos on into the batch until the batch is full, the
// window holds no further whole event, or one is unusual.
//
// Note: one loop for all shapes was 1.5 times slower on op events. Its calls make
// the compiler spill most registers in each round, and short loops over many
// events leave more independent work in flight than a long one: gathering
// positions first and decoding stats after saved another fifth.
func (sc *scanner) hot() {
	dense := sc.dense()
	if len(dense) == 0 {
		return // each event takes the slow path
	}
	from := sc.k
	for few, many := 1, minGather; ; {
		before := sc.k
		for !sc.opts.Strict && sc.gather(dense, many) {
			many = min(2*many, maxBatch)
		}
		if sc.k > before {
			few, many = 1, minGather
		} else {
			few = min(2*few, maxBatch)
		}
		before = sc.k
		if sc.hotMixed(dense, min(sc.size, sc.k+few)); sc.k == sc.size || sc.k == before {
			break
		}
	}
	if sc.aggr {
		clear(sc.occ[from:sc.k])
	}
}

// minGather is how many events are gathered at first, and again after one that
// did not fit: what is gathered behind that is work lost.
const minGather = 16

// gather decodes up to limit events of the simplest shape. It reports whether it
// got as many, and there is room for more.
func (sc *scanner) gather(dense []uint32, limit int) bool {
	from, begin := sc.k, sc.pos
	to := min(sc.size, from+limit)
	if sc.vectors {
		sc.gatherKernel(dense, to)
		return sc.k == from+limit && sc.k < sc.size
	}
	flag, ts := Flag(0), sc.ts
	switch sc.mode {
	case modePlain:
		sc.gatherTimes(to)
	case modeDevice:
		sc.gatherEnds(to)
		sc.gatherPairs(from, begin)
		flag, ts = OnDevice, 0
	case modeSome:
		sc.gatherEnds(to)
		sc.decodeIDs(dense, from)
		sc.walkSome(from, begin)
		walked := sc.k
		sc.gatherPairs(from, begin)
		sc.unwalk(sc.k, walked)
		flag, ts = OnDevice, 0
	}
	squeezeAll(sc.cols.start[from:sc.k], ts)
	squeezeAll(sc.cols.dur[from:sc.k], 0)
	for i := range sc.cols.flags[from:sc.k] {
		sc.cols.flags[from+i] = flag
	}
	if sc.mode != modeSome {
		sc.decodeIDs(dense, from)
	}
	return sc.k == from+limit && sc.k < sc.size
}

// gatherTimes stores id, offset and duration of events, still encoded, up to row
// to of the batch.
func (sc *scanner) gatherTimes(to int) {
	base, p, n := unsafe.Pointer(&sc.win[0]), sc.pos, sc.n
	cols, k := sc.cols, sc.k
	for k < to && p < n {
		w := load(base, p)
		e := p + 2 + int(w>>8&0xff)
		t := ^w & 0x808080_000000
		if w&0xff80ff != eventID<<19|tagEvent || e > n || t == 0 {
			break
		}
		m := through(t)
		at := p + width(m)
		i := k & (maxBatch - 1)
		cols.meta[i] = uint32(w & m >> 24)
		x := load(base, at+1)
		t = stops(x)
		if load1(base, at) != eventOffset<<3 || t == 0 {
			break
		}
		m = through(t)
		cols.start[i] = int64(x & m)
		at += 1 + width(m)
		x = load(base, at+1)
		t = stops(x)
		m = through(t)
		if load1(base, at) != eventDuration<<3 || t == 0 || at+1+width(m) > e {
			break
		}
		cols.dur[i] = int64(x & m)
		k++
		p = e
	}
	sc.pos, sc.k = p, k
}

// gatherEnds stores the id, still encoded, of events that have an offset and a
// duration, and in place of those where the fields behind them begin and end.
func (sc *scanner) gatherEnds(to int) {
	base, p, n := unsafe.Pointer(&sc.win[0]), sc.pos, sc.n
	cols, k := sc.cols, sc.k
	for k < to && p < n {
		w := load(base, p)
		e := p + 2 + int(w>>8&0xff)
		t := ^w & 0x808080_000000
		if w&0xff80ff != eventID<<19|tagEvent || e > n || t == 0 {
			break
		}
		m := through(t)
		at := p + width(m)
		i := k & (maxBatch - 1)
		cols.meta[i] = uint32(w & m >> 24)
		t = stops(load(base, at+1))
		if load1(base, at) != eventOffset<<3 || t == 0 {
			break
		}
		at += 1 + width(through(t))
		t = stops(load(base, at+1))
		if load1(base, at) != eventDuration<<3 || t == 0 {
			break
		}
		cols.start[i] = int64(at + 1 + width(through(t)))
		cols.dur[i] = int64(e)
		k++
		p = e
	}
	sc.pos, sc.k = p, k
}

// gatherPairs stores the device times, still encoded, of the events gatherEnds
// found from row from and position begin on, up to the first that has no pair.
func (sc *scanner) gatherPairs(from, begin int) {
	base, cols := unsafe.Pointer(&sc.win[0]), sc.cols
	offset, duration := sc.stats.head.offset, sc.stats.head.duration
	for k := from; k < sc.k; k++ {
		i := k & (maxBatch - 1)
		at, e := int(cols.start[i]), int(cols.dur[i])
		w := load(base, at)
		l := w >> 8 & 15
		x := load(base, at+5) & statMask[l]
		at += 2 + int(l)
		v := load(base, at)
		l2 := v >> 8 & 15
		y := load(base, at+5) & statMask[l2]
		if w&deviceHeadMask != offset || x&tops != statMore[l] || at+2+int(l2) > e ||
			v&deviceHeadMask != duration || y&tops != statMore[l2] {
			sc.k, sc.pos = k, begin
			return
		}
		begin = e
		cols.start[i], cols.dur[i] = int64(x), int64(y)
	}
}

// walkSome takes the wanted stats of the events of WantFor that gatherEnds found
// from row from and position begin on, up to the first whose stats do not parse.
func (sc *scanner) walkSome(from, begin int) {
	cols, list := sc.cols, sc.opts.WantFor
	for k := from; k < sc.k; k++ {
		i := k & (maxBatch - 1)
		m := int(cols.meta[i])
		if m >= len(list) || !list[m] {
			continue
		}
		if !sc.walk(int(cols.start[i]), int(cols.dur[i]), k, roleColumn, sc.stats.roles-2) {
			if k > from {
				begin = int(cols.dur[(k-1)&(maxBatch-1)])
			}
			sc.k, sc.pos = k, begin
			return
		}
	}
}

// decodeIDs turns the gathered ids from row from on into metadata indices.
func (sc *scanner) decodeIDs(dense []uint32, from int) {
	cols := sc.cols
	for k := from; k < sc.k; k++ {
		id := unpackID(cols.meta[k&(maxBatch-1)])
		m := none
		if int(id) < len(dense) {
			m = atomic.LoadUint32(&dense[id]) - 1
		}
		if m == none {
			m = sc.index(int64(id))
		}
		cols.meta[k&(maxBatch-1)] = m
	}
}

// unpackID decodes a gathered id.
func unpackID(id uint32) uint32 { return id&0x7f | id>>1&0x3f80 | id>>2&0x1fc000 }

// packedFor reports whether the wanted stats are those of events of a gathered id.
func (sc *scanner) packedFor(dense []uint32, id uint32) bool {
	id = unpackID(id)
	if int(id) >= len(dense) {
		return sc.wantedFor(sc.index(int64(id)))
	}
	return sc.wantedFor(atomic.LoadUint32(&dense[id]) - 1)
}

// hotMixed decodes events of all usual shapes until the batch holds size.
func (sc *scanner) hotMixed(dense []uint32, size int) {
	from := sc.k
	base, p, n := unsafe.Pointer(&sc.win[0]), sc.pos, sc.n
	cols, k, mode, strict := sc.cols, sc.k, sc.mode, sc.opts.Strict
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
		i := k & (maxBatch - 1)
		cols.meta[i], cols.flags[i] = uint32(w&m>>8), 0
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
		if at > e || strict && !sc.soundStats(at, e) {
			break
		}
		cols.start[i], cols.dur[i] = int64(squeeze(x))+sc.ts, int64(squeeze(y))
		if mode != modePlain && at < e {
			mask, roles := ^statRole(0), sc.stats.roles
			if mode == modeSome && !sc.packedFor(dense, cols.meta[i]) {
				mask, roles = ^statRole(roleColumn), 2
			}
			if !sc.walk(at, e, k, mask, roles) {
				break
			}
		}
		k++
		p = e
	}
	sc.pos, sc.k = p, k
	sc.decodeIDs(dense, from)
}

// dense returns the table the hot loop may look metadata ids up in: none where
// ids of this part mean something of their own.
func (sc *scanner) dense() []uint32 {
	if ov := sc.pl.overlay; ov != nil && ov[sc.sec.part].events != nil {
		return nil
	}
	return sc.pl.events.dense
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
