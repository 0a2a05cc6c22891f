// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"
)

// schema names the JSON form of a [Manifest].
const schema = "layerscope.bundle/v1"

// Files every bundle has; the two that describe the others are not in the
// manifest.
const (
	manifestFile  = "manifest.json"
	checksumsFile = "checksums.txt"
	metadataFile  = "metadata.json"
	reportFile    = "report.md"
)

// maxIndex bounds what is read of a manifest or a list of checksums, in bytes.
const maxIndex = 64 << 20

// A Manifest lists what is in a bundle, manifest.json and checksums.txt apart.
type Manifest struct {
	Schema string    `json:"schema"`
	Tool   string    `json:"tool,omitempty"` // version that made it
	Time   time.Time `json:"time"`
	// Redaction is "default" or "none".
	Redaction string `json:"redaction"`
	// Redacted counts what was replaced, by file and kind.
	Redacted []redacted `json:"redacted"`
	// Verbatim lists the files that are as they were: raw captures, and others that
	// are not plain text.
	Verbatim []string `json:"verbatim"`
	// Secrets counts what looks like a token in Verbatim ones; Unscanned lists those
	// that could not be looked through whole.
	Secrets   []secret `json:"secrets,omitempty"`
	Unscanned []string `json:"unscanned,omitempty"`
	Files     []File   `json:"files"`
	// Retention says of which bundle this is the part that was kept; Dropped are the
	// files that were not.
	Retention *retention `json:"retention,omitempty"`
	Dropped   []File     `json:"dropped,omitempty"`
}

// A retention is how a bundle came to lack files.
type retention struct {
	Set string `json:"set"`
	// Parent is the SHA-256 of the manifest of the bundle that had the files.
	Parent string    `json:"parent"`
	Time   time.Time `json:"time"`
	Tool   string    `json:"tool,omitempty"`
}

type redacted struct {
	Path  string `json:"path"`
	Kind  string `json:"kind"`
	Count int    `json:"count"`
}

// A File is one file of a bundle.
type File struct {
	Path      string `json:"path"` // below the bundle, with slashes
	MediaType string `json:"media_type"`
	Bytes     int64  `json:"bytes"`
	SHA256    string `json:"sha256"`
	// Role is capture, memory, benchmark, log, input, environment, commands,
	// metadata, derived, analysis, image or report.
	Role string `json:"role"`
	// Original is the SHA-256 of a file that was redacted, as it was before.
	Original string `json:"original_sha256,omitempty"`
	// Parents are the SHA-256 of the files that this one was made from.
	Parents []string `json:"parents,omitempty"`
}

// parseManifest reads a manifest and refuses one that can't be true of any
// directory.
func parseManifest(text []byte) (*Manifest, error) {
	var m Manifest
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&m); err != nil {
		return nil, fmt.Errorf("%s: offset %#x: %w", manifestFile, d.InputOffset(), err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: offset %#x: more text behind the document", manifestFile, d.InputOffset())
	}
	if m.Schema != schema {
		return nil, fmt.Errorf("%s: schema %q, wanted %s", manifestFile, m.Schema, schema)
	}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", manifestFile, err)
	}
	return &m, nil
}

// check refuses a manifest whose entries can't be.
func (m *Manifest) check() error {
	names, sums := newNames(), make(map[string]bool)
	for i, f := range slices.Concat(m.Files, m.Dropped) {
		sums[f.SHA256] = true
		err := names.add(f.Path)
		switch {
		case err != nil:
		case i >= maxFiles:
			err = fmt.Errorf("the manifest lists %d files, wanted at most %d", len(m.Files)+len(m.Dropped), maxFiles)
		case f.Path == manifestFile || f.Path == checksumsFile:
			err = errors.New("lists itself, or its checksums")
		case f.Bytes < 0:
			err = fmt.Errorf("%d bytes", f.Bytes)
		case !isSum(f.SHA256):
			err = fmt.Errorf("found %q, wanted a SHA-256", f.SHA256)
		}
		if err != nil {
			return fmt.Errorf("entry %q: %w", f.Path, err)
		}
	}
	for _, f := range m.Files {
		for _, p := range f.Parents {
			if !sums[p] {
				return fmt.Errorf("entry %q: parent %q is not in the bundle", f.Path, p)
			}
		}
	}
	switch {
	case m.Retention == nil && len(m.Dropped) > 0:
		return fmt.Errorf("entry %q: dropped, but the manifest doesn't say from which bundle", m.Dropped[0].Path)
	case m.Retention != nil && !isSum(m.Retention.Parent):
		return fmt.Errorf("retention: found %q, wanted the SHA-256 of a manifest", m.Retention.Parent)
	}
	return nil
}

