// SPDX-License-Identifier: Apache-2.0

package xspace_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/layerscope/layerscope/internal/tracetest"
	"github.com/layerscope/layerscope/trace/internal/xspace"
)

// content returns the bytes of a file, decompressed if its name ends in .gz.
func content(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(name, ".gz") {
		zr, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if b, err = io.ReadAll(zr); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// inventory lists lines with their number of events and sum of durations, in ps
// of the event clock, and returns the number of all events.
func inventory(t testing.TB, sp *xspace.Space, strict bool) (lines []string, total int64) {
	t.Helper()
	for _, pl := range sp.Planes {
		for _, ln := range pl.Lines {
			var n, dur int64
			err := ln.Scan(xspace.ScanOptions{Strict: strict}, func(b *xspace.Batch) bool {
				n += int64(len(b.Meta))
				for _, d := range b.Dur {
					dur += d
				}
				return true
			})
			if err != nil {
				t.Fatal(err)
			}
			if count, err := ln.Count(); count != n || err != nil {
				t.Errorf("%s/%s: counted %d events, scanned %d, error %v", pl.Name, ln.Name, count, n, err)
			}
			total += n
			lines = append(lines, fmt.Sprintf("%s %s %d %d", pl.Name, ln.Name, n, dur))
		}
	}
	return lines, total
}

// The wire inventory of real captures: events of the whole file, and events and
// durations of the lines of device planes.
var inventories = []struct {
	file   string
	events int64
	planes string // prefix of the planes listed
	lines  []string
}{
	{"data/xspace/tpu_v6e_x4_host_offload.xplane.pb", 26723, "/device:", []string{
		"/device:TPU:0 XLA Modules 105 78809571544558", "/device:TPU:0 XLA Ops 1504 78784927635502",
		"/device:TPU:0 Async XLA Ops 600 197605761832850", "/device:TPU:0 Overlay 0 0", "/device:TPU:0 XLA TraceMe 108 24609323670",
		"/device:TPU:1 XLA Modules 103 78844068383388", "/device:TPU:1 XLA Ops 1503 78789509321754",
		"/device:TPU:1 Async XLA Ops 0 0", "/device:TPU:1 Overlay 0 0", "/device:TPU:1 XLA TraceMe 106 54525520394",
		"/device:TPU:2 XLA Modules 103 79123005848842", "/device:TPU:2 XLA Ops 1503 78781986874072",
		"/device:TPU:2 Async XLA Ops 0 0", "/device:TPU:2 Overlay 0 0", "/device:TPU:2 XLA TraceMe 106 340985669690",
		"/device:TPU:3 XLA Modules 103 78811108152280", "/device:TPU:3 XLA Ops 1503 78766281688068",
		"/device:TPU:3 Async XLA Ops 0 0", "/device:TPU:3 Overlay 0 0", "/device:TPU:3 XLA TraceMe 106 44793538830"}},
	{"data/xspace/tpu_v6e_torchxla_cnn.xplane.pb.gz", 15490, "/device:", []string{
		"/device:TPU:0 XLA Modules 12 390002362188", "/device:TPU:0 XLA Ops 1509 227053479054",
		"/device:TPU:0 Async XLA Ops 506 269275130858", "/device:TPU:0 Overlay 0 0", "/device:TPU:0 XLA TraceMe 11 7344"}},
	{"data/xspace/gpu_v100_bert_layers.xplane.pb", 23128, "/device:GPU:6", []string{
		"/device:GPU:6 Stream #143(MemcpyH2D) 99 197536000", "/device:GPU:6 Stream #91(MemcpyH2D) 2 4096000",
		"/device:GPU:6 Stream #142(Compute) 665 14865363000", "/device:GPU:6 Stream #144(MemcpyD2H) 12 37504000",
		"/device:GPU:6 TensorFlow Ops 665 14865363000", "/device:GPU:6 TensorFlow Name Scope 2436 143411607000", "/device:GPU:6 Steps 1 21310352000"}},
	{"data/xspace/gpu_mi300_jax_conv.xplane.pb", 3650, "/device:GPU:", []string{
		"/device:GPU:0 Stream #17(Kernel) 9 146240000", "/device:GPU:0 Stream #15(Kernel) 9 145320000",
		"/device:GPU:0 Stream #16(Kernel) 34 3578725000", "/device:GPU:0 Stream #18(Kernel) 8 129880000",
		"/device:GPU:1 Stream #19(Kernel) 25 3345845000", "/device:GPU:2 Stream #22(Kernel) 25 3524285000",
		"/device:GPU:3 Stream #25(Kernel) 25 3403364000", "/device:GPU:4 Stream #28(Kernel) 25 3493365000",
		"/device:GPU:5 Stream #31(Kernel) 25 3464884000", "/device:GPU:6 Stream #34(Kernel) 25 3403004000",
		"/device:GPU:7 Stream #37(Kernel) 25 3502165000"}},
	{"data/xspace/gpu_mi355_jax_fused_attention_fwd_bwd.xplane.pb", 1992, "/device:GPU:", []string{"/device:GPU:0 Stream #2 150 12133585000"}},
	{"data/xspace/gpu_gtx1080ti_x2.xplane.pb", 55, "/device:GPU:", []string{
		"/device:GPU:0 Stream #22(Compute) 1 1888000", "/device:GPU:1 Stream #40(Compute) 1 1920000"}},
	{"data/xspace/cpu_reactant.xplane.pb", 138, "/device:", nil},
	{"data/jax_cpu/base_a/host.xplane.pb", 12146, "/device:", nil},
}

func TestInventory(t *testing.T) {
	for _, c := range inventories {
		t.Run(c.file, func(t *testing.T) {
			sp := indexBytes(t, content(t, tracetest.Shared(t, c.file)))
			lines, total := inventory(t, sp, false)
			if total != c.events {
				t.Errorf("%d events, want %d", total, c.events)
			}
			strict, _ := inventory(t, sp, true)
			if d := cmp.Diff(lines, strict); d != "" {
				t.Errorf("strict scan differs (-jump +strict):\n%s", d)
			}
			var device []string
			for _, s := range lines {
				if strings.HasPrefix(s, c.planes) {
					device = append(device, s)
				}
			}
			if d := cmp.Diff(c.lines, device, cmpopts.EquateEmpty()); d != "" {
				t.Errorf("lines (-want +got):\n%s", d)
			}
			for _, p := range sp.Problems() {
				t.Errorf("problem in a sound file: %+v", p)
			}
		})
	}
}

// Sums on the device clock of the TPU capture: the op times of its op tables.
func TestDeviceClock(t *testing.T) {
	sp := indexBytes(t, content(t, tracetest.Shared(t, "data/xspace/tpu_v6e_x4_host_offload.xplane.pb")))
	want := map[string]int64{"/device:TPU:0": 78783723903750, "/device:TPU:1": 78788304606250,
		"/device:TPU:2": 78780797327500, "/device:TPU:3": 78765077868750}
	for _, pl := range sp.Planes {
		for _, ln := range pl.Lines {
			if ln.Name != "XLA Ops" {
				continue
			}
			var sum int64
			err := ln.Scan(xspace.ScanOptions{DeviceClock: true}, func(b *xspace.Batch) bool {
				for i, d := range b.Dur {
					sum += d
					if b.Flags[i] != xspace.OnDevice {
						t.Errorf("%s: event %d is not on the device clock", pl.Name, b.First+int64(i))
					}
				}
				return true
			})
			if err != nil || sum != want[pl.Name] {
				t.Errorf("%s: op time %d ps, want %d; error %v", pl.Name, sum, want[pl.Name], err)
			}
		}
	}
}

// Captures cut short keep all whole events; the numbers are of the files'
// ground_truth.json: events in complete lines and in the cut one.
func TestTruncatedCaptures(t *testing.T) {
	for _, c := range []struct {
		file          string
		declared, has int64
		whole, cut    []int64
	}{
		{"data/jax_cpu/truncated/failed_write.xplane.pb", 468693, 46120, []int64{456}, []int64{1026}},
		{"data/jax_cpu/truncated/cut_of_base_b.xplane.pb", 476401, 238923, []int64{6145}, []int64{151}},
	} {
		t.Run(c.file, func(t *testing.T) {
			sp := indexBytes(t, content(t, tracetest.Shared(t, c.file)))
			if len(sp.Planes) != 2 || sp.Planes[0].Name != "/host:metadata" || sp.Planes[0].Truncated {
				t.Fatalf("planes %v, want a whole /host:metadata and a cut /host:CPU", sp.Planes)
			}
			pl := sp.Planes[1]
			if pl.Name != "/host:CPU" || !pl.Truncated {
				t.Errorf("plane %q, truncated %t; want /host:CPU, true", pl.Name, pl.Truncated)
			}
			var counts []int64
			for _, ln := range pl.Lines {
				n := int64(0)
				for _, s := range scannedLine(t, ln) {
					n += s
				}
				counts = append(counts, n)
			}
			last := len(counts) - 1
			sum := int64(0)
			for _, n := range counts[:last] {
				sum += n
			}
			if sum != c.whole[0] || counts[last] != c.cut[0] {
				t.Errorf("events by line %v, want %d in complete lines and %d in the cut one", counts, c.whole[0], c.cut[0])
			}
			if pl.NumEvents() != 0 || pl.NumStats() != 0 {
				t.Errorf("%d event and %d stat metadata entries, want none", pl.NumEvents(), pl.NumStats())
			}
			msg := fmt.Sprintf("declares %d bytes, %d are present", c.declared, c.has)
			if p := sp.Problems(); len(p) == 0 || p[0].Code != xspace.CodeTruncated || !strings.Contains(p[0].Msg, msg) {
				t.Errorf("problems %+v, want %q first", p, msg)
			}
		})
	}
}

// scannedLine returns the sizes of a line's batches.
func scannedLine(t *testing.T, ln *xspace.Line) (sizes []int64) {
	t.Helper()
	err := ln.Scan(xspace.ScanOptions{}, func(b *xspace.Batch) bool { sizes = append(sizes, int64(len(b.Meta))); return true })
	if err != nil {
		t.Fatal(err)
	}
	return sizes
}

func TestMangledCapture(t *testing.T) {
	b := content(t, tracetest.Shared(t, "data/malformed/utf8_mangled.xplane.pb"))
	if _, err := xspace.Index(bytes.NewReader(b), int64(len(b))); !errors.Is(err, xspace.ErrMangled) {
		t.Errorf("error %v, want ErrMangled", err)
	}
}
