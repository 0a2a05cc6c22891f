// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/layerscope/layerscope/analyze"
)

// randomAnalysis draws layers with random ops, some of them unattributed.
func randomAnalysis(t *rapid.T) *analyze.Analysis {
	m := model{
		layers:  rapid.IntRange(0, 40).Draw(t, "layers"),
		steps:   rapid.IntRange(0, 9).Draw(t, "steps"),
		devices: rapid.IntRange(1, 3).Draw(t, "devices"),
		unnamed: analyze.Duration(rapid.Int64Range(0, 1e10).Draw(t, "unnamed")),
	}
	a := m.analysis()
	scale := rapid.SampledFrom([]int64{1, 1e3, 1e6, 1e9}).Draw(t, "scale")
	index := make(map[string]int)
	for i := range a.Layers.Rows {
		index[a.Layers.Rows[i].Key] = i
		a.Layers.Rows[i].Self = 0
	}
	a.Layers.Unattributed, a.Layers.OpTime = 0, 0
	for i := range a.Ops {
		o := &a.Ops[i]
		o.Self = analyze.Duration(rapid.Int64Range(0, 1000*scale).Draw(t, "self"))
		a.Layers.OpTime += o.Self
		if k, ok := index[o.Layer]; ok {
			a.Layers.Rows[k].Self += o.Self
		} else {
			a.Layers.Unattributed += o.Self
		}
	}
	for i := range a.Devices {
		a.Devices[i].OpTime = 0
	}
	a.Devices[0].OpTime = a.Layers.OpTime
	a.Programs[0].OpTime = a.Layers.OpTime
	a.Components, a.Categories, a.Scopes = sumComponents(a.Ops), sumCategories(a.Ops), sumScopes(a.Ops)
	return a
}

// A part is one row of a printed Markdown table.
type part struct {
	name  string
	self  float64 // in the column's unit
	unit  float64 // one of the last decimal
	share float64
}

var tableTitle = regexp.MustCompile(`(?m)^### (.*)$`)

// printedTables parses the Markdown report's tables that have a self column:
// title → rows, the total last.
func printedTables(t *rapid.T, md string) map[string][]part {
	out := make(map[string][]part)
	title, self, share := "", -1, -1
	for line := range strings.Lines(md) {
		if m := tableTitle.FindStringSubmatch(line); m != nil {
			title, self, share = m[1], -1, -1
			continue
		}
		if !strings.HasPrefix(line, "|") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if self < 0 {
			for i, c := range cells {
				switch c = strings.TrimSpace(c); {
				case strings.HasPrefix(c, "self (%") || strings.HasPrefix(c, "share (%"):
					share = i
				case strings.HasPrefix(c, "self (") || strings.HasPrefix(c, "op time ("):
					self = i
				}
			}
			continue
		}
		if strings.Contains(cells[0], "---") {
			continue
		}
		p := part{name: strings.Trim(cells[0], " *`")}
		p.self, p.unit = printed(t, cells[self])
		p.share, _ = printed(t, cells[share])
		out[title] = append(out[title], p)
	}
	return out
}

// printed parses a number as reports print it; "<0.1" is taken as 0.
func printed(t *rapid.T, cell string) (value, unit float64) {
	s := strings.ReplaceAll(strings.Trim(cell, " *"), ",", "")
	if s == "" {
		return 0, 0
	}
	unit = 1
	if _, frac, ok := strings.Cut(s, "."); ok {
		unit = math.Pow10(-len(frac))
	}
	if strings.HasPrefix(s, "&lt;") {
		return 0, unit
	}
	value, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatalf("cell %q: %v", cell, err)
	}
	return value, unit
}

