// SPDX-License-Identifier: Apache-2.0

package objects

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
)

// A File reads one generation of an object, by ranges. It may be used from
// several goroutines at once, and needs no closing.
type File struct {
	Info Info

	ctx             context.Context
	store           Store
	requests, bytes atomic.Int64
}

// Open pins an object's newest generation. Reads end with the context.
func Open(ctx context.Context, s Store, name string) (*File, error) {
	o, err := s.Stat(ctx, name)
	if err != nil {
		return nil, err
	}
	return &File{Info: o, ctx: ctx, store: s}, nil
}

// Size is the object's, in bytes.
func (f *File) Size() int64 { return f.Info.Size }

// ReadAt is one request, whatever the length: callers join what is near.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("objects: negative offset")
	}
	want := min(int64(len(p)), f.Info.Size-off)
	if want <= 0 {
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	r, err := f.open(off, want)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	n, err := io.ReadFull(r, p[:want])
	f.bytes.Add(int64(n))
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// Stream reads the object from its beginning to its end, in one request.
func (f *File) Stream() (io.ReadCloser, error) {
	r, err := f.open(0, f.Info.Size)
	if err != nil {
		return nil, err
	}
	return &counted{r, &f.bytes}, nil
}

// Traffic is the number of requests so far, and of the bytes they brought.
func (f *File) Traffic() (requests, bytes int64) { return f.requests.Load(), f.bytes.Load() }

func (f *File) open(off, length int64) (io.ReadCloser, error) {
	f.requests.Add(1)
	return f.store.Read(f.ctx, f.Info.Name, f.Info.Generation, off, length)
}

type counted struct {
	io.ReadCloser
	n *atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n.Add(int64(n))
	return n, err
}
