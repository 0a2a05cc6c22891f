// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/layerscope/layerscope/trace/hlo"
	"github.com/layerscope/layerscope/trace/internal/xspace"
)

// maxOps bounds the op table by the size of the input: real captures have HLO
// text and stats of a kilobyte or so with every op, hostile ones ten bytes.
// Events of ops beyond it share one op.
func maxOps(size int64) int { return 1<<16 + int(min(size/2048, 1<<24)) }

// An xspaceReader maps one XSpace onto a Trace.
type xspaceReader struct {
	t    *Trace
	sp   *xspace.Space
	host string
	base int64 // ns subtracted from line timestamps
	opts Options

	programs map[uint64]int // by program id
	hlo      map[int][]byte // HloProto of a program
	limit    int            // ops of the trace, with this file's
	marks    int            // executions and steps that may still be added
	devices  int            // device planes with op lines
	flows    *xspaceFlows
	ahead    *opsAhead
}

// fromXSpace adds the planes of an XSpace to t. Events stay in r.
func fromXSpace(t *Trace, r io.ReaderAt, size int64, host string, opts Options) error {
	part := &partOf{host: host, opts: opts}
	sp, err := part.index(r, size)
	if err != nil {
		return xspaceError(err)
	}
	x := &xspaceReader{limit: len(t.Ops) + maxOps(size), marks: maxMarks(size), t: t, sp: sp, host: host, opts: opts, programs: map[uint64]int{}, hlo: map[int][]byte{}}
	if len(sp.Hostnames) == 1 && sp.Hostnames[0] != "" {
		x.host = sp.Hostnames[0]
	}
	if !slices.Contains(t.Hosts, x.host) {
		t.Hosts = append(t.Hosts, x.host)
	}
	x.normalise()
	x.flows = &xspaceFlows{base: x.base}
	if err := x.reserveMarks(); err != nil {
		return err
	}
	x.ahead = &opsAhead{}
	if !part.far { // of a remote file, planes are fetched one by one
		x.ahead = x.lookAhead()
	}
	defer x.ahead.end()
	for _, pass := range []func(*xspace.Plane) error{x.environment, x.metadata, x.device} {
		for _, pl := range sp.Planes {
			if err := pass(pl); err != nil {
				return err
			}
		}
	}
	x.join(false)
	for _, pl := range sp.Planes {
		if err := x.hostPlane(pl); err != nil {
			return err
		}
	}
	x.join(len(x.t.Ops) == 0) // of an idle process the programs are all there is
	part.report(t)
	for p, raw := range x.hlo {
		x.t.Programs[p].raw = raw
	}
	x.report()
	if len(x.flows.lines) > 0 {
		t.lazyFlows = append(t.lazyFlows, x.flows.each)
	}
	return nil
}

func xspaceError(err error) error {
	switch {
	case errors.Is(err, xspace.ErrEmpty):
		return &InputError{Msg: "0 bytes, wanted an XSpace", Hint: "a capture beyond 2 GB leaves an empty file: capture a shorter window or fewer events", err: err}
	case errors.Is(err, xspace.ErrMangled):
		return &InputError{Msg: err.Error(), Hint: "copy the original again in binary mode; the lost bytes cannot be restored", err: err}
	}
	return err
}

// normalise chooses what is subtracted from the lines' timestamps. Captures on
// disk are relative to the profile's start already; others hold Unix times,
// whose picoseconds don't fit an int64.
func (x *xspaceReader) normalise() {
	const fits = 4_000_000_000_000_000 // ns; times 1000 is far inside int64
	lo := int64(0)
	for _, pl := range x.sp.Planes {
		for _, ln := range pl.Lines {
			if ts := ln.TimestampNs; ts > fits && (lo == 0 || ts < lo) {
				lo = ts
			}
		}
	}
	x.base = lo
	if x.t.Origin == 0 {
		x.t.Origin = lo
	}
}

