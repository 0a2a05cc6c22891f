// SPDX-License-Identifier: Apache-2.0

package chromejson

import (
	"bytes"
	"iter"
	"strconv"
)

// Kind is the JSON type of a value.
type Kind uint8

// The kinds of a [Value]. Invalid covers what JSON does not know (NaN,
// Infinity, stray words), which real writers put into args.
const (
	None Kind = iota // no value
	String
	Number
	Bool
	Null
	Object
	Array
	Invalid
)

// Value is the raw bytes of one JSON value, without space around it. Nested
// values are balanced; inside they are checked only by those who walk them.
type Value []byte

// Kind tells the value's type by its first bytes.
func (v Value) Kind() Kind {
	if len(v) == 0 {
		return None
	}
	switch c := v[0]; c {
	case '"':
		return String
	case '{':
		return Object
	case '[':
		return Array
	case 't', 'f':
		if string(v) == "true" || string(v) == "false" {
			return Bool
		}
	case 'n':
		if string(v) == "null" {
			return Null
		}
	default:
		if c == '-' && len(v) > 1 {
			c = v[1]
		}
		if c-'0' <= 9 {
			return Number
		}
	}
	return Invalid
}

// Raw returns the bytes between a string's quotes, escapes included, and the
// whole value for any other kind.
func (v Value) Raw() []byte {
	if len(v) >= 2 && v[0] == '"' {
		return v[1 : len(v)-1]
	}
	return v
}

// AppendText appends a string's decoded text, or the raw bytes of any other
// kind, to dst.
func (v Value) AppendText(dst []byte) []byte {
	if v.Kind() != String {
		return append(dst, v...)
	}
	dst, _ = Unquote(dst, v.Raw())
	return dst
}

// Int reads an integer, in quotes or not. JAX quotes every number in args.
func (v Value) Int() (int64, bool) {
	raw := v.Raw()
	if len(raw) <= 16 {
		n := int64(0)
		for _, c := range raw {
			if c -= '0'; c > 9 {
				return parseInt(raw)
			}
			n = n*10 + int64(c)
		}
		return n, len(raw) > 0
	}
	return parseInt(raw)
}

func parseInt(raw []byte) (int64, bool) {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	return n, err == nil
}

// Uint is [Value.Int] for unsigned 64-bit numbers, such as hashes and addresses.
func (v Value) Uint() (uint64, bool) {
	n, err := strconv.ParseUint(string(v.Raw()), 10, 64)
	return n, err == nil
}

// Float reads a number, in quotes or not.
func (v Value) Float() (float64, bool) {
	n, err := strconv.ParseFloat(string(v.Raw()), 64)
	return n, err == nil
}

// Micros reads microseconds, in quotes or not, as picoseconds: see [Picoseconds].
func (v Value) Micros() (int64, bool) { return Picoseconds(v.Raw()) }

// All yields the members of an object in file order: the key between its quotes
// and the raw value. It stops early at a syntax error and yields nothing for
// any other kind.
func (v Value) All() iter.Seq2[[]byte, Value] {
	return func(yield func([]byte, Value) bool) {
		i, open := opened(v, '{')
		for open {
			if i >= len(v) || v[i] != '"' {
				return
			}
			keyEnd, st := stringEnd(v, i+1)
			if st != ok {
				return
			}
			key := v[i+1 : keyEnd]
			i = skipSpace(v, keyEnd+1)
			if i >= len(v) || v[i] != ':' {
				return
			}
			i = skipSpace(v, i+1)
			end, st := valueEnd(v, i)
			if st != ok || !yield(key, v[i:end]) {
				return
			}
			i, open = listed(v, end)
		}
	}
}

// Elems yields the elements of an array in file order, under the same terms as
// [Value.All].
func (v Value) Elems() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		i, open := opened(v, '[')
		for open {
			end, st := valueEnd(v, i)
			if st != ok || !yield(v[i:end]) {
				return
			}
			i, open = listed(v, end)
		}
	}
}

// opened steps into a container; open is false if v is another kind or empty.
func opened(v Value, brace byte) (i int, open bool) {
	if len(v) == 0 || v[0] != brace {
		return 0, false
	}
	i = skipSpace(v, 1)
	return i, i < len(v) && v[i] != brace+2 // '{'+2 is '}', '['+2 is ']'
}

// listed steps over the comma behind an element.
func listed(v Value, i int) (next int, open bool) {
	i = skipSpace(v, i)
	if i >= len(v) || v[i] != ',' {
		return i, false
	}
	return skipSpace(v, i+1), true
}

// Lookup returns the value of an object's member, the last one if the key
// occurs twice.
func (v Value) Lookup(key string) (val Value, found bool) {
	for k, x := range v.All() {
		if keyIs(k, key) {
			val, found = x, true
		}
	}
	return val, found
}

// keyIs compares a raw key with a plain one.
func keyIs(raw []byte, key string) bool {
	if string(raw) == key {
		return true
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return false
	}
	var buf [64]byte
	text, valid := Unquote(buf[:0], raw)
	return valid && string(text) == key
}
