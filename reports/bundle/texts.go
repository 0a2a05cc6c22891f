// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/layerscope/layerscope/reports/internal/texttab"
)

// addTexts takes the texts that were given by path.
func (b *builder) addTexts() error {
	files := maps.Clone(b.opts.Files)
	if files == nil {
		files = make(map[string][]byte)
	}
	for name, text := range b.opts.Analysis {
		files["analysis/"+name] = text
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := checkName(name); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		role, made := roleOf(name)
		var parents []string
		if made {
			parents = b.captures
		}
		if err := b.add(b.redactor.name(name), files[name], role, parents); err != nil {
			return err
		}
	}
	return nil
}

// roleOf says what a text is by where it is, and whether it is made from the
// captures.
func roleOf(name string) (role string, made bool) {
	switch top, _, _ := strings.Cut(name, "/"); {
	case strings.HasPrefix(name, "artifacts/derived/"):
		return "derived", true
	case top == "images":
		return "image", true
	case top == "inputs":
		return "input", false
	case top == "logs":
		return "log", false
	}
	return "analysis", true
}

// An environment is what the run met.
type environment struct {
	OS        string            `json:"os"`
	Arch      string            `json:"arch"`
	CPUs      int               `json:"cpus"`
	Hardware  map[string]any    `json:"hardware"`
	Versions  map[string]string `json:"versions"`
	Variables map[string]string `json:"variables"`
	Server    json.RawMessage   `json:"server,omitempty"`
}

func (b *builder) addInputs() error {
	var sh strings.Builder
	sh.WriteString("#!/bin/sh\n# What was run, as it was said.\n")
	for _, c := range b.opts.Commands {
		sh.WriteString(c + "\n")
	}
	if err := b.add("inputs/commands.sh", []byte(sh.String()), "commands", nil); err != nil {
		return err
	}
	e := environment{runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), b.hardware(), notNil(b.opts.Versions), variables(b.opts.Environ), b.opts.Server}
	if err := b.addJSON("inputs/environment.json", e, "environment"); err != nil {
		return err
	}
	return b.add("inputs/environment.md", e.markdown(), "environment", nil)
}

// hardware has device_count as a number.
func (b *builder) hardware() map[string]any {
	out := make(map[string]any, len(b.opts.Hardware))
	for k, v := range b.opts.Hardware {
		out[k] = v
		if n, err := strconv.Atoi(v); err == nil && k == "device_count" {
			out[k] = n
		}
	}
	return out
}

func (e *environment) markdown() []byte {
	var out strings.Builder
	out.WriteString("# Environment\n\n")
	line := func(k, v string) {
		fmt.Fprintf(&out, "- %s: %s\n", texttab.EscapeMarkdown(k), texttab.CodeSpan(v))
	}
	line("os", e.OS+"/"+e.Arch)
	line("CPUs", strconv.Itoa(e.CPUs))
	for _, k := range slices.Sorted(maps.Keys(e.Hardware)) {
		line(k, fmt.Sprint(e.Hardware[k]))
	}
	for _, part := range []struct {
		title, none string
		values      map[string]string
	}{
		{"Versions", "Not known: the capture states none, and none were given.", e.Versions},
		{"Variables", "None of the variables that matter to JAX, XLA, TPU or SGLANG was set.", e.Variables},
	} {
		fmt.Fprintf(&out, "\n## %s\n\n", part.title)
		if len(part.values) == 0 {
			out.WriteString(part.none + "\n")
		}
		for _, k := range slices.Sorted(maps.Keys(part.values)) {
			line(k, part.values[k])
		}
	}
	if len(e.Server) > 0 {
		out.WriteString("\n## Server\n\nWhat it says of itself is in environment.json.\n")
	}
	return []byte(out.String())
}

// A metadata is metadata.json.
type metadata struct {
	Timestamp string            `json:"timestamp"`
	Commit    string            `json:"commit"`
	Branch    string            `json:"branch"`
	Trigger   string            `json:"trigger"`
	Config    json.RawMessage   `json:"config"`
	Hardware  map[string]any    `json:"hardware"`
	Versions  map[string]string `json:"versions"`
	Variables map[string]string `json:"variables"`
	Server    json.RawMessage   `json:"server,omitempty"`
	Artifacts metadataArtifacts `json:"artifacts"`
}

type metadataArtifacts struct {
	Traces    []string `json:"traces"`
	Memory    []string `json:"memory"`
	Benchmark *string  `json:"benchmark"`
	Logs      []string `json:"logs"`
}

func (b *builder) addMetadata() error {
	a := metadataArtifacts{b.paths("capture"), b.paths("memory"), nil, b.paths("log")}
	if list := b.paths("benchmark"); len(list) > 0 {
		a.Benchmark = &list[0]
	}
	config := b.opts.Config
	if len(config) == 0 {
		config = json.RawMessage("{}")
	}
	return b.addJSON(metadataFile, metadata{
		b.manifest.Time.Format(time.RFC3339), b.opts.Commit, b.opts.Branch, cmp.Or(b.opts.Trigger, "manual"), config,
		b.hardware(), notNil(b.opts.Versions), variables(b.opts.Environ), b.opts.Server, a,
	}, "metadata")
}

// free makes a path that no file has, whatever the case.
func (b *builder) free(name string) string {
	for n, first := 2, name; b.taken[strings.ToLower(name)]; n++ {
		dir, base := path.Split(first)
		name = dir + strconv.Itoa(n) + "-" + base
	}
	b.taken[strings.ToLower(name)] = true
	return name
}
