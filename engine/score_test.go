// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/layerscope/layerscope/engine/internal/packing"
	"github.com/layerscope/layerscope/engine/internal/program"
	"github.com/layerscope/layerscope/internal/tracetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func mustOpen(tb testing.TB, opt Options) *Engine {
	tb.Helper()
	e, err := Open(opt)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := e.Close(); err != nil {
			tb.Error(err)
		}
	})
	return e
}

func score(tb rapid.TB, e *Engine, r Request) Result {
	tb.Helper()
	out, err := e.Score(context.Background(), r)
	if err != nil {
		tb.Fatalf("%s: %v", r.Algorithm, err)
	}
	return out
}

func with(r Request, a Algorithm) Request { r.Algorithm = a; return r }

// drawRequest makes a request of ids, with empty and repeated items.
func drawRequest(t *rapid.T, vocab int32) Request {
	id := rapid.Int32Range(1, vocab-1)
	r := Request{
		QueryIDs: rapid.SliceOfN(id, 1, 60).Draw(t, "query"),
		ItemIDs:  rapid.SliceOfN(rapid.SliceOfN(id, 0, 12), 1, 10).Draw(t, "items"),
		Labels:   rapid.SliceOfN(id, 1, 4).Draw(t, "labels"),
	}
	return r
}

func checks(t *testing.T, n int) {
	f := flag.Lookup("rapid.checks")
	old := f.Value.String()
	if testing.Short() {
		n = min(n, 100)
	}
	if err := f.Value.Set(fmt.Sprint(n)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Value.Set(old) })
}

// near holds two answers to 1e-5, relative for small log-probabilities.
func near(tb rapid.TB, what string, got, want Result) {
	tb.Helper()
	for i := range want.LogProbs {
		for j, w := range want.LogProbs[i] {
			if g := got.LogProbs[i][j]; !(math.Abs(g-w) <= 1e-5*math.Max(1, math.Abs(w))) {
				tb.Fatalf("%s: item %d label %d: %.9g, serial %.9g", what, i, j, g, w)
			}
		}
	}
}

var families = []string{"random:qwen3-tiny,dtype=f32", "random:qwen2-tiny", "random:llama-tiny,dtype=f16", "random:gemma3-tiny"}

// TestAlgorithmsAgree is the contract of the algorithms: packed and
// prefill_extend give serial's scores, an item's scores don't depend on the
// others by a single bit, and neither on their order. 1,000 random cases.
func TestAlgorithmsAgree(t *testing.T) {
	checks(t, 250) // for each of four families
	delimiter := int32(0)
	for _, model := range families {
		for _, d := range []*int32{nil, &delimiter} {
			name := model
			if d != nil {
				name += " with delimiter"
			}
			e := mustOpen(t, Options{Model: model, Delimiter: d, ExtendBatch: 3, MaxPackedTokens: 120})
			if d != nil {
				checks(t, 50)
			}
			t.Run(name, func(t *testing.T) {
				rapid.Check(t, func(t *rapid.T) { agree(t, e, drawRequest(t, 512)) })
			})
		}
	}
}

func agree(t *rapid.T, e *Engine, r Request) {
	serial := score(t, e, with(r, Serial))
	at := rapid.IntRange(0, len(r.ItemIDs)-1).Draw(t, "mutated")
	changed := r
	changed.ItemIDs = slices.Clone(r.ItemIDs)
	changed.ItemIDs[at] = rapid.SliceOfN(rapid.Int32Range(1, 511), 0, 12).Draw(t, "by")
	if rapid.Bool().Draw(t, "same length") {
		changed.ItemIDs[at] = slices.Clone(r.ItemIDs[at])
		for i := range changed.ItemIDs[at] {
			changed.ItemIDs[at][i] = 511 - changed.ItemIDs[at][i]%511
		}
	}
	order := rapid.Permutation(indices(len(r.ItemIDs))).Draw(t, "order")
	shuffled := r
	shuffled.ItemIDs = nil
	for _, i := range order {
		shuffled.ItemIDs = append(shuffled.ItemIDs, r.ItemIDs[i])
	}
	for _, a := range []Algorithm{Packed, PrefillExtend} {
		got := score(t, e, with(r, a))
		near(t, string(a), got, serial)
		after := score(t, e, with(changed, a))
		for i := range got.Scores {
			if i != at && !slices.Equal(got.Scores[i], after.Scores[i]) {
				t.Fatalf("%s: item %d changed with item %d: %v, %v", a, i, at, got.Scores[i], after.Scores[i])
			}
		}
		turned := score(t, e, with(shuffled, a))
		for k, i := range order {
			if !slices.Equal(got.Scores[i], turned.Scores[k]) {
				t.Fatalf("%s: item %d differs at place %d: %v, %v", a, i, k, got.Scores[i], turned.Scores[k])
			}
		}
	}
}

