// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports"
	"github.com/layerscope/layerscope/reports/bundle"
	"github.com/layerscope/layerscope/trace"
)

// bundleOptions analyses captures and collects what goes into their bundle.
func (a *app) bundleOptions(ctx context.Context, args []string, in *inputFlags, f *bundleFlags) (*bundle.Options, error) {
	opts := &bundle.Options{
		Memory: f.memory, Logs: f.logs, Benchmarks: f.benchmarks, Commands: f.commands, Environ: os.Environ(), Plain: f.plain, Backup: f.backup,
		Commit: f.commit, Branch: f.branch, Trigger: f.trigger, Tool: toolVersion(), Time: a.now(),
		Hardware: map[string]string{}, Versions: map[string]string{}, Files: map[string][]byte{}, Names: localNames(),
	}
	if f.key != "" {
		opts.Names[f.key] = "token"
	}
	switch {
	case f.redact:
		opts.Secrets = bundle.RedactCaptures
	case f.allow:
		opts.Secrets = bundle.AllowSecrets
	}
	run := &reports.Run{Title: "Run " + filepath.Base(f.output), Version: toolVersion(), Inputs: map[string][]byte{}, Commands: f.commands, Here: bundle.ArtifactsHere}
	if err := f.read(opts, run); err != nil {
		return nil, err
	}
	for i, arg := range args {
		if err := a.addToRun(ctx, i, arg, len(args), in, opts, run); err != nil {
			return nil, err
		}
	}
	if err := f.describe(opts, run); err != nil {
		return nil, err
	}
	if f.pages {
		if err := addPages(opts, run); err != nil {
			return nil, err
		}
	}
	files, err := run.Files()
	if err != nil {
		return nil, err
	}
	opts.Report = files["report.md"]
	delete(files, "report.md")
	maps.Copy(opts.Files, files)
	return opts, nil
}

// read reads the files of the flags that reports repeat.
func (f *bundleFlags) read(opts *bundle.Options, run *reports.Run) error {
	for _, arg := range f.inputs {
		in := parseInput(arg)
		text, err := os.ReadFile(in.path)
		if err != nil {
			return err
		}
		name := filepath.Base(in.path)
		if in.label != "" {
			name = in.label
			if filepath.Ext(name) == "" {
				name += filepath.Ext(in.path)
			}
			opts.Files["inputs/"+name] = text
		} else {
			opts.Inputs = append(opts.Inputs, in.path)
		}
		run.Inputs[name] = text
	}
	for _, name := range f.logs {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if run.Counts == nil {
			run.Counts = map[string]int{}
		}
		countCalls(run.Counts, text)
	}
	if f.server != "" {
		text, err := os.ReadFile(f.server)
		if err != nil {
			return err
		}
		if !json.Valid(text) {
			return usagef("curl …/get_server_info > FILE", "--server-info %s: found no JSON", f.server)
		}
		opts.Server = text
	}
	return f.readPrice(run)
}

// countCalls counts the calls in a server's log by their lines.
func countCalls(counts map[string]int, log []byte) {
	for key, word := range map[string]string{"score_requests": "/v1/score", "start_profile_calls": "start_profile", "stop_profile_calls": "stop_profile"} {
		n := 0
		for line := range bytes.Lines(log) {
			if bytes.Contains(line, []byte(word)) {
				n++
			}
		}
		counts[key] += n
	}
}

