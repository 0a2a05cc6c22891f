// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package arena

import "unsafe"

// mapRegion takes n bytes from the Go heap where there is no mmap.
func mapRegion(n int64) (*region, error) {
	m := make([]byte, n+Align)
	skip := int64(-uintptr(unsafe.Pointer(&m[0])) & (Align - 1))
	return &region{data: m[skip : skip+n : skip+n], mapping: m}, nil
}

func (r *region) unmap() { r.data, r.mapping = nil, nil }
