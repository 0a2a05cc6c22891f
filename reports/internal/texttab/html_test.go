// SPDX-License-Identifier: Apache-2.0

package texttab

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layerscope/layerscope/reports/internal/quantity"
)

func htmlOf(t *testing.T, table *Table, drawn ...Drawn) string {
	t.Helper()
	var b bytes.Buffer
	if err := table.WriteHTML(&b, drawn...); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestHTMLGolden(t *testing.T) {
	got := htmlOf(t, layers()) + htmlOf(t, diff(), Drawn{Header: "drawn", At: 1, Cell: func(row int) string { return fmt.Sprintf("<svg>%d</svg>", row) }})
	path := filepath.Join("testdata", "tables.html")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestHTMLCells is what can't be seen in a golden: that the value for programs is
// exact, that bars are of the largest row and that totals don't count for it.
func TestHTMLCells(t *testing.T) {
	table := &Table{
		Columns: []Column{{Header: "a<b", Code: true}, {Header: "self", Unit: quantity.Time}, {Bar: 8, Unit: quantity.Share}, {Header: "none", Bar: 8, Unit: quantity.Share}},
		Rows: []Row{
			{Cells: []Cell{Text(`<i>"x"`), Int(1_234_567_890_123), Real(0.25)}},
			{Cells: []Cell{Text("y\u202e"), Int(7), Real(0.5)}},
			{Cells: []Cell{Text("all"), Int(1_234_567_890_130), Real(1)}, Total: true},
		},
	}
	got := htmlOf(t, table)
	for _, want := range []string{
		`<th scope="col">a&lt;b</th>`, `<code>&lt;i&gt;&#34;x&#34;</code>`, `<code>y\u202e</code>`, `<th scope="row">all</th>`,
		`data-v="1234567890123"`, `width="50.0%"`, `width="100.0%"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if strings.Contains(got, "none") {
		t.Errorf("a column of empty bars is there:\n%s", got)
	}
}

func TestHTMLRefusesWhatTextRefuses(t *testing.T) {
	bad := &Table{Columns: []Column{{Header: "a"}}, Rows: []Row{{Cells: []Cell{Text("x"), Text("y")}}}}
	if err := bad.WriteHTML(&bytes.Buffer{}); err == nil {
		t.Error("two cells in one column: no error")
	}
}
