// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"github.com/layerscope/layerscope/trace"
)

// Totals returns the op table alone, largest self time first: one pass over the
// op tracks in bounded memory, without layers, scopes' tree or steps. Rows have
// no Layer, Component and BoundBy.
func Totals(t *trace.Trace) ([]Op, error) {
	s := newStudy(t, Options{})
	s.selectDevices()
	var err error
	if s.tallies, err = tallyTracks(s.tracks, len(t.Ops)); err != nil {
		return nil, err
	}
	s.gatherOps()
	s.sortOps(s.mergeOps())
	return s.out.Ops, nil
}
