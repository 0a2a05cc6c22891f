// SPDX-License-Identifier: Apache-2.0

package xspace

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A Writer writes one XSpace to a stream, fields in the order of their numbers,
// proto3 zeros left out, as protobuf libraries do. Planes come first, then errors,
// warnings and host names; Close ends it. Memory is bounded by 8 bytes a line and
// the largest event, whatever the size of the output.
type Writer struct {
	w     *bufio.Writer
	stage int
	buf   []byte
}

// NewWriter returns a Writer on w. The output is buffered until Close.
func NewWriter(w io.Writer) *Writer {
	return &Writer{w: bufio.NewWriterSize(w, 256<<10)}
}

// Close flushes the output; it does not close the stream below.
func (w *Writer) Close() error { return w.w.Flush() }

// Error, Warning and Hostname add one such text.
func (w *Writer) Error(s string) error    { return w.text(spaceErrors, s) }
func (w *Writer) Warning(s string) error  { return w.text(spaceWarnings, s) }
func (w *Writer) Hostname(s string) error { return w.text(spaceHostnames, s) }

func (w *Writer) text(num int, s string) error {
	if err := w.advance(num); err != nil {
		return err
	}
	w.buf = appendBytes(w.buf[:0], num, []byte(s)) // of a repeated field "" counts
	_, err := w.w.Write(w.buf)
	return err
}

func (w *Writer) advance(num int) error {
	if num < w.stage {
		return fmt.Errorf("field %d of XSpace after field %d: wanted ascending order", num, w.stage)
	}
	w.stage = num
	return nil
}

// errUneven is what a plane body gets that writes other bytes the second time.
var errUneven = errors.New("the body of a plane wrote different lengths in its two passes")

// Plane writes one plane. Its length goes before its content, so body runs twice,
// first to count bytes and then to write them, and must do the same both times:
// first all lines, then event metadata, stat metadata, the plane's stats.
func (w *Writer) Plane(id int64, name string, body func(*PlaneWriter) error) error {
	if err := w.advance(spacePlanes); err != nil {
		return err
	}
	head := appendInt(nil, planeID, id)
	head = appendString(head, planeName, name)
	pw := &PlaneWriter{}
	if err := body(pw); err != nil {
		return err
	}
	w.buf = append(w.buf[:0], spacePlanes<<3|wireBytes)
	w.buf = binary.AppendUvarint(w.buf, uint64(len(head))+uint64(pw.n))
	w.buf = append(w.buf, head...)
	if _, err := w.w.Write(w.buf); err != nil {
		return err
	}
	second := &PlaneWriter{w: w.w, sizes: pw.sizes}
	if err := body(second); err != nil {
		return err
	}
	if second.n != pw.n || second.line != len(pw.sizes) {
		return errUneven
	}
	return second.err
}

// A PlaneWriter writes the content of one plane; see [Writer.Plane].
type PlaneWriter struct {
	w     *bufio.Writer // nil while counting
	n     int64         // bytes written or counted
	sizes []int64       // of the lines' content
	line  int
	stage int
	buf   []byte
	lw    LineWriter
	err   error
}

func (pw *PlaneWriter) advance(num int) error {
	if num < pw.stage {
		return fmt.Errorf("field %d of XPlane after field %d: wanted lines, event metadata, stat metadata, stats", num, pw.stage)
	}
	pw.stage = num
	return nil
}

func (pw *PlaneWriter) write(b []byte) {
	pw.n += int64(len(b))
	if pw.w != nil && pw.err == nil {
		_, pw.err = pw.w.Write(b)
	}
}

// A LineHead is the scalar fields of an XLine.
type LineHead struct {
	ID, DisplayID           int64
	Name, DisplayName       string
	TimestampNs, DurationPs int64
}

// Line writes one line, whose events body writes.
func (pw *PlaneWriter) Line(head LineHead, body func(*LineWriter) error) error {
	if err := pw.advance(planeLines); err != nil {
		return err
	}
	front := appendInt(nil, lineID, head.ID)
	front = appendString(front, lineName, head.Name)
	front = appendInt(front, lineTimestamp, head.TimestampNs)
	back := appendInt(nil, lineDuration, head.DurationPs)
	back = appendInt(back, lineDisplayID, head.DisplayID)
	back = appendString(back, lineDisplayName, head.DisplayName)
	i := pw.line
	pw.line++
	if pw.w == nil {
		pw.sizes = append(pw.sizes, 0)
	} else if i >= len(pw.sizes) {
		return errUneven
	} else {
		pw.buf = append(pw.buf[:0], planeLines<<3|wireBytes)
		pw.write(binary.AppendUvarint(pw.buf, uint64(pw.sizes[i])))
	}
	start := pw.n
	pw.write(front)
	pw.lw.pw = pw
	if err := body(&pw.lw); err != nil {
		return err
	}
	pw.write(back)
	if size := pw.n - start; pw.w == nil {
		pw.sizes[i] = size
		pw.n += int64(len(binary.AppendUvarint(pw.buf[:0], uint64(size)))) + 1
	} else if size != pw.sizes[i] {
		return errUneven
	}
	return pw.err
}

