// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"bytes"
	"io"

	"github.com/layerscope/layerscope/trace/internal/chromejson"
	"github.com/layerscope/layerscope/trace/internal/inflate"
)

// A pipeline inflates on one goroutine while another scans: blocks go round a
// ring of buffers. It is a [chromejson.Source].
type pipeline struct {
	full chan inflated
	free chan []byte
	quit chan struct{}
	last []byte // buffer of the block handed out
}

type inflated struct {
	buf, block []byte
	err        error
}

// pipelineBuffers is enough for one block being written, one being read and two
// on the way.
const pipelineBuffers = 4

// newPipeline yields head and then what z still has to give. It must be stopped.
func newPipeline(head []byte, z *inflate.Reader) *pipeline {
	p := &pipeline{full: make(chan inflated, pipelineBuffers), free: make(chan []byte, pipelineBuffers), quit: make(chan struct{})}
	for range pipelineBuffers {
		p.free <- make([]byte, inflate.MinBuffer+256<<10)
	}
	p.full <- inflated{block: head}
	go func() {
		defer close(p.full)
		for {
			select {
			case <-p.quit:
				return
			case buf := <-p.free:
				block, err := z.NextIn(buf)
				select {
				case <-p.quit:
					return
				case p.full <- inflated{buf, block, err}:
				}
				if err != nil {
					return
				}
			}
		}
	}()
	return p
}

// Next returns the next block, valid until the following call.
func (p *pipeline) Next() ([]byte, error) {
	if p.last != nil {
		p.free <- p.last
		p.last = nil
	}
	b, ok := <-p.full
	if !ok {
		return nil, io.EOF
	}
	p.last = b.buf
	return b.block, b.err
}

// stop ends the goroutine and waits for it.
func (p *pipeline) stop() {
	close(p.quit)
	for range p.full { // until it is closed
	}
}

// chromeSource returns the best source of an input's bytes and what stops it.
func chromeSource(in *input) (chromejson.Source, func()) {
	if in.gzip != nil {
		p := newPipeline(bytes.Clone(in.head), in.gzip)
		return p, p.stop
	}
	return nil, func() {}
}
