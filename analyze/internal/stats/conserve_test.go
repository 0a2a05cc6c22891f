// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"math/big"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Three rows over 3 and 2 steps. Means 10/3, 10/3, 10/3 against 5, 9/2, 0;
// differences 5/3, 7/6, -10/3 sum to -1/2, which rounds half up to 0. Floors 1,
// 1, -4 lack 2; remainders 4/6, 1/6, 4/6: rows 0 and 2 get them. Row 0: 2 =
// 5-3. Row 1: 1 = 4-3 or 5-4. Row 2: -3 = 0-3. Bases sum to 10 without raising.
func TestMeanDeltasByHand(t *testing.T) {
	rows, total, err := MeanDeltas([]int64{10, 10, 10}, []int64{10, 9, 0}, 3, 2)
	if err != nil {
		t.Fatal(err)
	}
	want := []Delta{{3, 5, 2}, {4, 5, 1}, {3, 0, -3}}
	if d := cmp.Diff(want, rows); d != "" {
		t.Errorf("rows (-want +got):\n%s", d)
	}
	if want := (Delta{10, 10, 0}); total != want {
		t.Errorf("total %+v, want %+v", total, want)
	}
}

func TestMeanDeltasErrors(t *testing.T) {
	for _, c := range []struct {
		base, new []int64
		b, n      int64
		want      string
	}{
		{[]int64{1}, nil, 1, 1, "stats: 1 base totals for 0 new ones"},
		{nil, nil, 0, 1, "stats: means over 0 and 1 steps, want at least 1"},
		{nil, nil, 1, -3, "stats: means over 1 and -3 steps, want at least 1"},
		{[]int64{math.MinInt64}, []int64{math.MaxInt64}, 1, 1, "stats: row 0: mean difference 18446744073709551615 exceeds int64"},
		{[]int64{0, 0}, []int64{math.MaxInt64, math.MaxInt64}, 1, 1, "stats: total mean 18446744073709551614 exceeds int64"},
	} {
		if _, _, err := MeanDeltas(c.base, c.new, c.b, c.n); err == nil || err.Error() != c.want {
			t.Errorf("MeanDeltas(%v, %v, %d, %d): %v, want %s", c.base, c.new, c.b, c.n, err, c.want)
		}
	}
	rows, total, err := MeanDeltas(nil, nil, 1, 1)
	if err != nil || len(rows) != 0 || total != (Delta{}) {
		t.Errorf("no rows: %v %v %v", rows, total, err)
	}
}

// near1 says that v is one of the two integers next to num/den.
func near1(v, num, den int64) bool {
	d := new(big.Int).Mul(big.NewInt(v), big.NewInt(den))
	d.Sub(d, big.NewInt(num))
	return d.CmpAbs(big.NewInt(den)) < 0
}

func TestMeanDeltasConserve(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		huge := rapid.Bool().Draw(t, "huge")
		span := rapid.Int64Range(0, 50)
		if huge {
			span = rapid.Int64Range(0, math.MaxInt64/64)
		}
		one := rapid.Custom(func(t *rapid.T) int64 {
			if rapid.IntRange(0, 3).Draw(t, "absent") == 0 {
				return 0
			}
			return span.Draw(t, "total")
		})
		n := rapid.IntRange(0, 20).Draw(t, "rows")
		base, new := rapid.SliceOfN(one, n, n).Draw(t, "base"), rapid.SliceOfN(one, n, n).Draw(t, "new")
		b, k := rapid.Int64Range(1, 1000).Draw(t, "base steps"), rapid.Int64Range(1, 1000).Draw(t, "new steps")
		rows, total, err := MeanDeltas(base, new, b, k)
		if err != nil {
			t.Fatal(err)
		}
		var sum Delta
		var sumB, sumN int64
		for i, r := range rows {
			sum.Base, sum.New, sum.Delta = sum.Base+r.Base, sum.New+r.New, sum.Delta+r.Delta
			sumB, sumN = sumB+base[i], sumN+new[i]
			if r.New-r.Base != r.Delta || !near1(r.Base, base[i], b) || !near1(r.New, new[i], k) {
				t.Fatalf("row %d: %d/%d %d/%d gave %+v", i, base[i], b, new[i], k, r)
			}
			num := product(new[i], b)
			num.Sub(num, product(base[i], k))
			gap := num.Sub(num, new3(r.Delta, b, k))
			if gap.CmpAbs(product(b, k)) >= 0 {
				t.Fatalf("row %d: delta %d is not next to %d/%d-%d/%d", i, r.Delta, new[i], k, base[i], b)
			}
		}
		if sum != total {
			t.Fatalf("rows sum to %+v, total %+v", sum, total)
		}
		// Nearest: |2·(delta·bk - numerator)| <= bk.
		num := product(sumN, b)
		num.Sub(num, product(sumB, k))
		num.Sub(new3(total.Delta, b, k), num)
		if num.Lsh(num, 1).CmpAbs(product(b, k)) > 0 {
			t.Fatalf("total delta %d is not nearest to %d/%d-%d/%d", total.Delta, sumN, k, sumB, b)
		}
	})
}

func new3(a, b, c int64) *big.Int {
	return new(big.Int).Mul(product(a, b), big.NewInt(c))
}
