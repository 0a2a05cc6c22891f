// SPDX-License-Identifier: Apache-2.0

package xspace_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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

// inventory lists lines with events and sum of durations of the event clock.
func inventory(t testing.TB, sp *xspace.Space, opts xspace.ScanOptions) (lines []string, total int64) {
	t.Helper()
	for _, pl := range sp.Planes {
		for _, ln := range pl.Lines {
			var n, dur int64
			err := ln.Scan(opts, func(b *xspace.Batch) bool {
				n += int64(len(b.Meta))
				for _, d := range b.Dur {
					dur += d
				}
				return true
			})
			if err != nil {
				t.Fatal(err)
			}
			total += n
			_, name := ln.Display()
			lines = append(lines, fmt.Sprintf("%s | %s | %d events | %d ps", pl.Name, name, n, dur))
		}
	}
	return lines, total
}

func TestCaptureEventCounts(t *testing.T) {
	for _, c := range []struct {
		file string
		want int64
	}{
		{"data/xspace/tpu_v6e_x4_host_offload.xplane.pb", 26723},
		{"data/xspace/tpu_v6e_torchxla_cnn.xplane.pb.gz", 15490},
		{"data/xspace/gpu_v100_bert_layers.xplane.pb", 23128},
		{"data/xspace/gpu_mi300_jax_conv.xplane.pb", 3650},
		{"data/xspace/gpu_mi355_jax_fused_attention_fwd_bwd.xplane.pb", 1992},
		{"data/xspace/gpu_gtx1080ti_x2.xplane.pb", 55},
		{"data/xspace/cpu_reactant.xplane.pb", 138},
	} {
		t.Run(c.file, func(t *testing.T) {
			sp := indexBytes(t, content(t, tracetest.Shared(t, c.file)))
			lines, total := inventory(t, sp, xspace.ScanOptions{})
			if total != c.want {
				t.Errorf("%d events, want %d", total, c.want)
			}
			strict, _ := inventory(t, sp, xspace.ScanOptions{Strict: true})
			if d := cmp.Diff(lines, strict); d != "" {
				t.Errorf("strict scan differs (-jump +strict):\n%s", d)
			}
			for _, p := range sp.Problems() {
				t.Errorf("problem: %+v", p)
			}
			if testing.Verbose() {
				t.Log("\n" + strings.Join(lines, "\n"))
			}
		})
	}
}
