// SPDX-License-Identifier: Apache-2.0

package quantity

import (
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		unit Unit
		v    Value
		want string
	}{
		{Time, Int(0), "0 ps"},
		{Time, Int(1), "1 ps"},
		{Time, Int(999), "999 ps"},
		{Time, Int(1515101), "1.515 µs"},
		{Time, Int(1_254_541_000), "1.255 ms"},
		{Time, Int(5_044_900_000_000), "5.045 s"},
		{Time, Int(86_400_000_000_000_000), "86,400 s"},
		{Time, Int(math.MaxInt64), "9,223,372 s"},
		{Time, Int(math.MinInt64), "-9,223,372 s"},
		{Time, Int(-2_500), "-2.500 ns"},
		{Bytes, Int(1023), "1,023 B"},
		{Bytes, Int(1024), "1.000 KiB"},
		{Bytes, Int(32 << 30), "32.00 GiB"},
		{FLOP, Int(2 * 512 * 2048 * 2048), "4.295 GFLOP"},
		{FLOPRate, Real(918e12), "918.0 TFLOP/s"},
		{ByteRate, Real(1.64e12), "1.640 TB/s"},
		{Intensity, Real(247.31), "247.3 FLOP/B"},
		{Count, Int(20_650_000), "20,650,000"},
		{Count, Real(2.5), "2.5"},
		{Share, Real(0.551), "55.1 %"},
		{Share, Real(0.0551), "5.51 %"},
		{Share, Real(0.00001), "<0.01 %"},
		{Share, Real(1), "100.0 %"},
		{Change, Real(0.252), "+25.2 %"},
		{Change, Real(-0.0991), "-9.9 %"},
		{Change, Real(0), "0.0 %"},
		{Ratio, Real(1.449), "1.45×"},
		{None, Int(1234), "1234"},
		{None, Real(0.123456), "0.1235"},
		{Time, Real(math.NaN()), "–"},
		{FLOPRate, Real(math.Inf(1)), "∞ FLOP/s"},
	} {
		if got := Format(c.unit, c.v); got != c.want {
			t.Errorf("Format(%v, %s) = %q, want %q", c.unit, c.v.Raw(), got, c.want)
		}
	}
}

func ints(ns ...int64) []Value {
	vs := make([]Value, len(ns))
	for i, n := range ns {
		vs[i] = Int(n)
	}
	return vs
}

// The columns a report really has; each answer is what one would write by hand.
func TestColumnScales(t *testing.T) {
	for _, c := range []struct {
		name   string
		unit   Unit
		values []Value
		symbol string
		want   string
	}{
		{"layers and their total", Time, ints(553_200_000, 384_100_000, 113_100_000, 1_515_100_000), "µs", "553.2 384.1 113.1 1,515.1"},
		{"28 equal layers and their total", Time, append(slicesRepeat(Int(1_200_000_000), 28), Int(33_600_000_000)), "ms",
			strings.Repeat("1.200 ", 28) + "33.600"},
		{"a long tail of tiny ops", Time, ints(5_000_000_000, 20_000, 20_000, 19_000, 0), "µs", "5,000.00 0.02 0.02 0.02 0.00"},
		{"something never prints as nothing", Time, ints(5_000_000_000, 4_000_000_000, -1), "ms", "5.000 4.000 >-0.001"},
		{"half is rounded away from zero, exactly", Time, ints(1_000_500, 1_001_499, -1_000_500), "µs", "1.001 1.001 -1.001"},
		{"picoseconds have no fractions", Time, ints(7, 12, 999), "ps", "7 12 999"},
		{"nothing but zeros", Time, ints(0, 0), "ps", "0 0"},
		{"shares of a whole", Share, []Value{Real(0.441), Real(0.0004), Real(1)}, "%", "44.1 <0.1 100.0"},
		{"shares below ten", Share, []Value{Real(0.0441), Real(0.0004)}, "%", "4.41 0.04"},
		{"changes", Change, []Value{Real(3.5), Real(-0.0001), Real(0)}, "%", "+350.0 % -0.0 % 0.0 %"},
		{"memory", Bytes, ints(1<<30, 3<<29, 512), "GiB", "1.000 1.500 <0.001"},
		{"gaps don't choose the scale", FLOPRate, []Value{Real(math.NaN()), Real(2e12), Real(math.Inf(1))}, "TFLOP/s", "– 2.000 ∞"},
	} {
		s := c.unit.Scale(c.values...)
		var got []string
		for _, v := range c.values {
			got = append(got, s.Format(v))
		}
		if s.Symbol() != c.symbol || strings.Join(got, " ") != c.want {
			t.Errorf("%s: %s in %q, want %s in %q", c.name, strings.Join(got, " "), s.Symbol(), c.want, c.symbol)
		}
	}
}

func slicesRepeat(v Value, n int) []Value {
	vs := make([]Value, n)
	for i := range vs {
		vs[i] = v
	}
	return vs
}

func TestPlusMinus(t *testing.T) {
	for f, want := range map[float64]string{
		0: "± 0 %", 0.01: "± 1 %", 0.0094: "± 0.9 %", 0.0096: "± 1 %", 0.0004: "± <0.1 %", 0.126: "± 13 %",
		12: "± >999 %", math.Inf(1): "± ∞", -0.02: "± 2 %",
	} {
		if got := PlusMinus(f); got != want {
			t.Errorf("PlusMinus(%v) = %q, want %q", f, got, want)
		}
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567", math.MinInt64: "-9,223,372,036,854,775,808"} {
		if got := Thousands(n); got != want {
			t.Errorf("Thousands(%d) = %q, want %q", n, got, want)
		}
	}
}

// What is printed is the value rounded to the last printed digit, for every
// prefix, sign and size: checked with rationals.
func TestFormatRoundsExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.SampledFrom([]Unit{Time, Bytes, FLOP, Count}).Draw(t, "unit")
		vs := rapid.SliceOfN(rapid.Map(rapid.Int64(), Int), 1, 6).Draw(t, "values")
		s := unit.Scale(vs...)
		for _, v := range vs {
			text := s.Format(v)
			if strings.ContainsAny(text, "<>") {
				if v.n == 0 {
					t.Fatalf("zero prints as %q", text)
				}
				continue
			}
			got, ok := new(big.Rat).SetString(strings.ReplaceAll(text, ",", ""))
			if !ok {
				t.Fatalf("%d prints as %q, not a number", v.n, text)
			}
			exact := big.NewRat(v.n, int64(s.step.factor))
			off := got.Sub(got, exact)
			half := big.NewRat(1, 2)
			for range max(s.decimals, 0) {
				half.Mul(half, big.NewRat(1, 10))
			}
			if off.Abs(off).Cmp(half) > 0 {
				t.Fatalf("%d prints as %q: off by %s %s", v.n, text, off.FloatString(6), s.Symbol())
			}
		}
	})
}
