// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/internal/tracetest"
	"github.com/layerscope/layerscope/trace"
)

func runFiles(t failer, run Run) map[string][]byte {
	t.Helper()
	files, err := run.Files()
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// told is a run of which everything is known.
func told(a *analyze.Analysis) Run {
	return Run{
		Title: "Run first", Version: "v0.1.0", Captures: []RunCapture{{Title: "first", Path: "artifacts/raw/traces/plugins/profile/s1", Analysis: a, HostWindow: 90 * millisecond}},
		Context: [][3]string{{"commit", "79e14de2c1", "--commit"}, {"zone", "", "--zone"}},
		Inputs:  map[string][]byte{"score_request.json": []byte(`{"items": ["a", "b"]}`)}, Commands: []string{"python serve.py"},
		Counts: map[string]int{"score_requests": 3, "start_profile_calls": 1, "stop_profile_calls": 1}, PricePerHour: 1.9, PriceUnit: "USD", PriceDate: "2026-02-05", Here: "<!-- here -->",
	}
}

func withHost(a *analyze.Analysis) *analyze.Analysis {
	a.Host = []analyze.HostRow{{Name: "$scheduler.py:645 recv_requests", Self: 30 * millisecond, Total: 40 * millisecond, Occurrences: 100}, {Name: "PjRt::Execute", Self: 10 * millisecond, Total: 10 * millisecond, Occurrences: 10}}
	return a
}

func TestRunGolden(t *testing.T) {
	for name, run := range map[string]Run{
		"run":       told(withHost(model{layers: 28, steps: 10, slow: map[int]float64{3: 3}, unnamed: 500 * microsecond}.analysis())),
		"run_bare":  {Title: "Run bare", Captures: []RunCapture{{Title: "bare", Path: "artifacts/raw/traces/x.xplane.pb", Analysis: model{layers: 3}.analysis()}}},
		"run_empty": {Title: "Run empty", Captures: []RunCapture{{Title: "idle", Path: "artifacts/raw/traces/x.xplane.pb", Analysis: emptyAnalysis()}}},
	} {
		t.Run(name, func(t *testing.T) {
			files := runFiles(t, run)
			var ar txtar.Archive
			for _, f := range slices.Sorted(mapKeys(files)) {
				if strings.HasSuffix(f, ".md") || strings.HasSuffix(f, "summary.json") || strings.Contains(f, "host/") || name == "run" && strings.HasSuffix(f, "device_top_ops.svg") {
					ar.Files = append(ar.Files, txtar.File{Name: f, Data: files[f]})
				}
			}
			golden(t, filepath.Join("testdata", "golden", name+".txtar"), txtar.Format(&ar))
			valid(t, "summary", files["analysis/summary.json"])
			for f, text := range files {
				if strings.HasPrefix(f, "artifacts/derived/") {
					valid(t, "derived", text)
				}
			}
		})
	}
	if _, err := (&Run{}).Files(); err == nil {
		t.Error("a run without captures has files")
	}
}

func mapKeys(m map[string][]byte) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func valid(t *testing.T, schema string, text []byte) {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile(filepath.Join(tracetest.Root(t), "docs", "schema", schema+".v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(doc); err != nil {
		t.Errorf("%s: %v", schema, err)
	}
}

// TestRunHasAllSections: every section of a published report, whatever is known.
func TestRunHasAllSections(t *testing.T) {
	for _, run := range []Run{told(withHost(model{layers: 4, steps: 6}.analysis())), {Title: "x", Captures: []RunCapture{{Analysis: emptyAnalysis()}}}} {
		text := string(runFiles(t, run)["report.md"])
		for _, want := range []string{"Executive summary", "Figures", "Run context", "Inputs", "Findings", "Where the delay is", "Reproduce", "Trace UI", "Cost", "Next experiments", "Provenance"} {
			if !strings.Contains(text, "\n## "+want+"\n") {
				t.Errorf("no section %q in\n%s", want, text)
			}
		}
		for _, want := range []string{"1. Device ops", "Op types", "Kernel provenance", "2. Components", "3. Idle and busy", "4. Host", "5. What to know"} {
			if !strings.Contains(text, "\n### "+want) {
				t.Errorf("no part %q", want)
			}
		}
	}
}

// TestRunPublished holds the corrected figures of the published run: what its own
// summary and tables should have said.
func TestRunPublished(t *testing.T) {
	tr, err := trace.Open(filepath.Dir(tracetest.Shared(t, "data/xprof_tables/qwen3_0p6b_tpuv6e1/checksums.txt")), trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	a, err := analyze.Analyze(tr, analyze.Options{})
	if err != nil {
		t.Fatal(err)
	}
	files := runFiles(t, Run{Title: "published", Captures: []RunCapture{{Title: "published", Path: "artifacts/raw/traces", Analysis: a}}})
	var s jsonSummary
	if err := json.Unmarshal(files["analysis/summary.json"], &s); err != nil {
		t.Fatal(err)
	}
	near := func(what string, got *float64, want, slack float64) {
		t.Helper()
		if got == nil || math.Abs(*got-want) > slack {
			t.Errorf("%s is %v, want %v", what, got, want)
		}
	}
	near("device_non_idle_us", s.DeviceNonIdleUS, 1254.54125, 1e-6)
	near("device_idle_us", s.DeviceIdleUS, 5043650.368328, 1e-6)
	near("device_total_us", s.DeviceTotalUS, 5044904.909578, 1e-5)
	if s.HostTraceWindowMS != nil || s.ScoreRequests != nil || s.StartProfileCalls != nil || s.StopProfileCalls != nil {
		t.Error("the host's window or the counts are known, of a run without host capture and log")
	}
	part := func(list []summaryPart, name string, us, percent float64) {
		t.Helper()
		i := slices.IndexFunc(list, func(p summaryPart) bool { return p.Name == name })
		if i < 0 || math.Abs(list[i].SelfUS-us) > 0.06 || math.Abs(100*list[i].Share-percent) > 0.06 {
			t.Errorf("%s: %+v, want %g µs, %g %%", name, list[max(i, 0)], us, percent)
		}
	}
	part(s.Components, "sampler", 158.9, 12.7)
	part(s.Components, "logits", 225.2, 17.9)
	part(s.Components, "mlp", 113.1, 9.0)
	part(s.Programs, "jit_jitted_run_model", 1038.05, 82.7)
	part(s.Programs, "jit_jitted_sampler", 158.95, 12.7)
	part(s.OpTypes, "pallas_call", 453.1, 36.1)
	part(s.OpTypes, "dot_general", 396.9, 31.6)
	part(s.OpTypes, "Unknown", 53.6, 4.3) // 314.1 with what runs inside while and conditional
	for i, us := range []float64{453.051, 200.641, 102.006, 71.736, 71.304, 41.394, 30.039, 28.376, 23.124, 17.279, 15.852, 14.336, 14.168, 12.610, 12.511, 9.117, 9.091} {
		if math.Abs(s.TopOps[i].SelfUS-us) > 0.001 {
			t.Errorf("op %d, %s: %.3f µs, want %.3f", i+1, s.TopOps[i].Name, s.TopOps[i].SelfUS, us)
		}
	}
	if !slices.ContainsFunc(s.Findings, func(f jsonFinding) bool { return f.Code == "host-idle" }) {
		t.Error("no finding about the doubled window")
	}
	for _, want := range []string{"busy 1.255 ms", "99.98 % of the 5.045 s window", "doesn't say how much of that is inside requests"} {
		if !strings.Contains(string(files["report.md"]), want) {
			t.Errorf("report.md lacks %q", want)
		}
	}
	if n := strings.Count(string(files["images/device_top_ops.svg"]), `class="ls-plain"`); n != 10 {
		t.Errorf("%d bars for ten ops", n)
	}
	valid(t, "summary", files["analysis/summary.json"])
	checkDerived(t, files, a)
}

// checkDerived reads the device's table as trace does, and wants the sums back.
func checkDerived(t *testing.T, files map[string][]byte, a *analyze.Analysis) {
	t.Helper()
	dir := t.TempDir()
	name := filepath.Join(dir, "framework_op_stats_device.json")
	writeFile(t, name, files["artifacts/derived/device/framework_op_stats_device.json"])
	tr, err := trace.Open(name, trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	back, err := analyze.Analyze(tr, analyze.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d, want := back.Devices[0], a.Devices[0]
	if off := d.OpTime - want.OpTime; off > 1000 || off < -1000 || d.Idle != want.Idle {
		t.Errorf("from the table, op time %d and idle %d; want %d and %d", d.OpTime, d.Idle, want.OpTime, want.Idle)
	}
}

// ourComment leaves out what is written by us.
var ourComment = strings.NewReplacer("<!-- -->", "", "<!-- here -->", "", "<sup>", "", "</sup>", "")

// unfenced leaves out fenced code.
func unfenced(text string) string {
	var out strings.Builder
	fence := ""
	for line := range strings.Lines(text) {
		l := strings.TrimSpace(line)
		n := len(l) - len(strings.TrimLeft(l, "`"))
		switch {
		case fence == "" && n >= 3:
			fence = l[:n]
		case fence == "":
			out.WriteString(line)
		case n >= len(fence) && l == l[:n]:
			fence = ""
		}
	}
	return out.String()
}

// uncoded leaves out inline code and escaped characters.
func uncoded(text string) string {
	run := func(s string) int { return len(s) - len(strings.TrimLeft(s, "`")) }
	var out strings.Builder
	for line := range strings.Lines(text) {
		for i := 0; i < len(line); {
			n := run(line[i:])
			switch {
			case line[i] == '\\':
				out.WriteString("\\.")
				i += 2
				continue
			case n == 0:
				out.WriteByte(line[i])
				i++
				continue
			}
			end := -1
			for k := i + n; k < len(line); k++ {
				if m := run(line[k:]); m == n {
					end = k + n
					break
				} else if m > 0 {
					k += m - 1
				}
			}
			if i += n; end > 0 {
				i = end
			}
		}
	}
	return out.String()
}

// checkMarkdown wants no markup but ours, and no control or bidirectional
// characters.
func checkMarkdown(t failer, file, text string) {
	t.Helper()
	for _, r := range text {
		if r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x2028 || r == 0x2029 {
			t.Errorf("%s holds %q", file, r)
			return
		}
	}
	text = unfenced(text)
	text = regexp.MustCompile(`(?m)^!\[[^\]]*\]\(<images/[a-z_]+\.svg>\)$`).ReplaceAllString(text, "")
	text = ourComment.Replace(uncoded(text))
	if i := strings.IndexByte(text, '<'); i >= 0 {
		t.Errorf("%s has markup: %q", file, text[max(0, i-60):min(len(text), i+60)])
	}
	if m := regexp.MustCompile(`[^\\]\]\(`).FindString(text); m != "" {
		t.Errorf("%s has a link: %q", file, m)
	}
}

func checkChart(t failer, file, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		tok, err := d.Token()
		if tok == nil {
			if err.Error() != "EOF" {
				t.Errorf("%s: %v", file, err)
			}
			return
		}
		e, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		if !slices.Contains([]string{"svg", "title", "desc", "style", "rect", "circle", "path", "text"}, e.Name.Local) {
			t.Errorf("%s has an element %s", file, e.Name.Local)
		}
		for _, a := range e.Attr {
			if strings.HasPrefix(strings.ToLower(a.Name.Local), "on") || strings.Contains(a.Name.Local, "href") {
				t.Errorf("%s: <%s> has %s", file, e.Name.Local, a.Name.Local)
			}
		}
	}
}

// evilRun has a name wherever somebody else may choose one.
func evilRun(name string) Run {
	a := named(name)
	a.Host = []analyze.HostRow{{Name: name, Self: 1, Total: 1, Occurrences: 1}, {Name: "$" + name + ":1 f", Self: 2, Total: 2, Occurrences: 1}}
	run := told(a)
	run.Title, run.Captures[0].Title, run.Captures[0].Path = name, name, "artifacts/raw/traces/"+name
	run.Context = [][3]string{{"model", name, ""}, {name, "", name}}
	run.Inputs = map[string][]byte{name: []byte(name), "b.json": []byte("{\"x\": \"" + strings.Repeat("`", 5) + "\"}")}
	run.Commands, run.PriceUnit, run.PriceDate = []string{name, "```"}, name, name
	run.Captures = append(run.Captures, RunCapture{Title: name, Path: name, Analysis: named(name)})
	return run
}

func checkRun(t failer, name string) {
	t.Helper()
	for file, text := range runFiles(t, evilRun(name)) {
		switch filepath.Ext(file) {
		case ".md":
			checkMarkdown(t, file, string(text))
		case ".svg":
			checkChart(t, file, string(text))
		case ".json":
			if !json.Valid(text) {
				t.Errorf("%s is no JSON", file)
			}
		}
		if strings.Contains(file, "..") || strings.HasPrefix(file, "/") {
			t.Errorf("a name became a path: %s", file)
		}
	}
}

// TestRunNamesAreText: names of captures, requests, commands and files stay text
// in report.md, the tables and charts of a bundle.
func TestRunNamesAreText(t *testing.T) {
	for _, name := range append(injections, "[a](http://evil.example)", "![x](http://evil.example/x.png)", "a](<javascript:x>)", "| a | b |", "```\n</details>", "<!-- artifacts -->", "@team #1", "\u2067b\u200f") {
		checkRun(t, name)
	}
	if t.Failed() {
		return
	}
	rapid.Check(t, func(t *rapid.T) {
		checkRun(t, "n"+rapid.OneOf(rapid.String(), rapid.StringMatching("[<>&\"'/=! \\[\\]()`|*_\\\\a-z-]{1,20}")).Draw(t, "name"))
	})
}

// TestChartsOfMarkdown: charts of report and diff are well-formed, linked by
// their names, and hold names as text.
func TestChartsOfMarkdown(t *testing.T) {
	for _, name := range append(injections, "layer") {
		d := slowedLayer(t)
		for i := range d.Rows {
			d.Rows[i].Key += name
		}
		for i := range d.Explain {
			d.Explain[i].Key += name
		}
		for kind, r := range map[string]*Report{"report": New(named(name), Options{Charts: "img", By: Sections()}), "diff": Diff(Options{Charts: "img"}, d)} {
			var b bytes.Buffer
			if err := r.Markdown(&b); err != nil {
				t.Fatal(err)
			}
			charts := r.Charts()
			if len(charts) < 2 {
				t.Errorf("%s: %d charts", kind, len(charts))
			}
			for file, text := range charts {
				checkChart(t, kind+" "+file, text)
				if !strings.Contains(text, "prefers-color-scheme:dark") {
					t.Errorf("%s: %s has no dark colours", kind, file)
				}
				if !strings.Contains(b.String(), "](<img/"+file+">)\n") {
					t.Errorf("%s: %s is not in the Markdown", kind, file)
				}
			}
		}
	}
	var md bytes.Buffer
	r := Diff(Options{Charts: "img"}, slowedLayer(t))
	if err := r.Markdown(&md); err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("testdata", "golden", "diff_charts.txtar"), txtar.Format(&txtar.Archive{Files: []txtar.File{
		{Name: "diff.md", Data: md.Bytes()}, {Name: "img/layers.svg", Data: []byte(r.Charts()["layers.svg"])}, {Name: "img/explain.svg", Data: []byte(r.Charts()["explain.svg"])},
	}}))
	var with, without bytes.Buffer
	a := model{layers: 28, steps: 10}.analysis()
	if err := New(a, Options{Charts: "img"}).Markdown(&with); err != nil {
		t.Fatal(err)
	}
	if err := New(a, Options{}).Markdown(&without); err != nil {
		t.Fatal(err)
	}
	plain := regexp.MustCompile(`(?m)^!\[.*\n\n`).ReplaceAllString(with.String(), "")
	if d := cmp.Diff(without.String(), plain); d != "" {
		t.Errorf("charts change more than their lines (-without +with):\n%s", d)
	}
}
