// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/layerscope/layerscope/internal/tracetest"
)

const leakedToken = "hf_0123456789abcdefghijABCDEFGHIJ"

var leaking = `{"metadata": {"env": {"HF_TOKEN": "` + leakedToken + `", "hostname": "box-9"}}, "traceEvents": [{"name": "` + strings.Repeat("x", 3000) + `"}]}`

func packedWith(t *testing.T, w func(io.Writer) (io.WriteCloser, error), text string) string {
	t.Helper()
	var b bytes.Buffer
	z, err := w(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestSecretsInCaptures(t *testing.T) {
	for name, data := range map[string]string{
		"plain.trace.json":   leaking,
		"bin.xplane.pb":      "\x0a\x22\x08\x00" + leakedToken + "\x12",
		"gz.trace.json.gz":   packedWith(t, func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }, leaking),
		"zst.trace.json.zst": packedWith(t, func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) }, leaking),
		"xz.trace.json.xz":   packedWith(t, func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) }, leaking),
		"misnamed.xplane.pb": packedWith(t, func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }, leaking),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			capture := put(t, dir, name, data)
			run := filepath.Join(dir, "run")
			_, err := Create(run, Options{Captures: []string{capture}})
			if !errors.Is(err, ErrSecrets) || strings.Contains(err.Error(), leakedToken) || exists(run) {
				t.Fatalf("not refused, or the token is in the message: %v", err)
			}
			m, err := Create(run, Options{Captures: []string{capture}, Secrets: AllowSecrets})
			if err != nil || len(m.Secrets) != 1 || m.Secrets[0].Count != 1 {
				t.Fatalf("allowed: %+v, %v", m, err)
			}
			inBundle := "artifacts/raw/traces/" + name
			if got, err := os.ReadFile(filepath.Join(run, inBundle)); err != nil || string(got) != data {
				t.Errorf("allowed, and yet another: %v", err)
			}
			report, _ := os.ReadFile(filepath.Join(run, reportFile))
			if !bytes.Contains(report, []byte("hold what looks like tokens")) || bytes.Contains(report, []byte(leakedToken)) {
				t.Errorf("report.md doesn't warn, or tells it:\n%s", report)
			}
			checkMasked(t, filepath.Join(dir, "masked"), capture, inBundle, data)
		})
	}
}

func checkMasked(t *testing.T, run, capture, inBundle, data string) {
	t.Helper()
	m, err := Create(run, Options{Captures: []string{capture}, Secrets: RedactCaptures})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(data))
	for _, f := range m.Files {
		if f.Path == inBundle && (f.Original != hex.EncodeToString(sum[:]) || f.Original == f.SHA256) {
			t.Errorf("the original's hash is %q", f.Original)
		}
	}
	if len(m.Secrets) > 0 || len(m.Redacted) == 0 || m.Redacted[0].Path != inBundle {
		t.Errorf("manifest: secrets %v, redacted %v", m.Secrets, m.Redacted)
	}
	f, err := os.Open(filepath.Join(run, inBundle))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	plain, _, err := expand(f)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(plain)
	if err != nil || bytes.Contains(got, []byte(leakedToken)) || !bytes.Contains(got, []byte("redacted-token")) {
		t.Errorf("overwritten: %v, %.200q", err, got)
	}
	if strings.Contains(data, "traceEvents") || !strings.HasPrefix(inBundle, "artifacts/raw/traces/bin") {
		var doc, want map[string]any
		if err := errors.Join(json.Unmarshal(got, &doc), json.Unmarshal([]byte(leaking), &want)); err != nil {
			t.Fatalf("no JSON any more: %v", err)
		}
		if d := cmp.Diff(want["traceEvents"], doc["traceEvents"]); d != "" {
			t.Errorf("events changed:\n%s", d)
		}
	}
	if r := verified(t, run); !r.OK() {
		t.Errorf("%+v", r)
	}
}

// A capture without names stays as it is, whatever is asked.
func TestRedactCapturesLeavesCleanOnes(t *testing.T) {
	dir := t.TempDir()
	capture := put(t, dir, "c.xplane.pb", "\x0a\x00nothing here")
	m, err := Create(filepath.Join(dir, "run"), Options{Captures: []string{capture}, Secrets: RedactCaptures})
	if err != nil || len(m.Redacted) > 0 || len(m.Verbatim) != 1 {
		t.Errorf("%+v, %v", m, err)
	}
}

// What can't be expanded is looked at as it is, and said.
func TestUnscanned(t *testing.T) {
	dir := t.TempDir()
	gz := packedWith(t, func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }, leaking)
	capture := put(t, dir, "c.trace.json.gz", gz[:len(gz)-12])
	for _, way := range []Secrets{RefuseSecrets, RedactCaptures} { // half a file can't be redacted
		if _, err := Create(filepath.Join(dir, "run"), Options{Captures: []string{capture}, Secrets: way}); !errors.Is(err, ErrSecrets) {
			t.Errorf("%d: %v", way, err)
		}
	}
	m, err := Create(filepath.Join(dir, "run"), Options{Captures: []string{capture}, Secrets: AllowSecrets})
	if err != nil || len(m.Unscanned) != 1 || len(m.Secrets) != 1 {
		t.Errorf("%+v, %v", m, err)
	}
}

// The shared PyTorch capture has a token in its metadata.
func TestSharedTorchCapture(t *testing.T) {
	capture := tracetest.Shared(t, "data/torch/h100_qwen15_05b.json.gz")
	dir := t.TempDir()
	if _, err := Create(filepath.Join(dir, "run"), Options{Captures: []string{capture}}); !errors.Is(err, ErrSecrets) {
		t.Errorf("%v", err)
	}
	m, err := Create(filepath.Join(dir, "run"), Options{Captures: []string{capture}, Secrets: RedactCaptures})
	if err != nil || len(m.Secrets) > 0 {
		t.Fatalf("%+v, %v", m, err)
	}
	f, err := os.Open(filepath.Join(dir, "run/artifacts/raw/traces/h100_qwen15_05b.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	plain, _, err := expand(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(plain)
	if err != nil || !json.Valid(text) {
		t.Errorf("no JSON any more: %v", err)
	}
	if found, _, err := look(f, probesFor(false, nil)); err != nil || len(found) > 0 {
		t.Errorf("in the copy: %+v, %v", found, err)
	}
}

func FuzzLook(f *testing.F) {
	f.Add([]byte(leaking))
	f.Add([]byte("\x1f\x8b\x08\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := os.Open(put(t, t.TempDir(), "c", string(data)))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if _, _, err := look(file, probesFor(true, map[string]string{"worker-77": "host"})); err != nil {
			t.Errorf("reading a file: %v", err)
		}
	})
}
