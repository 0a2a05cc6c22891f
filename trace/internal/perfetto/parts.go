// SPDX-License-Identifier: Apache-2.0

package perfetto

import "math"

// eventParts is what decoding an event collects before names are resolved.
type eventParts struct {
	typ              uint64
	nameID, category uint64
	name             span // at is 0 if there is none
	more             bool // categories or others beyond the usual
	categories       []uint64
	texts            []span
	counter          float64
	hasCounter       bool
	ints             []uint64
	doubles          []uint64
	tracks           []uint64
	doubleTracks     []uint64
	flowsOld         []uint64
	endFlowsOld      []uint64
	flows, endFlows  []uint64
	correlation      uint64
	track            uint64
	hasTrack         bool
	tag              span
	tagID            uint64
	legacy           span
	delta, absolute  int64
	hasDelta         bool
	hasAbsolute      bool
	bad              bool
}

// rare reads a field of an event that most events lack, and returns the position
// behind it.
func (parts *eventParts) rare(b []byte, p, end int) int {
	s := span{p, end}
	var f field
	if !s.next(b, &f, &parts.bad) {
		return beyond
	}
	if f.num >= 1000 {
		return s.at // an extension
	}
	parts.more = true
	switch f.wire {
	case wireVarint:
		parts.varint(f.num, f.val)
	case wireBytes:
		parts.message(b, &f)
	case wireI64:
		switch f.num {
		case eventDouble:
			parts.counter, parts.hasCounter = math.Float64frombits(f.val), true
		case eventFlows:
			parts.flows = append(parts.flows, f.val)
		case eventEndFlows:
			parts.endFlows = append(parts.endFlows, f.val)
		case eventExtraDoubles:
			parts.doubles = append(parts.doubles, f.val)
		}
	}
	return s.at
}

func (parts *eventParts) varint(num int, v uint64) {
	switch num {
	case eventType:
		parts.typ = v
	case eventNameID:
		parts.nameID = v
	case eventTrack:
		parts.track, parts.hasTrack = v, true
	case eventCategoryIDs:
		parts.addCategory(v)
	case eventDelta:
		parts.delta, parts.hasDelta = int64(v), true
	case eventAbsolute:
		parts.absolute, parts.hasAbsolute = int64(v), v != 0
	case eventCounter:
		parts.counter, parts.hasCounter = float64(int64(v)), true
	case eventExtraValues:
		parts.ints = append(parts.ints, v)
	case eventExtraTracks:
		parts.tracks = append(parts.tracks, v)
	case eventExtraDoubleTracks:
		parts.doubleTracks = append(parts.doubleTracks, v)
	case eventFlowsOld:
		parts.flowsOld = append(parts.flowsOld, v)
	case eventEndFlowsOld:
		parts.endFlowsOld = append(parts.endFlowsOld, v)
	case eventCorrelation:
		parts.correlation = v
	case eventCorrelationID:
		parts.tagID = v
	}
}

func (parts *eventParts) message(b []byte, f *field) {
	bad := &parts.bad
	switch f.num {
	case eventName:
		parts.name = f.span
	case eventCategories:
		parts.texts = append(parts.texts, f.span)
	case eventCategoryIDs:
		parts.categories = packedVarints(b, f.span, parts.categories, bad)
	case eventExtraValues:
		parts.ints = packedVarints(b, f.span, parts.ints, bad)
	case eventExtraTracks:
		parts.tracks = packedVarints(b, f.span, parts.tracks, bad)
	case eventExtraDoubleTracks:
		parts.doubleTracks = packedVarints(b, f.span, parts.doubleTracks, bad)
	case eventExtraDoubles:
		parts.doubles = packedFixed(b, f.span, parts.doubles, bad)
	case eventFlows:
		parts.flows = packedFixed(b, f.span, parts.flows, bad)
	case eventEndFlows:
		parts.endFlows = packedFixed(b, f.span, parts.endFlows, bad)
	case eventFlowsOld:
		parts.flowsOld = packedVarints(b, f.span, parts.flowsOld, bad)
	case eventEndFlowsOld:
		parts.endFlowsOld = packedVarints(b, f.span, parts.endFlowsOld, bad)
	case eventCorrelationText:
		parts.tag = f.span
	case eventLegacy:
		parts.legacy = f.span
	}
}

func (parts *eventParts) addCategory(v uint64) {
	parts.categories = append(parts.categories, v)
	parts.more = true
}

// reset empties the parts, keeping the slices.
func (parts *eventParts) reset() {
	*parts = eventParts{
		categories: parts.categories[:0], texts: parts.texts[:0], ints: parts.ints[:0], doubles: parts.doubles[:0],
		tracks: parts.tracks[:0], doubleTracks: parts.doubleTracks[:0], flows: parts.flows[:0], endFlows: parts.endFlows[:0],
		flowsOld: parts.flowsOld[:0], endFlowsOld: parts.endFlowsOld[:0],
	}
}
