// SPDX-License-Identifier: Apache-2.0

package eventtable_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/layerscope/layerscope/reports/eventtable"
)

func rows(list []eventtable.Row, last error) iter.Seq2[*eventtable.Row, error] {
	return func(yield func(*eventtable.Row, error) bool) {
		for i := range list {
			if !yield(&list[i], nil) {
				return
			}
		}
		if last != nil {
			yield(nil, last)
		}
	}
}

// many are rows beyond one buffer of the writer.
func many() []eventtable.Row {
	var out []eventtable.Row
	for i := range 5000 {
		out = append(out, eventtable.Row{Host: "h", Track: "t", Kind: "ops", StartPs: int64(i) * 1000, DurPs: 7, Op: strings.Repeat("o", i%5), RunID: -int64(i), Count: 1, Bytes: 1 << 50})
	}
	return out
}

func TestParquetHoldsEveryRow(t *testing.T) {
	want := many()
	var b bytes.Buffer
	if err := eventtable.Parquet(&b, rows(want, nil)); err != nil {
		t.Fatal(err)
	}
	got, err := parquet.Read[eventtable.Row](bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%.2000s", d)
	}
}

// TestCSVDefusesNames: a cell must not run in a spreadsheet, nor break its row.
func TestCSVDefusesNames(t *testing.T) {
	names := []string{"=cmd()", "+1", "-x", "@sum", "a,b", "quote\"d", "line\nbreak", "\tt", "", "\x1b[1m", "\xff"}
	var list []eventtable.Row
	for _, n := range names {
		list = append(list, eventtable.Row{Op: n})
	}
	var b bytes.Buffer
	if err := eventtable.CSV(&b, rows(list, nil)); err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range records[1:] {
		got = append(got, r[6])
	}
	want := []string{"'=cmd()", "'+1", "'-x", "'@sum", "a,b", "quote\"d", `line\nbreak`, `\tt`, "", `\x1b[1m`, `\xff`}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestErrorsOfRowsComeBack(t *testing.T) {
	bad := errors.New("cut")
	for name, write := range map[string]func() error{
		"csv":     func() error { return eventtable.CSV(&bytes.Buffer{}, rows(many(), bad)) },
		"parquet": func() error { return eventtable.Parquet(&bytes.Buffer{}, rows(many(), bad)) },
	} {
		if err := write(); !errors.Is(err, bad) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
