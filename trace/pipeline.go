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

// chromeSource returns the source of a gzip input's bytes and what ends its
// goroutine; nil for an input that is not compressed so.
func chromeSource(in *input) (chromejson.Source, func()) {
	if in.gzip == nil {
		return nil, func() {}
	}
	p := &pipeline{head: bytes.Clone(in.head), ahead: inflate.NewAhead(in.gzip)}
	return p, p.ahead.Close
}
