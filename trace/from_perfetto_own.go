// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/layerscope/layerscope/trace/internal/perfetto"
	"github.com/layerscope/layerscope/trace/internal/tracetxt"
)

// Files of our own writer hold what the format has no place for in private
// packets: the letter t and zlib of a part of the text form, all but events, and
// a letter e at the end. Tracks have a uuid in the text. Events refer to ops by
// number and carry what nanoseconds cut off.
const (
	privateText = 't'
	privateEnd  = 'e'
)

// Names of annotations that carry what is needed to restore an event.
const (
	annotationOp       = "op"
	annotationStart    = "start_ps" // of the nanosecond, 0 to 999
	annotationDur      = "dur_ps"   // if it is not the whole nanoseconds of the slice
	annotationRunFLOPs = "run_flops"
	annotationRunBytes = "run_bytes"
)

// Uuids of our own tracks: a mark, the number of the lane (tracks whose events
// overlap take several), the number of the track from 1. Numbers from derivedTrack
// on are of tracks that are made from others when the file is written.
const (
	uuidMark     = 0x6c73 << 48
	uuidLane     = 32
	uuidTrack    = 1<<uuidLane - 1
	derivedTrack = 1 << 31
	maxLanes     = 1 << 10
)

// An ownModel restores what our own writer wrote.
type ownModel struct {
	text   *textReader
	shift  int64 // ns that times were moved by
	tracks map[uint64]*columns
	lanes  []*ownLane // by the number of the track's uuid
	budget int64      // bytes that private packets may still expand to
	ops    []OpID     // by number in the file
	whole  bool       // the end was read

	index     map[*columns]int // tracks by their columns
	flows     []ownFlow
	flowKinds []string
}

// An ownLane is a lane of a track being read.
type ownLane struct {
	known bool
	c     *columns // nil: a derived track
	open  []openSlice
}

type openSlice struct {
	i     int   // in the columns
	ns    int64 // of the begin
	exact bool  // the duration is known
}

// private takes a private packet.
func (x *perfettoReader) private(b []byte) error {
	if x.own == nil {
		limit := x.opts.MaxDecompressed
		if limit <= 0 {
			limit = 4 << 30
		}
		x.own = &ownModel{text: newTextReader(x.t, limit), tracks: map[uint64]*columns{}, index: map[*columns]int{}, budget: limit}
	}
	if err := x.own.part(x.t, b); err != nil {
		x.t.find(Finding{Code: "damaged", Severity: Error, Message: "what layerscope keeps in its own files: " + err.Error(), Hint: "devices and operations may be missing: convert the original again"})
	}
	return nil
}

func (o *ownModel) part(t *Trace, b []byte) error {
	if len(b) == 0 {
		return errors.New("an empty part")
	}
	if b[0] == privateEnd {
		o.whole = true
		return nil
	}
	if b[0] != privateText {
		return fmt.Errorf("a part of kind %q, which a later version writes", b[0])
	}
	z, err := zlib.NewReader(bytes.NewReader(b[1:]))
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(z, o.budget))
	if err != nil {
		return err
	}
	if o.budget -= int64(len(text)); o.budget <= 0 {
		return errors.New("expands to more than is allowed")
	}
	return tracetxt.Read(bytes.NewReader(text), func(l *tracetxt.Line) error { return o.line(t, l) })
}

// line takes a line of the text form.
func (o *ownModel) line(t *Trace, l *tracetxt.Line) error {
	switch l.Word {
	case "perfetto":
		var err error
		o.shift, err = l.Key("shift")
		return err
	case "track":
		uuid, err := strconv.ParseUint(l.Values["uuid"], 10, 64)
		if err != nil {
			return l.Errorf("a track with uuid %q", l.Values["uuid"])
		}
		if err := o.text.line(l); err != nil {
			return err
		}
		o.tracks[uuid] = o.text.track
		o.index[o.text.track] = len(t.Tracks) - 1
		return nil
	case "flow-kind":
		o.flowKinds = append(o.flowKinds, l.Arg(0))
		return nil
	case "op":
		o.ops = append(o.ops, OpID(len(t.Ops)))
	case "hlo":
		return l.Errorf("HLO in the text")
	}
	return o.text.line(l)
}

