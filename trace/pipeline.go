// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"bytes"
	"sync/atomic"

	"github.com/layerscope/layerscope/trace/internal/inflate"
)

// A pipeline yields the bytes that were looked at to tell the format, and then
// what a second goroutine inflates ahead. It is a [chromejson.Lender].
type pipeline struct {
	head  []byte
	lent  atomic.Bool // head, and it is not released
	ahead *inflate.Ahead
}

// newPipeline yields the rest of a gzip input through the given number of buffers.
// It must be closed.
func newPipeline(in *input, buffers int) *pipeline {
	return &pipeline{head: bytes.Clone(in.head), ahead: inflate.NewAhead(in.gzip, buffers)}
}

// Next returns the next block, valid until it is released.
func (p *pipeline) Next() ([]byte, error) {
	if head := p.head; len(head) > 0 {
		p.head = nil
		p.lent.Store(true)
		return head, nil
	}
	return p.ahead.Next()
}

// Release gives back the oldest block.
func (p *pipeline) Release() {
	if !p.lent.CompareAndSwap(true, false) {
		p.ahead.Release()
	}
}

// close ends the goroutine and waits for it. No block may be used after it.
func (p *pipeline) close() { p.ahead.Close() }
