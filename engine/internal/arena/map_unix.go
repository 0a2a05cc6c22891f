// SPDX-License-Identifier: Apache-2.0

//go:build unix

package arena

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// hugePage is the size and alignment of a huge page; a mapping is made that
// much larger so that its usable part can start at one. Address space is free;
// only touched pages cost memory.
const hugePage = 2 << 20

// mapRegion maps n bytes of anonymous memory.
func mapRegion(n int64) (*region, error) {
	slack := int64(0)
	if n >= hugePage {
		slack = hugePage
	}
	m, err := unix.Mmap(-1, 0, int(n+slack), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("map %d bytes: %w", n, err)
	}
	skip := int64(0)
	if slack > 0 {
		skip = int64(-uintptr(unsafe.Pointer(&m[0])) & (hugePage - 1))
		adviseHuge(m[skip : skip+n])
	}
	return &region{data: m[skip : skip+n : skip+n], mapping: m}, nil
}

func (r *region) unmap() {
	if err := unix.Munmap(r.mapping); err != nil {
		panic(fmt.Sprintf("arena: unmap %d bytes: %v", len(r.mapping), err))
	}
	r.data, r.mapping = nil, nil
}
