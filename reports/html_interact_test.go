// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/layerscope/layerscope/analyze"
)

// TestChromiumReport goes through the page of a capture whose layer 3 is slow,
// with the mouse and with the keyboard.
func TestChromiumReport(t *testing.T) {
	p := open(browser(t), t, New(captured(t, "slow_a.xplane.pb.gz"), Options{}))
	t.Run("layer by mouse", func(t *testing.T) {
		p.t = t
		p.want(`document.querySelectorAll("#layers [role=option]").length`, "8")
		p.click(`#layers [role=option]:nth-of-type(5)`) // after the axis: layer_3
		p.want(`document.querySelector("#panel h3").firstChild.data`, "layer_3")
		if got := p.text("#panel"); !strings.Contains(got, "3.04×") || !strings.Contains(got, "2.10× the median layer") {
			t.Errorf("the panel doesn't name the slow component: %s", got)
		}
		p.want(`document.querySelector("#steps .ls-title").textContent`, "layer_3 in each step")
		p.want(`document.querySelector("#layer tr.on th").textContent`, "layer_3")
	})
	t.Run("layer by keyboard", func(t *testing.T) {
		p.t = t
		p.do(chromedp.Focus(chromedp.CSS(`#layers [aria-selected=true]`)))
		p.press(kb.ArrowRight, kb.Enter)
		p.want(`document.querySelector("#panel h3").firstChild.data`, "layer_4")
		p.want(`document.activeElement.getAttribute("aria-label").split(",")[0]`, "layer_4")
		p.press(kb.Home, kb.Enter)
		p.want(`document.querySelector("#panel h3").firstChild.data`, "layer_0")
		p.press(kb.Escape)
		p.want(`document.querySelector("#panel h3").textContent`, "All layers")
	})
	t.Run("step", func(t *testing.T) {
		p.t = t
		p.want(`document.querySelectorAll("#steps [role=option]").length`, "12")
		p.do(chromedp.Focus(chromedp.CSS(`#steps [tabindex="0"]`)))
		p.press(kb.ArrowRight, kb.Enter)
		if got := p.text("#layers"); !strings.Contains(got, "self time in step 1") {
			t.Errorf("the layers aren't those of step 1: %.200s", got)
		}
		p.click("#all-steps")
		p.want(`document.querySelector("#layers .legend li").textContent`, "mlp")
	})
	t.Run("icicle", func(t *testing.T) {
		p.t = t
		p.do(chromedp.Focus(chromedp.CSS(`#icicle [tabindex="0"]`)))
		p.press(kb.ArrowDown, kb.Enter)
		p.want(`document.querySelector("#icicle [aria-selected=true]").getAttribute("aria-label").split(",")[0]`, "layer_3")
		p.want(`document.querySelector("#icicle [aria-selected=true]").getAttribute("aria-level")`, "2")
		p.press(kb.Escape)
		p.want(`document.querySelector("#icicle [aria-selected=true]").getAttribute("aria-label").split(",")[0]`, "op time")
		p.eval(`((s) => { s.value = "merged"; s.dispatchEvent(new Event("change")); })(document.querySelector("#icicle-kind"))`)
		p.want(`document.querySelectorAll("#icicle [role=treeitem]")[1].getAttribute("aria-label").split(",")[0]`, "layer_*")
	})
	p.t = t
	p.clean()
}

