// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/layerscope/layerscope/trace/internal/xspace"
)

// An opsAhead is the metadata of device planes, loaded and decoded by other
// goroutines while the reader is at an earlier plane. What it holds is what the
// reader would have decoded: nothing depends on who was first.
type opsAhead struct {
	planes map[*xspace.Plane]*planeAhead
	room   atomic.Int64 // ops that may still be decoded
	over   atomic.Bool
	wg     sync.WaitGroup
}

// A planeAhead is one device plane's share.
type planeAhead struct {
	pl      *xspace.Plane
	claimed atomic.Bool
	done    chan struct{}
	ops     []Op     // Program is an index of programs; nil = not decoded
	ids     []uint64 // program ids in order of first sight
}

// maxAhead bounds the goroutines: planes are few and small.
const maxAhead = 4

// lookAhead starts loading the device planes. The result is to be ended.
//
// Note: the reader takes a plane nobody has begun itself. With as many goroutines
// as cores it waits for both, and its own work comes after theirs.
func (x *xspaceReader) lookAhead() *opsAhead {
	a := &opsAhead{planes: map[*xspace.Plane]*planeAhead{}}
	var list []*planeAhead
	for _, pl := range x.sp.Planes {
		if _, ok := deviceOf(pl.Name, x.host); ok && len(pl.Lines) > 0 {
			list = append(list, &planeAhead{pl: pl, done: make(chan struct{})})
		}
	}
	if len(list) < 2 {
		return a
	}
	for _, p := range list {
		a.planes[p.pl] = p
	}
	a.room.Store(int64(x.limit - len(x.t.Ops)))
	var next atomic.Int64 // the first is the reader's own
	for range min(runtime.GOMAXPROCS(0), len(list), maxAhead) - 1 {
		a.wg.Go(func() {
			for {
				n := int(next.Add(1))
				if n >= len(list) || a.over.Load() {
					return
				}
				if p := list[n]; p.claimed.CompareAndSwap(false, true) {
					a.read(p)
					close(p.done)
				}
			}
		})
	}
	return a
}

// end has all goroutines end, and waits for them.
func (a *opsAhead) end() {
	a.over.Store(true)
	a.wg.Wait()
}

// read loads a plane and decodes its ops, if it is one that has them in metadata
// and they are not too many. An error is found again by who asks for the plane.
func (a *opsAhead) read(p *planeAhead) {
	if p.pl.Load() != nil || strings.HasPrefix(strings.ToLower(p.pl.Name), "/device:gpu") {
		return
	}
	n := p.pl.NumEvents()
	if a.room.Add(-int64(n)) < 0 {
		return
	}
	index := make(map[uint64]int)
	program := func(id uint64) int {
		i, ok := index[id]
		if !ok {
			i = len(p.ids)
			index[id] = i
			p.ids = append(p.ids, id)
		}
		return i
	}
	ops := make([]Op, n)
	var em xspace.EventMeta
	for i := range ops {
		p.pl.EventInto(uint32(i), &em)
		ops[i] = tpuOp(&em, program)
	}
	p.ops = ops
}

// take returns what was read ahead of a plane, or nil. After it nobody begins it.
func (a *opsAhead) take(pl *xspace.Plane) *planeAhead {
	p := a.planes[pl]
	if p == nil || p.claimed.CompareAndSwap(false, true) {
		return nil
	}
	<-p.done
	delete(a.planes, pl)
	return p
}

// tpuOps gives the event metadata of a plane ops, read ahead or now.
func (x *xspaceReader) tpuOps(pl *xspace.Plane, ahead *planeAhead) (first OpID, n uint32) {
	if ahead == nil || ahead.ops == nil || len(ahead.ops) > x.limit-len(x.t.Ops) {
		var em xspace.EventMeta
		program := func(id uint64) int { return x.program(id, "") }
		return x.addOps(pl, func(i uint32) Op {
			pl.EventInto(i, &em)
			return tpuOp(&em, program)
		})
	}
	programs := make([]int, len(ahead.ids))
	for i, id := range ahead.ids {
		programs[i] = x.program(id, "")
	}
	return x.addOps(pl, func(i uint32) Op {
		op := ahead.ops[i]
		if op.Program >= 0 {
			op.Program = programs[op.Program]
		}
		return op
	})
}
