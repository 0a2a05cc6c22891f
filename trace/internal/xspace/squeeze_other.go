// SPDX-License-Identifier: Apache-2.0

//go:build !amd64 || purego

package xspace

// squeezeAll replaces each value, the bytes of a varint, by what it encodes, plus
// add.
func squeezeAll(vals []int64, add int64) { squeezeEach(vals, add) }