var priceForm = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?([A-Za-z€$£]{1,8})(?:/h)?@([0-9]{4}-[0-9]{2}-[0-9]{2})$`)

func (f *bundleFlags) readPrice(run *reports.Run) error {
	if f.price == "" {
		return nil
	}
	m := priceForm.FindStringSubmatch(f.price)
	if m == nil {
		return usagef("--price 1.90USD@2026-02-05", "--price %s: want an amount an hour, its currency, @ and the date when it was so", f.price)
	}
	if _, err := time.Parse(time.DateOnly, m[3]); err != nil {
		return usagef("--price 1.90USD@2026-02-05", "--price %s: %v", f.price, err)
	}
	var err error
	run.PricePerHour, err = strconv.ParseFloat(m[1], 64)
	run.PriceUnit, run.PriceDate = m[2], m[3]
	return err
}

// addToRun analyses a capture of a bundle in the making.
func (a *app) addToRun(ctx context.Context, i int, arg string, n int, in *inputFlags, opts *bundle.Options, run *reports.Run) error {
	capture := parseInput(arg)
	if capture.path == "-" {
		return usagef("name a file", "bundle create: a capture from standard input has no file")
	}
	c := reports.RunCapture{Title: cmp.Or(capture.label, filepath.Base(capture.path)), Path: rawPath(capture.path, i, n)}
	flags := *in
	flags.also = func(t *trace.Trace) { c.HostWindow = hostWindow(t) }
	an, err := a.load(ctx, capture, &flags, true)
	if err != nil {
		return err
	}
	c.Analysis = an
	run.Captures = append(run.Captures, c)
	opts.Captures = append(opts.Captures, capture.path)
	suffix := ""
	if n > 1 {
		suffix = fmt.Sprintf("-%02d", i+1)
	}
	return describe(opts, an, c.Title, suffix)
}

// addPages adds a page of each capture to a bundle in the making.
func addPages(opts *bundle.Options, run *reports.Run) error {
	for i, c := range run.Captures {
		suffix := ""
		if len(run.Captures) > 1 {
			suffix = fmt.Sprintf("-%02d", i+1)
		}
		var page bytes.Buffer
		if err := reports.New(c.Analysis, reports.Options{Title: c.Title, Version: toolVersion()}).HTML(&page); err != nil {
			return err
		}
		opts.Files["analysis/report"+suffix+".html"] = page.Bytes()
	}
	return nil
}

// rawPath is where a capture will be in the bundle, hosts' names apart.
func rawPath(source string, i, n int) string {
	dir := "artifacts/raw/traces"
	if n > 1 {
		dir += fmt.Sprintf("/%02d", i+1)
	}
	info, err := os.Stat(source)
	if err != nil || !info.IsDir() {
		return path.Join(dir, filepath.Base(source))
	}
	if abs, err := filepath.Abs(source); err == nil && filepath.Base(filepath.Dir(abs)) == "profile" {
		return path.Join(dir, "plugins/profile", filepath.Base(abs))
	}
	return dir
}

// hostWindow is from the first begin to the last end of spans on host threads.
func hostWindow(t *trace.Trace) analyze.Duration {
	first, last := trace.Time(0), trace.Time(0)
	none := true
	for _, track := range t.Tracks {
		if track.Kind != trace.Host {
			continue
		}
		for b, err := range track.Batches() {
			if err != nil {
				break // the analysis has told
			}
			for i, start := range b.Start {
				if none || start < first {
					first = start
				}
				if end := start.Add(b.Dur[i]); none || end > last {
					last = end
				}
				none = false
			}
		}
	}
	return last.Sub(first)
}

// describe adds what the analysis of a capture says to a bundle in the making.
func describe(opts *bundle.Options, an *analyze.Analysis, title, suffix string) error {
	for _, h := range an.Capture.Hosts {
		if !fileNamed(an, h) {
			opts.Names[h] = "host"
		}
	}
	opts.Commit = cmp.Or(opts.Commit, commitOf(an))
	if d := devicesOf(an); d != "" {
		opts.Hardware["devices"+suffix] = d
	}
	for key, v := range an.Capture.Metadata {
		if name, ok := strings.CutSuffix(key, "_version"); ok && v != "" {
			opts.Versions[name] = v
		}
	}
	if start := an.Capture.StartUnixNano; start > 0 && suffix == "" {
		opts.Time = time.Unix(0, start)
	}
	var doc, summary bytes.Buffer
	if err := reports.New(an, reports.Options{Title: title, Version: toolVersion()}).JSON(&doc); err != nil {
		return err
	}
	if err := reports.Inspect(an, reports.Options{Title: title, Version: toolVersion()}).Markdown(&summary); err != nil {
		return err
	}
	opts.Files["analysis/report"+suffix+".json"] = doc.Bytes()
	opts.Files["analysis/summary"+suffix+".md"] = summary.Bytes()
	return nil
}

// fileNamed says whether a host is called after its file, for want of a name.
// Profilers call XSpace and trace files after hosts.
func fileNamed(an *analyze.Analysis, host string) bool {
	return slices.ContainsFunc(an.Inputs, func(in analyze.Input) bool {
		ext, ok := strings.CutPrefix(filepath.Base(in.Path), host)
		return ok && ext != "" && !strings.HasPrefix(ext, ".xplane.pb") && !strings.HasPrefix(ext, ".trace.json")
	})
}

// A requestFacts is what request, settings and server say that belongs into
// metadata.json.
type requestFacts struct {
	Model     string `json:"model"`
	ModelPath string `json:"model_path"`
	Items     []any  `json:"items"`
	Info      struct {
		ModelPath string `json:"model_path"`
	} `json:"info"` // of server_info.json
}

// factsOf reads the documents of an input, of which there may be several.
func factsOf(text []byte) (out []requestFacts) {
	d := json.NewDecoder(bytes.NewReader(text))
	for {
		var facts requestFacts
		if d.Decode(&facts) != nil {
			return out
		}
		out = append(out, facts)
	}
}

// describe settles config and hardware of metadata.json, and the report's
// context.
func (f *bundleFlags) describe(opts *bundle.Options, run *reports.Run) error {
	model, batches := f.model, f.batches
	for _, name := range slices.Sorted(maps.Keys(run.Inputs)) {
		if strings.HasPrefix(name, "server_info") && opts.Server == nil && json.Valid(run.Inputs[name]) {
			opts.Server = run.Inputs[name]
		}
		for _, facts := range factsOf(run.Inputs[name]) {
			model = cmp.Or(model, facts.Model, facts.ModelPath, facts.Info.ModelPath)
			if n := len(facts.Items); n > 0 && len(f.batches) == 0 && !slices.Contains(batches, n) {
				batches = append(batches, n)
			}
		}
	}
	var server requestFacts
	if json.Unmarshal(opts.Server, &server) == nil {
		model = cmp.Or(model, server.ModelPath, server.Model)
	}
	slices.Sort(batches)
	runs := cmp.Or(f.runs, len(run.Captures))
	var err error
	opts.Config, err = json.Marshal(struct {
		Profile string `json:"profile"`
		Model   string `json:"model"`
		Batches []int  `json:"batch_sizes"`
		Runs    int    `json:"num_runs"`
	}{f.profile, model, append([]int{}, batches...), runs})
	if err != nil {
		return err
	}
	f.describeHardware(opts, run)
	for _, v := range f.versions {
		name, version, ok := strings.Cut(v, "=")
		if !ok || name == "" || version == "" {
			return usagef("--with-version libtpu=0.0.30", "--with-version %s: want NAME=VERSION", v)
		}
		opts.Versions[name] = version
	}
	context := func(name, value, how string) { run.Context = append(run.Context, [3]string{name, value, how}) }
	context("commit", opts.Commit, "--commit")
	context("branch", opts.Branch, "--branch")
	context("trigger", opts.Trigger, "")
	context("workload", f.profile, "--profile")
	context("model", model, "--model")
	context("items a request", strings.Trim(strings.Join(strings.Fields(fmt.Sprint(batches)), ", "), "[]"), "--batch-sizes")
	context("runs", strconv.Itoa(runs), "")
	context("device", opts.Hardware["device"], "")
	context("devices", opts.Hardware["device_count"], "")
	context("zone", f.zone, "--zone")
	for _, name := range slices.Sorted(maps.Keys(opts.Versions)) {
		context("version of "+name, opts.Versions[name], "")
	}
	if len(opts.Versions) == 0 {
		context("versions", "", "--with-version NAME=VERSION")
	}
	return nil
}

// describeHardware states the devices of the first capture that has some.
func (f *bundleFlags) describeHardware(opts *bundle.Options, run *reports.Run) {
	if f.zone != "" {
		opts.Hardware["zone"] = f.zone
	}
	for i := range run.Captures {
		if ds := run.Captures[i].Analysis.Devices; len(ds) > 0 {
			opts.Hardware["device"] = cmp.Or(ds[0].Type, ds[0].Kind)
			opts.Hardware["device_count"] = strconv.Itoa(len(ds))
			return
		}
	}
}