// The rows of every printed table add up to its total row, within the rounding
// of each row, and the total is the same op time everywhere.
func TestPrintedPartsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := randomAnalysis(t)
		opts := Options{
			By:  []string{"layer", "component", "category", "op", "program", "scope", "source"},
			All: rapid.Bool().Draw(t, "all"), Top: rapid.IntRange(-1, 5).Draw(t, "top"),
		}
		if rapid.Bool().Draw(t, "filtered") {
			f, err := ParseFilter("component:mlp")
			if err != nil {
				t.Fatal(err)
			}
			opts.Filter = f
		}
		var b bytes.Buffer
		if err := New(a, opts).Markdown(&b); err != nil {
			t.Fatal(err)
		}
		tables := printedTables(t, b.String())
		for _, title := range []string{"Layers", "Top ops", "Programs", "Scopes", "Source lines"} { // the others may be empty
			if len(tables[title]) == 0 && a.Layers.OpTime > 0 {
				t.Fatalf("no table %q:\n%s", title, b.String())
			}
		}
		for title, rows := range tables {
			total := rows[len(rows)-1]
			var self, share, slack float64
			for _, p := range rows[:len(rows)-1] {
				self += p.self
				share += p.share
				slack += p.unit
			}
			if math.Abs(self-total.self) > slack+total.unit+1e-9*total.self {
				t.Errorf("%s: rows add up to %v, total says %v", title, self, total.self)
			}
			if math.Abs(share-100) > 0.1*float64(len(rows)) && a.Layers.OpTime > 0 {
				t.Errorf("%s: shares add up to %v %%", title, share)
			}
		}
	})
}

// The CSV's sections each add up to op time, to the picosecond.
func TestCSVSectionsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := randomAnalysis(t)
		var b bytes.Buffer
		if err := CSV(&b, New(a, Options{By: []string{"layer", "component", "category", "op", "program", "scope", "source"}})); err != nil {
			t.Fatal(err)
		}
		records, err := csv.NewReader(&b).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		sums := make(map[string]analyze.Duration)
		for _, rec := range records[1:] {
			n, err := strconv.ParseInt(rec[12], 10, 64)
			if err != nil || records[0][12] != "self_ps" {
				t.Fatalf("record %q: %v", rec, err)
			}
			sums[rec[1]] += analyze.Duration(n)
		}
		for name, sum := range sums {
			if sum != a.Layers.OpTime {
				t.Errorf("%s adds up to %d, op time is %d", name, sum, a.Layers.OpTime)
			}
		}
	})
}

// Splitting the ops by any filter loses and invents nothing.
func TestFilterSplitsOpTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := randomAnalysis(t)
		expr := rapid.SampledFrom([]string{"component:mlp", "layer:layer_1*", "op:fusion*", "layer:unattributed", "scope:/attention/"}).Draw(t, "filter")
		var sum analyze.Duration
		for _, e := range []string{expr, "-" + expr} {
			f, err := ParseFilter(e)
			if err != nil {
				t.Fatal(err)
			}
			l := restrict(a, f).Layers
			rows := l.Unattributed
			for i := range l.Rows {
				rows += l.Rows[i].Self
			}
			if rows != l.OpTime {
				t.Errorf("%s: rows %d, op time %d", e, rows, l.OpTime)
			}
			sum += l.OpTime
		}
		if sum != a.Layers.OpTime {
			t.Errorf("%s and its negation: %d, op time %d", expr, sum, a.Layers.OpTime)
		}
	})
}

// A report without a filter and one with a filter that matches all agree on
// every sum.
func TestFilterOfEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := randomAnalysis(t)
		f, err := ParseFilter("op:*")
		if err != nil {
			t.Fatal(err)
		}
		got := restrict(a, f)
		for i := range a.Layers.Rows {
			want := &a.Layers.Rows[i]
			if i >= len(got.Layers.Rows) {
				t.Fatalf("row %s is missing", want.Key)
			}
			row := &got.Layers.Rows[i]
			if fmt.Sprint(row.Key, row.Index, row.Self) != fmt.Sprint(want.Key, want.Index, want.Self) {
				t.Errorf("row %d: %s %d, want %s %d", i, row.Key, row.Self, want.Key, want.Self)
			}
		}
		if got.Layers.Count != a.Layers.Count || got.Layers.Unattributed != a.Layers.Unattributed {
			t.Errorf("count %d, unattributed %d, want %d, %d", got.Layers.Count, got.Layers.Unattributed, a.Layers.Count, a.Layers.Unattributed)
		}
	})
}
