// SPDX-License-Identifier: Apache-2.0

package hlo

import "fmt"

// MemoryPeak is what a program needs in one memory space, in bytes. The rules
// are those of XProf's memory viewer.
type MemoryPeak struct {
	Color int64

	// Heap is the most that the simulated heap of temporary buffers holds at
	// once; HeapUnpadded the same moment without tiling padding.
	Heap, HeapUnpadded int64

	// Indefinite is held all the time: entry parameters, constants and what
	// the result may lie in. Parameters and LiveOut are parts of it, an
	// allocation can be both.
	Indefinite, Parameters, LiveOut int64

	// NonReusable counts thread-local and tuple allocations. Thread-local ones
	// count nowhere else.
	NonReusable int64

	// Total is the sum of the allocations' sizes: what is reserved.
	Total int64

	// Position is the index of the heap event that reaches the peak; Sizes[i]
	// is the heap before event i, and after the last event at the end.
	Position int
	Sizes    []int64

	// Live lists the buffers that are held at the peak: first the largest
	// buffer of each indefinite allocation, then the heap's in program order.
	Live []LiveBuffer
}

// Bytes returns the peak: heap and indefinite memory together.
func (p *MemoryPeak) Bytes() int64 { return addSat(p.Heap, p.Indefinite) }

// LiveBuffer is a buffer that is held at the peak.
type LiveBuffer struct {
	*LogicalBuffer
	Bytes    int64 // of its allocation if indefinite, else of the buffer
	Unpadded int64 // of its shape
	Kind     string
}

// Kinds of live buffers, in the order in which an allocation's marks count.
const (
	kindParameter   = "Parameter"
	kindOutput      = "Output"
	kindThreadLocal = "Thread-local"
	kindConstant    = "Constant"
	kindTemporary   = "Temporary"
)

func (a *Allocation) kind() string {
	switch {
	case a.Parameter:
		return kindParameter
	case a.LiveOut:
		return kindOutput
	case a.ThreadLocal:
		return kindThreadLocal
	case a.Constant:
		return kindConstant
	}
	return kindTemporary
}

// Colors returns the memory spaces that allocations lie in, in order.
func (a *BufferAssignment) Colors() []int64 {
	var cs []int64
	seen := map[int64]bool{}
	for i := range a.Allocations {
		if c := a.Allocations[i].Color; !seen[c] {
			seen[c] = true
			cs = append(cs, c)
		}
	}
	for i := 1; i < len(cs); i++ {
		for j := i; j > 0 && cs[j] < cs[j-1]; j-- {
			cs[j], cs[j-1] = cs[j-1], cs[j]
		}
	}
	return cs
}

// Peak replays the compiler's heap simulation of one memory space and adds the
// memory that is held all the time. It is an error if the simulation frees what
// it has not, or runs over buffers of two allocations.
func (a *BufferAssignment) Peak(color int64) (*MemoryPeak, error) {
	p := &MemoryPeak{Color: color}
	for i := range a.Allocations {
		l := &a.Allocations[i]
		if l.Color != color {
			continue
		}
		if l.ThreadLocal || l.Tuple {
			p.NonReusable = addSat(p.NonReusable, l.Size)
		}
		if l.ThreadLocal {
			continue
		}
		p.Total = addSat(p.Total, l.Size)
		if l.Parameter {
			p.Parameters = addSat(p.Parameters, l.Size)
		}
		if l.LiveOut {
			p.LiveOut = addSat(p.LiveOut, l.Size)
		}
		if !l.indefinite() {
			continue
		}
		p.Indefinite = addSat(p.Indefinite, l.Size)
		if b := a.largest(l); b != nil {
			p.Live = append(p.Live, LiveBuffer{b, l.Size, b.unpadded(), l.kind()})
		}
	}
	if t := a.trace(color); t != nil {
		h := heap{a: a, p: p, buffers: make(map[int32]*heapBuffer)}
		if err := h.run(t); err != nil {
			return nil, fmt.Errorf("hlo: memory space %d: %w", color, err)
		}
	}
	return p, nil
}

func (a *BufferAssignment) largest(l *Allocation) *LogicalBuffer {
	var best *LogicalBuffer
	for _, s := range l.Assigned {
		if k, ok := a.byID[s.Buffer]; ok && (best == nil || a.Buffers[k].Size > best.Size) {
			best = &a.Buffers[k]
		}
	}
	return best
}

// unpadded returns the bytes of the buffer's shape without tiling padding; a
// tuple is its table of pointers.
func (l *LogicalBuffer) unpadded() int64 {
	if l.Instruction == nil {
		return l.Size
	}
	s := l.Instruction.Shape
	for _, i := range l.ShapeIndex {
		if i < 0 || i >= int64(len(s.Parts)) {
			return l.Size
		}
		s = &s.Parts[i]
	}
	if s.Type == Tuple {
		return 8 * int64(len(s.Parts))
	}
	return s.Bytes()
}