func indices(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// TestPaddingIsNeutral: other buckets, same bits.
func TestPaddingIsNeutral(t *testing.T) {
	a := mustOpen(t, Options{Model: "random:qwen3-tiny"})
	b := mustOpen(t, Options{Model: "random:qwen3-tiny", Buckets: []int{64, 256, 1024}})
	checks(t, 100)
	rapid.Check(t, func(t *rapid.T) {
		r := drawRequest(t, 512)
		for _, alg := range []Algorithm{Serial, Packed, PrefillExtend} {
			x, y := score(t, a, with(r, alg)), score(t, b, with(r, alg))
			for i := range x.Scores {
				if !slices.Equal(x.Scores[i], y.Scores[i]) {
					t.Fatalf("%s item %d: %v with fine buckets, %v with coarse", alg, i, x.Scores[i], y.Scores[i])
				}
			}
			if x.Tokens != y.Tokens || y.PaddedTokens < y.Tokens || y.PaddedTokens%64 != 0 {
				t.Fatalf("%s: tokens %d and %d, padded %d", alg, x.Tokens, y.Tokens, y.PaddedTokens)
			}
		}
	})
}

// TestFormulas: exp by default, softmax over the labels on request, and both
// from the same log-probabilities.
func TestFormulas(t *testing.T) {
	e := mustOpen(t, Options{Model: "random:qwen3-tiny"})
	labels := indices32(512)
	r := Request{QueryIDs: []int32{1, 2, 3}, ItemIDs: [][]int32{{4}, {}, {5, 6}}, Labels: labels}
	all := score(t, e, r)
	for i, row := range all.Scores {
		sum := 0.0
		for j, p := range row {
			sum += p
			if want := math.Exp(all.LogProbs[i][j]); p != want {
				t.Errorf("item %d label %d: %g, wanted exp of %g", i, j, p, all.LogProbs[i][j])
			}
		}
		if math.Abs(sum-1) > 1e-6 {
			t.Errorf("item %d: probabilities of the whole vocabulary sum to %.9f", i, sum)
		}
	}
	r.Labels, r.Softmax = []int32{7, 7, 100}, true
	some := score(t, e, r)
	for i, row := range some.Scores {
		a, b := all.Scores[i][7], all.Scores[i][100]
		want := []float64{a / (2*a + b), a / (2*a + b), b / (2*a + b)}
		for j := range want {
			if math.Abs(row[j]-want[j]) > 1e-9 {
				t.Errorf("softmax of item %d: %v, wanted %v", i, row, want)
			}
		}
	}
}

func indices32(n int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(i)
	}
	return out
}

// TestItemFirst: the item goes first, serially, and a request for packing is
// answered with a warning.
func TestItemFirst(t *testing.T) {
	e := mustOpen(t, Options{Model: "random:llama-tiny"})
	r := Request{QueryIDs: []int32{1, 2, 3}, ItemIDs: [][]int32{{4, 5}, {6}}, Labels: []int32{9}, ItemFirst: true, Algorithm: Packed}
	got := score(t, e, r)
	for i, item := range r.ItemIDs {
		want := score(t, e, Request{QueryIDs: item, ItemIDs: [][]int32{r.QueryIDs}, Labels: r.Labels})
		if got.Scores[i][0] != want.Scores[0][0] {
			t.Errorf("item %d: %v, wanted %v", i, got.Scores[i], want.Scores[0])
		}
	}
	if got.Algorithm != Serial || len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "item_first") {
		t.Errorf("algorithm %s, warnings %q", got.Algorithm, got.Warnings)
	}
}

