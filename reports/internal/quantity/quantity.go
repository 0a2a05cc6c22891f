// SPDX-License-Identifier: Apache-2.0

// Package quantity writes measured numbers for people. Values arrive in base
// units (picoseconds, bytes, FLOP, fractions) and are scaled only here, at the
// window: the values of one table column share one Scale, so that they can be
// compared by eye, and a value that isn't zero never prints as zero.
package quantity

import (
	"math"
	"slices"
	"strconv"
)

// A Value is a number in the base unit of its Unit: an exact integer or a real.
type Value struct {
	n    int64
	f    float64
	real bool
}

// Int returns an exact value.
func Int(n int64) Value { return Value{n: n} }

// Real returns a measured value. NaN and infinities are kept and print as "–"
// and "∞".
func Real(f float64) Value { return Value{f: f, real: true} }

// Float returns v as the nearest float64.
func (v Value) Float() float64 {
	if v.real {
		return v.f
	}
	return float64(v.n)
}

// Raw returns v in its base unit and full precision, for programs; what isn't a
// finite number is "".
func (v Value) Raw() string {
	switch m := math.Abs(v.f); {
	case !v.real:
		return strconv.FormatInt(v.n, 10)
	case math.IsNaN(m) || math.IsInf(m, 0):
		return ""
	case m != 0 && m < 1e-6 || m >= 1e21:
		return strconv.FormatFloat(v.f, 'e', -1, 64)
	}
	return strconv.FormatFloat(v.f, 'f', -1, 64)
}

// A Unit is what a number counts, in base units.
type Unit uint8

const (
	None      Unit = iota // a plain number or an identifier: no prefix, no separators
	Count                 // things; "1,234"
	Time                  // picoseconds; ps, ns, µs, ms, s
	Bytes                 // bytes of memory; B, KiB, MiB, GiB, TiB
	FLOP                  // floating-point operations; FLOP, kFLOP … PFLOP
	FLOPRate              // FLOP per second
	ByteRate              // bytes per second, decimal prefixes as vendors state bandwidth
	Intensity             // FLOP per byte
	Share                 // a fraction of a whole; percent
	Change                // a signed relative change as a fraction; percent with its sign
	Ratio                 // a quotient of like things; "1.45×"
)

// A step is one prefix of a unit: values are divided by its factor.
type step struct {
	symbol string
	factor float64
}

type unitSpec struct {
	base  string // name of the base unit in CSV headers
	steps []step // ascending
	whole bool   // the base unit has no fractions (bytes, picoseconds)
}

var specs = [...]unitSpec{
	None:      {"", []step{{"", 1}}, false},
	Count:     {"", []step{{"", 1}}, true},
	Time:      {"ps", []step{{"ps", 1}, {"ns", 1e3}, {"µs", 1e6}, {"ms", 1e9}, {"s", 1e12}}, true},
	Bytes:     {"bytes", []step{{"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}}, true},
	FLOP:      {"flop", decimalSteps("FLOP"), true},
	FLOPRate:  {"flop/s", decimalSteps("FLOP/s"), false},
	ByteRate:  {"bytes/s", decimalSteps("B/s"), false},
	Intensity: {"flop/byte", []step{{"FLOP/B", 1}}, false},
	Share:     {"fraction", []step{{"%", 0.01}}, false},
	Change:    {"fraction", []step{{"%", 0.01}}, false},
	Ratio:     {"", []step{{"×", 1}}, false},
}

func decimalSteps(base string) []step {
	return []step{{base, 1}, {"k" + base, 1e3}, {"M" + base, 1e6}, {"G" + base, 1e9}, {"T" + base, 1e12}, {"P" + base, 1e15}}
}

// Base returns the name of u's base unit, "" for plain numbers: what Value.Raw
// counts.
func (u Unit) Base() string { return specs[u].base }

// Numeric reports whether columns of u line up by decimal point and may be
// scaled; None is for identifiers as well as numbers.
func (u Unit) Numeric() bool { return u != None }

// A Scale is a unit with a prefix and a number of decimals, chosen for a set of
// values. The zero Scale prints plain numbers.
type Scale struct {
	unit     Unit
	step     step
	decimals int
}

const (
	digits    = 4    // significant digits of the typical value
	maxDigits = 6    // and of the largest
	widest    = 99e3 // a larger number takes the next prefix
)

// Scale chooses the scale for values that are shown together: the prefix in
// which their median (zeros left out) is at least 1, unless that makes the
// largest run to six figures; and the decimals that give the median four
// significant digits without giving the largest more than six.
//
// Note: choosing by the largest value alone was tried first. A total row is
// always the largest, and with 64 layers it pushed every layer to one or two
// digits.
func (u Unit) Scale(vs ...Value) Scale {
	mags := make([]float64, 0, len(vs))
	for _, v := range vs {
		if m := math.Abs(v.Float()); m > 0 && !math.IsInf(m, 0) { // NaN compares false
			mags = append(mags, m)
		}
	}
	spec := specs[u]
	if len(mags) == 0 {
		return Scale{u, spec.steps[0], u.decimals(1, 1, spec.steps[0])}
	}
	slices.Sort(mags)
	typical, most := mags[(len(mags)-1)/2], mags[len(mags)-1]
	best := spec.steps[0]
	for _, s := range spec.steps[1:] {
		if typical >= s.factor || most > widest*best.factor {
			best = s
		}
	}
	return Scale{u, best, u.decimals(typical/best.factor, most/best.factor, best)}
}

func (u Unit) decimals(typical, most float64, s step) int {
	switch u {
	case None:
		return -1
	case Change:
		return 1
	case Ratio:
		return 2
	case Share:
		if most < 9.95 {
			return 2
		}
		return 1
	case Count:
		if typical == math.Trunc(typical) && most == math.Trunc(most) {
			return 0
		}
		return 1
	}
	if specs[u].whole && s.factor == 1 {
		return 0
	}
	return max(0, min(digits-intDigits(typical), maxDigits-intDigits(most)))
}

// intDigits returns the number of digits before the decimal point of v > 0, or
// minus the number of zeros right behind it.
func intDigits(v float64) int {
	return int(math.Floor(math.Log10(v)+1e-12)) + 1
}

// Symbol returns the scaled unit for a header: "µs", "MiB", "%", or "".
func (s Scale) Symbol() string { return s.step.symbol }

// Factor returns how many base units one printed unit is: 1e6 for µs. It is for
// axes, which place their own ticks.
func (s Scale) Factor() float64 { return s.step.factor }

// Format returns u's best form of a single value with its unit: "1.515 ms".
func Format(u Unit, v Value) string { return u.Scale(v).FormatUnit(v) }

// FormatUnit returns v in the scale with its unit, for numbers that share a
// scale but stand apart.
func (s Scale) FormatUnit(v Value) string {
	text := s.Format(v)
	switch {
	case s.step.symbol == "" || text == noValue:
		return text
	case s.unit == Ratio:
		return text + s.step.symbol
	case s.unit == Change:
		return text // carries its own %
	}
	return text + " " + s.step.symbol
}
