// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/trace"
	"github.com/layerscope/layerscope/trace/internal/chromejson/chromejsongen"
	"github.com/layerscope/layerscope/trace/internal/xspace/xspacegen"
)

// FuzzOpen reads any bytes as a capture and analyses them: an error or an analysis
// whose parts add up, never a panic. The corpus holds small files of each format.
func FuzzOpen(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b)
	}
	f.Add([]byte(foldedFile))
	f.Add([]byte(speedscopeFile))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			t.Skip("larger than any seed")
		}
		for _, wrong := range wrongs(t, b) {
			t.Error(wrong)
		}
	})
}

// wrongs reads and analyses b, and returns what doesn't add up; nothing when b is
// refused.
func wrongs(t *testing.T, b []byte) []string {
	t.Helper()
	tr, err := trace.Read(bytes.NewReader(b), "fuzz", trace.Options{MaxDecompressed: 1 << 24})
	if err != nil {
		if strings.TrimSpace(err.Error()) == "" {
			return []string{"an error without text"}
		}
		return nil
	}
	defer tr.Close()
	a, err := analyze.Analyze(tr, analyze.Options{})
	if err != nil {
		return nil
	}
	if far(tr) {
		return nil
	}
	return unconserved(a)
}

// far says that times or durations are so large that sums of them leave an int64,
// where adding up has no meaning.
func far(t *trace.Trace) bool {
	const bound = 1 << 50
	for _, tr := range t.Tracks {
		for b, err := range tr.Batches() {
			if err != nil {
				return true
			}
			for i := range b.Op {
				if s, d := b.Start[i], b.Dur[i]; s < -bound || s > bound || d < 0 || d > bound {
					return true
				}
				if b.Self != nil && (b.Self[i] < 0 || b.Self[i] > bound) {
					return true
				}
			}
		}
	}
	for _, s := range t.Steps {
		if s.Start < -bound || s.Start > bound || s.Dur < 0 || s.Dur > bound {
			return true
		}
	}
	return t.Wall < 0 || t.Wall > bound
}

// seeds are small captures of each format.
func seeds(tb testing.TB) map[string][]byte {
	tb.Helper()
	var xs, js bytes.Buffer
	if _, err := xspacegen.Write(&xs, xspacegen.Config{Seed: 1, Bytes: 1, Planes: 1, Layers: 2}); err != nil {
		tb.Fatal(err)
	}
	if _, err := chromejsongen.Write(&js, chromejsongen.Spec{Seed: 1, Events: 12, Layers: 2}); err != nil {
		tb.Fatal(err)
	}
	text := `layerscope-trace 1
host h
program jit_f 7
device /device:TPU:0 tpu
op a program=0 name=fusion.1 scope=f/layers.0/mlp category="loop fusion" flops=7 bytes=3
op b program=0 name=fusion.2 scope=f/layers.1/mlp
op w program=0 name=while.1
exec 0 0 1 0 100
step 0 0 0 100 name="0"
track ops device=0 name="XLA Ops"
  0 90 w
  10 20 a flops=2 bytes=1
  40 20 b
track async device=0 name="Async XLA Ops"
  5 50 a
`
	return map[string][]byte{"xspace": xs.Bytes(), "json": js.Bytes(), "json.gz": packed(tb, js.Bytes()), "text": []byte(text)}
}
