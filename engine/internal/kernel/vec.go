// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"math"
)

// rowGrain is how many values a task of a row-wise kernel covers: below it a
// second core costs more than it gives.
const rowGrain = 1 << 14

// eachRows calls fn for ranges of rows that cover [0, rows), on several cores
// when the matrix is large enough.
func eachRows(rows, cols int, fn func(r0, r1 int)) {
	step := max(1, rowGrain/max(cols, 1))
	if rows <= step {
		fn(0, rows)
		return
	}
	Parallel((rows+step-1)/step, func(i, _ int) { fn(i*step, min(rows, (i+1)*step)) })
}

func sameShape(op string, ms ...Mat) {
	for _, m := range ms {
		m.check(op)
		if m.Rows != ms[0].Rows || m.Cols != ms[0].Cols {
			panic(fmt.Sprintf("kernel: %s: %s and %s", op, ms[0].shape(), m.shape()))
		}
	}
}

// RMSNorm sets each row of dst to x / sqrt(mean(x²)+eps) · w, or, when
// onePlus, times (1+w) as Gemma stores its weights. dst may be x.
func RMSNorm(dst, x Mat, w []float32, eps float32, onePlus bool) {
	sameShape("RMSNorm", dst, x)
	if len(w) != x.Cols {
		panic(fmt.Sprintf("kernel: RMSNorm: %d weights for %s", len(w), x.shape()))
	}
	if x.empty() {
		return
	}
	offset := float32(0)
	if onePlus {
		offset = 1
	}
	t, n := active.Load(), x.Cols
	eachRows(x.Rows, n, func(r0, r1 int) {
		for r := r0; r < r1; r++ {
			ms := float64(t.sumSq(x.at(r, 0), n)) / float64(n)
			s := float32(1 / math.Sqrt(ms+float64(eps)))
			t.norm(dst.at(r, 0), x.at(r, 0), &w[0], n, s, offset)
		}
	})
}

// sumChunk is how many exponentials are summed in float32 before the sum
// moves to float64: a vocabulary has 150,000.
const sumChunk = 2048

// expSumRow sets dst = exp(x-shift) and returns the sum.
func (t *table) expSumRow(dst, x []float32, shift float32) float64 {
	var sum float64
	for i := 0; i < len(x); i += sumChunk {
		n := min(sumChunk, len(x)-i)
		sum += float64(t.expSum(&dst[i], &x[i], n, shift))
	}
	return sum
}

// Softmax sets each row of dst to exp(x-max) / Σ exp(x-max). dst may be x.
func Softmax(dst, x Mat) {
	sameShape("Softmax", dst, x)
	if x.empty() {
		return
	}
	t, n := active.Load(), x.Cols
	eachRows(x.Rows, n, func(r0, r1 int) {
		for r := r0; r < r1; r++ {
			row := dst.Row(r)
			sum := t.expSumRow(row, x.Row(r), t.maxOf(x.at(r, 0), n))
			t.scale(&row[0], &row[0], n, float32(1/sum))
		}
	})
}

// LogSoftmax sets each row of dst to x - log Σ exp x. dst may be x.
func LogSoftmax(dst, x Mat) {
	sameShape("LogSoftmax", dst, x)
	if x.empty() {
		return
	}
	t := active.Load()
	eachRows(x.Rows, x.Cols, func(r0, r1 int) {
		for r := r0; r < r1; r++ {
			lse := LogSumExp(x.Row(r))
			t.shift(dst.at(r, 0), x.at(r, 0), x.Cols, float32(lse))
		}
	})
}

// LogSumExp returns log Σ exp(x), -Inf for an empty x. A scorer that needs a
// few labels of a large vocabulary subtracts it from their logits only.
func LogSumExp(x []float32) float64 {
	if len(x) == 0 {
		return math.Inf(-1)
	}
	t := active.Load()
	m := t.maxOf(&x[0], len(x))
	var buf [512]float32
	var sum float64
	for i := 0; i < len(x); i += len(buf) {
		n := min(len(buf), len(x)-i)
		sum += float64(t.expSum(&buf[0], &x[i], n, m))
	}
	return float64(m) + math.Log(sum)
}