// TestTextEqualsIDs: query and items are tokenised separately.
func TestTextEqualsIDs(t *testing.T) {
	e := mustOpen(t, Options{})
	yes, err := e.LabelID(" yes")
	if err != nil {
		t.Fatal(err)
	}
	text := Request{Query: "Find a small red cup.", Items: []string{" a small red cup", "", " the cup is blue", "é😀"}, Labels: []int32{yes}}
	ids := Request{Labels: text.Labels}
	ids.QueryIDs, _ = e.TokenIDs(text.Query)
	for _, item := range text.Items {
		one, err := e.TokenIDs(item)
		if err != nil {
			t.Fatal(err)
		}
		ids.ItemIDs = append(ids.ItemIDs, one)
	}
	a, b := score(t, e, text), score(t, e, ids)
	if fmt.Sprint(a.Scores) != fmt.Sprint(b.Scores) || a.PromptTokens != b.PromptTokens {
		t.Errorf("text %v, ids %v", a.Scores, b.Scores)
	}
}

// TestSelector checks the rules on the published geometries and at the edges.
func TestSelector(t *testing.T) {
	e := mustOpen(t, Options{Model: "random:qwen3-tiny,layers=1,positions=4096", MaxPackedTokens: 4500})
	for _, c := range []struct {
		query, items, length int
		want                 Algorithm
		reason               string
	}{
		{2000, 32, 20, Packed, "fit one sequence"}, // 32 is not over 32
		{2000, 64, 20, PrefillExtend, "over 4 times"},
		{2000, 128, 20, PrefillExtend, "over the cap"},
		{500, 64, 50, PrefillExtend, "over 4 times"},
		{200, 64, 50, Packed, "fit one sequence"}, // the query is not over 4 items
		{100, 1, 5, Serial, "one item"},
	} {
		r := Request{QueryIDs: make([]int32, c.query), Labels: []int32{1}}
		for range c.items {
			r.ItemIDs = append(r.ItemIDs, make([]int32, c.length))
		}
		got := score(t, e, r)
		if got.Algorithm != c.want || !strings.Contains(got.Reason, c.reason) {
			t.Errorf("(%d, %d, %d): %s because %s, wanted %s: %s", c.query, c.items, c.length, got.Algorithm, got.Reason, c.want, c.reason)
		}
		if got.PromptTokens != c.items*(c.query+c.length) {
			t.Errorf("(%d, %d, %d): %d prompt tokens", c.query, c.items, c.length, got.PromptTokens)
		}
	}
}

// TestRefusals: one request for each code, and no scores with it.
func TestRefusals(t *testing.T) {
	delimiter := int32(500)
	e := mustOpen(t, Options{Model: "random:qwen3-tiny", Delimiter: &delimiter, MaxItems: 3, MaxSeqLen: 10})
	good := Request{QueryIDs: []int32{1}, ItemIDs: [][]int32{{2}}, Labels: []int32{3}}
	for code, change := range map[string]func(*Request){
		"empty_query":             func(r *Request) { r.QueryIDs = []int32{} },
		"missing_items":           func(r *Request) { r.ItemIDs = nil },
		"empty_items":             func(r *Request) { r.ItemIDs = [][]int32{} },
		"too_many_items":          func(r *Request) { r.ItemIDs = make([][]int32, 4) },
		"mixed_input_types":       func(r *Request) { r.ItemIDs, r.Items = nil, []string{"x"} },
		"negative_token_id":       func(r *Request) { r.ItemIDs = [][]int32{{2}, {-1, -7}} },
		"token_id_exceeds_vocab":  func(r *Request) { r.Labels = []int32{3, 512} },
		"missing_label_token_ids": func(r *Request) { r.Labels = nil },
		"empty_label_token_ids":   func(r *Request) { r.Labels = []int32{} },
		"invalid_algorithm":       func(r *Request) { r.Algorithm = "fast" },
		"delimiter_in_input":      func(r *Request) { r.ItemIDs = [][]int32{{2, 500}} },
		"sequence_too_long":       func(r *Request) { r.ItemIDs = [][]int32{{2}, make([]int32, 9)} },
	} {
		r := good
		change(&r)
		out, err := e.Score(context.Background(), r)
		var refused *Error
		if !errors.As(err, &refused) || refused.Code != code || len(refused.Message) < 11 {
			t.Errorf("%s: got %v", code, err)
		}
		if out.Scores != nil {
			t.Errorf("%s: scores %v", code, out.Scores)
		}
	}
	both := good
	both.QueryIDs, both.Labels = nil, []int32{-1}
	if _, err := e.Score(context.Background(), both); !strings.Contains(err.Error(), "empty_query") {
		t.Errorf("two findings: %v, wanted the query's first", err)
	}
	if _, err := e.Score(context.Background(), good); err != nil {
		t.Error(err)
	}
}

