// SPDX-License-Identifier: Apache-2.0

package fakegcs

import (
	"io"
	"net/http"
)

// body is what a client sends or gets, with faults. Read and Write both pass
// bytes in small pieces, so that traffic can be held anywhere.
type body struct {
	c     *call
	r     io.Reader // of a received one
	w     io.Writer // of one that is served
	count map[string]int64
	done  int64
}

const piece = 4 << 10

func (c *call) receiving(r io.Reader) *body { return &body{c: c, r: r, count: c.stats.Received} }

func (c *call) serving(w io.Writer) *body { return &body{c: c, w: w, count: c.stats.Served} }

func (b *body) Read(p []byte) (int, error) {
	n, err := b.r.Read(p[:min(len(p), piece)])
	b.pass(p[:n])
	return n, err
}

func (b *body) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		part := append([]byte(nil), p[:min(len(p), piece)]...)
		b.pass(part)
		n, err := b.w.Write(part)
		written += n
		if err != nil {
			return written, err
		}
		p = p[n:]
	}
	return written, nil
}

// pass counts bytes, damages them if that is asked for, and drops, stalls or
// holds the connection.
func (b *body) pass(p []byte) {
	f := &b.c.fault
	at := f.Bytes - b.done
	if f.Kind == "corrupt" && at >= 0 && at < int64(len(p)) {
		p[at] ^= 4
	}
	b.done += int64(len(p))
	s := b.c.server
	s.mu.Lock()
	b.count[b.c.bucket+"/"+b.c.name] += int64(len(p))
	s.stats.Total += int64(len(p))
	if s.holdBytes > 0 && s.stats.Total >= s.holdBytes {
		s.startHold()
	}
	wait := s.hold
	s.mu.Unlock()
	if wait != nil {
		<-wait
	}
	if b.done > f.Bytes || b.done == f.Bytes && len(p) == 0 {
		b.c.breakOff()
	}
}

// breakOff ends a connection whose fault is due.
func (c *call) breakOff() {
	switch c.fault.Kind {
	case "cut":
		panic(http.ErrAbortHandler)
	case "stall":
		<-c.r.Context().Done()
		panic(http.ErrAbortHandler)
	}
}
