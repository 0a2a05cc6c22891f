// SPDX-License-Identifier: Apache-2.0

package trace

import "github.com/layerscope/layerscope/trace/internal/tracetxt"

// flow reads "flow TRACK EVENT TRACK EVENT [kind=]": an arrow between two events
// that stand above it.
func (x *textReader) flow(l *tracetxt.Line) error {
	var ends [2]EventRef
	for i := range ends {
		track, err := l.Int(2 * i)
		if err != nil {
			return err
		}
		event, err := l.Int(2*i + 1)
		if err != nil {
			return err
		}
		if n := int64(len(x.t.Tracks) - x.tracks); track < 0 || track >= n {
			return l.Errorf("track %d of %d", track, n)
		}
		at := int(track) + x.tracks
		c, ok := x.t.Tracks[at].source.(*columns)
		if !ok || event < 0 || event >= int64(c.len()) {
			return l.Errorf("event %d of track %d, which holds fewer so far", event, track)
		}
		ends[i] = EventRef{at, int(event)}
	}
	x.t.flows.add(Flow{ends[0], ends[1], l.Values["kind"]})
	return nil
}
