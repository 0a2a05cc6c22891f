// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	tab "github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"github.com/layerscope/layerscope/trace"
)

// A stand-in for the Perfetto UI: it answers PING after a while, as the real one
// does once it is loaded, and sends what it got to its own server.
const standIn = `<!DOCTYPE html><title>UI</title><script>
let ready = false;
setTimeout(() => { ready = true; }, 300);
window.addEventListener("message", async (e) => {
  if (e.data === "PING") { if (ready) e.source.postMessage("PONG", e.origin); return; }
  const p = e.data.perfetto;
  await fetch("/got?" + new URLSearchParams({ title: p.title, file: p.fileName, hash: location.hash }), { method: "POST", body: p.buffer });
});
</script>`

// The Perfetto UI gets the whole trace, and is opened on the slowest step.
func TestViewPerfetto(t *testing.T) {
	type handed struct {
		query map[string][]string
		body  []byte
	}
	got := make(chan handed, 1)
	ui := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/got" {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			got <- handed{r.URL.Query(), body}
			return
		}
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, standIn)
	}))
	defer ui.Close()
	url, src := serveView(t, "../../testdata/captures/slow_a.xplane.pb.gz", ui.URL)
	v := chromium(t, url)
	v.open("/run/" + src.only() + "/perfetto")
	v.shot("perfetto")
	v.click("#open")
	v.until("document.getElementById('state').textContent == 'Handed over.'")
	h := <-got
	name, from, to, ok, err := src.Slowest(t.Context(), src.only())
	if err != nil || !ok || name == "" || to <= from {
		t.Fatalf("slowest step: %q %d-%d %v %v", name, from, to, ok, err)
	}
	if want := fmt.Sprintf("#!/?dur=%d&ts=%d&visEnd=%d&visStart=%d", to-from, from, to, from); h.query["hash"][0] != want {
		t.Errorf("the UI was opened at %s, want %s", h.query["hash"], want)
	}
	tr, err := trace.Read(bytes.NewReader(h.body), "handed.pftrace", trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if len(tr.Devices) == 0 || len(tr.Steps) == 0 {
		t.Errorf("handed over: %d devices, %d steps", len(tr.Devices), len(tr.Steps))
	}
	v.clean()
}

// The real UI, which make oracle finds in a package, takes the trace over and
// selects the slowest step.
func TestViewRealPerfetto(t *testing.T) {
	site := os.Getenv("LAYERSCOPE_PERFETTO_SITE")
	if site == "" {
		t.Skip("LAYERSCOPE_PERFETTO_SITE names no directory with the Perfetto UI; make oracle does")
	}
	ui := httptest.NewServer(http.FileServer(http.Dir(site)))
	defer ui.Close()
	url, src := serveView(t, "../../testdata/captures/slow_a.xplane.pb.gz", ui.URL)
	v := chromium(t, url)
	v.open("/run/" + src.only() + "/perfetto")
	opened := chromedp.WaitNewTarget(v.ctx, func(i *tab.Info) bool { return i.Type == "page" })
	v.click("#open")
	v.until("document.getElementById('state').textContent == 'Handed over.'")
	ctx, cancel := chromedp.NewContext(v.ctx, chromedp.WithTargetID(<-opened))
	defer cancel()
	w := &viewed{t: t, ctx: ctx, own: ui.URL}
	w.until("window.app?.trace?.selection?.selection?.kind === 'track_event'")
	_, from, to, _, err := src.Slowest(t.Context(), src.only())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := w.eval("app.trace.selection.selection.ts + ' ' + app.trace.selection.selection.dur"), fmt.Sprintf("%d %d", from, to-from); got != want {
		t.Errorf("selected: %s, want %s", got, want)
	}
	w.shot("perfetto-ui")
}
