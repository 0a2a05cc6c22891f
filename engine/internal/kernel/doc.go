// SPDX-License-Identifier: Apache-2.0

// Package kernel holds the CPU compute kernels of the scoring engine: matrix
// products with weights packed once at load, attention that never builds a
// [T,T] matrix, and the row-wise operations of a decoder. Each kernel exists
// as AVX-512, AVX2+FMA and portable Go; the best one that the machine has is
// chosen when the program starts.
//
// All matrices are float32, row-major, with a stride ([Mat]); weights may be
// stored as float32, bfloat16 or float16 ([Tensor]) and keep that width when
// packed ([PackedMatrix]).
//
// # What the results depend on
//
// On one path (see [Path]) every output row is a function of its own input
// row, bit for bit: not of the other rows of the batch, of their number, of
// the row's place in the batch, or of the number of cores. Matrix products
// get this from one fixed order of summation: K is cut in blocks of [BlockK],
// each block is one chain of fused multiply-adds in rising k that starts at
// zero, and block sums are added in rising order. Attention gets it from key
// blocks that start at the segment's own first key ([Attention]). The scoring
// engine needs it: changing one item must leave the others' scores identical.
// Different paths agree to about 1e-6 relative; matrix products on AVX-512
// and AVX2 are identical.
//
// # NaN and infinity
//
// NaN and infinities go through matrix products and element-wise operations
// as IEEE 754 says. A NaN or +Inf in a row of [Softmax], [LogSoftmax] or
// attention scores makes that whole output row NaN; -Inf gives probability 0
// unless all of the row is -Inf (NaN). Attention multiplies masked keys of
// the row's own segment by probability 0, so a NaN or infinity in V at a
// later position of the *same* segment reaches earlier rows; other segments
// never see it. Exponentials that underflow give denormals, then 0.
//
// Shapes that don't fit are errors of the program, not of its input: kernels
// panic and say which shapes met.
package kernel
