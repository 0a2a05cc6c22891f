// SPDX-License-Identifier: Apache-2.0

package xspace_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/layerscope/layerscope/trace/internal/xspace"
)

// Planes load once and lines scan at the same time from many goroutines, also with
// ids that nobody names, and all see the same.
func TestConcurrent(t *testing.T) {
	var events []byte
	for i := range int64(3000) {
		events = append(events, ev(i%700-100, i, 1)...)
	}
	sp := indexBytes(t, plane("p", line(vi(1, 1), events), line(vi(1, 2), events), meta(1, "one"), name(17, "device_offset_ps")))
	keys := make([][]int64, 8)
	var wg sync.WaitGroup
	for g := range keys {
		wg.Go(func() {
			pl := sp.Planes[0]
			err := pl.Lines[g%2].Scan(xspace.ScanOptions{BatchEvents: 100, WindowBytes: 1000, DeviceClock: g%3 == 0}, func(b *xspace.Batch) bool {
				for _, m := range b.Meta {
					keys[g] = append(keys[g], pl.Event(m).Key)
				}
				return true
			})
			_, cerr := pl.Lines[g%2].Count()
			if err := errors.Join(err, cerr); err != nil {
				t.Error(err)
			}
			sp.Problems()
		})
	}
	wg.Wait()
	for g, got := range keys {
		if len(got) != 3000 || !slices.Equal(got, keys[0]) {
			t.Errorf("goroutine %d saw %d events, or others than the first", g, len(got))
		}
	}
	if n := sp.Planes[0].Slots(); n != 1+699 {
		t.Errorf("%d slots, want 1 entry and 699 ids without one", n)
	}
}

// A reader that fails is an error of whoever reads, not a problem of the file.
func TestReadErrors(t *testing.T) {
	b := generated(t, 64<<10)
	for _, at := range []int64{0, 100, int64(len(b)) - 1} {
		broken := &failing{b, at}
		_, err := readAll(broken, int64(len(b)))
		if !errors.Is(err, errBroken) {
			t.Errorf("reader that fails at %d: error %v", at, err)
		}
	}
	if _, err := readAll(bytes.NewReader(b), int64(len(b))+1000); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("file shorter than was said: error %v, want unexpected EOF", err)
	}
}

var errBroken = errors.New("broken disk")

// failing is a reader that cannot read offset at.
type failing struct {
	b  []byte
	at int64
}

func (f *failing) ReadAt(p []byte, off int64) (int, error) {
	if off <= f.at && f.at < off+int64(len(p)) {
		return 0, errBroken
	}
	return copy(p, f.b[off:]), nil
}
