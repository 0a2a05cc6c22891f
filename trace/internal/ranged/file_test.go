// SPDX-License-Identifier: Apache-2.0

package ranged_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/layerscope/layerscope/trace/internal/ranged"
)

// counted counts what is asked of a source.
type counted struct {
	requests, bytes atomic.Int64
}

func (c *counted) of(src ranged.Source) ranged.Source {
	return func(ctx context.Context, off, n int64) (io.ReadCloser, error) {
		c.requests.Add(1)
		c.bytes.Add(n)
		return src(ctx, off, n)
	}
}

func noise(n int) []byte {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func open(t interface{ Fatal(...any) }, src ranged.Source, size int64) *ranged.File {
	f, err := ranged.New(src, size)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Whatever is read, expected or not, in whatever order, is what the file holds;
// and nothing that is expected once is fetched twice.
func TestReadAt(t *testing.T) {
	data := noise(3 << 20)
	size := int64(len(data))
	rapid.Check(t, func(t *rapid.T) {
		var c counted
		f := open(t, c.of(ranged.At(bytes.NewReader(data))), size)
		defer f.Close()
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			off := rapid.Int64Range(0, size+10).Draw(t, "offset")
			n := rapid.Int64Range(0, 300<<10).Draw(t, "length")
			if rapid.IntRange(0, 3).Draw(t, "expect") == 0 {
				f.Expect(off, off+n)
				continue
			}
			got := make([]byte, n)
			m, err := f.ReadAt(got, off)
			want := data[min(off, size):min(off+n, size)]
			if !bytes.Equal(got[:m], want) {
				t.Fatalf("ReadAt(%d bytes, %d): %d other bytes, wanted %d", n, off, m, len(want))
			}
			if short := m < len(got); short != (err == io.EOF) || err != nil && err != io.EOF {
				t.Fatalf("ReadAt(%d bytes, %d) = %d, %v", n, off, m, err)
			}
		}
	})
}

// An expected stretch is one request, to the byte, however small the reads are and
// however often it is read.
func TestExpect(t *testing.T) {
	data := noise(5 << 20)
	var c counted
	f := open(t, c.of(ranged.At(bytes.NewReader(data))), int64(len(data)))
	defer f.Close()
	f.Expect(1<<20, 3<<20)
	f.Expect(3<<20, 4<<20) // behind the first: joined
	var wg sync.WaitGroup
	for from := range int64(3) {
		wg.Go(func() {
			got := make([]byte, 777)
			for range 2 {
				for off := (from + 1) << 20; off < 4<<20; off += 4444 {
					n := min(777, 4<<20-off)
					if _, err := f.ReadAt(got[:n], off); err != nil || !bytes.Equal(got[:n], data[off:off+n]) {
						t.Errorf("offset %d: %v, or other bytes", off, err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	if c.requests.Load() != 1 || c.bytes.Load() != 3<<20 {
		t.Errorf("%d bytes in %d requests, wanted %d in 1", c.bytes.Load(), c.requests.Load(), 3<<20)
	}
}

// Reads that jump fetch a block each; reads that go on fetch more and more.
func TestUnexpected(t *testing.T) {
	data := noise(8 << 20)
	var c counted
	f := open(t, c.of(ranged.At(bytes.NewReader(data))), int64(len(data)))
	defer f.Close()
	b := make([]byte, 100)
	for i := range int64(8) {
		if _, err := f.ReadAt(b, i<<20); err != nil {
			t.Fatal(err)
		}
	}
	if c.requests.Load() != 8 || c.bytes.Load() != 8*16<<10 {
		t.Errorf("%d bytes in %d requests, wanted 8 blocks of 16 KiB", c.bytes.Load(), c.requests.Load())
	}
	c.requests.Store(0)
	for off := int64(7<<20 + 16<<10); off < 8<<20; off += 100 {
		if _, err := f.ReadAt(b[:min(100, 8<<20-off)], off); err != nil {
			t.Fatal(err)
		}
	}
	if n := c.requests.Load(); n > 8 { // 32, 64, 128, then 256 KiB
		t.Errorf("%d requests for a megabyte read on and on, wanted at most 8", n)
	}
}

// A long expectation is cut, and its parts come side by side.
func TestSegments(t *testing.T) {
	const size = 100 << 20
	var c counted
	f := open(t, c.of(ranged.At(zeros{})), size)
	defer f.Close()
	f.Expect(0, size)
	b := make([]byte, 1<<20)
	for off := int64(0); off < size; off += 1 << 20 {
		if _, err := f.ReadAt(b, off); err != nil {
			t.Fatal(err)
		}
	}
	if c.requests.Load() != 3 || c.bytes.Load() != size { // 32, 32, 36 MiB
		t.Errorf("%d bytes in %d requests, wanted %d in 3", c.bytes.Load(), c.requests.Load(), size)
	}
}

type zeros struct{}

func (zeros) ReadAt(b []byte, _ int64) (int, error) { clear(b); return len(b), nil }

// The first failure is final; a range that ends early is one, as is one that
// yields nothing.
func TestFailures(t *testing.T) {
	broken := errors.New("broken")
	sources := map[string]ranged.Source{
		"broken": func(context.Context, int64, int64) (io.ReadCloser, error) { return nil, broken },
		"offset 0x10003: 65533 bytes of the range are missing: unexpected EOF": func(_ context.Context, off, n int64) (io.ReadCloser, error) {
			return io.NopCloser(io.LimitReader(zeroReader{}, 3)), nil
		},
		"multiple Read calls return no data or error": func(context.Context, int64, int64) (io.ReadCloser, error) {
			return io.NopCloser(emptyReader{}), nil
		},
	}
	for want, src := range sources {
		f := open(t, src, 1<<20)
		f.Expect(1<<16, 1<<17)
		for range 2 {
			if _, err := f.ReadAt(make([]byte, 10), 1<<16); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, wanted %q", err, want)
			}
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

type zeroReader struct{}

func (zeroReader) Read(b []byte) (int, error) { clear(b); return len(b), nil }

type emptyReader struct{}

func (emptyReader) Read([]byte) (int, error) { return 0, nil }

// Close ends requests that hang and readers that wait for them, and leaves no file.
func TestClose(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	f := open(t, func(ctx context.Context, _, _ int64) (io.ReadCloser, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}, 1<<20)
	failed := make(chan error)
	go func() {
		_, err := f.ReadAt(make([]byte, 10), 0)
		failed <- err
	}()
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := <-failed; !errors.Is(err, os.ErrClosed) {
		t.Errorf("a read of a closed file: %v", err)
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
