// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestSoleCaptures(t *testing.T) {
	const s = "artifacts/raw/traces/plugins/profile/s1/"
	for _, c := range []struct {
		name  string
		paths []string
		keep  string // part of the paths that are kept
		want  []string
	}{
		{"both forms go", []string{s + "h.xplane.pb", s + "h.trace.json.gz", s + "ALL_HOSTS.op_stats.pb", "report.md"}, "report", []string{s + "h.xplane.pb"}},
		{"the complete form stays", []string{s + "h.xplane.pb", s + "h.trace.json.gz"}, "xplane", []string{}},
		{"the lesser form stays", []string{s + "h.xplane.pb.gz", s + "h.trace.json.gz"}, "json", []string{s + "h.xplane.pb.gz"}},
		{"only the lesser form is there", []string{s + "h.trace.json.gz"}, "none", []string{s + "h.trace.json.gz"}},
		{"each host counts", []string{s + "a.xplane.pb", s + "b.xplane.pb"}, "/a.", []string{s + "b.xplane.pb"}},
		{"packed twice", []string{s + "h.xplane.pb", s + "h.xplane.pb.gz"}, ".gz", []string{}},
		{"torch", []string{"artifacts/raw/traces/run.json.gz", "artifacts/derived/device/op_profile_device.json", "analysis/report.json"}, "none", []string{"artifacts/raw/traces/run.json.gz"}},
		{"unknown form below raw", []string{"artifacts/raw/traces/run.nsys-rep"}, "none", []string{"artifacts/raw/traces/run.nsys-rep"}},
		{"memory is no capture", []string{"artifacts/raw/memory/m.prof"}, "none", []string{}},
		{"the published layout", []string{
			"artifacts/raw/device/traces-device/p/plugins/profile/s/h.xplane.pb", "artifacts/raw/device/traces-device/p/plugins/profile/s/h.trace.json.gz",
			"artifacts/raw/host/traces/h.trace.json.gz", "artifacts/raw/host/traces/h.xplane.pb",
		}, "trace.json", []string{"artifacts/raw/device/traces-device/p/plugins/profile/s/h.xplane.pb", "artifacts/raw/host/traces/h.xplane.pb"}},
		{"no bundle", []string{"runs/a/h.xplane.pb", "runs/a/notes.json"}, "notes", []string{"runs/a/h.xplane.pb"}},
	} {
		got := SoleCaptures(c.paths, func(p string) bool { return strings.Contains(p, c.keep) })
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
	rapid.Check(t, func(t *rapid.T) { // keeping all loses nothing; keeping more loses no more
		paths := rapid.SliceOf(rapid.SampledFrom([]string{s + "a.xplane.pb", s + "a.trace.json", s + "b.trace.json.gz", "x.pftrace", "report.md", "artifacts/raw/z.bin"})).Draw(t, "paths")
		if lost := SoleCaptures(paths, func(string) bool { return true }); len(lost) > 0 {
			t.Fatalf("all kept, and yet lost: %v", lost)
		}
		keep := rapid.SliceOf(rapid.SampledFrom([]string{s + "a.xplane.pb", s + "a.trace.json", "x.pftrace"})).Draw(t, "keep")
		few := SoleCaptures(paths, func(p string) bool { return slices.Contains(keep, p) })
		for _, lost := range few {
			if slices.Contains(keep, lost) {
				t.Fatalf("%s is kept and lost", lost)
			}
		}
	})
}

func TestRetain(t *testing.T) {
	dir := sample(t)
	before, _ := os.ReadFile(filepath.Join(dir, manifestFile))
	sum := sha256.Sum256(before)
	const traces = "artifacts/raw/traces/plugins/profile/s1/"
	for _, c := range []struct {
		set     string
		sole    bool
		dropped []string
	}{
		{"full", false, []string{}},
		{"standard", false, []string{traces + "h.trace.json.gz"}},
		{"compact", false, []string{"artifacts/raw/memory/m.prof", traces + "h.trace.json.gz", "logs/server.log"}},
		{"minimal", true, []string{"artifacts/raw/memory/m.prof", traces + "h.trace.json.gz", traces + "h.xplane.pb", "logs/server.log"}},
	} {
		t.Run(c.set, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "small")
			if _, err := Retain(dir, out, RetainOptions{Set: c.set}); (err != nil) != c.sole || c.sole && (!errors.Is(err, ErrSoleCapture) || !strings.Contains(err.Error(), "h.xplane.pb") || exists(out)) {
				t.Fatalf("without leave: %v", err)
			}
			if c.sole {
				if _, err := Retain(dir, out, RetainOptions{Set: c.set, DropSole: true}); err != nil {
					t.Fatal(err)
				}
			}
			r := verified(t, out)
			if d := cmp.Diff(c.dropped, r.Dropped); d != "" || !r.OK() || r.Parent != hex.EncodeToString(sum[:]) || r.Listed != 13-len(c.dropped) {
				t.Errorf("%+v (-want +got):\n%s", r, d)
			}
			packed := filepath.Join(t.TempDir(), "small.tar.zst")
			if err := Pack(out, packed); err != nil {
				t.Fatal(err)
			}
			if p := verified(t, packed); !p.OK() || cmp.Diff(c.dropped, p.Dropped) != "" {
				t.Errorf("packed: %+v", p)
			}
			// What is dropped again adds up; what wasn't dropped is missed.
			again := filepath.Join(t.TempDir(), "smaller")
			if _, err := Retain(out, again, RetainOptions{Set: "minimal", DropSole: true}); err != nil {
				t.Fatal(err)
			}
			if r := verified(t, again); !r.OK() || len(r.Dropped) != 4 {
				t.Errorf("again: %+v", r)
			}
			if err := os.Remove(filepath.Join(out, "inputs/score.json")); err != nil {
				t.Fatal(err)
			}
			if r := verified(t, out); r.OK() || !slices.Equal(r.Missing, []string{"inputs/score.json"}) {
				t.Errorf("with a file gone: %+v", r)
			}
		})
	}
	if r := verified(t, dir); !r.OK() {
		t.Errorf("the old bundle: %+v", r)
	}
	if _, err := Retain(dir, dir, RetainOptions{Set: "full"}); !errors.Is(err, os.ErrExist) {
		t.Errorf("onto itself: %v", err)
	}
	if _, err := Retain(dir, filepath.Join(t.TempDir(), "x"), RetainOptions{Set: "some"}); err == nil || !strings.Contains(err.Error(), "want full, standard, compact or minimal") {
		t.Errorf("no set: %v", err)
	}
	if err := rewrite(filepath.Join(dir, "inputs/score.json"), "{}"); err != nil {
		t.Fatal(err)
	}
	if _, err := Retain(dir, filepath.Join(t.TempDir(), "x"), RetainOptions{Set: "full"}); err == nil || !strings.Contains(err.Error(), "does not verify: inputs/score.json") {
		t.Errorf("of a damaged bundle: %v", err)
	}
}

