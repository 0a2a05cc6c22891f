// SPDX-License-Identifier: Apache-2.0

package tick

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// TestScaleByHand: 2 ticks a nanosecond, then 4.
func TestScaleByHand(t *testing.T) {
	var s Scale
	for _, p := range []Pair{{1000, 500}, {3000, 1500}, {7000, 2500}} {
		s.Add(p)
	}
	for _, tt := range []struct {
		ticks uint64
		want  int64
	}{
		{0, 0}, {1000, 0}, {1001, 500}, {2000, 500_000}, {3000, 1_000_000}, {3001, 1_000_250}, {7000, 2_000_000},
		{11_000, 3_000_000}, // beyond the last pair at its rate
	} {
		if got := s.Picoseconds(tt.ticks); got != tt.want {
			t.Errorf("%d ticks are %d ps, want %d", tt.ticks, got, tt.want)
		}
	}
	s.Add(Pair{6999, 3000})
	s.Add(Pair{8000, 2500})
	if s.Backwards != 2 || s.Last() != (Pair{7000, 2500}) || s.First() != (Pair{1000, 500}) {
		t.Errorf("%d backwards, last %v", s.Backwards, s.Last())
	}
}

// TestScale: monotone, and exact in whole numbers between two pairs.
func TestScale(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s Scale
		var pairs []Pair
		p := Pair{rapid.Uint64Range(0, 1<<60).Draw(t, "ticks"), rapid.Uint64Range(0, 1<<50).Draw(t, "nanos")}
		for range rapid.IntRange(1, 6).Draw(t, "pairs") {
			pairs = append(pairs, p)
			s.Add(p)
			p.Ticks += rapid.Uint64Range(1, 1<<40).Draw(t, "dt")
			p.Nanos += rapid.Uint64Range(1, 1<<40).Draw(t, "dn")
		}
		last := int64(0)
		at := pairs[0].Ticks
		for range 20 {
			at += rapid.Uint64Range(0, 1<<38).Draw(t, "step")
			got := s.Picoseconds(at)
			if got < last {
				t.Fatalf("%d ps after %d ps", got, last)
			}
			last = got
			for i := 1; i < len(pairs); i++ {
				a, b := pairs[i-1], pairs[i]
				if at < a.Ticks || at > b.Ticks {
					continue
				}
				want := new(big.Int).SetUint64(at - a.Ticks)
				want.Mul(want, new(big.Int).SetUint64((b.Nanos-a.Nanos)*1000))
				want.Div(want, new(big.Int).SetUint64(b.Ticks-a.Ticks))
				want.Add(want, new(big.Int).SetUint64((a.Nanos-pairs[0].Nanos)*1000))
				if want.Int64() != got {
					t.Fatalf("%d ticks: %d ps, want %v", at, got, want)
				}
			}
		}
	})
}

// TestThinning: an endless recording keeps its ends, and a bounded table.
func TestThinning(t *testing.T) {
	var s Scale
	for i := range uint64(200_000) {
		s.Add(Pair{i * 10, i * 5})
	}
	if len(s.pairs) > maxPairs || s.First() != (Pair{0, 0}) || s.Last() != (Pair{1_999_990, 999_995}) {
		t.Errorf("%d pairs, %v to %v", len(s.pairs), s.First(), s.Last())
	}
	if got := s.Picoseconds(123_457); got != 123_457*500 {
		t.Errorf("%d", got)
	}
}

// TestClocks: both clocks go forwards, and pairs tell ticks from nanoseconds.
func TestClocks(t *testing.T) {
	for _, c := range []Clock{{}, Best()} {
		a, pa := c.Now(), c.Pair()
		b, pb := c.Now(), c.Pair()
		if b < a || pb.Ticks < pa.Ticks || pb.Nanos < pa.Nanos || !c.Counter() && pa.Ticks != pa.Nanos {
			t.Errorf("counter %v: %d, %d; %v, %v", c.Counter(), a, b, pa, pb)
		}
	}
	if u := (Clock{}).Pair().Unix(); u < 1_700_000_000e9 {
		t.Errorf("unix time %d", u)
	}
}
