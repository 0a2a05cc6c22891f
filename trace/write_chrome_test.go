// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layerscope/layerscope/internal/tracetest"
	"github.com/layerscope/layerscope/trace"
)

// captures opens every committed capture.
func captures(t *testing.T, f func(t *testing.T, path string, tr *trace.Trace)) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(tracetest.Root(t), "testdata", "captures", "*.xplane.pb.gz"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	paths = append(paths, filepath.Join(tracetest.Root(t), "testdata", "captures", "base_a.trace.json.gz"))
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			tr, err := trace.Open(path, trace.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer tr.Close()
			f(t, path, tr)
		})
	}
}

// again reads what was written.
func again(t *testing.T, b []byte, name string) *trace.Trace {
	t.Helper()
	tr, err := trace.Read(bytes.NewReader(b), name, trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func chrome(t *testing.T, tr *trace.Trace, opts trace.ChromeOptions) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := trace.WriteChrome(&b, tr, opts); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestChromeRoundTrip: with Exact nothing is lost, to the picosecond.
func TestChromeRoundTrip(t *testing.T) {
	captures(t, func(t *testing.T, _ string, tr *trace.Trace) {
		got := again(t, chrome(t, tr, trace.ChromeOptions{Exact: true}), "copy.json")
		want, have := strings.Split(text(t, tr), "\n"), strings.Split(text(t, got), "\n")
		if d := cmp.Diff(want, have); d != "" {
			t.Errorf("the trace changed:\n%.3000s", d)
		}
	})
}
