// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/layerscope/layerscope/trace"
	"github.com/layerscope/layerscope/trace/internal/xspace"
)

// hostCapture is a capture of one device of a host, profiled from start to stop in
// seconds of Unix time.
func hostCapture(t *testing.T, host, device string, start, stop uint64) []byte {
	t.Helper()
	var b bytes.Buffer
	w := xspace.NewWriter(&b)
	err := w.Plane(1, device, func(pw *xspace.PlaneWriter) error {
		err := pw.Line(xspace.LineHead{ID: 1, Name: "XLA Ops"}, func(lw *xspace.LineWriter) error {
			return lw.Event(&xspace.Event{MetadataID: 1, OffsetPs: 5, DurationPs: 7})
		})
		if err != nil {
			return err
		}
		return pw.EventMeta(&xspace.EventMeta{Key: 1, ID: 1, Name: "fusion"})
	})
	if err != nil {
		t.Fatal(err)
	}
	err = w.Plane(2, "Task Environment", func(pw *xspace.PlaneWriter) error {
		for i, name := range []string{"profile_start_time", "profile_stop_time"} {
			if err := pw.StatMeta(&xspace.StatMeta{Key: int64(i + 1), ID: int64(i + 1), Name: name}); err != nil {
				return err
			}
		}
		for i, at := range []uint64{start, stop} {
			if err := pw.Stat(&xspace.Stat{ID: int64(i + 1), Kind: xspace.Uint, Bits: at * 1e9}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Hostname(host); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A directory is one session; what is obviously none of it is said.
func TestDirectory(t *testing.T) {
	const now = 1_790_000_000
	good := hostCapture(t, "h0", "/device:TPU:0", now, now+2)
	for name, c := range map[string]struct {
		files map[string][]byte
		want  []string // codes and parts of messages of findings
		fails string
		bytes int // inputs read
	}{
		"two hosts":             {map[string][]byte{"h0.xplane.pb": good, "h1.xplane.pb": hostCapture(t, "h1", "/device:TPU:0", now+3, now+4)}, nil, "", 2},
		"processes of one host": {map[string][]byte{"a.xplane.pb": good, "b.xplane.pb": good}, nil, "", 2},
		"one device twice": {map[string][]byte{"a.xplane.pb": good, "b.xplane.pb": hostCapture(t, "h0", "/device:TPU:0", now+3, now+4)},
			[]string{"different-sessions: /device:TPU:0 of host h0 is in a.xplane.pb and, 1s later, in b.xplane.pb"}, "", 2},
		"hours between": {map[string][]byte{"a.xplane.pb": good, "b.xplane.pb": hostCapture(t, "h1", "/device:TPU:0", now+7202, now+7203)},
			[]string{"different-sessions: b.xplane.pb began 2h0m0s after a.xplane.pb had ended"}, "", 2},
		"one cannot be read": {map[string][]byte{"h0.xplane.pb": good, "h1.xplane.pb": []byte("<html>not here</html>"), "h2.xplane.pb": nil},
			[]string{"unreadable: h1.xplane.pb: offset 0x0: text beginning", "unreadable: h2.xplane.pb: 0 bytes, wanted a capture"}, "", 1},
		"none can be read": {map[string][]byte{"h1.xplane.pb": []byte("<html>not here</html>"), "h2.xplane.pb": nil}, nil, "h1.xplane.pb: offset 0x0: text beginning", 0},
		"one is damaged at its end": {map[string][]byte{"h0.xplane.pb": good, "h1.xplane.pb": append(hostCapture(t, "h1", "/device:TPU:0", now, now+2), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)},
			[]string{"unreadable: h1.xplane.pb: offset 0x"}, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for name, b := range c.files {
				if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
					t.Fatal(err)
				}
			}
			tr, err := trace.Open(dir, trace.Options{})
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Fatalf("error %v, wanted %q", err, c.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer tr.Close()
			var got []string
			for _, f := range tr.Findings {
				got = append(got, f.Code+": "+strings.ReplaceAll(f.Message, dir+string(filepath.Separator), ""))
			}
			if !slices.EqualFunc(got, c.want, strings.HasPrefix) {
				t.Errorf("findings %q, wanted %q", got, c.want)
			}
			if len(tr.Inputs) != c.bytes || len(tr.Devices) != c.bytes || len(tr.Tracks) != c.bytes || len(tr.Hosts) > c.bytes {
				t.Errorf("%d inputs, %d devices, %d tracks, hosts %q; wanted %d of each", len(tr.Inputs), len(tr.Devices), len(tr.Tracks), tr.Hosts, c.bytes)
			}
		})
	}
}

// Captures picks what Open picks.
func TestCaptures(t *testing.T) {
	for _, c := range []struct {
		names, want []string
		sessions    int64
	}{
		{[]string{"a/plugins/profile/2026_01/h0.xplane.pb", "a/plugins/profile/2026_02/h1.xplane.pb.gz", "a/plugins/profile/2026_02/h0.xplane.pb", "a/plugins/profile/2026_02/h0.trace.json.gz", "a/note.md"},
			[]string{"a/plugins/profile/2026_02/h0.xplane.pb", "a/plugins/profile/2026_02/h1.xplane.pb.gz"}, 2},
		{[]string{"b.trace.json.gz", "a.trace.txt"}, []string{"b.trace.json.gz"}, 0},
		{[]string{"report.json", "report.md"}, nil, 0},
	} {
		dir := t.TempDir()
		for i, name := range c.names {
			path := filepath.Join(dir, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, fmt.Appendf(nil, "%d", i), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		got, found := trace.Captures(c.names)
		if !slices.Equal(got, c.want) {
			t.Errorf("of %q: %q, wanted %q", c.names, got, c.want)
		}
		if c.sessions == 0 && found != nil || c.sessions > 0 && (len(found) != 1 || found[0].Count != c.sessions) {
			t.Errorf("of %q: findings %v, wanted %d sessions", c.names, found, c.sessions)
		}
		_, err := trace.Open(dir, trace.Options{}) // the files are no captures: the error names the first that was picked
		if c.want != nil && (err == nil || !strings.Contains(err.Error(), filepath.Join(dir, filepath.FromSlash(c.want[0])))) {
			t.Errorf("Open of %q: %v, wanted it to open %s first", c.names, err, c.want[0])
		}
	}
}
