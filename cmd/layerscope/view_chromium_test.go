// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/layerscope/layerscope/internal/term"
	"github.com/layerscope/layerscope/reports/viewer"
)

// A viewed page is one that a browser has open.
type viewed struct {
	t        *testing.T
	ctx      context.Context
	mu       sync.Mutex
	problems []string
	foreign  []string // requests to other hosts
	own      string
}

// chromium starts a browser for one test, or skips it where there is none.
func chromium(t *testing.T, own string) *viewed {
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
	v := &viewed{t: t, ctx: ctx, own: own}
	v.do(chromedp.EmulateViewport(1280, 900))
	if err := chromedp.Listen(ctx, v.event); err != nil {
		t.Fatal(err)
	}
	return v
}

func (v *viewed) event(ev any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch ev := ev.(type) {
	case *runtime.EventConsoleAPICalled:
		if ev.Type == "error" || ev.Type == "warning" { // speedscope tells how long it took
			v.problems = append(v.problems, fmt.Sprintf("console.%s with %d arguments", ev.Type, len(ev.Args)))
		}
	case *runtime.EventExceptionThrown:
		v.problems = append(v.problems, ev.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		if !strings.Contains(ev.Entry.Text, "WebGL") { // there is no GPU
			v.problems = append(v.problems, ev.Entry.Text)
		}
	case *network.EventRequestWillBeSent:
		if u := ev.Request.URL; !strings.HasPrefix(u, v.own) && !strings.HasPrefix(u, "data:") && !strings.HasPrefix(u, "blob:") {
			v.foreign = append(v.foreign, u)
		}
	}
}

func (v *viewed) do(steps ...chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	if err := chromedp.Do(v.ctx, steps...); err != nil {
		v.t.Fatal(err)
	}
}

func (v *viewed) open(path string) {
	v.t.Helper()
	v.do(chromedp.Navigate(v.own + path))
}

func (v *viewed) click(css string) {
	v.t.Helper()
	v.do(chromedp.Click(chromedp.CSS(css)))
}

func (v *viewed) eval(expr string) string {
	v.t.Helper()
	s, err := chromedp.Run(v.ctx, chromedp.Evaluate[string]("String("+expr+")"))
	if err != nil {
		v.t.Fatalf("%s: %v", expr, err)
	}
	return s
}

// until waits for an expression to be true.
func (v *viewed) until(expr string) {
	v.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if v.eval("!!("+expr+")") == "true" {
			return
		}
	}
	v.t.Fatalf("not within 30 s: %s\npage: %s", expr, v.eval("document.body.innerText"))
}

// shot keeps a picture of the page where LAYERSCOPE_SHOTS names a directory.
func (v *viewed) shot(name string) {
	v.t.Helper()
	dir := os.Getenv("LAYERSCOPE_SHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(v.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644)
	}
	if err != nil {
		v.t.Error(err)
	}
}

// clean says that nothing was complained about, nor asked of others.
func (v *viewed) clean() {
	v.t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.problems) > 0 || len(v.foreign) > 0 {
		v.t.Errorf("the browser complained: %q; asked others: %q", v.problems, v.foreign)
	}
}

// serveView serves what view would.
func serveView(t *testing.T, arg, perfetto string) (url string, src *viewSource) {
	t.Helper()
	a := &app{edge: edge{stdout: io.Discard, stderr: io.Discard, env: func(string) string { return "" }, now: time.Now}, quiet: true}
	a.progress = term.NewProgress(io.Discard, term.NoProgress, 0)
	src, err := a.viewOf(t.Context(), arg, &inputFlags{clock: "device", steps: "all"})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(nil)
	page, err := viewer.New(src, viewer.Options{Hosts: []string{s.Listener.Addr().String()}, Perfetto: perfetto})
	if err != nil {
		t.Fatal(err)
	}
	s.Config.Handler = page
	s.Start()
	t.Cleanup(s.Close)
	src.study(t.Context())
	return s.URL, src
}

// runsDir is a directory of three captures.
func runsDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"base_a", "slow_a", "tp4"} {
		data, err := os.ReadFile(filepath.Join("../../testdata/captures", name+".xplane.pb.gz"))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name+".xplane.pb.gz"), data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Runs are listed and filtered, opened, and two of them compared by clicking.
func TestViewRuns(t *testing.T) {
	url, src := serveView(t, runsDir(t), "")
	v := chromium(t, url)
	id := make(map[string]string)
	for _, r := range src.runs {
		name, _, _ := strings.Cut(r.title, ".")
		id[name] = r.ID
	}
	v.open("/")
	if n := v.eval("document.querySelectorAll('#table tbody tr').length"); n != "3" {
		t.Errorf("%s rows, want 3", n)
	}
	v.until("document.getElementById('chart').naturalWidth > 100")
	v.do(chromedp.SendKeys(chromedp.CSS("#filter"), "SLOW"))
	if n := v.eval("[...document.querySelectorAll('#table tbody tr')].filter((r) => !r.hidden).length"); n != "1" {
		t.Errorf("the filter leaves %s rows, want 1", n)
	}
	v.eval("(document.getElementById('filter').value = '', document.getElementById('filter').dispatchEvent(new Event('input')))")
	v.click("input[name=base][value='" + id["base_a"] + "']")
	v.click("input[name=new][value='" + id["slow_a"] + "']")
	v.shot("index")
	v.click("#compare")
	v.until("location.pathname == '/diff' && document.querySelector('iframe')")
	v.shot("diff")
	v.open("/diff/page?base=" + id["base_a"] + "&new=" + id["slow_a"])
	if text := v.eval("document.body.innerText"); !strings.Contains(text, "layer_3") || !strings.Contains(text, "slow_a") {
		t.Errorf("the comparison doesn't name layer_3: %.500s", text)
	}
	v.open("/diff?base=" + id["base_a"] + "&new=" + id["tp4"])
	v.until("document.querySelector('.error')")
	v.click("main a")
	v.until("document.querySelector('iframe')")
	v.open("/run/" + id["slow_a"])
	v.until("document.querySelector('iframe')")
	v.shot("run")
	v.clean()
}

// The built-in speedscope shows the run, and loads nothing from elsewhere.
func TestViewSpeedscope(t *testing.T) {
	url, src := serveView(t, "../../testdata/captures/slow_a.xplane.pb.gz", "")
	v := chromium(t, url)
	v.open("/run/" + src.only() + "/speedscope")
	inner := "document.querySelector('iframe').contentDocument"
	v.until(inner + " && " + inner + ".title.includes('slow_a')")
	v.until(inner + ".querySelectorAll('canvas').length > 1")
	time.Sleep(time.Second / 2) // it draws in the next frame
	v.shot("speedscope")
	v.clean()
}
