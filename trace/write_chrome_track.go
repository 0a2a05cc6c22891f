// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/layerscope/layerscope/trace/internal/tracetxt"
)

// threadsATrack is how many threads a track may take: its own, and more for
// events that overlap.
const threadsATrack = 100

// An overlapping holds the events that are open on the threads of one track, by
// their ends in written units.
type overlapping struct {
	open [threadsATrack][]int64
	used int
	last int64
}

// thread returns the first thread on which an event from start to end nests.
// Events must come by start; one that doesn't stays on the first thread.
func (o *overlapping) thread(start, end int64) int {
	if start < o.last {
		return 0
	}
	o.last = start
	for i := range o.open {
		stack := o.open[i]
		for len(stack) > 0 && stack[len(stack)-1] <= start {
			stack = stack[:len(stack)-1]
		}
		fits := len(stack) == 0 || stack[len(stack)-1] >= end
		if fits {
			stack = append(stack, end)
		}
		o.open[i] = stack
		if fits {
			o.used = max(o.used, i+1)
			return i
		}
	}
	return 0
}

// track writes the names and events of one track.
func (c *chromeWriter) track(i int, tr *Track) error {
	pid, tid := c.hostPid(tr.Host), (i+1)*threadsATrack
	if tr.Device >= 0 {
		pid = 1 + tr.Device
	}
	line := &strings.Builder{}
	line.WriteString("track " + tr.Kind.String())
	if tr.Device >= 0 {
		fmt.Fprintf(line, " device=%d", tr.Device)
	}
	for _, f := range [][2]string{{"name", tr.Name}, {"host", tr.Host}} {
		if f[1] != "" {
			line.WriteString(" " + f[0] + "=" + tracetxt.Quote(f[1]))
		}
	}
	b := append(c.meta(ownEvent, pid, tid), `"line":`...)
	c.flush(append(appendJSON(b, line.String()), "}}"...))
	c.name("thread_name", pid, tid, tr.Name)
	c.order("thread_sort_index", pid, tid, tid)
	over := &overlapping{used: 1}
	where := fmt.Sprintf(`,"pid":%d,"tid":%d`, pid, tid)
	event := -1
	for b, err := range tr.Batches() {
		if err != nil {
			return err
		}
		for k := range b.Op {
			event++
			switch {
			case tr.Kind == Async:
				c.async(b, k, where)
				c.bind(i, event, pid, tid, b.Start[k])
				continue
			case b.Value != nil:
				c.sample(b, k, where)
				c.bind(i, event, pid, tid, b.Start[k])
				continue
			}
			start, end := c.times(b.Start[k], b.Dur[k])
			used := over.used
			n := over.thread(start, end)
			if over.used > used {
				c.name("thread_name", pid, tid+n, tr.Name+" (overlap "+strconv.Itoa(n)+")")
				c.order("thread_sort_index", pid, tid+n, tid+n)
			}
			e := append(c.begin("X"), `,"pid":`...)
			e = strconv.AppendInt(e, int64(pid), 10)
			e = strconv.AppendInt(append(e, `,"tid":`...), int64(tid+n), 10)
			e = c.micros(append(e, `,"ts":`...), start)
			e = c.micros(append(e, `,"dur":`...), end-start)
			e = c.args(e, b, k)
			if n > 0 {
				e = strconv.AppendInt(append(e, `,"lane":`...), int64(tid), 10)
			}
			c.flush(append(e, "}}"...))
			c.bind(i, event, pid, tid+n, b.Start[k])
		}
	}
	return nil
}

// bind writes the ends of the flows at an event. Their args say which event it is,
// where times don't.
func (c *chromeWriter) bind(track, event, pid, tid int, start Time) {
	for _, end := range c.ends.of(track, event) {
		ph := "s"
		if !end.out {
			ph = `f","bp":"e`
		}
		at, _ := c.times(start, 0)
		e := append(c.begin(ph), `,"pid":`...)
		e = strconv.AppendInt(e, int64(pid), 10)
		e = strconv.AppendInt(append(e, `,"tid":`...), int64(tid), 10)
		e = c.micros(append(e, `,"ts":`...), at)
		e = strconv.AppendInt(append(e, `,"id":`...), int64(end.flow+1), 10)
		kind := c.flows[end.flow].Kind
		e = appendJSON(append(e, `,"cat":`...), kind)
		e = appendJSON(append(e, `,"name":`...), kind)
		c.flush(append(strconv.AppendInt(append(e, `,"args":{"event":`...), int64(event), 10), "}}"...))
	}
}

