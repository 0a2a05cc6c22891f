// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/layerscope/layerscope/internal/term/termtext"
	"github.com/layerscope/layerscope/trace"
)

// No byte of a hostile name reaches a terminal, a page or a spreadsheet in a
// way that acts there.
func TestHostileNamesAreDefused(t *testing.T) {
	a := hostileAnalysis()
	opts := Options{By: Sections(), All: true}
	var text, md, csv bytes.Buffer
	for _, r := range []*Report{New(a, opts), Inspect(a, opts), Check(a, opts)} {
		if err := errors.Join(r.Text(&text, Style{}), r.Markdown(&md)); err != nil {
			t.Fatal(err)
		}
		if r.records != nil {
			if err := CSV(&csv, r); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, out := range map[string]string{"text": text.String(), "markdown": md.String(), "csv": csv.String()} {
		for _, r := range out {
			if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
				t.Errorf("%s holds %U", name, r)
				break
			}
		}
	}
	for line := range strings.Lines(md.String()) {
		plain := codeSpans(line)
		if strings.Contains(plain, "<b>") || strings.Contains(plain, "@x") {
			t.Errorf("markdown acts on a name: %s", line)
		}
		if strings.HasPrefix(line, "|") && !strings.HasSuffix(strings.TrimSpace(line), "|") {
			t.Errorf("a table row is broken: %s", line)
		}
	}
	if strings.Contains(csv.String(), ",=") || strings.Contains(csv.String(), "\n=") {
		t.Errorf("csv holds a formula:\n%s", csv.String())
	}
	if strings.Contains(text.String()+md.String()+csv.String(), "somebody") {
		t.Error("the name of a home directory is printed")
	}
}

// codeSpans removes inline code from a line of Markdown.
func codeSpans(line string) string {
	for {
		from := strings.IndexByte(line, '`')
		if from < 0 {
			return line
		}
		n := 1
		for from+n < len(line) && line[from+n] == '`' {
			n++
		}
		fence := line[from : from+n]
		to := strings.Index(line[from+n:], fence)
		if to < 0 || from > 0 && line[from-1] == '\\' {
			line = line[:from] + line[from+n:]
			continue
		}
		line = line[:from] + line[from+n+to+n:]
	}
}

func TestTextFitsTheTerminal(t *testing.T) {
	a := model{layers: 28, steps: 10, slow: map[int]float64{3: 3}, unnamed: microsecond}.analysis()
	a.Findings = hostileAnalysis().Findings
	a.Findings[0].Message = strings.Repeat("long words of a message ", 20)
	for _, width := range []int{160, 200} {
		var b bytes.Buffer
		if err := New(a, Options{}).Text(&b, Style{Width: width}); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if w := termtext.Width(strings.TrimRight(line, "\n")); w > width && !strings.Contains(line, "sha256") && !strings.Contains(line, "each: min") && !strings.HasPrefix(line, "─") {
				t.Errorf("width %d: %d cells: %s", width, w, line)
			}
		}
	}
}

func TestColourOnlyAdds(t *testing.T) {
	a := model{layers: 28, steps: 10, slow: map[int]float64{3: 3}}.analysis()
	a.Findings = hostileAnalysis().Findings
	var plain, coloured bytes.Buffer
	if err := errors.Join(New(a, Options{}).Text(&plain, Style{}), New(a, Options{}).Text(&coloured, Style{Color: true})); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(coloured.String(), "\x1b[1mlayer_3") {
		t.Error("the outlier's row isn't set off")
	}
	stripped := coloured.String()
	for _, sgr := range []string{"\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[33m"} {
		stripped = strings.ReplaceAll(stripped, sgr, "")
	}
	if stripped != plain.String() {
		t.Error("without its colours the text differs from the plain one")
	}
}

