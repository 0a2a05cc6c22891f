// SPDX-License-Identifier: Apache-2.0

package arena

import (
	"cmp"
	"slices"
	"unsafe"
)

// region is one mapping, cut into blocks from first on.
type region struct {
	data    []byte // usable part, starts at a multiple of Align
	mapping []byte // all of it, for unmap
	first   *block
}

// block is a piece of a region, live (id > 0) or free. Blocks lie outside the
// memory that they describe, so an overrun cannot damage them. No two
// neighbours are free.
type block struct {
	region     *region
	off, size  int64
	prev, next *block

	id        uint64 // 0 = free
	requested int64
	tag       Tag
	stack     []uintptr
}

func (b *block) bytes() []byte { return b.region.data[b.off : b.off+b.size] }

func (b *block) addr() uintptr { return uintptr(unsafe.Pointer(&b.region.data[b.off])) }

// split cuts b down to size and returns the rest, in the struct rest, as a
// free block.
func (b *block) split(size int64, rest *block) *block {
	*rest = block{region: b.region, off: b.off + size, size: b.size - size, prev: b, next: b.next}
	if rest.next != nil {
		rest.next.prev = rest
	}
	b.next, b.size = rest, size
	return rest
}

// merge takes the next block into b and returns its struct, now unused.
func (b *block) merge() *block {
	n := b.next
	b.size += n.size
	b.next = n.next
	if b.next != nil {
		b.next.prev = b
	}
	return n
}

// freeList holds free blocks by size, then address. Best fit from it takes
// recycled pieces before the untouched rest of a region, which is larger, and
// low addresses first.
//
// Note: a sorted slice, as an engine has tens to hundreds of free blocks; a
// tree pays from tens of thousands on.
type freeList struct {
	blocks []*block
	bytes  int64
}

func order(b, c *block) int {
	return cmp.Or(cmp.Compare(b.size, c.size), cmp.Compare(b.addr(), c.addr()))
}

func (f *freeList) add(b *block) {
	i, _ := slices.BinarySearchFunc(f.blocks, b, order)
	f.blocks = slices.Insert(f.blocks, i, b)
	f.bytes += b.size
}

func (f *freeList) remove(b *block) {
	i, ok := slices.BinarySearchFunc(f.blocks, b, order)
	if !ok || f.blocks[i] != b {
		panic("arena: a free block is missing from the free list")
	}
	f.blocks = slices.Delete(f.blocks, i, i+1)
	f.bytes -= b.size
}

// fit returns the smallest free block of at least size bytes, nil if none.
func (f *freeList) fit(size int64) *block {
	i, _ := slices.BinarySearchFunc(f.blocks, size, func(b *block, s int64) int { return cmp.Compare(b.size, s) })
	if i == len(f.blocks) {
		return nil
	}
	return f.blocks[i]
}

func (f *freeList) largest() int64 {
	if len(f.blocks) == 0 {
		return 0
	}
	return f.blocks[len(f.blocks)-1].size
}