// lane returns the lane of an event's track.
func (o *ownModel) lane(ev *perfetto.Event) *ownLane {
	if int(ev.Lane) < len(o.lanes) && o.lanes[ev.Lane] != nil {
		return o.lanes[ev.Lane]
	}
	ln := &ownLane{}
	if number := ev.Track & uuidTrack; ev.Track>>48 == uuidMark>>48 {
		ln.c = o.tracks[uuidMark|number]
		ln.known = ln.c != nil || number >= derivedTrack
	}
	if ln.known { // a description may still come
		o.lanes = pad(o.lanes, int(ev.Lane)+1)
		o.lanes[ev.Lane] = ln
	}
	return ln
}

// event takes an event of one of our own tracks; false says it is of another.
func (o *ownModel) event(x *perfettoReader) bool {
	ev := &x.rd.Event
	ln := o.lane(ev)
	if !ln.known || ln.c == nil {
		return ln.known
	}
	x.last = max(x.last, ev.Ns)
	ns := min(ev.Ns-o.shift, longest)
	if ev.Type == perfetto.End {
		n := len(ln.open) - 1
		if n < 0 {
			x.stray++
			return true
		}
		if s := ln.open[n]; !s.exact {
			ln.c.dur[s.i] = Duration(ns-s.ns) * Nanosecond
		}
		ln.open = ln.open[:n]
		return true
	}
	o.add(x, ln, ns)
	return true
}

// add adds the slice or sample at hand.
func (o *ownModel) add(x *perfettoReader, ln *ownLane, ns int64) {
	ev, c := &x.rd.Event, ln.c
	var v [roleRunBytes + 1]int64
	var has [roleRunBytes + 1]bool
	for a := range x.rd.Annotations {
		if r := x.role(a.Name); r == roleRun || r >= roleOp {
			v[r], has[r] = a.Int()
		}
	}
	var id OpID
	if n := v[roleOp]; has[roleOp] && n >= 0 && n < int64(len(o.ops)) {
		id = o.ops[n]
	} else {
		id = x.plainOp(ev.Name, ev.Category)
	}
	i := c.len()
	c.add(id, Time(ns*1000+max(0, min(v[roleStartPs], 999))), Duration(max(0, v[roleDurPs])))
	if has[roleRun] || c.run != nil {
		c.run = append(pad(c.run, i), v[roleRun])
	}
	if has[roleRunFLOPs] || has[roleRunBytes] || c.flops != nil {
		c.flops, c.mem = append(pad(c.flops, i), v[roleRunFLOPs]), append(pad(c.mem, i), v[roleRunBytes])
	}
	switch ev.Type {
	case perfetto.Counter:
		c.value = append(pad(c.value, i), ev.Value)
	case perfetto.Begin:
		ln.open = append(ln.open, openSlice{i, ns, has[roleDurPs]})
	}
	if len(ev.Flows)+len(ev.EndFlows) > 0 {
		o.flow(c, i, ev.Flows, flowStart)
		o.flow(c, i, ev.EndFlows, flowLast)
	}
}

