// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"math"
	"unsafe"
)

var portableTable = table{
	path:       Portable,
	micro:      [3]func(int, *float32, unsafe.Pointer, *float32, int, int, bool){F32: microPortable},
	widenPanel: [3]func(*float32, unsafe.Pointer, int){BF16: widenPanelBF16, F16: widenPanelF16},
	packPanel: [3]func(unsafe.Pointer, *[panelN]unsafe.Pointer, int){
		F32: packPanelF32, BF16: packPanelBF16, F16: packPanelF16},
	widen:   [3]func(*float32, unsafe.Pointer, int){F32: widenF32, BF16: widenBF16, F16: widenF16},
	expSum:  expSumPortable,
	maxOf:   maxOfPortable,
	sumSq:   func(x *float32, n int) float32 { return dotPortable(x, x, n) },
	dot:     dotPortable,
	axpy:    axpyPortable,
	add:     func(dst, x *float32, n int) { axpyPortable(dst, x, n, 1) },
	scale:   scalePortable,
	shift:   shiftPortable,
	norm:    normPortable,
	siluMul: siluMulPortable,
	geluMul: geluMulPortable,
	softcap: softcapPortable,
	rotate:  rotatePortable,
	peak:    peakPortable,
}

// Constants of the exponential: exp(x) = 2ⁿ·exp(r) with n = round(x/ln 2) and
// r = x - n·ln 2 in two parts, |r| ≤ ln(2)/2. exp(r) ≈ 1 + r + r²·q(r), q the
// minimax polynomial of degree 4 for the relative error (3.1e-9; own Remez
// run). Outside [expLo, expHi] the result is 0 or +Inf.
const (
	expLo  = -104
	expHi  = 89
	log2E  = 1.4426950408889634
	ln2Hi  = 0.693145751953125 // 16 bits, so that n·ln2Hi is exact
	ln2Lo  = 1.42860682030941723e-06
	expC2  = 0.4999999343212929
	expC3  = 0.1666652039904253
	expC4  = 0.041668390783547914
	expC5  = 0.008368745108942591
	expC6  = 0.0013814540176801306
	expBig = 12582912 // 1.5·2²³: adding it rounds to an integer
)

// exp32 is the exponential that all portable kernels share.
func exp32(x float32) float32 {
	switch {
	case x != x:
		return x
	case x < expLo:
		x = expLo
	case x > expHi:
		x = expHi
	}
	n := float32(x*log2E) + expBig
	n -= expBig
	r := x - n*ln2Hi
	r -= n * ln2Lo
	q := float32(expC6)
	q = q*r + expC5
	q = q*r + expC4
	q = q*r + expC3
	q = q*r + expC2
	p := r + r*r*q + 1
	// Two factors, as 2ⁿ alone may lie outside the range of float32.
	half := int32(n) >> 1
	rest := int32(n) - half
	return p * math.Float32frombits(uint32(half+127)<<23) * math.Float32frombits(uint32(rest+127)<<23)
}

func expSumPortable(dst, x *float32, n int, shift float32) float32 {
	d, s := unsafe.Slice(dst, n), unsafe.Slice(x, n)
	var sum float32
	for i, v := range s {
		e := exp32(v - shift)
		d[i] = e
		sum += e
	}
	return sum
}

func maxOfPortable(x *float32, n int) float32 {
	m := float32(math.Inf(-1))
	for _, v := range unsafe.Slice(x, n) {
		if v > m {
			m = v
		}
	}
	return m
}

func dotPortable(x, y *float32, n int) float32 {
	a, b := unsafe.Slice(x, n), unsafe.Slice(y, n)
	var s [8]float32 // eight sums: as accurate as the vector forms
	i := 0
	for ; i+8 <= n; i += 8 {
		for l := range s {
			s[l] += a[i+l] * b[i+l]
		}
	}
	for ; i < n; i++ {
		s[i&7] += a[i] * b[i]
	}
	return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}

func axpyPortable(y, x *float32, n int, a float32) {
	d, s := unsafe.Slice(y, n), unsafe.Slice(x, n)
	for i := range d {
		d[i] += a * s[i]
	}
}

func scalePortable(dst, x *float32, n int, s float32) {
	d, v := unsafe.Slice(dst, n), unsafe.Slice(x, n)
	for i := range d {
		d[i] = v[i] * s
	}
}

func shiftPortable(dst, x *float32, n int, s float32) {
	d, v := unsafe.Slice(dst, n), unsafe.Slice(x, n)
	for i := range d {
		d[i] = v[i] - s
	}
}

func normPortable(dst, x, w *float32, n int, s, offset float32) {
	d, v, u := unsafe.Slice(dst, n), unsafe.Slice(x, n), unsafe.Slice(w, n)
	for i := range d {
		d[i] = v[i] * s * (u[i] + offset)
	}
}

func siluMulPortable(dst, gate, up *float32, n int) {
	d, g, u := unsafe.Slice(dst, n), unsafe.Slice(gate, n), unsafe.Slice(up, n)
	for i := range d {
		d[i] = g[i] / (1 + exp32(-g[i])) * u[i]
	}
}

// gelu(x) = ½x(1+tanh z) = x / (1+exp(-2z)); the second form loses no digits
// where tanh z is near -1.
const (
	gelu1 = 1.5957691216057308   // 2·√(2/π)
	gelu3 = 0.071354816272600248 // 2·√(2/π)·0.044715
)

func geluMulPortable(dst, gate, up *float32, n int) {
	d, g, u := unsafe.Slice(dst, n), unsafe.Slice(gate, n), unsafe.Slice(up, n)
	for i := range d {
		x := g[i]
		z := x * (gelu3*x*x + gelu1)
		d[i] = x / (1 + exp32(-z)) * u[i]
	}
}

func softcapPortable(dst, x *float32, n int, limit float32) {
	d, s := unsafe.Slice(dst, n), unsafe.Slice(x, n)
	for i := range d {
		d[i] = float32(float64(limit) * math.Tanh(float64(s[i])/float64(limit)))
	}
}

func rotatePortable(x0, x1, cos, sin *float32, n int) {
	a, b := unsafe.Slice(x0, n), unsafe.Slice(x1, n)
	c, s := unsafe.Slice(cos, n), unsafe.Slice(sin, n)
	for i := range a {
		u, v := a[i], b[i]
		a[i] = u*c[i] - v*s[i]
		b[i] = v*c[i] + u*s[i]
	}
}

// peakPortable runs multiply-adds in eight scalar chains.
func peakPortable(n int) int {
	var s [8]float32
	x, y := float32(0.9), float32(0.1)
	for range n {
		for l := range s {
			s[l] = s[l]*x + y
		}
	}
	sink := float32(0)
	for _, v := range s {
		sink += v
	}
	if sink != sink {
		panic("kernel: peak probe: NaN")
	}
	return n * 8 * 2
}
