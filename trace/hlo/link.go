// SPDX-License-Identifier: Apache-2.0

package hlo

// link resolves what could only be known at the end of a protobuf module:
// called computations, the entry, the schedule.
func (r *reader) link(entryID int64, entryName string, schedule []byte) error {
	byID := make(map[int64]*Computation, len(r.m.Computations))
	for _, c := range r.m.Computations {
		if _, dup := byID[c.ID]; dup {
			r.m.warnID("computation id used twice", c.Name, c.ID)
			continue
		}
		byID[c.ID] = c
	}
	var missing *Computation
	for _, p := range r.calls {
		p.in.Called = make([]*Computation, len(p.ids))
		for i, id := range p.ids {
			c := byID[id]
			if c == nil {
				r.m.warnID("missing computation", p.in.Name, id)
				if missing == nil {
					missing = &Computation{Name: "missing"}
				}
				c = missing
			}
			p.in.Called[i] = c
		}
	}
	r.m.Entry = byID[entryID]
	r.m.resolve(entryName)
	if schedule != nil {
		if err := r.schedule(schedule, byID); err != nil {
			return err
		}
	}
	return nil
}

// resolve finishes a module whose instructions and calls are linked: entry,
// callers, call order, trip counts.
func (m *Module) resolve(entryName string) {
	if m.Entry == nil {
		for _, c := range m.Computations {
			if c.Name == entryName {
				m.Entry = c
			}
		}
	}
	if n := len(m.Computations); m.Entry == nil && n > 0 {
		m.Entry = m.Computations[n-1]
		m.warn("missing entry", m.Name, "the last computation is taken")
	}
	for i, c := range m.Computations {
		c.index, c.module = int32(i), m
		for _, in := range c.Instructions {
			for _, callee := range in.Called {
				if callee.known {
					callee.Callers = append(callee.Callers, in)
				}
			}
		}
	}
	m.sortCalls()
	loops := 0
	for _, c := range m.Computations {
		for _, in := range c.Instructions {
			if in.Opcode != "while" {
				continue
			}
			if loops++; loops <= maxLoops {
				in.TripCount = tripCount(in)
			}
		}
	}
}

// sortCalls puts callees before callers (Kahn's algorithm). Computations that
// call themselves, directly or not, stay out of the order and are marked.
func (m *Module) sortCalls() {
	calls := make([]int, len(m.Computations)) // calls still to place
	for _, c := range m.Computations {
		for _, in := range c.Callers {
			calls[in.Parent.index]++
		}
	}
	m.order = make([]*Computation, 0, len(m.Computations))
	for _, c := range m.Computations {
		if calls[c.index] == 0 {
			m.order = append(m.order, c)
		}
	}
	for i := 0; i < len(m.order); i++ {
		for _, in := range m.order[i].Callers {
			p := in.Parent.index
			if calls[p]--; calls[p] == 0 {
				m.order = append(m.order, m.Computations[p])
			}
		}
	}
	if len(m.order) == len(m.Computations) {
		return
	}
	for _, c := range m.Computations {
		if calls[c.index] > 0 {
			c.cyclic = true
			m.warn("call cycle", m.Name, c.Name)
		}
	}
}

// schedule applies HloScheduleProto: a map from computation id to
// InstructionSequence {instruction ids 1}. A sequence that is not a
// permutation of its computation is left alone.
func (r *reader) schedule(b []byte, byID map[int64]*Computation) error {
	m := message{b: b}
	for m.next() {
		if m.num != 1 || !m.bytes() {
			continue
		}
		var id int64
		var seq []byte
		e := message{b: m.val}
		for e.next() {
			switch {
			case e.num == 1:
				id = e.int()
			case e.num == 2 && e.bytes():
				seq = e.val
			}
		}
		if e.err != nil {
			return r.fail(e.b, "schedule", e.err)
		}
		c := byID[id]
		if c == nil {
			continue
		}
		r.ops = r.ops[:0]
		s := message{b: seq}
		for s.next() {
			if s.num == 1 && len(s.val) <= 10*len(c.Instructions) {
				r.ops = s.ints(r.ops)
			}
		}
		if s.err != nil {
			return r.fail(s.b, "schedule of "+c.Name, s.err)
		}
		if !c.reorder(r.ops) {
			r.m.warn("schedule does not fit", r.m.Name, c.Name)
		}
	}
	if m.err != nil {
		return r.fail(m.b, "schedule", m.err)
	}
	return nil
}

// reorder puts the instructions in the order of ids and reports whether ids
// names each exactly once.
func (c *Computation) reorder(ids []int64) bool {
	if len(ids) != len(c.Instructions) {
		return false
	}
	same := true
	for i, in := range c.Instructions {
		same = same && in.ID == ids[i]
	}
	if same {
		return true
	}
	at := make(map[int64]*Instruction, len(ids))
	for _, in := range c.Instructions {
		at[in.ID] = in
	}
	sorted := make([]*Instruction, 0, len(ids))
	for _, id := range ids {
		in := at[id]
		if in == nil {
			return false
		}
		delete(at, id)
		sorted = append(sorted, in)
	}
	c.Instructions = sorted
	return true
}
