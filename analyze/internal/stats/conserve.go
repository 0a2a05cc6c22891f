// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"fmt"
	"math/big"
	"slices"
)

// A Delta is one row's mean per step on both sides, in whole units (ps).
// New - Base = Delta always.
type Delta struct {
	Base, New, Delta int64
}

// MeanDeltas turns integer totals over baseSteps and newSteps steps into means
// per step such that everything adds up: each Delta is one of the two integers
// next to new/newSteps - base/baseSteps, their sum is total.Delta, and that is
// the exact difference rounded to nearest (half up). Bases and News are likewise
// integers next to the exact means, and total holds their sums. Removed rows
// have new 0, added rows base 0, and stay so.
//
// The differences share the denominator baseSteps·newSteps: all are rounded down
// and the units still missing go to the largest remainders, earlier rows first
// among equals (Hamilton's method). Arithmetic is exact at any size.
//
// It is an error if the slices differ in length, a number of steps is not
// positive, or a mean leaves int64.
func MeanDeltas(base, new []int64, baseSteps, newSteps int64) (rows []Delta, total Delta, err error) {
	if len(base) != len(new) {
		return nil, Delta{}, fmt.Errorf("stats: %d base totals for %d new ones", len(base), len(new))
	}
	if baseSteps <= 0 || newSteps <= 0 {
		return nil, Delta{}, fmt.Errorf("stats: means over %d and %d steps, want at least 1", baseSteps, newSteps)
	}
	den := product(baseSteps, newSteps)
	numer := make([]*big.Int, len(base))
	var sumBase big.Int
	for i := range base {
		numer[i] = product(new[i], baseSteps)
		numer[i].Sub(numer[i], product(base[i], newSteps))
		sumBase.Add(&sumBase, big.NewInt(base[i]))
	}
	deltas := apportion(numer, den)
	rows = make([]Delta, len(base))
	for i, d := range deltas {
		if !d.IsInt64() {
			return nil, Delta{}, fmt.Errorf("stats: row %d: mean difference %v exceeds int64", i, d)
		}
		rows[i].Delta = d.Int64()
		rows[i].Base, rows[i].New = floorDiv(base[i], baseSteps), floorDiv(new[i], newSteps)
	}
	placeMeans(rows, base, new, baseSteps, newSteps, halfUp(&sumBase, big.NewInt(baseSteps)))
	var sum [3]big.Int
	for _, r := range rows {
		sum[0].Add(&sum[0], big.NewInt(r.Base))
		sum[1].Add(&sum[1], big.NewInt(r.New))
		sum[2].Add(&sum[2], big.NewInt(r.Delta))
	}
	for i := range sum {
		if !sum[i].IsInt64() {
			return nil, Delta{}, fmt.Errorf("stats: total mean %v exceeds int64", &sum[i])
		}
	}
	return rows, Delta{Base: sum[0].Int64(), New: sum[1].Int64(), Delta: sum[2].Int64()}, nil
}

// placeMeans raises bases and news from their floors where their deltas force
// it. A row whose delta fits both floors may raise both or none; as many are
// raised, largest base remainders first, as bring the bases' sum to want.
func placeMeans(rows []Delta, base, new []int64, baseSteps, newSteps int64, want *big.Int) {
	var free []int
	var sum big.Int
	for i := range rows {
		r := &rows[i]
		switch r.Delta - (r.New - r.Base) {
		case 1:
			r.New++
		case -1:
			r.Base++
		default:
			if r.Base*baseSteps != base[i] && r.New*newSteps != new[i] {
				free = append(free, i)
			}
		}
		sum.Add(&sum, big.NewInt(r.Base))
	}
	slices.SortStableFunc(free, func(a, b int) int {
		ra, rb := base[a]-rows[a].Base*baseSteps, base[b]-rows[b].Base*baseSteps
		switch {
		case ra > rb:
			return -1
		case ra < rb:
			return 1
		}
		return 0
	})
	missing := want.Sub(want, &sum)
	for i := 0; i < len(free) && missing.Cmp(big.NewInt(int64(i))) > 0; i++ {
		rows[free[i]].Base++
		rows[free[i]].New++
	}
}

// apportion rounds numer[i]/den (den > 0) down or up to integers whose sum is
// the rounded sum.
func apportion(numer []*big.Int, den *big.Int) []*big.Int {
	out := make([]*big.Int, len(numer))
	rest := make([]*big.Int, len(numer))
	sum, floors := new(big.Int), new(big.Int)
	order := make([]int, len(numer))
	for i, n := range numer {
		out[i], rest[i] = new(big.Int), new(big.Int)
		out[i].DivMod(n, den, rest[i]) // Euclidean: floor, as den > 0
		sum.Add(sum, n)
		floors.Add(floors, out[i])
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return rest[b].Cmp(rest[a]) })
	missing := halfUp(sum, den)
	missing.Sub(missing, floors) // at most the number of non-zero remainders
	for i := range int(missing.Int64()) {
		out[order[i]].Add(out[order[i]], big.NewInt(1))
	}
	return out
}

// halfUp is floor(n/d + 1/2).
func halfUp(n, d *big.Int) *big.Int {
	q := new(big.Int).Lsh(n, 1)
	q.Add(q, d)
	return q.Div(q, new(big.Int).Lsh(d, 1))
}

// product is the product of two int64.
func product(a, b int64) *big.Int {
	return new(big.Int).Mul(big.NewInt(a), big.NewInt(b))
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
