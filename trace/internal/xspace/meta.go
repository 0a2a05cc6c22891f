// SPDX-License-Identifier: Apache-2.0

package xspace

import (
	"fmt"
	"math"
)

// A Kind says which member of XStat's oneof a stat carries.
type Kind uint8

// The kinds of stat values; NoValue is a stat without one, or an absent stat.
const (
	NoValue Kind = iota
	Double
	Uint
	Int
	String
	Bytes
	Ref // to the name of another stat metadata entry: an interned string
)

// A Stat is one decoded XStat of a plane or of event metadata. Its Name and Raw
// view the plane's buffers: they stay valid and must not be modified.
type Stat struct {
	ID   int64  // metadata_id as on the wire
	Name string // "" when no stat metadata has that id
	Kind Kind
	Bits uint64 // Double: IEEE 754 bits; Uint, Int: the value; Ref: the id referred to
	Raw  []byte // String, Bytes: the value; Ref: the name referred to
}

// Text returns a string value, or the string a reference stands for.
func (st Stat) Text() string { return text(st.Raw) }

// Int returns an integer of either kind; a uint64 beyond int64 wraps, as program
// ids (64-bit fingerprints) expect.
func (st Stat) Int() (v int64, ok bool) {
	return int64(st.Bits), st.Kind == Int || st.Kind == Uint
}

// Float returns a number of any kind as a float64.
func (st Stat) Float() (v float64, ok bool) { return number(st.Kind, st.Bits) }

func number(k Kind, bits uint64) (v float64, ok bool) {
	switch k {
	case Double:
		return math.Float64frombits(bits), true
	case Uint:
		return float64(bits), true
	case Int:
		return float64(int64(bits)), true
	}
	return 0, false
}

// An EventMeta is one decoded XEventMetadata. The key of the map is its identity;
// the ID inside is 0 in some files. Strings and bytes view the plane's buffers.
type EventMeta struct {
	Key, ID           int64
	Name, DisplayName string
	Metadata          []byte
	Stats             []Stat
	Children          []int64 // keys of other entries
}

// Stat returns the first stat of that name; absent, its Kind is NoValue.
func (em *EventMeta) Stat(name string) Stat { return findStat(em.Stats, name) }

func findStat(stats []Stat, name string) Stat {
	for _, st := range stats {
		if st.Name == name {
			return st
		}
	}
	return Stat{}
}

// A StatMeta is one decoded XStatMetadata.
type StatMeta struct {
	Key, ID           int64
	Name, Description string
}

// NumEvents returns how many event metadata entries the plane has; their indices
// are 0 to NumEvents-1. Like all that follow it needs a plane that is loaded.
func (pl *Plane) NumEvents() int { return len(pl.events.loc) }

// Slots returns the number of indices in use: the metadata entries, then one for
// each distinct id that events used without metadata. It grows while lines are
// scanned, at most to NumEvents plus 65,537, whose last is shared by all further
// ids.
func (pl *Plane) Slots() int {
	un := &pl.unknown
	un.mu.Lock()
	defer un.mu.Unlock()
	n := len(pl.events.loc) + len(un.keys)
	if un.over {
		n++
	}
	return n
}

// Event decodes the metadata of index i. An index past the metadata gives an
// entry with its key (0 for the shared index) and no name. Each call decodes
// anew: keep the result.
func (pl *Plane) Event(i uint32) EventMeta {
	var em EventMeta
	pl.EventInto(i, &em)
	return em
}

// EventInto is Event with room that is used again: the stats of em are those of
// its last use no longer.
func (pl *Plane) EventInto(i uint32, em *EventMeta) {
	if int64(i) >= int64(len(pl.events.loc)) {
		*em = EventMeta{Key: pl.unknownKey(i), Stats: em.Stats[:0]}
		return
	}
	*em = EventMeta{Key: pl.events.key(i), Stats: em.Stats[:0]}
	part := pl.events.part(i)
	val := pl.events.value(i)
	for p := 0; p < len(val); {
		f, next := nextField(val, p)
		if next < 0 {
			pl.metaProblem("event metadata", em.Key)
			break
		}
		switch {
		case f.num == metaID && f.wire == wireVarint:
			em.ID = int64(f.val)
		case f.num == metaName && f.wire == wireBytes:
			em.Name = text(f.raw)
		case f.num == metaDisplayName && f.wire == wireBytes:
			em.DisplayName = text(f.raw)
		case f.num == metaBytes && f.wire == wireBytes:
			em.Metadata = f.raw
		case f.num == metaStats && f.wire == wireBytes:
			if st, ok := pl.stat(f.raw, part); ok {
				if em.Stats == nil {
					em.Stats = make([]Stat, 0, 8) // as many as TPU ops have
				}
				em.Stats = append(em.Stats, st)
			} else {
				pl.metaProblem("stat of event metadata", em.Key)
			}
		case f.num == metaChildren:
			em.Children = appendIDs(em.Children, f)
		}
		p = next
	}
}

