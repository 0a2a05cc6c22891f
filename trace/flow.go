// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"sort"
)

// A Flow is an arrow from one event to another: from a call on the host to the
// work it started, from a forward operator to its backward one, from a producer
// to its consumer.
type Flow struct {
	From, To EventRef
	Kind     string // "ac2g", "fwdbwd", "tpu_launch"; "flow" where the file names none
}

// An EventRef names an event by its place: the index of its track in
// Trace.Tracks, and how many events the track's batches hold before it.
type EventRef struct{ Track, Event int }

// plainFlow is the kind of flows that a file gives no name.
const plainFlow = "flow"

// Flows returns the arrows between events. Those of an XSpace are looked for in
// the file each time; those of other formats are in memory. After an error
// iteration ends.
func (t *Trace) Flows() iter.Seq2[Flow, error] {
	return func(yield func(Flow, error) bool) {
		for i := range t.flows.from {
			if !yield(t.flows.at(i), nil) {
				return
			}
		}
		for _, each := range t.lazyFlows {
			more := true
			if err := each(func(f Flow) bool {
				more = yield(f, nil)
				return more
			}); err != nil {
				yield(Flow{}, err)
				return
			}
			if !more {
				return
			}
		}
	}
}

// flowTable holds flows as columns, 18 bytes each.
type flowTable struct {
	from, to []eventAt
	kind     []uint16
	kinds    []string
	index    map[string]uint16
}

type eventAt struct{ track, event uint32 }

func (r eventAt) ref() EventRef { return EventRef{int(r.track), int(r.event)} }

func (ft *flowTable) at(i int) Flow {
	return Flow{ft.from[i].ref(), ft.to[i].ref(), ft.kinds[ft.kind[i]]}
}

// add keeps a flow, unless its events are beyond what the columns can name.
func (ft *flowTable) add(f Flow) {
	if max(f.From.Track, f.From.Event, f.To.Track, f.To.Event) > math.MaxUint32 {
		return
	}
	ft.from = append(ft.from, eventAt{uint32(f.From.Track), uint32(f.From.Event)})
	ft.to = append(ft.to, eventAt{uint32(f.To.Track), uint32(f.To.Event)})
	ft.kind = append(ft.kind, ft.kindOf(firstOf(f.Kind, plainFlow)))
}

// kindOf numbers a kind; those beyond what a number can tell are plain.
func (ft *flowTable) kindOf(kind string) uint16 {
	k, ok := ft.index[kind]
	if ok {
		return k
	}
	if ft.index == nil {
		ft.index, ft.kinds = map[string]uint16{plainFlow: 0}, []string{plainFlow}
		return ft.kindOf(kind)
	}
	if len(ft.kinds) > math.MaxUint16 {
		return 0
	}
	k = uint16(len(ft.kinds))
	ft.index[kind], ft.kinds = k, append(ft.kinds, kind)
	return k
}

func compareRefs(a, b EventRef) int {
	return cmp.Or(cmp.Compare(a.Track, b.Track), cmp.Compare(a.Event, b.Event))
}

// sortedFlows returns all flows, by where they begin.
func (t *Trace) sortedFlows() ([]Flow, error) {
	var list []Flow
	for f, err := range t.Flows() {
		if err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b Flow) int {
		return cmp.Or(compareRefs(a.From, b.From), compareRefs(a.To, b.To), cmp.Compare(a.Kind, b.Kind))
	})
	return list, nil
}

// A flowEnd is one end of a flow, at an event of a track.
type flowEnd struct {
	event int
	flow  int // in the list that the ends were made of
	out   bool
}

// flowEnds are the ends of flows by track, in the order of their events.
type flowEnds map[int][]flowEnd

func endsOf(list []Flow) flowEnds {
	ends := flowEnds{}
	for i, f := range list {
		ends[f.From.Track] = append(ends[f.From.Track], flowEnd{f.From.Event, i, true})
		ends[f.To.Track] = append(ends[f.To.Track], flowEnd{f.To.Event, i, false})
	}
	for _, e := range ends {
		slices.SortFunc(e, func(a, b flowEnd) int {
			if a.event != b.event || a.out == b.out {
				return cmp.Or(cmp.Compare(a.event, b.event), cmp.Compare(a.flow, b.flow))
			}
			if a.out {
				return 1
			}
			return -1
		})
	}
	return ends
}

// of returns the ends at an event.
func (e flowEnds) of(track, event int) []flowEnd {
	list := e[track]
	if len(list) == 0 {
		return nil
	}
	i := sort.Search(len(list), func(i int) bool { return list[i].event >= event })
	j := i
	for j < len(list) && list[j].event == event {
		j++
	}
	return list[i:j]
}

// A flowPoint is what a file says of one event of a flow.
type flowPoint struct {
	id   uint64
	ns   int64 // when, in any unit
	ref  EventRef
	role flowRole
	kind string
}

type flowRole uint8

const (
	flowStart flowRole = iota // the arrow begins here
	flowStep                  // it comes here and goes on
	flowStop                  // it ends here, and others from its beginning may
	flowLast                  // it ends here
)

// connect makes arrows of points that share an id: each leads from the last
// beginning or step before it. An id with one beginning has it whatever the
// times are, since two clocks may disagree. It returns how many points are at
// no arrow.
func (ft *flowTable) connect(points []flowPoint) (loose int64) {
	slices.SortStableFunc(points, func(a, b flowPoint) int {
		return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.ns, b.ns), cmp.Compare(a.role, b.role))
	})
	for i := 0; i < len(points); {
		j := i
		starts, only := 0, -1
		for ; j < len(points) && points[j].id == points[i].id; j++ {
			if points[j].role == flowStart {
				starts, only = starts+1, j
			}
		}
		loose += ft.chain(points, i, j, starts, only)
		i = j
	}
	return loose
}

func (ft *flowTable) chain(points []flowPoint, i, j, starts, only int) (loose int64) {
	source, used := -1, false
	if starts == 1 {
		source = only
	}
	drop := func() {
		if source >= 0 && !used {
			loose++
		}
		source, used = -1, false
	}
	for k := i; k < j; k++ {
		p := &points[k]
		switch {
		case p.role == flowStart && k != source:
			drop()
			source = k
		case p.role == flowStart:
		case source < 0 && p.role == flowStep: // Perfetto's flows begin with a step
			source = k
		case source < 0:
			loose++
		default:
			if from := points[source].ref; from != p.ref {
				ft.add(Flow{from, p.ref, points[source].kind})
			}
			used = true
			switch p.role {
			case flowStep:
				source, used = k, true
			case flowLast:
				source, used = -1, false
			}
		}
	}
	drop()
	return loose
}

// looseFlows is the finding about ends of flows that lead nowhere.
func (t *Trace) looseFlows(n int64) {
	if n > 0 {
		t.find(Finding{Code: "flows-loose", Severity: Info, Count: n, Message: "ends of arrows whose other end, or whose event, is not in the file: left out",
			Hint: "the capture began or stopped between them"})
	}
}
