// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// TestChromiumAxe runs axe-core over pages; internal/oracle/html/run.sh brings
// it.
func TestChromiumAxe(t *testing.T) {
	path := os.Getenv("LAYERSCOPE_AXE")
	if path == "" {
		t.Skip("LAYERSCOPE_AXE doesn't name axe.min.js; internal/oracle/html/run.sh does")
	}
	axe, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx := browser(t)
	pages := map[string]*Report{
		"report": New(captured(t, "slow_a.xplane.pb.gz"), Options{}), "diff": Diff(Options{}, slowedLayer(t)),
		"64 layers": New(model{layers: 64, steps: 40, slow: map[int]float64{7: 2}, unnamed: millisecond}.analysis(), Options{}),
		"memory":    Memory(memoryUse(), memoryGrowth(), Options{}), "report with memory": New(withMemory(t), Options{}), "memory diff": MemoryDiff(memoryComparison(), nil, Options{}),
		"hostile": New(hostileAnalysis(), Options{}), "empty": New(emptyAnalysis(), Options{}), "check": Check(model{layers: 2}.analysis(), Options{}),
	}
	for name, r := range pages {
		t.Run(name, func(t *testing.T) {
			p := open(ctx, t, r)
			if err := chromedp.Do(p.ctx, func(ctx context.Context, tg *chromedp.Target) (chromedp.Void, error) {
				_, err := chromedp.Evaluate[*runtime.RemoteObject](string(axe))(ctx, tg)
				return chromedp.Void{}, err
			}); err != nil {
				t.Fatal(err)
			}
			for _, scheme := range []string{"light", "dark"} {
				p.scheme(scheme)
				violations(p, scheme)
			}
			if name == "report" {
				p.click(`#layers [role=option]:nth-of-type(5)`)
				p.click(`#ops tbody button.more`)
				violations(p, "a layer chosen")
				p.click(`#steps [role=option]:nth-of-type(3)`)
				violations(p, "a step chosen")
			}
		})
	}
}

func violations(p *openPage, when string) {
	p.t.Helper()
	raw, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](`axe.run(document, {resultTypes: ["violations"]}).then((r) => JSON.stringify(r.violations.map((v) =>
		({id: v.id, help: v.help, nodes: v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200) + " " + (n.failureSummary || ""))}))))`, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatal(err)
	}
	var list []struct {
		ID, Help string
		Nodes    []string
	}
	if err := json.Unmarshal([]byte(raw), &list); err != nil {
		p.t.Fatal(err)
	}
	for _, v := range list {
		p.t.Errorf("%s: %s: %s\n  %s", when, v.ID, v.Help, strings.Join(v.Nodes, "\n  "))
	}
}
