// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestMulAgainstFloat64(t *testing.T) {
	shapes := []struct{ m, n, k int }{
		{1, 1, 1}, {1, 32, 4}, {1, 33, 5}, {2, 31, 256}, {3, 64, 257}, {4, 65, 255}, {5, 7, 1000},
		{6, 40, 300}, {7, 96, 64}, {8, 100, 512}, {11, 129, 33}, {12, 32, 256}, {13, 32, 513},
		{24, 70, 260}, {25, 64, 700}, {37, 161, 129}, {100, 48, 90}, {530, 33, 40},
	}
	eachPath(t, func(t *testing.T) {
		for _, s := range shapes {
			for _, typ := range []DType{F32, BF16, F16} {
				t.Run(fmt.Sprintf("%v/%dx%dx%d", typ, s.m, s.n, s.k), func(t *testing.T) {
					checkMul(t, typ, s.m, s.n, s.k)
				})
			}
		}
	})
}

func checkMul(t *testing.T, typ DType, m, n, k int) {
	r := newRand(uint64(m*1_000_000 + n*1000 + k))
	a := randMat(r, m, k, 3)
	w, kept := tensorFrom(randMat(r, n, k, 0), typ)
	b := Pack(nil, w)
	want, mag := product64(a, kept)
	c := randMat(r, m, n, 5)
	start := clone(c)
	Mul(c, a, b)
	for i := range m {
		for j, got := range c.Row(i) {
			if !near(got, want[i*n+j], mag[i*n+j], 1e-6) {
				t.Fatalf("Mul: c[%d,%d] = %g, want %g (Σ|ab| %g)", i, j, got, want[i*n+j], mag[i*n+j])
			}
		}
	}
	sum := clone(start)
	MulAdd(sum, a, b)
	for i := range m {
		for j, got := range sum.Row(i) {
			s := float64(start.Row(i)[j])
			if !near(got, s+want[i*n+j], math.Abs(s)+mag[i*n+j], 1e-6) {
				t.Fatalf("MulAdd: c[%d,%d] = %g, want %g", i, j, got, s+want[i*n+j])
			}
		}
	}
	for _, x := range []Mat{c, sum} {
		if at, bad := paddingTouched(x); bad {
			t.Fatalf("value %d between the rows was written", at)
		}
	}
}

// TestMulWorkedByHand needs no oracle: [1 2 3; 4 5 6] · [7 8 9; 1 0 -1]ᵀ.
func TestMulWorkedByHand(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		a := MatOf([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
		b := MatOf([]float32{7, 8, 9, 1, 0, -1}, 2, 3)
		want := []float32{50, -2, 122, -2}
		c := NewMat(2, 2)
		Mul(c, a, Pack(nil, TensorOf(b.Data, 2, 3)))
		if !slices.Equal(c.Data, want) {
			t.Errorf("Mul: %v, want %v", c.Data, want)
		}
		c = NewMat(2, 2)
		MulTransposed(c, a, b)
		if !slices.Equal(c.Data, want) {
			t.Errorf("MulTransposed: %v, want %v", c.Data, want)
		}
		c = NewMat(2, 2)
		MulMat(c, a, MatOf([]float32{7, 1, 8, 0, 9, -1}, 3, 2))
		if !slices.Equal(c.Data, want) {
			t.Errorf("MulMat: %v, want %v", c.Data, want)
		}
		MulAdd(c, a, PackTransposed(nil, b))
		if want := []float32{100, -4, 244, -4}; !slices.Equal(c.Data, want) {
			t.Errorf("MulAdd: %v, want %v", c.Data, want)
		}
	})
}

func TestMulEmpty(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		Mul(NewMat(0, 5), NewMat(0, 3), Pack(nil, TensorOf(make([]float32, 15), 5, 3)))
		Mul(NewMat(4, 0), NewMat(4, 3), Pack(nil, TensorOf(nil, 0, 3)))
		c := MatOf([]float32{1, 2, 3, 4}, 2, 2)
		none := Pack(nil, TensorOf(nil, 2, 0))
		MulAdd(c, NewMat(2, 0), none)
		if !slices.Equal(c.Data, []float32{1, 2, 3, 4}) {
			t.Errorf("MulAdd with K = 0 changed c: %v", c.Data)
		}
		Mul(c, NewMat(2, 0), none)
		if !slices.Equal(c.Data, make([]float32, 4)) {
			t.Errorf("Mul with K = 0: %v, want zeros", c.Data)
		}
	})
}

