// SPDX-License-Identifier: Apache-2.0

package xspace

import (
	"fmt"
	"io"
)

// Index walks the tags and lengths of an XSpace of the given size and returns
// its planes and lines. It reads no event and no metadata: the cost is that of
// the number of lines and metadata entries, not of the size.
//
// Planes of the same name are united, as are their lines of the same id. A file
// that ends early is not an error but a [Problem]; broken outermost framing is a
// [FramingError], and then the Space holds what stood before it. A file of zero
// bytes is [ErrEmpty], one rewritten as text [ErrMangled].
func Index(r io.ReaderAt, size int64) (*Space, error) {
	if size <= 0 {
		return nil, ErrEmpty
	}
	ix := newIndexer(r, size)
	return ix.done(ix.space())
}

func newIndexer(r io.ReaderAt, size int64) *indexer {
	return &indexer{
		sp:     &Space{Size: size, r: r},
		cu:     cursor{r: r, size: size},
		planes: map[planeKey]*Plane{},
		lines:  map[lineKey]*Line{},
		others: map[lineKey]*Line{},
	}
}

// done returns the Space, or why there is none.
func (ix *indexer) done(err error) (*Space, error) {
	if err != nil || len(ix.sp.probs.list) > 0 {
		if mangled, merr := ix.mangled(); merr == nil && mangled {
			return nil, ErrMangled
		}
	}
	return ix.sp, err
}

type planeKey struct {
	name string
	id   int64 // only where the name is empty
}

type lineKey struct {
	pl   *Plane
	id   int64
	name string // only where another line has the id
}

// An indexer is the state of one Index.
type indexer struct {
	sp       *Space
	cu       cursor
	planes   map[planeKey]*Plane
	lines    map[lineKey]*Line // the first of its id
	others   map[lineKey]*Line // the others, and by what names
	messages int               // XLine messages and runs kept so far
	nLines   int
	known    bool     // a field of XSpace was seen
	outline  *Outline // planes are only noted in it; nil = they are indexed
}

// space walks the outermost message.
func (ix *indexer) space() error {
	for off := int64(0); off < ix.sp.Size; {
		f, next, err := ix.cu.field(off, ix.sp.Size)
		switch {
		case err == errShort && ix.known:
			ix.problem(CodeTruncated, off, "the file ends inside a tag or length")
			return nil
		case isDamage(err):
			return &FramingError{off, "no protobuf field here: wanted a plane, error, warning or host name of an XSpace"}
		case err != nil:
			return err
		}
		if f.wire == wireBytes && f.num <= spaceHostnames {
			ix.known = true
			if err := ix.spaceField(off, f); err != nil {
				return err
			}
		} else if next > ix.sp.Size {
			ix.problem(CodeTruncated, off, "the file ends inside a field of the XSpace")
		}
		off = next
	}
	if !ix.known {
		return &FramingError{0, "no plane, error, warning or host name in the file: wanted an XSpace"}
	}
	return nil
}

func (ix *indexer) spaceField(off int64, f span) error {
	cut := f.end > ix.sp.Size
	if cut {
		ix.problem(CodeTruncated, off, fmt.Sprintf("the field here declares %d bytes, %d are present", f.end-f.off, ix.sp.Size-f.off))
		f.end = ix.sp.Size
	}
	var list *[]string
	switch f.num {
	case spacePlanes:
		if ix.outline != nil {
			return ix.header(f.off, f.end, cut)
		}
		return ix.plane(f.off, f.end, cut)
	case spaceErrors:
		list = &ix.sp.Errors
	case spaceWarnings:
		list = &ix.sp.Warnings
	case spaceHostnames:
		list = &ix.sp.Hostnames
	}
	if len(*list) >= maxTexts {
		ix.problem(CodeLimit, off, "more error, warning or host name texts than are kept")
		return nil
	}
	s, err := ix.cu.text(f)
	*list = append(*list, s)
	return err
}

// A part is one XPlane message before it is united with others of its name.
type part struct {
	id    int64
	name  string
	cut   bool
	lines []linePart
	runs  []run
}

// A linePart is one XLine message: the fields before its first event, and where
// that is.
type linePart struct {
	lineFields
	sec section
}

// plane walks one XPlane message in [off, end).
func (ix *indexer) plane(off, end int64, cut bool) error {
	pt := part{cut: cut}
	for off < end {
		f, next, err := ix.cu.field(off, end)
		if isDamage(err) || err == nil && next > end && f.wire != wireBytes {
			if !cut || err == errDamaged {
				ix.sp.probs.add(Problem{Code: CodePlane, Offset: off, Plane: pt.name, Event: -1,
					Msg: "no protobuf field here: the rest of the plane is lost"})
			}
			break
		}
		if err != nil {
			return err
		}
		if err := ix.planeField(&pt, off, end, f); err != nil {
			return err
		}
		off = next
	}
	ix.unite(pt)
	return nil
}

