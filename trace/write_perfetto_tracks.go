// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"slices"
	"strconv"

	"github.com/layerscope/layerscope/trace/internal/perfetto"
)

// opRefs are an op's strings as they are interned.
type opRefs struct {
	made                  bool
	name, category        perfetto.Ref
	scope, program, level perfetto.Ref // values of annotations; level is the layer
	has                   uint8        // bits of what there is
	layer, part           string
}

const (
	hasCategory = 1 << iota
	hasScope
	hasProgram
	hasLayer
)

// annotationRefs are the names of annotations.
type annotationRefs struct {
	op, start, dur, run, runFLOPs, runBytes, scope, program, layer, flops, bytes perfetto.Ref
}

// prepare makes room for what is interned on the way.
func (p *perfettoWriter) prepare() {
	n := func(s string) perfetto.Ref { return p.w.Intern(perfetto.AnnotationNames, s) }
	p.names = annotationRefs{
		op: n(annotationOp), start: n(annotationStart), dur: n(annotationDur), run: n("run_id"), runFLOPs: n(annotationRunFLOPs),
		runBytes: n(annotationRunBytes), scope: n("scope"), program: n("program"), layer: n("layer"), flops: n("flops"), bytes: n("bytes"),
	}
	p.ops = make([]opRefs, len(p.t.Ops))
	p.layers = map[string]perfetto.Ref{}
}

// refs returns the strings of an op.
func (p *perfettoWriter) refs(id OpID) *opRefs {
	r := &p.ops[id]
	if r.made {
		return r
	}
	op := &p.t.Ops[id]
	r.made = true
	r.name = p.w.Intern(perfetto.Names, op.Name)
	if op.Category != "" {
		r.category, r.has = p.w.Intern(perfetto.CategoryNames, op.Category), r.has|hasCategory
	}
	if op.Scope != "" {
		r.scope, r.has = p.w.Intern(perfetto.AnnotationValues, op.Scope), r.has|hasScope
	}
	if op.Program >= 0 && op.Program < len(p.t.Programs) {
		pr := &p.t.Programs[op.Program]
		r.program, r.has = p.w.Intern(perfetto.AnnotationValues, pr.Name+"("+strconv.FormatUint(pr.ID, 10)+")"), r.has|hasProgram
	}
	if p.opts.Place != nil {
		if r.layer, r.part = p.opts.Place(id); r.layer != "" {
			r.level, r.has = p.w.Intern(perfetto.AnnotationValues, r.layer), r.has|hasLayer
		}
	}
	return r
}

// A span is one event on its way into a file.
type span struct {
	op         OpID
	event      int // number in its track
	start      Time
	dur        Duration
	run        int64
	flops, mem int64
	value      float64
	hasRun     bool
	hasWork    bool
	exact      bool // the duration must be written
}

// track writes the events of a track.
func (p *perfettoWriter) track(i int) error {
	tr, f := p.t.Tracks[i], p.tracks[i]
	if f.events == 0 {
		return nil
	}
	uuid, parent := trackUUID(i), p.process(tr.Device, tr.Host)
	spec := perfetto.TrackSpec{UUID: uuid, Parent: parent, Name: firstOf(tr.Name, tr.Kind.String()), Rank: 10 + 4*i, Ordered: true, Apart: true}
	if tr.Kind == Counter && f.values {
		spec.Counter, spec.Apart = true, false
	}
	var rows *rowWriter
	if p.opts.Place != nil && (tr.Kind == Ops || tr.Kind == Stream) {
		rows = p.rowTracks(&spec)
	}
	p.w.Describe(spec)
	p.w.Default(uuid)
	p.lane.begin(p, uuid, spec.Name)
	flows := p.trackFlows(tr)
	err := p.spans(i, func(s *span) {
		if spec.Counter {
			p.w.Start(perfetto.Counter, p.ns(s.start))
			p.w.Value(s.value)
			p.w.Uint(p.names.op, uint64(s.op))
			p.remainder(s)
			p.w.Finish()
			return
		}
		s.exact = p.lane.place(s.start, s.dur)
		p.opArgs(s)
		if id := flows[s.start]; id != 0 {
			p.w.EndFlow(id)
		}
		p.bind(i, s.event)
		p.w.Finish()
		if rows != nil {
			rows.add(s)
		}
	})
	if err != nil {
		return err
	}
	p.lane.end()
	if rows != nil {
		rows.end()
	}
	return nil
}

