// SPDX-License-Identifier: Apache-2.0

package perfetto

import (
	"bufio"
	"encoding/binary"
	"io"
	"math"
)

// A Writer writes one trace with one packet sequence. Strings are interned;
// every few megabytes the state is cleared and built up again, so that a file
// that lost its beginning or its end can still be read. Memory is bounded by the
// distinct strings. The first error is kept for Close.
type Writer struct {
	w       *bufio.Writer
	err     error
	seq     uint64
	every   int64
	written int64 // bytes
	cleared int64 // written, when the state was cleared last
	packets int64
	track   uint64 // default of events

	pk, ev, sub, in []byte // packet, event, a message in it, interned data
	gen             uint32
	refs            []ref
	at              map[refKey]Ref
}

// A Ref is an interned string of a Writer.
type Ref uint32

// A Table is one of the tables that strings are interned in.
type Table uint8

// The tables.
const (
	Names            Table = internedNames
	CategoryNames    Table = internedCategories
	AnnotationNames  Table = internedAnnotations
	AnnotationValues Table = internedValues
)

type refKey struct {
	table Table
	text  string
}

type ref struct {
	refKey
	iid uint64
	gen uint32 // the state that it was defined in last
}

// NewWriter returns a Writer that clears its state when more than every bytes
// were written since; 4 MiB if 0.
func NewWriter(w io.Writer, every int64) *Writer {
	if every <= 0 {
		every = 4 << 20
	}
	return &Writer{w: bufio.NewWriterSize(w, 256<<10), seq: 1, every: every, at: map[refKey]Ref{}}
}

// Intern returns the ref of a string in a table.
func (w *Writer) Intern(t Table, s string) Ref {
	k := refKey{t, s}
	r, ok := w.at[k]
	if !ok {
		r = Ref(len(w.refs))
		w.at[k] = r
		w.refs = append(w.refs, ref{refKey: k, iid: uint64(r) + 1})
	}
	return r
}

// id returns the id of an interned string, and defines it in the packet at hand
// unless this state has it.
func (w *Writer) id(r Ref) uint64 {
	e := &w.refs[r]
	if e.gen != w.gen {
		e.gen = w.gen
		w.sub = appendUint(w.sub[:0], 1, e.iid)
		w.sub = appendString(w.sub, 2, e.text)
		w.in = appendMessage(w.in, int(e.table), w.sub)
	}
	return e.iid
}

// Packets returns the number of packets written.
func (w *Writer) Packets() int64 { return w.packets }

// Clear clears the state of the sequence: interned strings are defined again where
// they are used next.
func (w *Writer) Clear() {
	w.gen++
	w.cleared = w.written
	w.pk = appendUint(w.pk[:0], packetSequence, w.seq)
	w.pk = appendUint(w.pk, packetFlags, flagCleared)
	if w.gen == 1 {
		w.pk = appendUint(w.pk, packetFirst, 1)
	}
	w.defaults()
	w.packet()
}

// defaults adds the sequence's defaults to the packet at hand.
func (w *Writer) defaults() {
	if w.track == 0 {
		return
	}
	w.ev = appendUint(w.ev[:0], eventTrack, w.track)
	w.sub = appendMessage(w.sub[:0], packetTrackEvent, w.ev)
	w.pk = appendMessage(w.pk, packetDefaults, w.sub)
}

// Default makes a track the one of events that name none.
func (w *Writer) Default(track uint64) {
	w.track = track
	w.pk = appendUint(w.pk[:0], packetSequence, w.seq)
	w.pk = appendUint(w.pk, packetFlags, flagNeeds)
	w.defaults()
	w.packet()
}

// Snapshot relates boot time, the clock of all events, to Unix time.
func (w *Writer) Snapshot(boot, unix int64) {
	w.ev = w.ev[:0]
	for _, c := range [][2]int64{{ClockBoottime, boot}, {ClockRealtime, unix}} {
		w.sub = appendUint(w.sub[:0], clockID, uint64(c[0]))
		w.sub = appendUint(w.sub, clockTimestamp, uint64(c[1]))
		w.ev = appendMessage(w.ev, snapshotClocks, w.sub)
	}
	w.ev = appendUint(w.ev, snapshotPrimary, ClockBoottime)
	w.pk = appendUint(w.pk[:0], packetSequence, w.seq)
	w.pk = appendMessage(w.pk, packetClockSnapshot, w.ev)
	w.packet()
}

