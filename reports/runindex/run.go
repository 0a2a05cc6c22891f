// SPDX-License-Identifier: Apache-2.0

package runindex

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// Schema names the JSON form of a [Run]: layerscope.run/v1, additive.
const Schema = "layerscope.run/v1"

// A Run is one capture of one process, with where it came from.
type Run struct {
	Schema string `json:"schema"`
	// ID is the object's name in the index, without extension; "" = not added.
	ID string `json:"-"`
	// Path is where the captures are: relative to the index's root, with
	// slashes, when below it. It may have gone since.
	Path string `json:"path,omitempty"`
	// Also are further places below the root where the same run lies.
	Also []string `json:"-"`
	// TimeUnixNano is when the capture began.
	TimeUnixNano int64 `json:"time_unix_ns"`
	// Commit is the code that ran, CommitUnix its commit time in seconds: 0 =
	// unknown. Dirty code had changes besides.
	Commit     string `json:"commit,omitempty"`
	CommitUnix int64  `json:"commit_unix,omitempty"`
	Branch     string `json:"branch,omitempty"`
	Subject    string `json:"subject,omitempty"`
	Dirty      bool   `json:"dirty,omitempty"`
	// Devices and Workload say what may be compared: "4 × TPU v6e", "smoke".
	Devices  string `json:"devices,omitempty"`
	Workload string `json:"workload,omitempty"`
	// Environment is hardware, versions and variables, by name.
	Environment map[string]string `json:"environment,omitempty"`
	Captures    []File            `json:"captures,omitempty"`
	// Disturbed says that something else used the machine. It counts all the same.
	Disturbed bool     `json:"disturbed,omitempty"`
	Metrics   []Metric `json:"metrics,omitempty"`
}

// A File is one capture file of a run, relative to its Path.
type File struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
}

// A Metric is one number of a run: a time in "ps", a size in "bytes", a count in
// "1". N is the number of steps behind it, 0 = the whole capture.
type Metric struct {
	Name  string  `json:"name"`
	Unit  string  `json:"unit"`
	Value float64 `json:"value"`
	N     int     `json:"n,omitempty"`
}

// Metric returns the run's value of a metric.
func (r *Run) Metric(name string) (m Metric, ok bool) {
	i := slices.IndexFunc(r.Metrics, func(m Metric) bool { return m.Name == name })
	if i < 0 {
		return m, false
	}
	return r.Metrics[i], true
}

// Decode reads a run's JSON: an object of an index, or the run.json of a run's
// directory. Fields that it doesn't know are ignored.
func Decode(text []byte) (Run, error) {
	var r Run
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&r); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return r, fmt.Errorf("the text ends early, after %d bytes", len(text))
		}
		return r, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return r, fmt.Errorf("offset %#x: more text behind the document", d.InputOffset())
	}
	if r.Schema != Schema {
		return r, fmt.Errorf("schema %q, wanted %s", r.Schema, Schema)
	}
	return r, nil
}

// encode is the run's one JSON form.
func (r *Run) encode() ([]byte, error) {
	for _, m := range r.Metrics {
		if math.IsNaN(m.Value) || math.IsInf(m.Value, 0) {
			return nil, fmt.Errorf("metric %s is %v, wanted a finite number", m.Name, m.Value)
		}
	}
	text, err := json.MarshalIndent(r, "", "  ")
	return append(text, '\n'), err
}

// identity hashes what makes the run this run and no other.
func (r *Run) identity() (string, error) {
	if len(r.Captures) == 0 {
		return "", errors.New("the run has no captures")
	}
	var sums []string
	for _, f := range r.Captures {
		if sum, err := hex.DecodeString(f.SHA256); err != nil || len(sum) != sha256.Size {
			return "", fmt.Errorf("capture %s: found %q, wanted its SHA-256", f.Path, f.SHA256)
		}
		sums = append(sums, strings.ToLower(f.SHA256))
	}
	slices.Sort(sums)
	sum := sha256.Sum256([]byte(r.Commit + "\n" + strings.Join(sums, "\n")))
	return hex.EncodeToString(sum[:8]), nil
}

// name is the run's name in the index. Names sort by time.
func (r *Run) name() (string, error) {
	if r.TimeUnixNano <= 0 {
		return "", fmt.Errorf("time %d ns: wanted when the capture began", r.TimeUnixNano)
	}
	identity, err := r.identity()
	if err != nil {
		return "", err
	}
	return time.Unix(0, r.TimeUnixNano).UTC().Format("20060102T150405Z") + "-" + short(r.Commit) + "-" + identity, nil
}

// short is a commit as paths have it.
func short(commit string) string {
	if s := slug(commit); commit != "" {
		return s[:min(len(s), 7)]
	}
	return "none"
}

// Nightly is where a scheduled run of a commit lies below an index's root.
func Nightly(day time.Time, commit string) string {
	return "nightly/" + day.UTC().Format(time.DateOnly) + "/" + short(commit)
}

// Manual is where a run that somebody made lies.
func Manual(day time.Time, name string) string {
	return "manual/" + day.UTC().Format(time.DateOnly) + "-" + slug(name)
}

// Baseline is where a run to compare with lies.
func Baseline(name string) string { return "baselines/" + slug(name) }

// slug makes a name safe as one part of a path anywhere: small letters, digits,
// dots and single hyphens, beginning with a letter or digit.
func slug(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() == 0:
		case r == '.' && !strings.HasSuffix(b.String(), "."):
			b.WriteRune(r)
		case !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() == 60 {
			break
		}
	}
	if s := strings.TrimRight(b.String(), "-."); s != "" {
		return s
	}
	return "run"
}
