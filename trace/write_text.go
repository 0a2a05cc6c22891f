// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/layerscope/layerscope/trace/internal/tracetxt"
)

// WriteText writes the text form of a trace, one event a line. Reading it back
// gives the same trace. It is for tests, reviews and bug reports;
// docs/formats/txt.md describes it. HLO modules are kept as their compressed
// bytes, where the trace was read from a file that has them.
func WriteText(w io.Writer, t *Trace) error {
	x := &textWriter{w: bufio.NewWriter(w)}
	x.line(tracetxt.Magic)
	x.head(t)
	for i := range t.Ops {
		x.op(i, &t.Ops[i])
	}
	for _, tr := range t.Tracks {
		if err := x.track(tr); err != nil {
			return err
		}
	}
	if err := x.flows(t); err != nil {
		return err
	}
	return x.w.Flush()
}

// flows writes "flow TRACK EVENT TRACK EVENT [kind=]".
func (x *textWriter) flows(t *Trace) error {
	list, err := t.sortedFlows()
	for _, f := range list {
		fmt.Fprintf(x.w, "flow %d %d %d %d", f.From.Track, f.From.Event, f.To.Track, f.To.Event)
		if f.Kind != plainFlow {
			x.field("kind", f.Kind)
		}
		x.end()
	}
	return err
}

type textWriter struct{ w *bufio.Writer }

// line writes a line of fields; bufio keeps the first error for Flush.
func (x *textWriter) line(format string, args ...any) {
	fmt.Fprintf(x.w, format+"\n", args...)
}

// field writes " key=value" unless value is empty.
func (x *textWriter) field(key, value string) {
	if value != "" {
		fmt.Fprintf(x.w, " %s=%s", key, tracetxt.Quote(value))
	}
}

func (x *textWriter) number(key string, n int64) {
	if n != 0 {
		fmt.Fprintf(x.w, " %s=%d", key, n)
	}
}

func (x *textWriter) end() { x.w.WriteByte('\n') }

func (x *textWriter) head(t *Trace) {
	if t.Origin != 0 {
		x.line("origin %d", t.Origin)
	}
	if t.Wall != 0 {
		x.line("wall %d", t.Wall)
	}
	if t.Lossy != "" {
		x.line("lossy %s", tracetxt.Quote(t.Lossy))
	}
	for _, h := range t.Hosts {
		x.line("host %s", tracetxt.Quote(h))
	}
	for _, k := range slices.Sorted(maps.Keys(t.Metadata)) {
		x.line("meta %s %s", tracetxt.Quote(k), tracetxt.Quote(t.Metadata[k]))
	}
	for _, p := range t.Programs {
		fmt.Fprintf(x.w, "program %s %d", tracetxt.Quote(p.Name), p.ID)
		x.field("host", p.Host)
		x.end()
	}
	for i := range t.Programs {
		x.module(i, t.Programs[i].raw)
	}
	x.devices(t)
	x.marks(t)
}

func (x *textWriter) devices(t *Trace) {
	for _, d := range t.Devices {
		fmt.Fprintf(x.w, "device %s %s", tracetxt.Quote(d.Name), tracetxt.Quote(d.Kind))
		x.number("ordinal", int64(d.Ordinal))
		x.field("host", d.Host)
		x.field("type", d.Type)
		x.number("memory", d.Memory)
		if d.PeakFLOPs != 0 {
			x.field("flops", strconv.FormatFloat(d.PeakFLOPs, 'g', -1, 64))
		}
		if d.PeakHBM != 0 {
			x.field("hbm", strconv.FormatFloat(d.PeakHBM, 'g', -1, 64))
		}
		x.end()
	}
}

func (x *textWriter) marks(t *Trace) {
	for _, e := range t.Executions {
		x.line("exec %d %d %d %d %d", e.Program, e.Device, e.RunID, e.Start, e.Dur)
	}
	for _, s := range t.Steps {
		fmt.Fprintf(x.w, "step %d %d %d %d", s.Number, s.Device, s.Start, s.Dur)
		x.field("name", s.Name)
		if len(t.Hosts) > 1 {
			x.field("host", s.Host)
		}
		x.end()
	}
	for _, c := range t.Compiles {
		fmt.Fprintf(x.w, "compile %d %d", c.Start, c.Dur)
		x.field("module", c.Module)
		if len(t.Hosts) > 1 {
			x.field("host", c.Host)
		}
		x.end()
	}
	for i := range t.Allocs {
		x.alloc(&t.Allocs[i])
	}
	for _, f := range t.Findings {
		fmt.Fprintf(x.w, "finding %s %s %s count=%d", tracetxt.Quote(f.Code), tracetxt.Quote(string(f.Severity)), tracetxt.Quote(f.Message), f.Count)
		x.field("hint", f.Hint)
		x.end()
	}
}

func (x *textWriter) op(i int, op *Op) {
	fmt.Fprintf(x.w, "op %d name=%s", i, tracetxt.Quote(op.Name))
	if op.Program >= 0 {
		fmt.Fprintf(x.w, " program=%d", op.Program)
	}
	x.field("category", op.Category)
	x.field("scope", op.Scope)
	x.number("flops", op.FLOPs)
	x.number("model_flops", op.ModelFLOPs)
	x.number("bytes", op.Bytes)
	sums := make([]int64, len(accessKeys))
	for _, a := range op.Access {
		k := (a.Space - 1) * 2
		if a.Write {
			k++
		}
		if k >= 0 && k < len(sums) {
			sums[k] += a.Bytes
		}
	}
	for k, n := range sums {
		x.number(accessKeys[k], n)
	}
	x.field("source", op.Source)
	x.field("shape", op.Shape)
	x.field("dedup", op.Dedup)
	x.field("long", op.Long)
	if op.Bare {
		x.number("bare", 1)
	}
	x.end()
}

func (x *textWriter) track(tr *Track) error {
	fmt.Fprintf(x.w, "track %s", tr.Kind)
	if tr.Device >= 0 {
		fmt.Fprintf(x.w, " device=%d", tr.Device)
	}
	x.field("name", tr.Name)
	x.field("host", tr.Host)
	x.end()
	for b, err := range tr.Batches() {
		if err != nil {
			return err
		}
		for i := range b.Op {
			x.event(b, i)
		}
	}
	return nil
}

func (x *textWriter) event(b *Batch, i int) {
	fmt.Fprintf(x.w, "  %d %d %d", b.Start[i], b.Dur[i], b.Op[i])
	if b.Run != nil {
		fmt.Fprintf(x.w, " run=%d", b.Run[i])
	}
	if b.Count != nil {
		fmt.Fprintf(x.w, " count=%d self=%d min=%d", b.Count[i], b.Self[i], b.Min[i])
	}
	if b.FLOPs != nil {
		x.number("flops", b.FLOPs[i])
		x.number("bytes", b.Bytes[i])
	}
	if b.Value != nil {
		x.field("value", strconv.FormatFloat(b.Value[i], 'g', -1, 64))
	}
	x.end()
}
