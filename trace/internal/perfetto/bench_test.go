// SPDX-License-Identifier: Apache-2.0

package perfetto

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/layerscope/layerscope/trace/internal/perfetto/perfettogen"
)

func document(tb testing.TB, cfg perfettogen.Config) ([]byte, perfettogen.Truth) {
	tb.Helper()
	var b bytes.Buffer
	truth, err := perfettogen.Write(&b, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return b.Bytes(), truth
}

// drain reads a trace to its end: slices begun and the sum of self times, on one
// open stack a track.
func drain(tb testing.TB, rd *Reader) (slices, self int64) {
	open := make([][]int64, 1)
	for {
		k, err := rd.Next()
		if err == io.EOF {
			return slices, self
		}
		if err != nil {
			tb.Fatal(err)
		}
		if k != EventRecord {
			continue
		}
		for len(open) <= int(rd.Event.Lane) {
			open = append(open, nil)
		}
		stack := &open[rd.Event.Lane]
		switch rd.Event.Type {
		case Begin:
			slices++
			*stack = append(*stack, rd.Event.Ns)
		case End:
			n := len(*stack) - 1
			if n == 0 {
				self += rd.Event.Ns - (*stack)[0]
			}
			*stack = (*stack)[:n]
		}
	}
}

var benchConfigs = []struct {
	name string
	cfg  perfettogen.Config
}{
	{"one", perfettogen.Config{Seed: 1, Slices: 500_000}},
	{"annotated", perfettogen.Config{Seed: 1, Slices: 500_000, Annotated: true}},
	{"steps", perfettogen.Config{Seed: 1, Slices: 500_000, Steps: true}},
	{"interleaved8", perfettogen.Config{Seed: 1, Slices: 500_000, Sequences: 8, Chunk: 1}},
	{"interleaved100", perfettogen.Config{Seed: 1, Slices: 500_000, Sequences: 100, Chunk: 20}},
}

// BenchmarkRead reads whole traces: packets/s, and how many times as fast as a
// plain loop over the same bytes that decodes with protowire and keeps nothing.
func BenchmarkRead(b *testing.B) {
	for _, bc := range benchConfigs {
		b.Run(bc.name, func(b *testing.B) {
			doc, truth := document(b, bc.cfg)
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			for b.Loop() {
				if n, self := drain(b, NewReader(bytes.NewReader(doc), Options{})); n != truth.Slices || self != truth.SelfNs {
					b.Fatalf("%d slices, self %d; want %d, %d", n, self, truth.Slices, truth.SelfNs)
				}
			}
			b.ReportMetric(float64(truth.Packets)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mpackets/s")
		})
	}
}

// BenchmarkPlainLoop decodes the fields that matter with protowire, byte by byte,
// and resolves nothing: the floor that a reader without any state would have.
func BenchmarkPlainLoop(b *testing.B) {
	for _, bc := range benchConfigs {
		b.Run(bc.name, func(b *testing.B) {
			doc, truth := document(b, bc.cfg)
			b.SetBytes(int64(len(doc)))
			for b.Loop() {
				if n := plainLoop(doc); n != truth.Slices {
					b.Fatalf("%d slices, want %d", n, truth.Slices)
				}
			}
			b.ReportMetric(float64(truth.Packets)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mpackets/s")
		})
	}
}

func plainLoop(doc []byte) (slices int64) {
	var sum uint64
	for len(doc) > 0 {
		_, _, n := protowire.ConsumeTag(doc)
		pk, m := protowire.ConsumeBytes(doc[n:])
		doc = doc[n+m:]
		for len(pk) > 0 {
			num, typ, n := protowire.ConsumeTag(pk)
			pk = pk[n:]
			switch {
			case num == packetTimestamp:
				v, n := protowire.ConsumeVarint(pk)
				sum += v
				pk = pk[n:]
			case num == packetTrackEvent:
				ev, n := protowire.ConsumeBytes(pk)
				pk = pk[n:]
				for len(ev) > 0 {
					num, typ, n := protowire.ConsumeTag(ev)
					ev = ev[n:]
					if num == eventType {
						v, n := binary.Uvarint(ev)
						if v == 1 {
							slices++
						}
						ev = ev[n:]
						continue
					}
					ev = ev[protowire.ConsumeFieldValue(num, typ, ev):]
				}
			default:
				pk = pk[protowire.ConsumeFieldValue(num, typ, pk):]
			}
		}
	}
	_ = sum
	return slices
}
