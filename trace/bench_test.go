// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"bufio"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/trace"
	"github.com/layerscope/layerscope/trace/internal/xspace/xspacegen"
	"github.com/layerscope/layerscope/trace/internal/xspace/xspacepb"
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

// least returns the shortest time of at least n runs of f, for a second or more:
// what the machine can do, whoever else uses it.
func least(n int, f func()) time.Duration {
	best := time.Duration(1 << 62)
	for i, begin := 0, time.Now(); i < n || time.Since(begin) < time.Second; i++ {
		t := time.Now()
		f()
		best = min(best, time.Since(t))
	}
	return best
}

// copying is how long copy() of that many bytes takes, between warm buffers: what
// every reader is measured against.
func copying(size int64) time.Duration {
	src, dst := make([]byte, size), make([]byte, size)
	for i := range src {
		src[i] = byte(i)
	}
	copy(dst, src)
	return least(5, func() { copy(dst, src) })
}

// BenchmarkXSpaceToOpTotals reads a capture from the page cache to op totals and
// self times on the device clock. Ratios, all of shortest times in this run:
//
//	x-copy   copy() of the same bytes ÷ one core; the goal is 0.10
//	x-proto  proto.Unmarshal of the same bytes (a fifth of them, times five) ÷ one core; 25
//	x-cores  one core ÷ two; 1.5
//	x-all    op totals on two cores ÷ the whole analysis
func BenchmarkXSpaceToOpTotals(b *testing.B) {
	const size, share = 320 << 20, 5
	path, truth := generated(b, size)
	part, few := generated(b, size/share)
	data, err := os.ReadFile(part)
	if err != nil {
		b.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	totals(b, path, truth)
	runtime.ReadMemStats(&after)
	two := least(5, func() { totals(b, path, truth) })
	all := least(5, func() { whole(b, path) })
	one := time.Duration(0)
	func() {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		one = least(5, func() { totals(b, path, truth) })
	}()
	library := least(1, func() {
		if err := proto.Unmarshal(data, new(xspacepb.XSpace)); err != nil {
			b.Fatal(err)
		}
	})
	for b.Loop() {
		totals(b, path, truth)
	}
	b.SetBytes(truth.Bytes)
	for name, v := range map[string]float64{
		"x-copy": float64(copying(truth.Bytes)) / float64(one), "x-cores": float64(one) / float64(two), "x-all": float64(two) / float64(all),
		"x-proto":  float64(library) * float64(truth.Bytes) / float64(few.Bytes) / float64(one),
		"ns/event": float64(one) / float64(truth.Events), "ns/event-two": float64(two) / float64(truth.Events), "ns/event-all": float64(all) / float64(truth.Events),
		"allocs/event": float64(after.Mallocs-before.Mallocs) / float64(truth.Events),
	} {
		b.ReportMetric(v, name)
	}
}

func totals(b *testing.B, path string, truth xspacegen.Truth) {
	t, err := trace.Open(path, trace.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer t.Close()
	table, err := analyze.Totals(t)
	if err != nil {
		b.Fatal(err)
	}
	var self analyze.Duration
	for _, o := range table {
		self += o.Self
	}
	if int64(self) != truth.SelfPs {
		b.Fatalf("self time %d, want %d", self, truth.SelfPs)
	}
}

func whole(b *testing.B, path string) {
	t, err := trace.Open(path, trace.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer t.Close()
	if _, err := analyze.Analyze(t, analyze.Options{}); err != nil {
		b.Fatal(err)
	}
}
