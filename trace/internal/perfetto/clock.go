// SPDX-License-Identifier: Apache-2.0

package perfetto

import (
	"math"
	"sort"
)

// Builtin clocks.
const (
	ClockRealtime  = 1
	ClockMonotonic = 3
	ClockBoottime  = 6
)

const (
	firstSequenceClock = 64
	lastSequenceClock  = 127
)

// A clockKey names a clock: those of a sequence are its own, the others are
// those of a machine.
type clockKey struct {
	machine, seq, id uint32
}

// A ClockID is a clock that an event's time is of, in one reader.
type ClockID int32

// A pair is one snapshot's reading of two clocks.
type pair struct{ ns, off int64 }

// An edge holds the readings of two clocks, by time of the first.
type edge struct {
	to    ClockID
	pairs []pair
}

type clockDomain struct {
	clockKey
	edges []edge
	at    map[ClockID]int // index of an edge, once there are many
	ticks *tickClock      // of an incremental clock, and of a sequence's not seen in a snapshot yet

	// The last conversion of one hop: valid for [lo, hi) while gen is current.
	lo, hi, off int64
	gen         int32
}

type clockReading struct {
	clock ClockID
	ns    int64
}

// clocks relates the clocks of a trace. Between snapshots all clocks are taken
// to run at one rate.
type clocks struct {
	domains []clockDomain
	at      map[clockKey]ClockID
	target  map[uint32]ClockID // trace time's clock by machine
	paths   map[ClockID][]ClockID
	primary uint32
	pairs   int

	wall, wallAt int64 // Unix ns and trace time of the first snapshot with both
	gen          int32 // changes with every snapshot
}

// Bounds of what is kept: clocks, readings, clocks of one snapshot.
const (
	maxDomains  = 1 << 16
	maxPairs    = 1 << 20
	maxReadings = 32
)

func (c *clocks) domain(k clockKey) (ClockID, bool) {
	if id, ok := c.at[k]; ok {
		return id, true
	}
	if c.at == nil {
		c.at, c.target, c.paths = map[clockKey]ClockID{}, map[uint32]ClockID{}, map[ClockID][]ClockID{}
	}
	if len(c.domains) >= maxDomains {
		return 0, false
	}
	id := ClockID(len(c.domains))
	c.at[k] = id
	c.domains = append(c.domains, clockDomain{clockKey: k})
	return id, true
}

// add takes a snapshot of one machine. It returns false when there is no room.
func (c *clocks) add(machine uint32, readings []clockReading) bool {
	if c.pairs += len(readings) * len(readings); c.pairs > maxPairs {
		return false
	}
	want := uint32(ClockBoottime)
	if c.primary != 0 {
		want = c.primary
	}
	for _, a := range readings {
		d := &c.domains[a.clock]
		if _, ok := c.target[machine]; !ok && d.id == want && d.seq == 0 {
			c.target[machine] = a.clock
		}
		for _, b := range readings {
			if a.clock != b.clock {
				d.edge(b.clock).add(pair{a.ns, b.ns - a.ns})
			}
		}
	}
	clear(c.paths)
	c.gen++
	c.findOrigin(machine, readings)
	return true
}

// edge returns the readings of d together with another clock.
func (d *clockDomain) edge(to ClockID) *edge {
	const few = 8
	if d.at != nil {
		if i, ok := d.at[to]; ok {
			return &d.edges[i]
		}
		d.at[to] = len(d.edges)
	} else {
		for i := range d.edges {
			if d.edges[i].to == to {
				return &d.edges[i]
			}
		}
		if len(d.edges) == few {
			d.at = map[ClockID]int{to: few}
			for i := range d.edges {
				d.at[d.edges[i].to] = i
			}
		}
	}
	d.edges = append(d.edges, edge{to: to})
	return &d.edges[len(d.edges)-1]
}

// maxBack is by how many readings one may come late. One that comes later is of a
// clock that was set back, and left out.
const maxBack = 64

func (e *edge) add(p pair) {
	n := len(e.pairs)
	i := n
	for i > 0 && e.pairs[i-1].ns > p.ns {
		if i--; n-i > maxBack {
			return
		}
	}
	e.pairs = append(e.pairs, p)
	copy(e.pairs[i+1:], e.pairs[i:])
	e.pairs[i] = p
}

// findOrigin keeps what the first machine's first snapshot says of wall time.
func (c *clocks) findOrigin(machine uint32, readings []clockReading) {
	target, ok := c.target[machine]
	if !ok || machine != 0 || c.wall != 0 {
		return
	}
	for _, r := range readings {
		if d := &c.domains[r.clock]; d.id == ClockRealtime && d.seq == 0 {
			for _, s := range readings {
				if s.clock == target {
					c.wall, c.wallAt = r.ns, s.ns
				}
			}
		}
	}
}

// trace converts a time of a clock to trace time.
func (c *clocks) trace(src ClockID, ns int64) (int64, bool) {
	d := &c.domains[src]
	if d.gen == c.gen && ns >= d.lo && ns < d.hi {
		return ns + d.off, true
	}
	target, ok := c.target[d.machine]
	if !ok {
		return 0, false
	}
	if src == target {
		d.lo, d.hi, d.off, d.gen = math.MinInt64, math.MaxInt64, 0, c.gen
		return ns, true
	}
	path, ok := c.paths[src]
	if !ok {
		path = c.path(src, target)
		c.paths[src] = path
	}
	if path == nil {
		return 0, false
	}
	from := src
	for _, to := range path {
		off, lo, hi := c.domains[from].edge(to).at(ns)
		if len(path) == 1 {
			d.lo, d.hi, d.off, d.gen = lo, hi, off, c.gen
		}
		ns = addSat(ns, off)
		from = to
	}
	return ns, true
}

// at returns the offset at ns: of the last snapshot before it, or else of the
// first. It holds for times in [lo, hi).
func (e *edge) at(ns int64) (off, lo, hi int64) {
	i := sort.Search(len(e.pairs), func(i int) bool { return e.pairs[i].ns > ns })
	lo, hi = math.MinInt64, math.MaxInt64
	if i < len(e.pairs) {
		hi = e.pairs[i].ns
	}
	if i > 0 {
		return e.pairs[i-1].off, e.pairs[i-1].ns, hi
	}
	return e.pairs[0].off, lo, hi
}

// maxVisited bounds the search for a path.
const maxVisited = 1024

// path returns the clocks to go through from one to another, fewest first.
func (c *clocks) path(from, to ClockID) []ClockID {
	prev := map[ClockID]ClockID{from: from}
	queue := []ClockID{from}
	for len(queue) > 0 && len(prev) < maxVisited {
		at := queue[0]
		queue = queue[1:]
		for i := range c.domains[at].edges {
			next := c.domains[at].edges[i].to
			if next == to {
				prev[to] = at
				queue = nil
				break
			}
			if _, ok := prev[next]; !ok && len(prev) < maxVisited {
				prev[next] = at
				queue = append(queue, next)
			}
		}
	}
	if _, ok := prev[to]; !ok {
		return nil
	}
	var path []ClockID
	for at := to; at != from; at = prev[at] {
		path = append([]ClockID{at}, path...)
	}
	return path
}

// addSat adds without wrapping.
func addSat(a, b int64) int64 {
	if s := a + b; (s > a) == (b > 0) {
		return s
	}
	if b > 0 {
		return math.MaxInt64
	}
	return math.MinInt64
}

// scale multiplies a time by its unit, and says whether it fits.
func scale(v, unit uint64) (int64, bool) {
	if v > math.MaxInt64/unit {
		return 0, false
	}
	return int64(v * unit), true
}