// TestMulRowsAreIndependent is the law that packed scoring rests on: a row's
// result is the same bits whatever rows surround it, however many, wherever it
// stands, on any number of cores, added or stored.
func TestMulRowsAreIndependent(t *testing.T) {
	defer SetWorkers(0)
	eachPath(t, func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			m := rapid.IntRange(1, 60).Draw(t, "m")
			n := rapid.IntRange(1, 80).Draw(t, "n")
			k := rapid.IntRange(1, 600).Draw(t, "k")
			typ := rapid.SampledFrom([]DType{F32, BF16, F16}).Draw(t, "type")
			r := newRand(rapid.Uint64().Draw(t, "seed"))
			a := randMat(r, m, k, 1)
			w, _ := tensorFrom(randMat(r, n, k, 0), typ)
			b := Pack(nil, w)
			SetWorkers(rapid.IntRange(1, 3).Draw(t, "workers"))
			all := NewMat(m, n)
			Mul(all, a, b)
			r0 := rapid.IntRange(0, m-1).Draw(t, "r0")
			r1 := rapid.IntRange(r0+1, m).Draw(t, "r1")
			SetWorkers(rapid.IntRange(1, 3).Draw(t, "workers"))
			part := NewMat(r1-r0, n)
			MulAdd(part, a.RowRange(r0, r1), b)
			if !slices.Equal(bits(part.Data), bits(all.RowRange(r0, r1).Data)) {
				t.Fatalf("rows %d to %d alone differ from the same rows in a batch of %d", r0, r1, m)
			}
		})
	})
}

// TestMulPathsAgree compares the assembly with portable Go, and AVX-512 with
// AVX2, which run the same chains.
func TestMulPathsAgree(t *testing.T) {
	defer func(p Path) { _ = Use(p) }(Active())
	r := newRand(7)
	a := randMat(r, 37, 700, 0)
	for _, typ := range []DType{F32, BF16, F16} {
		w, kept := tensorFrom(randMat(r, 90, 700, 0), typ)
		_, mag := product64(a, kept)
		var results []Mat
		for _, p := range Available() {
			if err := Use(p); err != nil {
				t.Fatal(err)
			}
			c := NewMat(37, 90)
			Mul(c, a, Pack(nil, w))
			results = append(results, c)
		}
		for i, c := range results[1:] {
			for j, v := range c.Data {
				if !near(v, float64(results[0].Data[j]), mag[j], 1e-6) {
					t.Fatalf("%v: %v: value %d is %g, portable %g", typ, Available()[i+1], j, v, results[0].Data[j])
				}
			}
		}
		if n := len(results); n == 3 && !slices.Equal(bits(results[1].Data), bits(results[2].Data)) {
			t.Errorf("%v: AVX-512 and AVX2 differ", typ)
		}
	}
}

func TestPackStackAndRow(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		for _, typ := range []DType{F32, BF16, F16} {
			for _, k := range []int{1, 7, 8, 9, 64, 131} {
				r := newRand(uint64(k))
				t1, k1 := tensorFrom(randMat(r, 40, k, 0), typ)
				t2, k2 := tensorFrom(randMat(r, 9, k, 0), typ)
				buf := make([]byte, PackedBytes(typ, 49, k)+8)
				for i := range buf {
					buf[i] = 0xa5
				}
				p := Pack(buf, t1, t2)
				if p.N != 49 || p.K != k || p.Bytes() != PackedBytes(typ, 49, k) {
					t.Fatalf("%v: packed [%d,%d] in %d bytes", typ, p.N, p.K, p.Bytes())
				}
				row := make([]float32, k)
				for n := range 49 {
					want := k1
					at := n
					if n >= 40 {
						want, at = k2, n-40
					}
					p.Row(row, n)
					if !slices.Equal(row, want.Row(at)) {
						t.Fatalf("%v k=%d: row %d is %v, want %v", typ, k, n, row, want.Row(at))
					}
				}
				for _, b := range buf[p.Bytes():] {
					if b != 0xa5 {
						t.Fatal("Pack wrote past the end of its buffer")
					}
				}
			}
		}
	})
}

func TestMulPropagatesNaN(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := newRand(3)
		a, w := randMat(r, 14, 70, 0), randMat(r, 40, 70, 0)
		a.Row(5)[69] = float32(math.NaN())
		a.Row(6)[0] = float32(math.Inf(1))
		w.Row(33)[2] = float32(math.NaN())
		c := NewMat(14, 40)
		MulTransposed(c, a, w)
		for i := range c.Rows {
			for j, v := range c.Row(i) {
				want := i == 5 || j == 33
				if got := v != v; got != want {
					t.Fatalf("c[%d,%d] = %g, NaN wanted: %v", i, j, v, want)
				}
				if i == 6 && j != 33 && !math.IsInf(float64(v), 0) {
					t.Fatalf("c[6,%d] = %g, want an infinity", j, v)
				}
			}
		}
	})
}

func TestShapePanics(t *testing.T) {
	b := Pack(nil, TensorOf(make([]float32, 6), 2, 3))
	for name, fn := range map[string]func(){
		"inner":  func() { Mul(NewMat(1, 2), NewMat(1, 4), b) },
		"outer":  func() { Mul(NewMat(1, 3), NewMat(1, 3), b) },
		"data":   func() { Mul(NewMat(1, 2), Mat{Data: make([]float32, 2), Rows: 1, Cols: 3, Stride: 3}, b) },
		"buffer": func() { Pack(make([]byte, 8), TensorOf(make([]float32, 6), 2, 3)) },
		"gather": func() { Gather(NewMat(1, 3), TensorOf(make([]float32, 6), 2, 3), []int32{2}) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			fn()
		})
	}
}
