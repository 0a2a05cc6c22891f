// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A retentionSet is what is kept of a bundle that grows old. complete has the
// captures that no other file holds more completely.
type retentionSet struct {
	name string
	keep func(complete map[string]bool, f *File) bool
}

// retentionSets are from all to least.
var retentionSets = []retentionSet{
	{"full", func(map[string]bool, *File) bool { return true }},
	{"standard", func(complete map[string]bool, f *File) bool { return f.Role != "capture" || complete[f.Path] }},
	{"compact", func(complete map[string]bool, f *File) bool {
		return f.Role != "memory" && f.Role != "log" && (f.Role != "capture" || complete[f.Path])
	}},
	{"minimal", func(_ map[string]bool, f *File) bool {
		return f.Role != "capture" && f.Role != "memory" && f.Role != "log"
	}},
}

// RetainOptions say what is kept of a bundle.
type RetainOptions struct {
	// Set is full (everything), standard (without captures that others hold more
	// completely: viewers' JSON beside an XSpace), compact (standard without memory
	// profiles and logs) or minimal (no captures either).
	Set string
	// DropSole allows that the sole complete form of a capture is left out.
	DropSole bool
	Tool     string    // version of the program
	Time     time.Time // zero = now
}

// ErrSoleCapture is why nothing was dropped: it would have been the only complete
// form of a raw capture.
var ErrSoleCapture = errors.New("the sole complete form of a raw capture")

// Retain makes the bundle out of what a set keeps of the bundle dir, which must
// verify and stays as it is. The manifest of the new one lists what was left out,
// with its hashes, and names the manifest of the old one as its parent: [Verify]
// knows that nothing is missing. Like [Create], it makes all or nothing, and goes
// on where a crash ended it.
func Retain(dir, out string, opts RetainOptions) (m *Manifest, err error) {
	i := slices.IndexFunc(retentionSets, func(s retentionSet) bool { return s.name == opts.Set })
	if i < 0 {
		return nil, fmt.Errorf("set %q: want full, standard, compact or minimal", opts.Set)
	}
	old, sum, err := verifiedManifest(dir)
	if err != nil {
		return nil, err
	}
	if lost := old.lost(retentionSets[i]); len(lost) > 0 && !opts.DropSole {
		return nil, fmt.Errorf("%s: set %s would drop %s: %w", dir, opts.Set, strings.Join(lost, ", "), ErrSoleCapture)
	}
	s, err := newStage(out, true)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.abandon()) }()
	if opts.Time.IsZero() {
		opts.Time = time.Now()
	}
	m = old.kept(retentionSets[i])
	m.Retention = &retention{opts.Set, sum, opts.Time.UTC(), opts.Tool}
	for i := range m.Files {
		if err := s.keep(dir, &m.Files[i]); err != nil {
			return nil, err
		}
	}
	if err := s.describe(m); err != nil {
		return nil, err
	}
	return m, s.publish()
}

// verifiedManifest returns the manifest of a bundle that verifies, and its hash.
func verifiedManifest(dir string) (*Manifest, string, error) {
	r, err := Verify(dir)
	if err != nil {
		return nil, "", err
	}
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return nil, "", err
	case !info.IsDir():
		return nil, "", fmt.Errorf("%s: a packed bundle, wanted a directory", dir)
	case !r.Manifest:
		return nil, "", fmt.Errorf("%s: has no manifest.json; only bundles of this program are made smaller", dir)
	case !r.OK():
		return nil, "", fmt.Errorf("%s: does not verify: %s", dir, r.first())
	}
	text, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if err != nil {
		return nil, "", err
	}
	m, err := parseManifest(text)
	sum := sha256.Sum256(text)
	return m, hex.EncodeToString(sum[:]), err
}

// keep copies a file of a bundle, which must be what its manifest says.
func (s *stage) keep(dir string, f *File) error {
	source := filepath.Join(dir, filepath.FromSlash(f.Path))
	c := &copied{Name: f.Path, Source: f.SHA256, Bytes: f.Bytes, How: "kept"}
	if _, ok := s.reuse(c); ok {
		return nil
	}
	from, err := os.Open(source)
	if err != nil {
		return err
	}
	defer from.Close()
	if c.Written, c.SHA256, err = s.write(f.Path, from); err != nil {
		return fmt.Errorf("%s: %w", source, err)
	}
	if c.SHA256 != f.SHA256 {
		return fmt.Errorf("%s: changed while it was copied", source)
	}
	return s.journal.add(c)
}