// spans yields the events of a track in order, sums of events left out.
func (p *perfettoWriter) spans(i int, yield func(*span)) error {
	var all []span
	event := -1
	for b, err := range p.t.Tracks[i].Batches() {
		if err != nil {
			return err
		}
		if b.Self != nil {
			event += b.Len()
			continue
		}
		for k := range b.Op {
			event++
			s := span{op: b.Op[k], event: event, start: b.Start[k], dur: max(0, b.Dur[k])}
			if b.Run != nil {
				s.run, s.hasRun = b.Run[k], true
			}
			if b.FLOPs != nil {
				s.flops, s.mem, s.hasWork = b.FLOPs[k], b.Bytes[k], true
			}
			if b.Value != nil {
				s.value = b.Value[k]
			}
			if !p.tracks[i].mixed {
				yield(&s)
				continue
			}
			all = append(all, s)
		}
	}
	slices.SortStableFunc(all, func(a, b span) int {
		if a.start != b.start {
			return compareInt(int64(a.start), int64(b.start))
		}
		return compareInt(int64(b.dur), int64(a.dur))
	})
	for k := range all {
		yield(&all[k])
	}
	return nil
}

// opArgs adds what is known of an event and of its op to the slice at hand.
func (p *perfettoWriter) opArgs(s *span) {
	w, r, op := p.w, p.refs(s.op), &p.t.Ops[s.op]
	w.Name(r.name)
	if r.has&hasCategory != 0 {
		w.Category(r.category)
	}
	w.Uint(p.names.op, uint64(s.op))
	p.remainder(s)
	if s.hasRun {
		w.Int(p.names.run, s.run)
	}
	if s.hasWork && s.flops|s.mem != 0 {
		w.Int(p.names.runFLOPs, s.flops)
		w.Int(p.names.runBytes, s.mem)
	}
	if r.has&hasScope != 0 {
		w.Text(p.names.scope, r.scope)
	}
	if r.has&hasProgram != 0 {
		w.Text(p.names.program, r.program)
	}
	if r.has&hasLayer != 0 {
		w.Text(p.names.layer, r.level)
	}
	if op.FLOPs != 0 {
		w.Int(p.names.flops, op.FLOPs)
	}
	if op.Bytes != 0 {
		w.Int(p.names.bytes, op.Bytes)
	}
}

// remainder adds the picoseconds that nanoseconds cut off.
func (p *perfettoWriter) remainder(s *span) {
	start := p.ns(s.start)
	if rest := int64(s.start) - (int64(start)-p.shift)*1000; rest != 0 {
		p.w.Uint(p.names.start, uint64(rest))
	}
	if whole := int64(p.ns(s.start.Add(s.dur))-start) * 1000; s.exact || whole != int64(s.dur) {
		p.w.Uint(p.names.dur, uint64(s.dur))
	}
}

// A laneWriter writes slices that may overlap: those that do not nest go to
// further tracks below the first.
type laneWriter struct {
	p     *perfettoWriter
	uuid  uint64
	name  string
	lanes []openEnds
}

// openEnds are the ends of the open slices of one track, outermost first.
type openEnds []Time

func (l *laneWriter) begin(p *perfettoWriter, uuid uint64, name string) {
	l.p, l.uuid, l.name = p, uuid, name
	for i := range l.lanes {
		l.lanes[i] = l.lanes[i][:0]
	}
	l.lanes = l.lanes[:min(len(l.lanes), 1)]
}

