// SPDX-License-Identifier: Apache-2.0

package arena

import (
	"errors"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

// held is a buffer of the model with the byte that fills it.
type held struct {
	buf  Buffer
	fill byte
}

// TestMachine runs random allocations, frees and trims beside a model: figures
// agree, buffers are aligned, disjoint and keep their bytes, blocks cover
// their regions with no two free neighbours, and the limit is kept.
func TestMachine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.SampledFrom([]int64{0, 50_000, 300_000}).Draw(t, "limit")
		var inUse, peak, largest, count int64 // the model
		events := int64(0)
		a := New(Options{Region: 1 << 14, Limit: limit, OnEvent: func(e Event) { events += e.Size * int64(1-2*int(e.Op)) }})
		var live []held
		next := byte(0)
		free := func(i int) {
			h := live[i]
			for _, v := range h.buf.Bytes() {
				if v != h.fill {
					t.Fatalf("buffer %d holds %#x, want %#x", h.buf.ID(), v, h.fill)
				}
			}
			h.buf.Free()
			inUse -= max(roundUp(int64(h.buf.Len()), Align), Align)
			live = append(live[:i], live[i+1:]...)
		}
		t.Repeat(map[string]func(*rapid.T){
			"alloc": func(t *rapid.T) {
				n := rapid.OneOf(rapid.IntRange(0, 300), rapid.IntRange(0, 40_000)).Draw(t, "n")
				b, err := a.Alloc(n, Tag{Scope: "s", Kind: Temp})
				size := max(roundUp(int64(n), Align), Align)
				if err != nil {
					var oom *OutOfMemory
					if !errors.As(err, &oom) || limit == 0 || size <= oom.Stats.LargestFreeBlockBytes {
						t.Fatalf("%d bytes with limit %d: %v", n, limit, err)
					}
					return
				}
				next++
				fill(b.Bytes(), next)
				live = append(live, held{b, next})
				inUse, count = inUse+size, count+1
				peak, largest = max(peak, inUse), max(largest, size)
			},
			"free": func(t *rapid.T) {
				if len(live) > 0 {
					free(rapid.IntRange(0, len(live)-1).Draw(t, "i"))
				}
			},
			"trim": func(*rapid.T) { a.Trim() },
			"": func(t *rapid.T) {
				s := a.Stats()
				if s.BytesInUse != inUse || s.PeakBytesInUse != peak || s.LargestAllocSize != largest || s.NumAllocs != count || events != inUse {
					t.Fatalf("%+v; model: in use %d (events %d), peak %d, largest %d, allocations %d", s, inUse, events, peak, largest, count)
				}
				if limit > 0 && s.PeakPoolBytes > limit {
					t.Fatalf("%d bytes mapped, limit %d", s.PeakPoolBytes, limit)
				}
				if err := a.audit(); err != nil {
					t.Fatal(err)
				}
			},
		})
		for len(live) > 0 {
			free(0)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// audit walks all regions.
func (a *Arena) audit() error {
	var pool, free int64
	var live, frees int
	for _, r := range a.regions {
		at := int64(0)
		for b := r.first; b != nil; b = b.next {
			switch {
			case b.off != at || b.size <= 0 || b.size%Align != 0 && b.next != nil || b.region != r:
				return errors.New("a block does not follow its neighbour")
			case uintptr(unsafe.Pointer(&r.data[b.off]))%Align != 0:
				return errors.New("a block is not aligned")
			case b.next != nil && b.next.prev != b:
				return errors.New("a link is broken")
			case b.id == 0 && b.next != nil && b.next.id == 0:
				return errors.New("two neighbours are free")
			case b.id != 0 && a.live[b.id] != b:
				return errors.New("a block is not in the live set")
			}
			if b.id == 0 {
				free += b.size
				frees++
			} else {
				live++
			}
			at += b.size
		}
		if at != int64(len(r.data)) {
			return errors.New("blocks do not cover their region")
		}
		pool += at
	}
	if live != len(a.live) || frees != len(a.free.blocks) || free != a.free.bytes || pool != a.stats.PoolBytes ||
		pool != free+a.stats.BytesInUse {
		return errors.New("the sums of blocks and books differ")
	}
	return nil
}