// Exp sets dst = exp(x), within 1 ulp of the exact value on the assembly
// paths; overflow gives +Inf, underflow denormals and 0.
func Exp(dst, x []float32) {
	if n := sameLen("Exp", dst, x); n > 0 {
		active.Load().expSumRow(dst, x, 0)
	}
}

// SiLUMul sets dst = silu(gate) · up with silu(x) = x / (1+exp(-x)): SwiGLU's
// inner product. dst may be gate or up.
func SiLUMul(dst, gate, up Mat) { gated("SiLUMul", active.Load().siluMul, dst, gate, up) }

// GELUTanhMul sets dst = gelu(gate) · up with the tanh form of GELU,
// ½x(1+tanh(√(2/π)(x+0.044715x³))). dst may be gate or up.
func GELUTanhMul(dst, gate, up Mat) { gated("GELUTanhMul", active.Load().geluMul, dst, gate, up) }

func gated(op string, fn func(dst, gate, up *float32, n int), dst, gate, up Mat) {
	sameShape(op, dst, gate, up)
	if dst.empty() {
		return
	}
	eachRows(dst.Rows, dst.Cols, func(r0, r1 int) {
		for r := r0; r < r1; r++ {
			fn(dst.at(r, 0), gate.at(r, 0), up.at(r, 0), dst.Cols)
		}
	})
}

// Add sets dst += x: the residual connection.
func Add(dst, x Mat) {
	sameShape("Add", dst, x)
	if dst.empty() {
		return
	}
	t := active.Load()
	eachRows(dst.Rows, dst.Cols, func(r0, r1 int) {
		for r := r0; r < r1; r++ {
			t.add(dst.at(r, 0), x.at(r, 0), dst.Cols)
		}
	})
}

// AddRow adds row to every row of dst: a linear layer's bias.
func AddRow(dst Mat, row []float32) {
	dst.check("AddRow")
	if len(row) != dst.Cols {
		panic(fmt.Sprintf("kernel: AddRow: %d values to %s", len(row), dst.shape()))
	}
	if dst.empty() {
		return
	}
	t := active.Load()
	eachRows(dst.Rows, dst.Cols, func(r0, r1 int) {
		for r := r0; r < r1; r++ {
			t.add(dst.at(r, 0), &row[0], dst.Cols)
		}
	})
}

// Scale sets x = s·x.
func Scale(x Mat, s float32) {
	t := active.Load()
	inPlace("Scale", x, func(p *float32, n int) { t.scale(p, p, n, s) })
}

// Softcap sets x = limit·tanh(x/limit), Gemma-2's bound on logits.
func Softcap(x Mat, limit float32) {
	t := active.Load()
	inPlace("Softcap", x, func(p *float32, n int) { t.softcap(p, p, n, limit) })
}

func inPlace(op string, x Mat, fn func(p *float32, n int)) {
	x.check(op)
	if x.empty() {
		return
	}
	eachRows(x.Rows, x.Cols, func(r0, r1 int) {
		for r := r0; r < r1; r++ {
			fn(x.at(r, 0), x.Cols)
		}
	})
}

// Dot returns Σ x·y in float32.
func Dot(x, y []float32) float32 {
	if n := sameLen("Dot", x, y); n > 0 {
		return active.Load().dot(&x[0], &y[0], n)
	}
	return 0
}

// Axpy sets y += a·x.
func Axpy(y []float32, a float32, x []float32) {
	if n := sameLen("Axpy", y, x); n > 0 {
		active.Load().axpy(&y[0], &x[0], n, a)
	}
}

func sameLen(op string, x, y []float32) int {
	if len(x) != len(y) {
		panic(fmt.Sprintf("kernel: %s: %d and %d values", op, len(x), len(y)))
	}
	return len(x)
}