func TestPlainStyleIsASCII(t *testing.T) {
	a := model{layers: 28, steps: 10, slow: map[int]float64{3: 3}}.analysis()
	var b bytes.Buffer
	if err := New(a, Options{By: Sections()}).Text(&b, Style{Plain: true}); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if strings.ContainsFunc(line, func(r rune) bool { return r > unicode.MaxASCII }) {
			t.Errorf("not ASCII: %s", line)
		}
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestWriteErrorsArePassedOn(t *testing.T) {
	full := errors.New("disk full")
	r := New(model{layers: 2, steps: 2}.analysis(), Options{})
	for name, err := range map[string]error{
		"text": r.Text(failing{full}, Style{}), "markdown": r.Markdown(failing{full}), "csv": CSV(failing{full}, r), "json": r.JSON(failing{full}),
	} {
		if !errors.Is(err, full) {
			t.Errorf("%s: %v, want the writer's error", name, err)
		}
	}
}

// Writing changes nothing: every format can be written again and again.
func TestWritingTwiceIsTheSame(t *testing.T) {
	r := New(model{layers: 28, steps: 3, unnamed: microsecond}.analysis(), Options{})
	for name, write := range map[string]func(*bytes.Buffer) error{
		"text":     func(b *bytes.Buffer) error { return r.Text(b, Style{}) },
		"markdown": func(b *bytes.Buffer) error { return r.Markdown(b) },
		"csv":      func(b *bytes.Buffer) error { return CSV(b, r) },
		"json":     func(b *bytes.Buffer) error { return r.JSON(b) },
	} {
		var one, two bytes.Buffer
		if err := errors.Join(write(&one), write(&two)); err != nil {
			t.Fatal(err)
		}
		if one.Len() == 0 || one.String() != two.String() {
			t.Errorf("%s differs the second time", name)
		}
	}
}

func TestBySelectsAndOrders(t *testing.T) {
	r := New(model{layers: 2, steps: 2}.analysis(), Options{By: []string{"op", "layer", "op", "nonsense"}})
	var titles []string
	for _, b := range r.blocks(r) {
		titles = append(titles, b.title)
	}
	if got, want := strings.Join(titles, ", "), "host.xplane.pb, Top ops, Layers, Findings, Provenance"; got != want {
		t.Errorf("blocks %s, want %s", got, want)
	}
}

func TestTopCutsAndSaysSo(t *testing.T) {
	a := model{layers: 28, steps: 2}.analysis()
	for _, c := range []struct {
		top  int
		want string
	}{{0, ""}, {3, "2 more rows"}, {4, "1 more row"}, {-1, ""}} { // 28 × 3 ops fold to 3 rows, and 2 outside
		var b bytes.Buffer
		if err := New(a, Options{By: []string{"op"}, Top: c.top}).Text(&b, Style{}); err != nil {
			t.Fatal(err)
		}
		if has := strings.Contains(b.String(), "more row"); has != (c.want != "") || !strings.Contains(b.String(), c.want) {
			t.Errorf("Top %d: want %q in:\n%s", c.top, c.want, b.String())
		}
	}
}

// A rate above the peak, and any rate of an op that only starts or awaits work,
// would be read as a measurement of the chip.
func TestImpossibleRates(t *testing.T) {
	a := model{layers: 2, steps: 6}.analysis()
	a.Ops[1].Name, a.Ops[1].Category = "copy-start.1", "copy-start" // 16 MiB in 400 µs is 42 GB/s, of nothing it did itself
	a.Ops[2].Bytes = int64(a.Ops[2].Total) * 2                      // 2 B/ps = 2 TB/s; the HBM of model does 1.64
	var b bytes.Buffer
	if err := New(a, Options{By: []string{"op"}}).Text(&b, Style{}); err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]string)
	for line := range strings.Lines(b.String()) {
		name, _, _ := strings.Cut(line, " ")
		rows[name] = line
	}
	if row := rows["copy-start.1"]; !strings.Contains(row, "layer_0") || strings.Contains(row, "41.9") {
		t.Errorf("a copy-start has a rate: %s", row)
	}
	if row := rows["fusion.0"]; !strings.Contains(row, "2,000.0") || !strings.Contains(row, "¹") {
		t.Errorf("2 TB/s isn't marked: %s", row)
	}
	if want := "¹ above the HBM peak of 1.640 TB/s"; !strings.Contains(b.String(), want) {
		t.Errorf("no %q in:\n%s", want, b.String())
	}
}

func TestVerdict(t *testing.T) {
	a := emptyAnalysis()
	a.Findings = nil
	for _, c := range []struct{ add, want string }{{"", "ok"}, {"info", "ok"}, {"warning", "warning"}, {"error", "error"}, {"info", "error"}} {
		if c.add != "" {
			f := hostileAnalysis().Findings[0]
			f.Severity = trace.Severity(c.add)
			a.Findings = append(a.Findings, f)
		}
		if got := Check(a, Options{}).Verdict(); got != c.want {
			t.Errorf("after adding %q: verdict %s, want %s", c.add, got, c.want)
		}
	}
}

// Every percentage says of what, and only idleness is one of the window.
func TestSharesNameTheirDenominator(t *testing.T) {
	percentage := regexp.MustCompile(`[0-9] %[^0-9]`)
	for _, c := range goldenCases(t) {
		var b bytes.Buffer
		for _, r := range []*Report{New(c.a, Options{By: Sections(), All: true}), Inspect(c.a, c.opts)} {
			if err := r.Markdown(&b); err != nil {
				t.Fatal(err)
			}
		}
		header := true
		for line := range strings.Lines(b.String()) {
			table := strings.HasPrefix(line, "|")
			if table && header && strings.Contains(line, "%") && strings.Count(line, "(%") != strings.Count(line, "(% of ") {
				t.Errorf("%s: a header without a denominator: %s", c.name, line)
			}
			header = !table
			if !table && strings.Contains(line, "window") && strings.Contains(line, "%") && !strings.Contains(line, "idle") {
				t.Errorf("%s: a share of the window: %s", c.name, line)
			}
			if !table && percentage.MatchString(line) && !regexp.MustCompile(` of |of its|interval|confidence`).MatchString(line) {
				t.Errorf("%s: a percentage of nothing: %s", c.name, line)
			}
		}
	}
}
