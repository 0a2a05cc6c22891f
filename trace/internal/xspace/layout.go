// SPDX-License-Identifier: Apache-2.0

package xspace

import "unsafe"

// A layout is where the fields of an event of the usual shape on a device stand,
//
//	22 len | 08 id | 10 offset | 18 duration | 22 len 08 stat 18 value | 22 len 08 stat 18 value ...
//
// the stats being device_offset_ps and device_duration_ps. It follows from which
// bytes have a clear top bit, that is, end a varint: captures have few dozen such
// patterns for millions of events. Known, an event takes one permutation, which
// brings its three values into lanes of their own and its tags and lengths beside
// them, and one comparison, which tells whether they are those of the shape.
//
// Note: 2.6 ns an event against 6.7 of the loops in hot.go, which gather positions
// first. Noting the events of want without a branch made it slower, 2.8.
type layout struct {
	shuffle [64]byte // of the event's bytes: offset, duration, id; at 32 the fixed bytes
	fixed   [64]byte // what these are, from 32 on
	keep    [32]byte // the seven value bits of bytes that belong to a value, else 0
	key     uint64   // bit i is set when byte i of the event ends a varint; 0 = none
	after   uint64   // where the rest of the event begins
	_       [16]byte
}

const (
	layoutSets  = 256
	layoutWays  = 2
	layoutHash  = 0x9e3779b97f4a7c15
	layoutShift = 64 - 8
	// mostLayouts is how many may be entered for each 64 events; where they are
	// more, events have no shape worth to be remembered.
	mostLayouts = 4
)

// layouts are those seen by a scanner, for one pair of stat ids.
type layouts struct {
	entries          *[layoutSets * layoutWays]layout
	offset, dur      byte // ids of the stats
	entered, decoded int64
}

// setLayouts prepares the kernel for the section's stats; it reports whether the
// kernel can be used.
func (sc *scanner) setLayouts() bool {
	offset, duration := byte(0), byte(0)
	for id, role := range sc.stats.small {
		switch role {
		case 1 << roleShift:
			offset = byte(id)
		case 2 << roleShift:
			duration = byte(id)
		}
	}
	if !haveKernel || offset == 0 || duration == 0 {
		return false
	}
	ls := &sc.layouts
	if ls.entries == nil {
		ls.entries = new([layoutSets * layoutWays]layout)
		sc.some = make([]uint64, maxBatch)
	} else if ls.offset != offset || ls.dur != duration {
		clear(ls.entries[:])
	}
	ls.offset, ls.dur, ls.entered, ls.decoded = offset, duration, 0, 0
	return true
}

// endings returns the key of the event at p, which lies in the window.
func (sc *scanner) endings(p int) uint64 {
	base, key := unsafe.Pointer(&sc.win[0]), uint64(0)
	for i := range 8 {
		// The multiplication gathers the top bits of eight bytes in the highest byte.
		key |= stops(load(base, p+8*i)) >> 7 * 0x0102040810204080 >> 56 << (8 * i)
	}
	if n := int(sc.win[p+1]) + 2; n < 64 {
		key &= 1<<n - 1
	}
	return key
}

// enter adds the layout of the event at p, unless it is not of the shape or there
// already.
func (ls *layouts) enter(win []byte, key uint64) bool {
	set := ls.entries[key*layoutHash>>layoutShift*layoutWays:][:layoutWays]
	for i := range set {
		if set[i].key == key {
			return false
		}
	}
	if ls.entered*64 > (ls.decoded+1024)*mostLayouts {
		return false
	}
	var lo layout
	if !lo.read(win, key, ls.offset, ls.dur) {
		return false
	}
	ls.entered++
	if set[0].key != 0 {
		set[1] = set[0]
	}
	set[0] = lo
	return true
}

