// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"strings"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports/internal/quantity"
)

const (
	inspectSchema = "layerscope.inspect/v1"
	checkSchema   = "layerscope.check/v1"
)

// inspectBlocks is one screen: what the capture holds, its devices and
// programs, and what to be wary of.
func (r *Report) inspectBlocks() []block {
	blocks := []block{{title: r.title(), head: true, facts: r.inspectFacts()}}
	if len(r.a.Devices) > 1 {
		blocks = append(blocks, r.deviceBlock())
	}
	blocks = append(blocks, r.programBlocks()...)
	b := r.findingBlock()
	const most = 6
	if n := len(b.items) - most; n > 0 {
		b.items = b.items[:most]
		b.after = []string{plural(n, "more finding") + "."}
	}
	return append(blocks, b)
}

func (r *Report) inspectFacts() []fact {
	a := r.a
	var bytes int64
	for i := range a.Inputs {
		bytes += a.Inputs[i].Bytes
	}
	format := fmt.Sprintf("%s, %s in %s", or(a.Format, "unknown"), quantity.Format(quantity.Bytes, quantity.Int(bytes)), plural(len(a.Inputs), "file"))
	facts := []fact{{"format", format}}
	if a.Lossy != "" {
		facts = append(facts, fact{"lossy", a.Lossy})
	}
	if start := startUTC(&a.Capture); start != "" {
		facts = append(facts, fact{"captured", start})
	}
	if len(a.Capture.Hosts) > 0 {
		facts = append(facts, fact{"hosts", strings.Join(a.Capture.Hosts, ", ")})
	}
	facts = append(facts, fact{"devices", r.devicesFact()}, fact{"window", r.windowFact()}, fact{"steps", r.stepsFact()}, fact{"layers", r.layersFact()})
	return facts
}

func (r *Report) devicesFact() string {
	if len(r.a.Devices) == 0 {
		return "none"
	}
	return fmt.Sprintf("%s, %s", r.devicePhrase(), plural(r.opEvents(), "op event"))
}

func (r *Report) windowFact() string {
	a := r.a
	var busy, idle, window analyze.Duration
	for i := range a.Devices {
		busy, idle, window = busy+a.Devices[i].Busy, idle+a.Devices[i].Idle, window+a.Devices[i].Window
	}
	if window == 0 {
		return duration(a.Capture.Window)
	}
	s := fmt.Sprintf("%s: busy %s, idle %s = %s of window", duration(window), duration(busy), duration(idle), percent(share(idle, window)))
	if len(a.Devices) > 1 {
		s = fmt.Sprintf("%d devices together %s", len(a.Devices), s)
	}
	return s + "; op time " + duration(r.opTime)
}

func (r *Report) stepsFact() string {
	c := &r.a.Capture
	if c.StepCount == 0 {
		return "none marked"
	}
	s := fmt.Sprintf("%s from %s", number(c.StepCount), c.StepSource)
	if r.a.StepDur.N > 0 {
		s += ", median " + duration(r.a.StepDur.Median)
	}
	return s
}

func (r *Report) layersFact() string {
	l := &r.a.Layers
	if l.Count == 0 {
		return "none found"
	}
	s := fmt.Sprintf("%s by %s, confidence %.2f", number(l.Count), l.Method, l.Confidence)
	if l.Unattributed != 0 {
		s += ", " + percent(share(l.Unattributed, r.opTime)) + " of op time unattributed"
	}
	return s
}

// checkBlocks is the verdict and the findings.
func (r *Report) checkBlocks() []block {
	return []block{{title: r.title(), head: true, para: []string{r.verdictSentence()}, items: r.items()}}
}

// Verdict returns "error", "warning" or "ok": the worst severity found.
func (r *Report) Verdict() string {
	worst := "ok"
	for i := range r.a.Findings {
		switch s := string(r.a.Findings[i].Severity); {
		case s == "error":
			return s
		case s == "warning":
			worst = s
		}
	}
	return worst
}

func (r *Report) verdictSentence() string {
	n := make(map[string]int)
	for i := range r.a.Findings {
		n[string(r.a.Findings[i].Severity)]++
	}
	counts := fmt.Sprintf("%s, %s, %s", plural(n["error"], "error"), plural(n["warning"], "warning"), plural(n["info"], "note"))
	if len(n) == 0 {
		return "Trustworthy: nothing found."
	}
	switch r.Verdict() {
	case "error":
		return "Not trustworthy: " + counts + "."
	case "warning":
		return "Usable with care: " + counts + "."
	}
	return "Trustworthy: " + counts + "."
}

type jsonInspect struct {
	Schema   string            `json:"schema"`
	Tool     jsonTool          `json:"tool"`
	Inputs   []jsonInput       `json:"inputs"`
	Format   string            `json:"format"`
	Lossy    string            `json:"lossy"`
	Findings []jsonFinding     `json:"findings"`
	Capture  jsonCapture       `json:"capture"`
	Programs []jsonProgram     `json:"programs"`
	Devices  []jsonDevice      `json:"devices"`
	Layers   jsonInspectLayers `json:"layers"`
	Step     jsonSamples       `json:"step"`
}

type jsonInspectLayers struct {
	Method         string  `json:"method"`
	Confidence     float64 `json:"confidence"`
	Count          int     `json:"count"`
	OpTimePS       int64   `json:"op_time_ps"`
	UnattributedPS int64   `json:"unattributed_ps"`
}

func (r *Report) jsonInspect() jsonInspect {
	a := r.a
	return jsonInspect{
		Schema: inspectSchema, Tool: r.jsonTool(), Inputs: list(a.Inputs, newJSONInput), Format: a.Format, Lossy: a.Lossy,
		Findings: list(r.findings(), newJSONFinding), Capture: newJSONCapture(&a.Capture),
		Programs: list(a.Programs, newJSONProgram), Devices: list(a.Devices, newJSONDevice),
		Layers: jsonInspectLayers{a.Layers.Method, a.Layers.Confidence, a.Layers.Count, int64(a.Layers.OpTime), int64(a.Layers.Unattributed)},
		Step:   newJSONSamples(&a.StepDur),
	}
}

type jsonCheck struct {
	Schema   string        `json:"schema"`
	Tool     jsonTool      `json:"tool"`
	Inputs   []jsonInput   `json:"inputs"`
	Verdict  string        `json:"verdict"`
	Findings []jsonFinding `json:"findings"`
}

func (r *Report) jsonCheck() jsonCheck {
	return jsonCheck{
		Schema: checkSchema, Tool: r.jsonTool(), Inputs: list(r.a.Inputs, newJSONInput),
		Verdict: r.Verdict(), Findings: list(r.findings(), newJSONFinding),
	}
}
