// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/internal/term/termtext"
)

func htmlOf(t failer, r *Report) string {
	var b bytes.Buffer
	if err := r.HTML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var (
	rawElements = regexp.MustCompile(`(?s)<(script|style)([^>]*)>(.*?)</(?:script|style)>`)
	dataElement = regexp.MustCompile(`(?s)<script type="application/json" id="data">(.*?)</script>`)
)

// pageElements are the start tags of a page in order; an error when elements
// aren't properly nested.
func pageElements(page string) ([]xml.StartElement, error) {
	page = rawElements.ReplaceAllString(page, "<$1$2></$1>")
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, []string{"meta", "link"}, xml.HTMLEntity
	var out []xml.StartElement
	var open []string
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			if len(open) > 0 {
				return out, errors.New("never closed: " + strings.Join(open, " "))
			}
			return out, nil
		}
		if err != nil {
			return out, err
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			out = append(out, tok.Copy())
			open = append(open, tok.Name.Local)
		case xml.EndElement:
			if open[len(open)-1] != tok.Name.Local {
				return out, errors.New("</" + tok.Name.Local + "> closes <" + open[len(open)-1] + ">")
			}
			open = open[:len(open)-1]
		}
	}
}

func attr(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// TestHTMLIsOneFile checks what a page may consist of: nothing that loads, no
// style or script but the two that its policy names, no id twice.
func TestHTMLIsOneFile(t *testing.T) {
	pages := map[string]*Report{"diff": Diff(Options{}, slowedLayer(t)), "inspect": Inspect(model{layers: 2}.analysis(), Options{}),
		"memory": Memory(memoryUse(), memoryGrowth(), Options{}), "memory diff": MemoryDiff(memoryComparison(), nil, Options{}), "report with memory": New(withMemory(t), Options{})}
	for _, c := range goldenCases(t) {
		pages[c.name] = New(c.a, c.opts)
	}
	for name, r := range pages {
		t.Run(name, func(t *testing.T) {
			page := htmlOf(t, r)
			elements, err := pageElements(page)
			if err != nil {
				t.Fatal(err)
			}
			checkElements(t, elements)
			for _, m := range rawElements.FindAllStringSubmatch(page, -1) {
				if strings.Contains(m[2], "application/json") {
					continue
				}
				if !strings.Contains(page, hashed(m[3])) {
					t.Errorf("the policy has no hash of this %s: %.60q…", m[1], m[3])
				}
			}
			if m := regexp.MustCompile(`https?://[^"'\s<]*`).FindAllString(page, -1); slices.ContainsFunc(m, func(u string) bool { return u != "http://www.w3.org/2000/svg" }) {
				t.Errorf("addresses in the page: %q", m)
			}
		})
	}
}

func slowedLayer(t *testing.T) *analyze.Comparison {
	return compared(t, sideOf("base", model{layers: 28, steps: 10}, 3), sideOf("new", model{layers: 28, steps: 10, slow: map[int]float64{3: 1.5}}, 3), "layer>+3%")
}

func checkElements(t *testing.T, elements []xml.StartElement) {
	t.Helper()
	ids := make(map[string]bool)
	for _, e := range elements {
		if id := attr(e, "id"); id != "" {
			if ids[id] {
				t.Errorf("id %q twice", id)
			}
			ids[id] = true
		}
	}
	for _, e := range elements {
		for _, a := range e.Attr {
			switch n := a.Name.Local; {
			case strings.HasPrefix(n, "on"), n == "style", n == "src", n == "srcset", n == "action", n == "data":
				t.Errorf("<%s> has %s=%q", e.Name.Local, n, a.Value)
			case n == "href" && a.Value != "data:," && !(strings.HasPrefix(a.Value, "#") && ids[a.Value[1:]]):
				t.Errorf("<%s> links to %q", e.Name.Local, a.Value)
			case n == "aria-labelledby":
				for _, id := range strings.Fields(a.Value) {
					if !ids[id] {
						t.Errorf("<%s> is labelled by %q, which isn't there", e.Name.Local, id)
					}
				}
			}
		}
	}
}

// TestHTMLSize holds the page to 400 kB besides its data.
func TestHTMLSize(t *testing.T) {
	page := htmlOf(t, New(model{layers: 64, steps: 12}.analysis(), Options{}))
	data := len(dataElement.FindString(page))
	if fixed := len(pageScript) + len(pageStyle); fixed > 100_000 {
		t.Errorf("script and style are %d bytes", fixed)
	}
	if rest := len(page) - data; rest > 400_000 {
		t.Errorf("the page without its data is %d bytes, at most 400,000 wanted", rest)
	}
}

// named is an analysis in which every name that a capture can choose is name.
func named(name string) *analyze.Analysis {
	a := model{layers: 3, steps: 3, unnamed: microsecond}.analysis()
	a.Inputs[0].Path, a.Lossy, a.Layers.Why, a.Capture.StepSource = name, "x"+name, name, name
	for i := range a.Ops {
		o := &a.Ops[i]
		o.Name, o.Category, o.Scope, o.Source, o.Program, o.BoundBy, o.Long, o.Shape = name, name, name, name, name, name, name+" = f()", name
	}
	for i := range a.Layers.Rows {
		a.Layers.Rows[i].Note = "a footnote, as it is longer than forty bytes: " + name
	}
	for i := range a.Steps {
		a.Steps[i].Name, a.Steps[i].Reason = name, name
	}
	a.Layers.UnattributedOps[0].Name = name
	a.Categories, a.Scopes = sumCategories(a.Ops), []analyze.Scope{{Path: name, Self: a.Layers.OpTime, Total: a.Layers.OpTime}}
	a.Programs[0].Name, a.Devices[0].Name, a.Devices[0].Type = name, name, name
	a.Capture.Hosts, a.Capture.Metadata = []string{name}, map[string]string{"k" + name: name}
	a.Findings = []analyze.Finding{{Code: name, Severity: "warning", Message: "m" + name, Count: 1, Hint: "h" + name}}
	return a
}

// injections are names that mean something to somebody on the way.
var injections = []string{
	`<img src=x onerror=document.title='pwned'>`,
	`</script><script>document.title='pwned'</script>`,
	`</style></title><svg onload=document.title='pwned'>`,
	`"><b onclick="x">`, `' onmouseover='x`, `<!--<script>`, `]]>`, `&lt;b&gt;`, `javascript:alert(1)`, `${document.title='pwned'}`,
	"a\u202eb\u2066c", "\x1b[31mred\x00\x07", "line\nbreak\u2028and\u2029more", "\xff\xfe", `{{.}}`, `__proto__`, `constructor`,
}

// twin is a harmless name that is displayed as wide as name, with its spaces and
// slashes: long notes and scopes of several parts are other elements.
func twin(name string) string {
	var b strings.Builder
	for _, r := range displayed(name) {
		if r == ' ' || r == '/' {
			b.WriteRune(r)
			continue
		}
		b.WriteString(strings.Repeat("x", termtext.Width(string(r))))
	}
	return b.String()
}

// TestHTMLNamesAreText gives every name of a capture a meaning elsewhere and
// wants the elements of the page to stay those of a harmless one.
func TestHTMLNamesAreText(t *testing.T) {
	for _, name := range injections {
		want := tags(t, htmlOf(t, New(named(twin(name)), Options{})))
		page := htmlOf(t, New(named(name), Options{}))
		if diff := cmp.Diff(want, tags(t, page)); diff != "" {
			t.Errorf("%q changes the page (-want +got):\n%s", name, diff)
		}
		checkData(t, page, name)
	}
}

func TestHTMLNamesAreTextProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := "n" + rapid.OneOf(rapid.String(), rapid.StringMatching(`[<>&"'/=! a-z-]{1,20}`)).Draw(t, "name")
		if strings.Contains(name, "/") {
			name = strings.ReplaceAll(name, "/", "|") // separates scopes
		}
		want := tags(t, htmlOf(t, New(named(twin(name)), Options{})))
		page := htmlOf(t, New(named(name), Options{}))
		if diff := cmp.Diff(want, tags(t, page)); diff != "" {
			t.Fatalf("%q changes the page (-want +got):\n%s", name, diff)
		}
		checkData(t, page, name)
	})
}

