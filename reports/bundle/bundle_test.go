// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/layerscope/layerscope/internal/tracetest"
)

// put writes a file and returns its path.
func put(t testing.TB, dir, name, text string) string {
	t.Helper()
	p := filepath.Join(dir, filepath.FromSlash(name))
	if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o777), os.WriteFile(p, []byte(text), 0o666)); err != nil {
		t.Fatal(err)
	}
	return p
}

// rewrite changes a file of a bundle, which is read-only.
func rewrite(name, text string) error {
	return errors.Join(os.Chmod(name, 0o666), os.WriteFile(name, []byte(text), 0o666))
}

// sample makes a bundle with something of everything.
func sample(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	put(t, dir, "plugins/profile/s1/h.xplane.pb", "\x0a\x00raw alice@example.com")
	put(t, dir, "plugins/profile/s1/h.trace.json.gz", "\x1f\x8b")
	out := filepath.Join(dir, "run")
	_, err := Create(out, Options{
		Captures: []string{filepath.Join(dir, "plugins/profile/s1")},
		Memory:   []string{put(t, dir, "m.prof", "\x1f\x8bmem")},
		Logs:     []string{put(t, dir, "server.log", "token hf_abcdefghijk, bob@example.org\n")},
		Inputs:   []string{put(t, dir, "a/score.json", `{"n":1}`), put(t, dir, "b/Score.json", `{"n":2}`)},
		Commands: []string{"curl http://10.1.2.3/score"},
		Environ:  []string{"XLA_FLAGS=--x", "HF_TOKEN=hf_abcdefghijk", "PATH=/bin", "SGLANG_API_KEY=12345678"},
		Commit:   "79e14de2c1", Time: time.Unix(1764000000, 0),
		Report: []byte("# Run\n"), Analysis: map[string][]byte{"report.json": []byte("{}\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func verified(t *testing.T, name string) *Result {
	t.Helper()
	r, err := Verify(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCreate(t *testing.T) {
	dir := sample(t)
	if r := verified(t, dir); !r.OK() || !r.Manifest || r.Listed != 13 {
		t.Errorf("a new bundle: %+v", r)
	}
	text, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if err != nil {
		t.Fatal(err)
	}
	m, err := parseManifest(text)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, f := range m.Files {
		paths = append(paths, f.Path)
	}
	want := []string{
		"analysis/report.json", "artifacts/raw/memory/m.prof", "artifacts/raw/traces/plugins/profile/s1/h.trace.json.gz",
		"artifacts/raw/traces/plugins/profile/s1/h.xplane.pb", "inputs/2-Score.json", "inputs/commands.sh", "inputs/environment.json", "inputs/environment.md",
		"inputs/score.json", "logs/server.log", "metadata.json", "report.md",
	}
	if d := cmp.Diff(want, paths); d != "" {
		t.Errorf("files (-want +got):\n%s", d)
	}
	if n := len(m.Files[0].Parents); n != 3 {
		t.Errorf("the analysis has %d parents, want the 3 raw files", n)
	}
	for name, want := range map[string]string{
		"inputs/commands.sh":  "#!/bin/sh\n# What was run, as it was said.\ncurl http://redacted-address/score\n",
		"logs/server.log":     "token redacted-token, redacted-account\n",
		"inputs/2-Score.json": `{"n":2}`,
		"artifacts/raw/traces/plugins/profile/s1/h.xplane.pb": "\x0a\x00raw alice@example.com",
	} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, want)
		}
	}
	env, _ := os.ReadFile(filepath.Join(dir, "inputs/environment.json"))
	if !bytes.Contains(env, []byte(`"XLA_FLAGS": "--x"`)) || bytes.Contains(env, []byte("PATH")) || bytes.Contains(env, []byte("KEY")) || bytes.Contains(env, []byte("hf_")) {
		t.Errorf("environment: %s", env)
	}
	report, _ := os.ReadFile(filepath.Join(dir, reportFile))
	for _, want := range []string{"# Run\n", "| `logs/server.log` | token | 1 |", "byte for byte", "- `artifacts/raw/memory/m.prof`"} {
		if !bytes.Contains(report, []byte(want)) {
			t.Errorf("report.md lacks %q:\n%s", want, report)
		}
	}
	if entries, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), ".*")); len(entries) > 0 {
		t.Errorf("left beside the bundle: %v", entries)
	}
}

