// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"math"
	"testing"
)

// TestFloat16 holds both conversions against each other for every value, and
// the rounding against the definition: nearest, ties to even.
func TestFloat16(t *testing.T) {
	for h := range 1 << 16 {
		f := float16(uint16(h))
		if f != f {
			if back := toFloat16(f); back&0x7C00 != 0x7C00 || back&0x3FF == 0 {
				t.Errorf("NaN %#04x came back as %#04x", h, back)
			}
			continue
		}
		if back := toFloat16(f); back != uint16(h) {
			t.Errorf("%#04x is %g and came back as %#04x", h, f, back)
		}
	}
	tests := []struct {
		f    float32
		want uint16
	}{
		{1, 0x3C00}, {-2, 0xC000}, {65504, 0x7BFF},
		{1 + 1.0/2048, 0x3C00}, {1 + 3.0/2048, 0x3C02}, // ties to even
		{1 + 1.0/2048 + 1.0/65536, 0x3C01},   // just above a tie
		{65519.996, 0x7BFF}, {65520, 0x7C00}, // the end of the range
		{5.960464e-8, 0x0001}, {2.9802322e-8, 0x0000}, {2.9802326e-8, 0x0001}, // subnormals
		{6.1035156e-5, 0x0400}, {6.0975552e-5, 0x03FF},
		{float32(math.Inf(-1)), 0xFC00}, {float32(math.Copysign(0, -1)), 0x8000},
	}
	for _, tt := range tests {
		if got := toFloat16(tt.f); got != tt.want {
			t.Errorf("%g: got %#04x, want %#04x", tt.f, got, tt.want)
		}
	}
}

func TestBFloat16(t *testing.T) {
	tests := []struct {
		bits uint32
		want uint16
	}{
		{0x3F800000, 0x3F80}, {0x3F808000, 0x3F80}, {0x3F818000, 0x3F82}, {0x3F808001, 0x3F81},
		{0xBF80FFFF, 0xBF81}, {0x7F7FFFFF, 0x7F80}, {0x7F800000, 0x7F80}, {0x7F800001, 0x7FC0}, {0x80000000, 0x8000},
	}
	for _, tt := range tests {
		if got := toBFloat16(math.Float32frombits(tt.bits)); got != tt.want {
			t.Errorf("%#08x: got %#04x, want %#04x", tt.bits, got, tt.want)
		}
	}
	if !math.IsNaN(float64(Tensor{DType: BF16, Shape: []int{1}, Raw: []byte{0xC0, 0x7F}}.AppendFloat32(nil)[0])) {
		t.Error("NaN is lost")
	}
}

func TestAppendFloat32(t *testing.T) {
	for _, tt := range []Tensor{
		{DType: F32, Raw: []byte{0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0}},
		{DType: BF16, Raw: []byte{0x80, 0x3F, 0, 0xC0}},
		{DType: F16, Raw: []byte{0, 0x3C, 0, 0xC0}},
	} {
		got := tt.AppendFloat32([]float32{7})
		if len(got) != 3 || got[0] != 7 || got[1] != 1 || got[2] != -2 {
			t.Errorf("%s: got %v, want [7 1 -2]", tt.DType, got)
		}
	}
	if got := (Tensor{DType: "I8", Shape: []int{2}, Raw: []byte{1, 2}}).AppendFloat32(nil); len(got) != 2 || got[0] == got[0] {
		t.Errorf("I8: got %v, want NaN twice", got)
	}
}