// environment reads wall-clock times and options of the session.
func (x *xspaceReader) environment(pl *xspace.Plane) error {
	if pl.Name != environmentPlane && pl.Name != metadataPlane {
		return nil
	}
	if err := pl.Load(); err != nil {
		return err
	}
	var start, stop int64
	for _, st := range pl.Stats() {
		v, isInt := st.Int()
		switch {
		case st.Name == "profile_start_time" && isInt:
			start = v
		case st.Name == "profile_stop_time" && isInt:
			stop = v
		case isInt:
			x.t.Metadata[st.Name] = strconv.FormatInt(v, 10)
		case st.Kind == xspace.String || st.Kind == xspace.Ref:
			x.t.Metadata[st.Name] = st.Text()
		}
	}
	if start > 0 {
		x.t.began = append(x.t.began, window{len(x.t.Inputs) - 1, start, max(start, stop)})
		if x.base == 0 && len(x.t.Inputs) <= 1 { // else times count from elsewhere
			x.t.Origin = start
		}
		if stop > start && stop-start < 1<<53 {
			x.t.Wall = max(x.t.Wall, Duration(stop-start)*Nanosecond)
		}
	}
	return nil
}

// metadata collects the HLO modules of /host:metadata. The program id is in a
// stat or in the name's parentheses; the metadata id may be a small ordinal.
func (x *xspaceReader) metadata(pl *xspace.Plane) error {
	if pl.Name != metadataPlane {
		return nil
	}
	for i := range uint32(min(pl.NumEvents(), x.limit)) {
		em := pl.Event(i)
		name, id, ok := splitProgram(em.Name)
		if !ok && strings.Contains(em.Name, ")::") {
			continue // a dump of one kernel, not a module
		}
		if !ok {
			id = uint64(em.Key)
		}
		if v, has := em.Stat("program_id").Int(); has {
			id = uint64(v)
		}
		p := x.program(id, name)
		for _, key := range []string{"Hlo Proto", "HLO Proto", "hlo_proto"} {
			if st := em.Stat(key); st.Kind == xspace.Bytes || st.Kind == xspace.String {
				x.hlo[p] = st.Raw
			}
		}
	}
	return nil
}

// splitProgram takes "jit_f(123)" apart.
func splitProgram(name string) (base string, id uint64, ok bool) {
	i := strings.LastIndexByte(name, '(')
	if i < 0 || !strings.HasSuffix(name, ")") {
		return name, 0, false
	}
	digits := name[i+1 : len(name)-1]
	id, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		if n, err := strconv.ParseInt(digits, 10, 64); err == nil {
			return name[:i], uint64(n), true
		}
		return name, 0, false
	}
	return name[:i], id, true
}

// program returns the index of a program, adding it when it is new.
func (x *xspaceReader) program(id uint64, name string) int {
	p, ok := x.programs[id]
	if !ok {
		p = len(x.t.Programs)
		x.programs[id] = p
		x.t.Programs = append(x.t.Programs, Program{Name: name, ID: id, Host: x.host})
	}
	if x.t.Programs[p].Name == "" {
		x.t.Programs[p].Name = name
	}
	return p
}

// join parses the HLO modules that ops refer to, and gives ops without facts of
// their own (CPU and GPU) scope, category and cost of their instruction; with all
// it parses every module.
func (x *xspaceReader) join(all bool) {
	used := make(map[int]bool)
	for p := range x.hlo {
		if all {
			used[p] = true
		}
	}
	for i := range x.t.Ops {
		if p := x.t.Ops[i].Program; p >= 0 {
			used[p] = true
		}
	}
	for _, p := range slices.Sorted(maps.Keys(used)) {
		raw := x.hlo[p]
		if raw == nil || x.t.Programs[p].Module != nil {
			continue
		}
		m, err := hlo.Parse(raw)
		if err != nil {
			x.t.find(Finding{Code: "hlo-damaged", Severity: Warning, Message: fmt.Sprintf("HLO of %s: %v", x.t.Programs[p].Name, err), Hint: "scopes and costs of its ops are missing"})
			delete(x.hlo, p)
			continue
		}
		x.t.Programs[p].Module, x.t.Programs[p].raw = m, raw
		if x.t.Programs[p].Name == "" {
			x.t.Programs[p].Name = m.Name
		}
	}
	x.t.joinInstructions()
}

