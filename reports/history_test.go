// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/internal/term/termtext"
	"github.com/layerscope/layerscope/internal/tracetest"
)

// nights is a history of one run a night, 40 ms give or take 0.3, 5 % more from
// the eleventh on.
func nights(n int) *analyze.History {
	h := &analyze.History{Metric: "step", Unit: "ps", Findings: []analyze.Finding{}}
	first := time.Date(2026, 11, 1, 2, 0, 0, 0, time.UTC)
	for i := range n {
		v := 40e9 + 0.3e9*math.Sin(2.3*float64(i))
		if i >= 10 {
			v *= 1.05
		}
		h.Points = append(h.Points, analyze.HistoryPoint{
			Label: fmt.Sprintf("%07x", 0xabc000+i*77), Commit: fmt.Sprintf("%07x%033x", 0xabc000+i*77, 0), Subject: fmt.Sprintf("engine: change %d", i+1),
			UnixNano: first.AddDate(0, 0, i).UnixNano(), Values: []float64{v},
		})
	}
	if n > 5 {
		h.Points[2].Values = append(h.Points[2].Values, 40.4e9, 39.5e9)
		h.Points[4].Disturbed = 1
	}
	return h
}

func TestHistoryGoldens(t *testing.T) {
	few := nights(4)
	few.Findings = append(few.Findings, analyze.Finding{Code: "damaged-record", Severity: "warning", Count: 2, Message: "index/x.json: the text ends early"})
	for name, h := range map[string]*analyze.History{"history": nights(24), "history_few": few} {
		t.Run(name, func(t *testing.T) {
			if err := h.Study(0, 1); err != nil {
				t.Fatal(err)
			}
			r := History(Options{Title: "1 × TPU v6e, smoke", Top: 16}, h)
			var ar txtar.Archive
			for _, out := range []struct {
				name  string
				write func(io.Writer) error
			}{
				{"history.txt", func(w io.Writer) error { return r.Text(w, Style{}) }},
				{"narrow.txt", func(w io.Writer) error { return r.Text(w, Style{Width: 70}) }},
				{"history.md", r.Markdown},
				{"history.csv", func(w io.Writer) error { return CSV(w, r) }},
				{"history.svg", r.SVG},
			} {
				var b bytes.Buffer
				if err := out.write(&b); err != nil {
					t.Fatalf("%s: %v", out.name, err)
				}
				ar.Files = append(ar.Files, txtar.File{Name: out.name, Data: b.Bytes()})
			}
			golden(t, filepath.Join("testdata", "golden", name+".txtar"), txtar.Format(&ar))
			if name == "history" {
				shown(t, "docs/history.md", ar.Files[0].Data)
				shown(t, "docs/img/history.svg", ar.Files[4].Data)
			}
		})
	}
}

// shown checks that a document shows what is written now.
func shown(t *testing.T, name string, text []byte) {
	t.Helper()
	doc, err := os.ReadFile(filepath.Join(tracetest.Root(t), filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(doc, text) {
		t.Errorf("%s shows something else than:\n%s", name, text)
	}
}

func TestHistoryJSONFollowsItsSchema(t *testing.T) {
	c := jsonschema.NewCompiler()
	schema, err := c.Compile(filepath.Join(tracetest.Root(t), "docs", "schema", "history.v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 4, 24} {
		h := nights(n)
		if n == 4 {
			h.Points[0].UnixNano = 0
		}
		if err := h.Study(0, 1); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := History(Options{}, h).JSON(&b); err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(doc); err != nil {
			t.Errorf("%d points: %v", n, err)
		}
		var got jsonHistory
		if err := json.Unmarshal(b.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if len(got.Points) != n || n == 24 && (len(got.Changes) != 1 || got.Changes[0].Commit != h.Points[got.Changes[0].Index].Commit || got.Runs != 26) {
			t.Errorf("%+v", got)
		}
	}
}

// Whatever a commit calls itself: no control characters on a terminal, no markup
// in a page, no formula in a spreadsheet, an SVG that is XML.
func TestHistoryHostileNames(t *testing.T) {
	evil := "=cmd|' /C calc'!A0 \x1b[31m</text><script>alert(1)</script> \u202e|*"
	h := nights(24)
	for i := range h.Points {
		h.Points[i].Label, h.Points[i].Subject = evil, evil
	}
	if err := h.Study(0, 1); err != nil {
		t.Fatal(err)
	}
	h.Metric = evil
	r := History(Options{Title: evil, All: true}, h)
	for name, write := range map[string]func(io.Writer) error{
		"text": func(w io.Writer) error { return r.Text(w, Style{}) }, "md": r.Markdown, "csv": func(w io.Writer) error { return CSV(w, r) }, "svg": r.SVG,
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		text := b.String()
		if strings.ContainsAny(text, "\x1b\u202e") {
			t.Errorf("%s: control characters", name)
		}
		switch name {
		case "svg":
			d := xml.NewDecoder(&b)
			for {
				_, err := d.Token()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if strings.Contains(text, "<script") {
				t.Error("svg: a script")
			}
		case "md":
			if strings.Contains(regexp.MustCompile("`[^`]*`").ReplaceAllString(text, "code"), "<script") {
				t.Error("md: a script")
			}
		case "csv":
			if strings.Contains(text, ",=cmd") || strings.Contains(text, "\n=cmd") {
				t.Error("csv: a formula")
			}
		}
	}
}

func TestHistoryFitsTheTerminal(t *testing.T) {
	h := nights(24)
	if err := h.Study(0, 1); err != nil {
		t.Fatal(err)
	}
	for _, width := range []int{60, 80, 120} {
		var b bytes.Buffer
		if err := History(Options{}, h).Text(&b, Style{Width: width}); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if w := termtext.Width(strings.TrimSuffix(line, "\n")); w > width {
				t.Errorf("width %d: a line of %d: %s", width, w, line)
			}
		}
	}
}

func TestNoChart(t *testing.T) {
	if err := Check(&analyze.Analysis{}, Options{}).SVG(io.Discard); err == nil {
		t.Error("a chart of findings")
	}
}