// A failer is a test of testing or rapid.
type failer interface {
	Helper()
	Fatal(...any)
	Errorf(string, ...any)
}

// checkData wants the op's name in the data as it is shown, and nothing that a
// parser of HTML would act on.
func checkData(t failer, page, name string) {
	t.Helper()
	m := dataElement.FindStringSubmatch(page)
	if m == nil {
		t.Fatal("no data in the page")
	}
	if i := strings.IndexAny(m[1], "<>&\u2028\u2029"); i >= 0 {
		t.Errorf("%q: data holds %q", name, m[1][max(0, i-20):min(len(m[1]), i+20)])
	}
	var data pageData
	if err := json.Unmarshal([]byte(m[1]), &data); err != nil {
		t.Fatal(err)
	}
	if got := data.Ops.Name[0]; got != displayed(name) {
		t.Errorf("the op %q is %q in the data, want %q", name, got, displayed(name))
	}
}

// tags are the names of a page's elements and of their attributes, in order.
// Classes are left out: long text gets one.
func tags(t failer, page string) []string {
	elements, err := pageElements(page)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range elements {
		tag := e.Name.Local
		for _, a := range e.Attr {
			if a.Name.Local != "class" {
				tag += " " + a.Name.Local
			}
		}
		out = append(out, tag)
	}
	return out
}

// TestHTMLData holds the data against the analysis: what is left out is said.
func TestHTMLData(t *testing.T) {
	a := model{layers: 64, steps: 3, unnamed: 7 * microsecond, slow: map[int]float64{5: 3}}.analysis()
	for i := range a.Layers.Rows {
		a.Layers.Rows[i].PerStep = make([]analyze.Duration, len(a.Steps))
	}
	extra := pageOps + 3 - len(a.Ops)
	for range extra {
		a.Ops = append(a.Ops, analyze.Op{Name: "nop", Self: 1, Total: 1, Occurrences: 1})
		a.Layers.OpTime++
		a.Devices[0].OpTime++
	}
	r := New(a, Options{})
	d := r.pageData()
	if d.OpCount != len(a.Ops) || len(d.Ops.Name) != pageOps || d.OpTime-d.Listed != 3 {
		t.Errorf("%d of %d ops with %d of %d ps, want %d of %d and 3 ps missing", len(d.Ops.Name), d.OpCount, d.Listed, d.OpTime, pageOps, len(a.Ops))
	}
	var sum int64
	for i, l := range d.Layers {
		sum += l.Self
		if len(l.Steps) != 3 {
			t.Errorf("%s has %d steps", l.Key, len(l.Steps))
		}
		if (l.Ratio > 0) != (a.Layers.Rows[i].Index == 5) {
			t.Errorf("%s: ratio %g", l.Key, l.Ratio)
		}
	}
	if want := d.OpTime - int64(a.Layers.Unattributed) - int64(extra); sum != want {
		t.Errorf("layers sum to %d, want %d", sum, want)
	}
	groups := make(map[int]int)
	for _, g := range d.Ops.Group {
		groups[g]++
	}
	if groups[d.Ops.Group[slices.Index(d.Ops.Name, "custom-call.7")]] != 64 {
		t.Errorf("the attention ops of 64 layers are not one group: %v", groups)
	}
}
