// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// DType is the element type of a tensor, by its name in safetensors files.
type DType string

// The element types that a model's weights may have here.
const (
	F32  DType = "F32"
	F16  DType = "F16"
	BF16 DType = "BF16"
)

// dtypeBits are all element types of the safetensors format and their widths.
var dtypeBits = map[DType]int{
	"BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32, "U64": 64, "I64": 64,
	F16: 16, BF16: 16, F32: 32, "F64": 64, "C64": 64,
	"F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4,
}

// Size is the width of an element in bytes; 0 for types narrower than a byte.
func (d DType) Size() int { return dtypeBits[d] / 8 }

// usable tells whether a weight may have this type.
func (d DType) usable() bool { return d == F32 || d == F16 || d == BF16 }

// Tensor is a view of stored data: little-endian, row-major, as the file has
// it. Raw begins at a multiple of the element size. It must not be written to
// and is valid until the model is closed.
type Tensor struct {
	Name  string
	DType DType
	Shape []int
	Raw   []byte
}

// Elems is the number of elements.
func (t Tensor) Elems() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// AppendFloat32 appends the elements, widened, to dst. It is for small tensors
// and tests: matrices are widened by the kernels, a panel at a time. Elements
// of a type that no weight has are appended as NaN.
func (t Tensor) AppendFloat32(dst []float32) []float32 {
	raw := t.Raw
	switch t.DType {
	case F32:
		for ; len(raw) >= 4; raw = raw[4:] {
			dst = append(dst, math.Float32frombits(binary.LittleEndian.Uint32(raw)))
		}
	case BF16:
		for ; len(raw) >= 2; raw = raw[2:] {
			dst = append(dst, math.Float32frombits(uint32(binary.LittleEndian.Uint16(raw))<<16))
		}
	case F16:
		for ; len(raw) >= 2; raw = raw[2:] {
			dst = append(dst, float16(binary.LittleEndian.Uint16(raw)))
		}
	default:
		for range t.Elems() {
			dst = append(dst, float32(math.NaN()))
		}
	}
	return dst
}

// float16 widens an IEEE 754 binary16.
func float16(h uint16) float32 {
	sign, exp, frac := uint32(h>>15)<<31, uint32(h>>10&0x1F), uint32(h&0x3FF)
	switch {
	case exp == 0x1F: // infinities and NaN
		return math.Float32frombits(sign | 0xFF<<23 | frac<<13)
	case exp != 0:
		return math.Float32frombits(sign | (exp+127-15)<<23 | frac<<13)
	}
	v := float32(frac) / (1 << 24) // zero and subnormals
	return math.Float32frombits(math.Float32bits(v) | sign)
}

// toFloat16 rounds to the nearest binary16, ties to even; values too large
// become infinities.
func toFloat16(f float32) uint16 {
	b := math.Float32bits(f)
	sign, abs := uint16(b>>16&0x8000), b&0x7FFFFFFF
	switch {
	case abs > 0x7F800000: // NaN
		return sign | 0x7E00
	case abs >= 0x477FF000: // 65520 and above
		return sign | 0x7C00
	case abs < 0x38800000: // below 2^-14: subnormal
		return sign | uint16(math.RoundToEven(float64(math.Float32frombits(abs))*(1<<24)))
	}
	return sign | uint16((abs-0x38000000+0xFFF+abs>>13&1)>>13)
}

// toBFloat16 rounds to the nearest bfloat16, ties to even.
func toBFloat16(f float32) uint16 {
	b := math.Float32bits(f)
	if b&0x7FFFFFFF > 0x7F800000 { // NaN stays one
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7FFF + b>>16&1) >> 16)
}

// elements multiplies a shape and reports whether the product fits.
func elements(shape []int) (int64, bool) {
	n := uint64(1)
	for _, d := range shape {
		hi, lo := bits.Mul64(n, uint64(d))
		if d < 0 || hi != 0 || lo > math.MaxInt64 {
			return 0, false
		}
		n = lo
	}
	return int64(n), true
}