// read derives the layout of the event whose bytes begin win.
func (lo *layout) read(win []byte, key uint64, offset, duration byte) bool {
	at, fixed := 0, 32
	one := func(want byte) bool { // a byte that is the same in all events of the layout
		if at >= 60 || key>>at&1 == 0 || win[at] != want {
			return false
		}
		lo.shuffle[fixed], lo.fixed[fixed] = byte(at), want
		at++
		fixed++
		return true
	}
	value := func(lane, most int) bool { // a varint; lane −1 is of no interest
		for i := range most {
			if at >= 64 {
				return false
			}
			if lane >= 0 {
				lo.shuffle[8*lane+i], lo.keep[8*lane+i] = byte(at), 0x7f
			}
			at++
			if key>>(at-1)&1 != 0 {
				return true
			}
		}
		return false
	}
	stat := func(id byte, lane int) bool {
		begin := at
		ok := one(tagEvent) && at < 60 && one(win[at]) && one(statID<<3) && one(id) && one(statUint<<3) && value(lane, 8)
		return ok && int(win[begin+1]) == at-begin-2
	}
	if !one(tagEvent) || key>>at&1 == 0 {
		return false
	}
	at++ // the length, which differs among events of a layout
	if !one(eventID<<3) || !value(2, 3) || !one(eventOffset<<3) || !value(-1, 8) || !one(eventDuration<<3) || !value(-1, 8) ||
		!stat(offset, 0) || !stat(duration, 1) {
		return false
	}
	for i := fixed; i < 64; i++ {
		lo.fixed[i] = tagEvent // byte 0, which shuffle says
	}
	lo.key, lo.after = key, uint64(at)
	return true
}

// kernelArgs are what the kernel reads and, where said, writes.
type kernelArgs struct {
	win     *byte   // 0
	pos     int     // 8: of the next event, written
	n       int     // 16: end of the window's data
	k       int     // 24: row of the next event, written
	to      int     // 32
	meta    *uint32 // 40: columns
	start   *int64  // 48
	dur     *int64  // 56
	dense   *uint32 // 64: metadata index + 1 by id
	nDense  uint64  // 72
	want    *bool   // 80: by metadata index
	nWant   uint64  // 88
	entries *layout // 96
	some    *uint64 // 104: events of want that have more stats: pos<<20 | after<<12 | row
	nSome   int     // 112: written
}

// gatherKernel is gather for events on a device, by vectors.
func (sc *scanner) gatherKernel(dense []uint32, to int) {
	ls := &sc.layouts
	args := kernelArgs{
		win: &sc.win[0], n: sc.n, to: to, meta: &sc.cols.meta[0], start: &sc.cols.start[0], dur: &sc.cols.dur[0],
		dense: &dense[0], nDense: uint64(len(dense)), entries: &ls.entries[0], some: &sc.some[0],
	}
	if list := sc.opts.WantFor; sc.mode == modeSome && len(list) > 0 {
		args.want, args.nWant = &list[0], uint64(len(list))
	}
	for sc.k < to && sc.pos < sc.n {
		from := sc.k
		args.pos, args.k, args.nSome = sc.pos, sc.k, 0
		kernel(&args)
		sc.pos, sc.k = args.pos, args.k
		ls.decoded += int64(sc.k - from)
		copy(sc.cols.flags[from:sc.k], onDevice[:])
		if !sc.walkRest(args.nSome) || sc.k == to || sc.pos >= sc.n {
			return
		}
		if e := sc.pos + 2 + int(sc.win[sc.pos+1]); e > sc.n || !ls.enter(sc.win[sc.pos:], sc.endings(sc.pos)) {
			return
		}
	}
}

// onDevice are the flags of events the kernel decoded.
var onDevice = func() (flags [maxBatch]Flag) {
	for i := range flags {
		flags[i] = OnDevice
	}
	return flags
}()

// walkRest takes the wanted stats of the n events of some. At one whose stats do
// not parse it takes back what was gathered from there on, and reports false.
func (sc *scanner) walkRest(n int) bool {
	for _, ev := range sc.some[:n] {
		p, k := int(ev>>20), int(ev&(maxBatch-1))
		if !sc.walk(p+int(ev>>12&0xff), p+2+int(sc.win[p+1]), k, roleColumn, sc.stats.roles-2) {
			sc.pos, sc.k = p, k
			return false
		}
	}
	return true
}
