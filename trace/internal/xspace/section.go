// SPDX-License-Identifier: Apache-2.0

package xspace

import (
	"fmt"
	"math"
)

// section scans section i of the line.
func (sc *scanner) section(i int, yield func(*Batch) bool) error {
	if sc.held && !sc.flush(yield) {
		return nil
	}
	sc.open(i)
	sc.origin()
	sc.prepare()
	if err := sc.more(1); err != nil {
		return err
	}
	sc.lookAhead(i)
	for {
		if sc.mode < modeCount {
			if sc.k == sc.size && !sc.flush(yield) {
				return nil
			}
			if sc.hot(); sc.k == sc.size {
				continue
			}
		}
		// What is at pos is not an event the hot loop takes: the end of the
		// window, an unusual event, a field of the line, or damage.
		need, err := sc.odd(i)
		if err != nil || need < 0 || sc.stopped {
			return err
		}
		if need > 0 {
			if sc.held && !sc.flush(yield) {
				return nil
			}
			if err := sc.more(need); err != nil {
				return err
			}
		}
	}
}

// odd decodes one field at pos. It returns how many bytes must be in the window
// before that can be done, 0 when it was done and -1 when the section is over.
func (sc *scanner) odd(i int) (need int, err error) {
	b := sc.win[sc.pos:sc.n]
	if len(b) == 0 && sc.left() == 0 {
		return -1, nil
	}
	tag, size, p := fieldSize(b)
	switch {
	case p == fieldShort && sc.left() > 0:
		return min(len(b)+20, len(b)+int(min(sc.left(), 20))), nil
	case p == fieldShort:
		sc.tornEnd(len(b))
		return -1, nil
	case p == fieldBad:
		sc.problem(CodeLine, fmt.Sprintf("no protobuf field here: the rest of the line, %d bytes, is lost", int64(len(b))+sc.left()))
		return -1, nil
	case size > int64(len(b))+sc.left():
		sc.tornEnd(len(b))
		return -1, nil
	case size > maxEventBytes:
		if tag == tagEvent {
			sc.problem(CodeOversized, fmt.Sprintf("an event of %d bytes is left out: at most %d are decoded", size, maxEventBytes))
		}
		sc.jump(sc.base + int64(sc.pos) + size)
		return min(1, int(min(sc.left(), 1))), nil
	case size > int64(len(b)):
		return int(size), nil
	}
	f, _ := nextField(b, 0)
	if tag == tagEvent {
		sc.slowEvent(f.raw)
	} else if err := sc.lineField(i, f); err != nil {
		return -1, err
	}
	sc.pos += int(size)
	return 0, nil
}

// tornEnd reports the n bytes of a field that the section's end cuts.
func (sc *scanner) tornEnd(n int) {
	if sc.sec.cut {
		sc.problem(CodeTruncated, "the file ends inside an event: it is left out")
	} else {
		sc.problem(CodeLine, fmt.Sprintf("a field runs past the end of its line: the last %d bytes are lost", int64(n)+sc.left()))
	}
}

const (
	fieldShort = -1
	fieldBad   = -2
)

// fieldSize returns the tag of the field at b and its whole size, which may be
// more than b holds. p is negative when b is too short to say, or damaged.
func fieldSize(b []byte) (tag uint64, size int64, p int) {
	tag, p = uvarint(b, 0)
	if p < 0 {
		return 0, 0, shortOrBad(b)
	}
	if tag>>3 == 0 || tag>>3 > 1<<29-1 {
		return tag, 0, fieldBad
	}
	switch tag & 7 {
	case wireVarint:
		at := p
		if _, p = uvarint(b, at); p < 0 {
			return tag, 0, shortOrBad(b[at:])
		}
		return tag, int64(p), p
	case wireBytes:
		at := p
		var n uint64
		if n, p = uvarint(b, at); p < 0 {
			return tag, 0, shortOrBad(b[at:])
		}
		if n > 1<<62 {
			return tag, 0, fieldBad
		}
		return tag, int64(p) + int64(n), p
	case wireI64:
		return tag, int64(p) + 8, p
	case wireI32:
		return tag, int64(p) + 4, p
	}
	return tag, 0, fieldBad
}

func shortOrBad(b []byte) int {
	if len(b) < 10 {
		return fieldShort
	}
	return fieldBad
}

// lineField takes a field of the line that stands behind its first event.
func (sc *scanner) lineField(i int, f field) error {
	var lf lineFields
	switch {
	case f.wire == wireVarint && f.num == lineTimestamp:
		return sc.lateTimestamp(i, int64(f.val))
	case f.wire == wireVarint:
		lf.scalar(f.num, f.val)
	case f.wire == wireBytes:
		lf.text(f.num, string(f.raw[:min(len(f.raw), maxName)]))
	}
	sc.ln.mu.Lock()
	sc.ln.tail.merge(lf)
	sc.ln.mu.Unlock()
	return nil
}

// lateTimestamp takes a timestamp behind events: fine while none was yielded.
func (sc *scanner) lateTimestamp(i int, ts int64) error {
	if ts == sc.sec.ts {
		return nil
	}
	if sc.sec.ts != 0 && sc.total+int64(sc.k) > 0 {
		sc.problem(CodeTimestamp, fmt.Sprintf("timestamp_ns %d behind events that were read with %d: it is ignored", ts, sc.sec.ts))
		return nil
	}
	sc.ln.mu.Lock()
	sc.ln.sections[i].ts = ts
	sc.ln.mu.Unlock()
	sc.sec.ts = ts
	if sc.total+int64(sc.k) > 0 && sc.mode != modeCount {
		return ErrLateTimestamp
	}
	sc.origin()
	return nil
}

// lookAhead looks for a timestamp behind the events of a section that has none in
// front and lies in the window whole: cheap there, and the only way that the
// small files of unusual writers scan at once.
func (sc *scanner) lookAhead(i int) {
	if sc.sec.ts != 0 || sc.left() > 0 {
		return
	}
	for p := sc.pos; p < sc.n; {
		f, next := nextField(sc.win[:sc.n], p)
		if next < 0 {
			return
		}
		if f.num == lineTimestamp && f.wire == wireVarint {
			sc.ln.mu.Lock()
			sc.ln.sections[i].ts = int64(f.val)
			sc.ln.mu.Unlock()
			sc.sec.ts = int64(f.val)
			sc.origin()
		}
		p = next
	}
}

// origin computes what the section's offsets count from.
func (sc *scanner) origin() {
	ts, base := sc.sec.ts, sc.opts.BaseNs
	ns := ts - base
	if (ts < 0) != (base < 0) && (ns < 0) != (ts < 0) || ns > math.MaxInt64/1000 || ns < math.MinInt64/1000 {
		sc.problem(CodeTimestamp, fmt.Sprintf("timestamp_ns %d is not within int64 ps of the base %d", ts, base))
		ns = 0
	}
	sc.ts = ns * 1000
}

// problem counts damage at pos.
func (sc *scanner) problem(code, msg string) {
	sc.probs.add(Problem{Code: code, Offset: sc.base + int64(sc.pos), Plane: sc.pl.Name, Line: sc.ln.Name,
		Event: sc.total + int64(sc.k), Msg: msg})
}

// countSection adds the events of section i to total.
func (sc *scanner) countSection(i int) error {
	sc.open(i)
	sc.origin()
	for {
		sc.hop()
		need, err := sc.odd(i)
		if err != nil || need < 0 {
			return err
		}
		if need > 0 {
			if err := sc.more(need); err != nil {
				return err
			}
		}
	}
}