// SetAttributes says what the trace is about.
func (w *Writer) SetAttributes(list []Attribute) {
	w.ev = w.ev[:0]
	for _, a := range list {
		w.sub = appendString(w.sub[:0], 1, a.Key)
		if a.IsInt {
			w.sub = appendUint(w.sub, 2, uint64(a.Int))
		} else {
			w.sub = appendString(w.sub, 3, a.Text)
		}
		w.ev = appendMessage(w.ev, 1, w.sub)
	}
	w.pk = appendUint(w.pk[:0], packetSequence, w.seq)
	w.pk = appendMessage(w.pk, packetAttributes, w.ev)
	w.packet()
}

// SetPrivate writes what only our own reader knows.
func (w *Writer) SetPrivate(b []byte) {
	w.pk = appendUint(w.pk[:0], packetSequence, w.seq)
	w.pk = appendMessage(w.pk, PrivateField, b)
	w.packet()
}

// OrderProcesses says that processes have the order of their ranks. Versions of
// Perfetto before 2026 order them themselves.
func (w *Writer) OrderProcesses() {
	w.ev = appendUint(w.ev[:0], trackUUID, 0)
	w.ev = appendUint(w.ev, trackProcessOrder, 1)
	w.pk = appendUint(w.pk[:0], packetSequence, w.seq)
	w.pk = appendMessage(w.pk, packetTrack, w.ev)
	w.packet()
}

// A TrackSpec describes a track that is written.
type TrackSpec struct {
	UUID, Parent uint64
	Name         string
	Description  string
	Rank         int // order among its siblings, if Ordered
	Ordered      bool
	ChildrenByRank,
	Apart bool // not drawn in one lane with siblings of its name

	Process bool // Pid and Name are of a process
	Thread  bool // Pid, Tid and Name are of a thread
	Pid     int32
	Tid     int64

	Counter  bool
	Unit     string // "bytes", "ns", "count", or any other
	ShareKey string // counters with the same key share a scale
}

const (
	trackChildOrder = 11
	trackRank       = 12
	trackMerge      = 15

	trackProcessOrder = 19

	orderExplicit = 3
	mergeNone     = 2
	counterShare  = 7
)

// Describe writes a track's description. Counters must be described before their
// values.
func (w *Writer) Describe(t TrackSpec) {
	b := appendUint(w.ev[:0], trackUUID, t.UUID)
	if t.Parent != 0 {
		b = appendUint(b, trackParent, t.Parent)
	}
	switch {
	case t.Process:
		w.sub = appendInt(w.sub[:0], processPid, int64(t.Pid))
		w.sub = appendString(w.sub, processName, t.Name)
		b = appendMessage(b, trackProcess, w.sub)
	case t.Thread:
		w.sub = appendInt(w.sub[:0], threadPid, int64(t.Pid))
		w.sub = appendInt(w.sub, threadTid, t.Tid)
		w.sub = appendString(w.sub, threadName, t.Name)
		b = appendMessage(b, trackThread, w.sub)
	case t.Name != "":
		b = appendString(b, trackName, t.Name)
	}
	if t.Counter {
		w.sub = w.sub[:0]
		switch t.Unit {
		case "ns", "count", "bytes":
			for i, u := range counterUnits {
				if u == t.Unit {
					w.sub = appendUint(w.sub, counterUnit, uint64(i))
				}
			}
		case "":
		default:
			w.sub = appendString(w.sub, counterUnitName, t.Unit)
		}
		if t.ShareKey != "" {
			w.sub = appendString(w.sub, counterShare, t.ShareKey)
		}
		b = appendMessage(b, trackCounter, w.sub)
	}
	if t.Description != "" {
		b = appendString(b, trackDescription, t.Description)
	}
	if t.ChildrenByRank {
		b = appendUint(b, trackChildOrder, orderExplicit)
	}
	if t.Ordered {
		b = appendInt(b, trackRank, int64(t.Rank))
	}
	if t.Apart {
		b = appendUint(b, trackMerge, mergeNone)
	}
	w.ev = b
	w.pk = appendUint(w.pk[:0], packetSequence, w.seq)
	w.pk = appendMessage(w.pk, packetTrack, w.ev)
	w.packet()
}

