// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/layerscope/layerscope/engine/internal/packing"
	"github.com/layerscope/layerscope/engine/internal/program"
	"github.com/layerscope/layerscope/engine/internal/tokenizer"
)

// scoring is one request on its way.
type scoring struct {
	e    *Engine
	r    *Request
	id   string
	ctx  context.Context
	tr   *tracing
	lane TraceTrack
	t    tokens
	out  Result
	logp [][]float32 // by item
}

// Score answers a request. Refusals are an *Error; with any error there are no
// scores. It returns context.Cause(ctx) when ctx ends first: a pass that runs
// is stopped between two segments.
func (e *Engine) Score(ctx context.Context, r Request) (Result, error) {
	if err := e.enter(); err != nil {
		return Result{}, err
	}
	defer e.active.Done()
	began := time.Now()
	s := &scoring{e: e, r: &r, id: r.ID, ctx: ctx}
	if s.id == "" {
		s.id = "req-" + strconv.FormatInt(e.next.Add(1), 10)
	}
	if tr := e.tr.Load(); tr != nil {
		s.tr, s.lane = tr, tr.lane()
		defer tr.park(s.lane)
		s.lane.Begin(tr.n.score)
		defer s.lane.End()
		s.lane.Text(tr.n.id, s.id)
		s.lane.Text(tr.n.kind, "score")
	}
	s.out.ID, s.out.Model = s.id, e.name
	err := s.score()
	s.out.Total = time.Since(began)
	s.log(err)
	if err != nil {
		return Result{}, err
	}
	return s.out, nil
}

func (s *scoring) score() error {
	if err := s.e.check(s.r); err != nil {
		return err
	}
	began := time.Now()
	s.begin(func(n *names) uint32 { return n.tokenize })
	err := s.tokenize()
	s.end()
	s.out.Tokenize = time.Since(began)
	if err != nil {
		return err
	}
	if err := s.e.checkTokens(s.t); err != nil {
		return err
	}
	s.choose()
	if tr := s.tr; tr != nil {
		s.lane.Int(tr.n.items, int64(len(s.t.items)))
		s.lane.Int(tr.n.labels, int64(len(s.r.Labels)))
		s.lane.Text(tr.n.algorithm, string(s.out.Algorithm))
		s.lane.Text(tr.n.reason, s.out.Reason)
	}
	s.logp = make([][]float32, len(s.t.items))
	switch s.out.Algorithm {
	case Packed:
		err = s.packed()
	case PrefillExtend:
		err = s.prefillExtend()
	default:
		err = s.serial()
	}
	if err != nil {
		return memoryError(err)
	}
	began = time.Now()
	s.begin(func(n *names) uint32 { return n.finish })
	s.finish()
	s.end()
	s.out.Finish = time.Since(began)
	if tr := s.tr; tr != nil {
		s.lane.Int(tr.n.tokens, int64(s.out.Tokens))
		s.lane.Int(tr.n.padded, int64(s.out.PaddedTokens))
		s.lane.Int(tr.n.cached, int64(s.out.CachedTokens))
		s.lane.Int(tr.n.runs, int64(s.out.Sequences))
	}
	return nil
}

func (s *scoring) begin(name func(*names) uint32) {
	if s.tr != nil {
		s.lane.Begin(name(&s.tr.n))
	}
}

func (s *scoring) end() {
	if s.tr != nil {
		s.lane.End()
	}
}

