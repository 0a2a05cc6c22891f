// SPDX-License-Identifier: Apache-2.0

// Package storetest is what every objects.Store must do, as a test: a directory
// and a bucket pass the same one.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layerscope/layerscope/reports/objects"
)

// Content is a text as Put takes it.
func Content(text string) objects.Content {
	return objects.Content{Data: strings.NewReader(text), Size: int64(len(text)), CRC32C: crc32.Checksum([]byte(text), objects.Castagnoli), MediaType: "text/plain"}
}

// Names lists what is below a prefix.
func Names(t *testing.T, s objects.Store, prefix string) []string {
	t.Helper()
	var out []string
	for o, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, o.Name)
	}
	slices.Sort(out)
	return out
}

// Gaps are what a stand-in for a bucket doesn't do. Stores of ours have none.
type Gaps struct {
	Compose bool // ignores conditions, generations and checksums
	Delete  bool // ignores generations
}

// Run holds a store, which must be empty, to the contract.
func Run(t *testing.T, s objects.Store, gaps Gaps) {
	if got := Names(t, s, ""); len(got) != 0 {
		t.Fatalf("not empty: %v", got)
	}
	t.Run("put", func(t *testing.T) { put(t, s) })
	t.Run("read", func(t *testing.T) { read(t, s) })
	t.Run("compose", func(t *testing.T) { compose(t, s, gaps.Compose) })
	t.Run("list", func(t *testing.T) { list(t, s) })
	t.Run("delete", func(t *testing.T) { remove(t, s, gaps.Delete) })
	t.Run("race", func(t *testing.T) { race(t, s) })
	t.Run("stopped", func(t *testing.T) { stopped(t, s) })
}

