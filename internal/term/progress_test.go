// SPDX-License-Identifier: Apache-2.0

package term

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

// A clock stands still until told.
type clock struct{ t time.Time }

func (c *clock) now() time.Time          { return c.t }
func (c *clock) advance(d time.Duration) { c.t = c.t.Add(d) }

func newClock() *clock { return &clock{time.Unix(1_790_000_000, 0)} }

func TestProgressLine(t *testing.T) {
	var buf bytes.Buffer
	c := newClock()
	p := newProgress(&buf, LineProgress, 60, c.now)
	take := func() string { s := buf.String(); buf.Reset(); return s }

	p.Phase("decoding 2 of 8 hosts", 1000e6, "B")
	p.tick()
	c.advance(299 * time.Millisecond)
	p.Add(100e6)
	p.tick()
	if got := take(); got != "" {
		t.Errorf("something shows before 300 ms: %q", got)
	}
	c.advance(201 * time.Millisecond)
	p.tick() // 100 MB in 0.5 s: 10 %, 200 MB/s, 900 MB take 4.5 s
	if got, want := take(), "\r\x1b[Kdecoding 2 of 8 hosts: 10 %, 200 MB/s, 5 s left"; got != want {
		t.Errorf("line %q, want %q", got, want)
	}
	p.Write([]byte("warning: one thing\n"))
	if got, want := take(), "\r\x1b[Kwarning: one thing\n"; got != want {
		t.Errorf("message %q, want the line erased first: %q", got, want)
	}
	p.Write([]byte("another\n"))
	if got, want := take(), "another\n"; got != want {
		t.Errorf("message %q, want nothing erased as no line shows: %q", got, want)
	}
	p.tick()
	p.Phase("analysing", 0, "events")
	if got := take(); !strings.HasSuffix(got, eraseLine) {
		t.Errorf("a new phase leaves the old line: %q", got)
	}
	c.advance(2 * time.Second)
	p.Add(3_000_000)
	p.tick()
	if got, want := take(), "\r\x1b[Kanalysing: 3.0M events, 1.50M events/s, 2 s"; got != want {
		t.Errorf("line %q, want %q", got, want)
	}
	p.Phase("sending", 1000e6, "B")
	p.Skip(600e6) // is there already
	p.Add(100e6)
	c.advance(time.Second)
	take()
	p.tick()
	if got, want := take(), "\r\x1b[Ksending: 25 %, 100 MB/s, 3 s left"; got != want {
		t.Errorf("line %q, want %q", got, want)
	}
	p.Close()
	p.Close()
	if got := take(); got != eraseLine {
		t.Errorf("Close wrote %q, want the line erased once", got)
	}
}

func TestProgressLineFitsAndIsSafe(t *testing.T) {
	var buf bytes.Buffer
	c := newClock()
	p := newProgress(&buf, LineProgress, 30, c.now)
	p.Phase("reading \x1b[2J"+strings.Repeat("long/", 20)+"end", 10, "files")
	c.advance(time.Second)
	p.tick()
	want := `reading \x1b[2…/end: 0 %, 1 s` // 29 cells
	if got := strings.TrimPrefix(buf.String(), eraseLine); got != want {
		t.Errorf("line %q, want %q", got, want)
	}
}

func TestProgressJSON(t *testing.T) {
	var buf bytes.Buffer
	c := newClock()
	p := newProgress(&buf, JSONProgress, 0, c.now)
	p.Phase("short", 5, "files")
	p.Phase("index", 200, "B")
	p.Add(50)
	c.advance(time.Second)
	p.tick()
	p.Add(150)
	c.advance(time.Second)
	p.Close()
	want := `{"phase":"index","done":50,"total":200,"unit":"B","elapsed_ms":1000,"rate_per_s":50,"left_ms":3000}
{"phase":"index","done":200,"total":200,"unit":"B","elapsed_ms":2000,"rate_per_s":100}
`
	if diff := cmp.Diff(want, buf.String()); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestProgressStopsItsGoroutine(t *testing.T) {
	defer goleak.VerifyNone(t)
	var buf bytes.Buffer
	for _, style := range []ProgressStyle{NoProgress, LineProgress, JSONProgress} {
		p := NewProgress(&buf, style, 80)
		p.Phase("work", 0, "events")
		p.Close()
	}
	var none *Progress
	none.Phase("work", 0, "events")
	none.Add(1)
	none.Close()
	if buf.Len() != 0 {
		t.Errorf("short work wrote %q", buf.String())
	}
}

func TestAmount(t *testing.T) {
	for _, c := range []struct {
		v    float64
		unit string
		want string
	}{
		{0, "B", "0 B"}, {999, "B", "999 B"}, {1234, "B", "1.23 kB"}, {56_700_000, "B", "56.7 MB"},
		{340e6, "B", "340 MB"}, {999.7e6, "B", "1.00 GB"}, {2, "files", "2 files"}, {0.5, "files", "0.50 files"},
		{12_345, "events", "12.3k events"},
	} {
		if got := amount(c.v, c.unit); got != c.want {
			t.Errorf("amount(%v, %s) = %q, want %q", c.v, c.unit, got, c.want)
		}
	}
}

func TestBrief(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 59 * time.Second: "59 s", 59*time.Second + 600*time.Millisecond: "1 min 0 s",
		61 * time.Minute: "1 h 1 min", 125 * time.Second: "2 min 5 s",
	} {
		if got := brief(d); got != want {
			t.Errorf("brief(%v) = %q, want %q", d, got, want)
		}
	}
}
