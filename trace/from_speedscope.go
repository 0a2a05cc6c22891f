// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/layerscope/layerscope/trace/internal/chromejson"
	"github.com/layerscope/layerscope/trace/internal/inflate"
)

const formatSpeedscope = "speedscope"

// looksLikeSpeedscope tells speedscope's files by the schema they name.
func looksLikeSpeedscope(text []byte) bool {
	return bytes.HasPrefix(text, []byte("{")) && bytes.Contains(text, []byte("speedscope.app/file-format-schema.json"))
}

// maxDocument bounds documents that are read as one: tables, speedscope files.
const maxDocument = 1 << 30

type speedscopeDoc struct {
	Name   string `json:"name"`
	Shared struct {
		Frames []struct {
			Name string `json:"name"`
			File string `json:"file"`
			Line int64  `json:"line"`
		} `json:"frames"`
	} `json:"shared"`
	Profiles []speedscopeThread `json:"profiles"`
}

type speedscopeThread struct {
	Type    string        `json:"type"`
	Name    string        `json:"name"`
	Unit    string        `json:"unit"`
	Start   json.Number   `json:"startValue"`
	End     json.Number   `json:"endValue"`
	Samples [][]int       `json:"samples"`
	Weights []json.Number `json:"weights"`
	Events  []struct {
		Type  string      `json:"type"`
		At    json.Number `json:"at"`
		Frame int         `json:"frame"`
	} `json:"events"`
}

// fromSpeedscope adds the profiles of a speedscope file (py-spy, rbspy, our own
// writer) as host threads: spans of the frames that neighbouring samples share.
func fromSpeedscope(t *Trace, in *input) error {
	var doc speedscopeDoc
	if err := json.NewDecoder(io.LimitReader(in.r, maxDocument)).Decode(&doc); err != nil {
		if isInputError(err) || errors.Is(err, inflate.ErrLimit) { // of what is below the JSON
			return err
		}
		return &InputError{Msg: "speedscope file: " + err.Error(), Hint: "it is cut, or no JSON: save it again", err: err}
	}
	x := &speedscopeReader{t: t, first: OpID(len(t.Ops)), frames: len(doc.Shared.Frames)}
	for _, f := range doc.Shared.Frames {
		op := Op{Name: f.Name, Source: f.File, Program: -1}
		if f.File != "" && f.Line > 0 {
			op.Source += ":" + strconv.FormatInt(f.Line, 10)
		}
		t.Ops = append(t.Ops, op)
	}
	if !slices.Contains(t.Hosts, in.host) {
		t.Hosts = append(t.Hosts, in.host)
	}
	for i := range doc.Profiles {
		p := &doc.Profiles[i]
		x.lane = &lane{}
		x.open = x.open[:0]
		if err := x.thread(p); err != nil {
			return &InputError{Msg: fmt.Sprintf("profile %d (%.60q): %v", i, p.Name, err), err: err}
		}
		x.lane.order()
		t.Wall = max(t.Wall, Duration(x.now))
		t.Tracks = append(t.Tracks, &Track{Name: p.Name, Kind: Host, Device: -1, Host: in.host, Bytes: int64(24 * x.lane.len()), source: &x.lane.columns})
	}
	t.Lossy = "a sampled profile: stacks of host threads, no devices"
	return nil
}

type speedscopeReader struct {
	t      *Trace
	first  OpID
	frames int
	lane   *lane
	open   []openFrame
	now    Time
}

type openFrame struct {
	frame int
	start Time
}

func (x *speedscopeReader) thread(p *speedscopeThread) error {
	x.now = 0
	base, ok := x.ps(p.Start, p.Unit)
	if p.Start != "" && !ok {
		return fmt.Errorf("startValue %.30q: wanted a number", p.Start)
	}
	switch p.Type {
	case "sampled":
		for i, stack := range p.Samples {
			if i >= len(p.Weights) {
				return fmt.Errorf("%d samples, %d weights", len(p.Samples), len(p.Weights))
			}
			w, ok := x.ps(p.Weights[i], p.Unit)
			if !ok || w < 0 || int64(x.now) > 1<<62-w {
				return fmt.Errorf("weight %d: found %.30q, wanted a duration", i, p.Weights[i])
			}
			if err := x.stack(stack); err != nil {
				return fmt.Errorf("sample %d: %w", i, err)
			}
			x.now += Time(w)
		}
	case "evented":
		for i, e := range p.Events {
			at, ok := x.ps(e.At, p.Unit)
			if !ok {
				return fmt.Errorf("event %d: at %.30q: wanted a number", i, e.At)
			}
			x.now = max(x.now, Time(at-base))
			n := len(x.open)
			switch {
			case e.Type == "O" && n < maxOpen:
				if e.Frame < 0 || e.Frame >= x.frames {
					return fmt.Errorf("event %d: frame %d of %d", i, e.Frame, x.frames)
				}
				x.open = append(x.open, openFrame{e.Frame, x.now})
			case e.Type == "C" && n > 0 && x.open[n-1].frame == e.Frame:
				x.close(n - 1)
			default:
				return fmt.Errorf("event %d: %.10q of frame %d, wanted a close of the innermost frame", i, e.Type, e.Frame)
			}
		}
	default:
		return fmt.Errorf("type %.20q, wanted sampled or evented", p.Type)
	}
	x.close(0)
	return nil
}

// stack closes what the next sample doesn't share with the one before, and opens
// the rest.
func (x *speedscopeReader) stack(stack []int) error {
	if len(stack) > maxOpen {
		return fmt.Errorf("%d frames, wanted at most %d", len(stack), maxOpen)
	}
	n := 0
	for n < len(stack) && n < len(x.open) && x.open[n].frame == stack[n] {
		n++
	}
	x.close(n)
	for _, f := range stack[n:] {
		if f < 0 || f >= x.frames {
			return fmt.Errorf("frame %d of %d", f, x.frames)
		}
		x.open = append(x.open, openFrame{f, x.now})
	}
	return nil
}

// close ends all but n open frames, the outer ones first: of equal spans the first
// is the one around the others.
func (x *speedscopeReader) close(n int) {
	for _, f := range x.open[n:] {
		x.lane.add(x.first+OpID(f.frame), f.start, x.now.Sub(f.start))
	}
	x.open = x.open[:n]
}

// speedscopeUnits are the powers of ten from a unit to microseconds; samples and
// bytes count as nanoseconds.
var speedscopeUnits = map[string]int{"seconds": 6, "milliseconds": 3, "microseconds": 0, "nanoseconds": -3, "none": -3, "bytes": -3}

// ps converts a value to picoseconds exactly.
func (x *speedscopeReader) ps(n json.Number, unit string) (int64, bool) {
	shift, ok := speedscopeUnits[unit]
	if !ok || n == "" {
		return 0, ok
	}
	mantissa, exp, has := strings.Cut(strings.ToLower(string(n)), "e")
	e := 0
	if has {
		var err error
		if e, err = strconv.Atoi(strings.TrimPrefix(exp, "+")); err != nil {
			return 0, false
		}
	}
	return chromejson.Picoseconds([]byte(mantissa + "e" + strconv.Itoa(e+shift)))
}
