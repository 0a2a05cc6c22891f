// SPDX-License-Identifier: Apache-2.0

package chromejson

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"

	"github.com/layerscope/layerscope/trace/internal/chromejson/chromejsongen"
)

func document(tb testing.TB, s chromejsongen.Spec) ([]byte, chromejsongen.Summary) {
	tb.Helper()
	var b bytes.Buffer
	sum, err := chromejsongen.Write(&b, s)
	if err != nil {
		tb.Fatal(err)
	}
	return b.Bytes(), sum
}

// blocks is a Source over a document in memory, as inflate yields it.
type blocks struct {
	data []byte
	size int
}

func (s *blocks) Next() ([]byte, error) {
	if len(s.data) == 0 {
		return nil, io.EOF
	}
	n := min(s.size, len(s.data))
	b := s.data[:n]
	s.data = s.data[n:]
	return b, nil
}

func drain(tb testing.TB, rd *Reader) (n, dur int64) {
	for {
		ev, err := rd.Next()
		if err == io.EOF {
			return n, dur
		}
		if err != nil {
			tb.Fatal(err)
		}
		n++
		dur += ev.Dur
	}
}

var jaxKeys = []string{"tf_op", "hlo_category", "long_name", "model_flops", "bytes_accessed", "device_duration_ps", "device_offset_ps", "run_id", "source", "deduplicated_name"}

func BenchmarkScan(b *testing.B) {
	for name, style := range map[string]chromejsongen.Style{"tpu": chromejsongen.TPU, "kineto": chromejsongen.Kineto} {
		data, sum := document(b, chromejsongen.Spec{Style: style, Seed: 1, Events: 40_000})
		for kind, opt := range map[string]Options{"plain": {}, "want": {Want: jaxKeys}} {
			b.Run(name+"/"+kind, func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(data)))
				for b.Loop() {
					rd := NewBlockReader(&blocks{data, 256 << 10}, opt)
					if n, dur := drain(b, rd); n != sum.Events || dur != sum.Dur {
						b.Fatalf("%d events, %d ps, want %+v", n, dur, sum)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(sum.Events), "ns/event")
			})
		}
		b.Run(name+"/encoding-json", func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				var doc struct {
					TraceEvents []struct {
						Ph, Name, Cat string
						Pid, Tid      int64
						Ts, Dur       float64
						Args          map[string]any
					} `json:"traceEvents"`
				}
				if err := json.Unmarshal(data, &doc); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(sum.Events), "ns/event")
		})
	}
}
