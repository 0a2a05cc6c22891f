// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bufio"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/layerscope/layerscope/engine/internal/kernel"
	"github.com/layerscope/layerscope/internal/tracetest"
)

// TestReference holds log-probabilities over the whole vocabulary against a
// NumPy decoder of ours: internal/oracle/engine wrote testdata/reference, and
// compares larger models with the folder in LAYERSCOPE_ENGINE_CASES.
func TestReference(t *testing.T) {
	dirs := []string{"testdata/reference"}
	if more := os.Getenv("LAYERSCOPE_ENGINE_CASES"); more != "" {
		dirs = append(dirs, more)
	}
	paths := 0
	for _, dir := range dirs {
		models, err := filepath.Glob(filepath.Join(dir, "*", "config.json"))
		if err != nil || len(models) == 0 {
			t.Fatalf("%s: no models (%v)", dir, err)
		}
		for _, m := range models {
			for _, path := range kernel.Available() {
				t.Run(filepath.Base(filepath.Dir(m))+"_"+path.String(), func(t *testing.T) {
					usePath(t, path)
					compareReference(t, filepath.Dir(m))
				})
				paths++
			}
		}
	}
	if paths < 6 {
		t.Errorf("%d comparisons", paths)
	}
}

func usePath(t *testing.T, p kernel.Path) {
	old := kernel.Active()
	if err := kernel.Use(p); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kernel.Use(old); err != nil {
			t.Error(err)
		}
	})
}

func compareReference(t *testing.T, dir string) {
	e := mustOpen(t, Options{Model: dir})
	f, err := os.Open(filepath.Join(dir, "expect.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	worst, n := 0.0, 0
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var c struct {
			Query     []int32
			Items     [][]int32
			ItemFirst bool        `json:"item_first"`
			LogProbs  [][]float64 `json:"log_probs"`
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		r := Request{QueryIDs: c.Query, ItemIDs: c.Items, ItemFirst: c.ItemFirst, Labels: indices32(e.Info().Vocab)}
		for _, a := range []Algorithm{Serial, Packed, PrefillExtend} {
			got := score(t, e, with(r, a))
			for i := range c.LogProbs {
				for j, want := range c.LogProbs[i] {
					d := math.Abs(got.LogProbs[i][j]-want) / math.Max(1, math.Abs(want))
					worst = math.Max(worst, d)
					n++
				}
			}
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if n == 0 || !(worst <= 1e-4) {
		t.Errorf("%d log-probabilities, the worst %.2g off; wanted 1e-4", n, worst)
	}
	t.Logf("%d log-probabilities within %.2g", n, worst)
}

// TestStory: llama2.c's documented text of stories260K at temperature 0, token
// for token, each token by a full prefill.
func TestStory(t *testing.T) {
	const want = "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball."
	for _, file := range []string{"checkpoint_legacy.bin", "checkpoint_v1.bin"} {
		e := mustOpen(t, Options{Model: tracetest.Shared(t, "data/lm/tinystories_260k/"+file)})
		ids := []int32{1}
		all := indices32(e.Info().Vocab)
		for range 80 {
			got := score(t, e, Request{QueryIDs: ids, ItemIDs: [][]int32{{}}, Labels: all})
			best := 0
			for j, l := range got.LogProbs[0] {
				if l > got.LogProbs[0][best] {
					best = j
				}
			}
			ids = append(ids, int32(best))
			if text, _ := e.TokenText(ids[1:]); len(text) >= len(want)+1 {
				break
			}
		}
		text, err := e.TokenText(ids[1:])
		if err != nil {
			t.Fatal(err)
		}
		for len(text) > 0 && text[0] == ' ' {
			text = text[1:]
		}
		if len(text) < len(want) || text[:len(want)] != want {
			t.Errorf("%s: %q, wanted %q", file, text, want)
		}
	}
}
