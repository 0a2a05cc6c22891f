// SPDX-License-Identifier: Apache-2.0

package chromejson

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"math"
	"testing"
	"time"

	"github.com/layerscope/layerscope/trace/internal/chromejson/chromejsongen"
	"github.com/layerscope/layerscope/trace/internal/inflate"
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

func drain(tb testing.TB, rd interface{ Next() (*Event, error) }) (n, dur int64) {
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

// encodingJSON decodes a document into structs with the standard library.
func encodingJSON(r io.Reader) (n int64, err error) {
	var doc struct {
		TraceEvents []struct {
			Ph, Name, Cat string
			Pid, Tid      int64
			Ts, Dur       float64
			Args          map[string]any
		} `json:"traceEvents"`
	}
	err = json.NewDecoder(r).Decode(&doc)
	return int64(len(doc.TraceEvents)), err
}

// best returns the shortest of n runs of f.
func best(b *testing.B, n int, f func() error) float64 {
	b.Helper()
	least := math.Inf(1)
	for range n {
		t := time.Now()
		if err := f(); err != nil {
			b.Fatal(err)
		}
		least = min(least, time.Since(t).Seconds())
	}
	return least
}

// BenchmarkScan reads events from memory in blocks, as inflate yields them.
// x-json is how many times faster that is than encoding/json into structs, and
// of-copy the share of the speed of copy(), both in the same run: hot loops are
// guarded by these ratios. Picking ten args is included in "want".
func BenchmarkScan(b *testing.B) {
	for name, style := range map[string]chromejsongen.Style{"tpu": chromejsongen.TPU, "kineto": chromejsongen.Kineto} {
		data, sum := document(b, chromejsongen.Spec{Style: style, Seed: 1, Events: 40_000})
		std := best(b, 2, func() error {
			_, err := encodingJSON(bytes.NewReader(data))
			return err
		})
		dst := make([]byte, len(data))
		plain := best(b, 8, func() error { copy(dst, data); return nil })
		for kind, opt := range map[string]Options{"plain": {}, "want": {Want: jaxKeys}} {
			b.Run(name+"/"+kind, func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(data)))
				least := math.Inf(1)
				for b.Loop() {
					least = min(least, best(b, 1, func() error {
						rd := NewBlockReader(&blocks{data, 256 << 10}, opt)
						if n, dur := drain(b, rd); n != sum.Events || dur != sum.Dur {
							b.Fatalf("%d events, %d ps, want %+v", n, dur, sum)
						}
						return nil
					}))
				}
				b.ReportMetric(least*1e9/float64(sum.Events), "ns/event")
				b.ReportMetric(std/least, "x-json")
				b.ReportMetric(plain/least, "of-copy")
			})
		}
	}
}

// BenchmarkGzip reads events from a .json.gz. x-std is how many times faster
// than compress/gzip alone, x-json than compress/gzip and encoding/json, in the
// same run; "ahead" decompresses in a goroutine of its own.
func BenchmarkGzip(b *testing.B) {
	data, sum := document(b, chromejsongen.Spec{Seed: 1, Events: 40_000})
	var packed bytes.Buffer
	w, _ := gzip.NewWriterLevel(&packed, 6)
	w.Write(data)
	w.Close()
	gz := packed.Bytes()
	open := func() *gzip.Reader {
		z, err := gzip.NewReader(bytes.NewReader(gz))
		if err != nil {
			b.Fatal(err)
		}
		return z
	}
	alone := best(b, 4, func() error { _, err := io.Copy(io.Discard, open()); return err })
	both := best(b, 2, func() error { _, err := encodingJSON(open()); return err })
	for _, mode := range []string{"one", "ahead"} {
		b.Run(mode, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			least := math.Inf(1)
			for b.Loop() {
				least = min(least, best(b, 1, func() error {
					z, err := inflate.NewReader(bytes.NewReader(gz), inflate.Options{})
					if err != nil {
						return err
					}
					var rd interface{ Next() (*Event, error) } = NewBlockReader(z, Options{Want: jaxKeys})
					if mode == "ahead" {
						z := inflate.NewAhead(z, 5)
						a := NewAhead(z, Options{Want: jaxKeys})
						defer z.Close()
						defer a.Close()
						defer z.Stop()
						rd = a
					}
					if n, dur := drain(b, rd); n != sum.Events || dur != sum.Dur {
						b.Fatalf("%d events, %d ps, want %+v", n, dur, sum)
					}
					return nil
				}))
			}
			b.ReportMetric(float64(len(data))/least/1e6, "best-MB/s")
			b.ReportMetric(alone/least, "x-std")
			b.ReportMetric(both/least, "x-json")
			b.ReportMetric(float64(len(data))/float64(len(gz)), "out/in")
		})
	}
}
