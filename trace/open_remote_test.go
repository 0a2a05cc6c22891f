// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/trace"
	"github.com/layerscope/layerscope/trace/internal/xspace"
	"github.com/layerscope/layerscope/trace/internal/xspace/xspacegen"
)

// farFile is a capture behind a network: it counts what is read of it.
type farFile struct {
	data  []byte
	whole []string
	fail  func(off, n int64) error

	mu       sync.Mutex
	requests int
	bytes    int64
}

func (f *farFile) remote(name string) trace.Remote {
	return trace.Remote{Name: name, Size: int64(len(f.data)), Version: "generation 7", CRC32C: "AAAAAA==",
		Range: f.open, Whole: func(what string) { f.whole = append(f.whole, what) }}
}

func (f *farFile) open(_ context.Context, off, n int64) (io.ReadCloser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		if err := f.fail(off, n); err != nil {
			return nil, err
		}
	}
	f.requests++
	return io.NopCloser(&counting{io.NewSectionReader(bytes.NewReader(f.data), off, n), f}), nil
}

type counting struct {
	io.Reader
	f *farFile
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	c.f.bytes += int64(n)
	return n, err
}

// generatedBytes is a file of 8 devices and the sizes of its planes by name.
func generatedBytes(t *testing.T, cfg xspacegen.Config) ([]byte, map[string]int64) {
	t.Helper()
	var b bytes.Buffer
	if _, err := xspacegen.Write(&b, cfg); err != nil {
		t.Fatal(err)
	}
	sizes := make(map[string]int64)
	_, err := xspace.IndexSome(bytes.NewReader(b.Bytes()), int64(b.Len()), func(out *xspace.Outline) []bool {
		for _, h := range out.Planes {
			sizes[h.Name] += h.Bytes
		}
		return make([]bool, len(out.Planes))
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), sizes
}

func analysed(t *testing.T, tr *trace.Trace, err error, devices ...string) *analyze.Analysis {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	out, err := analyze.Analyze(tr, analyze.Options{Devices: devices})
	if err := errors.Join(err, tr.Close()); err != nil {
		t.Fatal(err)
	}
	return out
}

// What a report of one of 8 devices fetches: at most 1.1 times that device's plane
// and the HLO, and a megabyte, in at most 64 requests; and it is the report that a
// whole read gives.
func TestRemoteDevice(t *testing.T) {
	for _, size := range []int64{4 << 20, 48 << 20} {
		for _, host := range []int64{0, 200 << 10, size / 4} {
			t.Run(fmt.Sprintf("%d MiB, host %d KiB", size>>20, host>>10), func(t *testing.T) {
				data, planes := generatedBytes(t, xspacegen.Config{Seed: 5, Bytes: size, Planes: 8, HLO: size / 16, Host: host})
				f := &farFile{data: data}
				tr, err := trace.OpenRemote(trace.Options{Devices: []string{"3"}}, f.remote("gs://b/host.xplane.pb"))
				got := analysed(t, tr, err, "3")
				needed := planes["/device:TPU:3"] + planes["/host:metadata"]
				t.Logf("%d bytes in %d requests; plane and HLO are %d of %d", f.bytes, f.requests, needed, len(data))
				if most := needed + needed/10 + 1_000_000; f.bytes > most || f.requests > 64 {
					t.Errorf("read %d bytes in %d requests, wanted at most %d in 64", f.bytes, f.requests, most)
				}
				want := analysed(t, openBytes(t, data), nil, "3")
				left := host == size/4
				if left != slices.ContainsFunc(got.Findings, func(f analyze.Finding) bool { return f.Code == "host-not-read" }) {
					t.Errorf("findings %v: wanted host-not-read: %v", got.Findings, left)
				}
				ignore := []string{"Inputs", "Places"} // places are by op of the trace
				if left {
					ignore = append(ignore, "Findings", "Host")
				}
				if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(analyze.Analysis{}, ignore...)); diff != "" {
					t.Error(diff)
				}
				in := got.Inputs[0]
				if in.Path != "gs://b/host.xplane.pb" || in.Version != "generation 7" || in.CRC32C != "AAAAAA==" || in.SHA256 != "" || in.Bytes != int64(len(data)) {
					t.Errorf("input %+v", in)
				}
				if f.whole != nil {
					t.Errorf("said to be read whole: %q", f.whole)
				}
			})
		}
	}
}

