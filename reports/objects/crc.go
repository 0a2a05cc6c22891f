// SPDX-License-Identifier: Apache-2.0

package objects

// JoinCRC32C returns the CRC32C of two texts one after the other, from those of
// each and the length of the second.
//
// A CRC is linear over GF(2): that of the first text must be moved past as many
// zero bytes as the second has, which is a multiplication by x^(8n) modulo the
// polynomial, done by squaring.
func JoinCRC32C(a, b uint32, n int64) uint32 {
	factor := uint32(1) << 31 // x^0; bits are reflected
	square := uint32(1) << 23 // x^8: one zero byte
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			factor = times(factor, square)
		}
		square = times(square, square)
	}
	return times(a, factor) ^ b
}

// times multiplies two polynomials modulo Castagnoli's, all bits reflected.
func times(a, b uint32) uint32 {
	const poly = 0x82f63b78
	var p uint32
	for bit := uint32(1) << 31; bit != 0; bit >>= 1 {
		if a&bit != 0 {
			p ^= b
		}
		if b&1 != 0 {
			b = b>>1 ^ poly
		} else {
			b >>= 1
		}
	}
	return p
}
