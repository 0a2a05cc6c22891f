// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"cmp"
	"os"
	"strconv"
	"testing"
	"time"
)

// BenchmarkAlgorithms compares 100 items of 20 tokens behind a query of 500.
// Serial is timed on 4 of the items and multiplied: all have one shape.
// of-token-ratio is the speed-up over serial divided by the ratio of tokens.
func BenchmarkAlgorithms(b *testing.B) {
	e := mustOpen(b, Options{Model: "random:layers=8,hidden=512,vocab=32000"})
	r := Request{QueryIDs: make([]int32, 500), Labels: []int32{1, 2}}
	for i := range 100 {
		item := make([]int32, 20)
		for k := range item {
			item[k] = int32(100*i + k)
		}
		r.ItemIDs = append(r.ItemIDs, item)
	}
	few := r
	few.ItemIDs = r.ItemIDs[:4]
	best := func(r Request, a Algorithm) (time.Duration, Result) {
		began := time.Now()
		out := score(b, e, with(r, a))
		return time.Since(began), out
	}
	for _, a := range []Algorithm{Packed, PrefillExtend} {
		b.Run(string(a), func(b *testing.B) {
			serial, shared := time.Duration(1<<62), time.Duration(1<<62)
			var out Result
			for b.Loop() {
				d, _ := best(few, Serial)
				serial = min(serial, d*25)
				d, out = best(r, a)
				shared = min(shared, d)
			}
			up, ratio := serial.Seconds()/shared.Seconds(), 52000/float64(out.Tokens)
			b.ReportMetric(shared.Seconds()*1000, "best-ms")
			b.ReportMetric(serial.Seconds()*1000, "serial-ms")
			b.ReportMetric(up, "speed-up")
			b.ReportMetric(ratio, "token-ratio")
			b.ReportMetric(up/ratio, "of-token-ratio")
			b.ReportMetric(100/shared.Seconds(), "items/s")
		})
	}
}

// nullTracer counts spans and does nothing: what remains is the engine's own
// cost of tracing.
type nullTracer struct{ spans, named int }

func (n *nullTracer) Name(string) uint32               { n.named++; return uint32(n.named) }
func (n *nullTracer) Op(OpInfo) uint32                 { n.named++; return uint32(n.named) }
func (n *nullTracer) Track(string) TraceTrack          { return n }
func (n *nullTracer) Device(string, string) TraceTrack { return n }
func (n *nullTracer) Count(uint32, int64)              {}
func (n *nullTracer) Memory(MemoryEvent)               {}
func (n *nullTracer) Metadata(string, string)          {}
func (n *nullTracer) Begin(uint32)                     { n.spans++ }
func (n *nullTracer) End()                             {}
func (n *nullTracer) Int(uint32, int64)                {}
func (n *nullTracer) Text(uint32, string)              {}

// BenchmarkSpans: ns-a-span is what the engine adds to a tracer's own cost,
// measured on passes so short that it shows; the other figures are for scale.
func BenchmarkSpans(b *testing.B) {
	e := mustOpen(b, Options{Model: "random:layers=28,hidden=32,heads=2,kv=1,head_dim=16,ffn=32,vocab=300"})
	r := Request{QueryIDs: indices32(8), ItemIDs: [][]int32{{1}}, Labels: []int32{1}}
	tr := &nullTracer{}
	on, off := time.Duration(1<<62), time.Duration(1<<62)
	spans := 0
	for b.Loop() {
		e.SetTracer(nil)
		began := time.Now()
		score(b, e, r)
		off = min(off, time.Since(began))
		e.SetTracer(tr)
		score(b, e, r) // registers names
		tr.spans = 0
		began = time.Now()
		score(b, e, r)
		on = min(on, time.Since(began))
		spans = tr.spans
	}
	b.ReportMetric(float64(spans), "spans")
	b.ReportMetric(float64((on-off).Nanoseconds())/float64(spans), "ns-a-span")
	b.ReportMetric(float64(off.Microseconds()), "pass-us")
}

// BenchmarkAgainstLlamaCpp prefills 128 tokens of a model that
// internal/oracle/engine wrote. With LAYERSCOPE_LLAMA_MS, the time that
// llama.cpp took for it on this machine, it reports the ratio;
// LAYERSCOPE_SPEED_CORES is the number of cores (default all).
func BenchmarkAgainstLlamaCpp(b *testing.B) {
	dir := os.Getenv("LAYERSCOPE_SPEED_MODEL")
	if dir == "" {
		b.Skip("LAYERSCOPE_SPEED_MODEL is not set: run internal/oracle/engine/run.sh --speed")
	}
	cores, err := strconv.Atoi(cmp.Or(os.Getenv("LAYERSCOPE_SPEED_CORES"), "0"))
	if err != nil {
		b.Fatal(err)
	}
	e := mustOpen(b, Options{Model: dir, Workers: cores})
	r := Request{QueryIDs: make([]int32, 127), ItemIDs: [][]int32{{5}}, Labels: []int32{1}}
	best := time.Duration(1 << 62)
	for b.Loop() {
		for i := range r.QueryIDs {
			r.QueryIDs[i] = int32(i * 37 % 8000)
		}
		began := time.Now()
		score(b, e, r)
		best = min(best, time.Since(began))
	}
	ms := best.Seconds() * 1000
	b.ReportMetric(ms, "best-ms")
	if other, err := strconv.ParseFloat(os.Getenv("LAYERSCOPE_LLAMA_MS"), 64); err == nil {
		b.ReportMetric(other/ms, "times-llama.cpp")
	}
}