func TestManifestFollowsItsSchema(t *testing.T) {
	dir := sample(t)
	s, err := jsonschema.NewCompiler().Compile(filepath.Join(tracetest.Root(t), "docs/schema/bundle.v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(doc); err != nil {
		t.Error(err)
	}
}

func TestSha256sumReadsChecksums(t *testing.T) {
	tool, err := exec.LookPath("sha256sum")
	if err != nil {
		t.Skip("checksums.txt not checked: there is no sha256sum")
	}
	cmd := exec.Command(tool, "-c", checksumsFile)
	cmd.Dir = sample(t)
	out, err := cmd.CombinedOutput()
	if n := strings.Count(string(out), ": OK\n"); err != nil || n != 13 {
		t.Errorf("%d files OK, want 13: %v\n%s", n, err, out)
	}
}

func TestVerifyNames(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(dir string) error
		want   Result // lists only
	}{
		{"missing", func(d string) error { return os.Remove(d + "/logs/server.log") }, Result{Missing: []string{"logs/server.log"}}},
		{"extra", func(d string) error { return os.WriteFile(d+"/logs/x", nil, 0o666) }, Result{Extra: []string{"logs/x"}}},
		{"same size", func(d string) error { return rewrite(d+"/inputs/score.json", `{"n":9}`) }, Result{Changed: []string{"inputs/score.json"}}},
		{"longer", func(d string) error { return rewrite(d+"/inputs/score.json", `{"n": 1}`) }, Result{Changed: []string{"inputs/score.json"}}},
		{"no checksums", func(d string) error { return os.Remove(d + "/checksums.txt") }, Result{Missing: []string{"checksums.txt"}}},
		{"no manifest", func(d string) error { return os.Remove(d + "/manifest.json") }, Result{Missing: []string{"manifest.json"}}},
		{"a link", func(d string) error { return os.Symlink("/etc/passwd", d+"/logs/link") }, Result{Problems: []string{"logs/link: a symbolic link, wanted a file"}}},
		{"manifest reformatted", func(d string) error {
			text, err := os.ReadFile(d + "/manifest.json")
			return errors.Join(err, rewrite(d+"/manifest.json", string(text)+"\n"))
		}, Result{Changed: []string{"manifest.json"}}},
		{"manifest leads out", func(d string) error {
			text, err := os.ReadFile(d + "/manifest.json")
			return errors.Join(err, rewrite(d+"/manifest.json", strings.Replace(string(text), "logs/server.log", "../server.log", 3)))
		}, Result{Changed: []string{"manifest.json"}, Problems: []string{`manifest.json: entry "../server.log": leads out of the bundle, or is not a plain path`}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := sample(t)
			if err := c.change(dir); err != nil {
				t.Fatal(err)
			}
			r := verified(t, dir)
			if r.OK() {
				t.Error("verifies")
			}
			if c.name == "manifest leads out" { // the rest can't be judged without
				r.Extra = nil
			}
			got := Result{Missing: r.Missing, Extra: r.Extra, Changed: r.Changed, Problems: r.Problems}
			c.want.sort()
			got.sort()
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestVerifyNoBundle(t *testing.T) {
	if r, err := Verify(t.TempDir()); err == nil || !strings.Contains(err.Error(), "neither manifest.json nor checksums.txt") {
		t.Errorf("an empty directory: %+v, %v", r, err)
	}
}

// The published run has hashes of five files that were never published.
func TestVerifyPublished(t *testing.T) {
	dir := filepath.Dir(tracetest.Shared(t, "data/xprof_tables/qwen3_0p6b_tpuv6e1/checksums.txt"))
	r := verified(t, dir)
	if r.OK() || r.Manifest || r.Listed != 5 || len(r.Missing) != 5 || len(r.Extra) != 13 || len(r.Changed)+len(r.Problems) > 0 {
		t.Errorf("%+v", r)
	}
}

func TestCreateRefusesWhatExists(t *testing.T) {
	dir := sample(t)
	if _, err := Create(dir, Options{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a bundle: %v", err)
	}
	if r := verified(t, dir); !r.OK() {
		t.Errorf("afterwards: %+v", r)
	}
}

func TestCreateIsAllOrNothing(t *testing.T) {
	dir := t.TempDir()
	capture := put(t, dir, "h.xplane.pb", "x")
	out := filepath.Join(dir, "run")
	if _, err := Create(out, Options{Captures: []string{capture}, Logs: []string{filepath.Join(dir, "none.log")}}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a log that isn't there: %v", err)
	}
	if exists(out) || exists(filepath.Join(dir, ".run.partial")) {
		t.Error("a failure leaves something behind")
	}
	// What a crash leaves is removed by the next attempt, and gets into no bundle.
	put(t, dir, ".run.partial/artifacts/raw/traces/old.xplane.pb", "half")
	if _, err := Create(out, Options{Captures: []string{capture}}); err != nil {
		t.Fatal(err)
	}
	if r := verified(t, out); !r.OK() || exists(filepath.Join(dir, ".run.partial")) {
		t.Errorf("after a crash: %+v", r)
	}
}

func TestTwoAtOnce(t *testing.T) {
	target := filepath.Join(t.TempDir(), "run")
	first, err := newStage(target, true)
	if err != nil {
		t.Fatal(err)
	}
	if first.lock == nil {
		t.Skip("directories are not locked here")
	}
	if _, err := Create(target, Options{}); err == nil || !strings.Contains(err.Error(), "another process is writing it") {
		t.Errorf("beside another: %v", err)
	}
	if err := first.abandon(); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(target, Options{}); err != nil {
		t.Errorf("after the other: %v", err)
	}
}

// Whatever goes in comes out of a packed bundle, byte for byte.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "bundle")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		var opts Options
		contents := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 2000), 1, 4).Draw(t, "captures")
		for i, data := range contents {
			p := filepath.Join(dir, fmt.Sprintf("%d.xplane.pb", i))
			if err := os.WriteFile(p, data, 0o666); err != nil {
				t.Fatal(err)
			}
			opts.Captures = append(opts.Captures, p)
		}
		opts.Commands = rapid.SliceOfN(rapid.StringMatching(`[a-z /.:"'=@0-9-]{0,40}`), 0, 3).Draw(t, "commands")
		opts.Plain = rapid.Bool().Draw(t, "plain")
		run, packed, back := filepath.Join(dir, "run"), filepath.Join(dir, "run.tar.zst"), filepath.Join(dir, "back")
		m, err := Create(run, opts)
		if err := errors.Join(err, Pack(run, packed), Unpack(packed, back)); err != nil {
			t.Fatal(err)
		}
		for _, p := range []string{run, packed, back} {
			if r, err := Verify(p); err != nil || !r.OK() || r.Listed != len(m.Files)+1 {
				t.Fatalf("%s: %+v, %v", p, r, err)
			}
		}
		for _, f := range append(m.Files, File{Path: manifestFile}, File{Path: checksumsFile}) {
			a, err1 := os.ReadFile(filepath.Join(run, f.Path))
			b, err2 := os.ReadFile(filepath.Join(back, f.Path))
			if err1 != nil || err2 != nil || !bytes.Equal(a, b) {
				t.Fatalf("%s differs", f.Path)
			}
		}
		var doc map[string]any
		meta, _ := os.ReadFile(filepath.Join(back, metadataFile))
		if err := json.Unmarshal(meta, &doc); err != nil {
			t.Fatalf("metadata.json: %v", err)
		}
	})
}