// Start begins an event at a time in ns. What follows, up to Finish, is about it.
func (w *Writer) Start(typ Type, ns uint64) {
	if w.gen == 0 || w.written-w.cleared > w.every {
		w.Clear()
	}
	w.pk = appendUint(w.pk[:0], packetTimestamp, ns)
	w.in = w.in[:0]
	w.ev = appendUint(w.ev[:0], eventType, uint64(typ))
}

// On names the event's track, where it is not the default.
func (w *Writer) On(track uint64) {
	if track != w.track {
		w.ev = appendUint(w.ev, eventTrack, track)
	}
}

// Name and Category name the event.
func (w *Writer) Name(r Ref)     { w.ev = appendUint(w.ev, eventNameID, w.id(r)) }
func (w *Writer) Category(r Ref) { w.ev = appendUint(w.ev, eventCategoryIDs, w.id(r)) }

// Flow and EndFlow bind the event to a flow, as one of its steps or as its end.
func (w *Writer) Flow(id uint64) { w.ev = appendFixed(w.ev, eventFlows, id) }

// EndFlow is the end of a flow.
func (w *Writer) EndFlow(id uint64) { w.ev = appendFixed(w.ev, eventEndFlows, id) }

// Value is the value of a counter event.
func (w *Writer) Value(v float64) {
	if i := int64(v); float64(i) == v && i > -1<<53 && i < 1<<53 && (i != 0 || !math.Signbit(v)) {
		w.ev = appendUint(w.ev, eventCounter, uint64(i))
		return
	}
	w.ev = appendFixed(w.ev, eventDouble, math.Float64bits(v))
}

// Uint, Int and Text add an annotation.
func (w *Writer) Uint(name Ref, v uint64) { w.annotate(name, annotationUint, v) }

// Int adds a signed annotation.
func (w *Writer) Int(name Ref, v int64) { w.annotate(name, annotationInt, uint64(v)) }

// Text adds an annotation whose value is interned.
func (w *Writer) Text(name, value Ref) { w.annotate(name, annotationValueID, w.id(value)) }

func (w *Writer) annotate(name Ref, num int, v uint64) {
	iid := w.id(name)
	at := len(w.ev) + 1
	w.ev = append(w.ev, eventAnnotations<<3|wireBytes, 0)
	w.ev = appendUint(w.ev, annotationNameID, iid)
	w.ev = appendUint(w.ev, num, v)
	w.ev[at] = byte(len(w.ev) - at - 1) // two varints with tags: below 128
}

// Finish writes the event.
func (w *Writer) Finish() {
	w.pk = appendMessage(w.pk, packetTrackEvent, w.ev)
	if len(w.in) > 0 {
		w.pk = appendMessage(w.pk, packetInterned, w.in)
	}
	w.pk = appendUint(w.pk, packetSequence, w.seq)
	w.pk = appendUint(w.pk, packetFlags, flagNeeds)
	w.packet()
}

// packet writes the packet at hand.
func (w *Writer) packet() {
	var head [1 + binary.MaxVarintLen64]byte
	head[0] = packetTag
	n := 1 + binary.PutUvarint(head[1:], uint64(len(w.pk)))
	w.packets++
	w.written += int64(n + len(w.pk))
	if w.err != nil {
		return
	}
	if _, w.err = w.w.Write(head[:n]); w.err == nil {
		_, w.err = w.w.Write(w.pk)
	}
}

// Close writes what is left in the buffer and returns the first error. It does not
// close the stream below.
func (w *Writer) Close() error {
	if err := w.w.Flush(); w.err == nil {
		w.err = err
	}
	return w.err
}

// Err returns the first error.
func (w *Writer) Err() error { return w.err }

func appendUint(b []byte, num int, v uint64) []byte {
	b = binary.AppendUvarint(b, uint64(num)<<3|wireVarint)
	return binary.AppendUvarint(b, v)
}

func appendInt(b []byte, num int, v int64) []byte { return appendUint(b, num, uint64(v)) }

func appendFixed(b []byte, num int, v uint64) []byte {
	b = binary.AppendUvarint(b, uint64(num)<<3|wireI64)
	return binary.LittleEndian.AppendUint64(b, v)
}

func appendString(b []byte, num int, s string) []byte {
	b = binary.AppendUvarint(b, uint64(num)<<3|wireBytes)
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func appendMessage(b []byte, num int, m []byte) []byte {
	b = binary.AppendUvarint(b, uint64(num)<<3|wireBytes)
	b = binary.AppendUvarint(b, uint64(len(m)))
	return append(b, m...)
}
