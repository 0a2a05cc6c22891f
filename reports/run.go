// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"slices"

	"github.com/layerscope/layerscope/analyze"
)

// A Run is what is known of one profiled run: its captures' analyses, and what
// was said and logged about it. Its files are those of a bundle that follow from
// that; nothing in them is invented: a section without data says what is missing
// and how to get it.
type Run struct {
	Title    string
	Version  string // of the program
	Captures []RunCapture
	// Context is what report.md says of the run, in this order: name, value, and how
	// to state the value, for where it is "".
	Context [][3]string
	// Inputs are requests and settings by file name, such as score_request.json.
	Inputs map[string][]byte
	// Commands are what was run.
	Commands []string
	// Counts are of the server's log: score_requests, start_profile_calls,
	// stop_profile_calls; nil = there was none.
	Counts map[string]int
	// PricePerHour is of the machine, in PriceUnit such as USD, as of PriceDate; 0 =
	// not known.
	PricePerHour         float64
	PriceUnit, PriceDate string
	// Here is a line of report.md's that the bundle replaces by its own sections.
	Here string
}

// A RunCapture is one capture of a run.
type RunCapture struct {
	Title    string
	Path     string // below the bundle
	Analysis *analyze.Analysis
	// HostWindow is from the first begin to the last end of spans on host threads; 0
	// = there are none.
	HostWindow analyze.Duration
}

// runReport writes one Run.
type runReport struct {
	*Run
	main    int // the capture that findings are about: the first in which a device ran ops
	host    int // the capture that has host spans: main, or else the first that has; -1 = none
	reports []*Report
}

func newRunReport(run *Run) *runReport {
	r := &runReport{Run: run, main: -1, host: -1}
	for i := range run.Captures {
		c := &run.Captures[i]
		rep := New(c.Analysis, Options{Title: c.Title, Version: run.Version})
		r.reports = append(r.reports, rep)
		if r.main < 0 && !rep.empty() {
			r.main = i
		}
		if r.host < 0 && len(c.Analysis.Host) > 0 {
			r.host = i
		}
	}
	r.main = max(r.main, 0)
	if len(run.Captures) > 0 && len(run.Captures[r.main].Analysis.Host) > 0 {
		r.host = r.main
	}
	return r
}

// Files returns report.md, what belongs to analysis/, artifacts/derived/ and
// images/, by path below the bundle. A run without captures has an error.
func (run *Run) Files() (map[string][]byte, error) {
	if len(run.Captures) == 0 {
		return nil, fmt.Errorf("run %q: no captures", run.Title)
	}
	r := newRunReport(run)
	out := make(map[string][]byte)
	markdown := func(name string, blocks []block, charts string) error {
		var b bytes.Buffer
		err := writeMarkdown(&b, blocks, charts)
		out[name] = b.Bytes()
		return err
	}
	document := func(name string, v any) error {
		text, err := json.MarshalIndent(v, "", "  ")
		out[name] = append(text, '\n')
		return err
	}
	for i := range run.Captures {
		tables := r.captureTables(i)
		for _, t := range tables {
			if err := markdown(path.Join("analysis", r.suffixed(i, t.name)+".md"), []block{t.block}, ""); err != nil {
				return nil, err
			}
		}
		for name, d := range r.derived(i) {
			if err := document(path.Join("artifacts/derived", r.numbered(i), name), d); err != nil {
				return nil, err
			}
		}
	}
	for _, p := range r.images() {
		if p.svg != "" {
			out["images/"+p.name] = []byte(p.svg)
		}
	}
	if err := document("analysis/summary.json", r.summary()); err != nil {
		return nil, err
	}
	return out, markdown("report.md", r.blocks(), "images")
}

// suffixed is the name of a file about capture i: that of the main capture is
// plain, others have their number.
func (r *runReport) suffixed(i int, name string) string {
	if i == r.main {
		return name
	}
	return fmt.Sprintf("%s-%02d", name, i+1)
}

func (r *runReport) numbered(i int) string {
	if i == r.main {
		return ""
	}
	return fmt.Sprintf("%02d", i+1)
}

// A namedBlock is one Markdown file of analysis/.
type namedBlock struct {
	name string
	block
}

// captureTables are the tables of one capture, each a file of its own and a part
// of the findings.
func (r *runReport) captureTables(i int) []namedBlock {
	rep := r.reports[i]
	out := []namedBlock{
		{"device_top_ops", rep.runOps(10)},
		{"op_type_breakdown", rep.runTypes()},
		{"kernel_provenance", rep.runProvenance(10)},
		{"component_breakdown", rep.runComponents()},
		{"idle_vs_non_idle", rep.runIdle()},
		{"host_trace_summary", rep.runHost(20, r.Captures[i].HostWindow)},
	}
	for k := range out {
		out[k].level = 1
		out[k].para = append([]string{"Capture " + rep.title() + "."}, out[k].para...)
	}
	return out
}

// images are the charts of the main capture.
func (r *runReport) images() []picture {
	rep := r.reports[r.main]
	var host string
	if r.host >= 0 {
		host = r.reports[r.host].hostChart()
	}
	if rep.empty() {
		return []picture{{name: "host_top_events.svg", svg: host}}
	}
	out := []picture{
		{"device_top_ops.svg", "The largest ops by self time", rep.opChart(10)},
		{"op_type_breakdown.svg", "Self time by op type", rep.categoryChart()},
		{"component_breakdown.svg", "Self time by component", rep.componentChart()},
		{"idle_vs_non_idle.svg", "Busy and idle", rep.busyChart()},
		{"host_top_events.svg", "Host spans by self time", host},
	}
	for _, p := range rep.reportPictures() {
		if slices.Contains([]string{"layers.svg", "steps.svg"}, p.name) {
			out = append(out, p.picture)
		}
	}
	return out
}

func (r *runReport) picture(name string) *picture {
	for _, p := range r.images() {
		if p.name == name && p.svg != "" {
			return &p
		}
	}
	return nil
}
