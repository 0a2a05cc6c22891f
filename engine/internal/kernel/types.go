// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"
)

// Mat is a row-major float32 matrix: row i is Data[i*Stride : i*Stride+Cols].
// Columns between Cols and Stride belong to someone else and are never
// touched. The last row may end at Cols.
type Mat struct {
	Data               []float32
	Rows, Cols, Stride int
}

// NewMat returns a zeroed matrix on the Go heap with Stride = cols.
func NewMat(rows, cols int) Mat {
	return Mat{Data: make([]float32, rows*cols), Rows: rows, Cols: cols, Stride: cols}
}

// MatOf wraps data as a dense rows×cols matrix; data may be longer.
func MatOf(data []float32, rows, cols int) Mat {
	return Mat{Data: data, Rows: rows, Cols: cols, Stride: cols}
}

// Row returns row i.
func (m Mat) Row(i int) []float32 {
	o := i * m.Stride
	return m.Data[o : o+m.Cols : o+m.Cols]
}

// RowRange returns rows [r0, r1) of m; the data is shared.
func (m Mat) RowRange(r0, r1 int) Mat {
	if r0 < 0 || r1 < r0 || r1 > m.Rows {
		panic(fmt.Sprintf("kernel: rows [%d,%d) of a matrix with %d", r0, r1, m.Rows))
	}
	if r0 == r1 {
		return Mat{Cols: m.Cols, Stride: m.Stride}
	}
	end := (r1-1)*m.Stride + m.Cols
	return Mat{Data: m.Data[r0*m.Stride : end], Rows: r1 - r0, Cols: m.Cols, Stride: m.Stride}
}

// ColRange returns columns [c0, c1) of m; the data is shared.
func (m Mat) ColRange(c0, c1 int) Mat {
	if c0 < 0 || c1 < c0 || c1 > m.Cols {
		panic(fmt.Sprintf("kernel: columns [%d,%d) of a matrix with %d", c0, c1, m.Cols))
	}
	if m.Rows == 0 || c0 == c1 {
		return Mat{Rows: m.Rows, Cols: c1 - c0, Stride: m.Stride}
	}
	end := (m.Rows-1)*m.Stride + c1
	return Mat{Data: m.Data[c0:end], Rows: m.Rows, Cols: c1 - c0, Stride: m.Stride}
}

// check panics when m's data cannot hold its shape. After it, pointer
// arithmetic inside the shape is safe.
func (m Mat) check(name string) {
	if m.Rows < 0 || m.Cols < 0 || m.Stride < m.Cols ||
		(m.Rows > 0 && m.Cols > 0 && len(m.Data) < (m.Rows-1)*m.Stride+m.Cols) {
		panic(fmt.Sprintf("kernel: %s: %d values cannot hold %s", name, len(m.Data), m.shape()))
	}
}

func (m Mat) shape() string {
	return fmt.Sprintf("[%d,%d] stride %d", m.Rows, m.Cols, m.Stride)
}

// at returns the address of element (i, j), which must exist.
func (m Mat) at(i, j int) *float32 { return &m.Data[i*m.Stride+j] }

func (m Mat) empty() bool { return m.Rows == 0 || m.Cols == 0 }

// DType is the storage type of weights.
type DType uint8

// Storage types of weights.
const (
	F32  DType = iota // IEEE 754 binary32
	BF16              // upper half of a binary32
	F16               // IEEE 754 binary16
)

// Size returns the bytes of one value.
func (t DType) Size() int {
	if t == F32 {
		return 4
	}
	return 2
}

func (t DType) String() string {
	switch t {
	case F32:
		return "f32"
	case BF16:
		return "bf16"
	case F16:
		return "f16"
	}
	return fmt.Sprintf("dtype(%d)", uint8(t))
}

// Tensor is a weight matrix as a checkpoint stores it: Rows×Cols values,
// little-endian, dense, row-major. For a linear layer in Hugging Face layout
// Rows is the number of output features and Cols of input features. Data
// needs no alignment, so a mapped file works.
type Tensor struct {
	Type       DType
	Data       []byte
	Rows, Cols int
}

// TensorOf wraps float32 values without copying (little-endian machines only,
// which are all that this package has kernels for).
func TensorOf(data []float32, rows, cols int) Tensor {
	if len(data) < rows*cols {
		panic(fmt.Sprintf("kernel: %d values cannot hold a [%d,%d] tensor", len(data), rows, cols))
	}
	t := Tensor{Type: F32, Rows: rows, Cols: cols}
	if rows*cols > 0 {
		t.Data = unsafe.Slice((*byte)(unsafe.Pointer(&data[0])), 4*rows*cols)
	}
	return t
}

func (t Tensor) check(name string) {
	if t.Rows < 0 || t.Cols < 0 || t.Type > F16 || len(t.Data) < t.Rows*t.Cols*t.Type.Size() {
		panic(fmt.Sprintf("kernel: %s: %d bytes cannot hold a %v tensor [%d,%d]",
			name, len(t.Data), t.Type, t.Rows, t.Cols))
	}
}

// value returns element i of the tensor's data, widened.
func (t Tensor) value(i int) float32 {
	switch t.Type {
	case F32:
		return math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:]))
	case BF16:
		return bf16ToF32(binary.LittleEndian.Uint16(t.Data[2*i:]))
	default:
		return f16ToF32(binary.LittleEndian.Uint16(t.Data[2*i:]))
	}
}

func bf16ToF32(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// f16ToF32 widens an IEEE 754 binary16 exactly, denormals and NaN included.
func f16ToF32(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exp := uint32(h>>10) & 0x1f
	man := uint32(h & 0x3ff)
	switch exp {
	case 0: // zero or denormal: man × 2⁻²⁴ is exact in float32
		f := float32(man) * (1.0 / (1 << 24))
		return math.Float32frombits(math.Float32bits(f) | sign)
	case 31:
		if man != 0 {
			man |= 0x200 // hardware returns a quiet NaN
		}
		return math.Float32frombits(sign | 0x7f800000 | man<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | man<<13)
}
