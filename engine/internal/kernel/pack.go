// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"unsafe"
)

// Geometry of packed operands. It is the same on every path, so packed weights
// don't depend on the machine.
const (
	// BlockK is the number of products that one chain of multiply-adds sums.
	BlockK = 256

	panelN = 32 // columns of a packed panel: one or two cache lines a k
	tileM  = 12 // rows of the largest micro-kernel
)

// PackedMatrix holds weights in the order in which the matrix product reads
// them: panels of 32 output features, in each the features' weights for k = 0,
// then k = 1, and so on; K is padded to a multiple of 4 and the last panel to
// 32 features, with zeros. 16-bit weights stay 16-bit: word w of a k holds
// features w and w+16 (bf16, widened by a shift and a mask) or 2w and 2w+1
// (f16, widened by one conversion).
type PackedMatrix struct {
	Type DType
	N, K int // output features, input features
	data []byte
}

// PackedBytes returns the buffer size that Pack needs for n output and k input
// features.
func PackedBytes(t DType, n, k int) int {
	return panels(n) * padK(k) * panelN * t.Size()
}

func panels(n int) int { return (n + panelN - 1) / panelN }
func padK(k int) int   { return (k + 3) &^ 3 }

// Pack packs linear layers' weights, each [out, in] in Hugging Face layout,
// into buf, which must have at least PackedBytes bytes, be 4-byte aligned
// (64 is faster) and stay unchanged as long as the result is used; nil means
// the Go heap. Several tensors of one type and one Cols are stacked by output
// feature: the product's columns then follow one another, as in a fused
// q/k/v projection.
func Pack(buf []byte, ws ...Tensor) *PackedMatrix {
	if len(ws) == 0 {
		panic("kernel: Pack of no tensors")
	}
	p := &PackedMatrix{Type: ws[0].Type, K: ws[0].Cols}
	for i, w := range ws {
		w.check("Pack")
		if w.Type != p.Type || w.Cols != p.K {
			panic(fmt.Sprintf("kernel: Pack: tensor %d is %v with %d columns, tensor 0 %v with %d",
				i, w.Type, w.Cols, p.Type, p.K))
		}
		p.N += w.Rows
	}
	p.data = packBuffer(buf, p.Type, p.N, p.K)
	row := func(n int) unsafe.Pointer {
		for _, w := range ws {
			if n < w.Rows {
				return unsafe.Pointer(&w.Data[n*w.Cols*w.Type.Size()])
			}
			n -= w.Rows
		}
		return nil
	}
	if p.K > 0 {
		Parallel(panels(p.N), func(i, _ int) { p.packPanel(i, row) })
	}
	return p
}

// PackMat packs a float32 matrix that is stored [in, out] (the B of A·B).
func PackMat(buf []byte, b Mat) *PackedMatrix {
	b.check("PackMat")
	p := &PackedMatrix{Type: F32, N: b.Cols, K: b.Rows}
	p.data = packBuffer(buf, F32, p.N, p.K)
	Parallel(panels(p.N), func(i, _ int) {
		dst := p.floats(i)
		n := min(panelN, p.N-i*panelN)
		for k := range p.K {
			d := dst[k*panelN : (k+1)*panelN]
			clear(d[copy(d, b.Row(k)[i*panelN:i*panelN+n]):])
		}
		clear(dst[p.K*panelN:])
	})
	return p
}

// PackTransposed packs a float32 matrix stored [out, in], strides allowed (the
// B of A·Bᵀ).
func PackTransposed(buf []byte, b Mat) *PackedMatrix {
	b.check("PackTransposed")
	p := &PackedMatrix{Type: F32, N: b.Rows, K: b.Cols}
	p.data = packBuffer(buf, F32, p.N, p.K)
	if p.K > 0 {
		Parallel(panels(p.N), func(i, _ int) {
			p.packPanel(i, func(n int) unsafe.Pointer {
				if n >= b.Rows {
					return nil
				}
				return unsafe.Pointer(b.at(n, 0))
			})
		})
	}
	return p
}

func packBuffer(buf []byte, t DType, n, k int) []byte {
	size := PackedBytes(t, n, k)
	if size == 0 {
		return nil
	}
	if buf == nil {
		f := aligned((size + 3) / 4)
		return unsafe.Slice((*byte)(unsafe.Pointer(&f[0])), size)
	}
	if len(buf) < size {
		panic(fmt.Sprintf("kernel: Pack: buffer of %d bytes, %v [%d,%d] needs %d", len(buf), t, n, k, size))
	}
	if uintptr(unsafe.Pointer(&buf[0]))&3 != 0 {
		panic("kernel: Pack: buffer is not 4-byte aligned")
	}
	return buf[:size:size]
}

// packPanel fills panel i; row gives the address of a feature's weights, nil
// past the last.
func (p *PackedMatrix) packPanel(i int, row func(n int) unsafe.Pointer) {
	var src [panelN]unsafe.Pointer
	for c := range src {
		if n := i*panelN + c; n < p.N {
			src[c] = row(n)
		}
	}
	active.Load().packPanel[p.Type](p.panel(i), &src, p.K)
	size := p.panelBytes()
	clear(p.data[i*size+p.K*panelN*p.Type.Size() : (i+1)*size])
}

func (p *PackedMatrix) panelBytes() int { return padK(p.K) * panelN * p.Type.Size() }

func (p *PackedMatrix) panel(i int) unsafe.Pointer {
	return unsafe.Pointer(&p.data[i*p.panelBytes()])
}

func (p *PackedMatrix) floats(i int) []float32 {
	return unsafe.Slice((*float32)(p.panel(i)), padK(p.K)*panelN)
}

// Bytes returns the bytes of the packed data.
func (p *PackedMatrix) Bytes() int { return len(p.data) }

// Row writes output feature n's weights, widened, to dst[:K]: a tied embedding
// needs no second copy of the table.
func (p *PackedMatrix) Row(dst []float32, n int) {
	if n < 0 || n >= p.N || len(dst) < p.K {
		panic(fmt.Sprintf("kernel: row %d of a packed [%d,%d] into %d values", n, p.N, p.K, len(dst)))
	}
	if p.K == 0 {
		return
	}
	base, c := p.panel(n/panelN), n%panelN
	switch p.Type {
	case F32:
		f := unsafe.Slice((*float32)(base), p.K*panelN)
		for k := range p.K {
			dst[k] = f[k*panelN+c]
		}
	case BF16:
		h := unsafe.Slice((*uint16)(base), p.K*panelN)
		c = halfIndexBF16(c)
		for k := range p.K {
			dst[k] = bf16ToF32(h[k*panelN+c])
		}
	case F16:
		h := unsafe.Slice((*uint16)(base), p.K*panelN)
		for k := range p.K {
			dst[k] = f16ToF32(h[k*panelN+c])
		}
	}
}

// halfIndexBF16 is the place of column c among a bf16 panel row's 32 halves.
func halfIndexBF16(c int) int {
	if c < 16 {
		return 2 * c
	}
	return 2*(c-16) + 1
}
