// SPDX-License-Identifier: Apache-2.0

package perfetto_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/layerscope/layerscope/trace/internal/perfetto"
	"github.com/layerscope/layerscope/trace/internal/perfetto/perfettopb"
)

// The tests write what a reader yields as lines: one an event, such as
//
//	100 begin t5 "name" cat="a,b" v=3 extra=[7:1] flows=[9] ends=[9] {key=1}
//
// so that a table's answers can be read and two readers compared.
func eventLine(ns int64, pending bool, typ string, hasTrack bool, track uint64, name, category string) string {
	s := strconv.FormatInt(ns, 10) + " " + typ
	if pending {
		s = "? " + typ
	}
	if hasTrack {
		s += " t" + strconv.FormatUint(track, 10)
	}
	s += " " + strconv.Quote(name)
	if category != "" {
		s += " cat=" + strconv.Quote(category)
	}
	return s
}

var typeNames = map[perfetto.Type]string{
	perfetto.Untyped: "untyped", perfetto.Begin: "begin", perfetto.End: "end", perfetto.Instant: "instant",
	perfetto.Counter: "counter", perfetto.State: "state", perfetto.Complete: "complete",
}

// linesOf reads a trace and returns its events as lines, the problems' codes with
// counts, and the error that ended it.
func linesOf(r io.Reader, opts perfetto.Options) (lines, problems []string, err error) {
	rd := perfetto.NewReader(r, opts)
	type wait struct {
		line  int
		clock perfetto.ClockID
		ns    int64
	}
	var waits []wait
	for {
		kind, e := rd.Next()
		if e != nil {
			if e != io.EOF {
				err = e
			}
			break
		}
		if kind != perfetto.EventRecord {
			continue
		}
		ev := &rd.Event
		if ev.Pending {
			waits = append(waits, wait{len(lines), ev.Clock, ev.Ns})
		}
		lines = append(lines, recordLine(rd, ev))
	}
	for _, w := range waits {
		ns, ok := rd.Resolve(w.clock, w.ns)
		at := strconv.FormatInt(ns, 10)
		if !ok {
			at = "never"
		}
		lines[w.line] = at + strings.TrimPrefix(lines[w.line], "?")
	}
	for _, p := range rd.Problems() {
		problems = append(problems, fmt.Sprintf("%s %d", p.Code, p.Count))
		if p.Msg == "" || strings.Contains(p.Msg, "%!") {
			err = errors.Join(err, fmt.Errorf("message of %s: %q", p.Code, p.Msg))
		}
	}
	return lines, problems, err
}