func openBytes(t *testing.T, data []byte) *trace.Trace {
	t.Helper()
	tr, err := trace.Read(bytes.NewReader(data), "host.xplane.pb", trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// Of all devices everything is fetched, once, though analyses read tracks often.
func TestRemoteWhole(t *testing.T) {
	data, _ := generatedBytes(t, xspacegen.Config{Seed: 5, Bytes: 20 << 20, Planes: 8, HLO: 1 << 20, Host: 1 << 20})
	for _, devices := range [][]string{nil, {"99"}} {
		f := &farFile{data: data}
		tr, err := trace.OpenRemote(trace.Options{Devices: devices}, f.remote("host.xplane.pb"))
		got := analysed(t, tr, err, devices...)
		want := analysed(t, openBytes(t, data), nil, devices...)
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(analyze.Analysis{}, "Inputs", "Places")); diff != "" {
			t.Errorf("devices %v: %s", devices, diff)
		}
		t.Logf("%d of %d bytes in %d requests", f.bytes, len(data), f.requests)
		if most := int64(len(data) + len(data)/50); devices == nil && f.bytes > most || f.requests > 64 {
			t.Errorf("%d bytes in %d requests, wanted at most %d in 64", f.bytes, f.requests, most)
		}
	}
}

// Compressed files and other formats come in one pass, which is said.
func TestRemoteOnePass(t *testing.T) {
	plain, _ := generatedBytes(t, xspacegen.Config{Seed: 5, Bytes: 1 << 20, Planes: 2})
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := z.Write(plain)
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := trace.WriteChrome(&text, openBytes(t, plain), trace.ChromeOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		data []byte
		what string
	}{{"host.xplane.pb.gz", packed.Bytes(), "gzip"}, {"host.trace.json", text.Bytes(), "chrome-json"}} {
		f := &farFile{data: c.data}
		tr, err := trace.OpenRemote(trace.Options{Devices: []string{"1"}}, f.remote(c.name))
		if got := analysed(t, tr, err, "1"); len(got.Devices) != 1 || got.Devices[0].OpEvents == 0 {
			t.Errorf("%s: devices %+v", c.name, got.Devices)
		}
		if !slices.Equal(f.whole, []string{c.what}) || f.requests != 2 || f.bytes > int64(len(c.data))+16<<10 {
			t.Errorf("%s: said %q, read %d of %d bytes in %d requests", c.name, f.whole, f.bytes, len(c.data), f.requests)
		}
	}
}

// A read that fails is an error with the file's name, whenever it happens.
func TestRemoteFails(t *testing.T) {
	data, _ := generatedBytes(t, xspacegen.Config{Seed: 5, Bytes: 4 << 20, Planes: 8})
	gone := errors.New("the object changed")
	for n := range 10 {
		f := &farFile{data: data}
		f.fail = func(int64, int64) error {
			if f.requests >= n {
				return gone
			}
			return nil
		}
		tr, err := trace.OpenRemote(trace.Options{}, f.remote("gs://b/o"))
		if err == nil {
			_, err = analyze.Analyze(tr, analyze.Options{})
			err = errors.Join(err, tr.Close())
		}
		if !errors.Is(err, gone) || !strings.Contains(err.Error(), "the object changed") {
			t.Errorf("the request after %d failed: error %v", n, err)
		}
	}
}

// Several hosts' files are one session.
func TestRemoteHosts(t *testing.T) {
	a, _ := generatedBytes(t, xspacegen.Config{Seed: 1, Bytes: 1 << 20, Planes: 2})
	b, _ := generatedBytes(t, xspacegen.Config{Seed: 2, Bytes: 1 << 20, Planes: 2})
	tr, err := trace.OpenRemote(trace.Options{}, (&farFile{data: a}).remote("gs://b/h0.xplane.pb"), (&farFile{data: b}).remote("gs://b/h1.xplane.pb"))
	if got := analysed(t, tr, err); len(got.Devices) != 4 || len(got.Inputs) != 2 {
		t.Errorf("%d devices of %d inputs, wanted 4 of 2", len(got.Devices), len(got.Inputs))
	}
}
