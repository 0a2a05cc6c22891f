// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/trace"
	"github.com/layerscope/layerscope/trace/internal/chromejson/chromejsongen"
)

// BenchmarkJSONToReport reads trace.json.gz in the style of JAX on TPU to the whole
// analysis. The ratio is to what a Go program without this package would do first,
// compress/gzip and encoding/json into structs, in the same run; the goal is 7.
// B/event is the heap that the columns of an open capture keep; the goal is 30.
func BenchmarkJSONToReport(b *testing.B) {
	path, sum := generatedJSON(b, 60_000)
	library := least(2, func() { libraryJSON(b, path, sum.Complete) })
	ours := least(5, func() { reportJSON(b, path, sum.Complete) })
	one := time.Duration(0)
	func() {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		one = least(5, func() { reportJSON(b, path, sum.Complete) })
	}()
	kept := keptJSON(b)
	for b.Loop() {
		reportJSON(b, path, sum.Complete)
	}
	b.SetBytes(sum.Bytes)
	b.ReportMetric(float64(library)/float64(ours), "x-library")
	b.ReportMetric(float64(library)/float64(one), "x-library-one")
	b.ReportMetric(float64(one)/float64(ours), "x-cores")
	b.ReportMetric(kept, "B/event")
}

func generatedJSON(b *testing.B, events int) (path string, sum chromejsongen.Summary) {
	b.Helper()
	path = filepath.Join(b.TempDir(), "host.trace.json.gz")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w := gzip.NewWriter(f)
	if sum, err = chromejsongen.Write(w, chromejsongen.Spec{Seed: 1, Events: events}); err != nil {
		b.Fatal(err)
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return path, sum
}

func libraryJSON(b *testing.B, path string, events int64) {
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		b.Fatal(err)
	}
	var doc struct {
		TraceEvents []struct {
			Ph, Name string
			Pid, Tid int64
			Ts, Dur  float64
			Args     struct {
				TfOp     string `json:"tf_op"`
				Category string `json:"hlo_category"`
				Long     string `json:"long_name"`
				Offset   string `json:"device_offset_ps"`
				Duration string `json:"device_duration_ps"`
			}
		} `json:"traceEvents"`
	}
	if err := json.NewDecoder(z).Decode(&doc); err != nil {
		b.Fatal(err)
	}
	if int64(len(doc.TraceEvents)) <= events {
		b.Fatalf("%d events", len(doc.TraceEvents))
	}
}

func reportJSON(b *testing.B, path string, events int64) {
	t, err := trace.Open(path, trace.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer t.Close()
	a, err := analyze.Analyze(t, analyze.Options{})
	if err != nil {
		b.Fatal(err)
	}
	if n := a.Devices[0].OpEvents; n != events {
		b.Fatalf("%d events, want %d", n, events)
	}
}

// keptJSON is the heap an open capture holds, in bytes an event: the difference of
// two sizes, without the tables that both have.
func keptJSON(b *testing.B) float64 {
	var heap [2]float64
	sizes := [2]int{60_000, 300_000}
	for i, n := range sizes {
		path, _ := generatedJSON(b, n)
		t, err := trace.Open(path, trace.Options{})
		if err != nil {
			b.Fatal(err)
		}
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		heap[i] = float64(m.HeapAlloc)
		runtime.KeepAlive(t)
		t.Close()
	}
	return (heap[1] - heap[0]) / float64(sizes[1]-sizes[0])
}
