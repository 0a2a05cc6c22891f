// SPDX-License-Identifier: Apache-2.0

package quantity

import (
	"math"
	"math/bits"
	"strconv"
	"strings"
)

const noValue = "–"

// Format returns v in the scale without its unit, "1,515.1". A value that isn't
// zero and would round to it prints as "<0.1"; a Change keeps its sign and "%",
// as its column stands between others. Integers are rounded exactly, halves
// away from zero.
func (s Scale) Format(v Value) string {
	f := v.Float()
	switch {
	case math.IsNaN(f):
		return noValue
	case math.IsInf(f, 0):
		return strings.Repeat("-", btoi(f < 0)) + "∞"
	case s.unit == None:
		return plain(v)
	}
	text := s.magnitude(v)
	if f != 0 && s.unit != Change && !strings.ContainsAny(text, "123456789") {
		return small(f < 0, s.decimals)
	}
	if s.unit != Change {
		return strings.Repeat("-", btoi(f < 0)) + text
	}
	switch {
	case f > 0:
		text = "+" + text
	case f < 0:
		text = "-" + text
	}
	return text + " %"
}

// magnitude returns |v| in the scale, rounded and with separators.
func (s Scale) magnitude(v Value) string {
	if text, ok := s.exact(v); ok {
		return text
	}
	f := math.Abs(v.Float()) / s.step.factor
	return separate(strconv.FormatFloat(f, 'f', max(s.decimals, 0), 64))
}

// exact does it in integers; not for reals, fractional factors and values that
// overflow.
func (s Scale) exact(v Value) (string, bool) {
	if v.real || s.step.factor < 1 {
		return "", false
	}
	abs := uint64(v.n)
	if v.n < 0 {
		abs = -abs
	}
	pow := uint64(1)
	for range s.decimals {
		pow *= 10
	}
	factor := uint64(s.step.factor)
	hi, lo := bits.Mul64(abs, pow)
	lo, carry := bits.Add64(lo, factor/2, 0)
	if hi += carry; hi >= factor {
		return "", false
	}
	q, _ := bits.Div64(hi, lo, factor)
	text := strconv.FormatUint(q/pow, 10)
	if s.decimals > 0 {
		frac := strconv.FormatUint(q%pow, 10)
		text += "." + strings.Repeat("0", s.decimals-len(frac)) + frac
	}
	return separate(text), true
}

// plain prints an identifier or unitless number as it is; reals get four
// significant digits.
func plain(v Value) string {
	if !v.real {
		return strconv.FormatInt(v.n, 10)
	}
	return strconv.FormatFloat(v.f, 'g', digits, 64)
}

// small is what stands for a value below half of the last decimal.
func small(negative bool, decimals int) string {
	bound := "1"
	if decimals > 0 {
		bound = "0." + strings.Repeat("0", decimals-1) + "1"
	}
	if negative {
		return ">-" + bound
	}
	return "<" + bound
}

// separate puts commas into the integer part of an unsigned decimal number.
func separate(s string) string {
	whole, frac, found := strings.Cut(s, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if found {
		return whole + "." + frac
	}
	return whole
}

// PlusMinus writes the half width of an interval as a fraction of the value
// beside it: "± 1 %", "± 0.4 %", "± <0.1 %"; "± ∞" when it can't be told.
func PlusMinus(fraction float64) string {
	p := 100 * math.Abs(fraction)
	switch {
	case math.IsNaN(p) || math.IsInf(p, 0):
		return "± ∞"
	case p >= 999.5:
		return "± >999 %"
	case p >= 0.95 || p == 0:
		return "± " + strconv.FormatFloat(p, 'f', 0, 64) + " %"
	case p >= 0.05:
		return "± " + strconv.FormatFloat(p, 'f', 1, 64) + " %"
	}
	return "± <0.1 %"
}

// Thousands writes an integer with separators: "-1,234,567".
func Thousands(n int64) string { return Count.Scale(Int(n)).Format(Int(n)) }

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
