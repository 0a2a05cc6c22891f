// SPDX-License-Identifier: Apache-2.0

package xspace_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layerscope/layerscope/trace/internal/xspace"
	"github.com/layerscope/layerscope/trace/internal/xspace/xspacegen"
)

// generated is a small file of the TPU stat mix.
func generated(t testing.TB, size int64) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := xspacegen.Write(&b, xspacegen.Config{Seed: 5, Bytes: size, Planes: 2, Layers: 4}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// readAll does all that can be done with a file and returns how many events
// scans found. Errors are fine, panics are not.
func readAll(r io.ReaderAt, size int64) (events int64, err error) {
	sp, err := xspace.Index(r, size)
	if sp == nil {
		return 0, err
	}
	for _, pl := range sp.Planes {
		err = errors.Join(err, pl.Load())
		for i := range min(pl.NumEvents(), 1000) {
			pl.Event(uint32(i))
		}
		for i := range min(pl.NumStats(), 1000) {
			pl.StatMeta(uint32(i))
		}
		pl.Stats()
		for _, ln := range pl.Lines {
			for _, opts := range []xspace.ScanOptions{{DeviceClock: true}, {Want: []string{"hlo_op", "run_id"}, WindowBytes: 300}, {Strict: true}} {
				n := int64(0)
				err = errors.Join(err, ln.Scan(opts, func(b *xspace.Batch) bool {
					n += int64(len(b.Meta))
					for i := range b.Meta {
						for c := range b.Values {
							b.Text(c, i)
						}
					}
					return true
				}))
				if opts.DeviceClock {
					events += n
				}
			}
			_, cerr := ln.Count()
			err = errors.Join(err, cerr, ln.Events(func(int64, *xspace.Event) bool { return true }))
			ln.Display()
		}
	}
	sp.Problems()
	return events, err
}

// A file cut anywhere keeps every whole event, with a problem or, where nothing
// can be told, an error.
func TestCutAnywhere(t *testing.T) {
	b := generated(t, 40<<10)
	ends := eventEnds(t, b)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		n := 1 + rng.IntN(len(b)-1)
		cut := b[:n:n]
		sp, err := xspace.Index(bytes.NewReader(cut), int64(n))
		if err != nil {
			var framing *xspace.FramingError
			if n > 3 || !errors.As(err, &framing) {
				t.Errorf("cut at %d: error %v", n, err)
			}
			continue
		}
		want, _ := slices.BinarySearch(ends, int64(n)+1)
		got := 0
		for _, pl := range sp.Planes {
			for _, ln := range pl.Lines {
				if err := ln.Scan(xspace.ScanOptions{}, func(b *xspace.Batch) bool { got += len(b.Meta); return true }); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got != want {
			t.Errorf("cut at %d: %d events, want the %d whole ones", n, got, want)
		}
		codes := map[string]bool{}
		for _, p := range sp.Problems() {
			codes[p.Code] = true
		}
		if !codes[xspace.CodeTruncated] && n != len(b) && !topLevelEnd(b, n) || len(codes) > 1 {
			t.Errorf("cut at %d: problems %+v, want only %q", n, sp.Problems(), xspace.CodeTruncated)
		}
	}
}

// eventEnds returns the file offsets at which events end, by a plain walk.
func eventEnds(t *testing.T, b []byte) (ends []int64) {
	walk(t, b, 0, func(num int, val []byte, at int64) {
		if num != 1 {
			return
		}
		walk(t, val, at, func(num int, val []byte, at int64) {
			if num != 3 {
				return
			}
			walk(t, val, at, func(num int, val []byte, at int64) {
				if num == 4 {
					ends = append(ends, at+int64(len(val)))
				}
			})
		})
	})
	return ends
}

// walk calls fn for the length-delimited fields of b, which lies at off.
func walk(t *testing.T, b []byte, off int64, fn func(num int, val []byte, at int64)) {
	for p := 0; p < len(b); {
		tag, n := binary.Uvarint(b[p:])
		p += n
		v, n := binary.Uvarint(b[p:])
		p += n
		if tag&7 == 2 {
			fn(int(tag>>3), b[p:p+int(v)], off+int64(p))
			p += int(v)
		} else if tag&7 != 0 {
			t.Fatalf("wire type %d in a generated file", tag&7)
		}
	}
}

// topLevelEnd reports whether a field of the XSpace ends at n.
func topLevelEnd(b []byte, n int) bool {
	for p := 0; p < n; {
		_, k := binary.Uvarint(b[p+1:])
		v, _ := binary.Uvarint(b[p+1:])
		if p += 1 + k + int(v); p == n {
			return true
		}
	}
	return false
}

// Flipped bits are read around or reported, whatever they hit.
func TestFlippedBits(t *testing.T) {
	b := generated(t, 20<<10)
	whole, err := readAll(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	kept := int64(0)
	const rounds = 600
	for range rounds {
		c := slices.Clone(b)
		for range 1 + rng.IntN(3) {
			c[rng.IntN(len(c))] ^= 1 << rng.IntN(8)
		}
		n, _ := readAll(bytes.NewReader(c), int64(len(c)))
		kept += n
	}
	if share := float64(kept) / float64(whole*rounds); share < 0.8 {
		t.Errorf("%.2f of the events survive one to three flipped bits, want 0.8 at least", share)
	}
}

// The memory that hostile files cost is at most three times their size and 100 MB,
// counting everything ever allocated.
func TestHostileMemory(t *testing.T) {
	const million = 1_000_000
	n := 2 * million
	for _, c := range []struct {
		name string
		file func() []byte
	}{
		{"distinct event metadata", func() []byte {
			return wrap(repeat(10*million, func(b []byte, i int) []byte { return entry(b, 0x22, int64(i)) }))
		}},
		{"distinct stat metadata with sparse ids", func() []byte {
			return wrap(repeat(n/2, func(b []byte, i int) []byte { return entry(b, 0x2a, int64(uint64(i)*0x9e3779b97f4a7c15)) }))
		}},
		{"empty planes", func() []byte { return bytes.Repeat([]byte{0x0a, 0x00}, n) }},
		{"planes of distinct names", func() []byte {
			return repeat(n/4, func(b []byte, i int) []byte { return append(b, plane(fmt.Sprint(i))...) })
		}},
		{"empty lines", func() []byte { return wrap(bytes.Repeat([]byte{0x1a, 0x00}, n)) }},
		{"lines of distinct ids", func() []byte {
			return wrap(repeat(n/4, func(b []byte, i int) []byte { return append(b, line(vi(1, int64(i)), []byte{0x22, 0})...) }))
		}},
		{"lines and metadata in turn", func() []byte { return wrap(bytes.Repeat([]byte{0x1a, 0x00, 0x22, 0x00}, n/2)) }},
		{"events of distinct unknown ids", func() []byte {
			return wrap(line(repeat(n/4, func(b []byte, i int) []byte { return append(b, ev(int64(i)*1000, 1, 1)...) })))
		}},
		{"errors", func() []byte { return bytes.Repeat([]byte{0x12, 0x00}, n) }},
		{"damaged events", func() []byte { return wrap(line(bytes.Repeat([]byte{0x22, 0x01, 0x07}, n/4))) }},
		{"length bombs", func() []byte {
			return slices.Concat(plane("p", line(ev(1, 1, 1))), []byte("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x3f\x1a\xff\xff\xff\xff\xff\xff\xff\x3f\x22\xff\xff\xff\xff\xff\xff\x3f\x08"))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := c.file()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if _, err := readAll(bytes.NewReader(b), int64(len(b))); err != nil {
				t.Log(err)
			}
			runtime.ReadMemStats(&after)
			used, limit := after.TotalAlloc-before.TotalAlloc, uint64(3*len(b)+100<<20)
			if used > limit {
				t.Errorf("%d MB allocated for %d MB of input, want at most %d MB", used>>20, len(b)>>20, limit>>20)
			}
		})
	}
}

func wrap(content []byte) []byte { return plane("p", content) }

func repeat(n int, add func([]byte, int) []byte) (b []byte) {
	for i := range n {
		b = add(b, i)
	}
	return b
}

// entry appends a map entry that has only a key.
func entry(b []byte, tag byte, key int64) []byte {
	e := vi(1, key)
	return append(append(b, tag, byte(len(e))), e...)
}

// A sparse file is zero but for a few pieces.
type sparse struct {
	size   int64
	pieces map[int64][]byte
}

func (s *sparse) ReadAt(p []byte, off int64) (int, error) {
	n := int(min(int64(len(p)), s.size-off))
	clear(p[:n])
	for at, b := range s.pieces {
		if at < off+int64(n) && off < at+int64(len(b)) {
			copy(p[max(0, at-off):n], b[max(0, off-at):])
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// put writes a piece and returns the offset behind it.
func (s *sparse) put(at int64, b []byte) int64 {
	s.pieces[at] = b
	s.size = max(s.size, at+int64(len(b)))
	return at + int64(len(b))
}

// bigHead is the tag and length of a field of n bytes.
func bigHead(num int, n int64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, uint64(num<<3|2)), uint64(n))
}

// Offsets are good beyond 2 and 4 GiB: planes, lines, metadata and events on both
// sides of gaps of unknown fields, and one event of 3 GiB.
func TestHugeOffsets(t *testing.T) {
	const gap = 3 << 30
	s := &sparse{pieces: map[int64][]byte{}}
	front := slices.Concat(st(2, "p"), meta(1, "one"))
	// The line: event, unknown field of 3 GiB, event, event of 3 GiB, event.
	a, b, c := slices.Concat(vi(1, 9), ev(1, 1, 1)), ev(2, 2, 2), ev(1, 3, 3)
	unknown, huge := bigHead(50, gap), bigHead(4, gap)
	inLine := int64(len(a)+len(unknown)+len(b)+len(huge)+len(c)) + 2*gap
	tail := meta(2, "two")
	head := bigHead(3, inLine)
	inPlane := int64(len(front)+len(head)+len(tail)) + inLine
	at := s.put(0, slices.Concat(bigHead(1, inPlane), front, head, a, unknown))
	at = s.put(at+gap, slices.Concat(b, huge))
	s.put(at+gap, slices.Concat(c, tail, plane("q", line(vi(1, 1), ev(5, 5, 5)))))

	sp, err := xspace.Index(s, s.size)
	if err != nil {
		t.Fatal(err)
	}
	got := scanned(t, sp, xspace.ScanOptions{})
	if d := cmp.Diff([]string{"1 1+1 flags 0 ×0", "2 2+2 flags 0 ×0", "1 3+3 flags 0 ×0", "5 5+5 flags 0 ×0"}, got); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
	if em := sp.Planes[0].Event(1); em.Name != "two" {
		t.Errorf("metadata behind 6 GiB: %+v", em)
	}
	if n, err := sp.Planes[0].Lines[0].Count(); n != 3 || err != nil {
		t.Errorf("count %d, error %v; want the 3 events that can be decoded", n, err)
	}
	p := sp.Problems()
	if len(p) != 1 || p[0].Code != xspace.CodeOversized || p[0].Offset < 3<<30 {
		t.Errorf("problems %+v, want the event of 3 GiB", p)
	}
}