// EventName returns the name and display name of index i, at less cost than
// Event.
func (pl *Plane) EventName(i uint32) (name, display string) {
	if int64(i) >= int64(len(pl.events.loc)) {
		return "", ""
	}
	val := pl.events.value(i)
	for p := 0; p >= 0 && p < len(val); {
		f, next := nextField(val, p)
		if next >= 0 && f.wire == wireBytes {
			switch f.num {
			case metaName:
				name = text(f.raw)
			case metaDisplayName:
				display = text(f.raw)
			}
		}
		p = next
	}
	return name, display
}

func (pl *Plane) unknownKey(i uint32) int64 {
	un := &pl.unknown
	un.mu.Lock()
	defer un.mu.Unlock()
	if k := int64(i) - int64(len(pl.events.loc)); k < int64(len(un.keys)) {
		return un.keys[k]
	}
	return 0
}

// appendIDs takes a repeated int64, packed or not.
func appendIDs(ids []int64, f field) []int64 {
	if f.wire == wireVarint {
		return append(ids, int64(f.val))
	}
	if f.wire != wireBytes {
		return ids
	}
	for p := 0; p < len(f.raw); {
		v, next := uvarint(f.raw, p)
		if next < 0 {
			break
		}
		ids = append(ids, int64(v))
		p = next
	}
	return ids
}

// NumStats returns how many stat metadata entries the plane has.
func (pl *Plane) NumStats() int { return len(pl.stats.loc) }

// StatName returns the name of stat index i, "" past the end. Values of kind Ref
// in a [Column] are such indices.
func (pl *Plane) StatName(i uint64) string {
	if i < uint64(len(pl.names)) {
		return pl.names[i]
	}
	if i >= uint64(len(pl.stats.loc)) {
		return ""
	}
	return text(nameOf(pl.stats.value(uint32(i))))
}

// StatMeta decodes stat metadata entry i.
func (pl *Plane) StatMeta(i uint32) StatMeta {
	sm := StatMeta{Key: pl.stats.key(i)}
	val := pl.stats.value(i)
	for p := 0; p >= 0 && p < len(val); {
		f, next := nextField(val, p)
		switch {
		case next < 0:
			pl.metaProblem("stat metadata", sm.Key)
		case f.num == metaID && f.wire == wireVarint:
			sm.ID = int64(f.val)
		case f.num == metaName && f.wire == wireBytes:
			sm.Name = text(f.raw)
		case f.num == metaDescription && f.wire == wireBytes:
			sm.Description = text(f.raw)
		}
		p = next
	}
	return sm
}

// Stats decodes the plane's own stats.
func (pl *Plane) Stats() []Stat {
	stats := make([]Stat, 0, len(pl.plane))
	for _, ref := range pl.plane {
		if st, ok := pl.stat(ref.raw, ref.part); ok {
			stats = append(stats, st)
		} else {
			pl.metaProblem("plane stat", 0)
		}
	}
	return stats
}

// Stat returns the plane's first stat of that name; absent, its Kind is NoValue.
func (pl *Plane) Stat(name string) Stat { return findStat(pl.Stats(), name) }

// stat decodes an XStat of the given part.
func (pl *Plane) stat(raw []byte, part int32) (st Stat, ok bool) {
	rs, ok := decodeStat(raw)
	if !ok {
		return st, false
	}
	st = Stat{ID: rs.id, Kind: rs.kind, Bits: rs.bits, Raw: rs.raw}
	st.Name = pl.StatName(uint64(pl.statIndex(rs.id, part)))
	if st.Kind == Ref {
		if i := pl.statIndex(int64(st.Bits), part); i != none {
			st.Raw = nameOf(pl.stats.value(i))
		}
	}
	return st, true
}

// A rawStat is an XStat as on the wire.
type rawStat struct {
	id   int64
	kind Kind
	bits uint64
	raw  []byte
}

// decodeStat decodes an XStat with fields in any order; of the oneof the last
// member wins.
func decodeStat(b []byte) (rs rawStat, ok bool) {
	for p := 0; p < len(b); {
		f, next := nextField(b, p)
		if next < 0 {
			return rs, false
		}
		p = next
		switch {
		case f.num == statID && f.wire == wireVarint:
			rs.id = int64(f.val)
		case f.num == statDouble && f.wire == wireI64:
			rs.kind, rs.bits, rs.raw = Double, f.val, nil
		case f.num == statUint && f.wire == wireVarint:
			rs.kind, rs.bits, rs.raw = Uint, f.val, nil
		case f.num == statInt && f.wire == wireVarint:
			rs.kind, rs.bits, rs.raw = Int, f.val, nil
		case f.num == statString && f.wire == wireBytes:
			rs.kind, rs.bits, rs.raw = String, 0, f.raw
		case f.num == statBytes && f.wire == wireBytes:
			rs.kind, rs.bits, rs.raw = Bytes, 0, f.raw
		case f.num == statRefTo && f.wire == wireVarint:
			rs.kind, rs.bits, rs.raw = Ref, f.val, nil
		}
	}
	return rs, true
}

// metaProblem records damaged metadata found when it was decoded; the entry with
// that key is named once, however often it is decoded.
func (pl *Plane) metaProblem(what string, key int64) {
	var off int64
	if len(pl.runs) > 0 {
		off = pl.runs[0].off
	}
	pl.probs.once(Problem{Code: CodeMetadata, Offset: off, Plane: pl.Name, Event: -1,
		Msg: fmt.Sprintf("%s does not parse (key %d)", what, key)})
}
