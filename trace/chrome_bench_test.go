// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/internal/tracetest"
	"github.com/layerscope/layerscope/trace"
)

var realJSON = []string{
	"trace_json/tpu_vllm_qwen3_32b_quant.trace.json.gz", "trace_json/tpu_vllm_qwen25_32b_bf16.trace.json.gz",
	"torch/h100_qwen15_05b.json.gz", "torch/mi300_qwen15_05b.json.gz", "jax_cpu/base_a/host.trace.json.gz",
}

// BenchmarkChromeToColumns reads trace.json.gz into columns. The ratios are to
// compress/gzip alone on the same bytes in the same run, the best of each: x-gzip on
// the cores there are, x-gzip-one on one.
func BenchmarkChromeToColumns(b *testing.B) {
	b.Run("generated", func(b *testing.B) {
		path, _ := generatedJSON(b, 100_000)
		toColumns(b, path)
	})
	for _, name := range realJSON {
		b.Run(name, func(b *testing.B) { toColumns(b, tracetest.Shared(b, "data/"+name)) })
	}
}

func toColumns(b *testing.B, path string) {
	packed, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	size := int64(0)
	alone := least(10, func() {
		z, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			b.Fatal(err)
		}
		if size, err = io.Copy(io.Discard, z); err != nil {
			b.Fatal(err)
		}
	})
	read := func() {
		t, err := trace.Read(bytes.NewReader(packed), "t.json.gz", trace.Options{})
		if err != nil {
			b.Fatal(err)
		}
		t.Close()
	}
	ours := least(30, read)
	old := runtime.GOMAXPROCS(1)
	one := least(10, read)
	runtime.GOMAXPROCS(old)
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		read()
	}
	b.ReportMetric(float64(alone)/float64(ours), "x-gzip")
	b.ReportMetric(float64(alone)/float64(one), "x-gzip-one")
}

// BenchmarkRealJSONToReport is BenchmarkJSONToReport on real captures of one step,
// where nearly every event is an op of its own.
func BenchmarkRealJSONToReport(b *testing.B) {
	for _, name := range realJSON {
		if strings.HasPrefix(name, "torch/") {
			continue // processes named by strings, which the library's struct has no field for
		}
		b.Run(name, func(b *testing.B) {
			path := tracetest.Shared(b, "data/"+name)
			library := least(5, func() { libraryJSON(b, path, 0) })
			report := func() {
				t, err := trace.Open(path, trace.Options{})
				if err != nil {
					b.Fatal(err)
				}
				defer t.Close()
				if _, err := analyze.Analyze(t, analyze.Options{}); err != nil {
					b.Fatal(err)
				}
			}
			ours := least(20, report)
			for b.Loop() {
				report()
			}
			b.ReportMetric(float64(library)/float64(ours), "x-library")
		})
	}
}
