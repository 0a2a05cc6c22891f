// SPDX-License-Identifier: Apache-2.0

package xspace

import "unsafe"

// A scanMode says what the hot loop does with the stats of an event.
type scanMode uint8

const (
	modePlain  scanMode = iota // jumps over them
	modeDevice                 // reads the pair of device times
	modeSome                   // reads the pair, and looks at the stats of the events of WantFor
	modeStats                  // looks at each until all wanted ones are found
	modeCount                  // counts events, has no batches
	modeRecord                 // decodes events whole, has no batches
)

// A statRole says what a stat id is wanted for: the low byte is the column plus
// one, bits above roleShift 1 for the device offset and 2 for the duration.
type statRole uint16

const (
	roleShift  = 8
	roleColumn = 1<<roleShift - 1
	maxWant    = 250
)

// A statFilter finds the role of a stat id in one part of a plane.
type statFilter struct {
	small [128]statRole // by id
	other map[int64]statRole
	roles int // wanted stats that the plane has
	// head is how the pair's first bytes look in the usual case, see hot.go.
	head deviceHead
}

func (sf *statFilter) role(id int64) statRole {
	if uint64(id) < uint64(len(sf.small)) {
		return sf.small[id]
	}
	return sf.other[id]
}

func (sf *statFilter) add(id int64, role statRole) {
	if uint64(id) < uint64(len(sf.small)) {
		sf.small[id] |= role
		return
	}
	if sf.other == nil {
		sf.other = map[int64]statRole{}
	}
	sf.other[id] |= role
}

// prepare sets mode and filter for the part of the open section.
func (sc *scanner) prepare() {
	if sc.mode >= modeCount {
		return
	}
	sf := &sc.stats
	*sf = statFilter{}
	sc.refs = sc.pl.stats.dense
	if ov := sc.pl.overlay; ov != nil && ov[sc.sec.part].stats != nil {
		sc.refs = nil
	}
	if sc.pl.overlay != nil {
		clear(sc.seen)
	}
	sc.mode, sc.vectors = modePlain, false
	for i, name := range sc.opts.Want {
		if n := sc.wanted(name, statRole(i+1)); n > 0 {
			sf.roles++
			sc.mode = modeStats
		}
	}
	if !sc.opts.DeviceClock {
		return
	}
	off := sc.wanted(deviceOffsetName, 1<<roleShift)
	dur := sc.wanted(deviceDurationName, 2<<roleShift)
	if off == 0 || dur == 0 {
		return
	}
	sf.roles += 2
	switch {
	case sc.mode == modePlain:
		sc.mode = modeDevice
	case sc.opts.WantFor != nil:
		sc.mode = modeSome
	}
	sf.head = newDeviceHead(sf)
	sc.vectors = (sc.mode == modeDevice || sc.mode == modeSome) && sc.setLayouts()
}

// wantedFor reports whether the wanted stats are those of events of that metadata
// index too.
func (sc *scanner) wantedFor(meta uint32) bool {
	list := sc.opts.WantFor
	return int64(meta) < int64(len(list)) && list[meta]
}

// wanted gives all stat ids of that name in the section's part a role, and
// returns how many there are.
func (sc *scanner) wanted(name string, role statRole) (n int) {
	for _, i := range sc.pl.statsNamed(name) {
		key := sc.pl.stats.key(i)
		if sc.pl.statIndex(key, sc.sec.part) == i {
			sc.stats.add(key, role)
			n++
		}
	}
	return n
}

// statsNamed returns the indices of all stat metadata of that name. More than one
// is possible: nothing in the format forbids it, and joined captures have it.
func (pl *Plane) statsNamed(name string) []uint32 {
	pl.nameMu.Lock()
	defer pl.nameMu.Unlock()
	ids, ok := pl.nameIDs[name]
	if ok {
		return ids
	}
	for i := range uint32(len(pl.stats.loc)) {
		if pl.StatName(uint64(i)) == name {
			ids = append(ids, i)
		}
	}
	if pl.nameIDs == nil {
		pl.nameIDs = map[string][]uint32{}
	}
	pl.nameIDs[name] = ids
	return ids
}

// index returns the metadata index of an event's id, keeping those that are not
// in the dense table, which several scans may be extending.
func (sc *scanner) index(id int64) uint32 {
	if i, ok := sc.seen[id]; ok {
		return i
	}
	i := sc.pl.eventIndex(id, sc.sec.part)
	if len(sc.seen) >= 1<<16 {
		clear(sc.seen)
	}
	if sc.seen == nil {
		sc.seen = map[int64]uint32{}
	}
	sc.seen[id] = i
	return i
}

// offsetOf returns where raw, a part of the window, begins in it.
func (sc *scanner) offsetOf(raw []byte) int {
	if len(raw) == 0 {
		return 0
	}
	return int(uintptr(unsafe.Pointer(&raw[0])) - uintptr(unsafe.Pointer(&sc.win[0])))
}
