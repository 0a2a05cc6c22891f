// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"fmt"
	"slices"
	"time"
)

// Algorithm is how a request's items are computed. All give the same scores to
// about 1e-6; they differ in work.
type Algorithm string

// The algorithms.
const (
	Auto          Algorithm = ""               // chosen for each request; Result has the choice and its reason
	Serial        Algorithm = "serial"         // one sequence an item: the reference
	Packed        Algorithm = "packed"         // all items behind one query in one sequence
	PrefillExtend Algorithm = "prefill_extend" // the query once, its keys and values kept, items in batches
)

// Request is one scoring request. Query and items are text, or token ids, not
// one of each.
type Request struct {
	Query    string
	QueryIDs []int32 // instead of Query
	Items    []string
	ItemIDs  [][]int32 // instead of Items

	// Labels are token ids; for each item, each gets a score.
	Labels []int32
	// Softmax makes an item's scores sum to 1 over the labels. Otherwise a
	// score is the label's probability over the full vocabulary.
	Softmax bool
	// ItemFirst puts the item before the query. It is computed serially.
	ItemFirst bool

	Algorithm Algorithm

	ID string // in spans and logs; the engine numbers requests without one
}

// Result is the answer to a Request.
type Result struct {
	ID     string
	Model  string
	Scores [][]float64 // [item][label]
	// LogProbs are the labels' log-probabilities over the full vocabulary.
	LogProbs [][]float64

	Algorithm Algorithm // what was done
	Reason    string    // why
	Warnings  []string

	PromptTokens  int // of the sequences query+item, as a serial scorer would count
	Sequences     int // forward passes
	Chunk         int // items in the largest pass
	Tokens        int // tokens computed, without padding
	PaddedTokens  int // with it
	CachedTokens  int // query tokens that items did not compute again
	ScoredRows    int // rows that went through the head, without padding
	CompileMisses int // programs made for this request

	Tokenize, Queue, Compile, Forward, Finish, Total time.Duration
}

// tokens is a request that was checked and turned into ids.
type tokens struct {
	query []int32
	items [][]int32
}

// check validates what can be seen without a tokenizer, in the documented
// order: query, items, kinds, elements, labels, flags.
func (e *Engine) check(r *Request) *Error {
	if r.Query == "" && len(r.QueryIDs) == 0 {
		return refuse("empty_query", "query", "Query is empty, wanted text or token ids")
	}
	n := max(len(r.Items), len(r.ItemIDs))
	switch {
	case r.Items == nil && r.ItemIDs == nil:
		return refuse("missing_items", "items", "Items are missing, wanted a list of texts or of token id lists")
	case n == 0:
		return refuse("empty_items", "items", "Items are an empty list, wanted at least one item")
	case n > e.opt.MaxItems:
		return refuse("too_many_items", "items", "Items are %d, wanted at most %d", n, e.opt.MaxItems)
	}
	if r.Query != "" && r.QueryIDs != nil || r.Items != nil && r.ItemIDs != nil || (r.Query != "") != (r.Items != nil) {
		return refuse("mixed_input_types", "items", "Query and items mix text and token ids, wanted one kind")
	}
	if err := e.checkIDs("query", "Query", r.QueryIDs); err != nil {
		return err
	}
	for i, ids := range r.ItemIDs {
		if err := e.checkIDs("items", fmt.Sprintf("Item %d", i), ids); err != nil {
			return err
		}
	}
	switch {
	case r.Labels == nil:
		return refuse("missing_label_token_ids", "label_token_ids", "Label token ids are missing, wanted at least one")
	case len(r.Labels) == 0:
		return refuse("empty_label_token_ids", "label_token_ids", "Label token ids are an empty list, wanted at least one")
	case len(r.Labels) > e.cfg.Vocab:
		return refuse("token_id_exceeds_vocab", "label_token_ids", "Label token ids are %d, but the vocabulary has %d", len(r.Labels), e.cfg.Vocab)
	}
	if err := e.checkIDs("label_token_ids", "Label list", r.Labels); err != nil {
		return err
	}
	if !slices.Contains([]Algorithm{Auto, "auto", Serial, Packed, PrefillExtend}, r.Algorithm) {
		return refuse("invalid_algorithm", "algorithm", "Algorithm is %q, wanted auto, serial, packed or prefill_extend", r.Algorithm)
	}
	return nil
}

func (e *Engine) checkIDs(param, what string, ids []int32) *Error {
	var negative []int32
	for _, id := range ids {
		if id < 0 && len(negative) < 8 {
			negative = append(negative, id)
		}
	}
	if negative != nil {
		return refuse("negative_token_id", param, "%s has negative token ids: %d", what, negative)
	}
	for _, id := range ids {
		if int(id) >= e.cfg.Vocab {
			return refuse("token_id_exceeds_vocab", param, "%s has token id %d, but the vocabulary has %d", what, id, e.cfg.Vocab)
		}
	}
	return nil
}

// checkTokens validates ids against the limits and the delimiter.
func (e *Engine) checkTokens(t tokens) *Error {
	if len(t.query) == 0 {
		return refuse("empty_query", "query", "Query has no tokens, wanted at least one")
	}
	if e.opt.Delimiter != nil {
		d := *e.opt.Delimiter
		if slices.Contains(t.query, d) {
			return refuse("delimiter_in_input", "query", "Query has the delimiter, token id %d", d)
		}
		for i, item := range t.items {
			if slices.Contains(item, d) {
				return refuse("delimiter_in_input", "items", "Item %d has the delimiter, token id %d", i, d)
			}
		}
	}
	for i, item := range t.items {
		if n := len(t.query) + len(e.delimiter) + len(item); n > e.opt.MaxSeqLen {
			return refuse("sequence_too_long", "items", "Query and item %d have %d tokens, wanted at most %d", i, n, e.opt.MaxSeqLen)
		}
	}
	return nil
}
