// SPDX-License-Identifier: Apache-2.0

package perfetto

import (
	"math"
	"slices"
	"strconv"
)

// eventRest reads what most events lack, and judges the event.
func (rd *Reader) eventRest(sq *sequence, ev *Event, parts *eventParts) Kind {
	ev.rare = true
	if parts.more {
		if parts.hasTrack && !ev.HasTrack {
			ev.Track, ev.HasTrack = parts.track, true
			ev.Lane = rd.laneOf(sq, ev.Track)
		}
		if len(parts.categories)+len(parts.texts) > 0 {
			ev.Category = rd.categories(sq, ev, parts)
		}
		ev.Flows = append(append(ev.Flows, parts.flows...), parts.flowsOld...)
		ev.EndFlows = append(append(ev.EndFlows, parts.endFlows...), parts.endFlowsOld...)
		rd.correlate(sq, ev, parts)
		if parts.legacy.at != 0 {
			rd.legacy(sq, ev, parts.legacy)
		}
		rd.extras(sq, parts)
	}
	if !ev.HasTrack && sq.hasThread {
		ev.HasThread, ev.Pid, ev.Tid = true, sq.pid, sq.tid
	}
	switch {
	case ev.HasLegacy && ev.Legacy.Phase != 0:
		ev.Type = phaseType(ev.Legacy.Phase)
	case ev.Type == Untyped:
		rd.complain(NoType, "an event of type %d, without a phase", parts.typ)
		return None
	case ev.Type == Counter:
		return rd.counterEvent(sq, ev, parts)
	}
	return EventRecord
}

// category returns the name of one category.
func (rd *Reader) category(sq *sequence, iid uint64) StringID {
	if id, ok := rd.known(&sq.categories, iid); ok {
		return id
	}
	text := strconv.AppendUint([]byte("unknown("), iid, 10) // as Perfetto names it
	return rd.intern(append(text, ')'))
}

// categories joins the names of several.
func (rd *Reader) categories(sq *sequence, ev *Event, parts *eventParts) StringID {
	var text []byte
	add := func(b []byte) {
		if len(text) > 0 && len(b) > 0 {
			text = append(text, ',')
		}
		text = append(text, b...)
	}
	ids := slices.DeleteFunc(parts.categories, func(iid uint64) bool { return iid == 0 }) // 0 is none
	if parts.category != 0 {
		ids = append([]uint64{parts.category}, ids...)
	}
	for _, iid := range ids {
		if id, ok := rd.known(&sq.categories, iid); ok {
			add([]byte(rd.strings.list[id]))
		} else if len(ids) == 1 && len(parts.texts) == 0 {
			return rd.category(sq, iid)
		}
	}
	for _, s := range parts.texts {
		add(s.bytes(ev.buf))
	}
	return rd.intern(text)
}

func (rd *Reader) correlate(sq *sequence, ev *Event, parts *eventParts) {
	ev.Correlation = parts.correlation
	if parts.tagID != 0 {
		ev.CorrelationTag, _ = rd.known(&sq.tags, parts.tagID)
	} else if parts.tag.at != 0 {
		ev.CorrelationTag = rd.intern(parts.tag.bytes(ev.buf))
	}
}

// A counterTrack is what a counter's values mean.
type counterTrack struct {
	unit        float64
	incremental bool
}

// counterEvent gives a counter event its value.
func (rd *Reader) counterEvent(sq *sequence, ev *Event, parts *eventParts) Kind {
	if !ev.HasTrack || !parts.hasCounter {
		rd.complain(BadCounter, "a counter event without a track or without a value")
		return None
	}
	v, ok := rd.absolute(sq, ev.Track, parts.counter)
	if !ok {
		return None
	}
	ev.Value = v
	return EventRecord
}

// absolute turns the value of a counter track into the value it stands for.
func (rd *Reader) absolute(sq *sequence, track uint64, v float64) (float64, bool) {
	ct, ok := rd.counters[track]
	if !ok {
		rd.complain(BadCounter, "a value of counter track %d, which nothing before it describes", track)
		return 0, false
	}
	v *= ct.unit
	if ct.incremental {
		if sq.sums == nil {
			sq.sums = map[uint64]float64{}
		}
		v += sq.sums[track]
		sq.sums[track] = v
	}
	return v, true
}

// extras reads the counter values that an event brings along.
func (rd *Reader) extras(sq *sequence, parts *eventParts) {
	if len(parts.ints)+len(parts.doubles) == 0 {
		return
	}
	tracks, doubles := parts.tracks, parts.doubleTracks
	if len(tracks) == 0 {
		tracks = sq.counters
	}
	if len(doubles) == 0 {
		doubles = sq.doubles
	}
	for i, v := range parts.ints {
		rd.extra(sq, tracks, i, float64(int64(v)))
	}
	for i, v := range parts.doubles {
		rd.extra(sq, doubles, i, math.Float64frombits(v))
	}
}

func (rd *Reader) extra(sq *sequence, tracks []uint64, i int, v float64) {
	if i >= len(tracks) {
		rd.complain(BadCounter, "more extra counter values than the %d tracks named for them", len(tracks))
		return
	}
	if v, ok := rd.absolute(sq, tracks[i], v); ok {
		rd.Event.Extra = append(rd.Event.Extra, Sample{tracks[i], v})
	}
}
