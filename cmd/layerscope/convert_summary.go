// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/layerscope/layerscope/internal/term"
	"github.com/layerscope/layerscope/trace"
)

// convertSchema names what --format json writes. Additive within v1.
const convertSchema = "layerscope.convert/v1"

type (
	convertSummary struct {
		Schema  string         `json:"schema"`
		Tool    convertTool    `json:"tool"`
		Inputs  []convertInput `json:"inputs"`
		Output  convertOutput  `json:"output"`
		Devices int            `json:"devices"`
		Tracks  int            `json:"tracks"`
		Ops     int            `json:"ops"`
		Dropped []dropped      `json:"dropped"`
	}
	convertTool struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	convertInput struct {
		Path   string `json:"path"`
		SHA256 string `json:"sha256"`
		Bytes  int64  `json:"bytes"`
		Format string `json:"format"`

		Version string `json:"version,omitempty"`
		CRC32C  string `json:"crc32c,omitempty"`
	}
	convertOutput struct {
		Path   string `json:"path"`
		Format string `json:"format"`
		Bytes  int64  `json:"bytes"`
		Exact  bool   `json:"exact"` // times are those of the input, to the picosecond
	}
	// dropped is something of the input that the output does not hold.
	dropped struct {
		What  string `json:"what"`
		Count int64  `json:"count"` // 0 = not counted
		Why   string `json:"why"`
	}
)

func (c *conversion) summary(f *convertFlags, bytes int64) *convertSummary {
	s := &convertSummary{
		Schema: convertSchema, Tool: convertTool{"layerscope", toolVersion()}, Inputs: []convertInput{},
		Output:  convertOutput{f.output, c.to.name, bytes, !c.rounds()},
		Devices: len(c.t.Devices), Tracks: len(c.t.Tracks), Ops: len(c.t.Ops), Dropped: c.dropped(),
	}
	for _, in := range c.t.Inputs {
		s.Inputs = append(s.Inputs, convertInput{in.Path, in.SHA256, in.Bytes, in.Format, in.Version, in.CRC32C})
	}
	return s
}

// rounds says whether the output's times are rounded.
func (c *conversion) rounds() bool {
	switch c.to.name {
	case "chrome":
		return !c.exact
	case "pprof":
		return true
	}
	return false
}

// dropped lists what the output lacks of what the input had.
func (c *conversion) dropped() []dropped {
	out := []dropped{}
	add := func(what string, n int, why string) {
		if n > 0 {
			out = append(out, dropped{what, int64(n), why})
		}
	}
	if c.rounds() {
		why := "times are rounded to nanoseconds"
		if c.to.name == "chrome" {
			why += "; --exact keeps picoseconds"
		}
		out = append(out, dropped{"picoseconds", 0, why})
	}
	if c.t.Format == "xspace" || c.t.Format == "chrome-json" {
		out = append(out, dropped{"details of events", 0, "stats and args that the model has no place for"})
	}
	for _, d := range c.t.Devices {
		if d.Kind == "tpu" {
			out = append(out, dropped{"the other clock", 0, "device events have two times; those chosen with --clock are written"})
			break
		}
	}
	if n, why := c.droppedFlows(); n > 0 {
		add("flows", n, why)
	}
	if c.to.name == "xspace" {
		return append(out, c.droppedXSpace()...)
	}
	if !c.to.sums && !c.to.table {
		return out
	}
	modules := 0
	for _, p := range c.t.Programs {
		if p.Module != nil {
			modules++
		}
	}
	add("HLO modules", modules, "the format has no place for programs")
	add("program executions", len(c.t.Executions), "told apart by run_id only")
	add("steps", len(c.t.Steps), "the format has no place for marks")
	add("compilations", len(c.t.Compiles), "the format has no place for marks")
	add("allocator events", len(c.t.Allocs), "the format holds ops")
	add("findings", len(c.an.Findings), "they are in the report and in check")
	if c.to.sums {
		lanes := 0
		for _, tr := range c.t.Tracks {
			if tr.Kind != trace.Ops && tr.Kind != trace.Stream {
				lanes++
			}
		}
		out = append(out, dropped{"the time line", 0, "the format holds sums by op"})
		add("tracks of hosts, modules, steps and transfers", lanes, "the format holds ops of devices")
	}
	return out
}

// droppedFlows counts the arrows that the output has no place for. One that can't
// be read was not written either: the error came up there.
func (c *conversion) droppedFlows() (n int, why string) {
	reached := map[trace.EventRef]bool{}
	for f, err := range c.t.Flows() {
		if err != nil {
			break
		}
		switch {
		case c.to.sums || c.to.table:
			n, why = n+1, "the format has no arrows between events"
		case c.to.name == "xspace" && reached[f.To]:
			n, why = n+1, "an event of an XSpace has one producer"
		case c.to.name == "perfetto" && (c.isSample(f.From) || c.isSample(f.To)):
			n, why = n+1, "samples of counters have none in Perfetto"
		}
		if c.to.name == "xspace" {
			reached[f.To] = true
		}
	}
	return n, why
}

func (c *conversion) isSample(r trace.EventRef) bool {
	return c.t.Tracks[r.Track].Kind == trace.Counter
}

// droppedXSpace lists what an XSpace has no place for.
func (c *conversion) droppedXSpace() []dropped {
	findings, kernels, marks := 0, 0, 0
	for _, f := range c.t.Findings {
		if !strings.HasPrefix(f.Code, "profiler-") {
			findings++
		}
	}
	gpu := map[int]bool{}
	for i, d := range c.t.Devices {
		gpu[i] = d.Kind == "gpu"
	}
	for _, op := range c.t.Ops {
		if op.Instruction == nil && op.Category == "kernel" {
			kernels++
		}
	}
	for _, s := range c.t.Steps {
		if s.Device >= 0 && gpu[s.Device] {
			marks++
		}
	}
	var out []dropped
	for _, d := range []dropped{
		{"findings", int64(findings), "they are in the report and in check"},
		{"allocator events", int64(len(c.t.Allocs)), "the model keeps no place on a thread for them"},
		{"categories of kernels", int64(kernels), "an XSpace has none for a GPU's events"},
		{"steps of GPUs", int64(marks), "an XSpace derives them from the host's"},
	} {
		if d.Count > 0 {
			out = append(out, d)
		}
	}
	return out
}

func (s *convertSummary) emit(f *convertFlags, w io.Writer) error {
	if f.format == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(s)
	}
	_, err := fmt.Fprintf(w, "%s: %s, %s, %s, %s, %s\n", term.Safe(s.Output.Path), s.Output.Format, plural(int(s.Output.Bytes), "byte"), plural(s.Devices, "device"), plural(s.Tracks, "track"), plural(s.Ops, "op"))
	for _, d := range s.Dropped {
		n := ""
		if d.Count > 0 {
			n = fmt.Sprintf(" (%d)", d.Count)
		}
		if err == nil {
			_, err = fmt.Fprintf(w, "not in it: %s%s: %s\n", d.What, n, d.Why)
		}
	}
	return err
}
