// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/zlib"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/layerscope/layerscope/trace/internal/perfetto"
	"github.com/layerscope/layerscope/trace/internal/tracetxt"
)

// PerfettoOptions steer [WritePerfetto]. The zero value writes all there is.
type PerfettoOptions struct {
	// Place says which layer and which component of it an op belongs to, "" for
	// none. With it, each track of ops gets two more: one of layers, one of
	// components.
	Place func(OpID) (layer, component string)
	// Counters are drawn beside the tracks: memory in use, utilisation.
	Counters []PerfettoCounter
	// Attributes say what was measured: commit, environment. They come after
	// the trace's own metadata and replace it.
	Attributes map[string]string
	// Clear is after how many bytes names are written again, so that a file
	// that was cut can be read; 0 means 4 MiB.
	Clear int64
}

// A PerfettoCounter is a quantity over time. Time and Value have one length.
type PerfettoCounter struct {
	Name   string
	Unit   string // "bytes", "count", "ns", "%", …
	Device int    // index in Trace.Devices; -1 = none
	Time   []Time
	Value  []float64
}

// WritePerfetto writes a trace as a Perfetto protobuf (*.pftrace), for the
// Perfetto UI and its trace processor. Hosts and devices are processes, tracks
// are tracks of slices whose arguments tell scope, program, FLOPs and bytes. The
// trace's flows are flows, and one more leads from each host step to the programs
// it ran.
//
// Perfetto's times are nanoseconds; arguments keep the picoseconds, and packets
// that only this package knows keep devices, programs, HLO, ops, steps,
// allocator events and findings, so that [Open] of the file gives the same analysis.
//
// The tracks are read twice; memory is bounded by the op table and by the largest
// track that is not in order of time.
func WritePerfetto(w io.Writer, t *Trace, opts PerfettoOptions) error {
	p := &perfettoWriter{t: t, opts: opts, w: perfetto.NewWriter(w, opts.Clear)}
	if err := p.survey(); err != nil {
		return err
	}
	if err := p.collectFlows(); err != nil {
		return err
	}
	p.head()
	if err := p.model(); err != nil {
		return err
	}
	p.prepare()
	p.describe()
	p.marks()
	for i := range t.Tracks {
		if err := p.track(i); err != nil {
			return err
		}
		if err := p.w.Err(); err != nil {
			return err
		}
	}
	p.counters()
	p.w.SetPrivate([]byte{privateEnd})
	return p.w.Close()
}

// A perfettoWriter writes one trace.
type perfettoWriter struct {
	t    *Trace
	opts PerfettoOptions
	w    *perfetto.Writer

	shift   int64 // ns that all times are moved by, so that none is negative
	tracks  []trackFacts
	derived uint64 // number of derived tracks so far
	procs   map[int]uint64
	ops     []opRefs
	layers  map[string]perfetto.Ref
	names   annotationRefs
	flows   map[flowKey]uint64 // into executions
	stated  []Flow             // of the trace itself
	ends    flowEnds
	kinds   map[string]uint64
	steps   map[int][]int // by device, in order of time
	lane    laneWriter
}

// trackFacts is what the first reading of a track tells.
type trackFacts struct {
	events int64 // sums of events apart
	sums   bool
	mixed  bool // not in order
	values bool
}

// survey reads all tracks once: Perfetto's times cannot be negative, and slices
// must come in order.
func (p *perfettoWriter) survey() error {
	first := Time(0)
	for _, tr := range p.t.Tracks {
		var f trackFacts
		last, lastDur := Time(-1<<63), Duration(0)
		for b, err := range tr.Batches() {
			if err != nil {
				return err
			}
			if b.Self != nil {
				f.sums = true
				continue
			}
			f.values = f.values || b.Value != nil
			for i, s := range b.Start {
				if s < last || s == last && b.Dur[i] > lastDur {
					f.mixed = true
				}
				last, lastDur = s, b.Dur[i]
				first = min(first, s)
			}
			f.events += int64(b.Len())
		}
		p.tracks = append(p.tracks, f)
	}
	for _, s := range p.t.Steps {
		first = min(first, s.Start)
	}
	for _, e := range p.t.Executions {
		first = min(first, e.Start)
	}
	for _, a := range p.t.Allocs {
		first = min(first, a.Time)
	}
	p.shift = -floorDiv(int64(first), 1000)
	return nil
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// ns is a time as it is written.
func (p *perfettoWriter) ns(t Time) uint64 { return uint64(floorDiv(int64(t), 1000) + p.shift) }

// trackUUID is the uuid of a track of the model.
func trackUUID(i int) uint64 { return uuidMark | uint64(i+1) }

// newUUID is the uuid of a track that is made here.
func (p *perfettoWriter) newUUID() uint64 {
	p.derived++
	return uuidMark | (derivedTrack + p.derived)
}

// head writes clocks and attributes.
func (p *perfettoWriter) head() {
	p.w.Clear()
	if p.t.Origin > 0 {
		p.w.Snapshot(p.shift, p.t.Origin)
	}
	all := maps.Clone(p.t.Metadata)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, p.opts.Attributes)
	var list []perfetto.Attribute
	for _, k := range slices.Sorted(maps.Keys(all)) {
		list = append(list, perfetto.Attribute{Key: k, Text: all[k]})
	}
	if len(list) > 0 {
		p.w.SetAttributes(list)
	}
}

