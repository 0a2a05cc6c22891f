// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/layerscope/layerscope/reports"
	"github.com/layerscope/layerscope/reports/eventtable"
	"github.com/layerscope/layerscope/reports/profile"
	"github.com/layerscope/layerscope/trace"
)

// A target is a format that convert writes.
type target struct {
	name   string
	exts   []string // the longest that fits counts
	help   string
	binary bool
	packed bool // compressed by itself
	sums   bool // holds sums of ops, not events
	table  bool // holds rows of events, not the rest of the model
	write  func(*conversion, io.Writer) error
}

var targets = []*target{
	{name: "chrome", exts: []string{".json"}, help: "Trace Event JSON, for ui.perfetto.dev and chrome://tracing", write: (*conversion).chrome},
	{name: "xspace", exts: []string{".xplane.pb", ".pb"}, help: "XSpace, for XProf and TensorBoard", binary: true, write: (*conversion).xspace},
	{name: "perfetto", exts: []string{".pftrace", ".perfetto-trace"}, help: "protobuf for Perfetto, with tracks of layers and components, memory and load", binary: true, write: (*conversion).perfetto},
	{name: "txt", exts: []string{".txt"}, help: "the text form: reviewable, and an input again", write: func(c *conversion, w io.Writer) error { return trace.WriteText(w, c.t) }},
	{name: "pprof", exts: []string{".pprof", ".prof"}, help: "profile for go tool pprof, the scope path as stack", binary: true, packed: true, sums: true,
		write: func(c *conversion, w io.Writer) error { return profile.WritePprof(w, c.an) }},
	{name: "speedscope", exts: []string{".speedscope.json", ".speedscope"}, help: "for speedscope.app", sums: true,
		write: func(c *conversion, w io.Writer) error { return profile.WriteSpeedscope(w, c.an, c.title()) }},
	{name: "folded", exts: []string{".folded", ".collapsed"}, help: "folded stacks, for flamegraph.pl and inferno", sums: true,
		write: func(c *conversion, w io.Writer) error { return profile.WriteFolded(w, c.an) }},
	{name: "csv", exts: []string{".csv"}, help: "a row an event", table: true, write: func(c *conversion, w io.Writer) error { return eventtable.CSV(w, c.rows()) }},
	{name: "parquet", exts: []string{".parquet"}, help: "a row an event, for DuckDB and data frames", binary: true, table: true,
		write: func(c *conversion, w io.Writer) error { return eventtable.Parquet(w, c.rows()) }},
	{name: "ops-csv", exts: []string{".ops.csv"}, help: "a row an op: that of report --by op", sums: true,
		write: func(c *conversion, w io.Writer) error {
			return reports.CSV(w, reports.New(c.an, reports.Options{By: []string{"op"}, Top: -1, Title: c.in.label, Version: toolVersion()}))
		}},
}

func targetNames() []string {
	var out []string
	for _, t := range targets {
		out = append(out, t.name)
	}
	return out
}

func targetHelp() string {
	var b strings.Builder
	for _, t := range targets {
		fmt.Fprintf(&b, "  %-11s %-30s %s\n", t.name, strings.Join(t.exts, " "), t.help)
	}
	return b.String()
}

// target settles the format and the output.
func (f *convertFlags) target() (*target, error) {
	if f.output == "" {
		if f.to == "" {
			return nil, usagef("layerscope convert INPUT -o timeline.json", "convert: no output given")
		}
		f.output = "-"
	}
	if f.to != "" {
		for _, t := range targets {
			if t.name == f.to {
				return t, nil
			}
		}
		hint := ""
		if near := nearest(f.to, targetNames()); near != "" {
			hint = "did you mean " + near + "?"
		}
		return nil, usagef(hint, "--to %s: want %s", f.to, strings.Join(targetNames(), ", "))
	}
	name := strings.ToLower(strings.TrimSuffix(filepath.Base(f.output), ".gz"))
	var best *target
	longest := 0
	for _, t := range targets {
		for _, e := range t.exts {
			if strings.HasSuffix(name, e) && len(e) > longest {
				best, longest = t, len(e)
			}
		}
	}
	if best == nil {
		return nil, usagef("--to FORMAT, or one of the extensions in convert --help", "%s: its extension names no format", f.output)
	}
	return best, nil
}

func (c *conversion) title() string {
	if c.in.label != "" {
		return c.in.label
	}
	return filepath.Base(c.in.path)
}

func (c *conversion) xspace(w io.Writer) error {
	return trace.WriteXSpace(w, c.t, trace.XSpaceOptions{XProfCompat: c.compat, Host: c.host})
}

func (c *conversion) chrome(w io.Writer) error {
	return trace.WriteChrome(w, c.t, trace.ChromeOptions{Exact: c.exact, Place: c.an.Place})
}
