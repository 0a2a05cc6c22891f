// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bufio"
	"encoding/json"
	"os"
	"testing"

	"github.com/layerscope/layerscope/engine/internal/checkpoint"
)

// TestEmbeddedModel scores cases that training never saw, half of them to be
// answered yes.
func TestEmbeddedModel(t *testing.T) {
	e := mustOpen(t, Options{})
	yes, no := label(t, e, " yes"), label(t, e, " no")
	f, err := os.Open("testdata/heldout.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	right, total, positive := 0, 0, 0
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var c struct {
			Query   string
			Items   []string
			Answers []bool
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		for i := range c.Items {
			c.Items[i] = " " + c.Items[i]
		}
		got := score(t, e, Request{Query: c.Query, Items: c.Items, Labels: []int32{yes, no}, Softmax: true})
		for i, s := range got.Scores {
			if (s[0] > 0.5) == c.Answers[i] {
				right++
			}
			if c.Answers[i] {
				positive++
			}
			total++
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	accuracy := float64(right) / float64(total)
	t.Logf("%d of %d right: %.4f", right, total, accuracy)
	if total < 1000 || positive*2 != total || accuracy < 0.90 {
		t.Errorf("accuracy %.4f on %d items, %d of them answers; wanted 0.90 on a balanced 1000", accuracy, total, positive)
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
