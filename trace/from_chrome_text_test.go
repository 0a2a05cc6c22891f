// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"hash/maphash"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/layerscope/layerscope/trace/internal/chromejson"
)

// TestLaneOrder: merging the runs of a lane is a stable sort by start, the longest
// first, of all its columns.
func TestLaneOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(0, 60).Draw(rt, "n")
		ln := &lane{}
		for i := range n {
			ln.add(OpID(i), Time(rapid.Int64Range(0, 9).Draw(rt, "start")), Duration(rapid.Int64Range(0, 2).Draw(rt, "dur")))
			ln.run = append(ln.run, int64(-i))
			ln.links = append(ln.links, link{correlation: int64(i)})
		}
		type event struct {
			op    OpID
			start Time
			dur   Duration
			run   int64
			link  int64
		}
		events := func() (out []event) {
			for i := range ln.op {
				out = append(out, event{ln.op[i], ln.start[i], ln.dur[i], ln.run[i], ln.links[i].correlation})
			}
			return out
		}
		want := events()
		sort.SliceStable(want, func(i, j int) bool {
			if want[i].start != want[j].start {
				return want[i].start < want[j].start
			}
			return want[i].dur > want[j].dur
		})
		ln.order()
		if got := events(); !slices.Equal(got, want) {
			rt.Fatalf("-want +got\n%s", cmp.Diff(want, got, cmp.AllowUnexported(event{})))
		}
	})
}

// TestTextStore: texts stay what they were, whatever comes after them.
func TestTextStore(t *testing.T) {
	s := textStore{seed: maphash.MakeSeed()}
	var want, got []string
	for i := range 4000 {
		text := strings.Repeat(string(rune('a'+i%26)), i*7%301)
		if i%1000 == 999 {
			text = strings.Repeat("x", lastChunk)
		}
		want = append(want, text, text, text)
		got = append(got, s.at(s.text([]byte(text))), s.at(s.value(chromejson.Value(`"`+text+`"`))), s.at(s.shared(chromejson.Value(`"`+text+`"`))))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := s.at(s.value(chromejson.Value(`{"a":"\n"}`))); got != `{"a":"\n"}` {
		t.Errorf("text of an object: %s", got)
	}
	if got := s.at(s.text([]byte(`a\nb`))); got != "a\nb" {
		t.Errorf("escape: %q", got)
	}
}

// TestOpTable: a table finds what a map finds.
func TestOpTable(t *testing.T) {
	var table opTable
	known := map[uint64]OpID{}
	for i := range uint64(5000) {
		hash := i*i%3571*0x100000001 | 1
		id, at, ok := table.find(hash)
		want, wantOK := known[hash]
		if id != want || ok != wantOK {
			t.Fatalf("hash %#x: %d, %v, want %d, %v", hash, id, ok, want, wantOK)
		}
		if !ok {
			table.put(at, hash, OpID(i))
			known[hash] = OpID(i)
		}
	}
	if table.used != len(known) || len(table.slots) > 6*len(known) {
		t.Errorf("%d of %d slots used, want %d", table.used, len(table.slots), len(known))
	}
}