// A retained bundle's manifest may lie about what was dropped, too.
func TestHostileRetention(t *testing.T) {
	good := member{name: "logs/a", data: "hello"}
	zero := strings.Repeat("0", 64)
	for _, c := range []struct {
		name string
		edit func(m *Manifest)
		want string
	}{
		{"leads out", func(m *Manifest) { m.Dropped[0].Path = "../../x" }, `entry "../../x": leads out`},
		{"absolute", func(m *Manifest) { m.Dropped[0].Path = "/x" }, `entry "/x": an absolute path`},
		{"there and dropped", func(m *Manifest) { m.Dropped[0].Path = "logs/a" }, `entry "logs/a": is there twice`},
		{"case", func(m *Manifest) { m.Dropped[0].Path = "Logs/b" }, `entry "Logs/b": differs from "logs" in nothing but case`},
		{"negative", func(m *Manifest) { m.Dropped[0].Bytes = -5 }, `entry "logs/b": -5 bytes`},
		{"no hash", func(m *Manifest) { m.Dropped[0].SHA256 = "x" }, `entry "logs/b": found "x", wanted a SHA-256`},
		{"no parent", func(m *Manifest) { m.Retention.Parent = "x" }, `retention: found "x"`},
		{"from nowhere", func(m *Manifest) { m.Retention = nil }, `entry "logs/b": dropped, but the manifest doesn't say from which bundle`},
		{"itself", func(m *Manifest) { m.Dropped[0].Path = checksumsFile }, `entry "checksums.txt": lists itself`},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := lists(t, good)
			m, err := parseManifest([]byte(all[0].data))
			if err != nil {
				t.Fatal(err)
			}
			m.Retention, m.Dropped = &retention{Set: "minimal", Parent: zero}, []File{{Path: "logs/b", SHA256: zero, Bytes: 3}}
			c.edit(m)
			text, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			all[0].data, all[1].data = string(text), string(formatChecksums(m, text))
			refused(t, packed(t, append(all, good)...), c.want)
			dir := t.TempDir()
			for _, f := range append(all, good) {
				put(t, dir, f.name, f.data)
			}
			if r := verified(t, dir); r.OK() || !strings.Contains(strings.Join(r.Problems, "\n"), c.want) {
				t.Errorf("as a directory: %+v, wanted %q", r, c.want)
			}
		})
	}
}

// What is kept of a bundle of as many captures as there may be is known at once:
// asked file by file, it took hours.
func TestRetainMany(t *testing.T) {
	m := &Manifest{}
	for i := range maxFiles / 2 {
		stem := fmt.Sprintf("artifacts/raw/traces/h%d", i)
		m.Files = append(m.Files, File{Path: stem + ".xplane.pb", Role: "capture"}, File{Path: stem + ".trace.json.gz", Role: "capture"})
	}
	for _, c := range []struct {
		set        string
		kept, lost int
	}{{"full", maxFiles, 0}, {"standard", maxFiles / 2, 0}, {"compact", maxFiles / 2, 0}, {"minimal", 0, maxFiles / 2}} {
		i := slices.IndexFunc(retentionSets, func(s retentionSet) bool { return s.name == c.set })
		if got := m.kept(retentionSets[i]); len(got.Files) != c.kept || len(got.Dropped) != maxFiles-c.kept {
			t.Errorf("%s: kept %d and dropped %d files, want %d and the rest", c.set, len(got.Files), len(got.Dropped), c.kept)
		}
		if lost := m.lost(retentionSets[i]); len(lost) != c.lost {
			t.Errorf("%s: lost %d captures, want %d", c.set, len(lost), c.lost)
		}
	}
}
