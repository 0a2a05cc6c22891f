// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/layerscope/layerscope/engine/internal/checkpoint"
)

// TestEmbeddedModel scores cases that training never saw, of every kind and form
// that it did: recall of two, three and four facts, with and without a separator,
// with and without a space in front of the items. Half of the items answer.
func TestEmbeddedModel(t *testing.T) {
	plain := mustOpen(t, Options{})
	yes, no, separator := label(t, plain, " yes"), label(t, plain, " no"), label(t, plain, "<|sep|>")
	separated := mustOpen(t, Options{Delimiter: &separator})
	type tally struct{ right, total int }
	by, positive := map[string]*tally{}, 0
	for _, c := range heldOut(t) {
		e := plain
		if c.Separator {
			e = separated
		}
		got := score(t, e, Request{Query: c.Query, Items: c.Items, Labels: []int32{yes, no}, Softmax: true})
		for i, s := range got.Scores {
			for _, key := range c.forms(i) {
				if by[key] == nil {
					by[key] = &tally{}
				}
				by[key].total++
				if (s[0] > 0.5) == c.Answers[i] {
					by[key].right++
				}
			}
			if c.Answers[i] {
				positive++
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(by)) {
		n := by[key]
		t.Logf("%-24s %4d of %4d right: %.4f", key, n.right, n.total, float64(n.right)/float64(n.total))
		if n.total < 100 {
			t.Errorf("%d items of %s, wanted 100", n.total, key)
		}
	}
	if len(by) != 8 {
		t.Errorf("kinds and forms %v, wanted all, recall of 2, 3 and 4 facts, others, and each form", slices.Sorted(maps.Keys(by)))
	}
	if all := by["all"]; all.total < 1000 || positive*2 != all.total || float64(all.right) < 0.90*float64(all.total) {
		t.Errorf("%d of %d items right, %d of them answers; wanted 0.90 on a balanced 1000", all.right, all.total, positive)
	}
}

// A heldOutCase is a line of testdata/heldout.jsonl.
type heldOutCase struct {
	Query     string
	Separator bool // between query and items
	Items     []string
	Answers   []bool
}

// forms are the sets that an item counts in.
func (c *heldOutCase) forms(i int) []string {
	out := []string{"all", "others", "without separator", "without a space"}
	if facts := strings.Count(c.Query, "."); facts > 1 {
		out[1] = fmt.Sprintf("recall of %d facts", facts)
	}
	if c.Separator {
		out[2] = "with separator"
	}
	if c.Items[i][0] == ' ' {
		out = out[:3]
	}
	return out
}

func heldOut(t *testing.T) []heldOutCase {
	t.Helper()
	f, err := os.Open("testdata/heldout.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var cases []heldOutCase
	for d := json.NewDecoder(f); ; {
		var c heldOutCase
		if err := d.Decode(&c); err == io.EOF {
			return cases
		} else if err != nil {
			t.Fatal(err)
		}
		cases = append(cases, c)
	}
}

func label(tb testing.TB, e *Engine, text string) int32 {
	tb.Helper()
	id, err := e.LabelID(text)
	if err != nil {
		tb.Fatal(err)
	}
	return id
}

// TestEmbeddedSize: what the package adds to a program.
func TestEmbeddedSize(t *testing.T) {
	total := 0
	for _, name := range []string{"config.json", "model.safetensors", "tokenizer.json"} {
		data, err := embedded.ReadFile("embedded/" + name)
		if err != nil {
			t.Fatal(err)
		}
		total += len(data)
	}
	if total > 4<<20 {
		t.Errorf("%d bytes, wanted at most 4 MiB", total)
	}
	info := mustOpen(t, Options{}).Info()
	if !info.Embedded || info.Random || info.Arch != string(checkpoint.Qwen3) || !info.Text {
		t.Errorf("info %+v", info)
	}
}
