// SPDX-License-Identifier: Apache-2.0

package memprof

import (
	"fmt"
	"io"

	"github.com/google/pprof/profile"
)

// Write writes the profile as gzipped pprof with JAX's sample types
// (allocations/count, space/bytes) and labels (kind, device), so that go tool
// pprof and everything made for JAX's profiles opens it. Scope paths become
// stacks of functions without a file. Equal profiles give equal bytes.
func (p *Profile) Write(w io.Writer) error {
	out := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "allocations", Unit: "count"}, {Type: "space", Unit: "bytes"}},
		TimeNanos:  p.Time,
	}
	e := encoder{out: out, functions: make(map[functionKey]*profile.Function), locations: make(map[Frame]*profile.Location)}
	for i := range p.Buffers {
		e.sample(&p.Buffers[i])
	}
	if err := out.CheckValid(); err != nil {
		return fmt.Errorf("memory profile: %w", err)
	}
	return out.Write(w)
}

type functionKey struct{ name, file string }

type encoder struct {
	out       *profile.Profile
	functions map[functionKey]*profile.Function
	locations map[Frame]*profile.Location
}

func (e *encoder) sample(b *Buffer) {
	s := &profile.Sample{Value: []int64{b.Count, b.Bytes}, Label: map[string][]string{}}
	if b.Kind != "" {
		s.Label["kind"] = []string{b.Kind}
	}
	if b.Device != "" {
		s.Label["device"] = []string{b.Device}
	}
	for i := len(b.Stack) - 1; i >= 0; i-- { // pprof wants the innermost first
		s.Location = append(s.Location, e.location(b.Stack[i]))
	}
	e.out.Sample = append(e.out.Sample, s)
}

func (e *encoder) location(f Frame) *profile.Location {
	loc := e.locations[f]
	if loc == nil {
		loc = &profile.Location{ID: uint64(len(e.out.Location) + 1), Line: []profile.Line{{Function: e.function(f), Line: f.Line}}}
		e.locations[f] = loc
		e.out.Location = append(e.out.Location, loc)
	}
	return loc
}

func (e *encoder) function(f Frame) *profile.Function {
	key := functionKey{f.Function, f.File}
	fn := e.functions[key]
	if fn == nil {
		fn = &profile.Function{ID: uint64(len(e.out.Function) + 1), Name: f.Function, SystemName: f.Function, Filename: f.File}
		e.functions[key] = fn
		e.out.Function = append(e.out.Function, fn)
	}
	return fn
}
