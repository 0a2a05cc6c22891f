// SPDX-License-Identifier: Apache-2.0

package term

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/layerscope/layerscope/internal/term/termtext"
)

const (
	firstShow = 300 * time.Millisecond // shorter work shows nothing
	lineEvery = 100 * time.Millisecond
	jsonEvery = time.Second
	eraseLine = "\r\x1b[K"
)

// ProgressStyle is how Progress talks.
type ProgressStyle uint8

// NoProgress is silent. LineProgress keeps one line at the bottom of a terminal
// and erases it at the end; the caller chooses it only for a terminal.
// JSONProgress writes a JSON object a line, for programs that watch.
const (
	NoProgress ProgressStyle = iota
	LineProgress
	JSONProgress
)

// ProgressFor picks the style from --progress ("auto", "json", "none") and the
// stream: auto is a line on a terminal that understands escapes, else nothing.
func ProgressFor(flag string, stream any, env Env) (ProgressStyle, error) {
	switch flag {
	case "auto", "":
		if IsTerminal(stream) && env("TERM") != "dumb" {
			return LineProgress, nil
		}
		return NoProgress, nil
	case "json":
		return JSONProgress, nil
	case "none":
		return NoProgress, nil
	}
	return NoProgress, fmt.Errorf("%q is not one of auto, json, none", flag)
}

// Progress shows how far a phase of work has come. The line appears once a
// phase has lasted 300 ms. Add is an atomic addition and may be called from any
// goroutine; a nil *Progress does nothing, so callees need not ask.
//
// Progress is also the writer for everything else that goes to the same
// stream: Write erases the line first, so messages never land in its middle.
type Progress struct {
	out   io.Writer
	style ProgressStyle
	width int // columns; the line is cut to width-1 so that it never wraps
	now   func() time.Time

	done atomic.Int64

	mu    sync.Mutex // guards what follows, and writing
	phase string
	unit  string
	total int64
	start time.Time
	shown bool // a line is on the screen
	told  bool // a JSON record of this phase was written

	stop chan struct{}
	idle sync.WaitGroup
}

// NewProgress starts a progress display on out. Close ends it.
func NewProgress(out io.Writer, style ProgressStyle, width int) *Progress {
	p := newProgress(out, style, width, time.Now)
	if style == NoProgress {
		return p
	}
	every := lineEvery
	if style == JSONProgress {
		every = jsonEvery
	}
	p.idle.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.tick()
			case <-p.stop:
				return
			}
		}
	})
	return p
}

func newProgress(out io.Writer, style ProgressStyle, width int, now func() time.Time) *Progress {
	if width <= 0 {
		width = 80
	}
	return &Progress{out: out, style: style, width: width, now: now, stop: make(chan struct{})}
}

// Phase begins a named phase of total units (0: unknown). Unit "B" is shown
// scaled (MB/s); any other unit is a plural noun ("events", "objects").
func (p *Progress) Phase(name string, total int64, unit string) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endPhase()
	p.phase, p.total, p.unit = name, total, unit
	p.start, p.told = p.now(), false
	p.done.Store(0)
}

// Add says that n more units are done.
func (p *Progress) Add(n int64) {
	if p != nil {
		p.done.Add(n)
	}
}

// Skip says that n units of the phase need not be done after all.
func (p *Progress) Skip(n int64) {
	if p != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.total -= n
	}
}

// Write passes b on to the stream, above the progress line. It writes whole
// lines best: the progress line is drawn again at the next tick.
func (p *Progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	return p.out.Write(b)
}

// Close erases the line and ends the display. It may be called twice.
func (p *Progress) Close() {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.endPhase()
	p.phase = ""
	select {
	case <-p.stop:
	default:
		close(p.stop)
	}
	p.mu.Unlock()
	p.idle.Wait()
}

func (p *Progress) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	elapsed := p.now().Sub(p.start)
	if p.phase == "" || elapsed < firstShow {
		return
	}
	s := p.state(elapsed)
	if p.style == JSONProgress {
		p.writeJSON(s)
		return
	}
	line := termtext.Elide(termtext.Safe(s.String()), p.width-1, "…")
	fmt.Fprint(p.out, eraseLine, line)
	p.shown = true
}

// endPhase erases the line; for programs it states the final count of a phase
// they have heard of.
func (p *Progress) endPhase() {
	p.erase()
	if p.told {
		p.writeJSON(p.state(p.now().Sub(p.start)))
	}
}

func (p *Progress) erase() {
	if p.shown {
		io.WriteString(p.out, eraseLine)
		p.shown = false
	}
}

func (p *Progress) state(elapsed time.Duration) progressState {
	s := progressState{Phase: p.phase, Done: p.done.Load(), Total: p.total, Unit: p.unit, elapsed: elapsed}
	s.ElapsedMS = elapsed.Milliseconds()
	if sec := elapsed.Seconds(); sec > 0 {
		s.RatePerS = float64(s.Done) / sec
	}
	if s.RatePerS > 0 && s.Total > s.Done {
		left := int64(float64(s.Total-s.Done) / s.RatePerS * 1000)
		s.LeftMS = &left
	}
	return s
}

func (p *Progress) writeJSON(s progressState) {
	b, err := json.Marshal(s)
	if err != nil { // a rate is never NaN and the rest is integers and strings
		return
	}
	p.out.Write(append(b, '\n'))
	p.told = true
}
