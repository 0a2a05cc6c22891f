// SPDX-License-Identifier: Apache-2.0

//go:build !nocloud

package gcs

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"cloud.google.com/go/storage"

	"github.com/layerscope/layerscope/reports/objects"
)

func (b *bucket) Read(ctx context.Context, name string, generation, offset, length int64) (io.ReadCloser, error) {
	if err := objects.CheckName(name); err != nil {
		return nil, err
	}
	if offset < 0 {
		return nil, &fs.PathError{Op: "read", Path: name, Err: io.ErrUnexpectedEOF}
	}
	if length == 0 {
		return io.NopCloser(strings.NewReader("")), nil
	}
	r := &reader{b: b, ctx: ctx, name: name, generation: generation, start: offset, at: offset, end: -1}
	if length > 0 {
		r.end = offset + length
	}
	err := b.tries(ctx, "read "+name, func(ctx context.Context, _ func()) error { return r.open(ctx) })
	if statusOf(err) == http.StatusRequestedRangeNotSatisfiable {
		return r.atEnd(ctx)
	}
	if err != nil {
		return nil, r.explain(err)
	}
	if length > 0 && r.end > r.size {
		return nil, errors.Join(&fs.PathError{Op: "read", Path: name, Err: io.ErrUnexpectedEOF}, r.Close())
	}
	r.end = min(r.size, uint64Max(r.end))
	return r, nil
}

// uint64Max reads -1 as no limit.
func uint64Max(end int64) int64 {
	if end < 0 {
		return 1<<63 - 1
	}
	return end
}

// A reader reads on where a connection broke, of the same generation.
type reader struct {
	b          *bucket
	ctx        context.Context
	name       string
	generation int64 // 0: not known yet
	start, at  int64 // offsets: where reading began, and is
	end, size  int64
	sum        uint32 // of what was read
	want       uint32 // of the whole object

	body   *storage.Reader
	cancel context.CancelCauseFunc
	watch  *time.Timer
	failed int // tries without a byte
}

// open begins a request at r.at. Its context lives as long as the body.
func (r *reader) open(ctx context.Context) error {
	o := r.b.object(r.name).ReadCompressed(true)
	if r.generation != 0 {
		o = o.Generation(r.generation)
	}
	length := int64(-1)
	if r.end >= 0 {
		length = r.end - r.at
	}
	bodyCtx, cancel := context.WithCancelCause(r.ctx)
	stop := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) }) // while we wait for the answer
	body, err := o.NewRangeReader(bodyCtx, r.at, length, storage.WithDisableReaderChecksum())
	if !stop() && err == nil {
		err = errors.Join(errStalled, body.Close())
	}
	if err != nil {
		cancel(nil)
		return err
	}
	r.body, r.cancel = body, cancel
	r.watch = time.AfterFunc(r.b.Stall, func() { cancel(errStalled) })
	r.generation, r.size, r.want = body.Attrs.Generation, body.Attrs.Size, body.Attrs.CRC32C
	return nil
}

func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if r.at >= r.end {
			return 0, r.finished()
		}
		if r.body == nil {
			err := r.b.tries(r.ctx, "read "+r.name, func(ctx context.Context, _ func()) error { return r.open(ctx) })
			if err != nil {
				return 0, r.explain(err)
			}
		}
		n, err := r.body.Read(p[:min(int64(len(p)), r.end-r.at)])
		r.watch.Reset(r.b.Stall)
		r.sum = crc32.Update(r.sum, objects.Castagnoli, p[:n])
		if r.at += int64(n); n > 0 {
			r.failed = 0
			return n, nil
		}
		if err != nil {
			if err := r.broken(err); err != nil {
				return 0, err
			}
		}
	}
}

// broken drops a connection that ended early, and says when to give up.
func (r *reader) broken(err error) error {
	_ = r.Close()
	if r.ctx.Err() != nil {
		return context.Cause(r.ctx)
	}
	if r.failed++; r.failed >= r.b.Tries {
		return r.explain(err)
	}
	pause := r.b.pause(r.failed, err)
	r.b.Retried("read "+r.name, err, pause)
	select {
	case <-r.ctx.Done():
		return context.Cause(r.ctx)
	case <-time.After(pause):
		return nil
	}
}

// finished compares the checksum, where all of the object was read.
func (r *reader) finished() error {
	if r.start == 0 && r.end == r.size && r.sum != r.want {
		return fmt.Errorf("%s/%s: %w: found %08x, wanted %08x", r.b, r.name, objects.ErrSum, r.sum, r.want)
	}
	return io.EOF
}

func (r *reader) Close() error {
	if r.body == nil {
		return nil
	}
	r.watch.Stop()
	r.cancel(nil)
	err := r.body.Close()
	r.body = nil
	if errors.Is(err, context.Canceled) {
		return nil // we did
	}
	return err
}

// explain tells an object that was replaced from one that isn't there.
func (r *reader) explain(err error) error {
	out := r.b.explain("read", r.name, err)
	if r.generation != 0 && errors.Is(out, fs.ErrNotExist) {
		if _, err := r.b.stat(r.ctx, r.name); err == nil {
			return &fs.PathError{Op: "read", Path: r.b.String() + "/" + r.name, Err: objects.ErrChanged}
		}
	}
	return out
}

// atEnd is a read that begins at or behind the object's end.
func (r *reader) atEnd(ctx context.Context) (io.ReadCloser, error) {
	o, err := r.b.stat(ctx, r.name)
	switch {
	case err != nil:
		return nil, err
	case r.generation != 0 && o.Generation != r.generation:
		return nil, &fs.PathError{Op: "read", Path: r.name, Err: objects.ErrChanged}
	case r.at == o.Size && r.end < 0:
		return io.NopCloser(strings.NewReader("")), nil
	}
	return nil, &fs.PathError{Op: "read", Path: r.name, Err: io.ErrUnexpectedEOF}
}
