// SPDX-License-Identifier: Apache-2.0

package inflate

// Ahead decompresses in a goroutine of its own while the caller uses the block
// before, so that decompression and parsing take two cores.
type Ahead struct {
	free   chan []byte
	blocks chan decoded
	stop   chan struct{}
	done   chan struct{}
	held   []byte // buffer of the block handed out last
	err    error
}

type decoded struct {
	buf, block []byte
	err        error
}

// NewAhead starts decompression of z, at most two blocks ahead. The caller
// must not use z any more, and must call Close.
func NewAhead(z *Reader) *Ahead {
	const buffers = 3
	a := &Ahead{
		free:   make(chan []byte, buffers),
		blocks: make(chan decoded, buffers),
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
	}
	a.free <- z.own
	for range buffers - 1 {
		a.free <- make([]byte, len(z.own))
	}
	go a.run(z)
	return a
}

func (a *Ahead) run(z *Reader) {
	defer close(a.done)
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

// Next returns the next block as [Reader.Next] does.
func (a *Ahead) Next() ([]byte, error) {
	if a.err != nil {
		return nil, a.err
	}
	if a.held != nil {
		a.free <- a.held
	}
	d := <-a.blocks
	a.held, a.err = d.buf, d.err
	return d.block, d.err
}

// Close stops decompression, once a read of the input in progress has returned.
// Next must not be called during or after it.
func (a *Ahead) Close() {
	close(a.stop)
	<-a.done
}