// tokenize fills in ids. Tokens that the tokenizer puts at a sequence's start
// go to whatever comes first.
func (s *scoring) tokenize() error {
	r := s.r
	if r.Query == "" {
		s.t = tokens{r.QueryIDs, r.ItemIDs}
		return nil
	}
	tok := s.e.tok
	if tok == nil {
		return errNoTokenizer
	}
	plain := func(text string) []int32 { return tok.Encode(text, tokenizer.EncodeOptions{}) }
	lead := s.e.lead()
	s.t.query = plain(r.Query)
	for _, item := range r.Items {
		switch {
		case s.e.opt.ConcatText && r.ItemFirst:
			item += r.Query
		case s.e.opt.ConcatText:
			item = r.Query + item
		}
		ids := plain(item)
		if r.ItemFirst || s.e.opt.ConcatText {
			ids = append(append([]int32(nil), lead...), ids...)
		}
		s.t.items = append(s.t.items, ids)
	}
	if !r.ItemFirst && !s.e.opt.ConcatText {
		s.t.query = append(append([]int32(nil), lead...), s.t.query...)
	}
	return nil
}

// lead is what the tokenizer's template puts in front of a sequence.
func (e *Engine) lead() []int32 {
	ids := e.tok.Encode("", tokenizer.EncodeOptions{AddSpecial: true})
	if bos := e.tok.Special().BOS; len(ids) > 0 && ids[0] == bos {
		return ids[:1]
	}
	return nil
}

// choose picks the algorithm and says why.
func (s *scoring) choose() {
	o, n := &s.e.opt, len(s.t.items)
	prefix, total := len(s.t.query)+len(s.e.delimiter), 0
	for _, item := range s.t.items {
		total += len(item)
	}
	packed := prefix + total + n*len(s.e.delimiter)
	want := s.r.Algorithm
	if want == "auto" {
		want = Auto
	}
	set := func(a Algorithm, format string, args ...any) {
		s.out.Algorithm, s.out.Reason = a, fmt.Sprintf(format, args...)
	}
	if s.r.ItemFirst || o.ConcatText {
		what := "item_first"
		if o.ConcatText {
			what = "concatenated text"
		}
		if want != Serial && want != Auto {
			s.out.Warnings = append(s.out.Warnings, fmt.Sprintf("%s is computed serially: algorithm %s is ignored", what, want))
		}
		set(Serial, "%s has no common prefix", what)
		return
	}
	switch {
	case want != Auto:
		set(want, "requested")
	case n == 1:
		set(Serial, "one item")
	case packed > o.MaxPackedTokens:
		set(PrefillExtend, "packed sequence of %d tokens is over the cap of %d", packed, o.MaxPackedTokens)
	case n > o.ItemsThreshold && len(s.t.query)*n > o.QueryRatio*total:
		set(PrefillExtend, "query of %d tokens is over %d times the mean item of %.1f, and %d items are over %d",
			len(s.t.query), o.QueryRatio, float64(total)/float64(n), n, o.ItemsThreshold)
	default:
		set(Packed, "%d items in %d tokens fit one sequence", n, packed)
	}
}

func (s *scoring) serial() error {
	for i, item := range s.t.items {
		first, second := s.t.query, item
		if s.r.ItemFirst {
			first, second = item, s.t.query
		}
		l := packing.Serial(first, second, s.e.delimiter)
		if s.e.opt.ConcatText {
			l = packing.Serial(item, nil, nil)
		}
		s.out.PromptTokens += l.Real
		s.out.Chunk = 1
		logp, err := s.pass("prefill", l, nil, false)
		if err != nil {
			return err
		}
		s.logp[i] = logp
	}
	return nil
}

func (s *scoring) packed() error {
	prefix := len(s.t.query) + len(s.e.delimiter)
	for _, c := range packing.Chunks(s.t.items, len(s.e.delimiter), s.e.opt.MaxPackedTokens-prefix, s.e.opt.MaxItems) {
		items := s.t.items[c[0]:c[1]]
		logp, err := s.pass("prefill", packing.Packed(s.t.query, items, s.e.delimiter), nil, false)
		if err != nil {
			return err
		}
		s.scatter(c[0], len(items), prefix, logp)
		s.out.CachedTokens += (len(items) - 1) * prefix
	}
	return nil
}