// A LineWriter writes the events of one line; see [PlaneWriter.Line].
type LineWriter struct {
	pw         *PlaneWriter
	event, out []byte
}

// Event writes one event. Of its stats ID, Kind and value matter.
func (lw *LineWriter) Event(ev *Event) error {
	b := appendInt(lw.event[:0], eventID, ev.MetadataID)
	if !ev.Aggregated {
		b = append(b, eventOffset<<3|wireVarint)
		b = binary.AppendUvarint(b, uint64(ev.OffsetPs))
	}
	b = appendInt(b, eventDuration, ev.DurationPs)
	for i := range ev.Stats {
		b = appendStat(b, eventStats, &ev.Stats[i])
	}
	if ev.Aggregated {
		b = append(b, eventOccurrences<<3|wireVarint)
		b = binary.AppendUvarint(b, uint64(ev.Occurrences))
	}
	lw.event = b
	lw.out = append(binary.AppendUvarint(append(lw.out[:0], tagEvent), uint64(len(b))), b...)
	lw.pw.write(lw.out)
	return lw.pw.err
}

// EventMeta writes one entry of the event metadata.
func (pw *PlaneWriter) EventMeta(em *EventMeta) error {
	if err := pw.advance(planeEvents); err != nil {
		return err
	}
	b := appendInt(nil, metaID, em.ID)
	b = appendString(b, metaName, em.Name)
	if len(em.Metadata) > 0 {
		b = appendBytes(b, metaBytes, em.Metadata)
	}
	b = appendString(b, metaDisplayName, em.DisplayName)
	for i := range em.Stats {
		b = appendStat(b, metaStats, &em.Stats[i])
	}
	if len(em.Children) > 0 {
		var ids []byte
		for _, id := range em.Children {
			ids = binary.AppendUvarint(ids, uint64(id))
		}
		b = appendBytes(b, metaChildren, ids)
	}
	return pw.mapEntry(planeEvents, em.Key, b)
}

// StatMeta writes one entry of the stat metadata.
func (pw *PlaneWriter) StatMeta(sm *StatMeta) error {
	if err := pw.advance(planeStats); err != nil {
		return err
	}
	b := appendInt(nil, metaID, sm.ID)
	b = appendString(b, metaName, sm.Name)
	b = appendString(b, metaDescription, sm.Description)
	return pw.mapEntry(planeStats, sm.Key, b)
}

// Stat writes one stat of the plane itself.
func (pw *PlaneWriter) Stat(st *Stat) error {
	if err := pw.advance(planeStat); err != nil {
		return err
	}
	pw.buf = appendStat(pw.buf[:0], planeStat, st)
	pw.write(pw.buf)
	return pw.err
}

// mapEntry writes key and value; map entries have both even when zero.
func (pw *PlaneWriter) mapEntry(num int, key int64, val []byte) error {
	b := append([]byte(nil), mapKey<<3|wireVarint)
	b = binary.AppendUvarint(b, uint64(key))
	b = appendBytes(b, mapValue, val)
	pw.buf = appendBytes(pw.buf[:0], num, b)
	pw.write(pw.buf)
	return pw.err
}

func appendInt(b []byte, num int, v int64) []byte {
	if v == 0 {
		return b
	}
	return binary.AppendUvarint(append(b, byte(num<<3|wireVarint)), uint64(v))
}

func appendString(b []byte, num int, s string) []byte {
	if s == "" {
		return b
	}
	b = binary.AppendUvarint(append(b, byte(num<<3|wireBytes)), uint64(len(s)))
	return append(b, s...)
}

func appendBytes(b []byte, num int, v []byte) []byte {
	b = binary.AppendUvarint(append(b, byte(num<<3|wireBytes)), uint64(len(v)))
	return append(b, v...)
}

// appendStat appends an XStat as field num. A oneof member is there even when it
// is zero.
func appendStat(b []byte, num int, st *Stat) []byte {
	at := len(b) + 2
	b = append(b, byte(num<<3|wireBytes), 0)
	b = appendInt(b, statID, st.ID)
	switch st.Kind {
	case Double:
		b = binary.LittleEndian.AppendUint64(append(b, statDouble<<3|wireI64), st.Bits)
	case Uint, Int, Ref:
		num := statField(st.Kind)
		b = binary.AppendUvarint(append(b, num<<3|wireVarint), st.Bits)
	case String:
		b = appendBytes(b, statString, st.Raw)
	case Bytes:
		b = appendBytes(b, statBytes, st.Raw)
	}
	n := len(b) - at
	if n < 0x80 {
		b[at-1] = byte(n)
		return b
	}
	var size [10]byte
	wide := binary.PutUvarint(size[:], uint64(n))
	b = append(b, size[:wide-1]...)
	copy(b[at-1+wide:], b[at:at+n])
	copy(b[at-1:], size[:wide])
	return b
}

func statField(k Kind) byte {
	switch k {
	case Uint:
		return statUint
	case Int:
		return statInt
	}
	return statRefTo
}