// place starts a slice on the first track that it nests in. The caller adds to it
// and finishes it; the end is written in time. When all tracks are taken the last
// one gets a slice that does not nest: the result says that its duration must be
// told apart.
func (l *laneWriter) place(start Time, dur Duration) (crossed bool) {
	end := start.Add(dur)
	i := 0
	for ; i < len(l.lanes); i++ {
		l.close(i, start)
		if n := len(l.lanes[i]); n == 0 || end <= l.lanes[i][n-1] {
			break
		}
		if crossed = i == maxLanes-1; crossed {
			break
		}
	}
	if i == len(l.lanes) {
		l.lanes = append(l.lanes, nil)
		if i > 0 {
			l.p.w.Describe(perfetto.TrackSpec{UUID: l.lane(i), Parent: l.uuid, Name: l.name + " (overlapping)"})
		}
	}
	l.lanes[i] = append(l.lanes[i], end)
	l.p.w.Start(perfetto.Begin, l.p.ns(start))
	l.p.w.On(l.lane(i))
	return crossed
}

func (l *laneWriter) lane(i int) uint64 { return l.uuid | uint64(i)<<uuidLane }

// close ends the slices of a lane that are over at t.
func (l *laneWriter) close(i int, t Time) {
	for n := len(l.lanes[i]); n > 0 && l.lanes[i][n-1] <= t; n-- {
		l.p.w.Start(perfetto.End, l.p.ns(l.lanes[i][n-1]))
		l.p.w.On(l.lane(i))
		l.p.w.Finish()
		l.lanes[i] = l.lanes[i][:n-1]
	}
}

func (l *laneWriter) end() {
	for i := range l.lanes {
		l.close(i, 1<<63-1)
	}
}

// A rowWriter writes the layers and components of a track of ops: runs of ops of
// one layer are one slice, from the first one's start to the last one's end.
type rowWriter struct {
	p     *perfettoWriter
	level [2]rowSpan // layers, components
}

type rowSpan struct {
	uuid       uint64
	name       string
	start, end Time
}

// rowTracks puts the track of ops and one of components below one of layers, so
// that what is seen before anything is opened is the layers.
func (p *perfettoWriter) rowTracks(spec *perfetto.TrackSpec) *rowWriter {
	r := &rowWriter{p: p}
	layers, components := p.newUUID(), p.newUUID()
	p.w.Describe(perfetto.TrackSpec{UUID: layers, Parent: spec.Parent, Name: spec.Name + " layers", Rank: spec.Rank, Ordered: true, ChildrenByRank: true, Apart: true})
	p.w.Describe(perfetto.TrackSpec{UUID: components, Parent: layers, Name: "components", Rank: 0, Ordered: true, Apart: true})
	r.level[0].uuid, r.level[1].uuid = layers, components
	spec.Parent, spec.Name, spec.Rank = layers, "ops", 1
	return r
}

// add takes an op. One without a layer, or around others, changes nothing.
func (r *rowWriter) add(s *span) {
	refs := r.p.refs(s.op)
	if refs.layer == "" {
		return
	}
	part := ""
	if refs.part != "" {
		part = refs.layer + "/" + refs.part
	}
	r.take(&r.level[0], refs.layer, s)
	r.take(&r.level[1], part, s)
}

func (r *rowWriter) take(l *rowSpan, name string, s *span) {
	end := s.start.Add(s.dur)
	if name == l.name {
		l.end = max(l.end, end)
		return
	}
	l.end = min(l.end, s.start)
	r.write(l)
	l.name, l.start, l.end = name, s.start, end
}

func (r *rowWriter) write(l *rowSpan) {
	if l.name == "" {
		return
	}
	ref, ok := r.p.layers[l.name]
	if !ok {
		ref = r.p.w.Intern(perfetto.Names, l.name)
		r.p.layers[l.name] = ref
	}
	r.p.slice(l.uuid, ref, l.start, max(l.start, l.end))
}

func (r *rowWriter) end() {
	r.write(&r.level[0])
	r.write(&r.level[1])
}

// slice writes a slice of a track that is made here.
func (p *perfettoWriter) slice(uuid uint64, name perfetto.Ref, start, end Time) {
	p.w.Start(perfetto.Begin, p.ns(start))
	p.w.On(uuid)
	p.w.Name(name)
	p.w.Finish()
	p.w.Start(perfetto.End, p.ns(end))
	p.w.On(uuid)
	p.w.Finish()
}