// async writes one event as a pair of b and e with an id of its own: such
// events overlap as they like.
func (c *chromeWriter) async(b *Batch, k int, where string) {
	c.ids++
	start, end := c.times(b.Start[k], b.Dur[k])
	for _, ph := range []string{"b", "e"} {
		e := append(c.begin(ph), where...)
		e = strconv.AppendInt(append(e, `,"cat":"async","id":`...), c.ids, 10)
		if ph == "b" {
			e = c.micros(append(e, `,"ts":`...), start)
			e = append(c.args(e, b, k), "}}"...)
		} else {
			e = c.micros(append(e, `,"ts":`...), end)
			e = append(appendJSON(append(e, `,"name":`...), c.opName(b.Op[k])), '}')
		}
		c.flush(e)
	}
}

// sample writes one sample of a counter. The category, which viewers don't show,
// says which op it is of, and what the value is where JSON has no number for it:
// such a sample has none for other readers.
func (c *chromeWriter) sample(b *Batch, k int, where string) {
	start, _ := c.times(b.Start[k], 0)
	e := append(c.begin("C"), where...)
	e = c.micros(append(e, `,"ts":`...), start)
	e = appendJSON(append(e, `,"name":`...), c.opName(b.Op[k]))
	e = strconv.AppendUint(append(e, `,"cat":"op,`...), uint64(b.Op[k]), 10)
	v := b.Value[k]
	if v-v != 0 { // infinite, or no number
		e = strconv.AppendFloat(append(e, ','), v, 'g', -1, 64)
		c.flush(append(e, `","args":{}}`...))
		return
	}
	c.flush(append(strconv.AppendFloat(append(e, `","args":{"value":`...), v, 'g', -1, 64), "}}"...))
}

func (c *chromeWriter) opName(id OpID) string {
	if int(id) < len(c.t.Ops) {
		return c.t.Ops[id].Name
	}
	return "(unknown op)"
}

// args appends the name and args of an event, unclosed.
func (c *chromeWriter) args(e []byte, b *Batch, k int) []byte {
	e = append(e, c.facts(b.Op[k])...)
	num := func(key string, v int64) {
		e = append(append(append(e, `,"`...), key...), `":`...)
		e = strconv.AppendInt(e, v, 10)
	}
	if c.opts.Exact {
		num("start_ps", int64(b.Start[k]))
		num("dur_ps", int64(b.Dur[k]))
	}
	if b.Run != nil {
		num("run_id", b.Run[k])
	}
	if b.Count != nil && b.Count[k] > 0 {
		num("count", int64(b.Count[k]))
		num("self_ps", int64(b.Self[k]))
		num("min_ps", int64(b.Min[k]))
	}
	if b.FLOPs != nil && b.FLOPs[k]|b.Bytes[k] != 0 {
		num("flops", b.FLOPs[k])
		num("bytes", b.Bytes[k])
	}
	return e
}

// times returns start and end in the unit that is written: picoseconds, or
// nanoseconds. Both are rounded, so that what nested and what touched still
// does.
func (c *chromeWriter) times(start Time, dur Duration) (from, to int64) {
	from, to = int64(start), int64(start.Add(dur))
	if c.opts.Exact {
		return from, to
	}
	return nanos(from), nanos(to)
}

// nanos rounds picoseconds to nanoseconds, halves up.
func nanos(ps int64) int64 {
	n, rest := ps/1000, ps%1000
	switch {
	case rest >= 500:
		n++
	case rest < -500:
		n--
	}
	return n
}

// micros appends a time in written units as decimal microseconds.
func (c *chromeWriter) micros(b []byte, v int64) []byte {
	unit, digits := int64(1000), 3
	if c.opts.Exact {
		unit, digits = 1_000_000, 6
	}
	if v < 0 {
		b = append(b, '-')
	}
	whole, frac := v/unit, v%unit
	if whole < 0 || frac < 0 {
		whole, frac = -whole, -frac
	}
	b = strconv.AppendInt(b, whole, 10)
	b = append(b, '.')
	from := len(b)
	b = append(b, "000000"[:digits]...)
	for i := len(b) - 1; i >= from; i-- {
		b[i] += byte(frac % 10)
		frac /= 10
	}
	return b
}
