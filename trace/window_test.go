// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"testing"

	"github.com/layerscope/layerscope/trace"
)

// The request of the third step of base_a: its executions are those that begin in
// its forward span, and its ops are theirs.
func TestRequest(t *testing.T) {
	tr, err := trace.Open("../testdata/captures/base_a.xplane.pb.gz", trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	whole := count(t, tr)
	if len(tr.Requests) != 48 || tr.Requests[0].ID != "req-1100" {
		t.Fatalf("%d requests, first %+v; want the 4 spans of each of 12 requests", len(tr.Requests), tr.Requests[0])
	}
	var parts int
	for i := range 12 {
		id := tr.Requests[4*i].ID
		part, ok := tr.Request(id, trace.DeviceClock)
		if !ok || len(part.Executions) == 0 {
			t.Fatalf("%s: ok %v, %d executions", id, ok, len(part.Executions))
		}
		for _, e := range part.Executions {
			if e.Start < tr.Requests[4*i].Start || e.Start > tr.Requests[4*i+3].Start {
				t.Errorf("%s: an execution at %d, outside its spans", id, e.Start)
			}
		}
		n := count(t, part)
		if n == 0 || n > whole/6 {
			t.Errorf("%s: %d of %d ops; want about a twelfth", id, n, whole)
		}
		parts += n
	}
	if parts > whole || parts < whole*9/10 {
		t.Errorf("requests have %d of %d ops; want nearly all and none twice", parts, whole)
	}
	if part, ok := tr.Request("req-9999", trace.DeviceClock); part != nil || ok {
		t.Error("a request that isn't there has a part")
	}
}

func count(t *testing.T, tr *trace.Trace) (n int) {
	t.Helper()
	for _, track := range tr.Tracks {
		if track.Device < 0 {
			continue
		}
		for b, err := range track.Batches() {
			if err != nil {
				t.Fatal(err)
			}
			n += b.Len()
		}
	}
	return n
}
