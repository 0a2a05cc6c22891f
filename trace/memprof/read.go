// SPDX-License-Identifier: Apache-2.0

package memprof

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"

	"github.com/google/pprof/profile"

	"github.com/layerscope/layerscope/trace/internal/inflate"
)

// Limits of what is read: real profiles of devices have kilobytes, heap
// profiles of large servers some megabytes.
const (
	maxBytes  = 64 << 20 // unless the caller says otherwise
	maxFrames = 4 << 20  // over all stacks
	maxDepth  = 1024     // of one stack; inner frames are kept
)

// Read reads a profile, with or without gzip. Of its sample types it takes those
// of live memory: inuse_space and inuse_objects of Go, space and allocations of
// JAX, else the last in bytes and the last that is a count. A profile without
// bytes, such as a CPU profile, is an error.
//
// Samples without a stack, without a kind, with negative values and without a
// period type are read; an integer as the label of the device is its name. A
// profile of more than 64 MiB is an error; see [ReadWithin].
func Read(r io.Reader) (*Profile, error) { return ReadWithin(r, 0) }

// ReadWithin is Read of a profile of at most the given bytes, decompressed; 0
// means 64 MiB. Reading takes several times as much memory.
func ReadWithin(r io.Reader, most int64) (*Profile, error) {
	if most <= 0 {
		most = maxBytes
	}
	data, err := plain(r, most)
	if err != nil {
		return nil, err
	}
	zero, err := survey(data)
	if err != nil {
		return nil, err
	}
	src, err := profile.ParseUncompressed(data)
	if err == nil {
		err = src.CheckValid()
	}
	if err != nil {
		return nil, fmt.Errorf("not a pprof profile: %w", err)
	}
	space, count := valueTypes(src)
	if space < 0 {
		return nil, fmt.Errorf("sample types %s, wanted one in bytes", typeNames(src.SampleType))
	}
	rd := reader{src: src, zero: zero, stacks: make(map[string][]Frame)}
	return rd.read(space, count)
}

