// SPDX-License-Identifier: Apache-2.0

//go:build invariants

package arena

import "fmt"

// checked says whether memory contents are checked (build tag invariants).
const checked = true

// Byte patterns. 0xff bytes are a NaN as float32, float16 and bfloat16, so a
// result that read undefined memory shows.
const (
	fresh  = 0xff // a new buffer
	margin = 0xa5 // between a buffer's end and its block's
	poison = 0xdb // freed memory
)

// onAlloc fills a new buffer. Memory that was freed before must still be
// poisoned; mapped memory that never was in use is zero.
func onAlloc(b *block) {
	d := b.bytes()
	for i, v := range d {
		if v != poison && v != 0 {
			panic(fmt.Sprintf("arena: byte %d of the memory for %s (%d bytes) was written after it was freed: %#02x",
				i, name(b.tag.Scope, b.tag.Kind), b.requested, v))
		}
	}
	for i := range d[:b.requested] {
		d[i] = fresh
	}
	for i := range d[b.requested:] {
		d[b.requested+int64(i)] = margin
	}
}

// onFree looks for an overrun and poisons the buffer.
func onFree(b *block) {
	d := b.bytes()
	for i, v := range d[b.requested:] {
		if v != margin {
			panic(fmt.Sprintf("arena: %s (%d bytes) was written %d bytes past its end: %#02x",
				name(b.tag.Scope, b.tag.Kind), b.requested, i, v))
		}
	}
	for i := range d {
		d[i] = poison
	}
}