// describe writes the files that describe the others.
func (s *stage) describe(m *Manifest) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if _, err := parseManifest(text); err != nil {
		return err // a name that not every file system has
	}
	if _, err := s.writeBytes(manifestFile, text); err != nil {
		return err
	}
	_, err = s.writeBytes(checksumsFile, formatChecksums(m, text))
	return err
}

// kept is the manifest of what a set keeps.
func (m *Manifest) kept(set retentionSet) *Manifest {
	out := *m
	out.Files, out.Dropped = []File{}, slices.Clone(m.Dropped)
	gone, complete := make(map[string]bool), m.complete()
	for i := range m.Files {
		if f := &m.Files[i]; set.keep(complete, f) {
			out.Files = append(out.Files, *f)
		} else {
			out.Dropped = append(out.Dropped, *f)
			gone[f.Path] = true
		}
	}
	slices.SortFunc(out.Dropped, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	isGone := func(name string) bool { return gone[name] }
	out.Verbatim = slices.DeleteFunc(slices.Clone(m.Verbatim), isGone)
	out.Unscanned = slices.DeleteFunc(slices.Clone(m.Unscanned), isGone)
	out.Secrets = slices.DeleteFunc(slices.Clone(m.Secrets), func(s secret) bool { return gone[s.Path] })
	return &out
}

func (m *Manifest) paths() []string {
	out := make([]string, len(m.Files))
	for i := range m.Files {
		out[i] = m.Files[i].Path
	}
	return out
}

// complete are the captures that no other file holds more completely.
func (m *Manifest) complete() map[string]bool {
	out := make(map[string]bool)
	for _, name := range SoleCaptures(m.paths(), func(string) bool { return false }) {
		out[name] = true
	}
	return out
}

// lost are the captures of which a set keeps no complete form.
func (m *Manifest) lost(set retentionSet) []string {
	kept, complete := make(map[string]bool), m.complete()
	for i := range m.Files {
		kept[m.Files[i].Path] = set.keep(complete, &m.Files[i])
	}
	return SoleCaptures(m.paths(), func(name string) bool { return kept[name] })
}

// captureForms are the endings of raw captures, the most complete first; what is
// behind .gz, .zst or .xz counts. Of equal names in one directory they are forms
// of one capture.
var captureForms = []string{".xplane.pb", ".perfetto-trace", ".pftrace", ".trace.txt", ".pt.trace.json", ".trace.json", ".speedscope.json", ".json", ".pb"}

// noCapture are endings of what profilers leave beside captures, and can be
// computed from these.
var noCapture = []string{".op_stats.pb", ".input_pipeline.pb", ".overview_page.pb", ".kernel_stats.pb", ".memory_profile.json", ".hlo_proto.pb", ".metadata.json", "_stats.json", "_page.json", "_profile.json"}

// SoleCaptures returns, of the files of a run by their paths, the raw captures
// that would be lost if only those were kept that keep says: of every capture (the
// files of one directory that differ in their ending) the most complete form there
// is, when none of its like is kept. Captures are what is below artifacts/raw/,
// memory profiles apart, and XSpace, Perfetto and Chrome traces anywhere.
func SoleCaptures(paths []string, keep func(path string) bool) []string {
	type best struct {
		form  int
		kept  bool
		files []string
	}
	found := make(map[string]*best)
	for _, p := range paths {
		stem, form, ok := captureForm(p)
		if !ok {
			continue
		}
		b := found[stem]
		if b == nil || form < b.form {
			b = &best{form: form}
			found[stem] = b
		}
		if form == b.form {
			b.kept = b.kept || keep(p)
			b.files = append(b.files, p)
		}
	}
	lost := []string{}
	for _, b := range found {
		if !b.kept {
			lost = append(lost, b.files...)
		}
	}
	slices.Sort(lost)
	return lost
}

// captureForm returns which capture a file is a form of, and which form.
func captureForm(p string) (stem string, form int, ok bool) {
	raw := strings.HasPrefix(p, "artifacts/raw/") || strings.Contains(p, "/artifacts/raw/")
	if raw && strings.Contains(p, "artifacts/raw/memory/") {
		return "", 0, false
	}
	dir, name := path.Split(p)
	for _, ext := range []string{".gz", ".zst", ".xz"} {
		name = strings.TrimSuffix(name, ext)
	}
	for _, ending := range noCapture {
		if strings.HasSuffix(name, ending) {
			return "", 0, false
		}
	}
	for i, ending := range captureForms {
		if strings.HasSuffix(name, ending) && (raw || i < slices.Index(captureForms, ".json")) {
			return dir + strings.TrimSuffix(name, ending), i, true
		}
	}
	return p, len(captureForms), raw
}
