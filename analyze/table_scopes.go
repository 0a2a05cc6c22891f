// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"cmp"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/trace"
)

// Rows of ops without a place in the tree of scopes.
const (
	noScope    = "(no scope)"
	moreScopes = "(further scopes)"
)

// maxScopes bounds the tree: programs have some thousands of scopes, a hostile file
// one in two bytes.
const maxScopes = 1 << 17

// tableScopes sums self time over the tree of folded scopes: each node has what
// is directly in it and, as total, what is below it too.
func (s *study) tableScopes() {
	at := make(map[string]int)
	node := func(path string) *Scope {
		i, ok := at[path]
		if !ok {
			i = len(s.out.Scopes)
			at[path] = i
			s.out.Scopes = append(s.out.Scopes, Scope{Path: path})
		}
		return &s.out.Scopes[i]
	}
	for id := range s.ops {
		o := &s.ops[id]
		if o.count == 0 {
			continue
		}
		path := o.scope.path()
		if path == "" {
			path = noScope
			if o.scope.raw != "" {
				path = "(top)"
			}
		}
		if _, known := at[path]; !known && len(at) >= maxScopes {
			path = moreScopes
		}
		n := node(path)
		n.Self += o.self
		n.Occurrences += o.count
		for p := path; ; {
			n := node(p)
			n.Total += o.self
			switch o.scope.dir {
			case 1:
				n.Backward += o.self
			case 2:
				n.Recompute += o.self
			default:
				n.Forward += o.self
			}
			if len(o.scope.parts) == 0 {
				break
			}
			i := len(p) - 1
			for i >= 0 && p[i] != '/' {
				i--
			}
			if i < 0 {
				break
			}
			p = p[:i]
		}
	}
	slices.SortFunc(s.out.Scopes, func(a, b Scope) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), strings.Compare(a.Path, b.Path))
	})
}

// tableAsync sums the spans of async lines, and the op time spent waiting for
// their ends. A wait is exposed by definition: nothing else ran on that track.
func (s *study) tableAsync() error {
	spans := make(map[string]*AsyncRow)
	row := func(name string) *AsyncRow {
		r := spans[name]
		if r == nil {
			r = &AsyncRow{Name: name}
			spans[name] = r
		}
		return r
	}
	sums, err := s.asyncSpans()
	if err != nil {
		return err
	}
	var span Duration
	for i := range sums {
		if t := &sums[i]; t.count > 0 {
			r := row(baseName(strings.Replace(s.t.Ops[i].Name, "-start", "", 1)))
			r.Span += t.total
			r.Occurrences += t.count
			span += t.total
		}
	}
	for id := range s.ops {
		op, o := &s.t.Ops[id], &s.ops[id]
		if o.count == 0 || !strings.HasSuffix(op.Category, "-done") {
			continue
		}
		s.out.Async.Exposed += o.self
		row(baseName(strings.Replace(op.Name, "-done", "", 1))).Exposed += o.self
	}
	s.out.Async.Overlapped = max(0, span-s.out.Async.Exposed)
	for _, r := range spans {
		s.out.Async.Rows = append(s.out.Async.Rows, *r)
	}
	slices.SortFunc(s.out.Async.Rows, func(a, b AsyncRow) int {
		return cmp.Or(cmp.Compare(b.Exposed, a.Exposed), cmp.Compare(b.Span, a.Span), strings.Compare(a.Name, b.Name))
	})
	return nil
}

// asyncSpans sums the events of async lines by op. They overlap, so they have no
// self time.
func (s *study) asyncSpans() ([]tally, error) {
	sums := make([]tally, len(s.t.Ops))
	for _, tr := range s.t.Tracks {
		if tr.Kind != trace.Async || !slices.Contains(s.devices, tr.Device) {
			continue
		}
		one := make(map[trace.OpID]tally)
		err := eachTrack([]*trace.Track{tr}, func(int, *trace.Track) error {
			clear(one)
			for b, err := range tr.Batches() {
				if err != nil {
					return err
				}
				for i, op := range b.Op {
					t := one[op]
					t.count++
					t.total += b.Dur[i]
					one[op] = t
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		for op, t := range one {
			sums[op].count += t.count
			sums[op].total += t.total
		}
	}
	return sums, nil
}

// tableHost sums spans of host threads by name.
func (s *study) tableHost() error {
	var tracks []*trace.Track
	for _, tr := range s.t.Tracks {
		if tr.Kind == trace.Host {
			tracks = append(tracks, tr)
		}
	}
	tallies, err := tallyTracks(tracks, len(s.t.Ops))
	if err != nil {
		return err
	}
	at := make(map[string]int)
	for i := range tallies {
		for k := range tallies[i].ops {
			t := &tallies[i].ops[k]
			name := s.t.Ops[t.op].Name
			k, ok := at[name]
			if !ok {
				k = len(s.out.Host)
				at[name] = k
				s.out.Host = append(s.out.Host, HostRow{Name: name})
			}
			h := &s.out.Host[k]
			h.Self += t.self
			h.Total += t.total
			h.Occurrences += t.count
		}
	}
	slices.SortFunc(s.out.Host, func(a, b HostRow) int {
		return cmp.Or(cmp.Compare(b.Self, a.Self), strings.Compare(a.Name, b.Name))
	})
	return nil
}