// TestMemoryReturns: after every kind of request, cancelled ones included, the
// weights are all that is left.
func TestMemoryReturns(t *testing.T) {
	e := mustOpen(t, Options{Model: "random:gemma3-tiny"})
	before := e.Info().BytesInUse
	r := Request{QueryIDs: indices32(50), ItemIDs: [][]int32{{1, 2}, {3}, {}}, Labels: []int32{1}}
	for _, a := range []Algorithm{Serial, Packed, PrefillExtend} {
		score(t, e, with(r, a))
		ctx, cancel := context.WithCancelCause(context.Background())
		gone := errors.New("client went away")
		tr := &fakeTracer{onBegin: func(name string) {
			if strings.HasSuffix(name, "layer_01/attention/softmax") {
				cancel(gone)
			}
		}}
		e.SetTracer(tr)
		if _, err := e.Score(ctx, with(r, a)); !errors.Is(err, gone) {
			t.Errorf("%s: cancelled: %v", a, err)
		}
		e.SetTracer(nil)
		tr.check(t)
		if got := e.Info().BytesInUse; got != before {
			t.Errorf("%s: %d bytes in use, %d before", a, got, before)
		}
		cancel(nil)
	}
}

// TestOutOfMemory: a limit below what a pass needs is an error with the code,
// and the engine goes on.
func TestOutOfMemory(t *testing.T) {
	if _, err := Open(Options{Model: "random:qwen3-tiny", MemoryLimit: 1 << 16}); err == nil || !strings.Contains(err.Error(), "out_of_memory") {
		t.Errorf("weights over the limit: %v", err)
	}
	e := mustOpen(t, Options{Model: "random:qwen3-tiny", MemoryLimit: 3 << 20})
	big := Request{QueryIDs: make([]int32, 2000), ItemIDs: [][]int32{{1}, {2}}, Labels: []int32{1}}
	for _, a := range []Algorithm{Serial, Packed, PrefillExtend} {
		var refused *Error
		if _, err := e.Score(context.Background(), with(big, a)); !errors.As(err, &refused) || refused.Code != "out_of_memory" {
			t.Errorf("%s: %v", a, err)
		}
	}
	score(t, e, Request{QueryIDs: []int32{1}, ItemIDs: [][]int32{{1}}, Labels: []int32{1}})
}

