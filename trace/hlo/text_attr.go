// SPDX-License-Identifier: Apache-2.0

package hlo

import (
	"strconv"
	"strings"
)

// attributes reads ", key=value, …" into the instruction and returns the names
// of called computations: a while's body before its condition.
func (p *textParser) attributes(in *Instruction, s string) []string {
	var calls []string
	var condition string
	var feature, batch int64 = 1, 1
	for s != "" {
		var attr string
		if attr, s = topLevel(s); attr == "" {
			continue
		}
		key, val, ok := strings.Cut(strings.TrimLeft(attr, " "), "=")
		if !ok {
			continue
		}
		switch key {
		case "feature_group_count":
			feature = number(val)
		case "batch_group_count":
			batch = number(val)
		case "condition":
			condition = firstName(val)
		case "calls", "to_apply", "body", "true_computation", "false_computation", "select", "scatter":
			calls = append(calls, firstName(val))
		case "branch_computations", "called_computations":
			for list := strings.Trim(val, "{}"); list != ""; {
				var name string
				name, list, _ = strings.Cut(list, ",")
				calls = append(calls, firstName(stripComments(name)))
			}
		default:
			in.attribute(key, val)
		}
	}
	if condition != "" {
		calls = append(calls, condition)
	}
	if in.Conv != nil {
		in.Conv.FeatureGroupCount, in.Conv.BatchGroupCount = max(1, feature), max(1, batch)
	}
	return calls
}

// attribute reads one attribute that calls nothing.
func (in *Instruction) attribute(key, val string) {
	dot := func() *DotDims {
		if in.Dot == nil {
			in.Dot = &DotDims{}
		}
		return in.Dot
	}
	switch key {
	case "dimensions", "iota_dimension":
		in.Dims = braced(val)
	case "lhs_contracting_dims":
		dot().LHSContracting = braced(val)
	case "rhs_contracting_dims":
		dot().RHSContracting = braced(val)
	case "lhs_batch_dims":
		dot().LHSBatch = braced(val)
	case "rhs_batch_dims":
		dot().RHSBatch = braced(val)
	case "window":
		in.Window = parseWindow(val)
	case "dim_labels":
		in.Conv = parseDimLabels(val)
	case "index":
		if in.Opcode == "get-tuple-element" {
			in.TupleIndex = int(max(0, min(number(val), maxTable)))
		}
	case "direction":
		in.Direction = val
	case "kind":
		in.FusionKind = val
	case "custom_call_target":
		in.CustomCallTarget = unquote(val)
	case "backend_config":
		in.BackendConfig = unquote(val)
	case "metadata":
		in.metadata(val)
	}
}

// metadata reads {op_type="…" op_name="…" source_file="…" source_line=1 …}.
func (in *Instruction) metadata(s string) {
	s = strings.TrimSuffix(strings.TrimPrefix(s, "{"), "}")
	for s != "" {
		s = strings.TrimLeft(s, " ,")
		key, rest, ok := strings.Cut(s, "=")
		if !ok {
			return
		}
		var val string
		switch {
		case strings.HasPrefix(rest, `"`):
			end := min(quoteEnd(rest, 0)+1, len(rest))
			val, s = rest[:end], rest[end:]
		case strings.HasPrefix(rest, "{"):
			inside, _ := bracketed(rest)
			s = rest[min(len(inside)+2, len(rest)):]
			continue
		default:
			end := strings.IndexAny(rest, " ,")
			if end < 0 {
				end = len(rest)
			}
			val, s = rest[:end], rest[end:]
		}
		switch key {
		case "op_type":
			in.OpType = unquote(val)
		case "op_name":
			in.OpName = unquote(val)
		case "source_file":
			in.file = unquote(val)
		case "source_line":
			in.line = int32(number(val))
		case "stack_frame_id":
			in.frame = int32(number(val))
		case "deduplicated_name":
			in.DedupName = unquote(val)
		}
	}
}

// parseWindow reads {size=3x3 stride=2x2 pad=0_1x1_1 lhs_dilate=2x2
// rhs_dilate=1x1 rhs_reversal=1x0}.
func parseWindow(s string) []WindowDim {
	var ws []WindowDim
	for _, f := range strings.Fields(strings.Trim(s, "{}")) {
		key, val, _ := strings.Cut(f, "=")
		for i, d := range strings.SplitN(val, "x", 64) {
			for len(ws) <= i {
				ws = append(ws, WindowDim{Size: 1, Stride: 1, Dilation: 1, BaseDilation: 1})
			}
			w := &ws[i]
			switch key {
			case "size":
				w.Size = number(d)
			case "stride":
				w.Stride = max(1, number(d))
			case "pad":
				low, high, _ := strings.Cut(d, "_")
				w.PadLow, w.PadHigh = number(low), number(high)
			case "lhs_dilate":
				w.BaseDilation = max(1, number(d))
			case "rhs_dilate":
				w.Dilation = max(1, number(d))
			case "rhs_reversal":
				w.Reversed = number(d) != 0
			}
		}
	}
	return ws
}

// parseDimLabels reads "bf01_oi01->bf01": the letters of input, kernel and
// output dimensions by position; digits number the spatial ones.
func parseDimLabels(s string) *ConvDims {
	in, rest, _ := strings.Cut(s, "_")
	kernel, out, _ := strings.Cut(rest, "->")
	c := &ConvDims{FeatureGroupCount: 1, BatchGroupCount: 1}
	labels(in, 'b', 'f', &c.InputBatch, &c.InputFeature, &c.InputSpatial)
	labels(kernel, 'i', 'o', &c.KernelInput, &c.KernelOutput, &c.KernelSpatial)
	labels(out, 'b', 'f', &c.OutputBatch, &c.OutputFeature, &c.OutputSpatial)
	return c
}

func labels(s string, first, second byte, a, b *int64, spatial *[]int64) {
	for i := range len(s) {
		switch c := s[i]; {
		case c == first:
			*a = int64(i)
		case c == second:
			*b = int64(i)
		case c >= '0' && c <= '9':
			n := int(c - '0')
			for len(*spatial) <= n {
				*spatial = append(*spatial, 0)
			}
			(*spatial)[n] = int64(i)
		}
	}
}

// braced reads {0,1}.
func braced(s string) []int64 { return parseInts(strings.Trim(s, "{} ")) }

// number reads an integer, 0 when s is none.
func number(s string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// unquote returns a quoted string's contents with C escapes resolved; text
// without quotes is returned as it is.
func unquote(s string) string {
	s = strings.TrimSpace(s)
	if len(s) < 2 || s[0] != '"' {
		return s
	}
	s = strings.TrimSuffix(s[1:], `"`)
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b = append(b, s[i])
			continue
		}
		i++
		switch c := s[i]; {
		case c == 'n':
			b = append(b, '\n')
		case c == 't':
			b = append(b, '\t')
		case c == 'r':
			b = append(b, '\r')
		case c >= '0' && c <= '7' && i+2 < len(s):
			n, err := strconv.ParseUint(s[i:i+3], 8, 8)
			if err != nil {
				b = append(b, c)
				continue
			}
			b = append(b, byte(n))
			i += 2
		default:
			b = append(b, c)
		}
	}
	return string(b)
}