// model writes the private packets.
func (p *perfettoWriter) model() error {
	parts := &partWriter{w: p.w}
	x := &textWriter{w: bufio.NewWriter(parts)}
	x.line("perfetto shift=%d", p.shift)
	for _, k := range p.kindsInOrder() {
		x.line("flow-kind %s", tracetxt.Quote(k))
	}
	c := *p.t
	c.Metadata = nil // attributes
	x.head(&c)
	for i := range p.t.Ops {
		x.op(i, &p.t.Ops[i])
	}
	for i, tr := range p.t.Tracks {
		x.trackHead(tr, trackUUID(i))
		if p.tracks[i].sums {
			if err := x.sums(tr); err != nil {
				return err
			}
		}
	}
	if err := x.w.Flush(); err != nil {
		return err
	}
	if err := parts.Close(); err != nil {
		return err
	}
	return p.w.Err()
}

// trackHead writes the line of a track.
func (x *textWriter) trackHead(tr *Track, uuid uint64) {
	fmt.Fprintf(x.w, "track %s uuid=%d", tr.Kind, uuid)
	if tr.Device >= 0 {
		fmt.Fprintf(x.w, " device=%d", tr.Device)
	}
	x.field("name", tr.Name)
	x.field("host", tr.Host)
	x.end()
}

// sums writes the sums of events of a track, which have no place in time.
func (x *textWriter) sums(tr *Track) error {
	for b, err := range tr.Batches() {
		if err != nil {
			return err
		}
		if b.Self == nil {
			continue
		}
		for i := range b.Op {
			x.event(b, i)
		}
	}
	return nil
}

// A partWriter writes text as private packets of whole lines.
type partWriter struct {
	w   *perfetto.Writer
	buf []byte
}

// partSize is how much text goes into one packet.
const partSize = 256 << 10

func (pw *partWriter) Write(b []byte) (int, error) {
	pw.buf = append(pw.buf, b...)
	if len(pw.buf) >= partSize {
		pw.flush(bytes.LastIndexByte(pw.buf, '\n') + 1)
	}
	return len(b), pw.w.Err()
}

func (pw *partWriter) Close() error {
	pw.flush(len(pw.buf))
	return pw.w.Err()
}

func (pw *partWriter) flush(n int) {
	if n == 0 {
		return
	}
	pw.w.SetPrivate(packed([]byte{privateText}, append([]byte(tracetxt.Magic+"\n"), pw.buf[:n]...)))
	pw.buf = append(pw.buf[:0], pw.buf[n:]...)
}

// packed appends compressed data to a head.
func packed(head, data []byte) []byte {
	b := bytes.NewBuffer(head)
	z := zlib.NewWriter(b)
	_, _ = z.Write(data) // a buffer takes all
	_ = z.Close()
	return b.Bytes()
}

// describe writes processes and tracks. Devices come first.
func (p *perfettoWriter) describe() {
	p.procs = map[int]uint64{}
	p.w.OrderProcesses()
	rank := 0
	process := func(key int, name string) {
		uuid := p.newUUID()
		p.procs[key] = uuid
		rank++
		p.w.Describe(perfetto.TrackSpec{UUID: uuid, Process: true, Pid: int32(rank), Name: name, Rank: rank, Ordered: true, ChildrenByRank: true})
	}
	for i, d := range p.t.Devices {
		name := d.Name
		if d.Type != "" {
			name += " (" + d.Type + ")"
		}
		if len(p.t.Hosts) > 1 {
			name += " of " + d.Host
		}
		process(i, name)
	}
	for i, h := range p.t.Hosts {
		process(-1-i, "host "+h)
	}
	if len(p.t.Hosts) == 0 {
		process(-1, "host")
	}
}

// process returns the uuid of the process that a track belongs to.
func (p *perfettoWriter) process(device int, host string) uint64 {
	if device >= 0 {
		return p.procs[device]
	}
	return p.procs[-1-max(0, slices.Index(p.t.Hosts, host))]
}

// counters writes the counters of the caller and of the allocators.
func (p *perfettoWriter) counters() {
	for _, c := range p.opts.Counters {
		uuid := p.newUUID()
		p.w.Describe(perfetto.TrackSpec{UUID: uuid, Parent: p.process(c.Device, ""), Name: c.Name, Counter: true, Unit: c.Unit})
		for i := range min(len(c.Time), len(c.Value)) {
			p.sample(uuid, c.Time[i], c.Value[i])
		}
	}
	type key struct{ host, allocator string }
	lanes := map[key][]int{}
	for i, a := range p.t.Allocs {
		k := key{a.Host, a.Allocator}
		lanes[k] = append(lanes[k], i)
	}
	keys := slices.SortedFunc(maps.Keys(lanes), func(a, b key) int {
		return cmp.Or(cmp.Compare(a.host, b.host), cmp.Compare(a.allocator, b.allocator))
	})
	for _, k := range keys {
		list := lanes[k]
		slices.SortStableFunc(list, func(a, b int) int { return cmp.Compare(p.t.Allocs[a].Time, p.t.Allocs[b].Time) })
		uuid := p.newUUID()
		p.w.Describe(perfetto.TrackSpec{UUID: uuid, Parent: p.process(p.allocDevice(k.allocator), k.host), Name: "memory in use, allocator " + k.allocator, Counter: true, Unit: "bytes"})
		for _, i := range list {
			p.sample(uuid, p.t.Allocs[i].Time, float64(p.t.Allocs[i].Allocated))
		}
	}
}

// allocDevice returns the device that an allocator's name is the ordinal of.
func (p *perfettoWriter) allocDevice(name string) int {
	n, err := strconv.Atoi(name)
	if err != nil {
		return -1
	}
	return slices.IndexFunc(p.t.Devices, func(d Device) bool { return d.Ordinal == n })
}

func (p *perfettoWriter) sample(uuid uint64, t Time, v float64) {
	p.w.Start(perfetto.Counter, p.ns(t))
	p.w.On(uuid)
	p.w.Value(v)
	p.w.Finish()
}