// planeField handles the field f of a plane, whose tag is at off and whose plane
// ends at end.
func (ix *indexer) planeField(pt *part, off, end int64, f span) error {
	if f.wire == wireVarint && f.num == planeID {
		pt.id = int64(f.val)
	}
	if f.wire != wireBytes {
		return nil
	}
	past := f.end > end
	if past {
		if !pt.cut {
			ix.sp.probs.add(Problem{Code: CodePlane, Offset: off, Plane: pt.name, Event: -1,
				Msg: fmt.Sprintf("a field declares %d bytes, its plane has %d left", f.end-f.off, end-f.off)})
		}
		f.end = end
	}
	switch f.num {
	case planeName:
		s, err := ix.cu.text(f)
		pt.name = s
		return err
	case planeLines:
		return ix.line(pt, f.off, f.end, past)
	case planeEvents, planeStats, planeStat:
		if past {
			return nil // a cut entry is no entry
		}
		if n := len(pt.runs); n > 0 && pt.runs[n-1].end == off {
			pt.runs[n-1].end = f.end
		} else if ix.room(pt, off) {
			pt.runs = append(pt.runs, run{off: off, end: f.end})
		}
	}
	return nil
}

// room counts one more line message or run, and reports whether it may be kept.
func (ix *indexer) room(pt *part, off int64) bool {
	if int64(ix.messages) >= max(maxSections, ix.sp.Size/256) {
		ix.sp.probs.add(Problem{Code: CodeLimit, Offset: off, Event: -1, Msg: "more line messages than are kept: the rest is left out"})
		return false
	}
	ix.messages++
	return true
}

// line reads the fields of the XLine message in [off, end) up to its first
// event.
func (ix *indexer) line(pt *part, off, end int64, cut bool) error {
	if !ix.room(pt, off) {
		return nil
	}
	var lp linePart
	for start := off; off < end; {
		f, next, err := ix.cu.field(off, end)
		if isDamage(err) || err == nil && f.num != lineEvents && next > end {
			if !cut {
				ix.sp.probs.add(Problem{Code: CodeLine, Offset: off, Plane: pt.name, Line: lp.name, Event: -1,
					Msg: "no protobuf field before the first event of the line"})
			}
			break
		}
		if err != nil {
			return err
		}
		if f.num == lineEvents && f.wire == wireBytes {
			lp.sec = section{off: off, end: end, cut: cut}
			if off > start {
				break
			}
			if err := ix.oddLine(&lp, off, end); err != nil {
				return err
			}
			break
		}
		if err := ix.lineField(&lp.lineFields, f); err != nil {
			return err
		}
		off = next
	}
	lp.sec.ts = lp.ts
	pt.lines = append(pt.lines, lp)
	return nil
}

// oddLine walks a whole line that starts with an event. No writer that keeps
// field order does that except for an unnamed line with id 0, so id, name and
// timestamp are looked for behind the events.
func (ix *indexer) oddLine(lp *linePart, off, end int64) error {
	for off < end {
		f, next, err := ix.cu.field(off, end)
		if isDamage(err) || err == nil && next > end {
			return nil // the scan will report it
		}
		if err != nil {
			return err
		}
		if f.num != lineEvents {
			if err := ix.lineField(&lp.lineFields, f); err != nil {
				return err
			}
		}
		off = next
	}
	return nil
}

func (ix *indexer) lineField(lf *lineFields, f span) error {
	if f.wire == wireVarint {
		lf.scalar(f.num, f.val)
		return nil
	}
	if f.wire != wireBytes || f.num != lineName && f.num != lineDisplayName {
		return nil
	}
	s, err := ix.cu.text(f)
	lf.text(f.num, s)
	return err
}

func (lf *lineFields) scalar(num int, v uint64) {
	switch num {
	case lineID:
		lf.id = int64(v)
	case lineTimestamp:
		lf.ts = int64(v)
	case lineDuration:
		lf.durationPs = int64(v)
	case lineDisplayID:
		lf.displayID = int64(v)
	}
}

func (lf *lineFields) text(num int, s string) {
	switch num {
	case lineName:
		lf.name = s
	case lineDisplayName:
		lf.displayName = s
	}
}

func (ix *indexer) problem(code string, off int64, msg string) {
	ix.sp.probs.add(Problem{Code: code, Offset: off, Event: -1, Msg: msg})
}