// trace picks the simulation of a color. The trace's own allocation index is
// not to be trusted: the allocation of its first event's buffer counts.
func (a *BufferAssignment) trace(color int64) *HeapTrace {
	byAllocation := map[int32]*HeapTrace{}
	var most *HeapTrace
	best := 0
	for i := range a.Traces {
		t := &a.Traces[i]
		if len(t.Events) == 0 {
			continue
		}
		if k, ok := a.byID[t.Events[0].Buffer]; ok && a.owner[k] >= 0 {
			byAllocation[a.owner[k]] = t
		}
		n := 0
		for _, e := range t.Events {
			if k, ok := a.byID[e.Buffer]; ok && a.owner[k] >= 0 && a.Buffers[k].Color == color {
				n++
			}
		}
		if n > best {
			most, best = t, n
		}
	}
	for i := range a.Allocations {
		l := &a.Allocations[i]
		if t := byAllocation[int32(i)]; t != nil && l.Color == color && !l.indefinite() {
			return t
		}
	}
	return most
}

// heap replays one trace.
type heap struct {
	a       *BufferAssignment
	p       *MemoryPeak
	buffers map[int32]*heapBuffer // by index in BufferAssignment.Buffers
	size    int64
	bare    int64 // size without padding

	// What came and went, in order. Keeping a list of the held buffers instead
	// means a copy at each new peak, which is quadratic.
	history []int32 // +1+buffer came, −1−buffer went
	atPeak  int     // len(history) at the peak
}

// heapBuffer is a buffer's state; sharers count at the canonical one.
type heapBuffer struct {
	refs      int
	canonical int32 // itself when it shares with none
}

func (h *heap) buffer(k int32) *heapBuffer {
	b := h.buffers[k]
	if b == nil {
		b = &heapBuffer{canonical: k}
		h.buffers[k] = b
	}
	return b
}

// maxShares bounds a chain of shared buffers; the compiler writes chains of 1.
const maxShares = 64

// root follows canonical links, of which a damaged file can make a ring.
func (h *heap) root(k int32) (int32, error) {
	for range maxShares {
		c := h.buffer(k).canonical
		if c == k {
			return k, nil
		}
		k = c
	}
	return 0, fmt.Errorf("buffer %d shares memory in a ring or a long chain", h.a.Buffers[k].ID)
}

func (h *heap) run(t *HeapTrace) error {
	h.p.Sizes = make([]int64, 0, len(t.Events)+1)
	first := int32(-1)
	for i, e := range t.Events {
		h.p.Sizes = append(h.p.Sizes, h.size)
		k, ok := h.a.byID[e.Buffer]
		if !ok || h.a.owner[k] < 0 {
			continue
		}
		if first >= 0 && h.a.owner[k] != first {
			return fmt.Errorf("heap event %d: buffer %d lies in allocation %d, those before in %d", i, e.Buffer,
				h.a.Allocations[h.a.owner[k]].Index, h.a.Allocations[first].Index)
		}
		first = h.a.owner[k]
		if err := h.event(k, e); err != nil {
			return fmt.Errorf("heap event %d: %w", i, err)
		}
		if h.size > h.p.Heap {
			h.p.Heap, h.p.HeapUnpadded, h.p.Position, h.atPeak = h.size, h.bare, i, len(h.history)
		}
	}
	h.p.Sizes = append(h.p.Sizes, h.size)
	h.list()
	return nil
}

func (h *heap) event(k int32, e HeapEvent) error {
	switch e.Kind {
	case HeapAlloc:
		root, err := h.root(k)
		if err != nil {
			return err
		}
		h.buffer(root).refs++
		h.grow(k)
	case HeapFree:
		root, err := h.root(k)
		if err != nil {
			return err
		}
		b := h.buffer(root)
		if b.refs--; b.refs < 0 {
			return fmt.Errorf("buffer %d is freed twice", e.Buffer)
		}
		if b.refs == 0 {
			h.size -= h.a.Buffers[root].Size
			h.bare -= h.a.Buffers[root].unpadded()
			h.history = append(h.history, -1-root)
			if h.size < 0 {
				return fmt.Errorf("buffer %d: the heap falls below 0", e.Buffer)
			}
		}
	case HeapShare:
		c, ok := h.a.byID[e.Canonical]
		if !ok || h.a.owner[c] < 0 {
			return nil
		}
		h.buffer(k).canonical = c
		root, err := h.root(c)
		if err != nil {
			return err
		}
		if b := h.buffer(root); b.refs == 0 {
			b.refs++
			h.grow(c) // shared after it was freed: held again
		} else {
			b.refs++
		}
	default:
		return fmt.Errorf("kind %d, want 0 alloc, 1 free or 2 share", e.Kind)
	}
	return nil
}

func (h *heap) grow(k int32) {
	h.size = addSat(h.size, h.a.Buffers[k].Size)
	h.bare = addSat(h.bare, h.a.Buffers[k].unpadded())
	h.history = append(h.history, 1+k)
}

// list adds the buffers held at the peak, in the order in which they came.
func (h *heap) list() {
	gone := map[int32]bool{} // seen from the end: freed later, before the peak
	var held []int32
	for i := h.atPeak - 1; i >= 0; i-- {
		if k := h.history[i]; k < 0 {
			gone[-1-k] = true
		} else if !gone[k-1] {
			held = append(held, k-1)
		}
	}
	for i := len(held) - 1; i >= 0; i-- {
		b := &h.a.Buffers[held[i]]
		h.p.Live = append(h.p.Live, LiveBuffer{b, b.Size, b.unpadded(), kindTemporary})
	}
}
