// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/trace"
)

// perfetto writes the trace for Perfetto's UI, with layers, memory in use and
// how busy each device was.
func (c *conversion) perfetto(w io.Writer) error {
	busy, err := c.utilisation()
	if err != nil {
		return err
	}
	attrs := map[string]string{"layerscope.layers": c.an.Layers.Why}
	if c.in.label != "" {
		attrs["layerscope.label"] = c.in.label
	}
	return trace.WritePerfetto(w, c.t, trace.PerfettoOptions{Place: c.an.Place, Counters: append(c.memory(), busy...), Attributes: attrs})
}

// memory returns what each allocator held after each of its events.
func (c *conversion) memory() []trace.PerfettoCounter {
	at := make(map[[2]string]int)
	var out []trace.PerfettoCounter
	for i := range c.t.Allocs {
		a := &c.t.Allocs[i]
		k := [2]string{a.Host, a.Allocator}
		n, ok := at[k]
		if !ok {
			n = len(out)
			at[k] = n
			out = append(out, trace.PerfettoCounter{Name: "memory in use, " + a.Allocator, Unit: "bytes", Device: c.deviceOf(a)})
		}
		out[n].Time = append(out[n].Time, a.Time)
		out[n].Value = append(out[n].Value, float64(a.Reserved+a.Allocated))
	}
	return out
}

// deviceOf returns the device that an allocator is of, −1 if it is not plain.
func (c *conversion) deviceOf(a *trace.Alloc) int {
	number := a.Allocator[strings.LastIndexAny(a.Allocator, ":_")+1:]
	for i := range c.t.Devices {
		d := &c.t.Devices[i]
		if d.Host == a.Host && strings.HasSuffix(d.Name, ":"+number) && !strings.HasPrefix(a.Allocator, "cpu") {
			return i
		}
	}
	return -1
}

// utilisationBins is how many intervals of equal length a capture is cut into.
const utilisationBins = 500

// utilisation returns, by device, the share of each interval in which some op
// ran.
func (c *conversion) utilisation() ([]trace.PerfettoCounter, error) {
	var out []trace.PerfettoCounter
	for d := range c.t.Devices {
		type span struct{ from, to trace.Time }
		var spans []span
		lo, hi := trace.Time(math.MaxInt64), trace.Time(math.MinInt64)
		for _, tr := range c.t.Tracks {
			if tr.Device != d || tr.Kind != trace.Ops && tr.Kind != trace.Stream {
				continue
			}
			for b, err := range tr.Batches() {
				if err != nil {
					return nil, err
				}
				for i, s := range b.Start {
					e := s.Add(b.Dur[i])
					if n := len(spans); n > 0 && s >= spans[n-1].from && s <= spans[n-1].to {
						spans[n-1].to = max(spans[n-1].to, e) // nested, or next to it
					} else if b.Self == nil {
						spans = append(spans, span{s, e})
					}
					lo, hi = min(lo, s), max(hi, e)
				}
			}
		}
		width := (hi - lo) / utilisationBins
		if len(spans) == 0 || width <= 0 {
			continue
		}
		slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
		ps := make([]float64, utilisationBins+1)
		end := lo
		for _, s := range spans {
			for t := max(s.from, end); t < s.to; {
				k := (t - lo) / width
				next := min(s.to, lo+(k+1)*width)
				ps[k] += float64(next - t)
				t = next
			}
			end = max(end, s.to)
		}
		counter := trace.PerfettoCounter{Name: "busy", Unit: "%", Device: d}
		for k, v := range ps[:utilisationBins] {
			counter.Time = append(counter.Time, lo+trace.Time(k)*width)
			counter.Value = append(counter.Value, 100*v/float64(width))
		}
		out = append(out, counter)
	}
	return out, nil
}
