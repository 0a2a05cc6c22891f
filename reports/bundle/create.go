// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// maxText bounds the text files that are redacted, in bytes: that is done in
// memory.
const maxText = 256 << 20

// Options say what goes into a bundle. Text files (logs, inputs, commands,
// analysis, report) are redacted unless Plain: project, account, host and user
// names, home directories, tokens and keys, IP addresses become redacted-KIND, in
// names of files too. Captures and memory profiles are looked through for tokens;
// see Secrets.
type Options struct {
	// Captures are files, or profile directories that are taken with all their
	// files; Memory, Logs, Inputs (requests, settings) and Benchmarks are files.
	Captures, Memory, Logs, Inputs, Benchmarks []string
	// Commands become inputs/commands.sh, a line each.
	Commands []string
	// Environ is in the form of os.Environ. Only variables of the hardware, JAX,
	// XLA, TPU and SGLANG are kept, and no secrets.
	Environ []string
	// Hardware (device, device_count, zone), Versions (jax, libtpu), Server (what
	// the server says of itself, JSON), Config (profile, model, batch_sizes,
	// num_runs; JSON), Commit, Branch, Trigger and Time go into metadata.json; zero
	// Time = now.
	Hardware, Versions      map[string]string
	Server, Config          json.RawMessage
	Commit, Branch, Trigger string
	Time                    time.Time
	// Report is Markdown. A line [ArtifactsHere] in it is replaced by sections about
	// the bundle's files and what was redacted; without one they come last.
	Report []byte
	// Files are texts by path: inputs/, artifacts/derived/, analysis/, images/,
	// logs/. Analysis are more of analysis/, by name.
	Files, Analysis map[string][]byte
	// Backup is where a copy is to go, for report.md; "" = nowhere yet.
	Backup string
	// Tool is the version of the program.
	Tool string
	// Names are to be redacted, by their kind: "alice" → "user".
	Names map[string]string
	// Plain leaves text as it is.
	Plain bool
	// Secrets says what is done about captures with tokens in them.
	Secrets Secrets
}

// Secrets is what is done about captures that hold what looks like a token.
type Secrets uint8

// RefuseSecrets is an error that is [ErrSecrets], unless text is Plain;
// AllowSecrets takes them as they are, and says so; RedactCaptures overwrites
// tokens, accounts, projects, hosts and users in the copy by as many other bytes.
const (
	RefuseSecrets Secrets = iota
	AllowSecrets
	RedactCaptures
)

// ErrSecrets is why a bundle was not made: a capture holds what looks like a
// token.
var ErrSecrets = errors.New("holds what looks like a token")

// ArtifactsHere is the line of Options.Report that the bundle's own sections
// replace.
const ArtifactsHere = "<!-- artifacts -->"

// A builder is one call of Create.
type builder struct {
	opts     *Options
	stage    *stage
	redactor *redactor
	manifest Manifest
	taken    map[string]bool // paths in small letters
	captures []string        // their hashes
	masks    masks
	copies   int // files that were copied, not found whole already
}

// Create makes the bundle dir, which must not exist: all of it, or, with an
// error, nothing. Everything is on the disk before dir has its name, and no file
// can be written from then on. What a crash left beside it (.NAME.partial, and
// what was whole in it) the next call uses: such files are hashed, not copied.
func Create(dir string, opts Options) (*Manifest, error) {
	b, err := create(dir, opts)
	if err != nil {
		return nil, err
	}
	return &b.manifest, nil
}

func create(dir string, opts Options) (b *builder, err error) {
	s, err := newStage(dir, true)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.abandon()) }()
	if opts.Time.IsZero() {
		opts.Time = time.Now()
	}
	b = &builder{opts: &opts, stage: s, redactor: newRedactor(opts.Plain, opts.Names), taken: make(map[string]bool), masks: masks{make(map[string]int)}}
	b.manifest = Manifest{Schema: schema, Tool: opts.Tool, Time: opts.Time.UTC(), Redaction: "default", Verbatim: []string{}, Files: []File{}}
	if opts.Plain {
		b.manifest.Redaction = "none"
	}
	for _, step := range []func() error{b.addCaptures, b.addFiles, b.addTexts, b.addInputs, b.addMetadata, b.addReport, b.finish} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return b, s.publish()
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

// addFiles takes logs and inputs, redacted where they are text.
func (b *builder) addFiles() error {
	for _, kind := range []struct {
		role, dir string
		files     []string
	}{{"log", "logs", b.opts.Logs}, {"input", "inputs", b.opts.Inputs}, {"benchmark", "artifacts/benchmark", b.opts.Benchmarks}} {
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
	m.Redacted = append(b.redactor.list(), m.Redacted...)
	slices.SortFunc(m.Redacted, redacted.compare)
	slices.SortFunc(m.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	slices.Sort(m.Verbatim)
	return b.stage.describe(m)
}
