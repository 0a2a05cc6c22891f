// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// eachPath runs fn once per path of this machine.
func eachPath(t *testing.T, fn func(t *testing.T)) {
	t.Helper()
	before := Active()
	defer func() {
		if err := Use(before); err != nil {
			t.Fatal(err)
		}
	}()
	for _, p := range Available() {
		if err := Use(p); err != nil {
			t.Fatal(err)
		}
		t.Run(p.String(), fn)
	}
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x6c617965)) }

// randMat returns normal values in a matrix whose padding holds NaN, so that a
// kernel which reads it shows.
func randMat(r *rand.Rand, rows, cols, pad int) Mat {
	m := Mat{Data: make([]float32, rows*(cols+pad)), Rows: rows, Cols: cols, Stride: cols + pad}
	for i := range m.Data {
		m.Data[i] = float32(math.NaN())
	}
	for i := range rows {
		for j := range m.Row(i) {
			m.Row(i)[j] = float32(r.NormFloat64())
		}
	}
	return m
}

// clone copies m with its padding.
func clone(m Mat) Mat {
	m.Data = append([]float32(nil), m.Data...)
	return m
}

// padding reports the first value outside the shape that differs from NaN.
func paddingTouched(m Mat) (int, bool) {
	for i, v := range m.Data {
		if m.Stride > 0 && (i%m.Stride >= m.Cols || i/m.Stride >= m.Rows) && v == v {
			return i, true
		}
	}
	return 0, false
}

func bits(x []float32) []uint32 {
	b := make([]uint32, len(x))
	for i, v := range x {
		b[i] = math.Float32bits(v)
	}
	return b
}

// tensorFrom stores m as typ and returns the values that storing left.
func tensorFrom(m Mat, typ DType) (Tensor, Mat) {
	t := Tensor{Type: typ, Rows: m.Rows, Cols: m.Cols, Data: make([]byte, m.Rows*m.Cols*typ.Size())}
	kept := NewMat(m.Rows, m.Cols)
	for i := range m.Rows {
		for j, v := range m.Row(i) {
			n := i*m.Cols + j
			switch typ {
			case F32:
				putU32(t.Data[4*n:], math.Float32bits(v))
			case BF16:
				putU16(t.Data[2*n:], uint16(math.Float32bits(v)>>16))
			case F16:
				putU16(t.Data[2*n:], toF16(v))
			}
			kept.Row(i)[j] = t.value(n)
		}
	}
	return t, kept
}

func putU16(b []byte, v uint16) { b[0], b[1] = byte(v), byte(v>>8) }
func putU32(b []byte, v uint32) { putU16(b, uint16(v)); putU16(b[2:], uint16(v>>16)) }

// toF16 rounds a normal value of moderate size toward zero.
func toF16(v float32) uint16 {
	u := math.Float32bits(v)
	e := int(u>>23&0xff) - 112
	if e <= 0 {
		return uint16(u >> 16 & 0x8000)
	}
	return uint16(u>>16&0x8000) | uint16(e)<<10 | uint16(u>>13&0x3ff)
}

// product64 is a·bᵀ in float64, with Σ|a·b| beside it as the scale of errors.
func product64(a, b Mat) (c, mag []float64) {
	c, mag = make([]float64, a.Rows*b.Rows), make([]float64, a.Rows*b.Rows)
	for i := range a.Rows {
		for j := range b.Rows {
			for k, x := range a.Row(i) {
				p := float64(x) * float64(b.Row(j)[k])
				c[i*b.Rows+j] += p
				mag[i*b.Rows+j] += math.Abs(p)
			}
		}
	}
	return c, mag
}

// near reports |got-want| ≤ tol·scale, or equal infinities, or two NaN.
func near(got float32, want, scale, tol float64) bool {
	g := float64(got)
	return g == want || math.IsNaN(g) && math.IsNaN(want) || math.Abs(g-want) <= tol*scale
}

// attend64 is attention with a dense mask in float64: visible(i, j) says
// whether query i sees key j.
func attend64(q, k, v Mat, at Attention, visible func(i, j int) bool) []float64 {
	out := make([]float64, q.Rows*at.Heads*at.HeadDim)
	scale := float64(at.Scale)
	if scale == 0 {
		scale = 1 / math.Sqrt(float64(at.HeadDim))
	}
	for h := range at.Heads {
		kh := h / (at.Heads / at.KVHeads) * at.HeadDim
		for i := range q.Rows {
			p := make([]float64, k.Rows)
			top, sum := math.Inf(-1), 0.0
			for j := range p {
				p[j] = math.Inf(-1)
				if !visible(i, j) {
					continue
				}
				s := 0.0
				for d := range at.HeadDim {
					s += float64(q.Row(i)[h*at.HeadDim+d]) * float64(k.Row(j)[kh+d])
				}
				s *= scale
				if c := float64(at.Softcap); c > 0 {
					s = c * math.Tanh(s/c)
				}
				p[j] = s
				top = math.Max(top, s)
			}
			for j := range p {
				p[j] = math.Exp(p[j] - top)
				sum += p[j]
			}
			for d := range at.HeadDim {
				o := 0.0
				for j := range p {
					if p[j] > 0 {
						o += p[j] / sum * float64(v.Row(j)[kh+d])
					}
				}
				out[(i*at.Heads+h)*at.HeadDim+d] = o
			}
		}
	}
	return out
}
