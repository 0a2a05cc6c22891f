// SPDX-License-Identifier: Apache-2.0

package chromejson

import "bytes"

// element reads the next element of traceEvents, or one of the things between
// elements. It returns true if rd.ev is an event to hand out.
func (rd *Reader) element() bool {
	w := &rd.in
	b := w.b
	i := skipSpace(b, w.pos)
	if i < len(b) && b[i] == ',' {
		if rd.comma || !rd.any {
			rd.report(ExtraComma, w.base+int64(i), "found a comma without an element before it")
		}
		rd.comma = true
		i = skipSpace(b, i+1)
	}
	w.pos = i
	if i >= len(b) {
		if !w.grow() {
			rd.err = rd.arrayCut()
		}
		return false
	}
	if b[i] != '{' {
		rd.odd(b[i])
		return false
	}
	next, st := rd.scanEvent(b, i+1)
	switch st {
	case ok:
		return rd.accept(i, next)
	case more:
		switch {
		case len(b)-i > rd.opt.MaxEvent:
			rd.report(TooLarge, w.offset(), "found an event beyond the size limit")
			rd.passed()
			rd.skipStream()
		case !w.grow():
			rd.err = rd.finish(Truncated, "the rest of an event")
		}
	default:
		rd.recover()
	}
	return false
}

// accept takes the scanned event b[i:next] or counts why not.
func (rd *Reader) accept(i, next int) bool {
	w, ev := &rd.in, rd.ev
	ev.Offset = w.base + int64(i)
	w.pos = next
	if rd.any && !rd.comma {
		rd.report(MissingComma, ev.Offset, "found an event, wanted a comma before it")
	}
	rd.passed()
	if ev.Ph == 0 {
		if w.b[skipSpace(w.b, i+1)] == '}' {
			rd.empty++
		} else {
			rd.report(NoPhase, ev.Offset, `found an event without a phase, wanted "ph"`)
		}
		return false
	}
	if ev.HasTs && !rd.setTime() {
		rd.report(BadTime, ev.Offset, "found a time more than 106 days from the first one")
		return false
	}
	rd.events++
	return true
}

// passed notes that an element has been read.
func (rd *Reader) passed() { rd.any, rd.comma = true, false }

// odd deals with an element of traceEvents that is no object, and its end.
func (rd *Reader) odd(c byte) {
	w := &rd.in
	switch c {
	case ',':
		return // the second of two: counted on the next round
	case ']':
		if rd.comma {
			rd.report(ExtraComma, w.offset(), "found a comma before the end of the array")
		}
		w.pos++
		if rd.at == inBareArray {
			rd.at = atEnd
		} else {
			rd.at = inObject
		}
		return
	}
	end, st := valueEnd(w.b, w.pos)
	if st == more && len(w.b)-w.pos <= rd.opt.MaxEvent {
		if !w.grow() {
			rd.err = rd.finish(Truncated, "the rest of an element")
		}
		return
	}
	if p := rd.count(NotObject, w.offset()); p != nil {
		p.Msg = "found " + describe(w.b, w.pos) + ", wanted an event"
	}
	rd.passed()
	if st == ok {
		w.pos = end
		return
	}
	w.pos++
	rd.resync()
}

// arrayCut ends the document between two elements.
func (rd *Reader) arrayCut() error {
	if rd.at == inBareArray {
		return rd.finish(Unclosed, "']'")
	}
	return rd.finish(Truncated, "the end of traceEvents")
}

// recover counts the broken event at the scanner's place and steps over it: to
// its closing brace if brackets and strings are in order, else to what looks
// like the start of the next event.
func (rd *Reader) recover() {
	w, f := &rd.in, rd.fault
	if end, st := wordEnd(w.b, f.at); st == ok && w.cutWord(end) {
		rd.err = rd.finish(Truncated, f.want)
		return
	}
	if p := rd.count(f.code, w.base+int64(f.at)); p != nil {
		p.Msg = "found " + describe(w.b, f.at) + ", wanted " + f.want
	}
	rd.passed()
	for {
		end, st := containerEnd(w.b, w.pos)
		switch {
		case st == ok && skipSpace(w.b, end) == len(w.b) && w.grow():
			continue
		case st == ok && endsElement(w.b, end):
			w.pos = end
			return
		case st == deep:
			rd.skipStream()
			return
		case st == more && len(w.b)-w.pos < 64<<10:
			if w.grow() {
				continue
			}
		}
		rd.waste(end - w.pos)
		break
	}
	w.pos++
	rd.resync()
}

// endsElement reports whether what follows b[:i] may follow an array element.
func endsElement(b []byte, i int) bool {
	i = skipSpace(b, i)
	return i >= len(b) || b[i] == ',' || b[i] == ']' || b[i] == '{'
}

// resync looks from the scanner's place on for a brace that opens an event: one
// that scans as such and has a phase.
func (rd *Reader) resync() {
	w := &rd.in
	for rd.err == nil {
		n := bytes.IndexByte(w.b[w.pos:], '{')
		if n < 0 {
			w.pos = len(w.b)
			if !w.grow() {
				rd.err = rd.finish(Truncated, "the next event")
			}
			continue
		}
		w.pos += n
		next, st := rd.scanEvent(w.b, w.pos+1)
		switch {
		case st == ok && rd.ev.Ph != 0:
			rd.comma = true // whatever stood before it has been counted
			return
		case st == more && len(w.b)-w.pos <= rd.opt.MaxEvent:
			if w.grow() {
				continue
			}
		}
		rd.waste(next - w.pos)
		w.pos++
	}
}

// waste counts bytes scanned in vain. A file made to provoke such scans could
// keep the reader busy for the square of its size.
func (rd *Reader) waste(n int) {
	rd.wasted += int64(n)
	if rd.wasted > 64<<20+16*rd.in.offset() {
		rd.err = &SyntaxError{rd.in.offset(), "one broken event after another", "Trace Event JSON"}
	}
}

// skipStream steps over the object, array or string at the scanner's place
// without keeping it, however long. Only strings and depth count.
func (rd *Reader) skipStream() {
	w := &rd.in
	depth, inString, escape := 0, false, false
	for {
		for ; w.pos < len(w.b); w.pos++ {
			c := w.b[w.pos]
			switch {
			case escape:
				escape = false
				continue
			case inString:
				escape = c == '\\'
				inString = c != '"'
			case c == '"':
				inString = true
			case c == '{' || c == '[':
				depth++
			case c == '}' || c == ']':
				depth--
			}
			if depth <= 0 && !inString {
				w.pos++
				return
			}
		}
		if !w.grow() {
			rd.err = rd.finish(Truncated, "the rest of a value")
			return
		}
	}
}
