// SPDX-License-Identifier: Apache-2.0

package memprof_test

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/pprof/profile"
	"pgregory.net/rapid"

	"github.com/layerscope/layerscope/internal/tracetest"
	"github.com/layerscope/layerscope/trace/memprof"
)

func open(t *testing.T, path string) *memprof.Profile {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p, err := memprof.Read(f)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return p
}

// TestJAX reads JAX's own profiles; totals are those of go tool pprof -raw.
func TestJAX(t *testing.T) {
	p := open(t, filepath.Join("testdata", "jax_leak_after.prof"))
	bytes, count := p.Total()
	if bytes != 29_769_740 || p.Values != "allocations/count space/bytes" || p.Notes != nil {
		t.Errorf("%d bytes in %d, values %s, notes %q", bytes, count, p.Values, p.Notes)
	}
	leaked := int64(0)
	for i := range p.Buffers {
		b := &p.Buffers[i]
		if b.Site() != "leak_cache (capture_jax_cpu.py)" || b.Kind != "buffer" {
			continue
		}
		leaked += b.Bytes
		if b.Device != "cpu:0" || b.Bytes != b.Count*524_288 || !strings.HasPrefix(b.Path(), "<module>;main;leak_cache;") {
			t.Errorf("%+v: path %s", b, b.Path())
		}
	}
	if leaked != 12*524_288 {
		t.Errorf("leak_cache holds %d bytes, want 12 × 524,288", leaked)
	}
	before, _ := open(t, filepath.Join("testdata", "jax_leak_before.prof")).Total()
	if before != 23_478_284 {
		t.Errorf("before: %d bytes", before)
	}
}

// TestSharedProfiles holds sums and labels against the catalogue's.
func TestSharedProfiles(t *testing.T) {
	for _, tt := range []struct {
		file         string
		count, bytes int64
		samples      int
		device       string // of every buffer
	}{
		{"cpu_ajax_172MB.prof", 348, 172_033_275, 110, "TFRT_CPU_0"},
		{"gpu_bestie_1.1GB.prof", 3_105, 1_117_783_524, 138, "cuda:0"},
		{"gpu_poscidyn_a.prof", 86, 257_364, 86, "cuda:0"},
		{"gpu_poscidyn_b.prof", 86, 325_548, 86, "cuda:0"},
		{"integer_device_label.prof", 88, 3_550_656, 62, "0"},
	} {
		t.Run(tt.file, func(t *testing.T) {
			p := open(t, tracetest.Shared(t, "data/pprof_memory/"+tt.file))
			bytes, count := p.Total()
			if bytes != tt.bytes || count != tt.count || len(p.Buffers) != tt.samples {
				t.Errorf("%d bytes in %d, %d samples; want %d in %d, %d", bytes, count, len(p.Buffers), tt.bytes, tt.count, tt.samples)
			}
			for i := range p.Buffers {
				b := &p.Buffers[i]
				if b.Kind == "buffer" && b.Device != tt.device || b.Kind == "executable" && b.Device != "" {
					t.Errorf("kind %q, device %q", b.Kind, b.Device)
				}
			}
		})
	}
}

func TestGoHeap(t *testing.T) {
	keep := make([]byte, 32<<20)
	runtime.GC()
	var buf bytes.Buffer
	if err := pprof.Lookup("heap").WriteTo(&buf, 0); err != nil {
		t.Fatal(err)
	}
	runtime.KeepAlive(keep)
	p, err := memprof.Read(&buf)
	if err != nil {
		t.Fatal(err)
	}
	if p.Values != "inuse_objects/count inuse_space/bytes" {
		t.Errorf("values %s", p.Values)
	}
	found := false
	for i := range p.Buffers {
		if b := &p.Buffers[i]; b.Bytes >= 32<<20 && b.Site() == "github.com/layerscope/layerscope/trace/memprof_test.TestGoHeap (read_test.go)" {
			found = true
		}
	}
	if !found {
		t.Error("the 32 MiB of this test are nowhere")
	}
}

