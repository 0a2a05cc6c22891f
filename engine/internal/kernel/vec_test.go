// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// lengths has every remainder of the vector widths and their unrolled forms.
var lengths = []int{1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 47, 48, 63, 64, 65, 100, 127, 128, 129, 257}

// rowOp is a row-wise kernel with its float64 meaning; scale is what errors
// are relative to, nil = the result itself.
type rowOp struct {
	name  string
	run   func(dst, x, y Mat)
	want  func(x, y []float64) []float64
	scale func(x, y []float64, want float64) float64
}

func each(fn func(x, y float64) float64) func(x, y []float64) []float64 {
	return func(x, y []float64) []float64 {
		out := make([]float64, len(x))
		for i := range x {
			out[i] = fn(x[i], y[i])
		}
		return out
	}
}

func silu(x float64) float64 { return x / (1 + math.Exp(-x)) }
func gelu(x float64) float64 {
	return x / (1 + math.Exp(-2*math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
}

func softmax64(x []float64) (p []float64, lse float64) {
	top := slices.Max(x)
	for _, v := range x {
		lse += math.Exp(v - top)
	}
	lse = top + math.Log(lse)
	for _, v := range x {
		p = append(p, math.Exp(v-lse))
	}
	return p, lse
}

func norm64(eps float64, onePlus bool) func(x, w []float64) []float64 {
	return func(x, w []float64) []float64 {
		ms := 0.0
		for _, v := range x {
			ms += v * v / float64(len(x))
		}
		out := make([]float64, len(x))
		for i := range x {
			out[i] = x[i] / math.Sqrt(ms+eps) * w[i]
			if onePlus {
				out[i] += x[i] / math.Sqrt(ms+eps)
			}
		}
		return out
	}
}

var rowOps = []rowOp{
	{name: "Exp", run: func(d, x, _ Mat) {
		for r := range x.Rows {
			Exp(d.Row(r), x.Row(r))
		}
	}, want: each(func(x, _ float64) float64 { return math.Exp(x) })},
	{name: "Softmax", run: func(d, x, _ Mat) { Softmax(d, x) },
		want:  func(x, _ []float64) []float64 { p, _ := softmax64(x); return p },
		scale: func(x, _ []float64, w float64) float64 { return w * (1 + slices.Max(x) - slices.Min(x)) }},
	{name: "LogSoftmax", run: func(d, x, _ Mat) { LogSoftmax(d, x) },
		want: func(x, _ []float64) []float64 {
			_, lse := softmax64(x)
			return each(func(v, _ float64) float64 { return v - lse })(x, x)
		},
		scale: func(x, _ []float64, w float64) float64 { return math.Abs(w) + 4 }},
	{name: "RMSNorm", run: func(d, x, y Mat) { RMSNorm(d, x, y.Row(0), 1e-6, false) }, want: norm64(1e-6, false)},
	{name: "RMSNorm 1+w", run: func(d, x, y Mat) { RMSNorm(d, x, y.Row(0), 1e-5, true) }, want: norm64(1e-5, true),
		scale: func(_, _ []float64, w float64) float64 { return math.Abs(w) + 1e-1 }},
	{name: "SiLUMul", run: SiLUMul, want: each(func(x, y float64) float64 { return silu(x) * y })},
	{name: "GELUTanhMul", run: GELUTanhMul, want: each(func(x, y float64) float64 { return gelu(x) * y }),
		// exp(-2z) loses z's digits where it is large, and ends at 2¹²⁸.
		scale: func(_, _ []float64, w float64) float64 { return math.Abs(w)*10 + 1e-30 }},
	{name: "Add", run: func(d, x, y Mat) { copyMat(d, x); Add(d, y) },
		want:  each(func(x, y float64) float64 { return x + y }),
		scale: func(_, _ []float64, w float64) float64 { return math.Abs(w) + 1e-9 }},
	{name: "AddRow", run: func(d, x, y Mat) { copyMat(d, x); AddRow(d, y.Row(0)) },
		want: each(func(x, y float64) float64 { return x + y })},
	{name: "Scale", run: func(d, x, _ Mat) { copyMat(d, x); Scale(d, 0.3) },
		want: each(func(x, _ float64) float64 { return x * float64(float32(0.3)) })},
	{name: "Softcap", run: func(d, x, _ Mat) { copyMat(d, x); Softcap(d, 5) },
		want: each(func(x, _ float64) float64 { return 5 * math.Tanh(x/5) })},
	{name: "Axpy", run: func(d, x, y Mat) {
		copyMat(d, x)
		for r := range x.Rows {
			Axpy(d.Row(r), -1.5, y.Row(r))
		}
	}, want: each(func(x, y float64) float64 { return x - 1.5*y }),
		scale: func(x, y []float64, w float64) float64 { return math.Abs(w) + 4 }},
}

func copyMat(dst, src Mat) {
	for r := range src.Rows {
		copy(dst.Row(r), src.Row(r))
	}
}

func wide(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}

func TestRowOps(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		for _, op := range rowOps {
			t.Run(op.name, func(t *testing.T) {
				for _, n := range lengths {
					checkRowOp(t, op, n)
				}
			})
		}
	})
}

