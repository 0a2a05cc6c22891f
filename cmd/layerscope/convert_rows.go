// SPDX-License-Identifier: Apache-2.0

package main

import (
	"iter"

	"github.com/layerscope/layerscope/reports/eventtable"
	"github.com/layerscope/layerscope/trace"
)

// rows yields every event of the trace as a row of a table. The row is valid
// until the next one.
func (c *conversion) rows() iter.Seq2[*eventtable.Row, error] {
	return func(yield func(*eventtable.Row, error) bool) {
		for _, tr := range c.t.Tracks {
			row := eventtable.Row{Host: tr.Host, Track: tr.Name, Kind: tr.Kind.String()}
			if tr.Device >= 0 {
				row.Device = c.t.Devices[tr.Device].Name
			}
			for b, err := range tr.Batches() {
				if err != nil {
					yield(nil, err)
					return
				}
				for i := range b.Op {
					c.fill(&row, b, i, tr.Device >= 0)
					if !yield(&row, nil) {
						return
					}
				}
			}
		}
	}
}

// fill sets what is of the event.
func (c *conversion) fill(row *eventtable.Row, b *trace.Batch, i int, device bool) {
	id := b.Op[i]
	op := &c.t.Ops[id]
	row.StartPs, row.DurPs = int64(b.Start[i]), int64(b.Dur[i])
	row.Op, row.Category, row.Scope, row.Program = op.Name, op.Category, op.Scope, ""
	if op.Program >= 0 {
		row.Program = c.t.Programs[op.Program].Name
	}
	row.Layer, row.Component = "", ""
	if device {
		row.Layer, row.Component = c.an.Place(id)
	}
	row.RunID, row.Count = 0, 1
	if b.Run != nil {
		row.RunID = b.Run[i]
	}
	if b.Count != nil && b.Count[i] > 1 {
		row.Count = int64(b.Count[i])
	}
	row.Value = nil
	if b.Value != nil {
		v := b.Value[i] // the batch is used again
		row.Value = &v
	}
	row.FLOPs, row.Bytes = op.FLOPs*row.Count, op.Bytes*row.Count
	if b.FLOPs != nil {
		row.FLOPs += b.FLOPs[i]
		row.Bytes += b.Bytes[i]
	}
}
