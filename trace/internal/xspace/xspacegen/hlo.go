// SPDX-License-Identifier: Apache-2.0

package xspacegen

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/layerscope/layerscope/trace/internal/xspace"
)

// hloPlane writes the HLO of the program as profilers keep it, filled up to a size.
func (pr *program) hloPlane(xw *xspace.Writer, size int64) error {
	const statHlo = 1
	raw := pr.hlo(size)
	return xw.Plane(1, "/host:metadata", func(pw *xspace.PlaneWriter) error {
		err := pw.EventMeta(&xspace.EventMeta{Key: 1, ID: 1, Name: fmt.Sprintf("jit_score(%d)", uint64(programID)),
			Stats: []xspace.Stat{{ID: statHlo, Kind: xspace.Bytes, Raw: raw}}})
		if err != nil {
			return err
		}
		return pw.StatMeta(&xspace.StatMeta{Key: statHlo, ID: statHlo, Name: "Hlo Proto"})
	})
}

// hlo is an HloProto of about size bytes: one computation with the program's ops,
// whose backend configs fill it up.
func (pr *program) hlo(size int64) []byte {
	num := func(b []byte, field int, v uint64) []byte {
		return binary.AppendUvarint(binary.AppendUvarint(b, uint64(field)<<3), v)
	}
	str := func(b []byte, field int, s []byte) []byte {
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(field)<<3|2), uint64(len(s)))
		return append(b, s...)
	}
	fill := bytes.Repeat([]byte("."), max(0, int(size)/len(pr.metas)-110))
	var ops []byte
	for i, m := range pr.metas {
		op := str(nil, 1, []byte(m.short))
		op = str(op, 2, []byte("copy"))
		op = str(op, 7, str(nil, 2, []byte(m.scope)))
		op = num(op, 35, uint64(i+1))
		ops = str(ops, 2, str(op, 43, fill))
	}
	comp := append(str(nil, 1, []byte("main")), ops...)
	comp = num(num(comp, 5, 1), 6, uint64(len(pr.metas)))
	module := str(str(nil, 1, []byte("jit_score")), 2, []byte("main"))
	return str(nil, 1, num(str(module, 3, comp), 6, 1))
}

// hostPlane writes threads that dispatch the program, of about size bytes.
func (pr *program) hostPlane(xw *xspace.Writer, size int64) error {
	const threads, perEvent = 16, 17
	return xw.Plane(3, "/host:CPU", func(pw *xspace.PlaneWriter) error {
		for i := range int64(threads) {
			err := pw.Line(xspace.LineHead{ID: i + 1, Name: fmt.Sprintf("dispatch/%d", i)}, func(lw *xspace.LineWriter) error {
				for k := range size / threads / perEvent {
					if err := lw.Event(&xspace.Event{MetadataID: 1, OffsetPs: firstPs + k*2_000_000, DurationPs: 1_500_000}); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return pw.EventMeta(&xspace.EventMeta{Key: 1, ID: 1, Name: "PjRtExecutable::Execute"})
	})
}
