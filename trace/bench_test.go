// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"bufio"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/trace"
	"github.com/layerscope/layerscope/trace/internal/xspace/xspacegen"
)

// generated writes an XSpace with the stat mix of TPU captures.
func generated(b *testing.B, size int64) (path string, truth xspacegen.Truth) {
	b.Helper()
	path = filepath.Join(b.TempDir(), "host.xplane.pb")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	truth, err = xspacegen.Write(w, xspacegen.Config{Seed: 1, Bytes: size})
	if err != nil {
		b.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return path, truth
}

// copyRate is how many bytes a second copy() moves: what any reader is measured
// against.
func copyRate(size int64) float64 {
	src, dst := make([]byte, size), make([]byte, size)
	for i := range src {
		src[i] = byte(i)
	}
	copy(dst, src)
	best := time.Duration(1 << 62)
	for range 5 {
		t := time.Now()
		copy(dst, src)
		best = min(best, time.Since(t))
	}
	return float64(size) / best.Seconds()
}

// BenchmarkXSpaceToOpTotals reads a capture from the page cache to op totals and
// self times on the device clock, on one core and on two.
func BenchmarkXSpaceToOpTotals(b *testing.B) {
	const size = 160 << 20
	path, truth := generated(b, size)
	rate := copyRate(size)
	totals := func(t *trace.Trace) error {
		table, err := analyze.Totals(t)
		if err != nil {
			return err
		}
		var self analyze.Duration
		for _, o := range table {
			self += o.Self
		}
		if int64(self) != truth.SelfPs {
			b.Fatalf("self time %d, want %d", self, truth.SelfPs)
		}
		return nil
	}
	for _, procs := range []int{1, 2} {
		name := map[int]string{1: "cores=1", 2: "cores=2"}[procs]
		b.Run(name, func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			measure(b, path, truth, rate, totals)
		})
	}
	b.Run("whole-analysis", func(b *testing.B) {
		measure(b, path, truth, rate, func(t *trace.Trace) error {
			_, err := analyze.Analyze(t, analyze.Options{})
			return err
		})
	})
}

func measure(b *testing.B, path string, truth xspacegen.Truth, rate float64, f func(*trace.Trace) error) {
	b.SetBytes(truth.Bytes)
	b.ReportAllocs()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for b.Loop() {
		t, err := trace.Open(path, trace.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := f(t); err != nil {
			b.Fatal(err)
		}
		t.Close()
	}
	runtime.ReadMemStats(&after)
	perOp := b.Elapsed().Seconds() / float64(b.N)
	b.ReportMetric(float64(truth.Bytes)/perOp/rate, "×copy")
	b.ReportMetric(perOp*1e9/float64(truth.Events), "ns/event")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(b.N)/float64(truth.Events), "allocs/event")
}
