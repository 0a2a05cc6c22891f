// SPDX-License-Identifier: Apache-2.0

package chromejson

// scanArgs reads the object at b[i:] into ev.Args and picks the wanted keys.
func (rd *Reader) scanArgs(b []byte, i int) (int, status) {
	start := i
	clear(rd.ev.Want) // a second "args" replaces the first
	var st status
	i = skipBreak(b, i+1)
	for {
		if i >= len(b) {
			return i, more
		}
		if b[i] != '"' {
			if b[i] == '}' {
				rd.ev.Args = Value(b[start : i+1 : i+1])
				return i + 1, ok
			}
			return rd.broken(i, "a member's name or '}'")
		}
		key := i + 1
		i, st = stringEnd(b, key)
		if st != ok {
			return i, st
		}
		want := rd.want.find(b[key:i])
		i = skipSpace(b, i+1)
		if i >= len(b) {
			return i, more
		}
		if b[i] != ':' {
			return rd.broken(i, "':'")
		}
		i = skipSpace(b, i+1)
		val := i
		if i < len(b) && b[i] == '"' { // most are strings
			i, st = stringEnd(b, i+1)
			i++
		} else {
			i, st = rd.value(b, i)
		}
		if st != ok {
			return i, st
		}
		if want >= 0 {
			rd.ev.Want[want] = Value(b[val:i:i])
		}
		i = skipSpace(b, i)
		if i >= len(b) {
			return i, more
		}
		switch b[i] {
		case ',':
			i = skipBreak(b, i+1)
		case '}':
			rd.ev.Args = Value(b[start : i+1 : i+1])
			return i + 1, ok
		default:
			return rd.broken(i, "',' or '}'")
		}
	}
}

// wantTable finds the wanted keys of args: candidates by length, then by bytes.
// Keys are compared as written; a wanted key spelled with escapes is not found.
type wantTable struct {
	keys  []string
	first [64]int16 // index+1 of the first key whose length is i modulo 64
	next  []int16   // the next key of that length, likewise
}

func newWantTable(keys []string) wantTable {
	t := wantTable{keys: keys, next: make([]int16, len(keys))}
	for i, key := range keys {
		slot := &t.first[len(key)&63]
		t.next[i], *slot = *slot, int16(i+1)
	}
	return t
}

// find returns the index of key among the wanted ones, -1 if it is none.
func (t *wantTable) find(key []byte) int {
	for i := t.first[len(key)&63]; i > 0; i = t.next[i-1] {
		if t.keys[i-1] == string(key) {
			return int(i - 1)
		}
	}
	return -1
}
