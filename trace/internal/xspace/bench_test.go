// SPDX-License-Identifier: Apache-2.0

package xspace_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/layerscope/layerscope/trace/internal/xspace"
	"github.com/layerscope/layerscope/trace/internal/xspace/xspacegen"
	"github.com/layerscope/layerscope/trace/internal/xspace/xspacepb"
)

// A benchFile is a generated capture in the page cache and its bytes in memory.
type benchFile struct {
	f     *os.File
	data  []byte
	truth xspacegen.Truth
}

func newBenchFile(b *testing.B, size int64) benchFile {
	b.Helper()
	name := filepath.Join(b.TempDir(), "bench.xplane.pb")
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	truth, err := xspacegen.Write(f, xspacegen.Config{Seed: 1, Bytes: size})
	if err != nil {
		b.Fatal(err)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		b.Fatal(err)
	}
	return benchFile{f, data, truth}
}

// fastest returns the least time of at least three runs of fn, for one second.
func fastest(fn func()) time.Duration {
	least := time.Duration(1 << 62)
	for i, begin := 0, time.Now(); i < 3 || time.Since(begin) < time.Second; i++ {
		at := time.Now()
		fn()
		least = min(least, time.Since(at))
	}
	return least
}

// copying returns the time of copy() of the file's bytes between warm buffers.
func (bf benchFile) copying() time.Duration {
	dst := make([]byte, len(bf.data))
	copy(dst, bf.data)
	return fastest(func() { copy(dst, bf.data) })
}

// totals are per-op figures of one line.
type totals struct {
	total, self, count []int64
	stack              []frame
}

type frame struct {
	end  int64
	meta uint32
}

// add takes a batch: total time per op, and self time by a stack of open events,
// as events come parents first.
func (tt *totals) add(b *xspace.Batch) bool {
	total, self, count, stack := tt.total, tt.self, tt.count, tt.stack
	start, dur := b.Start[:len(b.Meta)], b.Dur[:len(b.Meta)]
	for i, m := range b.Meta {
		s, d := start[i], dur[i]
		for len(stack) > 0 && stack[len(stack)-1].end <= s {
			stack = stack[:len(stack)-1]
		}
		if int(m) >= len(total) {
			continue
		}
		total[m] += d
		count[m]++
		self[m] += d
		if len(stack) > 0 {
			self[stack[len(stack)-1].meta] -= d
		}
		stack = append(stack, frame{s + d, m})
	}
	tt.stack = stack
	return true
}

// opTable reads a file to per-op totals and self times on the device clock, its
// lines from the given number of goroutines, and returns the sum of self times on
// op lines.
func opTable(b *testing.B, bf benchFile, workers int) (self, events int64) {
	sp, err := xspace.Index(bf.f, bf.truth.Bytes)
	if err != nil {
		b.Fatal(err)
	}
	lines := make(chan *xspace.Line, 64)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for ln := range lines {
				if err := ln.Plane().Load(); err != nil {
					b.Error(err)
				}
				n := ln.Plane().NumEvents()
				tt := totals{total: make([]int64, n), self: make([]int64, n), count: make([]int64, n), stack: make([]frame, 0, 64)}
				if err := ln.Scan(xspace.ScanOptions{DeviceClock: true}, tt.add); err != nil {
					b.Error(err)
				}
				mu.Lock()
				for i := range tt.self {
					events += tt.count[i]
					if ln.Name == "XLA Ops" {
						self += tt.self[i]
					}
				}
				mu.Unlock()
			}
		})
	}
	for _, name := range []string{"XLA Ops", "Async XLA Ops", "XLA Modules", "Steps"} { // largest first
		for _, pl := range sp.Planes {
			for _, ln := range pl.Lines {
				if ln.Name == name {
					lines <- ln
				}
			}
		}
	}
	close(lines)
	wg.Wait()
	return self, events
}

