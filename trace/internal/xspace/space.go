// SPDX-License-Identifier: Apache-2.0

package xspace

import (
	"io"
	"sync"
)

// Bounds on what Index keeps, so that a hostile file cannot turn two bytes of
// input into hundreds of bytes of memory. Real captures have at most hundreds of
// planes and some thousands of lines; for large files the bounds grow.
const (
	maxPlanes   = 1 << 14
	maxLines    = 1 << 15
	maxSections = 1 << 16 // XLine messages, and runs of metadata
	maxName     = 1 << 16 // bytes kept of a plane's, line's or host's name
	maxTexts    = 1 << 12 // errors, warnings and host names kept, each
)

// A Space is an indexed XSpace: its planes in the order their names were first
// seen, and the texts beside them. It is safe for concurrent use.
type Space struct {
	Planes    []*Plane
	Errors    []string
	Warnings  []string
	Hostnames []string
	Size      int64 // bytes of the file

	r     io.ReaderAt
	probs problemSet
}

// A Plane is one XPlane, or several of the same name united: a big XSpace is cut
// into chunks that repeat its planes, and concatenated XSpaces are legal.
type Plane struct {
	ID        int64 // of the first part; not unique in real files: key on Name
	Name      string
	Lines     []*Line
	Parts     int  // XPlane messages united here
	Truncated bool // the file ends inside the plane

	sp    *Space
	runs  []run // where its metadata and stats are
	probs problemSet

	once    sync.Once
	loadErr error
	events  metaTable
	stats   metaTable
	plane   []statRef // the plane's own stats
	overlay []overlay // by part; nil when no ids conflict
	unknown unknownIDs

	names   []string // of stats; nil if there are too many
	nameMu  sync.Mutex
	nameIDs map[string][]uint32 // stat indices of a name, see statsNamed
}

// A run is a stretch of the file that holds only metadata entries and stats of
// one part of a plane.
type run struct {
	off, end int64
	part     int32
}

// A Line is one timeline: all XLine messages of its plane with the same id and
// compatible names. Its exported fields do not change after Index.
type Line struct {
	ID          int64
	Name        string
	TimestampNs int64 // of the first section
	Bytes       int64 // bytes that hold its events, over all sections

	pl    *Plane
	probs problemSet

	mu       sync.Mutex
	sections []section
	tail     lineFields
}

// A section is the part of one XLine message from its first event on.
type section struct {
	off, end int64
	ts       int64 // timestamp_ns of the message
	part     int32
	cut      bool // the file ends inside it
}

// lineFields are the scalar fields of an XLine; those behind the events are
// known only after a scan.
type lineFields struct {
	id, ts, durationPs, displayID int64
	name, displayName             string
}

// Plane returns the plane the line belongs to.
func (ln *Line) Plane() *Plane { return ln.pl }

// Sections returns how many XLine messages hold events of this line.
func (ln *Line) Sections() int {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	return len(ln.sections)
}

// Display returns the display id and name of the line, which fall back to ID and
// Name. On the wire they stand behind the events, so they are complete only
// after the line was scanned or counted once.
func (ln *Line) Display() (id int64, name string) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	id, name = ln.ID, ln.Name
	if name == "" {
		name = ln.tail.name
	}
	if ln.tail.displayID != 0 {
		id = ln.tail.displayID
	}
	if ln.tail.displayName != "" {
		name = ln.tail.displayName
	}
	return id, name
}

// DurationPs returns the line's duration_ps, 0 when unset. Like Display it is
// complete only after a scan or a count.
func (ln *Line) DurationPs() int64 {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	return ln.tail.durationPs
}

// merge takes over the fields of f that are set.
func (lf *lineFields) merge(f lineFields) {
	if f.name != "" {
		lf.name = f.name
	}
	if f.displayName != "" {
		lf.displayName = f.displayName
	}
	if f.displayID != 0 {
		lf.displayID = f.displayID
	}
	if f.durationPs != 0 {
		lf.durationPs = f.durationPs
	}
}

// Plane returns the plane of the given name, or nil.
func (sp *Space) Plane(name string) *Plane {
	for _, pl := range sp.Planes {
		if pl.Name == name {
			return pl
		}
	}
	return nil
}
