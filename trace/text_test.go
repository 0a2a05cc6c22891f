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

// text returns the text form of a trace.
func text(t *testing.T, tr *trace.Trace) string {
	t.Helper()
	var b bytes.Buffer
	if err := trace.WriteText(&b, tr); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestTextRoundTrip writes real captures as text and reads them back.
func TestTextRoundTrip(t *testing.T) {
	captures, err := filepath.Glob(filepath.Join(tracetest.Root(t), "testdata", "captures", "*.xplane.pb.gz"))
	if err != nil || len(captures) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	for _, path := range captures {
		tr, err := trace.Open(path, trace.Options{})
		if err != nil {
			t.Fatal(err)
		}
		want := text(t, tr)
		again, err := trace.Read(strings.NewReader(want), "copy.txt", trace.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(text(t, again), "\n")); diff != "" {
			t.Errorf("%s: text form changed when read back:\n%.2000s", path, diff)
		}
		if len(again.Tracks) != len(tr.Tracks) || len(again.Ops) != len(tr.Ops) {
			t.Errorf("%s: %d tracks, %d ops; want %d, %d", path, len(again.Tracks), len(again.Ops), len(tr.Tracks), len(tr.Ops))
		}
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestTextErrorsNameTheLine(t *testing.T) {
	for in, want := range map[string]string{
		"layerscope-trace 1\nopp 1":                             `line 2: unknown word "opp"`,
		"layerscope-trace 1\n  1 2 3":                           "line 2: an event before the first track",
		"layerscope-trace 1\ntrack ops device=1":                "line 2: device 1 of 0",
		"layerscope-trace 1\ntrack ops\n  1 x 3":                `line 3: found "x", wanted an integer`,
		"layerscope-trace 1\ntrack ops\n  1 2 3":                `line 3: unknown op "3"`,
		"layerscope-trace 1\nprogram f 1\nhlo 0\nHloModule f\n": `wanted a line "."`,
		"layerscope-trace 1\nop a name=\"x":                     "wanted a quoted string",
		"layerscope-trace 2\n":                                  `wanted "layerscope-trace 1"`,
		"layerscope-trace 1\nop a program=3":                    "line 2: program 3 of 0",
	} {
		_, err := trace.Read(strings.NewReader(in), "t.txt", trace.Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %s", in, err, want)
		}
	}
}
