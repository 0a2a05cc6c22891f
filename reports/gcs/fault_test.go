// SPDX-License-Identifier: Apache-2.0

//go:build !nocloud

package gcs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/storage"

	"github.com/layerscope/layerscope/internal/fakegcs"
	"github.com/layerscope/layerscope/reports/internal/storetest"
	"github.com/layerscope/layerscope/reports/objects"
)

// big is a text that takes several reads.
func big() string {
	b := make([]byte, 300_000)
	source := rand.NewChaCha8([32]byte{7})
	_, _ = source.Read(b) // never fails
	return string(b)
}

// stallOf is short only where something stalls: a busy machine does, too.
func stallOf(f fakegcs.Fault) time.Duration {
	if f.Kind == "stall" {
		return 400 * time.Millisecond
	}
	return time.Minute
}

// Failures that may pass do: what is asked for happens once, and the bytes that
// are told add up.
func TestFaultsPass(t *testing.T) {
	for _, f := range []fakegcs.Fault{
		{Kind: "status", Status: 503, Count: 3}, {Kind: "status", Status: 429, RetryAfter: 0}, {Kind: "status", Status: 500}, {Kind: "status", Status: 408},
		{Kind: "cut", Bytes: 0}, {Kind: "cut", Bytes: 100_000, Count: 2}, {Kind: "stall", Bytes: 50_000}, {Kind: "stall"}, {Kind: "corrupt", Bytes: 1000}, {Kind: "lost"}, {Kind: "lost", Count: 2},
	} {
		t.Run(fmt.Sprintf("%s-%d-%d", f.Kind, f.Status, f.Bytes), func(t *testing.T) {
			var retried atomic.Int64
			s, p := open(t, Options{Stall: stallOf(f), Retried: func(string, error, time.Duration) { retried.Add(1) }})
			ctx := t.Context()
			text := big()
			c := storetest.Content(text)
			var sent atomic.Int64
			c.Sent = func(n int64) { sent.Add(n) }
			put := f
			put.Op = "put"
			p.Fault(put)
			o, err := s.Put(ctx, "a", c)
			if err != nil {
				t.Fatal(err)
			}
			if sent.Load() != c.Size {
				t.Errorf("told of %d bytes", sent.Load())
			}
			for _, op := range []string{"stat", "list", "read", "compose", "delete"} {
				other := f
				other.Op = op
				if op == "read" || f.Kind == "status" || f.Kind == "lost" && op != "stat" { // only media has a body to break
					p.Fault(other)
				}
			}
			if got, err := s.Stat(ctx, "a"); got != o || err != nil {
				t.Errorf("%+v, %v", got, err)
			}
			if got, err := objects.ReadAll(ctx, s, "a", 1<<20); string(got) != text || err != nil {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			whole := c
			whole.Data = nil
			if _, err := s.Compose(ctx, "b", []objects.Info{o}, whole); err != nil {
				t.Error(err)
			}
			if got := storetest.Names(t, s, ""); strings.Join(got, " ") != "a b" {
				t.Errorf("%v", got)
			}
			if err := s.Delete(ctx, o); err != nil {
				t.Error(err)
			}
			if got := storetest.Names(t, s, ""); strings.Join(got, " ") != "b" {
				t.Errorf("%v", got)
			}
			if retried.Load() == 0 && f.Kind != "corrupt" {
				t.Error("nothing was tried again: no fault happened")
			}
		})
	}
}

// Failures that don't pass are errors: at once where trying again is no use.
func TestFaultsStay(t *testing.T) {
	for _, c := range []struct {
		fault fakegcs.Fault
		most  int // requests
		want  string
	}{
		{fakegcs.Fault{Kind: "status", Status: 503, Count: 100}, 4, "503"},
		{fakegcs.Fault{Kind: "status", Status: 403, Count: 100}, 1, "403"},
		{fakegcs.Fault{Kind: "status", Status: 400, Count: 100}, 1, "400"},
		{fakegcs.Fault{Kind: "corrupt", Bytes: 5, Count: 100}, 3, "CRC32C"},
		{fakegcs.Fault{Kind: "cut", Bytes: 5, Count: 100}, 4, ""},
		{fakegcs.Fault{Kind: "stall", Bytes: 5, Count: 100}, 4, "stalled"},
	} {
		t.Run(c.fault.Kind+fmt.Sprint(c.fault.Status), func(t *testing.T) {
			s, p := open(t, Options{Tries: 4, Stall: stallOf(c.fault)})
			put := c.fault
			put.Op = "put"
			p.Fault(put)
			var sent atomic.Int64
			content := storetest.Content(big())
			content.Sent = func(n int64) { sent.Add(n) }
			_, err := s.Put(t.Context(), "a", content)
			if n := p.Stats().Requests["put"]; err == nil || !strings.Contains(strings.ToUpper(err.Error()), strings.ToUpper(c.want)) || n > c.most {
				t.Errorf("put: %v after %d requests, want %q after at most %d", err, n, c.want, c.most)
			}
			if sent.Load() != 0 {
				t.Errorf("told of %d bytes that went", sent.Load())
			}
			p.Forget()
			if _, err := s.Put(t.Context(), "a", storetest.Content(big())); err != nil {
				t.Fatal(err)
			}
			read := c.fault
			read.Op = "read"
			p.Fault(read)
			if _, err := objects.ReadAll(t.Context(), s, "a", 1<<20); err == nil || !strings.Contains(strings.ToUpper(err.Error()), strings.ToUpper(c.want)) {
				t.Errorf("read: %v, want %q", err, c.want)
			}
		})
	}
}

// A reader goes on where the connection broke, of the generation it began with.
func TestReadGoesOn(t *testing.T) {
	s, p := open(t, Options{})
	text := big()
	o, err := s.Put(t.Context(), "a", storetest.Content(text))
	if err != nil {
		t.Fatal(err)
	}
	for at := int64(0); at < 300_000; at += 37_000 {
		p.Forget()
		p.Fault(fakegcs.Fault{Op: "read", Kind: "cut", Bytes: at}, fakegcs.Fault{Op: "read", Kind: "cut", Bytes: 10_000}, fakegcs.Fault{Op: "read", Kind: "status", Status: 503})
		r, err := s.Read(t.Context(), "a", o.Generation, 1000, 290_000)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil || string(got) != text[1000:291_000] {
			t.Errorf("cut at %d: %d bytes, %v", at, len(got), err)
		}
		if again := p.Stats().Served["runs/team/a/a"] - 290_000; again > 64<<10 {
			t.Errorf("cut at %d: %d bytes were served twice", at, again)
		}
	}
	// Somebody replaces the object while it is read.
	r, err := s.Read(t.Context(), "a", 0, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	_ = r.(*reader).Close() // as if the connection broke
	if err := s.Delete(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), "a", storetest.Content(strings.ToUpper(text))); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); !errors.Is(err, objects.ErrChanged) {
		t.Errorf("%v", err)
	}
}

