// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"cmp"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestSortStable compares with the standard library's stable sort.
func TestSortStable(t *testing.T) {
	type item struct{ Key, Number int }
	rapid.Check(t, func(t *rapid.T) {
		var have []item
		for i, k := range rapid.SliceOf(rapid.IntRange(0, 9)).Draw(t, "keys") {
			have = append(have, item{k, i})
		}
		want := slices.Clone(have)
		slices.SortStableFunc(want, func(a, b item) int { return cmp.Compare(a.Key, b.Key) })
		sortStable(have, func(a, b *item) int { return cmp.Compare(a.Key, b.Key) })
		if diff := gocmp.Diff(want, have); diff != "" {
			t.Errorf("(-want +have):\n%s", diff)
		}
	})
}
