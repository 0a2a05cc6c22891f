// SPDX-License-Identifier: Apache-2.0

package xspace

// unite adds a plane message to the plane of its name.
func (ix *indexer) unite(pt part) {
	key := planeKey{name: pt.name}
	if pt.name == "" {
		key.id = pt.id
	}
	pl := ix.planes[key]
	if pl == nil {
		if len(ix.sp.Planes) >= maxPlanes {
			ix.problem(CodeLimit, 0, "more planes than are kept: the rest is left out")
			return
		}
		pl = &Plane{ID: pt.id, Name: pt.name, sp: ix.sp}
		ix.planes[key] = pl
		ix.sp.Planes = append(ix.sp.Planes, pl)
	}
	n := int32(pl.Parts)
	pl.Parts++
	pl.Truncated = pl.Truncated || pt.cut
	for _, r := range pt.runs {
		r.part = n
		pl.runs = append(pl.runs, r)
	}
	for _, lp := range pt.lines {
		lp.sec.part = n
		ix.uniteLine(pl, lp)
	}
}

// uniteLine adds a line message to the line of its id. Two messages with the
// same id but different names are two lines.
func (ix *indexer) uniteLine(pl *Plane, lp linePart) {
	key := lineKey{pl: pl, id: lp.id}
	ln := ix.lines[key]
	others := key
	others.name = lp.name
	if ln != nil && ln.Name != lp.name && ln.Name != "" && lp.name != "" {
		ln = ix.others[others]
	}
	if ln == nil {
		if int64(ix.nLines) >= max(maxLines, ix.sp.Size/512) {
			ix.problem(CodeLimit, lp.sec.off, "more lines than are kept: the rest is left out")
			return
		}
		ix.nLines++
		ln = &Line{ID: lp.id, Name: lp.name, TimestampNs: lp.ts, pl: pl}
		pl.Lines = append(pl.Lines, ln)
		if ix.lines[key] == nil {
			ix.lines[key] = ln
		} else {
			ix.others[others] = ln
		}
	}
	if ln.Name == "" {
		ln.Name = lp.name
	}
	ln.tail.merge(lp.lineFields)
	if lp.sec.end > lp.sec.off {
		if len(ln.sections) == 0 {
			ln.TimestampNs = lp.ts
		}
		ln.sections = append(ln.sections, lp.sec)
		ln.Bytes += lp.sec.end - lp.sec.off
	}
}
