// SPDX-License-Identifier: Apache-2.0

package hlo

import (
	"strconv"
	"strings"
)

// dotFLOPs returns 2·(elements of the result)·(length of the contraction).
func dotFLOPs(in *Instruction) (int64, bool) {
	lhs := in.operand(0)
	if in.Dot == nil || lhs.Type == Invalid {
		return 0, false
	}
	return contraction(lhs, in.Dot.LHSContracting, in.result())
}

func contraction(lhs *Shape, dims []int64, out *Shape) (int64, bool) {
	k := int64(1)
	for _, d := range dims {
		if d < 0 || d >= int64(len(lhs.Dims)) {
			return 0, false
		}
		k = mulSat(k, lhs.Dims[d])
	}
	return mulSat(2, mulSat(out.Elements(), k)), true
}

// convFLOPs returns 2·(input features of a group)·(output features)·(batch)·
// (window taps that hit the input), for a convolution of input and kernel with
// that output. Taps in the padding, and between the elements of a dilated
// input, do no work. The TPU compiler writes matmuls this way, with batch
// dimensions as window dimensions of which one tap in n hits.
func (n *counter) convFLOPs(in *Instruction, input, kernel, output *Shape) (int64, bool) {
	d := in.Conv
	if d == nil || input.Type == Invalid || kernel.Type == Invalid {
		return 0, false
	}
	feature, ok1 := dim(input, d.InputFeature)
	batch, ok2 := dim(input, d.InputBatch)
	out, ok3 := dim(output, d.OutputFeature)
	if !ok1 || !ok2 || !ok3 || len(in.Window) > len(d.InputSpatial) ||
		len(in.Window) > len(d.KernelSpatial) || len(in.Window) > len(d.OutputSpatial) {
		return 0, false
	}
	taps, exact := int64(1), true
	for i, w := range in.Window {
		size, ok1 := dim(input, d.InputSpatial[i])
		k, ok2 := dim(kernel, d.KernelSpatial[i])
		o, ok3 := dim(output, d.OutputSpatial[i])
		if !ok1 || !ok2 || !ok3 {
			return 0, false
		}
		hits, ok := n.hits(w, size, k, o)
		taps, exact = mulSat(taps, hits), exact && ok
	}
	fma := mulSat(mulSat(feature/d.FeatureGroupCount, out), mulSat(batch/d.BatchGroupCount, taps))
	return mulSat(2, fma), exact
}

func dim(s *Shape, i int64) (int64, bool) {
	if i < 0 || i >= int64(len(s.Dims)) {
		return 0, false
	}
	return s.Dims[i], true
}

// hits counts the pairs of output position o and kernel tap k that read an
// element of the input: base divides x = o·stride + k·dilation − low, and
// 0 ≤ x/base < size.
func (n *counter) hits(w WindowDim, size, kernel, output int64) (int64, bool) {
	const large = 1 << 31
	if size <= 0 || kernel <= 0 || output <= 0 {
		return 0, true
	}
	if size > large || kernel > large || output > large || w.Stride > large || w.Dilation > large ||
		w.BaseDilation > large || w.PadLow > large || w.PadLow < -large {
		return mulSat(kernel, output), false
	}
	// Go through the shorter side one by one, and find the other side's first
	// and last hit by division.
	outer, outerStep, inner, innerStep := kernel, w.Dilation, output, w.Stride
	if outer > inner {
		outer, outerStep, inner, innerStep = inner, innerStep, outer, outerStep
	}
	if outer > maxWindow || n.taps < int(outer) {
		return mulSat(kernel, output), false
	}
	n.taps -= int(outer)
	var hits int64
	for a := range outer {
		x0 := a*outerStep - w.PadLow // x = x0 + b·innerStep
		limit := (size - 1) * w.BaseDilation
		lo, hi := int64(0), inner-1
		if x0 < 0 {
			lo = (-x0 + innerStep - 1) / innerStep
		}
		if x0 > limit {
			continue
		}
		hi = min(hi, (limit-x0)/innerStep)
		hits += multiples(x0, innerStep, w.BaseDilation, lo, hi)
	}
	return hits, true
}

