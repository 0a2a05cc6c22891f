// SPDX-License-Identifier: Apache-2.0

package texttab

import (
	"bytes"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/layerscope/layerscope/reports/internal/quantity"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// layers is the table a report opens with: a tree of layers with intervals,
// shares and bars, columns of one scale, a total and a note.
func layers() *Table {
	layer := func(name string, self, lo, hi int64, share float64) Row {
		return Row{Cells: []Cell{Text(name), Int(self).Interval(float64(lo), float64(hi)), Int(self * 7 / 6), Real(share), Real(share), Int(12)}}
	}
	t := &Table{
		Title: "device time per step (median of 12 steps, 95 % CI)",
		Aside: "TPU v6e · bf16",
		Columns: []Column{
			{Header: "layer", Elide: true, Code: true},
			{Header: "self", Key: "self_ps", Group: "time", Unit: quantity.Time, Scale: "time"},
			{Header: "wall", Key: "wall_ps", Group: "time", Unit: quantity.Time, Scale: "time"},
			{Header: "share", Unit: quantity.Share, Of: "op time"},
			{Bar: 12, Unit: quantity.Share},
			{Header: "n", Unit: quantity.Count},
		},
		Rows: []Row{
			layer("embed", 12_400_000, 12_300_000, 12_450_000, 0.0082),
			layer("layer_0 … layer_26", 1_215_700_000, 1_203_000_000, 1_230_000_000, 0.802),
			layer("layer_27/self_attention/flash|paged_kernel", 148_900_000, 140_000_000, 170_000_000, 0.0983),
			layer("unattributed", 0, 0, 0, 0),
		},
		Notes: []string{"slowest of 28: its attention kernel runs twice (fusion.312 became dot + copy), which the other layers' kernels do not"},
	}
	t.Rows[1].Cells[0] = t.Rows[1].Cells[0].Tone(Dim)
	t.Rows[2].Cells[0] = t.Rows[2].Cells[0].Note(1)
	t.Rows[2].Cells[1] = t.Rows[2].Cells[1].Tone(Worse)
	t.Rows[2].Indent = 1
	t.Rows[3].Cells[1] = Int(0)
	t.Rows = append(t.Rows, Row{Total: true, Cells: []Cell{Text("op time"), Int(1_515_100_000), Int(1_620_000_000), Real(1), {}, Int(336)}})
	return t
}

// diff has a text verdict among numbers and a heading over each group of rows.
func diff() *Table {
	row := func(name string, base, now int64, change Cell, p string) Row {
		return Row{Cells: []Cell{Text(name), Int(base), Int(now), change, Text(p)}}
	}
	return &Table{
		Columns: []Column{
			{Header: "layer", Code: true},
			{Header: "self", Group: "base", Unit: quantity.Time, Scale: "t"},
			{Header: "self", Group: "new", Unit: quantity.Time, Scale: "t"},
			{Header: "change", Group: "new", Unit: quantity.Change},
			{Header: "p"},
		},
		Rows: []Row{
			{Heading: "program jit_score"},
			row("attention.flash", 553_200_000, 498_700_000, Real(-0.0985).Tone(Better), "0.000"),
			row("sampler/logits", 384_100_000, 385_000_000, Text("~").Tone(Dim), "0.713"),
			{Heading: "program jit_sampler"},
			row("mlp.matmul", 113_100_000, 141_600_000, Real(0.252).Tone(Worse), "0.000"),
			row("new op", 0, 26_000, Text("added"), ""),
		},
	}
}

// hostile has names that try to leave their cell in every form.
func hostile() *Table {
	return &Table{
		Title: "names <script>alert(1)</script>",
		Columns: []Column{
			{Header: "op", Code: true},
			{Header: "scope|path"},
			{Header: "flop rate", Unit: quantity.FLOPRate},
			{Header: "id"},
		},
		Rows: []Row{
			{Cells: []Cell{Text("a`b``c|d\x1b[2J"), Text("x|y\n| z |"), Real(math.NaN()), Int(1234567)}},
			{Cells: []Cell{Text("`tick`"), Text("_em_ **b** [l](u) <b> &amp; @user #12 a_b"), Real(1.5e12), Int(7)}},
			{Cells: []Cell{Text("\u202egnp.exe"), Text("層/é \"q\", 'x'")}},
		},
	}
}

// list is a table without headers: names and values.
func list() *Table {
	return &Table{
		Columns: []Column{{}, {}},
		Rows: []Row{
			{Cells: []Cell{Text("format"), Text("XSpace, gzip")}},
			{Cells: []Cell{Text("window"), Text(quantity.Format(quantity.Time, quantity.Int(5_044_900_000_000)))}},
		},
	}
}

func empty() *Table {
	return &Table{Title: "findings", Columns: []Column{{Header: "code"}, {Header: "count", Unit: quantity.Count}}}
}

func TestGolden(t *testing.T) {
	tables := map[string]func() *Table{"layers": layers, "diff": diff, "hostile": hostile, "list": list, "empty": empty}
	for name, table := range tables {
		t.Run(name, func(t *testing.T) {
			forms := []struct {
				name  string
				write func(*Table, io.Writer) error
			}{
				{"text", func(t *Table, w io.Writer) error { return t.WriteText(w, Style{}) }},
				{"text, 72 columns", func(t *Table, w io.Writer) error { return t.WriteText(w, Style{Width: 72}) }},
				{"text, plain, 60 columns", func(t *Table, w io.Writer) error { return t.WriteText(w, Style{Width: 60, Plain: true}) }},
				{"markdown", (*Table).WriteMarkdown},
				{"csv", (*Table).WriteCSV},
			}
			got := new(txtar.Archive)
			for _, f := range forms {
				var buf bytes.Buffer
				if err := f.write(table(), &buf); err != nil {
					t.Fatal(err)
				}
				got.Files = append(got.Files, txtar.File{Name: f.name, Data: buf.Bytes()})
			}
			golden(t, filepath.Join("testdata", name+".txtar"), txtar.Format(got))
		})
	}
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", path, diff)
	}
}