// hand makes a profile with one location per sample.
func hand(edit func(*profile.Profile)) []byte {
	fn := &profile.Function{ID: 7, Name: "f", Filename: "f.py"}
	loc := &profile.Location{ID: 3, Line: []profile.Line{{Function: fn, Line: 4}}}
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "allocations", Unit: "count"}, {Type: "space", Unit: "bytes"}},
		Sample:     []*profile.Sample{{Value: []int64{1, 10}, Location: []*profile.Location{loc}}},
		Location:   []*profile.Location{loc}, Function: []*profile.Function{fn},
	}
	edit(p)
	var buf bytes.Buffer
	if err := p.WriteUncompressed(&buf); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

func TestOddProfiles(t *testing.T) {
	for _, tt := range []struct {
		name  string
		edit  func(*profile.Profile)
		want  []memprof.Buffer
		notes []string
	}{
		{"no period type, no labels", func(*profile.Profile) {}, []memprof.Buffer{
			{Stack: []memprof.Frame{{Function: "f", File: "f.py", Line: 4}}, Bytes: 10, Count: 1}}, nil},
		{"no stack, big, negative", func(p *profile.Profile) {
			p.Sample = []*profile.Sample{{Value: []int64{-3, math.MinInt64}}, {Value: []int64{1, math.MaxInt64}}}
		}, []memprof.Buffer{{Bytes: math.MinInt64, Count: -3}, {Bytes: math.MaxInt64, Count: 1}},
			[]string{"1 samples with negative values: a difference of profiles, not a snapshot", "2 samples without a stack"}},
		{"bytes only, integer labels", func(p *profile.Profile) {
			p.SampleType = p.SampleType[1:]
			p.Sample[0].Value = []int64{5}
			p.Sample[0].Location = nil
			p.Sample[0].NumLabel = map[string][]int64{"device": {2}}
		}, []memprof.Buffer{{Device: "2", Bytes: 5, Count: 1}},
			[]string{"no sample type is a count: every sample counts as one buffer", "1 samples without a stack"}},
		{"inlined calls", func(p *profile.Profile) {
			g := &profile.Function{ID: 8, SystemName: "g"}
			p.Function = append(p.Function, g)
			p.Location[0].Line = append([]profile.Line{{Function: g}}, p.Location[0].Line...)
		}, []memprof.Buffer{{Stack: []memprof.Frame{{Function: "f", File: "f.py", Line: 4}, {Function: "g"}}, Bytes: 10, Count: 1}}, nil},
		{"address without a function", func(p *profile.Profile) {
			p.Location[0].Line, p.Location[0].Address, p.Function = nil, 0x40, nil
		}, []memprof.Buffer{{Stack: []memprof.Frame{{Function: "0x40"}}, Bytes: 10, Count: 1}}, nil},
		{"freed sites", func(p *profile.Profile) { p.Sample[0].Value = []int64{0, 0} }, []memprof.Buffer{}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := memprof.Read(bytes.NewReader(hand(tt.edit)))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, p.Buffers); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(tt.notes, p.Notes); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestDeepStack cuts the outermost frames of a stack nobody reads.
func TestDeepStack(t *testing.T) {
	p, err := memprof.Read(bytes.NewReader(hand(func(p *profile.Profile) {
		leaf := &profile.Function{ID: 9, Name: "leaf"}
		l := &profile.Location{ID: 9, Line: []profile.Line{{Function: leaf}}}
		p.Function, p.Location = append(p.Function, leaf), append(p.Location, l)
		s := p.Sample[0]
		outer := s.Location[0]
		s.Location = []*profile.Location{l}
		for range 5000 {
			s.Location = append(s.Location, outer)
		}
	})))
	if err != nil {
		t.Fatal(err)
	}
	stack := p.Buffers[0].Stack
	if len(stack) != 1024 || stack[1023].Function != "leaf" || len(p.Notes) != 1 {
		t.Errorf("%d frames, innermost %v, notes %q", len(stack), stack[len(stack)-1], p.Notes)
	}
}

func TestNotMemory(t *testing.T) {
	cpu := hand(func(p *profile.Profile) {
		p.SampleType = []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}}
	})
	good, err := os.ReadFile(filepath.Join("testdata", "jax_leak_before.prof"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, in, want string }{
		{"empty", "", "0 bytes"},
		{"text", "hello there, this is no profile", "not a pprof profile"},
		{"CPU profile", string(cpu), "samples/count cpu/nanoseconds, wanted one in bytes"},
		{"cut gzip", string(good[:len(good)/2]), "found the end of the input"},
		{"cut profile", string(cpu[:len(cpu)-3]), "not a pprof profile"},
		{"nothing in it", "\x48\x00", "not a pprof profile"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := memprof.Read(strings.NewReader(tt.in))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// buffers draws what a profile of ours can hold.
func buffers() *rapid.Generator[[]memprof.Buffer] {
	part := rapid.StringMatching(`[a-z_0-9é]{1,9}`)
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) memprof.Buffer {
		b := memprof.Buffer{
			Kind: rapid.SampledFrom([]string{"", "weights", "kv_cache"}).Draw(t, "kind"), Device: rapid.SampledFrom([]string{"", "cpu:0", "0"}).Draw(t, "device"),
			Bytes: rapid.Int64().Draw(t, "bytes"), Count: rapid.Int64Min(1).Draw(t, "count"),
		}
		if rapid.Bool().Draw(t, "scoped") {
			b.Stack = memprof.Scope(strings.Join(rapid.SliceOfN(part, 1, 4).Draw(t, "scope"), "/"))
			return b
		}
		for range rapid.IntRange(0, 4).Draw(t, "depth") {
			b.Stack = append(b.Stack, memprof.Frame{Function: part.Draw(t, "function"), File: part.Draw(t, "file"), Line: rapid.Int64Range(0, 1<<40).Draw(t, "line")})
		}
		return b
	}), 0, 12)
}

// TestRoundTrip: what is written is read, and is written again to equal bytes.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &memprof.Profile{Buffers: buffers().Draw(t, "buffers"), Time: rapid.Int64Min(0).Draw(t, "time")}
		var first, second bytes.Buffer
		if err := p.Write(&first); err != nil {
			t.Fatal(err)
		}
		back, err := memprof.Read(bytes.NewReader(first.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if back.Time != p.Time || !cmp.Equal(back.Buffers, p.Buffers, cmp.Transformer("nil", func(s []memprof.Frame) []memprof.Frame { return append([]memprof.Frame{}, s...) })) {
			t.Fatalf("read %+v, wrote %+v", back.Buffers, p.Buffers)
		}
		if err := back.Write(&second); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Fatalf("written again: %v, %d and %d bytes", err, first.Len(), second.Len())
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add(hand(func(*profile.Profile) {}))
	f.Add(hand(func(p *profile.Profile) { p.Sample[0].NumLabel = map[string][]int64{"device": {0}} }))
	for _, name := range []string{"jax_leak_before.prof", "jax_leak_after.prof"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := memprof.Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		for i := range p.Buffers {
			if b := &p.Buffers[i]; b.Path() == "" || b.Site() == "" {
				t.Fatalf("buffer %d has no path", i)
			}
		}
		var out bytes.Buffer
		if err := p.Write(&out); err != nil {
			t.Fatalf("what was read can't be written: %v", err)
		}
		back, err := memprof.Read(&out)
		if err != nil {
			t.Fatal(err)
		}
		b0, c0 := p.Total()
		if b1, c1 := back.Total(); b0 != b1 || c0 != c1 {
			t.Fatalf("total %d in %d became %d in %d", b0, c0, b1, c1)
		}
	})
}
