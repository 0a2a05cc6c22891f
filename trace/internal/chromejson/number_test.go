// SPDX-License-Identifier: Apache-2.0

package chromejson

import (
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestPicoseconds(t *testing.T) {
	tests := []struct {
		in   string
		want int64
		ok   bool
	}{
		{"0", 0, true},
		{"-0", 0, true},
		{"1", 1_000_000, true},
		{"1.0", 1_000_000, true},
		{"1.123", 1_123_000, true},
		{"-3", -3_000_000, true},
		{"12.5", 12_500_000, true},
		{"66914.493396999998", 66_914_493_397, true}, // cut, not rounded: …396
		{"9.9999999999999995e-07", 1, true},          // JAX's shortest event
		{"1e-06", 1, true},
		{"1E+3", 1_000_000_000, true},
		{"0.0000004", 0, true},
		{"0.0000005", 1, true}, // half away from zero
		{"-0.0000005", -1, true},
		{"0.00000049999999999999999999", 0, true},
		{"0.9999995", 1_000_000, true}, // the rounding carries
		{"123456.1234564999999999999999999999", 123_456_123_456, true},
		{"9223372036853.999999", 9_223_372_036_853_999_999, true},
		{"9223372036854.775807", 0, false}, // the last microsecond is given up
		{"-9223372036853.5", -9_223_372_036_853_500_000, true},
		{"1.6921085481321545e+15", 0, false}, // epoch: needs an origin
		{"1e400", 0, false},
		{"1e-400", 0, true},
		{"0e99999999999", 0, true},
		{"1e99999999999", 0, false},
		{"00012.50", 12_500_000, true},
		{strings.Repeat("0", 100) + "1." + strings.Repeat("0", 100), 1_000_000, true},
		{strings.Repeat("9", 100), 0, false},
		{"", 0, false},
		{"-", 0, false},
		{".5", 0, false},
		{"1.", 0, false},
		{"1.e5", 0, false},
		{"1e", 0, false},
		{"1e+", 0, false},
		{"+1", 0, false},
		{"1.2.3", 0, false},
		{"50a", 0, false},
		{"0x10", 0, false},
		{"NaN", 0, false},
		{" 1", 0, false},
		{"1 ", 0, false},
	}
	for _, tt := range tests {
		got, ok := Picoseconds([]byte(tt.in))
		if got != tt.want || ok != tt.ok {
			t.Errorf("Picoseconds(%q) = %d, %v, want %d, %v", tt.in, got, ok, tt.want, tt.ok)
		}
	}
}

// checkTime compares both scanners of numbers with rational arithmetic.
func checkTime(t interface{ Fatalf(string, ...any) }, s string) {
	want, valid := exactPs(s)
	got, good := Picoseconds([]byte(s))
	fits := valid && new(big.Int).Quo(want, big.NewInt(psPerMicro)).CmpAbs(big.NewInt(maxMicro)) <= 0
	switch {
	case good && (!valid || want.Cmp(big.NewInt(got)) != 0):
		t.Fatalf("Picoseconds(%q) = %d, want %v", s, got, want)
	case !good && fits && want.CmpAbs(big.NewInt(maxMicro*psPerMicro)) < 0:
		t.Fatalf("Picoseconds(%q) is refused, want %v", s, want)
	}
	room := strings.Repeat(" ", 48) // the fast path looks ahead
	for _, doc := range []string{s + "," + room, s + "}", `"` + s + `"` + room} {
		m, next, st := scanTime([]byte(doc), 0)
		if st == more || !valid {
			if st == ok && !valid && next == len(strings.TrimRight(doc, " ,}")) {
				t.Fatalf("scanTime(%q) accepts", doc)
			}
			continue
		}
		if st == bad {
			if want.CmpAbs(new(big.Int).Mul(big.NewInt(maxWhole), big.NewInt(psPerMicro))) < 0 {
				t.Fatalf("scanTime(%q) refuses", doc)
			}
			continue
		}
		sum := new(big.Int).Mul(big.NewInt(m.us), big.NewInt(psPerMicro))
		sum.Add(sum, big.NewInt(m.ps))
		if sum.Cmp(want) != 0 {
			t.Fatalf("scanTime(%q) = %v, want %v", doc, sum, want)
		}
		if end := strings.Trim(doc[:next], `"`); end != s {
			t.Fatalf("scanTime(%q) ends behind %q", doc, end)
		}
	}
}

func TestTimeProperty(t *testing.T) {
	digits := func(n int) *rapid.Generator[string] {
		return rapid.StringOfN(rapid.RuneFrom([]rune("0123456789")), 1, n, -1)
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SampledFrom([]string{"", "-"}).Draw(t, "sign") + digits(18).Draw(t, "whole")
		if rapid.Bool().Draw(t, "point") {
			s += "." + digits(24).Draw(t, "fraction")
		}
		if rapid.IntRange(0, 3).Draw(t, "exponent") == 0 {
			s += rapid.SampledFrom([]string{"e", "E", "e-", "e+"}).Draw(t, "e") + digits(2).Draw(t, "power")
		}
		checkTime(t, s)
	})
}

func FuzzTime(f *testing.F) {
	for _, s := range []string{"0", "1.5", "-3", "66914.493396999998", "9.9999999999999995e-07", "1e400", "1750244461563845.25", "0.0000005", "50a", "1.e5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 100 || strings.ContainsAny(s, "\" ,}") {
			return
		}
		if i := strings.IndexAny(s, "eE"); i >= 0 && len(s)-i > 5 {
			return // the rational oracle would build the power of ten
		}
		checkTime(t, s)
	})
}
