// SPDX-License-Identifier: Apache-2.0

package xspace_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layerscope/layerscope/trace/internal/xspace"
)

// rowsOf prints the events of a space; of the wanted stats only those of events
// that keep says so of.
func rowsOf(t *testing.T, sp *xspace.Space, opts xspace.ScanOptions, keep func(meta uint32) bool) (rows []string) {
	t.Helper()
	for _, pl := range sp.Planes {
		for _, ln := range pl.Lines {
			err := ln.Scan(opts, func(b *xspace.Batch) bool {
				found := false
				for i, m := range b.Meta {
					row := fmt.Sprint(ln.Name, m, b.Start[i], b.Dur[i], b.Flags[i])
					for c := range b.Values {
						found = found || b.Values[c].Kind[i] != xspace.NoValue
						if keep(m) {
							row += fmt.Sprint(" ", b.Values[c].Kind[i])
						}
						if keep(m) && b.Values[c].Kind[i] != xspace.NoValue {
							row += fmt.Sprint("=", b.Values[c].Bits[i])
						}
					}
					rows = append(rows, row)
				}
				if found != b.Found {
					t.Errorf("%s: Found is %t", ln.Name, b.Found)
				}
				return true
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return rows
}

// A scan that wants stats of some events only gives these and all times as one
// that wants them of all.
func TestWantFor(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 9))
	b := generated(t, 300<<10)
	// Between the events of the usual shape stand some that are not.
	odd := plane("/device:TPU:9",
		line(st(2, "XLA Ops"), ev(1, 5, 5, by(4, vi(1, 18), vi(3, 7)), by(4, vi(1, 17), vi(3, 6)), by(4, vi(1, 37), vi(4, 9))),
			ev(2, 5, 5, by(4, vi(1, 37), vi(4, 1)), by(4, vi(1, 17), vi(3, 6)), by(4, vi(1, 18), vi(3, 7))), ev(1, 9, 9), ev(2, 9, 9, by(4, vi(1, 37), vi(4, 3)))),
		meta(1, "a"), meta(2, "b"), name(17, "device_offset_ps"), name(18, "device_duration_ps"), name(37, "DVFS group"))
	// Ids beyond what indexes a slice, in events of the usual shape.
	far := [][]byte{st(2, "XLA Ops")}
	for i := range int64(100) {
		far = append(far, ev(1<<20+i%7, i, 1, by(4, vi(1, 17), vi(3, i)), by(4, vi(1, 18), vi(3, 7)), by(4, vi(1, 37), vi(4, i))))
	}
	entries := [][]byte{line(far...)}
	for i := range int64(7) {
		entries = append(entries, meta(1<<20+i, fmt.Sprint(i)))
	}
	entries = append(entries, name(17, "device_offset_ps"), name(18, "device_duration_ps"), name(37, "DVFS group"))
	b = slices.Concat(b, odd, plane("/device:TPU:10", entries...))
	for range 20 {
		list := make([]bool, rng.IntN(200))
		for i := range list {
			list[i] = rng.IntN(3) == 0
		}
		keep := func(m uint32) bool { return int(m) < len(list) && list[m] }
		for _, clock := range []bool{true, false} {
			opts := xspace.ScanOptions{DeviceClock: clock, Want: []string{"DVFS group", "missing"}, WindowBytes: 1 << rng.IntN(18)}
			all := rowsOf(t, indexBytes(t, b), opts, keep)
			opts.WantFor = list
			if d := cmp.Diff(all, rowsOf(t, indexBytes(t, b), opts, keep)); d != "" {
				t.Fatalf("device clock %t, window %d, of %v (-all +some):\n%.2000s", clock, opts.WindowBytes, list, d)
			}
		}
	}
}

// Events whose wanted stats do not parse are counted in either case, wherever they
// stand.
func TestWantForDamaged(t *testing.T) {
	pair := [][]byte{by(4, vi(1, 17), vi(3, 6)), by(4, vi(1, 18), vi(3, 7))}
	events := [][]byte{st(2, "XLA Ops")}
	for i := range 100 {
		stats := append(pair[:2:2], by(4, vi(1, 37), vi(4, int64(i))))
		if i%10 == 7 {
			stats[2] = by(4, vi(1, 37), []byte{0x21, 1})
		}
		events = append(events, ev(int64(1+i%2), int64(i), 1, stats...))
	}
	sp := indexBytes(t, plane("p", line(events...), meta(1, "a"), meta(2, "b"), name(17, "device_offset_ps"), name(18, "device_duration_ps"), name(37, "DVFS group")))
	rows := rowsOf(t, sp, xspace.ScanOptions{DeviceClock: true, Want: []string{"DVFS group"}, WantFor: []bool{true, true}}, func(uint32) bool { return true })
	if len(rows) != 90 {
		t.Errorf("%d events, want the 90 sound ones", len(rows))
	}
	if p := sp.Problems(); len(p) != 1 || p[0].Code != xspace.CodeEvent || p[0].Count != 10 {
		t.Errorf("problems %+v, want 10 events left out", p)
	}
}
