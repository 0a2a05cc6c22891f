// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/layerscope/layerscope/trace"
)

var plainDecimal = regexp.MustCompile(`^-?[0-9]+\.[0-9]+$`)

// checkNesting reads Chrome JSON with the standard library, as strictly as any
// reader, and checks that X events of each thread nest.
func checkNesting(t *testing.T, b []byte) {
	t.Helper()
	var doc struct {
		TraceEvents []struct {
			Ph       string
			Pid, Tid int64
			Ts, Dur  json.Number
			Name     string
		}
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	if !utf8.Valid(b) || strings.Contains(string(b), `\ud`) {
		t.Error("not plain UTF-8")
	}
	type thread struct{ pid, tid int64 }
	type span struct{ from, to int64 }
	threads := map[thread][]span{}
	ps := func(n json.Number) int64 {
		if !plainDecimal.MatchString(string(n)) {
			t.Fatalf("time %q, wanted a plain decimal", n)
		}
		whole, frac, _ := strings.Cut(string(n), ".")
		v, err := strconv.ParseInt(whole+(frac + "000000")[:6], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, e := range doc.TraceEvents {
		if e.Pid < 0 || e.Pid > 1<<31 || e.Tid < 0 || e.Tid > 1<<31 {
			t.Fatalf("process %d, thread %d", e.Pid, e.Tid)
		}
		if e.Ph == "X" {
			from := ps(e.Ts)
			k := thread{e.Pid, e.Tid}
			threads[k] = append(threads[k], span{from, from + ps(e.Dur)})
		}
	}
	for k, spans := range threads {
		slices.SortStableFunc(spans, func(a, b span) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to)) })
		var open []int64
		for _, s := range spans {
			for len(open) > 0 && open[len(open)-1] <= s.from {
				open = open[:len(open)-1]
			}
			if len(open) > 0 && open[len(open)-1] < s.to {
				t.Fatalf("thread %v: %v overlaps one that ends at %d", k, s, open[len(open)-1])
			}
			open = append(open, s.to)
		}
	}
}

func TestChromeIsStrict(t *testing.T) {
	checkNesting(t, chrome(t, hostileTrace(t), trace.ChromeOptions{}))
	checkNesting(t, chrome(t, hostileTrace(t), trace.ChromeOptions{Exact: true}))
	captures(t, func(t *testing.T, _ string, tr *trace.Trace) { checkNesting(t, chrome(t, tr, trace.ChromeOptions{})) })
}