func isSum(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == sha256.Size && s == strings.ToLower(s)
}

// A checksum is one line of a list of them.
type checksum struct{ path, sum string }

// parseChecksums reads what sha256sum writes. Paths that lead elsewhere are
// refused.
func parseChecksums(text []byte) ([]checksum, error) {
	var out []checksum
	names, n := newNames(), 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		sum, name, ok := strings.Cut(line, " ")
		if !ok || len(name) < 2 || (name[0] != ' ' && name[0] != '*') || !isSum(strings.ToLower(sum)) {
			return nil, fmt.Errorf("%s: line %d: found %.80q, wanted a SHA-256, two spaces and a path", checksumsFile, n, line)
		}
		name = strings.TrimPrefix(name[1:], "./")
		if err := names.add(name); err != nil {
			return nil, fmt.Errorf("%s: line %d: %q: %w", checksumsFile, n, name, err)
		}
		out = append(out, checksum{name, strings.ToLower(sum)})
	}
	return out, nil
}

// formatChecksums writes the list of a manifest's files and of itself.
func formatChecksums(m *Manifest, manifest []byte) []byte {
	sum := sha256.Sum256(manifest)
	list := []checksum{{manifestFile, hex.EncodeToString(sum[:])}}
	for _, f := range m.Files {
		list = append(list, checksum{f.Path, f.SHA256})
	}
	slices.SortFunc(list, func(a, b checksum) int { return strings.Compare(a.path, b.path) })
	var b bytes.Buffer
	for _, c := range list {
		fmt.Fprintf(&b, "%s  %s\n", c.sum, c.path)
	}
	return b.Bytes()
}

// agree compares a manifest with the checksums beside it: one of the two lies
// when they differ.
func agree(m *Manifest, list []checksum) (manifestSum string, problems []string) {
	want := make(map[string]string, len(m.Files))
	for _, f := range m.Files {
		want[f.Path] = f.SHA256
	}
	for _, c := range list {
		sum, ok := want[c.path]
		switch {
		case c.path == manifestFile:
			manifestSum = c.sum
		case !ok:
			problems = append(problems, fmt.Sprintf("%s: in %s, but not in %s", c.path, checksumsFile, manifestFile))
		case sum != c.sum:
			problems = append(problems, fmt.Sprintf("%s: %s and %s disagree about its hash", c.path, manifestFile, checksumsFile))
		}
		delete(want, c.path)
	}
	for _, f := range m.Files {
		if _, left := want[f.Path]; left {
			problems = append(problems, fmt.Sprintf("%s: in %s, but not in %s", f.Path, manifestFile, checksumsFile))
		}
	}
	if manifestSum == "" {
		problems = append(problems, fmt.Sprintf("%s: not in %s", manifestFile, checksumsFile))
	}
	return manifestSum, problems
}

// mediaTypes are by extension; captures are protobuf.
var mediaTypes = map[string]string{
	".md": "text/markdown", ".txt": "text/plain", ".log": "text/plain", ".sh": "application/x-sh", ".json": "application/json",
	".html": "text/html", ".svg": "image/svg+xml", ".csv": "text/csv", ".yaml": "application/yaml", ".yml": "application/yaml",
	".pb": "application/x-protobuf", ".prof": "application/x-protobuf", ".pprof": "application/x-protobuf",
	".gz": "application/gzip", ".zst": "application/zstd", ".xz": "application/x-xz", ".png": "image/png",
}

func mediaType(name string) string {
	if t, ok := mediaTypes[strings.ToLower(path.Ext(name))]; ok {
		return t
	}
	return "application/octet-stream"
}