// Twenty that create the same object, with answers lost: one is told that it did.
func TestLostRace(t *testing.T) {
	s, p := open(t, Options{})
	p.Fault(fakegcs.Fault{Op: "put", Kind: "lost", Count: 3}, fakegcs.Fault{Op: "put", Kind: "status", Status: 503, Count: 10})
	var won atomic.Int64
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			_, err := s.Put(t.Context(), "one", storetest.Content(fmt.Sprint(i)))
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, fs.ErrExist) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d won", won.Load())
	}
}

// An interrupt ends a pause, a stalled request, and a reader.
func TestInterrupted(t *testing.T) {
	s, p := open(t, Options{Pause: time.Hour})
	if _, err := s.Put(t.Context(), "a", storetest.Content(big())); err != nil {
		t.Fatal(err)
	}
	for _, f := range []fakegcs.Fault{{Kind: "status", Status: 503}, {Kind: "stall", Bytes: 1000}} {
		ctx, cancel := context.WithCancel(t.Context())
		f.Op = "read"
		p.Fault(f)
		time.AfterFunc(50*time.Millisecond, cancel)
		if _, err := readAll(ctx, s); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", f.Kind, err)
		}
		cancel()
	}
}

func readAll(ctx context.Context, s objects.Store) ([]byte, error) {
	r, err := s.Read(ctx, "a", 0, 0, -1)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func TestErrors(t *testing.T) {
	_, p := open(t, Options{})
	none, err := Open(t.Context(), "gs://nowhere", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer none.(*bucket).client.Close()
	_, err = none.Put(t.Context(), "a", storetest.Content("x"))
	var h interface{ Hint() string }
	if !errors.As(err, &h) || !strings.Contains(err.Error(), "gs://nowhere: no such bucket") || h.Hint() == "" {
		t.Error(err)
	}
	long := fmt.Errorf("get: %w", &url.Error{Op: "Get", URL: "https://host:1/storage/v1/b/b/o?alt=json", Err: io.EOF})
	if got := brief(long); got.Error() != "host:1: EOF" || !errors.Is(got, io.EOF) || brief(io.EOF) != io.EOF {
		t.Error(got)
	}
	p.Fault(fakegcs.Fault{Kind: "status", Status: 403})
	s, err := Open(t.Context(), "gs://runs", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.(*bucket).client.Close()
	if _, err := s.Stat(t.Context(), "a"); !errors.As(err, &h) || !strings.Contains(h.Hint(), "storage.objectViewer") {
		t.Error(err)
	}
	for _, address := range []string{"", "gs://", "gs:///a", "s3://a", "gs://a/../b", "gs://a/b//c", "gs://a b"} {
		if _, err := Open(t.Context(), address, Options{}); err == nil {
			t.Errorf("%q is an address", address)
		}
	}
	for address, want := range map[string][2]string{"gs://a": {"a"}, "gs://a/": {"a"}, "gs://a/b/c/": {"a", "b/c"}} {
		if b, prefix, err := Split(address); b != want[0] || prefix != want[1] || err != nil {
			t.Errorf("%s: %q %q %v", address, b, prefix, err)
		}
	}
}

// The fake holds the official client's resumable uploads to their offsets: what
// breaks is asked for and sent on, not from the beginning.
func TestFakeResumable(t *testing.T) {
	p := fakegcs.Start(t, "runs")
	t.Setenv("STORAGE_EMULATOR_HOST", p.Host)
	client, err := storage.NewClient(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	text := bytes.Repeat([]byte("0123456789abcdef"), 70_000)
	p.Fault(fakegcs.Fault{Op: "chunk", Skip: 1, Kind: "status", Status: 503}, fakegcs.Fault{Op: "chunk", Skip: 2, Kind: "lost"})
	w := client.Bucket("runs").Object("big").If(storage.Conditions{DoesNotExist: true}).NewWriter(t.Context())
	w.ChunkSize = 256 << 10
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := client.Bucket("runs").Object("big").NewReader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil || !bytes.Equal(got, text) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if n := p.Stats().Requests["chunk"]; n < 5 {
		t.Errorf("%d chunks", n)
	}
}
