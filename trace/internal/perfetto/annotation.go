// SPDX-License-Identifier: Apache-2.0

package perfetto

import (
	"math"
	"strconv"
)

// ValueKind says what an annotation's value is.
type ValueKind uint8

// The kinds of values.
const (
	NoValue ValueKind = iota
	Bool
	Uint
	Int
	Double
	Pointer
	Text
	JSON // a text that is JSON
	Dict
	Array
	Message // an encoded message
)

// An Annotation is one named value of an event (DebugAnnotation).
type Annotation struct {
	Name StringID
	Kind ValueKind
	Bits uint64 // of a number
	Str  StringID
	text span

	rd   *Reader
	buf  []byte
	s    span // the whole annotation
	old  bool // Dict and Array are of the old NestedValue form
	list int  // field number of the members
}

// Field numbers of DebugAnnotation.
const (
	annotationNameID  = 1
	annotationBool    = 2
	annotationUint    = 3
	annotationInt     = 4
	annotationDouble  = 5
	annotationString  = 6
	annotationPointer = 7
	annotationNested  = 8
	annotationJSON    = 9
	annotationName    = 10
	annotationDict    = 11
	annotationArray   = 12
	annotationMessage = 14
	annotationValueID = 17
)

// Annotations yields the annotations of the event at hand, each valid until the
// next. It may be called several times before the next record.
func (rd *Reader) Annotations(yield func(*Annotation) bool) {
	for _, s := range rd.Event.annotations {
		if !rd.annotation(&rd.note, rd.owner, rd.Event.buf, s) {
			rd.complain(DamagedPacket, "an annotation that cannot be decoded")
			continue
		}
		if !yield(&rd.note) {
			return
		}
	}
}

// NumAnnotations returns how many annotations the event at hand has.
func (rd *Reader) NumAnnotations() int { return len(rd.Event.annotations) }

// annotation decodes one annotation, its members excluded.
func (rd *Reader) annotation(a *Annotation, sq *sequence, b []byte, s span) bool {
	*a = Annotation{rd: rd, buf: b, s: s}
	bad := false
	for p := s.at; p < s.end; {
		var v uint64
		switch b[p] {
		case annotationNameID << 3:
			v, p = uvarint(b, p+1)
			a.Name = rd.stateText(sq, v, false)
		case annotationValueID<<3&0x7f | 0x80: // 88 01
			if b[p+1] != annotationValueID>>4 {
				return false
			}
			v, p = uvarint(b, p+2)
			a.Kind, a.Str = Text, rd.stateText(sq, v, true)
		case annotationUint << 3:
			a.Bits, p = uvarint(b, p+1)
			a.Kind = Uint
		case annotationInt << 3:
			a.Bits, p = uvarint(b, p+1)
			a.Kind = Int
		default:
			at := span{p, s.end}
			var f field
			if !at.next(b, &f, &bad) {
				return false
			}
			rd.value(a, sq, &f)
			p = at.at
		}
		if p > s.end {
			return false
		}
	}
	return !bad
}

// value takes one field of an annotation.
func (rd *Reader) value(a *Annotation, sq *sequence, f *field) {
	switch f.num {
	case annotationName:
		if f.wire == wireBytes {
			a.Name = rd.intern(f.span.bytes(a.buf))
		}
	case annotationNameID:
		a.Name = rd.stateText(sq, f.val, false)
	case annotationBool:
		a.Kind, a.Bits = Bool, f.val
	case annotationUint:
		a.Kind, a.Bits = Uint, f.val
	case annotationInt:
		a.Kind, a.Bits = Int, f.val
	case annotationDouble:
		a.Kind, a.Bits = Double, f.val
	case annotationPointer:
		a.Kind, a.Bits = Pointer, f.val
	case annotationValueID:
		a.Kind, a.Str = Text, rd.stateText(sq, f.val, true)
	}
	if f.wire != wireBytes {
		return
	}
	switch f.num {
	case annotationString:
		a.Kind, a.text = Text, f.span
	case annotationJSON:
		a.Kind, a.text = JSON, f.span
	case annotationDict:
		a.Kind, a.list = Dict, annotationDict
	case annotationArray:
		a.Kind, a.list = Array, annotationArray
	case annotationNested:
		a.Kind, a.s, a.old = Dict, f.span, true
	case annotationMessage:
		if a.Kind == NoValue {
			a.Kind, a.text = Message, f.span
		}
	}
}

// stateText returns an interned annotation name or value.
func (rd *Reader) stateText(sq *sequence, iid uint64, value bool) StringID {
	if sq == nil {
		return 0
	}
	t := &sq.annotations
	if value {
		t = &sq.values
	}
	if id := t.get(iid); id != 0 && id != interned {
		return id
	}
	id, _ := rd.known(t, iid)
	return id
}