// scatter hands a pass's rows to its items.
func (s *scoring) scatter(first, n, prefix int, logp []float32) {
	labels := len(s.r.Labels)
	for k := range n {
		s.logp[first+k] = logp[k*labels : (k+1)*labels]
		s.out.PromptTokens += prefix + len(s.t.items[first+k])
	}
	s.out.Chunk = max(s.out.Chunk, n)
}

// prefillExtend computes the query once, keeps its keys and values, and runs
// the items in batches behind them. The cache is released whatever happens.
func (s *scoring) prefillExtend() error {
	empty := false
	for _, item := range s.t.items {
		empty = empty || len(item) == 0
	}
	prefix := len(s.t.query) + len(s.e.delimiter)
	cache, err := s.e.back.NewCache("score/cache", prefix)
	if err != nil {
		return err
	}
	defer cache.Release()
	seam, err := s.pass("prefill", packing.Prefix(s.t.query, s.e.delimiter, empty), cache, true)
	if err != nil {
		return err
	}
	for _, c := range packing.Chunks(s.t.items, 0, s.e.opt.MaxPackedTokens, s.e.opt.ExtendBatch) {
		items := s.t.items[c[0]:c[1]]
		var full [][]int32
		for k, item := range items {
			if len(item) == 0 {
				s.logp[c[0]+k] = seam
				s.out.PromptTokens += prefix
				continue
			}
			full = append(full, item)
		}
		if full == nil {
			continue
		}
		l := packing.Extend(prefix, full)
		logp, err := s.pass("extend", l, cache, false)
		if err != nil {
			return err
		}
		labels := len(s.r.Labels)
		for k, item := range items {
			if len(item) > 0 {
				s.logp[c[0]+k], logp = logp[:labels], logp[labels:]
				s.out.PromptTokens += prefix + len(item)
			}
		}
		s.out.Chunk = max(s.out.Chunk, len(full))
	}
	s.out.CachedTokens += (len(s.t.items) - 1) * prefix
	return nil
}

// finish turns log-probabilities into scores.
func (s *scoring) finish() {
	for _, row := range s.logp {
		scores, logs := make([]float64, len(row)), make([]float64, len(row))
		top := math.Inf(-1)
		for j, l := range row {
			logs[j] = float64(l)
			top = math.Max(top, logs[j])
		}
		sum := 0.0
		for j, l := range logs {
			if s.r.Softmax {
				l -= top
			}
			scores[j] = math.Exp(l)
			sum += scores[j]
		}
		if s.r.Softmax {
			for j := range scores {
				scores[j] /= sum
			}
		}
		s.out.Scores, s.out.LogProbs = append(s.out.Scores, scores), append(s.out.LogProbs, logs)
	}
}

func (s *scoring) log(err error) {
	log := s.e.opt.Log
	if log == nil {
		return
	}
	if err != nil {
		code := "internal_error"
		var refused *Error
		if errors.As(err, &refused) {
			code = refused.Code
		}
		log.WarnContext(s.ctx, "score", "request_id", s.id, "code", code, "error", err, "total", s.out.Total)
		return
	}
	o := &s.out
	log.InfoContext(s.ctx, "score", "request_id", s.id, "items", len(o.Scores), "labels", len(s.r.Labels), "algorithm", o.Algorithm, "reason", o.Reason,
		"sequences", o.Sequences, "chunk", o.Chunk, "tokens", o.Tokens, "padded_tokens", o.PaddedTokens, "cached_tokens", o.CachedTokens,
		"compile_misses", o.CompileMisses, "queue", o.Queue, "forward", o.Forward, "total", o.Total)
}

// inputs pads a layout to its shape.
func (s *scoring) inputs(l *packing.Layout, cache program.Cache, bucket, rows int) program.Inputs {
	l.Pad(bucket)
	picked := append([]int32(nil), l.Rows...)
	for len(picked) < rows {
		picked = append(picked, picked[len(picked)-1])
	}
	return program.Inputs{IDs: l.IDs, Positions: l.Positions, Runs: l.Runs, Rows: picked, Labels: s.r.Labels, Cache: cache}
}
