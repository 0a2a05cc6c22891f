// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"sync"
	"unsafe"
)

// scratch is working memory of one kernel call: 64-byte aligned float32 values
// with old contents. Buffers are kept and reused, because fresh pages cost
// more than the kernels that use them (15-20 µs each on some virtual
// machines).
var scratch scratchPool

type scratchPool struct {
	mu    sync.Mutex
	free  [][]float32 // by rising length
	bytes int64       // all buffers, in use or free
}

// ScratchBytes returns the bytes of working memory that kernels hold on the
// Go heap, in use or kept for reuse.
func ScratchBytes() int64 {
	scratch.mu.Lock()
	defer scratch.mu.Unlock()
	return scratch.bytes
}

// ReleaseScratch gives working memory that no kernel uses back to the garbage
// collector.
func ReleaseScratch() {
	scratch.mu.Lock()
	defer scratch.mu.Unlock()
	for _, b := range scratch.free {
		scratch.bytes -= int64(4 * cap(b))
	}
	scratch.free = nil
}

// take returns n float32 values; give returns them.
func (s *scratchPool) take(n int) []float32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, b := range s.free {
		if len(b) >= n {
			s.free = append(s.free[:i], s.free[i+1:]...)
			return b
		}
	}
	// Nothing fits: the largest kept buffer is replaced, not added to, so
	// that growing shapes don't leave a trail.
	if k := len(s.free) - 1; k >= 0 {
		s.bytes -= int64(4 * cap(s.free[k]))
		s.free = s.free[:k]
	}
	const unit = 1 << 12
	b := aligned((n + unit - 1) &^ (unit - 1))
	s.bytes += int64(4 * cap(b))
	return b
}

func (s *scratchPool) give(b []float32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := len(s.free)
	for i > 0 && len(s.free[i-1]) > len(b) {
		i--
	}
	s.free = append(s.free, nil)
	copy(s.free[i+1:], s.free[i:])
	s.free[i] = b
}

// aligned returns n zeroed values that start at a cache line. The capacity
// says what the allocation really holds.
func aligned(n int) []float32 {
	b := make([]float32, n+16)
	skip := int(-uintptr(unsafe.Pointer(&b[0]))&63) / 4
	return b[skip : skip+n]
}
