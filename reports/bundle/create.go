// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxText bounds the text files that are redacted, in bytes: that is done in
// memory.
const maxText = 256 << 20

// Options say what goes into a bundle. Text files (logs, inputs, commands,
// analysis, report) are redacted unless Plain: project, account, host and user
// names, home directories, tokens and keys, IP addresses become redacted-KIND, in
// names of files too. Captures and memory profiles are copied byte for byte.
type Options struct {
	// Captures are files, or profile directories that are taken with all their
	// files; Memory, Logs and Inputs (requests, settings) are files.
	Captures, Memory, Logs, Inputs []string
	// Commands become inputs/commands.sh, a line each.
	Commands []string
	// Environ is in the form of os.Environ. Only variables of the hardware, JAX,
	// XLA, TPU and SGLANG are kept, and no secrets.
	Environ []string
	// Hardware, Config, Commit, Branch, Trigger and Time go into metadata.json;
	// zero Time = now.
	Hardware                map[string]string
	Config                  json.RawMessage
	Commit, Branch, Trigger string
	Time                    time.Time
	// Report is Markdown, to which sections about the bundle are added. Analysis
	// are files of analysis/ by name.
	Report   []byte
	Analysis map[string][]byte
	// Tool is the version of the program.
	Tool string
	// Names are to be redacted, by their kind: "alice" → "user".
	Names map[string]string
	// Plain leaves text as it is.
	Plain bool
}

// A builder is one call of Create.
type builder struct {
	opts     *Options
	stage    *stage
	redactor *redactor
	manifest Manifest
	taken    map[string]bool // paths in small letters
	captures []string        // their hashes
}

// Create makes the bundle dir, which must not exist: all of it, or, with an
// error, nothing. Everything is on the disk before dir has its name; what a crash
// left beside it (.NAME.partial) is removed by the next call.
func Create(dir string, opts Options) (m *Manifest, err error) {
	s, err := newStage(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.abandon()) }()
	if opts.Time.IsZero() {
		opts.Time = time.Now()
	}
	b := &builder{opts: &opts, stage: s, redactor: newRedactor(opts.Plain, opts.Names), taken: make(map[string]bool)}
	b.manifest = Manifest{Schema: schema, Tool: opts.Tool, Time: opts.Time.UTC(), Redaction: "default", Verbatim: []string{}, Files: []File{}}
	if opts.Plain {
		b.manifest.Redaction = "none"
	}
	for _, step := range []func() error{b.addCaptures, b.addFiles, b.addInputs, b.addAnalysis, b.addMetadata, b.addReport, b.finish} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return &b.manifest, s.publish()
}

// addCaptures takes captures as they are. Several get a directory each: readers
// take the captures of one directory for hosts of one session.
func (b *builder) addCaptures() error {
	for i, source := range b.opts.Captures {
		dir := "artifacts/raw/traces"
		if len(b.opts.Captures) > 1 {
			dir += fmt.Sprintf("/%02d", i+1)
		}
		info, err := os.Stat(source)
		if err == nil && info.IsDir() {
			err = b.addTree(source, dir)
		} else if err == nil {
			err = b.copyFile(source, path.Join(dir, b.redactor.name(filepath.Base(source))), "capture")
		}
		if err != nil {
			return err
		}
	}
	for _, source := range b.opts.Memory {
		if err := b.copyFile(source, path.Join("artifacts/raw/memory", b.redactor.name(filepath.Base(source))), "memory"); err != nil {
			return err
		}
	}
	return nil
}

// addTree takes the regular files of a profile directory, which keeps its name
// from plugins/profile on, as viewers want it.
func (b *builder) addTree(source, to string) error {
	abs, err := filepath.Abs(source)
	if err != nil {
		return err
	}
	if dir, session := filepath.Split(abs); filepath.Base(dir) == "profile" {
		to = path.Join(to, "plugins/profile", b.redactor.name(session))
	}
	files := 0
	err = filepath.WalkDir(source, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(source, p)
		if err != nil {
			return err
		}
		files++
		return b.copyFile(p, path.Join(to, b.redactor.name(filepath.ToSlash(rel))), "capture")
	})
	if err == nil && files == 0 {
		err = fmt.Errorf("%s: found no files, wanted captures", source)
	}
	return err
}

// copyFile takes a file byte for byte.
func (b *builder) copyFile(source, name, role string) error {
	f, err := os.Open(source)
	if err != nil {
		return err
	}
	defer f.Close()
	name = b.free(name)
	n, sum, err := b.stage.write(name, f)
	if err != nil {
		return fmt.Errorf("%s: %w", source, err)
	}
	b.manifest.Verbatim = append(b.manifest.Verbatim, name)
	b.list(name, n, sum, role, nil)
	if role == "capture" || role == "memory" {
		b.captures = append(b.captures, sum)
	}
	return nil
}

