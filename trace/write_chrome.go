// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// ChromeOptions steer [WriteChrome]. The zero value rounds to nanoseconds,
// which every viewer understands.
type ChromeOptions struct {
	// Exact writes times as exact decimals, six digits of a microsecond, and
	// repeats them as integer picoseconds in args, for readers that round.
	Exact bool
	// Place names the layer and the component of an op, which go to its events'
	// args; nil names none.
	Place func(OpID) (layer, component string)
}

// WriteChrome writes the trace as Trace Event JSON, for Perfetto's UI,
// chrome://tracing and whatever else reads it: a process for each device and
// host, a thread for each track, an X event for each event, b and e for async
// ones, C for samples of counters, s and f for flows. On a thread X events nest; what overlaps is moved to a thread of its
// own beside it.
//
// Facts that the format has no place for travel as metadata events named
// layerscope, which other readers skip: with them [Read] restores the trace,
// with Exact to the picosecond. docs/formats/chrome-json.md describes both.
func WriteChrome(w io.Writer, t *Trace, opts ChromeOptions) error {
	c := &chromeWriter{w: bufio.NewWriterSize(w, 256<<10), t: t, opts: opts, ops: make([][]byte, len(t.Ops))}
	var err error
	if c.flows, err = t.sortedFlows(); err != nil {
		return err
	}
	c.ends = endsOf(c.flows)
	c.w.WriteString(`{"displayTimeUnit":"ns","traceEvents":[`)
	c.head()
	for i, tr := range t.Tracks {
		if err := c.track(i, tr); err != nil {
			return err
		}
	}
	c.w.WriteString("\n]}\n")
	return c.w.Flush()
}

// ownEvent names the metadata events that carry lines of the text form.
const ownEvent = "layerscope"

// A chromeWriter writes one trace. bufio keeps the first error for Flush.
type chromeWriter struct {
	w    *bufio.Writer
	t    *Trace
	opts ChromeOptions
	ops  [][]byte // name and args of an op's events, once rendered
	buf  []byte
	any  bool
	ids  int64 // of async events

	flows []Flow
	ends  flowEnds
}

// begin starts an event on a line of its own.
func (c *chromeWriter) begin(ph string) []byte {
	b := c.buf[:0]
	if c.any {
		b = append(b, ',')
	}
	c.any = true
	return append(append(append(b, "\n{\"ph\":\""...), ph...), '"')
}

func (c *chromeWriter) flush(b []byte) {
	c.buf = b
	c.w.Write(b)
}

// head writes what is not on a track: lines of the text form, and the names of
// the processes.
func (c *chromeWriter) head() {
	var b bytes.Buffer
	x := &textWriter{w: bufio.NewWriter(&b)}
	x.head(c.t)
	x.end()
	for i := range c.t.Ops {
		x.op(i, &c.t.Ops[i])
		if b.Len() > 1<<20 {
			c.lines(&b)
		}
	}
	_ = x.w.Flush() // to memory
	c.lines(&b)
	for i := range c.t.Devices {
		c.name("process_name", 1+i, -1, c.t.Devices[i].Name)
		c.order("process_sort_index", 1+i, -1, i)
	}
	for i, h := range append(c.t.Hosts, c.orphans()...) {
		c.name("process_name", c.hostPid(h), -1, "/host:CPU "+h)
		c.order("process_sort_index", c.hostPid(h), -1, len(c.t.Devices)+i)
	}
}

// orphans are the hosts of tracks that the trace doesn't list.
func (c *chromeWriter) orphans() []string {
	for _, tr := range c.t.Tracks {
		if tr.Device < 0 && c.hostPid(tr.Host) == c.hostPid("") {
			return []string{""}
		}
	}
	return nil
}

// hostPid returns the process of a host: behind the devices'.
func (c *chromeWriter) hostPid(host string) int {
	for i, h := range c.t.Hosts {
		if h == host {
			return 1 + len(c.t.Devices) + i
		}
	}
	return 1 + len(c.t.Devices) + len(c.t.Hosts)
}

// lines writes whole lines of text as metadata events, and takes them from b.
func (c *chromeWriter) lines(b *bytes.Buffer) {
	for {
		i := bytes.IndexByte(b.Bytes(), '\n')
		if i < 0 {
			return
		}
		if line := b.Next(i + 1)[:i]; len(line) > 0 {
			e := append(c.begin("M"), `,"pid":0,"tid":0,"name":"`+ownEvent+`","args":{"line":`...)
			c.flush(append(appendJSON(e, string(line)), "}}"...))
		}
	}
}

func (c *chromeWriter) name(event string, pid, tid int, name string) {
	b := c.meta(event, pid, tid)
	b = append(b, `"name":`...)
	c.flush(append(appendJSON(b, name), "}}"...))
}

func (c *chromeWriter) order(event string, pid, tid, index int) {
	b := append(c.meta(event, pid, tid), `"sort_index":`...)
	c.flush(append(strconv.AppendInt(b, int64(index), 10), "}}"...))
}

// meta begins a metadata event of a process, or of a thread if tid ≥ 0.
func (c *chromeWriter) meta(event string, pid, tid int) []byte {
	b := append(c.begin("M"), `,"pid":`...)
	b = strconv.AppendInt(b, int64(pid), 10)
	if tid >= 0 {
		b = strconv.AppendInt(append(b, `,"tid":`...), int64(tid), 10)
	}
	return append(append(append(b, `,"name":"`...), event...), `","args":{`...)
}

// facts returns the name and the constant args of an op's events.
func (c *chromeWriter) facts(id OpID) []byte {
	if int(id) >= len(c.ops) {
		return fmt.Appendf(nil, `,"name":"(unknown op)","args":{"op":%d`, id)
	}
	if c.ops[id] != nil {
		return c.ops[id]
	}
	op := &c.t.Ops[id]
	b := append([]byte(nil), `,"name":`...)
	b = appendJSON(b, op.Name)
	b = fmt.Appendf(b, `,"args":{"op":%d`, id)
	text := func(key, v string) {
		if v != "" {
			b = append(append(append(b, `,"`...), key...), `":`...)
			b = appendJSON(b, v)
		}
	}
	text("tf_op", op.Scope)
	text("hlo_category", op.Category)
	if op.Program >= 0 && op.Program < len(c.t.Programs) {
		text("program", c.t.Programs[op.Program].Name)
	}
	if c.opts.Place != nil {
		layer, component := c.opts.Place(id)
		text("layer", layer)
		text("component", component)
	}
	c.ops[id] = b
	return b
}

// appendJSON appends s as a JSON string: UTF-8 as it is, escapes only where
// JSON wants one, since strict readers refuse \u escapes of surrogates. Bytes
// that are no UTF-8 become U+FFFD.
func appendJSON(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
			i++
		case c < ' ':
			b = fmt.Appendf(b, `\u%04x`, c)
			i++
		case c < utf8.RuneSelf:
			b = append(b, c)
			i++
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r)
			i += n
		}
	}
	return append(b, '"')
}
