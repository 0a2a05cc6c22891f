// SPDX-License-Identifier: Apache-2.0

package xspace

import "io"

// maxHeaders bounds what [IndexSome] notes of a hostile file's planes.
const maxHeaders = 1 << 16

// A Header says where one XPlane message is and what its name is, without what
// it holds. Several headers may have one name: their planes are united.
type Header struct {
	Name  string
	Bytes int64 // of the message

	off, end int64
	cut      bool // the file ends inside it
	damaged  bool // the name is not known
}

// An Outline is an XSpace seen from outside.
type Outline struct {
	Planes    []Header
	Hostnames []string
}

// Expecter is what a reader may be beside an io.ReaderAt, when a read costs a
// round trip: it is told of stretches that will be read whole, or nearly so.
type Expecter interface {
	Expect(off, end int64)
}

// IndexSome is [Index] for files where bytes are dear. It first jumps from plane
// to plane, reading their names only, and then indexes those that choose returns
// true for, by header; the others are not in the Space, nor is their damage. A
// name before a plane's lines costs a few bytes; one behind them is found by
// jumping over lines and metadata. If a plane has several names, which no writer
// does, the first decides.
func IndexSome(r io.ReaderAt, size int64, choose func(*Outline) []bool) (*Space, error) {
	if size <= 0 {
		return nil, ErrEmpty
	}
	ix := newIndexer(r, size)
	var out Outline
	ix.outline = &out
	err := ix.space()
	if err == nil {
		out.Hostnames = ix.sp.Hostnames
		err = ix.chosen(&out, choose(&out))
	}
	return ix.done(err)
}

// chosen indexes the planes of an outline that keep is true for.
func (ix *indexer) chosen(out *Outline, keep []bool) error {
	reader, _ := ix.sp.r.(Expecter)
	for i, h := range out.Planes {
		if reader != nil && keep[i] {
			reader.Expect(h.off, h.end)
		}
	}
	for i, h := range out.Planes {
		if !keep[i] && !h.damaged {
			continue
		}
		if err := ix.plane(h.off, h.end, h.cut); err != nil {
			return err
		}
	}
	return nil
}

// header notes the plane in [off, end) and looks for its name.
func (ix *indexer) header(off, end int64, cut bool) error {
	if len(ix.outline.Planes) >= maxHeaders {
		ix.problem(CodeLimit, off, "more planes than are kept: the rest is left out")
		return nil
	}
	h := Header{Bytes: end - off, off: off, end: end, cut: cut}
	for off < end {
		f, next, err := ix.cu.field(off, end)
		if isDamage(err) {
			h.damaged = true
			break
		}
		if err != nil {
			return err
		}
		if f.num == planeName && f.wire == wireBytes {
			f.end = min(f.end, end)
			if h.Name, err = ix.cu.text(f); err != nil {
				return err
			}
			break
		}
		off = next
	}
	ix.outline.Planes = append(ix.outline.Planes, h)
	return nil
}
