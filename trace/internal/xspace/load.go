// SPDX-License-Identifier: Apache-2.0

package xspace

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
)

// Load reads and indexes the plane's event metadata, stat metadata and own stats.
// It may be called any number of times and concurrently; all calls return the
// error of the first, which is one of reading, never of content. Damaged entries
// are problems.
func (pl *Plane) Load() error {
	pl.once.Do(func() { pl.loadErr = pl.load() })
	return pl.loadErr
}

// A statRef is an encoded stat of the plane itself and the part it came from.
type statRef struct {
	raw  []byte
	part int32
}

func (pl *Plane) load() error {
	var bufs []metaBuf
	for _, r := range pl.runs {
		if r.end-r.off > min(math.MaxInt, 1<<locShift) {
			return fmt.Errorf("offset 0x%x: %d bytes of metadata: more than an address space", r.off, r.end-r.off)
		}
		b := make([]byte, r.end-r.off)
		if err := readFull(pl.sp.r, b, r.off); err != nil {
			return err
		}
		bufs = append(bufs, metaBuf{b: b, off: r.off, part: r.part})
	}
	ld := loader{pl: pl}
	ld.count(bufs)
	ld.tables(bufs)
	if pl.Parts > 1 {
		pl.overlay = make([]overlay, pl.Parts)
	}
	for i, mb := range bufs {
		ld.enter(i, mb)
	}
	if !ld.conflicts {
		pl.overlay = nil
	}
	pl.nameStats()
	return nil
}

// maxStatNames bounds the names kept; captures have a hundred.
const maxStatNames = 1 << 12

// nameStats decodes the names of stats once: every op's metadata has several of
// them.
func (pl *Plane) nameStats() {
	if n := len(pl.stats.loc); n <= maxStatNames {
		pl.names = make([]string, n)
		for i := range pl.names {
			pl.names[i] = text(nameOf(pl.stats.value(uint32(i))))
		}
	}
}

// A loader fills the tables of one plane.
type loader struct {
	pl        *Plane
	n         [2]int   // entries of events and stats
	sparse    [2]int   // those whose keys may not index a slice
	top       [2]int64 // the largest key of the others
	conflicts bool
}

// count sets n and top. The bound on keys depends on n, hence two rounds.
func (ld *loader) count(bufs []metaBuf) {
	each(bufs, func(_ int, _ metaBuf, f field, _ int) {
		if f.num != planeStat {
			ld.n[f.num-planeEvents]++
		}
	})
	ld.top = [2]int64{-1, -1}
	each(bufs, func(_ int, _ metaBuf, f field, _ int) {
		if f.num == planeStat {
			return
		}
		i := f.num - planeEvents
		key, _, ok := mapEntry(f.raw)
		switch {
		case ok && key >= 0 && key < denseBound(ld.n[i]):
			ld.top[i] = max(ld.top[i], key)
		case ok:
			ld.sparse[i]++
		}
	})
}

// each calls fn for every metadata entry and stat of the runs, with the buffer's
// number and the offset of the field's length in it.
func each(bufs []metaBuf, fn func(i int, mb metaBuf, f field, at int)) {
	for i, mb := range bufs {
		for p := 0; p < len(mb.b); {
			f, next := nextField(mb.b, p)
			if next < 0 {
				break // Index has walked these fields: does not happen
			}
			if f.wire == wireBytes && f.num >= planeEvents && f.num <= planeStat {
				_, at := uvarint(mb.b, p)
				fn(i, mb, f, at)
			}
			p = next
		}
	}
}

func (ld *loader) tables(bufs []metaBuf) {
	for i, mt := range []*metaTable{&ld.pl.events, &ld.pl.stats} {
		top := ld.top[i]
		if ld.n[i] == 0 && i == 0 {
			top = ld.pl.lost()
		}
		mt.size(ld.n[i]/max(1, ld.pl.Parts)+1, ld.sparse[i]/max(1, ld.pl.Parts), top)
		mt.bufs = bufs
		mt.seed = rand.Uint64()
	}
}

// lost returns the largest id that is worth a slice in a plane whose event
// metadata is lost, as in a file cut short.
func (pl *Plane) lost() int64 {
	var n int64
	for _, ln := range pl.Lines {
		n += ln.Bytes
	}
	return min(n/4, 4096) - 1
}

// enter adds the entries of run i.
func (ld *loader) enter(i int, mb metaBuf) {
	each([]metaBuf{mb}, func(_ int, _ metaBuf, f field, at int) {
		if f.num == planeStat {
			ld.pl.plane = append(ld.pl.plane, statRef{f.raw, mb.part})
			return
		}
		key, val, ok := mapEntry(f.raw)
		if !ok {
			ld.pl.probs.add(Problem{Code: CodeMetadata, Offset: mb.off + int64(at), Plane: ld.pl.Name, Event: -1,
				Msg: "a metadata entry does not parse"})
			return
		}
		loc := uint64(i)<<locShift | uint64(at)
		if f.num == planeEvents {
			ld.put(&ld.pl.events, false, key, val, loc, mb.part)
		} else {
			ld.put(&ld.pl.stats, true, key, val, loc, mb.part)
		}
	})
}

// put enters one map entry. Within a part a repeated key replaces the entry, as
// maps of protocol buffers do; between parts the same key is the same entry
// unless its name differs, and then it goes to the overlay of its part.
func (ld *loader) put(mt *metaTable, stat bool, key int64, val []byte, loc uint64, part int32) {
	have := mt.lookup(key)
	if ld.pl.overlay != nil {
		ids := ld.pl.overlay[part].events
		if stat {
			ids = ld.pl.overlay[part].stats
		}
		if i, ok := ids[key]; ok {
			mt.loc[i] = loc
			return
		}
	}
	if have == none {
		mt.loc = append(mt.loc, loc)
		mt.add(key, uint32(len(mt.loc)-1))
		return
	}
	if mt.part(have) == part {
		mt.loc[have] = loc
		return
	}
	old := mt.value(have)
	a, b := nameOf(old), nameOf(val)
	if len(a) == 0 || len(b) == 0 || bytes.Equal(a, b) {
		if len(val) > len(old) {
			mt.loc[have] = loc
		}
		return
	}
	ld.conflicts = true
	ov := &ld.pl.overlay[part]
	ids := &ov.events
	if stat {
		ids = &ov.stats
	}
	if *ids == nil {
		*ids = map[int64]uint32{}
	}
	mt.loc = append(mt.loc, loc)
	(*ids)[key] = uint32(len(mt.loc) - 1)
}

// nameOf returns the name of an encoded XEventMetadata or XStatMetadata.
func nameOf(val []byte) (name []byte) {
	for p := 0; p >= 0 && p < len(val); {
		f, next := nextField(val, p)
		if next >= 0 && f.num == metaName && f.wire == wireBytes {
			name = f.raw
		}
		p = next
	}
	return name
}
