// SPDX-License-Identifier: Apache-2.0

package analyze

import "github.com/layerscope/layerscope/trace"

// A Place is where one op of the trace belongs: the key of its layer row, ""
// for what is unattributed or did not run, "(several)" for an op of a scanned
// layer; and its component.
type Place struct{ Layer, Component string }

// Place returns the layer row and the component of an op of the analysed trace,
// for writers that put both beside its events.
func (a *Analysis) Place(id trace.OpID) (layer, component string) {
	if int(id) >= len(a.Places) {
		return "", ""
	}
	return a.Places[id].Layer, a.Places[id].Component
}

// notePlaces fills in [Analysis.Places].
func (s *study) notePlaces() {
	s.out.Places = make([]Place, len(s.ops))
	for id := range s.ops {
		if o := &s.ops[id]; o.count > 0 {
			s.out.Places[id] = Place{s.rowKey(trace.OpID(id)), o.component}
		}
	}
}
