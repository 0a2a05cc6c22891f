// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"unsafe"
)

// storage is a file's content, however it is reached.
type storage interface {
	size() int64
	// bytes returns n bytes from off on; the range is within the size.
	bytes(off, n int64) ([]byte, error)
	close() error
}

var errClosed = errors.New("the file is closed")

// memory is content that is in memory anyway.
type memory []byte

func (m memory) size() int64                        { return int64(len(m)) }
func (m memory) bytes(off, n int64) ([]byte, error) { return m[off : off+n : off+n], nil }
func (m memory) close() error                       { return nil }

// reader reads what is asked for, on systems without mmap and from files that
// cannot be mapped.
type reader struct {
	f *os.File
	n int64
}

func (r *reader) size() int64 { return r.n }

func (r *reader) bytes(off, n int64) ([]byte, error) {
	buf := alignedBytes(n)
	if _, err := r.f.ReadAt(buf, off); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("offset %#x: %w", off, err)
	}
	return buf, nil
}

func (r *reader) close() error {
	if err := r.f.Close(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// mapped is a file in the address space.
//
// Note: a file that is truncated while it is mapped ends the process with
// SIGBUS on the next read, as with every program that maps it. Copying the
// weights instead would double their memory.
type mapped struct {
	data   []byte
	closed atomic.Bool
}

func (m *mapped) size() int64 { return int64(len(m.data)) }

func (m *mapped) bytes(off, n int64) ([]byte, error) {
	if m.closed.Load() {
		return nil, errClosed
	}
	return m.data[off : off+n : off+n], nil
}

func (m *mapped) close() error {
	if m.closed.Swap(true) {
		return nil
	}
	return unmap(m.data)
}

// openFile maps a file, or prepares to read it where that fails.
func openFile(path string) (storage, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: not a regular file", path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	if data, err := mapFile(f, info.Size()); err == nil {
		f.Close() // the mapping stays
		return &mapped{data: data}, nil
	}
	return &reader{f, info.Size()}, nil
}

// aligned returns raw, or a copy where it does not begin at a multiple of the
// element size.
func aligned(raw []byte, size int) []byte {
	if len(raw) == 0 || size < 2 || uintptr(unsafe.Pointer(unsafe.SliceData(raw)))%uintptr(size) == 0 {
		return raw
	}
	out := alignedBytes(int64(len(raw)))
	copy(out, raw)
	return out
}

// alignedBytes makes a buffer that begins at a multiple of 8.
func alignedBytes(n int64) []byte {
	words := make([]uint64, (n+7)/8)
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), len(words)*8)[:n:n]
}
