// SPDX-License-Identifier: Apache-2.0

package chromejson

// scanArgs reads the object at b[i:] into ev.Args and picks the wanted keys.
func (rd *Reader) scanArgs(b []byte, i int) (int, status) {
	start := i
	ev := rd.ev
	if ev.view != nil { // a second "args" replaces the first
		clear(ev.want)
	}
	ev.view = b
	keys := rd.keys.list
	var id, prev uint16
	var st status
	i = skipBreak(b, i+1)
	for {
		if i >= len(b) {
			return i, more
		}
		if b[i] != '"' {
			if b[i] == '}' {
				ev.Args = Value(b[start : i+1 : i+1])
				return i + 1, ok
			}
			return rd.broken(i, "a member's name or '}'")
		}
		key := i + 1
		id = keys[id].next
		i = key + len(keys[id].text)
		if i >= len(b) || b[i] != '"' || string(b[key:i]) != keys[id].text {
			i, st = stringEnd(b, key)
			if st != ok {
				return i, st
			}
			id = rd.keys.learn(prev, b[key:i])
			keys = rd.keys.list
		}
		prev = id
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
		if want := keys[id].want; want >= 0 {
			ev.want[want] = span{uint32(val), uint32(i)}
		}
		i = skipSpace(b, i)
		if i >= len(b) {
			return i, more
		}
		switch b[i] {
		case ',':
			i = skipBreak(b, i+1)
		case '}':
			ev.Args = Value(b[start : i+1 : i+1])
			return i + 1, ok
		default:
			return rd.broken(i, "',' or '}'")
		}
	}
}

// keyTable knows the keys of args that have occurred, the wanted ones first, and
// for each the one that came after it last time. Writers repeat themselves, so
// most keys are found by one comparison instead of a search for their end and a
// look-up of their name. Keys are compared as written: a wanted key spelled
// with escapes is not found.
//
// Note: with a search and a table of lengths in its place a TPU event with ten
// wanted keys took 313 ns instead of 278 (BenchmarkScan).
type keyTable struct {
	list []knownKey
	ids  map[string]uint16
}

type knownKey struct {
	text string
	want int16  // index into Options.Want, -1 if not wanted
	next uint16 // index into list
}

// unknownKey stands before the first key, and for those beyond the table. Its
// text is no key's.
const unknownKey = "\"\x00\""

func newKeyTable(want []string) keyTable {
	t := keyTable{ids: map[string]uint16{}, list: []knownKey{{text: unknownKey, want: -1}}}
	for i, key := range want {
		t.add(key, int16(i))
	}
	return t
}

func (t *keyTable) add(key string, want int16) uint16 {
	id := uint16(len(t.list))
	t.list = append(t.list, knownKey{text: key, want: want})
	t.ids[key] = id
	return id
}

// learn returns the id of the key that was not the expected one after prev, and
// expects it there from now on.
func (t *keyTable) learn(prev uint16, key []byte) uint16 {
	id, known := t.ids[string(key)]
	if !known && len(t.list) < 512 && len(key) <= 64 {
		id = t.add(string(key), -1)
	}
	t.list[prev].next = id
	return id
}
