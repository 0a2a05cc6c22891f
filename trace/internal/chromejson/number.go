// SPDX-License-Identifier: Apache-2.0

package chromejson

import (
	"encoding/binary"
	"math"
	"math/bits"
)

const (
	psPerMicro = 1_000_000
	maxMicro   = math.MaxInt64/psPerMicro - 1 // whole microseconds that fit int64 picoseconds with any fraction
	maxWhole   = 8e17                         // differences of two and a further digit stay in int64
)

var pow10 = [9]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8}

// digits8 counts the decimal digits at the start of the eight bytes of w, first
// byte lowest, and returns their value.
func digits8(w uint64) (n int, value uint64) {
	x := w ^ 0x3030303030303030
	stop := ((x + 0x7676767676767676) | x) & 0x8080808080808080
	n = bits.TrailingZeros64(stop) / 8
	x <<= uint(8-n) * 8 // leading zeros take the place of the bytes behind
	x = x*10 + x>>8
	value = ((x&0x000000ff000000ff)*0x000f424000000064 + (x>>16&0x000000ff000000ff)*0x0000271000000001) >> 32
	return n, value
}

// micros is a decimal number of microseconds, split so that epoch times fit:
// us + ps·1e-6, both of the number's sign, |ps| ≤ 1e6.
type micros struct {
	us int64
	ps int64
}

// since returns the time after origin (whole microseconds) in picoseconds.
func (m micros) since(origin int64) (int64, bool) {
	d := m.us - origin
	if uint64(d+maxMicro) > 2*maxMicro {
		return 0, false
	}
	return d*psPerMicro + m.ps, true
}

// scanTime reads a number of microseconds at b[i:], in quotes or not, and
// returns the index after it.
//
// The result is the exact decimal rounded once to picoseconds, half away from
// zero: JAX prints binary floating-point with 17 digits (66914.493396999998),
// and cutting each one would lose about 2 ns over a file.
func scanTime(b []byte, i int) (m micros, next int, st status) {
	start := i
	if i+40 > len(b) {
		return slowTime(b, start)
	}
	neg := b[i] == '-'
	if neg {
		i++
	}
	n, whole := digits8(binary.LittleEndian.Uint64(b[i:]))
	if n == 0 {
		return slowTime(b, start)
	}
	i += n
	if n == 8 {
		var low uint64
		n, low = digits8(binary.LittleEndian.Uint64(b[i:]))
		whole = whole*pow10[n] + low
		i += n
	}
	var frac uint64
	if b[i] == '.' {
		i++
		n, v := digits8(binary.LittleEndian.Uint64(b[i:]))
		// Six digits are whole picoseconds, the seventh decides the rounding,
		// and no later digit can change it.
		frac = (v*pow10[8-n] + 50) / 100
		i += n
		if n == 0 {
			return slowTime(b, start)
		}
		if n == 8 {
			n, _ = digits8(binary.LittleEndian.Uint64(b[i:]))
			i += n
		}
	}
	if c := b[i]; c != ',' && c != '}' && c > ' ' {
		return slowTime(b, start)
	}
	m = micros{int64(whole), int64(frac)}
	if neg {
		m = micros{-m.us, -m.ps}
	}
	return m, i, ok
}

// slowTime is scanTime for the rare spellings: exponents, quotes, many digits,
// and numbers near the window's end.
func slowTime(b []byte, i int) (m micros, next int, st status) {
	if i < len(b) && b[i] == '"' {
		end, st := stringEnd(b, i+1)
		if st != ok {
			return m, end, st
		}
		if m, valid := parseMicros(b[i+1 : end]); valid {
			return m, end + 1, ok
		}
		return m, i, bad
	}
	end := i
	for end < len(b) && isNumberByte(b[end]) {
		end++
	}
	if end >= len(b) {
		return m, end, more
	}
	if c := b[end]; c <= ' ' || c == ',' || c == '}' {
		if m, valid := parseMicros(b[i:end]); valid {
			return m, end, ok
		}
	}
	return m, i, bad
}

func isNumberByte(c byte) bool {
	return c-'0' <= 9 || c == '.' || c == '-' || c == '+' || c|0x20 == 'e'
}

// Picoseconds converts a decimal number of microseconds to picoseconds, rounding
// the exact decimal once, half away from zero. It reports false if text is no
// decimal number or the result leaves int64 (106 days).
func Picoseconds(text []byte) (int64, bool) {
	m, valid := parseMicros(text)
	if !valid {
		return 0, false
	}
	return m.since(0)
}

// parseMicros reads [-] digits [. digits] [e [±] digits] of any length.
func parseMicros(text []byte) (m micros, valid bool) {
	neg := len(text) > 0 && text[0] == '-'
	if neg {
		text = text[1:]
	}
	var d decimal
	if !d.parse(text) {
		return m, false
	}
	us, fits := d.whole()
	if !fits {
		return m, false
	}
	m = micros{us, d.fraction()}
	if neg {
		m = micros{-m.us, -m.ps}
	}
	return m, true
}

// decimal is a decimal number as two runs of digits and the place of its point,
// counted from the first digit.
type decimal struct {
	before, after []byte
	point         int
}

func (d *decimal) parse(text []byte) bool {
	n := digitRun(text)
	if n == 0 {
		return false
	}
	d.before, text = text[:n], text[n:]
	if len(text) > 0 && text[0] == '.' {
		text = text[1:]
		n = digitRun(text)
		if n == 0 {
			return false
		}
		d.after, text = text[:n], text[n:]
	}
	d.point = len(d.before)
	if len(text) == 0 {
		return true
	}
	e, valid := exponent(text)
	d.point += e
	return valid
}

func digitRun(text []byte) int {
	n := 0
	for n < len(text) && text[n]-'0' <= 9 {
		n++
	}
	return n
}

// digit returns digit i, zero outside the written ones.
func (d *decimal) digit(i int) int64 {
	switch {
	case i < 0 || i >= len(d.before)+len(d.after):
		return 0
	case i < len(d.before):
		return int64(d.before[i] - '0')
	}
	return int64(d.after[i-len(d.before)] - '0')
}

// whole returns the part before the point, up to maxWhole.
func (d *decimal) whole() (int64, bool) {
	written := min(d.point, len(d.before)+len(d.after))
	var n int64
	i := 0
	for ; i < written; i++ {
		n = n*10 + d.digit(i)
		if n > maxWhole {
			return 0, false
		}
	}
	for ; i < d.point && n != 0; i++ {
		n *= 10
		if n > maxWhole {
			return 0, false
		}
	}
	return n, true
}

// fraction returns the six digits after the point, rounded by the seventh.
func (d *decimal) fraction() int64 {
	var n int64
	for i := range 6 {
		n = n*10 + d.digit(d.point+i)
	}
	if d.digit(d.point+6) >= 5 {
		n++
	}
	return n
}

// exponent reads "e-06". Beyond ±1e9 it stops counting: the number is then zero
// or too large for certain.
func exponent(text []byte) (int, bool) {
	if text[0]|0x20 != 'e' {
		return 0, false
	}
	text = text[1:]
	neg := false
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		neg = text[0] == '-'
		text = text[1:]
	}
	if len(text) == 0 {
		return 0, false
	}
	e := 0
	for _, c := range text {
		if c-'0' > 9 {
			return 0, false
		}
		if e < 1e9 {
			e = e*10 + int(c-'0')
		}
	}
	if neg {
		e = -e
	}
	return e, true
}