// TestConcurrent: requests from many goroutines get their own answers.
func TestConcurrent(t *testing.T) {
	e := mustOpen(t, Options{Model: "random:qwen3-tiny"})
	tr := &fakeTracer{}
	e.SetTracer(tr)
	want := map[int]Result{}
	request := func(i int) Request {
		return Request{QueryIDs: indices32(5 + i), ItemIDs: [][]int32{{int32(i + 1)}, {2, 3}}, Labels: []int32{1, 2}}
	}
	for i := range 8 {
		want[i] = score(t, e, request(i))
	}
	done := make(chan error)
	for i := range 8 {
		go func() {
			for range 5 {
				got, err := e.Score(context.Background(), request(i))
				if err == nil && fmt.Sprint(got.Scores) != fmt.Sprint(want[i].Scores) {
					err = fmt.Errorf("request %d: %v, wanted %v", i, got.Scores, want[i].Scores)
				}
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	tr.check(t)
}

func TestClosed(t *testing.T) {
	e, err := Open(Options{Model: "random:qwen3-tiny"})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	var refused *Error
	if _, err := e.Score(context.Background(), Request{}); !errors.As(err, &refused) || refused.Code != "model_not_loaded" {
		t.Errorf("score after close: %v", err)
	}
}

// TestSegmentRule holds the layouts' runs against the rule as a dense mask:
// token i sees j iff j ≤ i and j is of the query or of i's own item.
func TestSegmentRule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRequest(t, 512)
		d := rapid.SampledFrom([][]int32{nil, {0}}).Draw(t, "delimiter")
		l := packing.Packed(r.QueryIDs, r.ItemIDs, d)
		l.Pad(packing.Bucket(l.Real))
		var seg []int // 0 the query, then items
		for range len(r.QueryIDs) + len(d) {
			seg = append(seg, 0)
		}
		for i, item := range r.ItemIDs {
			for range len(item) + len(d) {
				seg = append(seg, i+1)
			}
		}
		pairs := int64(0)
		for i := range l.IDs {
			for j := range l.IDs {
				want := i < len(seg) && j <= i && (seg[j] == 0 || seg[j] == seg[i])
				if l.Sees(i, j) != want {
					t.Fatalf("token %d sees %d: %t, the mask says %t", i, j, !want, want)
				}
				if want {
					pairs++
				}
			}
		}
		if got := program.Pairs(l.Runs, 0); got != pairs {
			t.Fatalf("%d pairs counted, the mask has %d", got, pairs)
		}
	})
}

func TestDeadline(t *testing.T) {
	e := mustOpen(t, Options{Model: "random:qwen3-tiny"})
	ctx, cancel := context.WithTimeout(context.Background(), time.Nanosecond)
	defer cancel()
	<-ctx.Done()
	_, err := e.Score(ctx, Request{QueryIDs: []int32{1}, ItemIDs: [][]int32{{1}}, Labels: []int32{1}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// TestConcatText: joined texts are tokenised as one, serially, in either order.
func TestConcatText(t *testing.T) {
	e, joined := mustOpen(t, Options{}), mustOpen(t, Options{ConcatText: true})
	r := Request{Query: "Find a red c", Items: []string{"up", "at"}, Labels: []int32{1}, Algorithm: Packed}
	for _, first := range []bool{false, true} {
		r.ItemFirst = first
		got := score(t, joined, r)
		if got.Algorithm != Serial || len(got.Warnings) != 1 {
			t.Errorf("algorithm %s, warnings %q", got.Algorithm, got.Warnings)
		}
		for i, item := range r.Items {
			text := r.Query + item
			if first {
				text = item + r.Query
			}
			want := score(t, e, Request{Query: text, Items: []string{""}, Labels: r.Labels})
			if got.Scores[i][0] != want.Scores[0][0] {
				t.Errorf("item first %t: %s: %v, wanted %v", first, item, got.Scores[i], want.Scores[0])
			}
		}
	}
	if a, b := score(t, e, Request{Query: r.Query, Items: r.Items, Labels: r.Labels}), score(t, joined, Request{Query: r.Query, Items: r.Items, Labels: r.Labels}); a.Scores[0][0] == b.Scores[0][0] {
		t.Error("a merge across the border changed nothing: the test's words are no longer single tokens")
	}
}

// TestBOS: a tokenizer that begins sequences with a token does so once, before
// whatever comes first.
func TestBOS(t *testing.T) {
	e := mustOpen(t, Options{Model: tracetest.Shared(t, "data/lm/tinystories_260k/checkpoint_v1.bin")})
	query, _ := e.TokenIDs("Once upon")
	item, _ := e.TokenIDs(" a time")
	for _, first := range []bool{false, true} {
		text := score(t, e, Request{Query: "Once upon", Items: []string{" a time"}, Labels: []int32{3}, ItemFirst: first})
		ids := Request{QueryIDs: append([]int32{1}, query...), ItemIDs: [][]int32{item}, Labels: []int32{3}}
		if first {
			ids.QueryIDs, ids.ItemIDs[0] = append([]int32{1}, item...), query
		}
		if want := score(t, e, ids); text.Scores[0][0] != want.Scores[0][0] || text.PromptTokens != want.PromptTokens {
			t.Errorf("item first %t: %v with %d tokens, wanted %v with %d", first, text.Scores, text.PromptTokens, want.Scores, want.PromptTokens)
		}
	}
}
