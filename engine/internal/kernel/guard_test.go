// SPDX-License-Identifier: Apache-2.0

//go:build unix

package kernel

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"unsafe"
)

// fence hands out memory whose end (or start) touches a page without access,
// so that assembly which reads or writes one value too far faults.
type fence struct {
	t     *testing.T
	front bool // the guard page is before the values
}

func (f fence) bytes(n int) []byte {
	f.t.Helper()
	page := os.Getpagesize()
	size := (n + page - 1) / page * page
	mem, err := syscall.Mmap(-1, 0, size+2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		f.t.Fatalf("mmap: %v", err)
	}
	f.t.Cleanup(func() { _ = syscall.Munmap(mem) })
	for _, guard := range [][]byte{mem[:page], mem[page+size:]} {
		if err := syscall.Mprotect(guard, syscall.PROT_NONE); err != nil {
			f.t.Fatalf("mprotect: %v", err)
		}
	}
	if f.front {
		return mem[page : page+n : page+n]
	}
	return mem[page+size-n : page+size : page+size]
}

func (f fence) floats(src []float32) []float32 {
	f.t.Helper()
	if len(src) == 0 {
		return nil
	}
	b := f.bytes(4 * len(src))
	dst := unsafe.Slice((*float32)(unsafe.Pointer(&b[0])), len(src))
	copy(dst, src)
	return dst
}

// mat copies m without the padding after its last row.
func (f fence) mat(m Mat) Mat {
	f.t.Helper()
	m.Data = f.floats(m.Data[:(m.Rows-1)*m.Stride+m.Cols])
	return m
}

// TestKernelsStayInside runs every kernel on memory fenced at its end and at
// its start. A fault kills the test binary and names the address.
func TestKernelsStayInside(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		for _, front := range []bool{false, true} {
			f := fence{t, front}
			t.Run(fmt.Sprintf("front=%v", front), func(t *testing.T) {
				for _, op := range rowOps {
					for _, n := range lengths {
						r := newRand(uint64(n))
						op.run(f.mat(NewMat(2, n)), f.mat(randMat(r, 2, n, 1)), f.mat(randMat(r, 2, n, 0)))
					}
				}
				fencedProducts(f)
				fencedRows(f)
			})
		}
	})
}

func fencedProducts(f fence) {
	for _, s := range []struct{ m, n, k int }{{1, 32, 4}, {1, 1, 1}, {3, 33, 7}, {12, 64, 256}, {13, 31, 260}, {30, 70, 515}} {
		for _, typ := range []DType{F32, BF16, F16} {
			r := newRand(1)
			w, _ := tensorFrom(randMat(r, s.n, s.k, 0), typ)
			data := f.bytes(len(w.Data))
			copy(data, w.Data)
			w.Data = data
			p := Pack(f.bytes(PackedBytes(typ, s.n, s.k)), w)
			a, c := f.mat(randMat(r, s.m, s.k, 2)), f.mat(randMat(r, s.m, s.n, 3))
			Mul(c, a, p)
			MulAdd(c, a, p)
			p.Row(f.floats(make([]float32, s.k)), s.n-1)
		}
	}
}

func fencedRows(f fence) {
	r := newRand(2)
	for _, hd := range []int{2, 8, 14, 32, 50, 64, 128} {
		x := f.mat(randMat(r, 3, 2*hd, 1))
		RoPE(x, 2, hd, f.mat(randMat(r, 3, hd/2, 0)), f.mat(randMat(r, 3, hd/2, 1)), []int32{2, 0, 1})
		at := Attention{Heads: 2, KVHeads: 1, HeadDim: hd, Softcap: 3, Segments: []Segment{{Len: 3, Past: 30}}}
		Attend(f.mat(NewMat(3, 2*hd)), x, f.mat(randMat(r, 33, hd, 1)), f.mat(randMat(r, 33, hd, 0)), at)
	}
	for _, n := range lengths {
		for _, typ := range []DType{F32, BF16, F16} {
			w, _ := tensorFrom(randMat(r, 3, n, 0), typ)
			data := f.bytes(len(w.Data))
			copy(data, w.Data)
			w.Data = data
			Gather(f.mat(NewMat(2, n)), w, []int32{2, 0})
		}
		x, y := f.floats(randMat(r, 1, n, 0).Data), f.floats(randMat(r, 1, n, 0).Data)
		Dot(x, y)
		LogSumExp(x)
	}
}
