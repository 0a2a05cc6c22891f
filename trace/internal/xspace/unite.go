// SPDX-License-Identifier: Apache-2.0

package xspace

import "fmt"

// unite adds a plane message to the plane of its name.
func (ix *indexer) unite(pt part) {
	key := planeKey{name: pt.name}
	if pt.name == "" {
		key.id = pt.id
	}
	pl := ix.planes[key]
	if pl == nil {
		if len(ix.sp.Planes) >= maxPlanes {
			ix.problem(CodeLimit, 0, fmt.Sprintf("more than %d planes: the rest is left out", maxPlanes))
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
	ln := ix.lines[lineKey{pl: pl, id: lp.id, name: lp.name}]
	first := lineKey{pl: pl, id: lp.id, any: true}
	if ln == nil {
		if any := ix.lines[first]; any != nil && (lp.name == "" || any.Name == "") {
			ln = any
		}
	}
	if ln == nil {
		if ix.nLines >= maxLines {
			ix.sp.probs.add(Problem{Code: CodeLimit, Offset: lp.sec.off, Plane: pl.Name, Event: -1,
				Msg: fmt.Sprintf("more than %d lines: the rest is left out", maxLines)})
			return
		}
		ix.nLines++
		ln = &Line{ID: lp.id, Name: lp.name, TimestampNs: lp.ts, pl: pl}
		pl.Lines = append(pl.Lines, ln)
		if ix.lines[first] == nil {
			ix.lines[first] = ln
		}
	}
	if ln.Name == "" {
		ln.Name = lp.name
	}
	ix.lines[lineKey{pl: pl, id: lp.id, name: lp.name}] = ln
	ln.tail.merge(lp.lineFields)
	if lp.sec.end > lp.sec.off {
		if len(ln.sections) == 0 {
			ln.TimestampNs = lp.ts
		}
		ln.sections = append(ln.sections, lp.sec)
		ln.Bytes += lp.sec.end - lp.sec.off
	}
}
