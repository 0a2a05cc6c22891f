// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/layerscope/layerscope/internal/tracetest"
	"github.com/layerscope/layerscope/trace"
	"github.com/layerscope/layerscope/trace/internal/perfetto/perfettogen"
)

// BenchmarkPerfettoOpen reads whole traces into the model: decoding, sorting,
// pairing, columns.
func BenchmarkPerfettoOpen(b *testing.B) {
	for name, cfg := range map[string]perfettogen.Config{
		"one":          {Seed: 1, Slices: 500_000, Annotated: true},
		"interleaved8": {Seed: 1, Slices: 500_000, Sequences: 8, Chunk: 1},
	} {
		b.Run(name, func(b *testing.B) {
			var doc bytes.Buffer
			truth, err := perfettogen.Write(&doc, cfg)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(truth.Bytes)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := trace.Read(bytes.NewReader(doc.Bytes()), "b.pftrace", trace.Options{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(truth.Packets)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mpackets/s")
		})
	}
}

// BenchmarkPerfettoWrite writes a capture of a CPU.
func BenchmarkPerfettoWrite(b *testing.B) {
	tr, err := trace.Open(tracetest.Root(b)+"/testdata/captures/base_a.xplane.pb.gz", trace.Options{})
	if err != nil {
		b.Fatal(err)
	}
	events := 0
	for _, t := range tr.Tracks {
		for batch := range t.Batches() {
			events += batch.Len()
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := trace.WritePerfetto(io.Discard, tr, trace.PerfettoOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(events)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mevents/s")
}
