// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"

	"github.com/layerscope/layerscope/trace/internal/inflate"
	"github.com/layerscope/layerscope/trace/internal/perfetto"
)

const formatPerfetto = "perfetto"

// A perfettoReader maps a Perfetto trace onto a Trace.
type perfettoReader struct {
	t    *Trace
	rd   *perfetto.Reader
	host string
	opts Options

	byTrack []*perfettoLane // by the number of the track's uuid
	others  map[perfettoKey]*perfettoLane
	lanes   []*perfettoLane
	tracks  map[uint64]*perfetto.Track
	names   map[perfettoKey]string // of processes and threads
	pending []pendingTime
	last    int64 // latest time seen
	zero    int64 // what is Time 0
	open    int64 // slices without an end
	stray   int64 // ends without a slice

	plain  map[uint64]OpID // events without facts, by name and category
	latest []plainOf       // the last found of each name
	ops    map[uint64]OpID // events with facts, by the hash of what tells them apart
	known  []opFacts       // what facts say, by OpID − first
	hash   maphash.Hash
	first  OpID // ops of this file begin here
	roles  []annotationRole
	seed   maphash.Seed
	progs  map[string]int
	marks  []bool    // by OpID: a step or a compilation
	own    *ownModel // of a file of our own writer
	lossy  perfetto.ServiceStats
	stages int64
	phases int64 // events of phases that are not read
}

// A perfettoKey names a lane that has no track uuid: a thread of the old kind, an
// asynchronous track, a GPU's counter or queue; or a process or thread.
type perfettoKey struct {
	kind  byte // 't' thread, 'p' process, 'a' async, 'c' GPU counter, 'q' GPU queue
	pid   int32
	tid   int64
	scope perfetto.StringID
	id    uint64
}

// The types of a lane's events, in the low bits of what.
const (
	whatBits = 3
	whatType = 1<<whatBits - 1

	whatGone     = uint32(0) // a time that cannot be known
	whatBegin    = uint32(perfetto.Begin)
	whatEnd      = uint32(perfetto.End)
	whatInstant  = uint32(perfetto.Instant)
	whatCounter  = uint32(perfetto.Counter)
	whatState    = uint32(perfetto.State)
	whatComplete = uint32(perfetto.Complete)
	whatArrow    = uint32(whatType) // an end of a flow of the old kind, no event
)

// A pendingTime is an event whose clock was not known when it was read.
type pendingTime struct {
	lane  *perfettoLane
	i     int
	clock perfetto.ClockID
}

// fromPerfetto adds the events of a Perfetto trace to t.
func fromPerfetto(t *Trace, in *input, opts Options) error {
	var src io.Reader = in.r
	if in.gzip != nil {
		blocks := newPipeline(in, 3)
		defer blocks.close()
		src = &blockReader{src: blocks}
	}
	x := &perfettoReader{
		t: t, host: in.host, opts: opts, others: map[perfettoKey]*perfettoLane{}, tracks: map[uint64]*perfetto.Track{},
		names: map[perfettoKey]string{}, plain: map[uint64]OpID{}, ops: map[uint64]OpID{}, first: OpID(len(t.Ops)),
		seed: maphash.MakeSeed(), progs: map[string]int{},
	}
	x.rd = perfetto.NewReader(src, perfetto.Options{MaxStrings: maxNames, MaxExpanded: opts.MaxDecompressed})
	for {
		kind, err := x.rd.Next()
		if err != nil {
			if err = x.ended(err); err != nil {
				return err
			}
			break
		}
		if err := x.record(kind); err != nil {
			return err
		}
	}
	x.finish()
	return nil
}

// A blockReader reads what a source yields in blocks.
type blockReader struct {
	src  *pipeline
	held bool
	rest []byte
	err  error
}

