// SPDX-License-Identifier: Apache-2.0

package xspacegen_test

import (
	"bytes"
	"testing"

	"github.com/layerscope/layerscope/trace/internal/xspace"
	"github.com/layerscope/layerscope/trace/internal/xspace/xspacegen"
)

// The figures a generated file claims are those a reader finds, the size is the
// one asked for, and the bytes depend on nothing but the configuration.
func TestWrite(t *testing.T) {
	cfg := xspacegen.Config{Seed: 3, Bytes: 4 << 20, Planes: 2}
	var a, b bytes.Buffer
	truth, err := xspacegen.Write(&a, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := xspacegen.Write(&b, cfg); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two files of the same configuration differ")
	}
	if truth.Bytes != int64(a.Len()) || truth.Bytes < 4<<20*95/100 || truth.Bytes > 4<<20*105/100 {
		t.Errorf("%d bytes, truth says %d, wanted %d within 5%%", a.Len(), truth.Bytes, 4<<20)
	}
	sp, err := xspace.Index(bytes.NewReader(a.Bytes()), int64(a.Len()))
	if err != nil {
		t.Fatal(err)
	}
	var events, ops, dur, opBytes int64
	for _, pl := range sp.Planes {
		for _, ln := range pl.Lines {
			err := ln.Scan(xspace.ScanOptions{DeviceClock: true}, func(b *xspace.Batch) bool {
				events += int64(len(b.Meta))
				if ln.Name == "XLA Ops" {
					ops += int64(len(b.Meta))
					for i, d := range b.Dur {
						dur += d
						if b.Flags[i] != xspace.OnDevice {
							t.Fatal("an op event without device times")
						}
					}
				}
				return true
			})
			if err != nil {
				t.Fatal(err)
			}
			if ln.Name == "XLA Ops" {
				opBytes += ln.Bytes
			}
		}
	}
	if events != truth.Events || ops != truth.OpEvents || dur != truth.OpPs {
		t.Errorf("read %d events, %d ops, %d ps; truth %+v", events, ops, dur, truth)
	}
	if per := float64(opBytes) / float64(ops); per < 41 || per > 48 {
		t.Errorf("%.1f bytes per op event, wanted 41 to 48 as in real TPU captures", per)
	}
}