func checkRowOp(t rapid.TB, op rowOp, n int) {
	r := newRand(uint64(n))
	x, y, dst := randMat(r, 3, n, 2), randMat(r, 3, n, 1), randMat(r, 3, n, 7)
	for i := range x.Rows { // spread over the interesting range
		for j := range x.Row(i) {
			x.Row(i)[j] *= float32(1 + 7*i)
		}
	}
	op.run(dst, x, y)
	for i := range x.Rows {
		yr := wide(y.Row(i))
		if op.name == "RMSNorm" || op.name == "RMSNorm 1+w" || op.name == "AddRow" {
			yr = wide(y.Row(0))
		}
		for j, w := range op.want(wide(x.Row(i)), yr) {
			s := math.Abs(w)
			if op.scale != nil {
				s = op.scale(wide(x.Row(i)), yr, w)
			}
			// Denormal results have no relative accuracy: allow two steps.
			if got := dst.Row(i)[j]; !near(got, w, 1, 2e-6*s+2*0x1p-149) {
				t.Fatalf("n=%d: [%d,%d] = %g, want %g (x %g)", n, i, j, got, w, x.Row(i)[j])
			}
		}
	}
	if i, bad := paddingTouched(dst); bad {
		t.Fatalf("n=%d: value %d between the rows was written", n, i)
	}
}

func TestRowOpsProperty(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			checkRowOp(t, rapid.SampledFrom(rowOps).Draw(t, "op"), rapid.IntRange(1, 700).Draw(t, "n"))
		})
	})
}

// TestExpAccuracy walks the whole range and counts units in the last place.
func TestExpAccuracy(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		var x []float32
		for v := -104.5; v < 90; v += 0.00137 {
			x = append(x, float32(v))
		}
		got := make([]float32, len(x))
		Exp(got, x)
		worst := 0.0
		for i, v := range x {
			want := math.Exp(float64(v))
			w := float32(want)
			ulp := float64(math.Nextafter32(w, float32(math.Inf(1)))) - float64(w)
			if math.IsInf(float64(w), 1) {
				if !math.IsInf(float64(got[i]), 1) {
					t.Fatalf("exp(%g) = %g, want +Inf", v, got[i])
				}
				continue
			}
			worst = max(worst, math.Abs(float64(got[i])-want)/ulp)
		}
		t.Logf("worst error %.3f ulp", worst)
		if limit := 1.0; worst > limit && Active() != Portable || worst > 1.5 {
			t.Errorf("worst error %.3f ulp", worst)
		}
	})
}

func TestExpSpecial(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		inf, nan := float32(math.Inf(1)), float32(math.NaN())
		x := []float32{0, inf, -inf, nan, 1e38, -1e38, 88.7, -103, 1}
		want := []float32{1, inf, 0, nan, inf, 0, float32(math.Exp(float64(float32(88.7)))), 0x1p-149, math.E}
		got := make([]float32, len(x))
		Exp(got, x)
		for i := range x {
			if !near(got[i], float64(want[i]), math.Abs(float64(want[i])), 1e-6) {
				t.Errorf("exp(%g) = %g, want %g", x[i], got[i], want[i])
			}
		}
	})
}

// TestPositionDoesNotMatter: a value's result is the same bits wherever it
// stands in the row, vector part or remainder.
func TestPositionDoesNotMatter(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		for _, op := range rowOps {
			if op.name == "Softmax" || op.name == "LogSoftmax" || op.name[:3] == "RMS" {
				continue // depend on the row by definition
			}
			r := newRand(9)
			const n = 79
			x, y, d := randMat(r, 1, n, 0), randMat(r, 1, n, 0), NewMat(1, n)
			op.run(d, x, y)
			for j := range n {
				one := NewMat(1, 1)
				op.run(one, x.ColRange(j, j+1), y.ColRange(j, j+1))
				if math.Float32bits(one.Data[0]) != math.Float32bits(d.Data[j]) {
					t.Fatalf("%s: %g at %d of %d, alone %g", op.name, d.Data[j], j, n, one.Data[0])
				}
			}
		}
	})
}

// TestSumIgnoresTrailingZeros: attention needs a row's sum not to depend on
// how many masked keys follow.
func TestSumIgnoresTrailingZeros(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := newRand(10)
		for n := 1; n < 100; n++ {
			x := randMat(r, 1, 256, 0).Data
			for i := n; i < len(x); i++ {
				x[i] = float32(math.Inf(-1))
			}
			d := make([]float32, 256)
			want := active.Load().expSum(&d[0], &x[0], n, 0.5)
			for _, m := range []int{n + 1, (n + 31) / 32 * 32, 256} {
				if got := active.Load().expSum(&d[0], &x[0], m, 0.5); got != want {
					t.Fatalf("%d values sum to %g, with %d more of 0 to %g", n, want, m-n, got)
				}
			}
		}
	})
}

