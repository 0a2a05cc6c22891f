// SPDX-License-Identifier: Apache-2.0

package hlo

import (
	"testing"
	"time"

	"github.com/layerscope/layerscope/internal/tracetest"
	"google.golang.org/protobuf/encoding/protowire"
)

// BenchmarkParseProto decodes the 227 kB module of a six-layer program and
// reports, beside MB/s, its time as a multiple of the least that any decoder
// does: stepping over every field of the same bytes, messages entered, in the
// same run.
func BenchmarkParseProto(b *testing.B) {
	data := read(b, "testdata/base_a.hlo.pb.gz")
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if _, err := ParseProto(data); err != nil {
			b.Fatal(err)
		}
		n++
	}
	per := b.Elapsed() / time.Duration(n)
	start := time.Now()
	const walks = 200
	for range walks {
		if walk(data, 4) == 0 {
			b.Fatal("no fields")
		}
	}
	b.ReportMetric(float64(per)/(float64(time.Since(start))/walks), "x-field-walk")
}

// walk counts fields down to a depth, taking every length-delimited field that
// parses for a message.
func walk(b []byte, depth int) int {
	n := 0
	for len(b) > 0 {
		_, typ, k := protowire.ConsumeTag(b)
		if k < 0 {
			return n
		}
		b = b[k:]
		if typ == protowire.BytesType {
			v, k := protowire.ConsumeBytes(b)
			if k < 0 {
				return n
			}
			if depth > 0 {
				n += walk(v, depth-1)
			}
			b = b[k:]
		} else {
			k := protowire.ConsumeFieldValue(1, typ, b)
			if k < 0 {
				return n
			}
			b = b[k:]
		}
		n++
	}
	return n
}

func BenchmarkParseText(b *testing.B) {
	data := string(read(b, "testdata/base_a.hlo.txt.gz"))
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseText(data); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParseV6e decodes real TPU output of 28 unrolled layers: 2.7 MB,
// 12,796 instructions.
func BenchmarkParseV6e(b *testing.B) {
	data := readAny(b, tracetest.Shared(b, "data/hlo/qwen3_0p6b_score_v6e_unrolled.hlo.pb.xz"))
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseProto(data); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCosts counts all computations of a module, which the first Cost
// does.
func BenchmarkCosts(b *testing.B) {
	data := read(b, "testdata/base_a.hlo.pb.gz")
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		m := parse(b, data)
		b.StartTimer()
		m.Cost(m.Entry.Root, CostOptions{Loops: true})
	}
}

func BenchmarkParseInstruction(b *testing.B) {
	const line = "%fusion.3 = bf16[1024,5120]{1,0:T(8,128)(2,1)S(1)} fusion(bf16[1024,512]{1,0:T(8,128)(2,1)} %p.1, bf16[512,5120]{1,0:T(8,128)(2,1)} %p.2), kind=kOutput, calls=%fused_computation.3"
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseInstruction(line); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFoldScope(b *testing.B) {
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		FoldScope(scopeTable[i%len(scopeTable)].in)
		i++
	}
}
