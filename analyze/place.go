// SPDX-License-Identifier: Apache-2.0

package analyze

import "github.com/layerscope/layerscope/trace"

// An opPlace is where one op of the trace belongs.
type opPlace struct{ layer, component string }

// Place returns the layer row and the component of an op of the analysed trace,
// for writers that put both beside its events. The layer is "" for what is
// unattributed or did not run, "(several)" for an op of a scanned layer.
func (a *Analysis) Place(id trace.OpID) (layer, component string) {
	if int(id) >= len(a.places) {
		return "", ""
	}
	return a.places[id].layer, a.places[id].component
}

// notePlaces keeps what [Analysis.Place] tells.
func (s *study) notePlaces() {
	s.out.places = make([]opPlace, len(s.ops))
	for id := range s.ops {
		if o := &s.ops[id]; o.count > 0 {
			s.out.places[id] = opPlace{s.rowKey(trace.OpID(id)), o.component}
		}
	}
}
