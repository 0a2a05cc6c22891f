// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"bytes"

	"github.com/layerscope/layerscope/trace/internal/chromejson"
	"github.com/layerscope/layerscope/trace/internal/inflate"
)

// A pipeline scans the bytes that were looked at to tell the format, and then
// what a second goroutine inflates ahead. It is a [chromejson.Source].
type pipeline struct {
	head  []byte
	ahead *inflate.Ahead
}

// Next returns the next block, valid until the following call.
func (p *pipeline) Next() ([]byte, error) {
	if head := p.head; head != nil {
		p.head = nil
		return head, nil
	}
	return p.ahead.Next()
}

// newPipeline yields head and then what z still has to give. It must be stopped.
func newPipeline(head []byte, z *inflate.Reader) *pipeline {
	return &pipeline{head: head, ahead: inflate.NewAhead(z)}
}

// stop ends the goroutine and waits for it.
func (p *pipeline) stop() { p.ahead.Close() }

// chromeSource returns the source of a gzip input's bytes and what ends its
// goroutine; nil for an input that is not compressed so.
func chromeSource(in *input) (chromejson.Source, func()) {
	if in.gzip == nil {
		return nil, func() {}
	}
	p := newPipeline(bytes.Clone(in.head), in.gzip)
	return p, p.stop
}
