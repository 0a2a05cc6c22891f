// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports/internal/quantity"
	"github.com/layerscope/layerscope/reports/internal/texttab"
)

// hostTime is the self time of all spans of host threads.
func (r *Report) hostTime() (sum analyze.Duration) {
	for i := range r.a.Host {
		sum += r.a.Host[i].Self
	}
	return sum
}

// hostBlocks is the table of host threads: spans by name, which is all that a
// profile of stacks has.
func (r *Report) hostBlocks() []block {
	if len(r.a.Host) == 0 {
		return nil
	}
	all := r.hostTime()
	t := tab{columns: []texttab.Column{
		{Header: "span", Code: true, Elide: true},
		{Header: "self", Unit: quantity.Time}, {Header: "self", Unit: quantity.Share, Of: "host time"},
		{Header: "total", Unit: quantity.Time}, {Header: "count", Unit: quantity.Count},
	}}
	var listed analyze.Duration
	for _, h := range firstN(r.a.Host, r.opts.textTop()) {
		t.add(texttab.Text(or(elide(homeless(h.Name), scopeWidth), "(no name)")), ps(h.Self), fraction(h.Self, all), ps(h.Total), texttab.Int(h.Occurrences))
		listed += h.Self
	}
	if all != listed {
		t.add(texttab.Text(more(len(r.a.Host), r.opts.textTop(), "name", "names")), ps(all-listed), fraction(all-listed, all))
	}
	t.total(texttab.Text("host time"), ps(all), fraction(all, all))
	return []block{{title: "Host threads", table: t.table()}}
}

// csvHost yields the rows of the host's section; shares are of host time.
func (r *Report) csvHost(yield func(fields map[string]string)) {
	all := r.hostTime()
	for _, h := range firstN(r.a.Host, r.opts.jsonTop()) {
		yield(map[string]string{
			"section": "host", "key": csvText(homeless(h.Name)), "self_ps": integer(h.Self), "total_ps": integer(h.Total),
			"occurrences": integer(h.Occurrences), "note": "share of host time " + real(share(h.Self, all)),
		})
	}
}