// plain returns the bytes of the profile, decompressed.
func plain(r io.Reader, most int64) ([]byte, error) {
	br := bufio.NewReader(r)
	var src io.Reader = br
	if head, _ := br.Peek(2); bytes.Equal(head, []byte{0x1f, 0x8b}) {
		z, err := inflate.NewReader(br, inflate.Options{})
		if err != nil {
			return nil, fmt.Errorf("gzip: %w", err)
		}
		src = z
	}
	data, err := io.ReadAll(io.LimitReader(src, most+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("after %d bytes of the profile: %w", len(data), err)
	case len(data) == 0:
		return nil, fmt.Errorf("0 bytes, wanted a pprof profile")
	case int64(len(data)) > most:
		return nil, fmt.Errorf("a profile that expands to more than %d bytes", most)
	}
	return data, nil
}

// valueTypes chooses the sample types to read; -1 = there is none.
func valueTypes(p *profile.Profile) (space, count int) {
	space, count = -1, -1
	for i, t := range p.SampleType {
		switch t.Unit {
		case "bytes":
			if space < 0 || p.SampleType[space].Type != "inuse_space" && p.SampleType[space].Type != "space" {
				space = i
			}
		case "count":
			if count < 0 || p.SampleType[count].Type != "inuse_objects" && p.SampleType[count].Type != "allocations" {
				count = i
			}
		}
	}
	return space, count
}

func typeNames(types []*profile.ValueType) string {
	if len(types) == 0 {
		return "none"
	}
	s := ""
	for i, t := range types {
		if i > 0 {
			s += " "
		}
		s += t.Type + "/" + t.Unit
	}
	return s
}

type reader struct {
	src    *profile.Profile
	zero   map[int][]string // labels with the number 0, by sample
	stacks map[string][]Frame
	frames int
	key    []byte

	stackless, negative, deep int
}

func (rd *reader) read(space, count int) (*Profile, error) {
	src := rd.src
	p := &Profile{Time: src.TimeNanos}
	types := []*profile.ValueType{src.SampleType[space]}
	if count >= 0 {
		types = []*profile.ValueType{src.SampleType[count], src.SampleType[space]}
	} else {
		p.Notes = append(p.Notes, "no sample type is a count: every sample counts as one buffer")
	}
	p.Values = typeNames(types)
	p.Buffers = make([]Buffer, 0, len(src.Sample))
	for i, s := range src.Sample {
		b := Buffer{Bytes: s.Value[space], Count: 1, Kind: rd.label(i, "kind"), Device: rd.label(i, "device")}
		if count >= 0 {
			b.Count = s.Value[count]
		}
		var err error
		if b.Stack, err = rd.stack(s); err != nil {
			return nil, err
		}
		if b.Bytes == 0 && b.Count == 0 {
			continue // Go's heap profiles keep sites whose memory was freed
		}
		if b.Bytes < 0 || b.Count < 0 {
			rd.negative++
		}
		if b.Stack == nil {
			rd.stackless++
		}
		p.Buffers = append(p.Buffers, b)
	}
	rd.notes(p)
	return p, nil
}

func (rd *reader) notes(p *Profile) {
	for _, n := range []struct {
		count int
		text  string
	}{
		{rd.negative, "samples with negative values: a difference of profiles, not a snapshot"},
		{rd.stackless, "samples without a stack"},
		{rd.deep, fmt.Sprintf("samples with more than %d frames; the outermost were left out", maxDepth)},
	} {
		if n.count > 0 {
			p.Notes = append(p.Notes, fmt.Sprintf("%d %s", n.count, n.text))
		}
	}
}

// label returns a label of sample i, a text or a number.
func (rd *reader) label(i int, key string) string {
	s := rd.src.Sample[i]
	if v := s.Label[key]; len(v) > 0 {
		return v[0]
	}
	if v := s.NumLabel[key]; len(v) > 0 {
		return strconv.FormatInt(v[0], 10)
	}
	for _, k := range rd.zero[i] {
		if k == key {
			return "0"
		}
	}
	return ""
}

// stack returns the frames of a sample, outermost first. Equal stacks share.
func (rd *reader) stack(s *profile.Sample) ([]Frame, error) {
	rd.key = rd.key[:0]
	depth := 0
	for _, loc := range s.Location {
		if loc == nil {
			continue
		}
		rd.key = strconv.AppendUint(append(rd.key, ' '), loc.ID, 36)
		depth += max(1, len(loc.Line))
	}
	if depth == 0 {
		return nil, nil
	}
	if depth > maxDepth {
		rd.deep++
		depth = maxDepth
	}
	if stack, ok := rd.stacks[string(rd.key)]; ok {
		return stack, nil
	}
	if rd.frames += depth; rd.frames > maxFrames {
		return nil, fmt.Errorf("more than %d frames in the stacks of the profile", maxFrames)
	}
	stack := make([]Frame, depth)
	at := depth
	for _, loc := range s.Location { // innermost first, and so are its lines
		if loc == nil {
			continue
		}
		if len(loc.Line) == 0 && at > 0 {
			at--
			stack[at] = Frame{Function: fmt.Sprintf("0x%x", loc.Address)}
		}
		for _, ln := range loc.Line {
			if at == 0 {
				break
			}
			at--
			stack[at] = frameOf(ln)
		}
		if at == 0 {
			break
		}
	}
	rd.stacks[string(rd.key)] = stack
	return stack, nil
}

func frameOf(ln profile.Line) Frame {
	f := Frame{Line: ln.Line}
	if ln.Function != nil {
		f.Function, f.File = ln.Function.Name, ln.Function.Filename
		if f.Function == "" {
			f.Function = ln.Function.SystemName
		}
	}
	if f.Function == "" {
		f.Function = "(unknown)"
	}
	return f
}
