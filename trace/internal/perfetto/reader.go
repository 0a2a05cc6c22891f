// SPDX-License-Identifier: Apache-2.0

package perfetto

import (
	"fmt"
	"io"
)

// Options set a reader's bounds. The zero value is for files of any size.
type Options struct {
	// MaxPacket is the longest packet that is read; 256 MiB if 0.
	MaxPacket int
	// MaxStrings bounds the distinct names, categories and interned values kept;
	// 4,194,304 if 0.
	MaxStrings int
	// MaxExpanded bounds the bytes that compressed packets may expand to, all
	// together; 64 GiB if 0.
	MaxExpanded int64
	// Window is the size of the first buffer; 256 KiB if 0.
	Window int
}

// Kind says what a record is.
type Kind uint8

// The kinds of records, and where the reader puts them.
const (
	None              Kind = iota
	EventRecord            // Reader.Event
	TrackRecord            // Reader.Track: a track is described
	NamesRecord            // Reader.Names: names of processes and threads
	AttributesRecord       // Reader.Attributes
	GPUCountersRecord      // Reader.GPUCounters
	GPUStageRecord         // Reader.Stage
	StatsRecord            // Reader.Stats: what the recording service lost
	PrivateRecord          // Reader.Private: field PrivateField of a packet
)

// Reader reads one trace. The record fields are set by Next, as its result says,
// and valid until the next call.
type Reader struct {
	Event       Event
	Track       Track
	Names       []ProcessName
	Attributes  []Attribute
	GPUCounters []GPUCounter
	Stage       Stage
	Stats       ServiceStats
	Private     []byte

	opts  Options
	top   *window
	win   *window // top or inner
	inner *window // of a bundle; its buffer is kept

	bundleAt   int64 // offset of the open bundle
	bundleLeft int64 // bytes that bundles may still expand to
	bundles    [2]int64
	zip        unpacker

	packet   packet
	parts    eventParts
	seqs     []*sequence // by id, small ones
	seqMap   map[uint32]*sequence
	last     *sequence
	owner    *sequence // of Event
	note     Annotation
	nobody   sequence // of packets without a sequence id
	strings  stringTable
	clocks   clocks
	counters map[uint64]counterTrack
	lanes    map[uint64]int32
	gpuNames map[gpuKey]StringID
	problems []Problem
	packets  int64
	fields   map[int]int64 // payloads that are not decoded, by field number
	latest   int64
	joined   []byte // scratch for messages in several parts
}

// NewReader returns a Reader of a plain (not compressed) trace.
func NewReader(r io.Reader, opts Options) *Reader {
	if opts.MaxPacket <= 0 {
		opts.MaxPacket = 256 << 20
	}
	if opts.MaxStrings <= 0 {
		opts.MaxStrings = 1 << 22
	}
	if opts.MaxExpanded <= 0 {
		opts.MaxExpanded = 64 << 30
	}
	if opts.Window <= 0 {
		opts.Window = 256 << 10
	}
	rd := &Reader{
		opts: opts, bundleLeft: opts.MaxExpanded, seqMap: map[uint32]*sequence{}, counters: map[uint64]counterTrack{},
		gpuNames: map[gpuKey]StringID{}, lanes: map[uint64]int32{}, fields: map[int]int64{},
	}
	rd.top = newWindow(r, max(opts.Window, 64))
	rd.win = rd.top
	rd.strings.limit = opts.MaxStrings
	rd.strings.init()
	return rd
}

// Packets returns the number of packets read so far, those in bundles included
// and those that were skipped.
func (rd *Reader) Packets() int64 { return rd.packets }

// Undecoded returns how many packets held only a payload that the reader does
// not decode, by field number of TracePacket.
func (rd *Reader) Undecoded() map[int]int64 { return rd.fields }

// Text returns a string by its id.
func (rd *Reader) Text(id StringID) string { return rd.strings.list[id] }

// offset is the place in the input that a problem is reported at.
func (rd *Reader) offset() int64 {
	if rd.win != rd.top {
		return rd.bundleAt
	}
	return rd.packet.offset
}

// Next reads packets up to the next record. It returns io.EOF at the end.
func (rd *Reader) Next() (Kind, error) {
	for {
		rd.packet.offset = rd.win.offset()
		s, oversized, err := rd.win.frame(rd.opts.MaxPacket)
		if err != nil {
			if err = rd.ended(err); err != nil {
				return None, err
			}
			continue
		}
		rd.packets++
		if oversized {
			rd.complain(Oversized, "a packet of more than %d bytes", rd.opts.MaxPacket)
			continue
		}
		if k := rd.decode(s); k != None {
			return k, nil
		}
	}
}

// ended deals with the end of a window: it goes back from a bundle to what is
// around it, and says how the input ended.
func (rd *Reader) ended(err error) error {
	w := rd.win
	if w != rd.top {
		if why := w.err; err != io.EOF || why != io.EOF {
			if err == errFrame || why == nil || why == io.EOF {
				why = err
			}
			rd.complain(Bundle, "compressed packets: %v", why)
		}
		rd.closeBundle()
		return nil
	}
	if w.err != nil && w.err != io.EOF {
		return w.err
	}
	switch {
	case err == io.EOF:
		return io.EOF
	case rd.packets == 0:
		return &FramingError{w.offset(), fmt.Sprintf("found % x, wanted a packet (0a and its length)", w.b[w.pos:min(w.pos+8, w.n)])}
	case err == io.ErrUnexpectedEOF:
		rd.complain(Truncated, "the input ends inside a packet")
	default:
		rd.complain(Garbage, "found % x behind the last packet; nothing behind it was read", w.b[w.pos:min(w.pos+8, w.n)])
	}
	// What follows cannot be followed.
	w.pos, w.err, w.r = w.n, io.EOF, nil
	return io.EOF
}
