// SPDX-License-Identifier: Apache-2.0

package analyze_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/trace"
)

var update = flag.Bool("update", false, "rewrite the expected parts of testdata/*.txtar")

// TestTwins analyses small traces written in the text form, one a rule. Each
// file tells its story and the answer worked out by hand in its comment; the
// part "want" is what the analysis must say.
func TestTwins(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no twins: %v", err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var in, want []byte
			opts := analyze.Options{}
			for _, f := range ar.Files {
				switch f.Name {
				case "trace":
					in = f.Data
				case "want":
					want = f.Data
				case "expect":
					if opts.Expect, err = strconv.Atoi(strings.TrimSpace(string(f.Data))); err != nil {
						t.Fatal(err)
					}
				case "rules":
					if opts.Rules, err = analyze.ParseRules(string(f.Data)); err != nil {
						t.Fatal(err)
					}
				}
			}
			tr, err := trace.Read(bytes.NewReader(in), path, trace.Options{})
			if err != nil {
				t.Fatal(err)
			}
			a, err := analyze.Analyze(tr, opts)
			if err != nil {
				t.Fatal(err)
			}
			conserved(t, a)
			got := summary(a)
			if *update {
				for i := range ar.Files {
					if ar.Files[i].Name == "want" {
						ar.Files[i].Data = []byte(got)
					}
				}
				if err := os.WriteFile(path, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("analysis differs (-want +got):\n%s", diff)
			}
		})
	}
}

// summary prints the integers of an analysis.
func summary(a *analyze.Analysis) string {
	var b strings.Builder
	for _, d := range a.Devices {
		fmt.Fprintf(&b, "device %s window %d busy %d idle %d op %d events %d\n", d.Name, d.Window, d.Busy, d.Idle, d.OpTime, d.OpEvents)
	}
	fmt.Fprintf(&b, "layers %s %d\n", a.Layers.Method, a.Layers.Count)
	for _, r := range a.Layers.Rows {
		fmt.Fprintf(&b, "row %s self %d wall %d n %d flops %d", r.Key, r.Self, r.WallShare, r.Occurrences, r.FLOPs)
		if r.Backward+r.Recompute > 0 {
			fmt.Fprintf(&b, " backward %d recompute %d", r.Backward, r.Recompute)
		}
		for _, c := range r.Components {
			fmt.Fprintf(&b, " %s=%d", c.Name, c.Self)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "unattributed %d\n", a.Layers.Unattributed)
	for _, o := range a.Ops {
		fmt.Fprintf(&b, "op %s n %d total %d self %d min %d flops %d bytes %d layer %q\n", o.Name, o.Occurrences, o.Total, o.Self, o.Min, o.FLOPs, o.Bytes, o.Layer)
	}
	for _, s := range a.Steps {
		fmt.Fprintf(&b, "step %d start %d dur %d busy %d op %d %s\n", s.Index, s.Start, s.Dur, s.Busy, s.OpTime, s.Reason)
	}
	for _, f := range a.Findings {
		fmt.Fprintf(&b, "finding %s %s ×%d\n", f.Severity, f.Code, f.Count)
	}
	return b.String()
}
