// SPDX-License-Identifier: Apache-2.0

package standin

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

func xspaceField(space []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, 8, protowire.BytesType), space)
}

// part is an XSpace without its events, or without its HLO.
func part(space []byte, events, hlo bool) []byte {
	var out []byte
	for b := space; len(b) > 0; {
		num, kind, n := protowire.ConsumeField(b)
		if n < 0 {
			return space // no XSpace: as it is
		}
		field := b[:n]
		b = b[n:]
		metadata := false
		if num == 1 && kind == protowire.BytesType {
			metadata = strings.Contains(planeName(field), "metadata")
		}
		if num != 1 || metadata && hlo || !metadata && events {
			out = append(out, field...)
		}
	}
	return out
}

// planeName is the name (field 2) of a plane, given as a field of an XSpace.
func planeName(field []byte) string {
	_, _, n := protowire.ConsumeTag(field)
	plane, _ := protowire.ConsumeBytes(field[n:])
	for len(plane) > 0 {
		num, kind, n := protowire.ConsumeTag(plane)
		if n < 0 {
			return ""
		}
		plane = plane[n:]
		if num == 2 && kind == protowire.BytesType {
			name, _ := protowire.ConsumeString(plane)
			return name
		}
		if n = protowire.ConsumeFieldValue(num, kind, plane); n < 0 {
			return ""
		}
		plane = plane[n:]
	}
	return ""
}

// terminated is the session of a TerminateRequest, whose field 1 is text.
func (r *Request) terminated() string { return r.Session }

// parse reads a ProfileRequest, or a TerminateRequest, whose only field is the
// session as text.
func parse(b []byte) (Request, error) {
	r := Request{HostTracer: -1, DeviceTracer: -1, PythonTracer: -1}
	err := eachField(b, func(num protowire.Number, v uint64, text []byte) error {
		switch {
		case num == 1 && text != nil:
			r.Session = string(text)
		case num == 1:
			r.OuterMS = v
		case num == 4:
			return r.options(text)
		case num == 5:
			r.Root = string(text)
		case num == 6:
			r.Session = string(text)
		case num == 7:
			r.Host = string(text)
		case num == 9:
			r.EmitXSpace = v != 0
		}
		return nil
	})
	return r, err
}

func (r *Request) options(b []byte) error {
	return eachField(b, func(num protowire.Number, v uint64, _ []byte) error {
		switch num {
		case 2:
			r.HostTracer = int(v)
		case 3:
			r.DeviceTracer = int(v)
		case 4:
			r.PythonTracer = int(v)
		case 5:
			r.Version = v
		case 7:
			r.HLO = v != 0
		case 8:
			r.StartNS = v
		case 9:
			r.DurationMS = v
		}
		return nil
	})
}

func eachField(b []byte, f func(num protowire.Number, v uint64, text []byte) error) error {
	for len(b) > 0 {
		num, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		var v uint64
		var text []byte
		switch kind {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			text, n = protowire.ConsumeBytes(b)
			if text == nil {
				text = []byte{}
			}
		default:
			n = protowire.ConsumeFieldValue(num, kind, b)
		}
		if n < 0 {
			return fmt.Errorf("field %d: %w", num, protowire.ParseError(n))
		}
		b = b[n:]
		if err := f(num, v, text); err != nil {
			return err
		}
	}
	return nil
}
