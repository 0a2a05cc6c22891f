// SPDX-License-Identifier: Apache-2.0

package arena

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

func alloc(t *testing.T, a *Arena, n int, scope string, kind Kind) Buffer {
	t.Helper()
	b, err := a.Alloc(n, Tag{Scope: scope, Kind: kind})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestBooks follows a worked example: sizes round up to 64.
func TestBooks(t *testing.T) {
	a := New(Options{Region: 4096, Limit: 8192})
	w := alloc(t, a, 1000, "model/embed", Weights) // 1024
	x := alloc(t, a, 1, "layer_0/mlp", Activations)
	y := alloc(t, a, 64, "layer_1/mlp", Activations)
	want := Stats{BytesInUse: 1152, PeakBytesInUse: 1152, NumAllocs: 3, LargestAllocSize: 1024, BytesLimit: 8192,
		PoolBytes: 4096, PeakPoolBytes: 4096, LargestFreeBlockBytes: 2944}
	if d := cmp.Diff(want, a.Stats()); d != "" {
		t.Errorf("after three allocations (-want +got):\n%s", d)
	}
	x.Free()
	want.BytesInUse, want.Fragmentation = 1088, 64.0/3008
	if d := cmp.Diff(want, a.Stats()); d != "" {
		t.Errorf("after a free (-want +got):\n%s", d)
	}
	z := alloc(t, a, 60, "layer_2/mlp", Activations) // takes x's place
	if got, want := a.Live()[2].Addr, uintptr(unsafe.Pointer(&w.Bytes()[0]))+1024; got != want {
		t.Errorf("the recycled block is at %#x, want %#x", got, want)
	}
	wantUse := []Usage{{"model/embed", Weights, 1024, 1}, {"layer_1/mlp", Activations, 64, 1}, {"layer_2/mlp", Activations, 64, 1}}
	if d := cmp.Diff(wantUse, ByTag(a.Live())); d != "" {
		t.Errorf("usage (-want +got):\n%s", d)
	}
	a.ResetPeak()
	for _, b := range []Buffer{w, y, z, {}} {
		b.Free()
	}
	want = Stats{PeakBytesInUse: 1152, NumAllocs: 4, LargestAllocSize: 1024, BytesLimit: 8192,
		PoolBytes: 4096, PeakPoolBytes: 4096, LargestFreeBlockBytes: 4096}
	if d := cmp.Diff(want, a.Stats()); d != "" {
		t.Errorf("after all frees (-want +got):\n%s", d)
	}
	if n := a.Trim(); n != 4096 || a.Stats().PoolBytes != 0 {
		t.Errorf("Trim gave back %d bytes, %d stay mapped", n, a.Stats().PoolBytes)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

func TestEvents(t *testing.T) {
	var got []string
	a := New(Options{Region: 4096, Stack: 4, OnEvent: func(e Event) {
		got = append(got, fmt.Sprintf("%v %d %s %d/%d use %d peak %d free %d frag %.2f",
			e.Op, e.ID, e.Tag.Scope, e.Requested, e.Size, e.BytesInUse, e.PeakBytesInUse, e.BytesAvailable, e.Fragmentation))
	}})
	x, y := alloc(t, a, 100, "x", Temp), alloc(t, a, 64, "y", Temp)
	x.Free()
	y.Free()
	want := []string{
		"alloc 1 x 100/128 use 128 peak 128 free 3968 frag 0.00",
		"alloc 2 y 64/64 use 192 peak 192 free 3904 frag 0.00",
		"free 1 x 100/128 use 64 peak 192 free 4032 frag 0.00",
		"free 2 y 64/64 use 0 peak 192 free 4096 frag 0.03",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
	z := alloc(t, a, 1, "z", Temp)
	frame, _ := runtime.CallersFrames(a.Live()[0].Stack).Next()
	if !strings.HasSuffix(frame.Function, "arena.alloc") {
		t.Errorf("the allocation's first frame is %s, want the caller of Alloc", frame.Function)
	}
	z.Free()
}

func TestOutOfMemory(t *testing.T) {
	a := New(Options{Limit: 10_000})
	w := alloc(t, a, 6000, "model/embed", Weights)
	x := alloc(t, a, 2000, "layer_03/mlp", Activations)
	_, err := a.Alloc(3000, Tag{Scope: "layer_04/mlp", Kind: Activations})
	var oom *OutOfMemory
	if !errors.As(err, &oom) {
		t.Fatalf("error %v, want *OutOfMemory", err)
	}
	want := "arena: layer_04/mlp (activations): 3000 bytes do not fit: 8064 in use of 10000, largest free block 1920; " +
		"largest: model/embed (weights) 6016 in 1, layer_03/mlp (activations) 2048 in 1"
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
	x.Free()
	y := alloc(t, a, 3000, "layer_04/mlp", Activations) // fits now
	w.Free()
	y.Free()
	big := alloc(t, a, 9984, "all", Temp) // the whole limit, rounded down to 64
	if s := a.Stats(); s.PeakPoolBytes > 10_000 {
		t.Errorf("%d bytes were mapped, limit 10000", s.PeakPoolBytes)
	}
	big.Free()
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if _, err := a.Alloc(1, Tag{}); !errors.Is(err, ErrClosed) {
		t.Errorf("Alloc on a closed arena: %v", err)
	}
}

// TestLimitUnmapsIdleRegions: memory that nobody uses does not stand in the
// way of an allocation of another shape.
func TestLimitUnmapsIdleRegions(t *testing.T) {
	a := New(Options{Region: 1 << 16, Limit: 1 << 18})
	for range 4 {
		defer alloc(t, a, 1<<16, "small", Temp).Free()
	}
	small := a.Live()
	if len(small) != 4 || a.Stats().PoolBytes != 1<<18 {
		t.Fatalf("%d buffers, %d bytes mapped", len(small), a.Stats().PoolBytes)
	}
	if _, err := a.Alloc(1, Tag{}); err == nil {
		t.Error("an allocation past the limit succeeded")
	}
	b := New(Options{Region: 1 << 16, Limit: 1 << 18})
	for range 4 {
		alloc(t, b, 100, "small", Temp).Free()
	}
	alloc(t, b, 1<<18, "large", Temp).Free()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

func TestCloseReportsLeaks(t *testing.T) {
	a := New(Options{})
	alloc(t, a, 10, "layer_1", KVCache)
	b := alloc(t, a, 500, "layer_1", KVCache)
	alloc(t, a, 1, "", "")
	err := a.Close()
	var leak *LeakError
	if !errors.As(err, &leak) || len(leak.Leaks) != 3 {
		t.Fatalf("Close: %v, want a *LeakError of 3", err)
	}
	if want := "arena: 3 buffers with 640 bytes were not freed: layer_1 (kv_cache) 576 in 2, (no scope) 64 in 1"; err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
	if err := a.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	mustPanic(t, "after it was freed", func() { b.Bytes() })
}

func TestMisuse(t *testing.T) {
	a := New(Options{})
	b := alloc(t, a, 128, "x", Temp)
	copied := b
	b.Free()
	mustPanic(t, "free of buffer 1 (128 bytes) after it was freed", copied.Free)
	mustPanic(t, "use of buffer 1", func() { copied.Floats() })
	c := alloc(t, a, 128, "y", Temp) // same memory: the old handle stays dead
	mustPanic(t, "use of buffer 1", func() { copied.Bytes() })
	mustPanic(t, "-1 bytes", func() { _, _ = a.Alloc(-1, Tag{}) })
	c.Free()
}

func mustPanic(t *testing.T, want string, fn func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
			t.Errorf("panic %q, want %q in it", got, want)
		}
	}()
	fn()
}

func TestEmptyAndAlignment(t *testing.T) {
	a := New(Options{Region: 1 << 20})
	var bufs []Buffer
	for _, n := range []int{0, 1, 3, 4, 63, 64, 65, 4096, 1 << 20, 5 << 20} {
		b := alloc(t, a, n, "x", Temp)
		if d := b.Bytes(); len(d) != n || cap(d) != n || b.Len() != n {
			t.Errorf("%d bytes: len %d cap %d", n, len(d), cap(d))
		}
		if n > 0 && uintptr(unsafe.Pointer(&b.Bytes()[0]))%Align != 0 {
			t.Errorf("%d bytes are not aligned", n)
		}
		if f := b.Floats(); len(f) != n/4 {
			t.Errorf("%d bytes: %d floats", n, len(f))
		}
		bufs = append(bufs, b)
	}
	for _, b := range bufs {
		b.Free()
	}
	if s := a.Stats(); s.BytesInUse != 0 || len(a.Live()) != 0 {
		t.Errorf("%d bytes in use after all frees", s.BytesInUse)
	}
}

// TestConcurrent is for the race detector; every goroutine checks that its
// buffers keep its own bytes.
func TestConcurrent(t *testing.T) {
	a := New(Options{Region: 1 << 16, OnEvent: func(Event) {}})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			var held []Buffer
			for i := range 500 {
				b, err := a.Alloc(1+(i*37+g*101)%3000, Tag{Scope: "g"})
				if err != nil {
					t.Error(err)
					return
				}
				fill(b.Bytes(), byte(g+1))
				if held = append(held, b); len(held) > 20 {
					if !slices.Equal(held[0].Bytes(), slices.Repeat([]byte{byte(g + 1)}, held[0].Len())) {
						t.Error("a buffer was overwritten")
					}
					held[0].Free()
					held = held[1:]
				}
				a.Stats()
			}
			for _, b := range held {
				b.Free()
			}
		})
	}
	wg.Wait()
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

func fill(d []byte, v byte) {
	for i := range d {
		d[i] = v
	}
}
