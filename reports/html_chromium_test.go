// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	printing "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/internal/tracetest"
	"github.com/layerscope/layerscope/trace"
)

// browser starts Chromium for one test, or skips it where there is none.
func browser(t *testing.T) context.Context {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("no chromium, chromium-browser or google-chrome on the path")
	}
	if testing.Short() {
		t.Skip("starts a browser")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.Flag("no-sandbox", true), chromedp.Flag("disable-gpu", true))
	ctx, cancel = chromedp.NewExecAllocator(ctx, flags...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Skipf("%s doesn't start: %v", path, err)
	}
	return ctx
}

// An openPage is a page that is open in the browser.
type openPage struct {
	t        *testing.T
	ctx      context.Context
	mu       sync.Mutex
	problems []string // of the console, uncaught errors, refused by the policy
	requests []string
}

// open shows a report in a tab of its own.
func open(ctx context.Context, t *testing.T, r *Report) *openPage {
	t.Helper()
	path := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(path, []byte(htmlOf(t, r)), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	p := &openPage{t: t, ctx: ctx}
	p.do(chromedp.EmulateViewport(1280, 900))
	p.scheme("light")
	if err := chromedp.Listen(ctx, p.event); err != nil {
		t.Fatal(err)
	}
	p.do(chromedp.Navigate("file://" + path))
	return p
}

func (p *openPage) event(ev any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch ev := ev.(type) {
	case *runtime.EventConsoleAPICalled:
		p.problems = append(p.problems, fmt.Sprintf("console.%s with %d arguments", ev.Type, len(ev.Args)))
	case *runtime.EventExceptionThrown:
		text := ev.ExceptionDetails.Text
		if e := ev.ExceptionDetails.Exception; e != nil {
			text += " " + e.Description
		}
		p.problems = append(p.problems, text)
	case *log.EventEntryAdded:
		p.problems = append(p.problems, ev.Entry.Text)
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, ev.Request.URL)
	}
}

func (p *openPage) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

// eval returns what an expression is as text.
func (p *openPage) eval(expr string) string {
	p.t.Helper()
	s, err := chromedp.Run(p.ctx, chromedp.Evaluate[string]("String("+expr+")"))
	if err != nil {
		p.t.Fatalf("%s: %v", expr, err)
	}
	return s
}

// want compares what an expression is with what it should be.
func (p *openPage) want(expr, want string) {
	p.t.Helper()
	if got := p.eval(expr); got != want {
		p.t.Errorf("%s\n got %q\nwant %q", expr, got, want)
	}
}

func (p *openPage) text(css string) string {
	p.t.Helper()
	return p.eval("document.querySelector(" + fmt.Sprintf("%q", css) + ").textContent")
}

func (p *openPage) click(css string) {
	p.t.Helper()
	p.do(chromedp.Click(chromedp.CSS(css)))
}

func (p *openPage) press(keys ...string) {
	p.t.Helper()
	for _, k := range keys {
		p.do(chromedp.KeyEvent(k))
	}
}

// scheme makes the page light or dark.
func (p *openPage) scheme(name string) {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: name},
		{Name: "prefers-reduced-motion", Value: "reduce"}, // a page that scrolls smoothly moves away below a click
	}})
	if err != nil {
		p.t.Fatal(err)
	}
}

// clean fails the test for anything on the console, and for any request beside
// the page itself.
func (p *openPage) clean() {
	p.t.Helper()
	p.eval("1") // what came before it has arrived
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.problems {
		p.t.Errorf("the browser says: %s", s)
	}
	if len(p.requests) != 1 || !strings.HasPrefix(p.requests[0], "file://") {
		p.t.Errorf("requests: %q, want the page alone", p.requests)
	}
}

func captured(t *testing.T, name string) *analyze.Analysis {
	t.Helper()
	tr, err := trace.Open(filepath.Join(tracetest.Root(t), "testdata", "captures", name), trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	a, err := analyze.Analyze(tr, analyze.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestChromiumOpens opens pages of all sorts, light and dark, wide and narrow,
// on screen and paper.
func TestChromiumOpens(t *testing.T) {
	ctx := browser(t)
	pages := map[string]*Report{
		"diff": Diff(Options{}, slowedLayer(t)), "slow_a": New(captured(t, "slow_a.xplane.pb.gz"), Options{}),
		"check": Check(model{layers: 2}.analysis(), Options{}), "hostile": New(hostileAnalysis(), Options{}),
		"memory": Memory(memoryUse(), memoryGrowth(), Options{}), "report with memory": New(withMemory(t), Options{}),
		"64 layers": New(model{layers: 64, steps: 200, slow: map[int]float64{7: 2}}.analysis(), Options{}),
	}
	for _, c := range goldenCases(t) {
		switch c.name {
		case "empty_capture", "no_layers", "several_devices", "filtered", "excluded_steps":
			pages[c.name] = New(c.a, c.opts)
		}
	}
	for name, r := range pages {
		t.Run(name, func(t *testing.T) {
			p := open(ctx, t, r)
			p.want("document.querySelectorAll('h1').length", "1")
			light := p.eval("getComputedStyle(document.body).backgroundColor")
			p.scheme("dark")
			if dark := p.eval("getComputedStyle(document.body).backgroundColor"); dark == light {
				t.Errorf("%s in both colour schemes", dark)
			}
			if name != "hostile" && name != "memory" { // its names have no place to break at
				for _, width := range []int64{1280, 420} {
					p.do(chromedp.EmulateViewport(width, 900))
					p.want("document.documentElement.scrollWidth <= innerWidth", "true")
				}
			}
			pdf, err := chromedp.Call(p.ctx, printing.PrintToPDF, printing.PrintToPDFParams{})
			if err != nil || len(pdf.Data) < 10_000 {
				t.Errorf("printed: %d bytes, %v", len(pdf.Data), err)
			}
			p.clean()
		})
	}
}

// TestChromiumSeesProblems makes sure that clean would notice.
func TestChromiumSeesProblems(t *testing.T) {
	p := open(browser(t), t, Check(model{layers: 2}.analysis(), Options{}))
	p.eval("console.error('x')")
	p.eval("setTimeout(() => { throw new Error('y') }, 0)")
	p.eval("document.body.setAttribute('onclick', 'z()')")
	p.eval("document.body.append(Object.assign(document.createElement('img'), {src: 'https://example.invalid/x.png'}))")
	p.eval("new Promise((done) => setTimeout(done, 50))")
	for range 100 {
		p.mu.Lock()
		n := len(p.problems)
		p.mu.Unlock()
		if n >= 4 {
			break
		}
		p.eval("1")
	}
	all := strings.Join(p.problems, "\n")
	for _, want := range []string{"console.error", "y", "script-src", "img-src"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not among what the browser says:\n%s", want, all)
		}
	}
}