// finish closes what is open and orders the tracks.
func (o *ownModel) finish(x *perfettoReader) {
	if !o.whole && !slices.ContainsFunc(x.rd.Problems(), func(p perfetto.Problem) bool { return p.Code == perfetto.Truncated }) {
		x.t.find(Finding{Code: "truncated", Severity: Error, Message: "the input ends between packets, before the last one", Hint: "all packets were kept; copy the file again"})
	}
	for _, ln := range o.lanes {
		if ln == nil || ln.c == nil {
			continue
		}
		for _, s := range ln.open {
			x.open++
			if !s.exact {
				ln.c.dur[s.i] = Duration(max(0, min(x.last-o.shift, longest)-s.ns)) * Nanosecond
			}
		}
	}
	o.finishFlows(x.t, func(c *columns) []int {
		c.fill()
		return c.order()
	})
	if err := o.text.finish(); err != nil {
		x.t.find(Finding{Code: "damaged", Severity: Error, Message: "what layerscope keeps in its own files: " + err.Error()})
	}
	// HLO of programs that ran no op is kept as bytes, as it is from an XSpace.
	used := map[int]bool{}
	for i := range x.t.Ops {
		used[x.t.Ops[i].Program] = true
	}
	for i := range x.t.Programs {
		if !used[i] {
			x.t.Programs[i].Module = nil
		}
	}
	for _, tr := range x.t.Tracks {
		if c, ok := tr.source.(*columns); ok && tr.Bytes == 0 {
			tr.Bytes = int64(24 * c.len())
			tr.source = c.split()
		}
	}
}

// split keeps events apart from sums of events, which batches don't mix.
func (c *columns) split() source {
	if c.count == nil {
		return c
	}
	n := slices.IndexFunc(c.count, func(n int32) bool { return n > 0 })
	if n <= 0 {
		return c
	}
	plain := &columns{op: c.op[:n], start: c.start[:n], dur: c.dur[:n]}
	sums := &columns{op: c.op[n:], start: c.start[n:], dur: c.dur[n:], count: c.count[n:], self: c.self[n:], min: c.min[n:]}
	if c.run != nil {
		plain.run = c.run[:n]
	}
	if c.flops != nil {
		plain.flops, plain.mem = c.flops[:n], c.mem[:n]
	}
	return sources{plain, sums}
}

// sources is one track from several.
type sources []source

func (s sources) batches(yield func(*Batch, error) bool) {
	more := true
	for _, one := range s {
		one.batches(func(b *Batch, err error) bool {
			more = yield(b, err)
			return more
		})
		if !more {
			return
		}
	}
}

// fill makes the optional columns as long as the others.
func (c *columns) fill() {
	n := c.len()
	if c.run != nil {
		c.run = pad(c.run, n)
	}
	if c.count != nil {
		c.count, c.self, c.min = pad(c.count, n), pad(c.self, n), pad(c.min, n)
	}
	if c.flops != nil {
		c.flops, c.mem = pad(c.flops, n), pad(c.mem, n)
	}
	if c.value != nil {
		c.value = pad(c.value, n)
	}
}

// before says whether event i comes before event j: by start, longest first, sums
// behind all others.
func (c *columns) before(i, j int) int {
	if c.count != nil && (c.count[i] > 0) != (c.count[j] > 0) {
		if c.count[i] > 0 {
			return 1
		}
		return -1
	}
	switch {
	case c.start[i] != c.start[j]:
		return compareInt(int64(c.start[i]), int64(c.start[j]))
	default:
		return compareInt(int64(c.dur[j]), int64(c.dur[i]))
	}
}

func compareInt(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// order sorts the events. It returns the old numbers of the events in their new
// order; nil if nothing changed.
func (c *columns) order() []int {
	n := c.len()
	sorted := true
	for i := 1; i < n && sorted; i++ {
		sorted = c.before(i-1, i) <= 0
	}
	if sorted {
		return nil
	}
	at := make([]int, n)
	for i := range at {
		at[i] = i
	}
	slices.SortStableFunc(at, c.before)
	permute(&c.op, at)
	permute(&c.start, at)
	permute(&c.dur, at)
	permute(&c.run, at)
	permute(&c.count, at)
	permute(&c.self, at)
	permute(&c.min, at)
	permute(&c.flops, at)
	permute(&c.mem, at)
	permute(&c.value, at)
	return at
}

func permute[T any](s *[]T, at []int) {
	if *s == nil {
		return
	}
	out := make([]T, len(at))
	for i, k := range at {
		out[i] = (*s)[k]
	}
	*s = out
}
