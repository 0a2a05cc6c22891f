// SPDX-License-Identifier: Apache-2.0

package memprof_test

import (
	"bytes"
	"compress/gzip"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/pprof/profile"

	"github.com/layerscope/layerscope/trace/memprof"
)

// field is a field of a protobuf message.
func field(num byte, body []byte) []byte {
	return append([]byte{num<<3 | 2, byte(len(body))}, body...)
}

func zipped(parts ...[]byte) []byte {
	var out bytes.Buffer
	for _, p := range parts {
		z := gzip.NewWriter(&out)
		_, _ = z.Write(p) // a buffer takes all
		_ = z.Close()
	}
	return out.Bytes()
}

// TestCases goes through what writers do beyond the common form.
func TestCases(t *testing.T) {
	frame := []memprof.Frame{{Function: "f", File: "f.py", Line: 4}}
	good := hand(func(*profile.Profile) {})
	for _, c := range []struct {
		name string
		file []byte
		want []memprof.Buffer // nil = an error that holds err
		err  string
	}{
		{"sample types the other way round", hand(func(p *profile.Profile) {
			p.SampleType[0], p.SampleType[1] = p.SampleType[1], p.SampleType[0]
			p.Sample[0].Value = []int64{10, 1}
		}), []memprof.Buffer{{Stack: frame, Bytes: 10, Count: 1}}, ""},
		{"a default sample type changes nothing", hand(func(p *profile.Profile) { p.DefaultSampleType = "allocations" }), []memprof.Buffer{{Stack: frame, Bytes: 10, Count: 1}}, ""},
		{"a device with parentheses and commas, a kind", hand(func(p *profile.Profile) {
			p.Sample[0].Label = map[string][]string{"device": {"TPU_0(process=0,(0,0,0,0))"}, "kind": {"buffer"}}
		}), []memprof.Buffer{{Stack: frame, Kind: "buffer", Device: "TPU_0(process=0,(0,0,0,0))", Bytes: 10, Count: 1}}, ""},
		{"a label as text and as number, and twice: the first text", hand(func(p *profile.Profile) {
			p.Sample[0].Label, p.Sample[0].NumLabel = map[string][]string{"device": {"a", "b"}}, map[string][]int64{"device": {3}}
		}), []memprof.Buffer{{Stack: frame, Device: "a", Bytes: 10, Count: 1}}, ""},
		{"marks of a difference of profiles", hand(func(p *profile.Profile) { p.Sample[0].Label = map[string][]string{"pprof::base": {"true"}} }), []memprof.Buffer{{Stack: frame, Bytes: 10, Count: 1}}, ""},
		{"a folded location, a sparse id", hand(func(p *profile.Profile) { p.Location[0].IsFolded, p.Location[0].ID = true, 1<<63 }), []memprof.Buffer{{Stack: frame, Bytes: 10, Count: 1}}, ""},
		{"one stack, two sizes: two entries", hand(func(p *profile.Profile) {
			p.Sample = append(p.Sample, &profile.Sample{Value: []int64{2, 8}, Location: p.Sample[0].Location})
		}), []memprof.Buffer{{Stack: frame, Bytes: 10, Count: 1}, {Stack: frame, Bytes: 8, Count: 2}}, ""},
		{"gzip in two members", zipped(good[:len(good)/2], good[len(good)/2:]), []memprof.Buffer{{Stack: frame, Bytes: 10, Count: 1}}, ""},
		{"bytes behind the end", append(bytes.Clone(good), "trailing"...), nil, "not a pprof profile"},
		{"location 0", append(bytes.Clone(good), field(2, []byte{0x0a, 1, 0, 0x12, 2, 1, 1})...), nil, "not a pprof profile"},
		{"a location that is not there", append(bytes.Clone(good), field(2, []byte{0x0a, 1, 77, 0x12, 2, 1, 1})...), nil, "not a pprof profile"},
		{"a location twice", append(bytes.Clone(good), field(4, []byte{0x08, 3})...), nil, "not a pprof profile"},
		{"a first string that is not empty", append(field(6, []byte("x")), good...), nil, "not a pprof profile"},
	} {
		p, err := memprof.Read(bytes.NewReader(c.file))
		switch {
		case c.want == nil:
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: error %v, want %q", c.name, err, c.err)
			}
		case err != nil:
			t.Errorf("%s: %v", c.name, err)
		default:
			if d := cmp.Diff(c.want, p.Buffers); d != "" {
				t.Errorf("%s: %s", c.name, d)
			}
		}
	}
}

// TestTotalStops: sums stop at the ends of int64.
func TestTotalStops(t *testing.T) {
	p := &memprof.Profile{Buffers: []memprof.Buffer{{Bytes: math.MaxInt64, Count: math.MinInt64}, {Bytes: 1, Count: -1}}}
	if b, n := p.Total(); b != math.MaxInt64 || n != math.MinInt64 {
		t.Errorf("%d bytes in %d", b, n)
	}
}