func TestReductions(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		for _, n := range append(lengths, 5000) {
			r := newRand(uint64(n))
			x, y := randMat(r, 1, n, 0).Data, randMat(r, 1, n, 0).Data
			dot, mag, top, sq := 0.0, 0.0, math.Inf(-1), 0.0
			for i := range x {
				dot += float64(x[i]) * float64(y[i])
				mag += math.Abs(float64(x[i]) * float64(y[i]))
				sq += float64(x[i]) * float64(x[i])
				top = math.Max(top, float64(x[i]))
			}
			if got := Dot(x, y); !near(got, dot, mag, 1e-6) {
				t.Errorf("Dot of %d: %g, want %g", n, got, dot)
			}
			if got := active.Load().sumSq(&x[0], n); !near(got, sq, sq, 1e-6) {
				t.Errorf("sum of squares of %d: %g, want %g", n, got, sq)
			}
			if got := active.Load().maxOf(&x[0], n); float64(got) != top {
				t.Errorf("max of %d: %g, want %g", n, got, top)
			}
			_, lse := softmax64(wide(x))
			if got := LogSumExp(x); math.Abs(got-lse) > 1e-6*(1+math.Abs(lse)) {
				t.Errorf("LogSumExp of %d: %g, want %g", n, got, lse)
			}
		}
	})
}

func TestSoftmaxSpecial(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		inf, nan := float32(math.Inf(1)), float32(math.NaN())
		x := MatOf([]float32{0, -inf, 0, nan, 0, 1, inf, 0, 1, -inf, -inf, -inf, 1e30, -1e30, 1e30}, 5, 3)
		Softmax(x, x)
		want := []float32{0.5, 0, 0.5, nan, nan, nan, nan, nan, nan, nan, nan, nan, 0.5, 0, 0.5}
		for i, w := range want {
			if got := x.Data[i]; got != w && !(got != got && w != w) {
				t.Errorf("row %d: value %d is %g, want %g", i/3, i%3, got, w)
			}
		}
	})
}

func TestRoPE(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		for _, hd := range []int{2, 6, 8, 16, 32, 48, 64, 96, 128, 256} {
			r := newRand(uint64(hd))
			x := randMat(r, 5, 3*hd+4, 1)
			before := clone(x)
			cos, sin := randMat(r, 20, hd/2, 1), randMat(r, 20, hd/2, 1)
			pos := []int32{0, 19, 3, 3, 7}
			RoPE(x, 3, hd, cos, sin, pos)
			for i := range x.Rows {
				for c, got := range x.Row(i) {
					want := float64(before.Row(i)[c])
					if c < 3*hd {
						h, j := c/hd*hd, c%(hd/2)
						u, v := float64(before.Row(i)[h+j]), float64(before.Row(i)[h+j+hd/2])
						cs, sn := float64(cos.Row(int(pos[i]))[j]), float64(sin.Row(int(pos[i]))[j])
						want = u*cs - v*sn
						if c-h >= hd/2 {
							want = v*cs + u*sn
						}
					}
					if !near(got, want, 10, 1e-6) {
						t.Fatalf("head of %d: [%d,%d] = %g, want %g", hd, i, c, got, want)
					}
				}
			}
		}
	})
}

func TestGatherAndWiden(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		for _, typ := range []DType{F32, BF16, F16} {
			for _, n := range lengths {
				table, kept := tensorFrom(randMat(newRand(1), 6, n, 0), typ)
				dst := randMat(newRand(2), 4, n, 3)
				ids := []int32{5, 0, 0, 2}
				Gather(dst, table, ids)
				for i, id := range ids {
					if !slices.Equal(dst.Row(i), kept.Row(int(id))) {
						t.Fatalf("%v: row %d is not row %d of the table", typ, i, id)
					}
				}
				if i, bad := paddingTouched(dst); bad {
					t.Fatalf("value %d between the rows was written", i)
				}
			}
		}
	})
}

// TestWidenEvery16BitPattern covers denormals, infinities and NaN.
func TestWidenEvery16BitPattern(t *testing.T) {
	src := make([]byte, 2<<16)
	for i := range 1 << 16 {
		putU16(src[2*i:], uint16(i))
	}
	eachPath(t, func(t *testing.T) {
		got := make([]float32, 1<<16)
		Widen(got, BF16, src)
		for i, v := range got {
			if math.Float32bits(v) != uint32(i)<<16 {
				t.Fatalf("bf16 %#04x is %#08x", i, math.Float32bits(v))
			}
		}
		Widen(got, F16, src)
		for i, v := range got {
			e, m := i>>10&31, float64(i&1023)
			want := math.Ldexp(1+m/1024, e-15)
			switch {
			case e == 0:
				want = math.Ldexp(m, -24)
			case e == 31 && m == 0:
				want = math.Inf(1)
			case e == 31:
				want = math.NaN()
			}
			if i >= 1<<15 {
				want = -want
			}
			if !near(v, want, 0, 0) {
				t.Fatalf("f16 %#04x is %g, want %g", i, v, want)
			}
		}
	})
}
