// SPDX-License-Identifier: Apache-2.0

// Package perfettogen writes synthetic Perfetto traces of any size in bounded
// memory, the same bytes for the same seed: nested slices with interned names and
// sequence defaults, on tracks written one after another or interleaved as several
// writers do. Tests and benchmarks use it.
package perfettogen

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"strconv"
)

// A Config says what to write; its zero value is 10,000 slices of one sequence.
type Config struct {
	Seed      uint64
	Slices    int64 // 0 means 10,000
	Sequences int   // packet sequences, each with a track of its own; 0 means 1
	Chunk     int   // packets of one sequence in a row; 0 means one track after the other
	Names     int   // 0 means 200
	Annotated bool  // every slice has one annotation
	Steps     bool  // times are steps of a clock of the sequence's own
	Devices   bool  // each track is the line of ops of a device, in a process of its own
}

// A Truth is what a reader must find in the file.
type Truth struct {
	Bytes   int64
	Packets int64
	Slices  int64
	SelfNs  int64 // sum of the self times = of the durations of outermost slices
}

// Write writes a trace to w.
func Write(w io.Writer, cfg Config) (Truth, error) {
	if cfg.Slices == 0 {
		cfg.Slices = 10_000
	}
	cfg.Sequences, cfg.Names = max(1, cfg.Sequences), max(cfg.Names, 200)
	g := &generator{w: w, cfg: cfg}
	var lanes []*lane
	each := cfg.Slices / int64(cfg.Sequences)
	for i := range cfg.Sequences {
		n := each
		if i == 0 {
			n += cfg.Slices - each*int64(cfg.Sequences)
		}
		lanes = append(lanes, &lane{seq: uint64(i + 1), left: n, rng: rand.New(rand.NewPCG(cfg.Seed, uint64(i))), now: 1_000_000})
	}
	chunk := cfg.Chunk
	if chunk <= 0 {
		chunk = 1 << 60
	}
	for alive := true; alive && g.err == nil; {
		alive = false
		for _, ln := range lanes {
			for n := 0; n < chunk && ln.more(); n++ {
				g.step(ln)
			}
			alive = alive || ln.more()
		}
	}
	g.flush()
	return g.truth, g.err
}

type generator struct {
	w     io.Writer
	cfg   Config
	buf   []byte
	pk    []byte
	ev    []byte
	in    []byte
	truth Truth
	err   error
}

// A lane is one sequence with its track.
type lane struct {
	seq     uint64
	left    int64 // slices to begin
	rng     *rand.Rand
	now     uint64
	open    []uint64 // starts of open slices
	begun   bool
	defined [1 << 10]bool
}

func (ln *lane) more() bool { return ln.left > 0 || len(ln.open) > 0 }

// step writes one packet of a lane (and its first ones when it begins).
func (g *generator) step(ln *lane) {
	if !ln.begun {
		ln.begun = true
		g.head(ln)
	}
	d := 20 + ln.rng.Uint64N(3000)
	ln.now += d
	g.ev, g.in = g.ev[:0], g.in[:0]
	if len(ln.open) > 0 && (ln.left == 0 || len(ln.open) >= 5 || ln.rng.IntN(2) == 0) {
		n := len(ln.open) - 1
		if n == 0 {
			g.truth.SelfNs += int64(ln.now - ln.open[0])
		}
		ln.open = ln.open[:n]
		g.ev = uvarint(g.ev, 9, 2)
	} else {
		ln.open = append(ln.open, ln.now)
		ln.left--
		g.truth.Slices++
		g.begin(ln)
	}
	g.pk = g.pk[:0]
	if g.cfg.Steps {
		g.pk = uvarint(g.pk, 8, d)
	} else {
		g.pk = uvarint(g.pk, 8, ln.now)
	}
	g.pk = message(g.pk, 11, g.ev)
	if len(g.in) > 0 {
		g.pk = message(g.pk, 12, g.in)
	}
	g.pk = uvarint(g.pk, 10, ln.seq)
	g.pk = uvarint(g.pk, 13, 2)
	g.packet()
}

func (g *generator) begin(ln *lane) {
	iid := uint64(1 + ln.rng.IntN(min(g.cfg.Names, len(ln.defined)-1)))
	g.ev = uvarint(g.ev, 9, 1)
	g.ev = uvarint(g.ev, 10, iid)
	if !ln.defined[iid] {
		ln.defined[iid] = true
		g.in = message(g.in, 2, text(uvarint(nil, 1, iid), 2, "slice_"+strconv.FormatUint(iid, 10)))
	}
	if g.cfg.Annotated {
		if !ln.defined[0] {
			ln.defined[0] = true
			g.in = message(g.in, 3, text(uvarint(nil, 1, 1), 2, "bytes"))
		}
		g.ev = message(g.ev, 4, uvarint(uvarint(nil, 1, 1), 3, ln.rng.Uint64N(1<<20)))
	}
}

// head writes the first packets of a lane.
func (g *generator) head(ln *lane) {
	if g.cfg.Steps {
		clocks := message(nil, 1, uvarint(uvarint(nil, 1, 6), 2, ln.now))
		clocks = message(clocks, 1, uvarint(uvarint(uvarint(nil, 1, 64), 2, ln.now), 3, 1))
		g.pk = message(uvarint(g.pk[:0], 10, ln.seq), 6, clocks)
		g.packet()
	}
	defaults := message(nil, 11, uvarint(nil, 11, 1000+ln.seq))
	if g.cfg.Steps {
		defaults = uvarint(defaults, 58, 64)
	}
	g.pk = message(uvarint(uvarint(g.pk[:0], 10, ln.seq), 13, 1), 59, defaults)
	g.packet()
	thread := text(uvarint(uvarint(nil, 1, 1), 2, ln.seq), 5, "thread "+strconv.FormatUint(ln.seq, 10))
	if g.cfg.Devices {
		pid := 100 + ln.seq
		process := text(uvarint(nil, 1, pid), 6, "/device:TPU:"+strconv.FormatUint(ln.seq-1, 10))
		g.pk = message(uvarint(g.pk[:0], 10, ln.seq), 60, message(uvarint(nil, 1, 500+ln.seq), 3, process))
		g.packet()
		thread = text(uvarint(uvarint(nil, 1, pid), 2, ln.seq), 5, "XLA Ops")
	}
	g.pk = message(uvarint(g.pk[:0], 10, ln.seq), 60, message(uvarint(nil, 1, 1000+ln.seq), 4, thread))
	g.packet()
}

func (g *generator) packet() {
	g.truth.Packets++
	g.buf = message(g.buf, 1, g.pk)
	if len(g.buf) > 1<<20 {
		g.flush()
	}
}

func (g *generator) flush() {
	g.truth.Bytes += int64(len(g.buf))
	if g.err == nil {
		_, g.err = g.w.Write(g.buf)
	}
	g.buf = g.buf[:0]
}

func uvarint(b []byte, num int, v uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, uint64(num)<<3), v)
}

func message(b []byte, num int, m []byte) []byte {
	b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(num)<<3|2), uint64(len(m)))
	return append(b, m...)
}

func text(b []byte, num int, s string) []byte { return message(b, num, []byte(s)) }
