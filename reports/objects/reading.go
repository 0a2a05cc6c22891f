// SPDX-License-Identifier: Apache-2.0

package objects

import (
	"context"
	"io"
)

// Reading reads the content from its beginning, for a Store that sends it: what
// goes is told to Sent, and the context ends it.
func Reading(ctx context.Context, c Content) io.Reader {
	r := stopping(ctx, io.NewSectionReader(c.Data, 0, c.Size))
	if c.Sent == nil {
		return r
	}
	return &telling{r, c.Sent}
}

type telling struct {
	io.Reader
	sent func(int64)
}

func (t *telling) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	if n > 0 {
		t.sent(int64(n))
	}
	return n, err
}

// stopping is a reader that ends with a context.
func stopping(ctx context.Context, r io.Reader) io.Reader { return &stopper{ctx, r} }

type stopper struct {
	ctx context.Context
	r   io.Reader
}

func (s *stopper) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.r.Read(p)
}