func put(t *testing.T, s objects.Store) {
	ctx := t.Context()
	sent := atomic.Int64{}
	c := Content("one")
	c.Sent = func(n int64) { sent.Add(n) }
	o, err := s.Put(ctx, "put/a.txt", c)
	if err != nil {
		t.Fatal(err)
	}
	if o.Name != "put/a.txt" || o.Size != 3 || o.Generation <= 0 || o.CRC32C != c.CRC32C || o.Time.IsZero() || sent.Load() != 3 {
		t.Errorf("%+v, %d sent", o, sent.Load())
	}
	got, err := s.Stat(ctx, "put/a.txt")
	if diff := cmp.Diff(o, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for _, text := range []string{"one", "two"} { // the same again is no exception
		if _, err := s.Put(ctx, "put/a.txt", Content(text)); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if text, err := objects.ReadAll(ctx, s, "put/a.txt", 10); string(text) != "one" || err != nil {
		t.Errorf("%q %v", text, err)
	}
	if _, err := objects.ReadAll(ctx, s, "put/a.txt", 2); err == nil || !strings.Contains(err.Error(), "more than 2 bytes") {
		t.Error(err)
	}
	if _, err := s.Put(ctx, "put/empty", Content("")); err != nil {
		t.Error(err)
	}
	if text, err := objects.ReadAll(ctx, s, "put/empty", 2); len(text) != 0 || err != nil {
		t.Errorf("%q %v", text, err)
	}
	bad := Content("damaged")
	bad.CRC32C++
	if _, err := s.Put(ctx, "put/bad", bad); err == nil || !strings.Contains(strings.ToUpper(err.Error()), "CRC32C") {
		t.Errorf("%v", err)
	}
	short := Content("short")
	short.Size += 5
	if _, err := s.Put(ctx, "put/short", short); err == nil {
		t.Error("5 bytes for 10")
	}
	for _, name := range []string{"", ".", "/a", "a/../b", "../b", "a//b", "a\\b", "a\nb", "a/", strings.Repeat("x", 1001), "a\xff"} {
		if _, err := s.Put(ctx, name, Content("x")); err == nil {
			t.Errorf("%q was put", name)
		}
		if _, err := s.Stat(ctx, name); err == nil {
			t.Errorf("%q is there", name)
		}
	}
	if got := Names(t, s, "put/"); !slices.Equal(got, []string{"put/a.txt", "put/empty"}) {
		t.Errorf("%v", got)
	}
}

func read(t *testing.T, s objects.Store) {
	ctx := t.Context()
	text := strings.Repeat("0123456789", 100)
	if _, err := s.Put(ctx, "read/a", Content(text)); err != nil {
		t.Fatal(err)
	}
	f, err := objects.Open(ctx, s, "read/a")
	if err != nil || f.Size() != 1000 {
		t.Fatal(f, err)
	}
	for _, c := range []struct {
		off  int64
		n    int
		want string
		err  error
	}{{0, 10, text[:10], nil}, {995, 5, "56789", nil}, {995, 9, "56789", io.EOF}, {1000, 1, "", io.EOF}, {2000, 1, "", io.EOF}, {3, 0, "", nil}, {0, 1000, text, nil}} {
		p := make([]byte, c.n)
		n, err := f.ReadAt(p, c.off)
		if string(p[:n]) != c.want || !errors.Is(err, c.err) {
			t.Errorf("%d+%d: %q, %v; want %v", c.off, c.n, p[:n], err, c.err)
		}
	}
	if requests, bytes := f.Traffic(); requests != 4 || bytes != 1020 {
		t.Errorf("%d requests, %d bytes", requests, bytes)
	}
	stream, err := f.Stream()
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(stream)
	if err := errors.Join(err, stream.Close()); string(all) != text || err != nil {
		t.Error(len(all), err)
	}
	for _, c := range []struct {
		off, n int64
		want   error
	}{{0, 1001, io.ErrUnexpectedEOF}, {999, 2, io.ErrUnexpectedEOF}, {1001, -1, io.ErrUnexpectedEOF}, {-1, 2, io.ErrUnexpectedEOF}, {1000, -1, nil}, {990, -1, nil}} {
		if err := readErr(ctx, s, f.Info.Name, f.Info.Generation, c.off, c.n); !errors.Is(err, c.want) {
			t.Errorf("%d+%d: %v, want %v", c.off, c.n, err, c.want)
		}
	}
	if err := readErr(ctx, s, "read/a", f.Info.Generation+1, 0, 10); !errors.Is(err, objects.ErrChanged) {
		t.Errorf("another generation: %v", err)
	}
	if err := readErr(ctx, s, "read/none", 0, 0, -1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("none: %v", err)
	}
	if _, err := objects.Open(ctx, s, "read"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a prefix: %v", err)
	}
	if _, err := objects.Open(ctx, s, "read/a/b"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("below an object: %v", err)
	}
}

func readErr(ctx context.Context, s objects.Store, name string, generation, off, n int64) error {
	r, err := s.Read(ctx, name, generation, off, n)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r)
	return errors.Join(err, r.Close())
}

func compose(t *testing.T, s objects.Store, lax bool) {
	ctx := t.Context()
	var parts []objects.Info
	var whole bytes.Buffer
	for i := range objects.MaxParts {
		text := strings.Repeat(fmt.Sprint(i), i+1)
		whole.WriteString(text)
		c := Content(text)
		c.Part = true
		o, err := s.Put(ctx, fmt.Sprintf("compose/part-%02d", i), c)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, o)
	}
	c := Content(whole.String())
	c.Data = nil
	o, err := s.Compose(ctx, "compose/whole", parts, c)
	if err != nil || o.Size != c.Size || o.CRC32C != c.CRC32C {
		t.Fatal(o, err)
	}
	if text, err := objects.ReadAll(ctx, s, "compose/whole", 1<<20); string(text) != whole.String() || err != nil {
		t.Error(len(text), err)
	}
	wrong := c
	wrong.CRC32C++
	if _, err := s.Compose(ctx, "compose/wrong", parts, wrong); err == nil || !strings.Contains(strings.ToUpper(err.Error()), "CRC32C") {
		t.Errorf("wrong sum: %v", err)
	}
	if lax {
		return
	}
	if _, err := s.Compose(ctx, "compose/whole", parts, c); !errors.Is(err, fs.ErrExist) {
		t.Errorf("again: %v", err)
	}
	gone := slices.Clone(parts)
	gone[3].Generation++
	if _, err := s.Compose(ctx, "compose/gone", gone, c); err == nil {
		t.Error("of a generation that isn't there")
	}
	if _, err := s.Compose(ctx, "compose/many", append(parts, parts[0]), c); err == nil {
		t.Error("of 33 parts")
	}
	if _, err := s.Compose(ctx, "compose/none", nil, Content("")); err == nil {
		t.Error("of nothing")
	}
	for _, name := range []string{"wrong", "gone", "many", "none"} {
		if _, err := s.Stat(ctx, "compose/"+name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func list(t *testing.T, s objects.Store) {
	var want []string
	for i := range 120 { // several pages
		name := fmt.Sprintf("list/%d/x%03d", i%3, i)
		want = append(want, name)
		if _, err := s.Put(t.Context(), name, Content("x")); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, Names(t, s, "list/")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want[40:80], Names(t, s, "list/1")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"list/2/x119"}, Names(t, s, "list/2/x119")); diff != "" {
		t.Error(diff)
	}
	if got := Names(t, s, "none/"); len(got) > 0 {
		t.Errorf("%v", got)
	}
	n := 0
	for o, err := range s.List(t.Context(), "list/") {
		if n++; err != nil || o.Size != 1 || o.Generation <= 0 || o.CRC32C != 0 {
			t.Fatal(o, err)
		}
		if n == 7 {
			break
		}
	}
}

func remove(t *testing.T, s objects.Store, lax bool) {
	ctx := t.Context()
	o, err := s.Put(ctx, "delete/me", Content("x"))
	if err != nil {
		t.Fatal(err)
	}
	other := o
	other.Generation++
	if err := s.Delete(ctx, other); !lax && !errors.Is(err, objects.ErrChanged) {
		t.Errorf("another generation: %v", err)
	}
	for range 2 {
		if err := s.Delete(ctx, o); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Stat(ctx, "delete/me"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	again, err := s.Put(ctx, "delete/me", Content("y"))
	if err != nil || again.Generation == o.Generation {
		t.Errorf("%v, was %v; %v", again, o, err)
	}
}

// race has twenty writers of one name: one succeeds, the others are told, and
// what is there is what that one wrote.
func race(t *testing.T, s objects.Store) {
	var mu sync.Mutex
	var won []string
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			text := fmt.Sprint("writer ", i)
			_, err := s.Put(t.Context(), "race/one", Content(text))
			if err != nil && !errors.Is(err, fs.ErrExist) {
				t.Error(err)
			}
			if err == nil {
				mu.Lock()
				won = append(won, text)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	text, err := objects.ReadAll(t.Context(), s, "race/one", 100)
	if err != nil || len(won) != 1 || won[0] != string(text) {
		t.Errorf("won %q, there %q, %v", won, text, err)
	}
}

func stopped(t *testing.T, s objects.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Put(ctx, "stopped/a", Content("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("put: %v", err)
	}
	if err := readErr(ctx, s, "put/a.txt", 0, 0, -1); !errors.Is(err, context.Canceled) {
		t.Errorf("read: %v", err)
	}
	if got := Names(t, s, "stopped/"); len(got) > 0 {
		t.Errorf("%v", got)
	}
}
