// SPDX-License-Identifier: Apache-2.0

package hlo

// traffic is what a fusion's body moves, counted once for each body.
type traffic struct {
	reads  []int64 // by parameter number
	writes int64
}

// fusionBytes returns what a fusion reads and writes: its operands, of those
// that the body only slices the slices, and its results, of an update in place
// the update.
func fusionBytes(in *Instruction) Cost {
	c := Cost{Unknown: in.partial, BytesRead: operandBytes(in), BytesWritten: in.Shape.Bytes()}
	if len(in.Called) != 1 || in.Called[0].traffic == nil {
		return c
	}
	t := in.Called[0].traffic
	c.BytesRead, c.BytesWritten = 0, t.writes
	for i, o := range in.Operands {
		c.BytesRead = addSat(c.BytesRead, t.read(i, o.Shape.Bytes()))
	}
	return c
}

// read returns what the body reads of operand i, which has that many bytes.
func (t *traffic) read(i int, whole int64) int64 {
	if i < len(t.reads) {
		return min(whole, t.reads[i])
	}
	return whole
}

// measureTraffic fills c.traffic of a fusion's body. Bodies of fusions inside
// it must be measured before.
func measureTraffic(c *Computation) {
	t := &traffic{}
	c.traffic = t
	if c.Root == nil {
		return
	}
	params := c.Parameters()
	t.reads = make([]int64, len(params))
	whole := make([]int64, len(params))
	source := make([]int32, len(c.Instructions)) // 1 + parameter that an instruction is a view of
	for i, p := range params {
		if p != nil {
			whole[i], source[p.index] = p.Shape.Bytes(), int32(i+1)
		}
	}
	for _, u := range c.Instructions {
		for i, o := range u.Operands {
			if o.Parent != c || source[o.index] == 0 {
				continue
			}
			k := source[o.index] - 1
			if u.Opcode == "bitcast" {
				source[u.index] = k + 1
				continue
			}
			t.reads[k] = min(whole[k], addSat(t.reads[k], usedBytes(u, i, whole[k])))
		}
	}
	if k := source[c.Root.index]; k > 0 {
		t.reads[k-1] = whole[k-1] // the body passes its parameter on
	}
	results := []*Instruction{c.Root}
	if c.Root.Opcode == "tuple" {
		results = c.Root.Operands
	}
	for _, r := range results {
		if r.Opcode == "dynamic-update-slice" {
			t.writes = addSat(t.writes, r.operand(1).Bytes())
			continue
		}
		t.writes = addSat(t.writes, r.Shape.Bytes())
	}
}

// usedBytes returns how much of its operand i, of that many bytes, u reads.
func usedBytes(u *Instruction, i int, whole int64) int64 {
	switch {
	case u.Opcode == "slice", i == 0 && (u.Opcode == "dynamic-slice" || u.Opcode == "gather"):
		return u.Shape.Bytes()
	case i == 0 && u.Opcode == "dynamic-update-slice":
		return 0 // written in place
	case u.Opcode == "fusion" && len(u.Called) == 1 && u.Called[0].traffic != nil:
		return u.Called[0].traffic.read(i, whole)
	}
	return whole
}