// multiples counts the b of lo..hi for which base divides x0 + b·step.
func multiples(x0, step, base, lo, hi int64) int64 {
	if hi < lo {
		return 0
	}
	if base == 1 {
		return hi - lo + 1
	}
	g := gcd(step, base)
	if x0%g != 0 {
		return 0
	}
	// The solutions are one residue class modulo period = base/g.
	period := base / g
	first := (mod(-x0/g, period) * inverse(mod(step/g, period), period)) % period
	start := lo + mod(first-lo, period)
	if start > hi {
		return 0
	}
	return (hi-start)/period + 1
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func mod(a, n int64) int64 { return ((a % n) + n) % n }

// inverse returns the inverse of a modulo n, both below 2³¹ and coprime.
func inverse(a, n int64) int64 {
	t, next, r, rest := int64(0), int64(1), n, a
	for rest != 0 {
		q := r / rest
		t, next = next, t-q*next
		r, rest = rest, r-q*rest
	}
	return mod(t, n)
}

// Custom-call targets that are matrix products or move nothing.
const (
	cublasPrefix = "__cublas$"
	cudnnPrefix  = "__cudnn$conv"
	onednnMatmul = "__onednn$matmul"
)

var freeCalls = map[string]bool{
	"AllocateBuffer": true, "AssumeGatherIndicesInBound": true, "ConcatBitcast": true,
	"LayoutConstraint": true, "Sharding": true, "SPMDFullToShardShape": true, "SPMDShardToFullShape": true,
	"annotate_device_placement": true,
}

var movingCalls = map[string]bool{
	"MoveToDevice": true, "MoveToHost": true, "SliceToDynamic": true, "PadToStatic": true,
	"X64Combine": true, "X64SplitHigh": true, "X64SplitLow": true,
}

// customCall prices library calls that are known to be matrix products, Pallas
// kernels that carry their author's estimate, and compiler calls without work.
func (n *counter) customCall(in *Instruction, c *Cost) {
	t := in.CustomCallTarget
	matmul := func(flops int64, ok bool) {
		c.FLOPs, c.MatmulFLOPs, c.Unknown = flops, flops, c.Unknown || !ok
	}
	lhs, rhs, out := in.operand(0), in.operand(1), in.result()
	switch {
	case freeCalls[t]:
		*c = Cost{}
	case movingCalls[t]:
	case strings.HasPrefix(t, cublasPrefix):
		dims, ok := jsonInts(in.BackendConfig, "lhs_contracting_dimensions")
		flops, fits := contraction(lhs, dims, out)
		matmul(flops, ok && fits)
	case t == onednnMatmul:
		k := int64(len(lhs.Dims) - 1)
		if strings.Contains(in.BackendConfig, `"transpose_a":true`) {
			k--
		}
		matmul(contraction(lhs, []int64{k}, out))
	case strings.HasPrefix(t, cudnnPrefix):
		// The dimension numbers are those of the forward convolution: a
		// gradient has the forward's input or kernel as its result.
		switch {
		case strings.Contains(t, "BackwardInput"):
			matmul(n.convFLOPs(in, out, rhs, lhs))
		case strings.Contains(t, "BackwardFilter"):
			matmul(n.convFLOPs(in, lhs, out, rhs))
		default:
			matmul(n.convFLOPs(in, lhs, rhs, out))
		}
	case !estimate(in.BackendConfig, c):
		c.Unknown = true
	}
}

// estimate reads "cost_estimate":{"flops":…,"transcendentals":…,
// "bytes_accessed":…} of a Pallas kernel into c; the bytes count as read.
func estimate(config string, c *Cost) bool {
	_, rest, ok := strings.Cut(config, `"cost_estimate"`)
	if !ok {
		return false
	}
	rest, _, _ = strings.Cut(rest, "}")
	f, ok := jsonInt(rest, "flops")
	if !ok {
		return false
	}
	c.FLOPs = f
	c.Transcendentals, _ = jsonInt(rest, "transcendentals")
	if b, ok := jsonInt(rest, "bytes_accessed"); ok {
		c.BytesWritten = min(c.BytesWritten, b)
		c.BytesRead = b - c.BytesWritten
	}
	return true
}

// jsonInt finds "key":12 or "key":"12".
func jsonInt(s, key string) (int64, bool) {
	_, rest, ok := strings.Cut(s, `"`+key+`"`)
	if !ok {
		return 0, false
	}
	rest = strings.TrimLeft(rest, ": \"")
	end := 0
	for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
		end++
	}
	n, err := strconv.ParseInt(rest[:end], 10, 64)
	return n, err == nil
}

// jsonInts finds "key":["1","2"] or "key":[1,2].
func jsonInts(s, key string) ([]int64, bool) {
	_, rest, ok := strings.Cut(s, `"`+key+`"`)
	if !ok {
		return nil, false
	}
	_, rest, ok = strings.Cut(rest, "[")
	if !ok {
		return nil, false
	}
	list, _, ok := strings.Cut(rest, "]")
	return parseInts(strings.ReplaceAll(list, `"`, "")), ok
}
