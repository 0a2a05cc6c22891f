// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/layerscope/layerscope/internal/fakegcs"
	"github.com/layerscope/layerscope/internal/tracetest"
	"github.com/layerscope/layerscope/reports/gcs"
	"github.com/layerscope/layerscope/reports/objects"
)

// A remoteBucket is a bucket "b" of a fake, with the captures of a directory in it.
type remoteBucket struct {
	t     *testing.T
	fake  *fakegcs.Process
	store objects.Store
	dir   string // the same files
}

func newRemoteBucket(t *testing.T) *remoteBucket {
	t.Helper()
	fake := fakegcs.Start(t, "b")
	t.Setenv("STORAGE_EMULATOR_HOST", fake.Host)
	s, err := gcs.Open(t.Context(), "gs://b", gcs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &remoteBucket{t, fake, s, t.TempDir()}
}

// put has a file in the bucket and in the directory.
func (b *remoteBucket) put(name string, data []byte) {
	b.t.Helper()
	file := filepath.Join(b.dir, filepath.FromSlash(name))
	err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o777), os.WriteFile(file, data, 0o666))
	if err != nil {
		b.t.Fatal(err)
	}
	b.send(name, data)
}

func (b *remoteBucket) send(name string, data []byte) {
	b.t.Helper()
	_, err := b.store.Put(b.t.Context(), name, objects.Content{Data: bytes.NewReader(data), Size: int64(len(data)), CRC32C: crc32.Checksum(data, objects.Castagnoli)})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *remoteBucket) must(args ...string) outcome {
	b.t.Helper()
	out := runWith(b.t.Context(), strings.NewReader(""), args...)
	if out.code != exitDone {
		b.t.Fatalf("%q: exit code %d: %s", args, out.code, out.stderr)
	}
	return out
}