func (r *blockReader) Read(b []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		if r.held {
			r.src.Release()
		}
		r.rest, r.err = r.src.Next()
		r.held = r.err == nil
	}
	n := copy(b, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// ended judges why reading stopped: a stream that breaks off is usable.
func (x *perfettoReader) ended(err error) error {
	if err == io.EOF {
		return nil
	}
	var bad *InputError
	var framing *perfetto.FramingError
	switch {
	case errors.Is(err, inflate.ErrLimit):
		return tooLarge(x.opts.MaxDecompressed)
	case errors.As(err, &bad), errors.As(err, &framing), x.rd.Packets() == 0:
		return err
	}
	x.t.find(Finding{Code: "truncated", Severity: Error, Message: "reading stopped: " + err.Error(), Hint: "all whole packets before it were kept"})
	return nil
}

// record takes one record of the file.
func (x *perfettoReader) record(kind perfetto.Kind) error {
	rd := x.rd
	switch kind {
	case perfetto.EventRecord:
		if x.own != nil && x.own.event(x) {
			return nil
		}
		x.event(&rd.Event)
	case perfetto.TrackRecord:
		x.track(&rd.Track)
	case perfetto.NamesRecord:
		for _, n := range rd.Names {
			x.named(n.Pid, n.Tid, rd.Text(n.Name))
		}
	case perfetto.AttributesRecord:
		for _, a := range rd.Attributes {
			if a.IsInt {
				a.Text = fmt.Sprint(a.Int)
			}
			x.t.Metadata[a.Key] = a.Text
		}
	case perfetto.GPUCountersRecord:
		for i := range rd.GPUCounters {
			x.gpuCounter(&rd.GPUCounters[i])
		}
	case perfetto.GPUStageRecord:
		x.gpuStage(&rd.Stage)
	case perfetto.StatsRecord:
		x.lossy = rd.Stats // sums so far: the last one counts
	case perfetto.PrivateRecord:
		return x.private(rd.Private)
	}
	return nil
}

// track keeps the first description of a track, and the first name it is given.
func (x *perfettoReader) track(tr *perfetto.Track) {
	if tr.HasProcess || tr.HasThread {
		tid := tr.Tid
		if !tr.HasThread {
			tid = 0
		}
		x.named(tr.Pid, tid, x.rd.Text(tr.Owner))
	}
	old := x.tracks[tr.UUID]
	if old == nil {
		c := *tr
		x.tracks[tr.UUID] = &c
		return
	}
	if old.Name == 0 {
		old.Name = tr.Name
	}
	if old.Owner == 0 {
		old.Owner = tr.Owner
	}
}

func (x *perfettoReader) named(pid int32, tid int64, name string) {
	k := perfettoKey{kind: 'p', pid: pid}
	if tid != 0 {
		k.kind, k.tid = 't', tid
	}
	if name != "" {
		x.names[k] = name
	}
}

// event adds one event to its lane.
func (x *perfettoReader) event(ev *perfetto.Event) {
	typ, dur := uint32(ev.Type), int64(0)
	if ev.HasLegacy {
		var ok bool
		if typ, dur, ok = x.legacy(ev); !ok {
			return
		}
	}
	ln := x.lane(ev)
	for _, s := range ev.Extra {
		x.sample(ev, x.uuidLane(s.Track, 0), s.Value)
	}
	if ev.Type == perfetto.Counter {
		x.sample(ev, ln, ev.Value)
		return
	}
	if typ == whatArrow {
		ln.bind(ev, typ, 0)
		return
	}
	op := OpID(0)
	var run int64
	if typ != whatEnd && (typ != whatState || ev.Name != 0) {
		op, run = x.op(ev)
		op++ // 0 is a state that is none
	}
	if len(ev.Flows)+len(ev.EndFlows) > 0 || ev.HasLegacy {
		ln.bind(ev, typ, op-1)
	}
	x.add(ln, ev, typ, op, dur, run)
}

// add gives an event to a lane.
func (x *perfettoReader) add(ln *perfettoLane, ev *perfetto.Event, typ uint32, op OpID, dur, run int64) {
	if !ev.Pending && ev.Ns > x.last {
		x.last = ev.Ns
	}
	if ln.log == nil && !ev.Pending && ln.inOrder(typ, ev.Ns) {
		if ln.order.n == 0 {
			ln.first = ev.Ns
		}
		ln.last = ev.Ns
		ln.take(typ, op-1, ev.Ns, dur, run)
		return
	}
	l := ln.keep()
	if ev.Pending {
		x.pending = append(x.pending, pendingTime{ln, len(l.ns), ev.Clock})
		l.mixed = true
	}
	l.add(ev.Ns, typ, op, dur, run)
}

// sample adds a counter's value.
func (x *perfettoReader) sample(ev *perfetto.Event, ln *perfettoLane, v float64) {
	l := ln.keep()
	l.value = append(pad(l.value, len(l.ns)), v)
	x.add(ln, ev, whatCounter, 0, 0, 0)
}

// lane finds an event's lane.
func (x *perfettoReader) lane(ev *perfetto.Event) *perfettoLane {
	if ev.HasLegacy {
		if k, ok := legacyKey(ev); ok {
			return x.other(k)
		}
	}
	if !ev.HasTrack && ev.HasThread {
		return x.other(perfettoKey{kind: 't', pid: ev.Pid, tid: ev.Tid})
	}
	return x.uuidLane(ev.Track, ev.Lane)
}

// uuidLane finds the lane of a track's uuid, by its number where that is known.
func (x *perfettoReader) uuidLane(uuid uint64, number int32) *perfettoLane {
	if number == 0 {
		number = x.rd.Lane(uuid)
	}
	if int(number) < len(x.byTrack) && x.byTrack[number] != nil {
		return x.byTrack[number]
	}
	ln := &perfettoLane{uuid: uuid}
	x.lanes = append(x.lanes, ln)
	x.byTrack = pad(x.byTrack, int(number)+1)
	x.byTrack[number] = ln
	return ln
}

func (x *perfettoReader) other(k perfettoKey) *perfettoLane {
	ln := x.others[k]
	if ln == nil {
		ln = &perfettoLane{key: k}
		x.others[k] = ln
		x.lanes = append(x.lanes, ln)
	}
	return ln
}
