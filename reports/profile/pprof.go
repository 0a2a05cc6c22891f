// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"io"

	"github.com/google/pprof/profile"

	"github.com/layerscope/layerscope/analyze"
)

// WritePprof writes a gzipped pprof profile for go tool pprof: sample types
// events/count, flops/count, bytes/bytes and self/nanoseconds, the default. Each
// sample has labels for layer, component, category and program, so that
// -tagfocus and -tagroot work; two of them can be compared with -diff_base.
func WritePprof(w io.Writer, a *analyze.Analysis) error {
	p := &profile.Profile{
		SampleType:        []*profile.ValueType{{Type: "events", Unit: "count"}, {Type: "flops", Unit: "count"}, {Type: "bytes", Unit: "bytes"}, {Type: "self", Unit: "nanoseconds"}},
		DefaultSampleType: "self",
		PeriodType:        &profile.ValueType{Type: "device", Unit: "nanoseconds"},
		Period:            1,
		TimeNanos:         a.Capture.StartUnixNano,
		DurationNanos:     round(a.Capture.Window),
		Comments:          []string{"layers by " + a.Layers.Method + ": " + a.Layers.Why},
	}
	locations := make(map[string]*profile.Location)
	for _, s := range Stacks(a) {
		sample := &profile.Sample{
			Value: []int64{s.Op.Occurrences, s.Op.FLOPs, s.Op.Bytes, round(s.Op.Self)},
			Label: labels(s.Op),
		}
		for i := len(s.Frames) - 1; i >= 0; i-- {
			sample.Location = append(sample.Location, location(p, locations, s.Frames[i], s.Op, i == len(s.Frames)-1))
		}
		p.Sample = append(p.Sample, sample)
	}
	return p.Write(w)
}

func labels(op *analyze.Op) map[string][]string {
	out := make(map[string][]string)
	for key, v := range map[string]string{"layer": op.Layer, "component": op.Component, "category": op.Category, "program": op.Program, "device": op.Device} {
		if v != "" {
			out[key] = []string{v}
		}
	}
	return out
}

// location returns the place that stands for a frame: one for each name. A leaf
// knows the source line of its op.
func location(p *profile.Profile, known map[string]*profile.Location, frame string, op *analyze.Op, leaf bool) *profile.Location {
	key := frame
	if leaf {
		key += "\x00" + op.Source
	}
	if l := known[key]; l != nil {
		return l
	}
	f := &profile.Function{ID: uint64(len(p.Function) + 1), Name: frame, SystemName: frame}
	line := profile.Line{Function: f}
	if leaf {
		f.Filename, line.Line = sourceLine(op.Source)
	}
	l := &profile.Location{ID: uint64(len(p.Location) + 1), Line: []profile.Line{line}}
	p.Function, p.Location = append(p.Function, f), append(p.Location, l)
	known[key] = l
	return l
}

// sourceLine takes "file:line" apart.
func sourceLine(source string) (string, int64) {
	if head, n, ok := lastNumber(source); ok && len(head) > 1 && head[len(head)-1] == ':' {
		return head[:len(head)-1], int64(n)
	}
	return source, 0
}

// round turns picoseconds into nanoseconds, halves up.
func round(d analyze.Duration) int64 { return (int64(d) + 500) / 1000 }