func TestChromiumOpTable(t *testing.T) {
	p := open(browser(t), t, New(captured(t, "slow_a.xplane.pb.gz"), Options{}))
	rows := `document.querySelectorAll("#ops tbody tr:not(.total)").length`
	t.Run("filter", func(t *testing.T) {
		p.t = t
		p.press("/")
		p.want(`document.activeElement.id`, "op-filter")
		p.do(chromedp.SendKeys(chromedp.CSS("#op-filter"), "layer:layer_3 component:mlp -fusion.3?"))
		p.want(`[...document.querySelectorAll("#ops tbody tr:not(.total) td:nth-child(2)")].every((c) => c.textContent === "layer_3")`, "true")
		if got := p.text("#op-count"); !strings.HasSuffix(got, "% of op time") || strings.HasPrefix(got, "196 ") {
			t.Errorf("count: %s", got)
		}
		p.press(kb.Escape)
		p.want(`document.querySelector("#op-count").textContent`, "196 of 196 ops, 100.0 % of op time")
		p.do(chromedp.SendKeys(chromedp.CSS("#op-filter"), "nosuch:x"))
		p.want(`document.querySelector("#op-filter").getAttribute("aria-invalid")`, "true")
		p.press(kb.Escape)
		p.do(chromedp.SendKeys(chromedp.CSS("#op-filter"), `category:/^custom/`))
		p.want(`document.querySelector("#ops tbody tr.total th").textContent`, "ops that match")
		p.press(kb.Escape)
	})
	t.Run("merge and details", func(t *testing.T) {
		p.t = t
		p.click("#op-merge")
		p.want(rows, "41") // 40 and one that sums up the others
		p.want(`document.querySelector("#ops tbody th").textContent.includes("ops)")`, "false")
		p.click("#ops tbody button.more")
		p.want(`document.querySelector("#ops .detail dd").textContent`, "ynn_fusion.34")
		p.want(`document.activeElement.getAttribute("aria-expanded")`, "true")
		p.press(kb.Enter)
		p.want(`document.querySelectorAll("#ops .detail").length`, "0")
	})
	t.Run("sort", func(t *testing.T) {
		p.t = t
		counts := `[...document.querySelectorAll("#ops tbody tr:not(.total) td:nth-child(5)")].map((c) => c.textContent).slice(0, 3).join()`
		p.click(`#ops th[data-key=op] button`)
		p.want(`document.querySelector("#ops th[data-key=op]").getAttribute("aria-sort")`, "ascending")
		first := p.text("#ops tbody th code")
		p.click(`#ops th[data-key=op] button`)
		if last := p.text("#ops tbody th code"); last <= first {
			t.Errorf("descending begins with %s, ascending with %s", last, first)
		}
		p.click(`#ops th[data-key=count] button`)
		p.want(counts, "12,12,12")
	})
	t.Run("from the layer panel", func(t *testing.T) {
		p.t = t
		p.click(`#layers [role=option]:nth-of-type(5)`)
		p.click(`#panel > button`)
		p.want(`document.querySelector("#op-filter").value`, "layer:layer_3")
	})
	p.t = t
	p.clean()
}

// TestChromiumSortsTables sorts a table that the script did not draw.
func TestChromiumSortsTables(t *testing.T) {
	p := open(browser(t), t, Diff(Options{}, slowedLayer(t)))
	names := `[...document.querySelectorAll("#layers tbody tr:not(.total) th")].map((c) => c.textContent).slice(0, 2).join()`
	before := p.eval(names)
	p.click(`#layers thead tr:last-child th:nth-child(4) button`) // change
	p.want(`document.querySelector("#layers tbody th").textContent`, "layer_3")
	p.want(`[...document.querySelectorAll("#layers tbody tr")].pop().classList.contains("total")`, "true")
	p.click(`#layers thead tr:last-child th:nth-child(4) button`)
	p.click(`#layers thead tr:last-child th:nth-child(4) button`)
	p.want(names, before)
	p.want(`document.querySelectorAll("#layers svg.ls-forest").length > 28`, "true")
	p.clean()
}

// TestChromiumNamesAreText shows names that mean something to a browser: each as
// an op, all of them wherever else a name can be.
func TestChromiumNamesAreText(t *testing.T) {
	a := named(strings.Join(injections, " "))
	for i, name := range injections {
		o := a.Ops[0]
		o.Name, o.Self, o.Layer, o.Shape = name, a.Ops[0].Self+analyze.Duration(len(injections)-i), "", name
		a.Ops = append(a.Ops, o)
	}
	p := open(browser(t), t, New(a, Options{}))
	p.want(`document.title.endsWith("– layerscope")`, "true")
	p.want(`["script", "style", "img", "b", "base"].map((n) => document.querySelectorAll(n).length).join()`, "2,1,0,"+fmt.Sprint(len(a.Findings))+",0")
	p.want(`[...document.querySelectorAll("*")].filter((e) => [...e.attributes].some((a) => a.name.startsWith("on"))).length`, "0")
	got := p.eval(`[...document.querySelectorAll("#ops tbody th code")].map((c) => c.textContent).join("\n")`)
	for _, name := range injections {
		if !slices.Contains(strings.Split(got, "\n"), displayed(name)) {
			t.Errorf("%q is not shown as %q in the op table:\n%s", name, displayed(name), got)
		}
	}
	p.clean()
}
