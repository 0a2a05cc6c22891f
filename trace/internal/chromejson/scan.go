// SPDX-License-Identifier: Apache-2.0

package chromejson

import "encoding/binary"

// member names the members of an event that have a place in [Event].
type member uint8

const (
	otherMember member = iota
	phMember
	tsMember
	durMember
	pidMember
	tidMember
	nameMember
	catMember
	argsMember
)

// The first bytes of a key with its closing quote, as a little-endian number.
const (
	wordPh   = 'p' | 'h'<<8 | '"'<<16
	wordTs   = 't' | 's'<<8 | '"'<<16
	wordDur  = 'd' | 'u'<<8 | 'r'<<16 | '"'<<24
	wordPid  = 'p' | 'i'<<8 | 'd'<<16 | '"'<<24
	wordTid  = 't' | 'i'<<8 | 'd'<<16 | '"'<<24
	wordCat  = 'c' | 'a'<<8 | 't'<<16 | '"'<<24
	wordName = 'n' | 'a'<<8 | 'm'<<16 | 'e'<<24
	wordArgs = 'a' | 'r'<<8 | 'g'<<16 | 's'<<24
)

// fault is where and why an event is broken.
type fault struct {
	at   int // index into the window
	code Code
	want string
}

// scanEvent reads the event whose opening brace is b[i-1] into rd.ev and returns
// the index behind its closing brace. On bad, rd.fault says what is wrong.
//
// It runs over the window without side effects but on rd.ev: if the window ends
// inside, the caller reads on and scans the event again from its start.
func (rd *Reader) scanEvent(b []byte, i int) (int, status) {
	ev := rd.ev
	ev.reset()
	for {
		i = skipBreak(b, i)
		if i >= len(b) {
			return i, more
		}
		if b[i] != '"' {
			if b[i] == '}' {
				return i + 1, ok
			}
			return rd.broken(i, "a member's name or '}'")
		}
		i++
		m, keyEnd, st := keyOf(b, i)
		if st != ok {
			return i, st
		}
		key := b[i:keyEnd]
		i = skipSpace(b, keyEnd+1)
		if i >= len(b) {
			return i, more
		}
		if b[i] != ':' {
			return rd.broken(i, "':'")
		}
		i = skipSpace(b, i+1)
		i, st = rd.scanMember(m, key, b, i)
		if st != ok {
			return i, st
		}
		i = skipSpace(b, i)
		if i >= len(b) {
			return i, more
		}
		switch b[i] {
		case ',':
			i++
		case '}':
			return i + 1, ok
		default:
			return rd.broken(i, "',' or '}'")
		}
	}
}

func (rd *Reader) broken(at int, want string) (int, status) {
	rd.fault = fault{at, BadSyntax, want}
	return at, bad
}

// keyOf names the key that starts at b[i] and finds its closing quote.
func keyOf(b []byte, i int) (member, int, status) {
	if i+8 <= len(b) {
		w := binary.LittleEndian.Uint64(b[i:])
		switch uint32(w) {
		case wordDur:
			return durMember, i + 3, ok
		case wordPid:
			return pidMember, i + 3, ok
		case wordTid:
			return tidMember, i + 3, ok
		case wordCat:
			return catMember, i + 3, ok
		case wordName:
			if byte(w>>32) == '"' {
				return nameMember, i + 4, ok
			}
		case wordArgs:
			if byte(w>>32) == '"' {
				return argsMember, i + 4, ok
			}
		default:
			switch w & 0xffffff {
			case wordPh:
				return phMember, i + 2, ok
			case wordTs:
				return tsMember, i + 2, ok
			}
		}
	}
	end, st := stringEnd(b, i)
	if st != ok {
		return otherMember, end, st
	}
	return slowKey(b[i:end]), end, ok
}

var memberNames = map[string]member{
	"ph": phMember, "ts": tsMember, "dur": durMember, "pid": pidMember, "tid": tidMember,
	"name": nameMember, "cat": catMember, "args": argsMember,
}

// slowKey knows keys near the window's end and keys written with escapes.
func slowKey(key []byte) member {
	if len(key) > 24 {
		return otherMember
	}
	if m, found := memberNames[string(key)]; found {
		return m
	}
	for _, c := range key {
		if c == '\\' {
			var buf [32]byte
			text, _ := Unquote(buf[:0], key)
			return memberNames[string(text)]
		}
	}
	return otherMember
}