// BenchmarkScan reads a capture of the TPU stat mix from the page cache to per-op
// totals and self times on the device clock. Targets: x-copy (one core, against
// copy() of the same bytes) at least 0.10, x-proto (against proto.Unmarshal) at
// least 25, x-cores (two cores against one) at least 1.5.
func BenchmarkScan(b *testing.B) {
	bf := newBenchFile(b, 128<<20)
	copying := bf.copying()
	one := fastest(func() {
		if self, events := opTable(b, bf, 1); self != bf.truth.SelfPs || events != bf.truth.Events {
			b.Fatalf("self %d, events %d; truth %+v", self, events, bf.truth)
		}
	})
	two := fastest(func() { opTable(b, bf, 2) })
	decode := fastest(func() { scanAll(b, bf, xspace.ScanOptions{DeviceClock: true}) })
	event := fastest(func() { scanAll(b, bf, xspace.ScanOptions{}) })
	strict := fastest(func() { scanAll(b, bf, xspace.ScanOptions{DeviceClock: true, Strict: true}) })
	want := fastest(func() {
		scanAll(b, bf, xspace.ScanOptions{Want: []string{"hlo_op", "device_duration_ps", "DVFS group"}})
	})
	count := fastest(func() { countAll(b, bf) })
	allocs := testing.AllocsPerRun(2, func() { opTable(b, bf, 1) })
	library := fastest(func() {
		var m xspacepb.XSpace
		if err := proto.Unmarshal(bf.data, &m); err != nil {
			b.Fatal(err)
		}
	})
	for b.Loop() {
		opTable(b, bf, 1)
	}
	per := func(d time.Duration) float64 { return float64(d) / float64(bf.truth.Events) }
	gbs := func(d time.Duration) float64 { return float64(bf.truth.Bytes) / float64(d) }
	b.SetBytes(bf.truth.Bytes)
	for name, v := range map[string]float64{
		"x-copy": gbs(one) / gbs(copying), "x-proto": float64(library) / float64(one), "x-cores": float64(one) / float64(two),
		"ns/event": per(one), "ns/event-decode": per(decode), "ns/event-eventclock": per(event), "ns/event-strict": per(strict), "ns/event-want": per(want),
		"ns/event-count": per(count), "GB/s-copy": gbs(copying), "GB/s-one": gbs(one), "GB/s-two": gbs(two),
		"allocs/event": allocs / float64(bf.truth.Events), "B/event": float64(bf.truth.Bytes) / float64(bf.truth.Events),
	} {
		b.ReportMetric(v, name)
	}
}

func scanAll(b *testing.B, bf benchFile, opts xspace.ScanOptions) {
	eachLine(b, bf, func(ln *xspace.Line) error { return ln.Scan(opts, func(*xspace.Batch) bool { return true }) })
}

func countAll(b *testing.B, bf benchFile) {
	eachLine(b, bf, func(ln *xspace.Line) error { _, err := ln.Count(); return err })
}

func eachLine(b *testing.B, bf benchFile, fn func(*xspace.Line) error) {
	sp, err := xspace.Index(bf.f, bf.truth.Bytes)
	if err != nil {
		b.Fatal(err)
	}
	for _, pl := range sp.Planes {
		for _, ln := range pl.Lines {
			if err := fn(ln); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkLarge reads a capture of LAYERSCOPE_BENCH_GB (5) gigabytes the same way
// and reports the process's peak memory: at most 64 MB and the metadata, whatever
// the size. It needs that much disk, so it only runs when the variable is set.
func BenchmarkLarge(b *testing.B) {
	gb, err := strconv.ParseFloat(os.Getenv("LAYERSCOPE_BENCH_GB"), 64)
	if err != nil {
		b.Skip("LAYERSCOPE_BENCH_GB is not set to a size in GB")
	}
	f, err := os.Create(filepath.Join(b.TempDir(), "large.xplane.pb"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	truth, err := xspacegen.Write(f, xspacegen.Config{Seed: 1, Bytes: int64(gb * 1e9)})
	if err != nil {
		b.Fatal(err)
	}
	bf := benchFile{f: f, truth: truth}
	for b.Loop() {
		if self, events := opTable(b, bf, 2); self != truth.SelfPs || events != truth.Events {
			b.Fatalf("self %d, events %d; truth %+v", self, events, truth)
		}
	}
	b.SetBytes(truth.Bytes)
	b.ReportMetric(float64(truth.Events)/1e6, "M-events")
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip("no /proc to read the peak memory from")
	}
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	kb, err := strconv.ParseFloat(strings.Fields(peak)[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(kb/1024, "MB-peak")
}
