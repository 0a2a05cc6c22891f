// SPDX-License-Identifier: Apache-2.0

package chromejson

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layerscope/layerscope/internal/tracetest"
)

// gunzip returns what can be decompressed of a file, and how that ended.
func gunzip(tb testing.TB, path string) ([]byte, error) {
	tb.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	if !bytes.HasPrefix(raw, []byte{0x1f, 0x8b}) {
		return raw, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		tb.Fatal(err)
	}
	return io.ReadAll(z)
}

// TestSharedFiles compares every event of the real captures with encoding/json.
func TestSharedFiles(t *testing.T) {
	for _, pattern := range []string{
		"data/trace_json/*.json.gz", "data/torch/*.json.gz",
		"data/jax_cpu/*/host.trace.json.gz", "data/jax_cpu/*/perfetto_trace.json.gz",
		"data/malformed/trace_event/*.json",
	} {
		dir := tracetest.Shared(t, pattern[:strings.IndexByte(pattern, '*')])
		files, err := filepath.Glob(filepath.Join(dir, pattern[strings.IndexByte(pattern, '*'):]))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			t.Run(filepath.Join(filepath.Base(filepath.Dir(file)), filepath.Base(file)), func(t *testing.T) {
				data, err := gunzip(t, file)
				if err != nil {
					t.Fatal(err)
				}
				compareFile(t, data)
			})
		}
	}
}

func compareFile(t *testing.T, data []byte) {
	t.Helper()
	rd := NewReader(bytes.NewReader(data), Options{})
	got, err := read(rd)
	if err != nil {
		t.Fatal(err)
	}
	whole := data
	if !json.Valid(data) { // the array form without its bracket
		if p := rd.Problems(); len(p) != 1 || p[0].Code != Unclosed {
			t.Fatalf("problems %v, want an unclosed array", p)
		}
		whole = append(bytes.TrimRight(data, " \n,"), ']')
	} else if p := rd.Problems(); len(p) != 0 {
		t.Fatalf("problems %v", p)
	}
	want := reference(t, whole)
	if len(got) != len(want) {
		t.Fatalf("%d events, want %d", len(got), len(want))
	}
	for i := range want {
		if !reflect.DeepEqual(want[i], got[i]) {
			t.Fatalf("event %d: -want +got\n%s", i, cmp.Diff(want[i], got[i]))
		}
	}
}

// TestSharedFigures holds event counts and sums that were counted independently
// of this package.
func TestSharedFigures(t *testing.T) {
	tests := []struct {
		file     string
		events   int64
		phases   map[byte]int
		empty    int64
		baseTime string
	}{
		{"data/trace_json/tpu_vllm_qwen25_32b_bf16.trace.json.gz", 10380, map[byte]int{'X': 10312, 'M': 68}, 1, ""},
		{"data/trace_json/tpu_vllm_qwen3_32b_quant.trace.json.gz", 12661, map[byte]int{'X': 12599, 'M': 62}, 1, ""},
		{"data/trace_json/cpu_reactant.trace.json.gz", 144, map[byte]int{'X': 138, 'M': 6}, 1, ""},
		{"data/trace_json/gpu_gtx1080ti_x2.trace.json.gz", 65, map[byte]int{'X': 41, 'M': 24}, 1, ""},
		{"data/torch/h100_qwen15_05b.json.gz", 18221, map[byte]int{'X': 12080, 'i': 2452, 'f': 2428, 's': 1201, 'M': 60}, 0, "1751410836000000000"},
		{"data/torch/mi300_qwen15_05b.json.gz", 18090, map[byte]int{'X': 12112, 'i': 2694, 'f': 2170, 's': 1054, 'M': 60}, 0, "1751410836000000000"},
	}
	for _, tt := range tests {
		t.Run(filepath.Base(tt.file), func(t *testing.T) {
			data, err := gunzip(t, tracetest.Shared(t, tt.file))
			if err != nil {
				t.Fatal(err)
			}
			rd := NewReader(bytes.NewReader(data), Options{Window: 4096})
			phases := map[byte]int{}
			for {
				ev, err := rd.Next()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				phases[ev.Ph]++
			}
			if diff := cmp.Diff(tt.phases, phases); diff != "" {
				t.Errorf("phases: -want +got\n%s", diff)
			}
			if rd.Events() != tt.events || rd.Empty() != tt.empty || len(rd.Problems()) != 0 {
				t.Errorf("%d events, %d empty, problems %v", rd.Events(), rd.Empty(), rd.Problems())
			}
			if base, _ := rd.Member("baseTimeNanoseconds"); string(base) != tt.baseTime {
				t.Errorf("base time %s, want %s", base, tt.baseTime)
			}
		})
	}
}

// TestSharedOpTime: the op time of the vLLM captures on the event clock, all
// events rounded singly, is the published sum to the picosecond or two of the
// 17-digit printing.
func TestSharedOpTime(t *testing.T) {
	for file, want := range map[string]int64{
		"data/trace_json/tpu_vllm_qwen25_32b_bf16.trace.json.gz": 67_209_403, // ns
		"data/trace_json/tpu_vllm_qwen3_32b_quant.trace.json.gz": 65_722_835,
	} {
		data, err := gunzip(t, tracetest.Shared(t, file))
		if err != nil {
			t.Fatal(err)
		}
		rd := NewReader(bytes.NewReader(data), Options{})
		var sum int64
		for {
			ev, err := rd.Next()
			if err != nil {
				break
			}
			if ev.Ph == 'X' && ev.Pid.Num == 3 && ev.Tid.Num == 3 {
				sum += ev.Dur
			}
		}
		if (sum+500)/1000 != want {
			t.Errorf("%s: op time %d ps, want %d ns", file, sum, want)
		}
	}
}

func TestSharedTruncated(t *testing.T) {
	data, cut := gunzip(t, tracetest.Shared(t, "data/jax_cpu/truncated/cut_of_base_b.trace.json.gz"))
	whole, err := gunzip(t, tracetest.Shared(t, "data/jax_cpu/base_b/host.trace.json.gz"))
	if err != nil || !errors.Is(cut, io.ErrUnexpectedEOF) {
		t.Fatalf("%v, %v", err, cut)
	}
	all, err := read(NewReader(bytes.NewReader(whole), Options{}))
	if err != nil {
		t.Fatal(err)
	}
	rd := NewReader(io.MultiReader(bytes.NewReader(data), failing{cut}), Options{})
	got, err := read(rd)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) == 0 || len(got) >= len(all) {
		t.Fatalf("%d of %d events", len(got), len(all))
	}
	if !reflect.DeepEqual(all[:len(got)], got) {
		t.Error("the events are not the first ones of the whole file")
	}
	if p := rd.Problems(); len(p) != 1 || p[0].Code != Truncated || p[0].Offset != int64(len(data)) {
		t.Errorf("problems %v, want a truncation at %d", p, len(data))
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
