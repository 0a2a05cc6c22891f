// SPDX-License-Identifier: Apache-2.0

package perfetto

import (
	"compress/gzip"
	"io"
	"os"
	"testing"

	"github.com/layerscope/layerscope/internal/tracetest"
)

// counts is what a file holds, by what its own tools say.
type counts struct {
	packets, begins, ends, instants, tracks, gpu int64
}

func countFile(t *testing.T, path string) (counts, *Reader) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = f
	if z, err := gzip.NewReader(f); err == nil {
		r = z
	} else if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	rd := NewReader(r, Options{})
	var c counts
	for {
		k, err := rd.Next()
		if err == io.EOF {
			c.packets = rd.Packets()
			return c, rd
		}
		if err != nil {
			t.Fatal(err)
		}
		switch k {
		case TrackRecord:
			c.tracks++
		case GPUCountersRecord:
			c.gpu++
		case EventRecord:
			switch rd.Event.Type {
			case Begin:
				c.begins++
			case End:
				c.ends++
			case Instant:
				c.instants++
			}
			for a := range rd.Annotations {
				for range a.Flatten {
				}
			}
		}
	}
}

// TestSharedFiles counts the records of real files of several writers.
func TestSharedFiles(t *testing.T) {
	for _, tc := range []struct {
		name string
		want counts
	}{
		{"android_gpu_counters.pftrace", counts{packets: 5790, gpu: 5782}},
		{"chrome_track_events.pftrace", counts{packets: 293610, begins: 142164, ends: 142091, instants: 3969 + 75, tracks: 864}},
		{"sdk_nested_tracks.perfetto-trace", counts{packets: 4092, begins: 1364, ends: 1364, tracks: 1364}},
		{"typed_args_tiny.perfetto-trace", counts{packets: 4, instants: 3, tracks: 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, rd := countFile(t, tracetest.Shared(t, "data/perfetto/"+tc.name))
			if got != tc.want {
				t.Errorf("%+v, want %+v", got, tc.want)
			}
			for _, p := range rd.Problems() {
				t.Log(p)
			}
			t.Log(rd.Undecoded())
		})
	}
}
