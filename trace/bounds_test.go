// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/layerscope/layerscope/trace"
)

func read(t *testing.T, name, doc string) *trace.Trace {
	t.Helper()
	tr, err := trace.Read(strings.NewReader(doc), name, trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// A track of plain events and of sums yields them in batches of their own: a plain
// event keeps its time.
func TestPlainEventsBesideSums(t *testing.T) {
	const doc = `layerscope-trace 1
device /device:TPU:0 tpu
op 0 name=a
track ops device=0
  0 10 0
  0 50 0 count=3 self=40 min=9
  20 10 0
  30 10 0
`
	tr := read(t, "mixed.txt", doc)
	var got []string
	for b, err := range tr.Tracks[0].Batches() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%d events, sums %t", b.Len(), b.Self != nil))
	}
	if want := "1 events, sums false; 1 events, sums true; 2 events, sums false"; strings.Join(got, "; ") != want {
		t.Errorf("batches: %s; want %s", strings.Join(got, "; "), want)
	}
	if out := text(t, tr); out != text(t, read(t, "again.txt", out)) {
		t.Errorf("changed when read back:\n%s", out)
	}
}

func TestNegativeDurationIsAnError(t *testing.T) {
	_, err := trace.Read(strings.NewReader("layerscope-trace 1\nop a\ntrack ops\n  5 -1 a\n"), "t.txt", trace.Options{})
	if err == nil || !strings.Contains(err.Error(), "line 4: an event lasts -1 ps, wanted 0 or more") {
		t.Errorf("error %v", err)
	}
}

// Findings of one code with ever new messages are counted together.
func TestFindingsAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("layerscope-trace 1\n")
	const n = 10_000
	for i := range n {
		fmt.Fprintf(&b, "finding damaged warning \"record %d\" count=2\n", i)
	}
	b.WriteString("finding damaged warning \"record 3\"\n")
	tr := read(t, "findings.txt", b.String())
	var sum int64
	for _, f := range tr.Findings {
		sum += f.Count
	}
	if len(tr.Findings) != 65 || sum != 2*n+1 || tr.Findings[3].Count != 3 {
		t.Errorf("%d findings with %d, the fourth %d times; want 65 with %d, 3 times", len(tr.Findings), sum, tr.Findings[3].Count, 2*n+1)
	}
}

// Events beyond the limit of distinct ones have a row of their own: no other row
// takes their name, program or time.
func TestDistinctEventsBeyondLimit(t *testing.T) {
	const n = 1<<19 + 1000
	var b strings.Builder
	b.WriteString(`{"traceEvents":[`)
	for i := range n {
		fmt.Fprintf(&b, `{"ph":"X","pid":1,"tid":1,"ts":%d,"dur":1,"name":"%d","args":{"hlo_op":"op%d","hlo_module":"m"}},`+"\n", i, i, i)
	}
	b.WriteString(`{}]}`)
	tr := read(t, "host.trace.json", b.String())
	rest := trace.OpID(len(tr.Ops) - 1)
	if op := tr.Ops[rest-1]; op.Name != fmt.Sprintf("op%d", rest-1) {
		t.Errorf("last op in the limit is %q, want op%d", op.Name, rest-1)
	}
	if !strings.Contains(tr.Ops[rest].Name, "beyond the limit") {
		t.Errorf("op of the rest is %q", tr.Ops[rest].Name)
	}
	count := 0
	for _, track := range tr.Tracks {
		for batch, err := range track.Batches() {
			if err != nil {
				t.Fatal(err)
			}
			for _, op := range batch.Op {
				if op == rest {
					count++
				}
			}
		}
	}
	if want := n - int(rest); count != want {
		t.Errorf("%d events of the rest, want %d", count, want)
	}
}