// addFiles takes logs and inputs, redacted where they are text.
func (b *builder) addFiles() error {
	for _, kind := range []struct {
		role, dir string
		files     []string
	}{{"log", "logs", b.opts.Logs}, {"input", "inputs", b.opts.Inputs}} {
		for _, source := range kind.files {
			name := path.Join(kind.dir, b.redactor.name(filepath.Base(source)))
			data, err := readText(source)
			if err != nil {
				return err
			}
			if data == nil {
				err = b.copyFile(source, name, kind.role)
			} else {
				err = b.add(name, data, kind.role, nil)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// readText returns the content of a text file, nil for any other file.
func readText(source string) ([]byte, error) {
	f, err := os.Open(source)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxText+1))
	switch {
	case err != nil:
		return nil, err
	case !isText(data[:min(len(data), maxText)]):
		return nil, nil
	case len(data) > maxText:
		return nil, fmt.Errorf("%s: a text of more than %d bytes, wanted one that can be redacted", source, maxText)
	case data == nil:
		data = []byte{}
	}
	return data, nil
}

// add writes a text, redacted.
func (b *builder) add(name string, data []byte, role string, parents []string) error {
	name = b.free(name)
	data = b.redactor.text(name, data)
	sum, err := b.stage.writeBytes(name, data)
	if err != nil {
		return err
	}
	b.list(name, int64(len(data)), sum, role, parents)
	return nil
}

func (b *builder) list(name string, n int64, sum, role string, parents []string) {
	b.manifest.Files = append(b.manifest.Files, File{Path: name, MediaType: mediaType(name), Bytes: n, SHA256: sum, Role: role, Parents: parents})
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

func (b *builder) addInputs() error {
	var sh strings.Builder
	sh.WriteString("#!/bin/sh\n# What was run, as it was said.\n")
	for _, c := range b.opts.Commands {
		sh.WriteString(c + "\n")
	}
	if err := b.add("inputs/commands.sh", []byte(sh.String()), "commands", nil); err != nil {
		return err
	}
	return b.addJSON("inputs/environment.json", struct {
		OS        string            `json:"os"`
		Arch      string            `json:"arch"`
		CPUs      int               `json:"cpus"`
		Hardware  map[string]string `json:"hardware"`
		Variables map[string]string `json:"variables"`
	}{runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), notNil(b.opts.Hardware), variables(b.opts.Environ)}, "environment")
}

func (b *builder) addAnalysis() error {
	files := make([]string, 0, len(b.opts.Analysis))
	for name := range b.opts.Analysis {
		files = append(files, name)
	}
	slices.Sort(files)
	for _, name := range files {
		if err := b.add("analysis/"+name, b.opts.Analysis[name], "analysis", b.captures); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) addMetadata() error {
	type artifacts struct {
		Traces []string `json:"traces"`
		Memory []string `json:"memory"`
		Logs   []string `json:"logs"`
	}
	a := artifacts{b.paths("capture"), b.paths("memory"), b.paths("log")}
	config := b.opts.Config
	if len(config) == 0 {
		config = json.RawMessage("{}")
	}
	return b.addJSON(metadataFile, struct {
		Timestamp string            `json:"timestamp"`
		Commit    string            `json:"commit"`
		Branch    string            `json:"branch"`
		Trigger   string            `json:"trigger"`
		Config    json.RawMessage   `json:"config"`
		Hardware  map[string]string `json:"hardware"`
		Artifacts artifacts         `json:"artifacts"`
	}{b.manifest.Time.Format(time.RFC3339), b.opts.Commit, b.opts.Branch, cmp.Or(b.opts.Trigger, "manual"), config, notNil(b.opts.Hardware), a}, "metadata")
}

func (b *builder) paths(role string) []string {
	out := []string{}
	for _, f := range b.manifest.Files {
		if f.Role == role {
			out = append(out, f.Path)
		}
	}
	return out
}

func (b *builder) addJSON(name string, v any, role string) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return b.add(name, append(text, '\n'), role, nil)
}

func notNil(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// finish writes the files that describe the others.
func (b *builder) finish() error {
	m := &b.manifest
	m.Redacted = b.redactor.list()
	slices.SortFunc(m.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	slices.Sort(m.Verbatim)
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if _, err := parseManifest(text); err != nil {
		return err // a name that not every file system has
	}
	if _, err := b.stage.writeBytes(manifestFile, text); err != nil {
		return err
	}
	_, err = b.stage.writeBytes(checksumsFile, formatChecksums(m, text))
	return err
}