// scanMember reads the value of one member at b[i:].
func (rd *Reader) scanMember(m member, key, b []byte, i int) (int, status) {
	ev := rd.ev
	if i+4 > len(b) {
		return i, more
	}
	switch m {
	case phMember:
		return rd.scanPhase(b, i)
	case tsMember:
		return rd.scanTs(b, i)
	case durMember:
		return rd.scanDur(b, i)
	case pidMember:
		return rd.scanID(&ev.Pid, b, i)
	case tidMember:
		return rd.scanID(&ev.Tid, b, i)
	case nameMember, catMember:
		text := &ev.Name
		if m == catMember {
			text = &ev.Cat
		}
		if b[i] != '"' {
			return rd.scanOddText(text, b, i)
		}
		end, st := stringEnd(b, i+1)
		if st != ok {
			return end, st
		}
		*text = b[i+1 : end : end]
		return end + 1, ok
	case argsMember:
		if b[i] == '{' {
			return rd.scanArgs(b, i)
		}
	}
	end, st := rd.value(b, i)
	if st != ok {
		return end, st
	}
	if m == argsMember {
		ev.Args = Value(b[i:end:end])
		return end, ok
	}
	ev.Fields = append(ev.Fields, Field{key, Value(b[i:end:end])})
	return end, ok
}

// value is valueEnd with the fault noted.
func (rd *Reader) value(b []byte, i int) (int, status) {
	end, st := valueEnd(b, i)
	switch st {
	case bad:
		return rd.broken(end, "a value")
	case deep:
		rd.fault = fault{end, TooDeep, "at most 1024 levels"}
		return end, bad
	}
	return end, st
}

func (rd *Reader) scanPhase(b []byte, i int) (int, status) {
	if b[i] == '"' && b[i+2] == '"' && b[i+1] != '\\' && b[i+1] != '"' {
		rd.ev.Ph = b[i+1]
		return i + 3, ok
	}
	end, st := rd.value(b, i)
	if st != ok {
		return end, st
	}
	rd.ev.Ph = 0
	if v := Value(b[i:end]); v.Kind() == String {
		var buf [16]byte
		raw := v.Raw()
		text, _ := Unquote(buf[:0], raw[:min(len(raw), 12)]) // 12: a surrogate pair
		if len(text) > 0 {
			rd.ev.Ph = text[0]
		}
	}
	return end, ok
}

func (rd *Reader) scanTs(b []byte, i int) (int, status) {
	m, next, st := scanTime(b, i)
	if st != ok {
		return rd.noTime(b, i, st)
	}
	rd.ts, rd.ev.HasTs = m, true
	return next, ok
}

func (rd *Reader) scanDur(b []byte, i int) (int, status) {
	m, next, st := scanTime(b, i)
	if st != ok {
		return rd.noTime(b, i, st)
	}
	ps, fits := m.since(0)
	if !fits {
		return rd.badTime(i)
	}
	rd.ev.Dur, rd.ev.HasDur = ps, true
	return next, ok
}

// noTime accepts null as an absent time.
func (rd *Reader) noTime(b []byte, i int, st status) (int, status) {
	if st == more {
		return i, more
	}
	if string(b[i:i+4]) == "null" {
		return i + 4, ok
	}
	return rd.badTime(i)
}

func (rd *Reader) badTime(i int) (int, status) {
	rd.fault = fault{i, BadTime, "a decimal number of microseconds within 106 days"}
	return i, bad
}

// scanOddText takes a name or category that is no string: a number's or word's
// bytes, nothing for null, objects and arrays.
func (rd *Reader) scanOddText(text *[]byte, b []byte, i int) (int, status) {
	end, st := rd.value(b, i)
	if st != ok {
		return end, st
	}
	*text = nil
	if v := Value(b[i:end:end]); v.Kind() == Number || v.Kind() == Bool || v.Kind() == Invalid {
		*text = v
	}
	return end, ok
}

// scanID reads a process or thread id: plain integers of up to 18 digits here.
func (rd *Reader) scanID(id *ID, b []byte, i int) (int, status) {
	start := i
	neg := b[i] == '-'
	if neg {
		i++
	}
	first := i
	n := int64(0)
	for i < len(b) && b[i]-'0' <= 9 && i-first < 18 {
		n = n*10 + int64(b[i]-'0')
		i++
	}
	if i >= len(b) {
		return i, more
	}
	if c := b[i]; i > first && (c == ',' || c == '}' || c <= ' ') {
		if neg {
			n = -n
		}
		id.Kind, id.Num = Number, n
		id.Text = nil
		return i, ok
	}
	end, st := rd.value(b, start)
	if st != ok {
		return end, st
	}
	v := Value(b[start:end:end])
	*id = ID{Kind: v.Kind()}
	switch id.Kind {
	case String:
		id.Text = v.Raw()
	case Number:
		if n, whole := v.Int(); whole {
			id.Num = n
		} else {
			id.Text = v
		}
	case Null:
		*id = ID{}
	default:
		return rd.broken(start, "a number or a string")
	}
	return end, ok
}