func recordLine(rd *perfetto.Reader, ev *perfetto.Event) string {
	s := eventLine(ev.Ns, ev.Pending, typeNames[ev.Type], ev.HasTrack, ev.Track, rd.Text(ev.Name), rd.Text(ev.Category))
	if ev.Type == perfetto.Counter {
		s += " v=" + number(ev.Value)
	}
	if len(ev.Extra) > 0 {
		var list []string
		for _, e := range ev.Extra {
			list = append(list, fmt.Sprintf("%d:%s", e.Track, number(e.Value)))
		}
		s += " extra=[" + strings.Join(list, " ") + "]"
	}
	s += listed("flows", ev.Flows) + listed("ends", ev.EndFlows)
	if ev.Correlation != 0 || ev.CorrelationTag != 0 {
		s += fmt.Sprintf(" correlation=%d%s", ev.Correlation, rd.Text(ev.CorrelationTag))
	}
	var notes []string
	for a := range rd.Annotations {
		for key, v := range a.Flatten {
			notes = append(notes, key+"="+v.String())
		}
	}
	if len(notes) > 0 {
		s += " {" + strings.Join(notes, " ") + "}"
	}
	if ev.HasLegacy && ev.Legacy.Phase != 0 {
		s += fmt.Sprintf(" ph=%c", ev.Legacy.Phase)
		if ev.Legacy.DurNs != 0 {
			s += fmt.Sprintf(" dur=%d", ev.Legacy.DurNs)
		}
		if ev.Legacy.IDKind != perfetto.NoID {
			s += fmt.Sprintf(" id=%d/%d", ev.Legacy.IDKind, ev.Legacy.ID)
		}
	}
	if ev.HasThread {
		s += fmt.Sprintf(" thread=%d/%d", ev.Pid, ev.Tid)
	}
	return s
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

func listed(name string, list []uint64) string {
	if len(list) == 0 {
		return ""
	}
	return fmt.Sprintf(" %s=%d", name, list)
}

// pb encodes packets.
func pb(tb testing.TB, packets ...*perfettopb.TracePacket) []byte {
	tb.Helper()
	b, err := proto.Marshal(&perfettopb.Trace{Packet: packets})
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// A refSequence is the state of a sequence in the reference.
type refSequence struct {
	valid    bool
	tables   map[string]map[uint64]string
	defaults *perfettopb.TracePacketDefaults
	sums     map[uint64]float64
	thread   *perfettopb.ThreadDescriptor
	ref      int64
	timed    bool
}

// A reference interprets decoded packets by the rules of the format, with none of
// the reader's code. It knows no clocks but the default one.
type reference struct {
	seqs     map[uint32]*refSequence
	counters map[uint64]*perfettopb.CounterDescriptor
	latest   int64
	lines    []string
}

func referenceLines(tr *perfettopb.Trace) []string {
	r := &reference{seqs: map[uint32]*refSequence{}, counters: map[uint64]*perfettopb.CounterDescriptor{}}
	for _, p := range tr.Packet {
		r.packet(p)
	}
	return r.lines
}

func (r *reference) packet(p *perfettopb.TracePacket) {
	sq := &refSequence{tables: map[string]map[uint64]string{}, sums: map[uint64]float64{}}
	has := p.TrustedPacketSequenceId != nil
	if has {
		if old := r.seqs[*p.TrustedPacketSequenceId]; old != nil {
			sq = old
		}
		r.seqs[*p.TrustedPacketSequenceId] = sq
	}
	cleared := p.GetIncrementalStateCleared() || p.GetSequenceFlags()&1 != 0
	switch {
	case !has:
	case cleared:
		*sq = refSequence{valid: true, tables: map[string]map[uint64]string{}, sums: map[uint64]float64{}, thread: sq.thread}
	case p.GetPreviousPacketDropped() != 0:
		sq.valid, sq.timed = false, false
	}
	if has && p.TracePacketDefaults != nil {
		sq.defaults = p.TracePacketDefaults
	}
	if has && sq.valid && p.InternedData != nil {
		for table, list := range map[string][]*perfettopb.InternedString{
			"category": p.InternedData.EventCategories, "name": p.InternedData.EventNames, "note": p.InternedData.DebugAnnotationNames,
			"value": p.InternedData.DebugAnnotationStringValues, "tag": p.InternedData.CorrelationIdStr,
		} {
			for _, e := range list {
				if sq.tables[table] == nil {
					sq.tables[table] = map[uint64]string{}
				}
				if _, ok := sq.tables[table][e.GetIid()]; !ok && e.GetIid() != 0 {
					sq.tables[table][e.GetIid()] = e.GetName()
				}
			}
		}
	}
	if p.GetSequenceFlags()&2 != 0 && !sq.valid {
		return
	}
	if d := p.TrackDescriptor; d != nil && p.TrackEvent == nil && d.Uuid != nil {
		if _, ok := r.counters[*d.Uuid]; !ok && d.Counter != nil {
			r.counters[*d.Uuid] = d.Counter
		}
		if d.Thread != nil && has && sq.valid {
			sq.thread, sq.timed, sq.ref = d.Thread, true, d.Thread.GetReferenceTimestampUs()*1000
		}
	}
	if p.TrackEvent != nil {
		r.event(p, sq)
	}
}

func (r *reference) event(p *perfettopb.TracePacket, sq *refSequence) {
	ev := p.TrackEvent
	var ns int64
	switch {
	case ev.TimestampDeltaUs != nil:
		if !sq.timed {
			return
		}
		sq.ref += *ev.TimestampDeltaUs * 1000
		ns = sq.ref
	case ev.GetTimestampAbsoluteUs() != 0:
		ns = *ev.TimestampAbsoluteUs * 1000
	case p.Timestamp == nil:
		if r.latest == 0 {
			return
		}
		ns = r.latest
	default:
		ns = int64(*p.Timestamp)
	}
	r.latest = max(r.latest, ns)
	track, hasTrack := ev.GetTrackUuid(), ev.TrackUuid != nil
	defaults := sq.defaults.GetTrackEventDefaults()
	if !hasTrack && defaults != nil && defaults.TrackUuid != nil {
		track, hasTrack = *defaults.TrackUuid, true
	}
	name := ev.GetName()
	if iid := ev.GetNameIid(); iid != 0 {
		name = sq.tables["name"][iid]
	} else if iid := ev.LegacyEvent.GetNameIid(); iid != 0 {
		name = sq.tables["name"][iid]
	}
	typ := map[int32]string{1: "begin", 2: "end", 3: "instant", 4: "counter", 5: "state"}[ev.GetType()]
	if ph := ev.LegacyEvent.GetPhase(); byte(ph) != 0 {
		typ = map[byte]string{'B': "begin", 'E': "end", 'X': "complete", 'i': "instant", 'I': "instant", 'R': "instant"}[byte(ph)]
		if typ == "" {
			typ = "untyped"
		}
	} else if typ == "" {
		return
	}
	s := eventLine(ns, false, typ, hasTrack, track, name, refCategories(ev, sq))
	if typ == "counter" {
		if !hasTrack || ev.CounterValue == nil && ev.DoubleCounterValue == nil {
			return
		}
		v := float64(ev.GetCounterValue())
		if ev.DoubleCounterValue != nil {
			v = *ev.DoubleCounterValue
		}
		// Extra values come first: sums of one track may depend on it.
		extra := r.extras(ev, sq)
		v, ok := r.absolute(sq, track, v)
		if !ok {
			return
		}
		s += " v=" + number(v) + extra
	} else {
		s += r.extras(ev, sq)
	}
	s += listed("flows", slices.Concat(ev.FlowIds, ev.FlowIdsOld)) + listed("ends", slices.Concat(ev.TerminatingFlowIds, ev.TerminatingFlowIdsOld))
	tag := ev.GetCorrelationIdStr()
	if iid := ev.GetCorrelationIdStrIid(); iid != 0 {
		tag = sq.tables["tag"][iid]
	}
	if ev.GetCorrelationId() != 0 || tag != "" {
		s += fmt.Sprintf(" correlation=%d%s", ev.GetCorrelationId(), tag)
	}
	var notes []string
	for _, a := range ev.DebugAnnotations {
		notes = append(notes, refNotes(a, sq, "")...)
	}
	if len(notes) > 0 {
		s += " {" + strings.Join(notes, " ") + "}"
	}
	if lg := ev.LegacyEvent; lg != nil && byte(lg.GetPhase()) != 0 {
		s += fmt.Sprintf(" ph=%c", byte(lg.GetPhase()))
		if d := lg.GetDurationUs(); d > 0 && d < math.MaxInt64/1000 {
			s += fmt.Sprintf(" dur=%d", d*1000)
		}
		if lg.GlobalId != nil { // the last one on the wire
			s += fmt.Sprintf(" id=3/%d", *lg.GlobalId)
		} else if lg.LocalId != nil {
			s += fmt.Sprintf(" id=2/%d", *lg.LocalId)
		} else if lg.UnscopedId != nil {
			s += fmt.Sprintf(" id=1/%d", *lg.UnscopedId)
		}
	}
	if !hasTrack && sq.thread != nil {
		s += fmt.Sprintf(" thread=%d/%d", sq.thread.GetPid(), sq.thread.GetTid())
	}
	r.lines = append(r.lines, s)
}

func refCategories(ev *perfettopb.TrackEvent, sq *refSequence) string {
	var list []string
	ids := slices.DeleteFunc(slices.Clone(ev.CategoryIids), func(iid uint64) bool { return iid == 0 })
	for _, iid := range ids {
		name, ok := sq.tables["category"][iid]
		switch {
		case ok:
			list = append(list, name)
		case len(ids) == 1 && len(ev.Categories) == 0:
			list = append(list, fmt.Sprintf("unknown(%d)", iid))
		}
	}
	list = append(list, ev.Categories...)
	return strings.Join(slices.DeleteFunc(list, func(s string) bool { return s == "" }), ",")
}

func (r *reference) absolute(sq *refSequence, track uint64, v float64) (float64, bool) {
	c, ok := r.counters[track]
	if !ok {
		return 0, false
	}
	if c.GetUnitMultiplier() != 0 {
		v *= float64(c.GetUnitMultiplier())
	}
	if c.GetIsIncremental() {
		v += sq.sums[track]
		sq.sums[track] = v
	}
	return v, true
}

func (r *reference) extras(ev *perfettopb.TrackEvent, sq *refSequence) string {
	var list []string
	add := func(tracks, fallback []uint64, values []float64) {
		if len(tracks) == 0 {
			tracks = fallback
		}
		for i, v := range values {
			if i >= len(tracks) {
				return
			}
			if v, ok := r.absolute(sq, tracks[i], v); ok {
				list = append(list, fmt.Sprintf("%d:%s", tracks[i], number(v)))
			}
		}
	}
	var ints []float64
	for _, v := range ev.ExtraCounterValues {
		ints = append(ints, float64(v))
	}
	defaults := sq.defaults.GetTrackEventDefaults()
	add(ev.ExtraCounterTrackUuids, defaults.GetExtraCounterTrackUuids(), ints)
	add(ev.ExtraDoubleCounterTrackUuids, defaults.GetExtraDoubleCounterTrackUuids(), ev.ExtraDoubleCounterValues)
	if len(list) == 0 {
		return ""
	}
	return " extra=[" + strings.Join(list, " ") + "]"
}

// refNotes flattens one annotation. Of several values the last on the wire counts,
// which for the fields that are drawn is the highest number.
func refNotes(a *perfettopb.DebugAnnotation, sq *refSequence, prefix string) []string {
	name := a.GetName()
	if a.NameIid != nil && a.Name == nil {
		name = sq.tables["note"][*a.NameIid]
	}
	key := prefix + name
	return refValue(a, sq, key)
}

func refValue(a *perfettopb.DebugAnnotation, sq *refSequence, key string) (out []string) {
	switch {
	case len(a.DictEntries) > 0:
		for _, m := range a.DictEntries {
			out = append(out, refNotes(m, sq, key+".")...)
		}
		return out
	case len(a.ArrayValues) > 0:
		for i, m := range a.ArrayValues {
			out = append(out, refValue(m, sq, fmt.Sprintf("%s[%d]", key, i))...)
		}
		return out
	case a.StringValueIid != nil:
		return []string{key + "=" + sq.tables["value"][*a.StringValueIid]}
	case a.LegacyJsonValue != nil:
		return []string{key + "=" + *a.LegacyJsonValue}
	case a.NestedValue != nil:
		return refNested(a.NestedValue, key)
	case a.PointerValue != nil:
		return []string{fmt.Sprintf("%s=0x%x", key, *a.PointerValue)}
	case a.StringValue != nil:
		return []string{key + "=" + *a.StringValue}
	case a.DoubleValue != nil:
		return []string{key + "=" + number(*a.DoubleValue)}
	case a.IntValue != nil:
		return []string{fmt.Sprintf("%s=%d", key, *a.IntValue)}
	case a.UintValue != nil:
		return []string{fmt.Sprintf("%s=%d", key, *a.UintValue)}
	case a.BoolValue != nil:
		return []string{fmt.Sprintf("%s=%v", key, *a.BoolValue)}
	}
	return []string{key + "="}
}

func refNested(v *perfettopb.NestedValue, key string) (out []string) {
	for i, m := range v.ArrayValues {
		out = append(out, refNested(m, fmt.Sprintf("%s[%d]", key, i))...)
	}
	for i := range min(len(v.DictKeys), len(v.DictValues)) {
		out = append(out, refNested(v.DictValues[i], key+"."+v.DictKeys[i])...)
	}
	switch {
	case v.StringValue != nil:
		return append(out, key+"="+*v.StringValue)
	case v.BoolValue != nil:
		return append(out, fmt.Sprintf("%s=%v", key, *v.BoolValue))
	case v.DoubleValue != nil:
		return append(out, key+"="+number(*v.DoubleValue))
	case v.IntValue != nil:
		return append(out, fmt.Sprintf("%s=%d", key, *v.IntValue))
	}
	return out
}
