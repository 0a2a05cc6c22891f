// SPDX-License-Identifier: Apache-2.0

package tokenizer

import (
	"os"
	"strings"
	"testing"
)

// BenchmarkEncode shows the rate on prose, whose words the cache holds, and on
// words never seen before, which are merged. The vocabularies are the small
// trained ones, whose words are longer in tokens than real ones'.
func BenchmarkEncode(b *testing.B) {
	prose := strings.Repeat("The scoring service reads a query and 128 items, and returns one value for each label.\n", 200)
	var fresh strings.Builder
	for x := uint64(1); fresh.Len() < len(prose); {
		x = x*6364136223846793005 + 1442695040888963407
		fresh.WriteByte(" abcdefghijklmnopqrstuvwxyz "[x>>40%28])
	}
	for _, name := range []string{"qwen", "llama3", "llama2", "gemma"} {
		tk, err := Load("testdata/hf/" + name)
		if err != nil {
			b.Fatal(err)
		}
		for _, text := range []struct{ kind, s string }{{"prose", prose}, {"fresh", fresh.String()}} {
			b.Run(name+"/"+text.kind, func(b *testing.B) {
				b.SetBytes(int64(len(text.s)))
				n := 0
				for b.Loop() {
					if text.kind == "fresh" {
						tk.model.cache = newWordCache()
					}
					n += len(tk.Encode(text.s, EncodeOptions{}))
				}
				b.ReportMetric(float64(n)/b.Elapsed().Seconds()/1e6, "Mtokens/s")
			})
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, name := range []string{"qwen", "llama2"} {
		tk, err := Load("testdata/hf/" + name)
		if err != nil {
			b.Fatal(err)
		}
		ids := tk.Encode(strings.Repeat("The scoring service reads a query. ", 500), EncodeOptions{})
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				tk.Decode(ids)
			}
			b.ReportMetric(float64(len(ids))*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mtokens/s")
		})
	}
}

func BenchmarkParse(b *testing.B) {
	data, err := os.ReadFile("testdata/hf/qwen/tokenizer.json")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Parse("tokenizer.json", data); err != nil {
			b.Fatal(err)
		}
	}
}
