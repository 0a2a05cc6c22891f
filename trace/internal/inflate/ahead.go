// SPDX-License-Identifier: Apache-2.0

package inflate

import (
	"io"
	"sync"
)

// Ahead decompresses in a goroutine of its own while the caller uses the blocks
// before, so that decompression and parsing take two cores.
type Ahead struct {
	free   chan []byte
	blocks chan decoded
	lent   chan []byte // buffers of the blocks handed out, in order
	stop   chan struct{}
	done   chan struct{}
	once   sync.Once
	err    error
}

type decoded struct {
	buf, block []byte
	err        error
}

// NewAhead starts decompression of z into the given number of buffers, two at
// least: as many blocks are decoded and not yet released at a time. The caller
// must not use z any more, and must call Close.
func NewAhead(z *Reader, buffers int) *Ahead {
	a := &Ahead{
		free:   make(chan []byte, buffers),
		blocks: make(chan decoded, buffers),
		lent:   make(chan []byte, buffers),
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
	}
	a.free <- z.own
	for range buffers - 1 {
		a.free <- newBuffer(len(z.own))
	}
	go a.run(z)
	return a
}

func (a *Ahead) run(z *Reader) {
	defer close(a.done)
	defer close(a.blocks)
	for {
		select {
		case <-a.stop:
			return
		case buf := <-a.free:
			block, err := z.NextIn(buf)
			a.blocks <- decoded{buf, block, err} // never blocks: one place a buffer
			if err != nil {
				return
			}
		}
	}
}

// Next returns the next block as [Reader.Next] does. It is valid until Release
// has been called once for it and each block before it, and until Close.
func (a *Ahead) Next() ([]byte, error) {
	if a.err != nil {
		return nil, a.err
	}
	d, open := <-a.blocks
	if !open {
		d.err = io.ErrClosedPipe
	}
	if d.buf != nil {
		a.lent <- d.buf
	}
	a.err = d.err
	return d.block, d.err
}

// Release gives back the oldest block that Next returned and that is not given
// back yet. It may be called while another goroutine calls Next.
func (a *Ahead) Release() { a.free <- <-a.lent }

// Stop stops decompression, once a read of the input in progress has returned. A
// call of Next that waits for a block returns. Blocks stay valid.
func (a *Ahead) Stop() {
	a.once.Do(func() { close(a.stop) })
	<-a.done
}

// Close stops decompression and takes back all blocks.
func (a *Ahead) Close() {
	a.Stop()
	for d := range a.blocks {
		keepBuffer(d.buf)
	}
	for range len(a.free) {
		keepBuffer(<-a.free)
	}
	for range len(a.lent) {
		keepBuffer(<-a.lent)
	}
}

// spare holds buffers of readers that are done: who reads one file after the other
// doesn't pay for fresh memory each time.
var spare sync.Pool

func newBuffer(size int) []byte {
	if b, ok := spare.Get().(*[]byte); ok && len(*b) == size {
		return *b
	}
	return make([]byte, size)
}

func keepBuffer(b []byte) { spare.Put(&b) }
