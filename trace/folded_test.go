// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"strings"
	"testing"

	"github.com/layerscope/layerscope/trace"
)

const foldedFile = "# a comment\nmain;work;inner loop 30\nmain;work 5\r\nmain;[unknown] 1.5\n\nidle 7\nno count\n"

func TestFolded(t *testing.T) {
	tr, err := trace.Read(strings.NewReader(foldedFile), "p.folded", trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := `host "stacks": main 0+3.6e-05 work 0+3.5e-05 inner loop 0+3e-05 [unknown] 3.5e-05+1e-06 idle 3.6e-05+7e-06; damaged 1`
	if got := outline(t, tr); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if tr.Format != "folded" || tr.Lossy == "" || tr.Wall != 43 || len(tr.Ops) != 5 {
		t.Errorf("format %s, lossy %q, wall %d, %d ops", tr.Format, tr.Lossy, tr.Wall, len(tr.Ops))
	}
}

// TestFoldedIsTold: stacks are known by their lines, not taken for JSON, and JSON
// and other text are not taken for stacks.
func TestFoldedIsTold(t *testing.T) {
	for in, want := range map[string]string{
		"a;b 1\n":                        "folded",
		"a;b 1":                          "folded",
		"[unknown];main 12\n[x];y;z 3\n": "folded",
		"{closure};main 12\n":            "folded",
		"a;b 1\n" + strings.Repeat("c;dd 22\n", 1000):               "folded",
		"[\n{\"ph\":\"X\",\"ts\":1,\"dur\":1,\"name\":\"a;b\"} 7\n": "chrome-json",
		"a 1\n":          "", // no stack of two frames, and no name
		"a;b 1\nprose\n": "",
		"a;b -1\n":       "",
	} {
		tr, err := trace.Read(strings.NewReader(in), "x", trace.Options{})
		switch {
		case err != nil && want != "":
			t.Errorf("%.20q: %v", in, err)
		case err == nil && tr.Format != want:
			t.Errorf("%.20q is %q, want %q", in, tr.Format, want)
		}
	}
	tr, err := trace.Read(strings.NewReader("a 1\n"), "x.folded", trace.Options{})
	if err != nil || tr.Format != "folded" {
		t.Errorf("by its name: %v", err)
	}
}
