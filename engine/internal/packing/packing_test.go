// SPDX-License-Identifier: Apache-2.0

package packing

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/layerscope/layerscope/engine/internal/program"
)

// TestLayouts: query 1 2, items 3 4, none and 5, delimiter 9, written out.
func TestLayouts(t *testing.T) {
	query, items, d := []int32{1, 2}, [][]int32{{3, 4}, {}, {5}}, []int32{9}
	for name, c := range map[string]struct{ got, want Layout }{
		"packed": {Packed(query, items, nil), Layout{
			IDs: []int32{1, 2, 3, 4, 5}, Positions: []int32{0, 1, 2, 3, 2},
			Runs: []program.Run{{Len: 2}, {First: 2, Len: 2, Item: true}, {First: 4, Len: 1, Item: true}},
			Rows: []int32{3, 1, 4}, Real: 5}},
		"packed with delimiters": {Packed(query, items, d), Layout{
			IDs: []int32{1, 2, 9, 3, 4, 9, 9, 5, 9}, Positions: []int32{0, 1, 2, 3, 4, 5, 3, 3, 4},
			Runs: []program.Run{{Len: 3}, {First: 3, Len: 3, Item: true}, {First: 6, Len: 1, Item: true}, {First: 7, Len: 2, Item: true}},
			Rows: []int32{4, 2, 7}, Real: 9}},
		"extend": {Extend(3, items), Layout{
			IDs: []int32{3, 4, 5}, Positions: []int32{3, 4, 3},
			Runs: []program.Run{{Len: 2, Item: true}, {First: 2, Len: 1, Item: true}}, Rows: []int32{1, -1, 2}, Real: 3}},
		"serial": {Serial(query, items[0], d), Layout{
			IDs: []int32{1, 2, 9, 3, 4}, Positions: []int32{0, 1, 2, 3, 4}, Runs: []program.Run{{Len: 5}}, Rows: []int32{4}, Real: 5}},
		"prefix": {Prefix(query, d, true), Layout{
			IDs: []int32{1, 2, 9}, Positions: []int32{0, 1, 2}, Runs: []program.Run{{Len: 3}}, Rows: []int32{2}, Real: 3}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestBuckets(t *testing.T) {
	for n, want := range map[int]int{1: 16, 16: 16, 17: 32, 128: 128, 129: 144, 256: 256, 257: 288, 500: 512, 2500: 2560, 4097: 4608} {
		if got := Bucket(n); got != want {
			t.Errorf("bucket of %d is %d, wanted %d", n, got, want)
		}
	}
	for n, want := range map[int]int{1: 1, 2: 2, 3: 4, 8: 8, 9: 16, 100: 104} {
		if got := RowBucket(n); got != want {
			t.Errorf("row bucket of %d is %d, wanted %d", n, got, want)
		}
	}
	for n, want := range map[int]int{1: 64, 64: 64, 65: 128, 129: 256, 300: 384} {
		if got := BucketOf([]int{64, 128}, n); got != want {
			t.Errorf("bucket of %d in 64, 128 is %d, wanted %d", n, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 1<<20).Draw(t, "n")
		b := Bucket(n)
		if b < n || Bucket(b) != b || n > 128 && 8*(b-n) >= n || Bucket(n+1) < b {
			t.Fatalf("bucket of %d is %d", n, b)
		}
	})
}

// TestChunks: all items once and in order, within limits where that is possible.
func TestChunks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lengths := rapid.SliceOfN(rapid.IntRange(0, 9), 1, 20).Draw(t, "lengths")
		d, tokens, count := rapid.IntRange(0, 1).Draw(t, "delimiter"), rapid.IntRange(-3, 20).Draw(t, "tokens"), rapid.IntRange(1, 5).Draw(t, "items")
		items := make([][]int32, len(lengths))
		for i, n := range lengths {
			items[i] = make([]int32, n)
		}
		at := 0
		for _, c := range Chunks(items, d, tokens, count) {
			sum := 0
			for i := c[0]; i < c[1]; i++ {
				sum += lengths[i] + d
			}
			if c[0] != at || c[1] <= c[0] || c[1]-c[0] > count || sum > tokens && c[1]-c[0] > 1 {
				t.Fatalf("chunk %v from %d has %d tokens", c, at, sum)
			}
			at = c[1]
		}
		if at != len(items) {
			t.Fatalf("%d of %d items", at, len(items))
		}
	})
}