func inflated(t *testing.T, name string) []byte {
	t.Helper()
	f, err := os.Open(testCapture(t, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// fourDevices is an uncompressed capture of four device planes.
func (b *remoteBucket) fourDevices(name string) []byte {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), "host.xplane.pb")
	b.must("convert", "--xprof-compat", testCapture(b.t, "tp4.xplane.pb.gz"), "-o", path, "-q")
	data, err := os.ReadFile(path)
	if err != nil {
		b.t.Fatal(err)
	}
	b.put(name, data)
	return data
}

// document decodes a report and takes what the inputs are out of it.
func document(t *testing.T, text string) (doc map[string]any, inputs []any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	inputs, _ = doc["inputs"].([]any)
	delete(doc, "inputs")
	return doc, inputs
}

func validate(t *testing.T, schema, text string) {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile(filepath.Join(tracetest.Root(t), "docs", "schema", schema+".v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err := errors.Join(err, s.Validate(doc)); err != nil {
		t.Error(err)
	}
}

// The report of one device of a capture in a bucket is that of a local copy, and
// reads the device's part of the file.
func TestRemoteReport(t *testing.T) {
	b := newRemoteBucket(t)
	data := b.fourDevices("tp4.xplane.pb")
	b.fake.Forget()
	far := b.must("report", "--device", "2", "--format", "json", "--verbose", "gs://b/tp4.xplane.pb")
	stats := b.fake.Stats()
	local := b.must("report", "--device", "2", "--format", "json", filepath.Join(b.dir, "tp4.xplane.pb"))
	validate(t, "report", far.stdout)
	want, _ := document(t, local.stdout)
	got, inputs := document(t, far.stdout)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	in := inputs[0].(map[string]any)
	if in["path"] != "gs://b/tp4.xplane.pb" || in["sha256"] != "" || in["bytes"] != float64(len(data)) ||
		in["crc32c"] != crcText(crc32.Checksum(data, objects.Castagnoli)) || !strings.HasPrefix(fmt.Sprint(in["version"]), "generation 179") {
		t.Errorf("input %v", in)
	}
	if served, n := stats.Served["b/tp4.xplane.pb"], stats.Requests["read"]; served > int64(len(data))*9/10 || n > 16 {
		t.Errorf("%d of %d bytes served in %d requests", served, len(data), n)
	} else {
		// A read that is no longer wanted ends early: its server may have sent more.
		var took, asked int64
		_, rest, _ := strings.Cut(far.stderr, "gs://b/tp4.xplane.pb: ")
		if _, err := fmt.Sscanf(rest, "%d bytes in %d requests", &took, &asked); err != nil || took <= 0 || took > served || asked != int64(n) {
			t.Errorf("stderr %q, wanted up to %d bytes in %d requests", far.stderr, served, n)
		}
	}
	if strings.Contains(far.stderr, "one pass") {
		t.Errorf("stderr: %s", far.stderr)
	}
	text := b.must("report", "gs://b/tp4.xplane.pb").stdout
	if !regexp.MustCompile(`gs://b/tp4.xplane.pb \(xspace, .*\) generation 179\d+, crc32c:\S+ \(no sha256 taken\)`).MatchString(text) {
		t.Errorf("the report doesn't say what it is of:\n%s", text)
	}
}

// All verbs that read captures take addresses of buckets and file://, of objects,
// of directories, of bundles, compressed or not.
func TestRemoteVerbs(t *testing.T) {
	b := newRemoteBucket(t)
	for _, name := range []string{"base_a.xplane.pb.gz", "slow_a.xplane.pb.gz", "base_a.trace.json.gz"} {
		data, err := os.ReadFile(testCapture(t, name))
		if err != nil {
			t.Fatal(err)
		}
		b.put("captures/"+name, data)
	}
	b.put("run/plugins/profile/2026_11_24/scorehost.xplane.pb", inflated(t, "base_a.xplane.pb.gz"))
	bundle := filepath.Join(t.TempDir(), "kept")
	b.must("bundle", "create", testCapture(t, "base_a.xplane.pb.gz"), "-o", bundle, "-q")
	err := filepath.WalkDir(bundle, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		rel, relErr := filepath.Rel(bundle, path)
		b.put("runs/kept/"+filepath.ToSlash(rel), data)
		return errors.Join(err, relErr)
	})
	if err != nil {
		t.Fatal(err)
	}
	pass := "gzip cannot be read in parts: all of its"
	for _, c := range []struct {
		args []string // @ stands for the place
		says string
	}{
		{[]string{"inspect", "@/captures/base_a.xplane.pb.gz"}, pass},
		{[]string{"report", "@/captures/base_a.trace.json.gz"}, pass},
		{[]string{"report", "@/captures/base_a.xplane.pb.gz", "@/captures/slow_a.xplane.pb.gz"}, pass},
		{[]string{"report", "@/run"}, ""},
		{[]string{"report", "@/run/"}, ""},
		{[]string{"report", "--request", "req-1100", "@/run"}, ""},
		{[]string{"check", "@/runs/kept"}, pass},
		{[]string{"memory", "@/runs/kept"}, pass},
		{[]string{"diff", "base=@/captures/base_a.xplane.pb.gz", "@/captures/slow_a.xplane.pb.gz"}, pass},
		{[]string{"diff", "@/runs/kept", "@/run"}, pass},
		{[]string{"diff", "@/captures/base_a.xplane.pb.gz,@/captures/slow_a.xplane.pb.gz", "@/captures"}, pass},
		{[]string{"convert", "@/run", "--to", "folded", "-o", "-", "-q"}, ""},
	} {
		in := func(place string) outcome {
			args := make([]string, len(c.args))
			for i, a := range c.args {
				args[i] = strings.ReplaceAll(a, "@", place)
			}
			return runWith(t.Context(), strings.NewReader(""), args...)
		}
		want, file, far := in(b.dir), in("file://"+filepath.ToSlash(b.dir)), in("gs://b")
		if want.code == exitFailed || want.code == exitUsage || want.stdout == "" {
			t.Errorf("%q: code %d: %s", c.args, want.code, want.stderr)
		}
		if want.code != file.code || want.stdout != file.stdout {
			t.Errorf("%q: of file:// code %d, wanted %d: %s\n%s", c.args, file.code, want.code, file.stderr, cmp.Diff(want.stdout, file.stdout))
		}
		if diff := cmp.Diff(unplaced(want.stdout, b.dir), unplaced(far.stdout, "gs://b")); diff != "" || far.code != want.code {
			t.Errorf("%q: of gs:// code %d, wanted %d: %s\n%s", c.args, far.code, want.code, far.stderr, diff)
		}
		if c.says == "" && strings.Contains(far.stderr, "one pass") || !strings.Contains(far.stderr, c.says) {
			t.Errorf("%q: said %q, wanted %q", c.args, far.stderr, c.says)
		}
	}
}

// unplaced is a report without what tells where its inputs are and how they were
// hashed.
func unplaced(text, place string) string {
	text = strings.ReplaceAll(text, place, "@")
	text = regexp.MustCompile(` sha256:[0-9a-f…]+| generation \d+, crc32c:\S+ \(no sha256 taken\)`).ReplaceAllString(text, "")
	return regexp.MustCompile(`[ ─]+`).ReplaceAllString(text, " ")
}

// Connections that break are taken up again; objects that change are errors.
func TestRemoteTrouble(t *testing.T) {
	b := newRemoteBucket(t)
	data := b.fourDevices("a/host.xplane.pb")
	want := b.must("report", "gs://b/a/host.xplane.pb").stdout
	b.fake.Fault(fakegcs.Fault{Op: "read", Kind: "cut", Bytes: 5000, Skip: 1}, fakegcs.Fault{Op: "read", Kind: "status", Status: 503})
	if got := b.must("report", "gs://b/a/host.xplane.pb"); got.stdout != want {
		t.Errorf("after broken connections: %s", cmp.Diff(want, got.stdout))
	}
	for _, replaced := range []bool{true, false} {
		want := "offset 0x[0-9a-f]+: the object of generation 179[0-9]+ is gone"
		if replaced {
			want += "|offset 0x[0-9a-f]+: the object is another one by now, wanted generation 179"
		}
		o, err := b.store.Stat(t.Context(), "a/host.xplane.pb")
		if err != nil {
			t.Fatal(err)
		}
		b.fake.Forget()
		b.fake.Fault(fakegcs.Fault{Op: "read", Kind: "cut", Skip: 1, Count: 4}) // the pauses behind them are when it happens
		done := make(chan outcome)
		go func() { done <- runWith(t.Context(), strings.NewReader(""), "report", "gs://b/a/host.xplane.pb") }()
		for b.fake.Stats().Requests["read"] < 2 {
			select {
			case got := <-done:
				t.Fatalf("ended early: code %d, %s", got.code, got.stderr)
			case <-time.After(time.Millisecond):
			}
		}
		if err := b.store.Delete(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if replaced {
			b.send("a/host.xplane.pb", append(data[:len(data):len(data)], "\x22\x01x"...))
		}
		got := <-done
		if got.code != exitFailed || !regexp.MustCompile("layerscope: gs://b/a/host.xplane.pb: ("+want+")").MatchString(got.stderr) {
			t.Errorf("code %d, %s; wanted %s", got.code, got.stderr, want)
		}
	}
}

// A read of a generation that is not there says which.
func TestRemoteChanged(t *testing.T) {
	b := newRemoteBucket(t)
	b.send("o", []byte("content"))
	o, err := b.store.Stat(t.Context(), "o")
	if err := errors.Join(err, b.store.Delete(t.Context(), o)); err != nil {
		t.Fatal(err)
	}
	b.send("o", []byte("another"))
	var a app
	_, err = a.remote(b.store, o, &traffic{}).Range(t.Context(), 3, 2)
	if want := fmt.Sprintf("gs://b/o: offset 0x3: the object is another one by now, wanted generation %d", o.Generation); err == nil || err.Error() != want {
		t.Errorf("error %v, wanted %s", err, want)
	}
}

// What is not there, or is not what its manifest says, is named.
func TestRemoteErrors(t *testing.T) {
	b := newRemoteBucket(t)
	b.put("notes/a.md", []byte("a note"))
	b.put("text.xplane.pb", []byte("<html>no capture</html>"))
	manifest := func(path string, size int) []byte {
		return fmt.Appendf(nil, `{"schema": "layerscope.bundle/v1", "files": [{"path": %q, "role": "capture", "bytes": %d}]}`, path, size)
	}
	b.put("lies/manifest.json", manifest("a.xplane.pb", 7))
	b.put("lies/a.xplane.pb", []byte("12345678"))
	b.put("lost/manifest.json", manifest("a.xplane.pb", 7))
	b.put("out/manifest.json", manifest("../text.xplane.pb", 23))
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"report", "gs://b/nothing"}, exitFailed, "gs://b/nothing: no object of that name, and none below it\nlayerscope: hint: gcloud storage ls gs://b/ shows"},
		{[]string{"report", "gs://nobucket/x"}, exitFailed, "gs://nobucket"},
		{[]string{"report", "gs://b/notes"}, exitFailed, "gs://b/notes: no captures among the 1 objects below it"},
		{[]string{"report", "gs://b/text.xplane.pb"}, exitFailed, "gs://b/text.xplane.pb: offset 0x0: text beginning"},
		{[]string{"report", "gs://b/lies"}, exitFailed, "gs://b/lies/manifest.json: lists a.xplane.pb with 7 bytes, it has 8\n"},
		{[]string{"report", "gs://b/lost"}, exitFailed, "gs://b/lost/manifest.json: lists a.xplane.pb, which is not there\n"},
		{[]string{"report", "gs://b/out"}, exitFailed, `gs://b/out/manifest.json: lists "../text.xplane.pb"`},
		{[]string{"report", "gs:///x"}, exitUsage, "gs:///x"},
		{[]string{"calibrate", "gs://b/notes"}, exitUsage, "noise.json is kept beside the captures"},
	} {
		got := runWith(t.Context(), strings.NewReader(""), c.args...)
		if got.code != c.code || !strings.Contains(got.stderr, c.want) || got.stdout != "" {
			t.Errorf("%q: code %d, stderr %q; wanted %d, %q", c.args, got.code, got.stderr, c.code, c.want)
		}
	}
}
