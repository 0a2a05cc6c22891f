// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"slices"
	"strconv"
)

// Request returns the part of a trace in which one request ran: events,
// executions and steps that begin in its spans, without flows; where spans of its
// id nest, in the innermost. It reads from t, which must stay open. ok says whether there is
// such a request and all devices share the host's clock; others have nothing in
// the part.
func (t *Trace) Request(id string, clock Clock) (part *Trace, ok bool) {
	spans := t.innermost(id)
	if len(spans) == 0 {
		return nil, false
	}
	w := *t
	w.closers = nil
	w.flows, w.lazyFlows = flowTable{}, nil // events have other numbers
	w.Tracks, w.Findings = nil, slices.Clone(t.Findings)
	ok = true
	for _, tr := range t.Tracks {
		if tr.Device >= 0 && clock == DeviceClock && t.Devices[tr.Device].Kind != "cpu" {
			ok = false
			continue
		}
		cut := *tr
		cut.source = windowed{tr, spans}
		w.Tracks = append(w.Tracks, &cut)
	}
	outside := func(at Time) bool { return !slices.ContainsFunc(spans, func(s Request) bool { return s.holds(at) }) }
	w.Executions = slices.DeleteFunc(slices.Clone(t.Executions), func(e Execution) bool { return outside(e.Start) })
	w.Steps = slices.DeleteFunc(slices.Clone(t.Steps), func(s Step) bool { return outside(s.Start) })
	w.Compiles = slices.DeleteFunc(slices.Clone(t.Compiles), func(c Compile) bool { return outside(c.Start) })
	w.Wall = 0
	w.find(Finding{Code: "one-request", Severity: Info, Count: int64(len(spans)), Message: "only what began in the host spans of request " + strconv.Quote(id),
		Hint: "a request that shares a batch is given all of the batch"})
	return &w, ok
}

func (r Request) holds(at Time) bool { return at >= r.Start && at < r.Start.Add(r.Dur) }

// innermost returns the spans of a request that hold no other span of it.
func (t *Trace) innermost(id string) []Request {
	var own []Request
	for _, r := range t.Requests {
		if r.ID == id {
			own = append(own, r)
		}
	}
	var out []Request
	for i, r := range own {
		inner := slices.IndexFunc(own, func(s Request) bool { return s != r && s.Start >= r.Start && s.Start.Add(s.Dur) <= r.Start.Add(r.Dur) })
		if inner < 0 || inner == i {
			out = append(out, r)
		}
	}
	return out
}

// windowed yields the events of a track that begin in one of some spans.
type windowed struct {
	track *Track
	spans []Request
}

func (w windowed) batches(yield func(*Batch, error) bool) {
	for b, err := range w.track.Batches() {
		if err != nil {
			yield(nil, err)
			return
		}
		if b.Self != nil {
			continue // sums have no time
		}
		var out Batch
		for i, at := range b.Start {
			if !slices.ContainsFunc(w.spans, func(s Request) bool { return s.holds(at) }) {
				continue
			}
			out.Op, out.Start, out.Dur = append(out.Op, b.Op[i]), append(out.Start, at), append(out.Dur, b.Dur[i])
			if b.Run != nil {
				out.Run = append(out.Run, b.Run[i])
			}
			if b.FLOPs != nil {
				out.FLOPs, out.Bytes = append(out.FLOPs, b.FLOPs[i]), append(out.Bytes, b.Bytes[i])
			}
			if b.Value != nil {
				out.Value = append(out.Value, b.Value[i])
			}
		}
		if out.Len() > 0 && !yield(&out, nil) {
			return
		}
	}
}