// Bytes returns the value of a Text, JSON or Message annotation. It is valid until
// the next record.
func (a *Annotation) Bytes() []byte {
	if a.text.at != 0 || a.Str == 0 {
		return a.text.bytes(a.buf)
	}
	return []byte(a.rd.strings.list[a.Str])
}

// Int returns the value of a Uint, Int, Bool or Pointer annotation, and of a text
// that is a decimal number.
func (a *Annotation) Int() (int64, bool) {
	switch a.Kind {
	case Uint, Pointer, Bool:
		return int64(a.Bits), a.Bits <= math.MaxInt64
	case Int:
		return int64(a.Bits), true
	case Text:
		n, err := strconv.ParseInt(string(a.Bytes()), 10, 64)
		return n, err == nil
	}
	return 0, false
}

// String returns the value of one annotation without members as text.
func (a *Annotation) String() string {
	switch a.Kind {
	case Bool:
		return strconv.FormatBool(a.Bits != 0)
	case Uint:
		return strconv.FormatUint(a.Bits, 10)
	case Int:
		return strconv.FormatInt(int64(a.Bits), 10)
	case Pointer:
		return "0x" + strconv.FormatUint(a.Bits, 16)
	case Double:
		return strconv.FormatFloat(math.Float64frombits(a.Bits), 'g', -1, 64)
	case Text, JSON, Message:
		return string(a.Bytes())
	}
	return ""
}

// maxDepth bounds the nesting of annotations.
const maxDepth = 64

// Flatten yields the annotation and all below it that have a value of their own,
// with keys as Perfetto makes them: "name", "name.member", "name[3]". Deeper than
// 64 levels nothing is yielded.
func (a *Annotation) Flatten(yield func(key string, v *Annotation) bool) {
	a.flatten(a.rd.Text(a.Name), 0, yield)
}

func (a *Annotation) flatten(key string, depth int, yield func(string, *Annotation) bool) bool {
	if a.Kind != Dict && a.Kind != Array {
		return yield(key, a)
	}
	if depth >= maxDepth {
		return true
	}
	if a.old {
		return a.nested(key, a.s, depth, yield)
	}
	bad, n := false, 0
	s := a.s
	for f := (field{}); s.next(a.buf, &f, &bad); {
		if f.num != a.list || f.wire != wireBytes {
			continue
		}
		var m Annotation
		if !a.rd.annotation(&m, a.rd.owner, a.buf, f.span) {
			continue
		}
		sub := key + "[" + strconv.Itoa(n) + "]"
		if a.Kind == Dict {
			sub = key + "." + a.rd.Text(m.Name)
		}
		if n++; !m.flatten(sub, depth+1, yield) {
			return false
		}
	}
	return true
}

// Field numbers of DebugAnnotation.NestedValue.
const (
	nestedKeys   = 2
	nestedValues = 3
	nestedArray  = 4
	nestedInt    = 5
	nestedDouble = 6
	nestedBool   = 7
	nestedString = 8
)

// nested yields the leaves of an old NestedValue: keys and values of a dictionary
// are lists of equal length.
func (a *Annotation) nested(key string, s span, depth int, yield func(string, *Annotation) bool) bool {
	if depth >= maxDepth {
		return true
	}
	var keys, values []span
	bad, n := false, 0
	leaf := Annotation{rd: a.rd, buf: a.buf}
	for f := (field{}); s.next(a.buf, &f, &bad); {
		switch {
		case f.num == nestedKeys && f.wire == wireBytes:
			keys = append(keys, f.span)
		case f.num == nestedValues && f.wire == wireBytes:
			values = append(values, f.span)
		case f.num == nestedArray && f.wire == wireBytes:
			if n++; !a.nested(key+"["+strconv.Itoa(n-1)+"]", f.span, depth+1, yield) {
				return false
			}
		case f.num == nestedInt:
			leaf.Kind, leaf.Bits = Int, f.val
		case f.num == nestedDouble:
			leaf.Kind, leaf.Bits = Double, f.val
		case f.num == nestedBool:
			leaf.Kind, leaf.Bits = Bool, f.val
		case f.num == nestedString && f.wire == wireBytes:
			leaf.Kind, leaf.text = Text, f.span
		}
	}
	for i := range min(len(keys), len(values)) {
		if !a.nested(key+"."+string(keys[i].bytes(a.buf)), values[i], depth+1, yield) {
			return false
		}
	}
	return leaf.Kind == NoValue || yield(key, &leaf)
}