// report turns the problems of the file into findings.
func (x *xspaceReader) report() {
	if why := x.t.Metadata[syntheticKey]; why != "" {
		x.t.find(Finding{Code: "synthetic", Severity: Warning, Message: "synthetic devices: " + why,
			Hint: "the times are real, the device is not; the recording without compatibility names it"})
	}
	for _, e := range x.sp.Errors {
		x.t.find(Finding{Code: "profiler-error", Severity: Warning, Message: "the profiler reported: " + e, Hint: "the capture may be incomplete"})
	}
	for _, w := range x.sp.Warnings {
		x.t.find(Finding{Code: "profiler-warning", Severity: Info, Message: "the profiler warned: " + w})
	}
	for _, p := range x.sp.Problems() {
		f := Finding{Code: "damaged", Severity: Warning, Count: p.Count,
			Message: fmt.Sprintf("offset 0x%x: %s%s", p.Offset, placeOf(p.Plane, p.Line), p.Msg), Hint: "what could not be read was left out and counted"}
		if p.Code == xspace.CodeTruncated {
			f.Code, f.Severity = "truncated", Error
			f.Hint = "all whole events were kept; names of the cut plane may be missing; copy the file again, or capture less"
		}
		x.t.find(f)
	}
}

func placeOf(plane, line string) string {
	switch {
	case plane == "":
		return ""
	case line == "":
		return plane + ": "
	}
	return plane + ", line " + line + ": "
}

// addOps gives every event metadata of a plane an op, made by fill, and one
// more op for events whose metadata is missing.
func (x *xspaceReader) addOps(pl *xspace.Plane, fill func(i uint32) Op) (first OpID, n uint32) {
	first = OpID(len(x.t.Ops))
	n = uint32(min(pl.NumEvents(), max(0, x.limit-len(x.t.Ops))))
	x.t.Ops = slices.Grow(x.t.Ops, int(n)+1)
	for i := range n {
		x.t.Ops = append(x.t.Ops, fill(i))
	}
	if int(n) < pl.NumEvents() {
		x.t.find(Finding{Code: "too-many-ops", Severity: Warning, Count: int64(pl.NumEvents() - int(n)),
			Message: fmt.Sprintf("%s: %d distinct events; those beyond %d share one row", pl.Name, pl.NumEvents(), n)})
	}
	x.t.Ops = append(x.t.Ops, Op{Name: noMetadata, Program: -1})
	return first, n
}

// noMetadata names events whose metadata the file lacks: names are not invented.
const noMetadata = "(no name in the file)"

// sortMarks orders executions, steps and compilations by time.
func (t *Trace) sortMarks() {
	sortStable(t.Executions, func(a, b *Execution) int {
		return cmp.Or(cmp.Compare(a.Device, b.Device), cmp.Compare(a.Start, b.Start))
	})
	sortStable(t.Steps, func(a, b *Step) int { return cmp.Compare(a.Start, b.Start) })
	sortStable(t.Compiles, func(a, b *Compile) int { return cmp.Compare(a.Start, b.Start) })
}

// sortStable sorts a list of large elements, by their numbers: most lists are in
// order or few runs of it, and moving elements costs more than comparing them.
func sortStable[T any](list []T, compare func(a, b *T) int) {
	sorted := true
	for i := 1; i < len(list) && sorted; i++ {
		sorted = compare(&list[i-1], &list[i]) <= 0
	}
	if sorted {
		return
	}
	order := make([]int32, len(list))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		return cmp.Or(compare(&list[a], &list[b]), cmp.Compare(a, b))
	})
	for i := range order { // along the cycles of the permutation
		if order[i] < 0 {
			continue
		}
		first, k := list[i], int32(i)
		for {
			from := order[k]
			order[k] = -1
			if from == int32(i) {
				list[k] = first
				break
			}
			list[k] = list[from]
			k = from
		}
	}
}
