// SPDX-License-Identifier: Apache-2.0

package tokenizer

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// naiveMerge is byte-pair merging as it is defined: find the pair of lowest
// rank, leftmost first, join it, start again.
func naiveMerge(rules map[[2]int32]merged, syms []int32) []int32 {
	syms = slices.Clone(syms)
	for {
		best, at := merged{noMerge, -1}, -1
		for i := range len(syms) - 1 {
			if m, ok := rules[[2]int32{syms[i], syms[i+1]}]; ok && m.rank < best.rank {
				best, at = m, i
			}
		}
		if at < 0 {
			return syms
		}
		syms = slices.Replace(syms, at, at+2, best.id)
	}
}

// drawVocabulary makes a byte-pair vocabulary over a few letters in which, as
// in a trained one, each merge joins tokens that exist before it.
func drawVocabulary(t *rapid.T) (*bpe, map[[2]int32]merged) {
	letters := "abcd"
	m := &bpe{vocab: map[string]int32{}, unk: -1, cache: newWordCache()}
	tokens := []string{}
	for i, r := range letters {
		m.vocab[string(r)] = int32(i)
		tokens = append(tokens, string(r))
	}
	rules := map[[2]int32]merged{}
	m.merges = newPairTable(40)
	for rank := range rapid.IntRange(0, 40).Draw(t, "merges") {
		left := rapid.IntRange(0, len(tokens)-1).Draw(t, "left")
		right := rapid.IntRange(0, len(tokens)-1).Draw(t, "right")
		joined := tokens[left] + tokens[right]
		id, ok := m.vocab[joined]
		if !ok {
			id = int32(len(tokens))
			tokens, m.vocab[joined] = append(tokens, joined), id
		}
		pair := [2]int32{int32(left), int32(right)}
		if _, twice := rules[pair]; twice {
			continue
		}
		rules[pair] = merged{uint32(rank), id}
		m.merges.set(pair[0], pair[1], rules[pair])
	}
	return m, rules
}

// TestMergeLaw: the scan for short words and the heap for long ones both give
// what the definition gives.
func TestMergeLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, rules := drawVocabulary(t)
		syms := rapid.SliceOfN(rapid.Int32Range(0, 3), 0, 200).Draw(t, "symbols")
		want := naiveMerge(rules, syms)
		sc := new(scratch)
		for range 2 { // the second time with used scratch
			if got := m.mergeLong(sc, slices.Clone(syms)); !slices.Equal(got, want) {
				t.Fatalf("heap: got %v, want %v", got, want)
			}
			if got := m.mergeShort(sc, slices.Clone(syms)); !slices.Equal(got, want) {
				t.Fatalf("scan: got %v, want %v", got, want)
			}
		}
	})
}

// TestPairTable: the table is a map of pairs in which a later entry replaces
// an earlier one.
func TestPairTable(t *testing.T) {
	id := rapid.OneOf(rapid.Int32Range(0, 3), rapid.Int32Range(0, 1<<31-1))
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 300).Draw(t, "n")
		table, want := newPairTable(n), map[[2]int32]merged{}
		for i := range n {
			pair := [2]int32{id.Draw(t, "left"), id.Draw(t, "right")}
			want[pair] = merged{uint32(i), int32(i)}
			table.set(pair[0], pair[1], want[pair])
		}
		for pair, m := range want {
			if got := table.get(pair[0], pair[1]); got != m {
				t.Fatalf("%v: got %v, want %v", pair, got, m)
			}
		}
		absent := [2]int32{id.Draw(t, "left"), id.Draw(t, "right")}
		if _, ok := want[absent]; !ok && table.get(absent[0], absent[1]).rank != noMerge {
			t.Fatalf("%v was never set", absent)
		}
	})
}

// TestConcurrent: goroutines that share a tokenizer, and so its cache and
// scratch, get the ids that one alone gets.
func TestConcurrent(t *testing.T) {
	tk, err := Load("testdata/hf/qwen")
	if err != nil {
		t.Fatal(err)
	}
	texts, want := make([]string, 200), make([][]int32, 200)
	fresh, err := Load("testdata/hf/qwen")
	if err != nil {
		t.Fatal(err)
	}
	for i := range texts {
		texts[i] = fmt.Sprintf("layer_%d reads the query %d times, naïve %x 模型", i, i*i, i*7919)
		want[i] = fresh.Encode(texts[i], EncodeOptions{})
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range texts {
				k := (i*7 + g*31) % len(texts)
				if got := tk.Encode(texts[k], EncodeOptions{}); !slices.Equal(got, want[k]) {
					t.Errorf("%q: got %v, want %v", texts[k], got, want[k])
					return
				}
			}
		})
	}
	wg.Wait()
}
