// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// A workload is what a session drives: every combination of items and labels, or
// requests of a file, in turn.
type workload struct {
	Name string `json:"name" yaml:"name"`
	// Items and Labels span the grid: a request has so many of each.
	Items  []int `json:"items" yaml:"items"`
	Labels []int `json:"labels" yaml:"labels"`
	// QueryTokens and ItemTokens are lengths in tokens.
	QueryTokens int `json:"query_tokens" yaml:"query_tokens"`
	ItemTokens  int `json:"item_tokens" yaml:"item_tokens"`
	// Requests of each shape in each capture.
	Requests int `json:"requests" yaml:"requests"`
	// Warmup is how often each shape is sent before.
	Warmup int `json:"warmup" yaml:"warmup"`
	// Captures of the same; three decide a diff.
	Captures int `json:"captures" yaml:"captures"`
	// Concurrency is how many requests are under way at a time.
	Concurrency int `json:"concurrency" yaml:"concurrency"`
	// Request is a file of requests, beside the workload's, instead of the grid.
	Request string `json:"request,omitempty" yaml:"request"`
}

// workloads are those with a name.
var workloads = []workload{
	{Name: "smoke", Items: []int{1, 4, 16}, Labels: []int{2, 4}, QueryTokens: 64, ItemTokens: 8, Requests: 5, Warmup: 2, Captures: 3, Concurrency: 1},
	{Name: "standard", Items: []int{1, 2, 4, 8, 16, 32}, Labels: []int{2, 4, 8}, QueryTokens: 256, ItemTokens: 16, Requests: 20, Warmup: 5, Captures: 3, Concurrency: 1},
	{Name: "full", Items: []int{1, 2, 4, 8, 16, 32, 64}, Labels: []int{2, 4, 8, 16}, QueryTokens: 512, ItemTokens: 20, Requests: 50, Warmup: 10, Captures: 5, Concurrency: 1},
}

const maxWorkload = 1 << 20

// readWorkload returns a workload of a name, or one of a file in YAML or JSON.
func readWorkload(name string) (*workload, error) {
	var names []string
	for i := range workloads {
		if workloads[i].Name == name {
			w := workloads[i]
			return &w, nil
		}
		names = append(names, workloads[i].Name)
	}
	if !strings.ContainsAny(name, "./") {
		if _, err := os.Stat(name); err != nil {
			return nil, usagef("or a file, such as nightly.yaml", "--workload %s: want %s", name, strings.Join(names, ", "))
		}
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, cause(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxWorkload+1))
	if err != nil || len(text) > maxWorkload {
		return nil, fmt.Errorf("%s: wanted a workload of at most %d bytes: %w", name, maxWorkload, err)
	}
	w := &workload{QueryTokens: 64, ItemTokens: 8, Requests: 5, Warmup: 2, Captures: 3, Concurrency: 1}
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.DisallowUnknownFields()
		err = dec.Decode(w)
	} else {
		err = yaml.UnmarshalWithOptions(text, w, yaml.Strict())
	}
	if err == nil {
		err = w.check()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if w.Name == "" {
		w.Name = strings.TrimSuffix(filepath.Base(name), filepath.Ext(name))
	}
	if w.Request != "" && !filepath.IsAbs(w.Request) {
		w.Request = filepath.Join(filepath.Dir(name), w.Request)
	}
	return w, nil
}

// check wants numbers that a session ends with.
func (w *workload) check() error {
	switch {
	case w.Request == "" && (len(w.Items) == 0 || len(w.Labels) == 0):
		return errors.New("wanted items and labels, or a file of requests")
	case w.Request != "" && len(w.Items)+len(w.Labels) > 0:
		return errors.New("a file of requests and a grid: give one")
	case w.Requests < 1 || w.Captures < 1 || w.Concurrency < 1 || w.Warmup < 0 || w.QueryTokens < 1 || w.ItemTokens < 1:
		return errors.New("requests, captures, concurrency and tokens are at least 1, warmup 0")
	case w.Captures > 100 || w.Requests > 100_000 || w.Concurrency > 1000 || len(w.Items)*len(w.Labels) > 1000 || w.Warmup > 1000:
		return errors.New("more than a session can hold: 100 captures, 100000 requests of a shape, 1000 shapes, 1000 at a time")
	case w.QueryTokens > 1<<20 || w.ItemTokens > 1<<16:
		return errors.New("tokens beyond any model's")
	}
	for _, n := range w.Items {
		if n < 1 || n > 1<<16 {
			return fmt.Errorf("items: %d, wanted 1 to 65536", n)
		}
	}
	for _, n := range w.Labels {
		if n < 1 || n > 256 {
			return fmt.Errorf("labels: %d, wanted 1 to 256", n)
		}
	}
	return nil
}

// limits are what a server says it can take; 0 = it doesn't say.
type limits struct{ items, tokens, vocab int }

// shapes makes the requests, the same each time. What the server can't take is
// left out and said.
func (a *app) shapes(w *workload, lim limits) (requests []map[string]json.RawMessage, names, skipped []string, err error) {
	if w.Request != "" {
		requests, err = a.readBodies(w.Request)
		for i := range requests {
			names = append(names, fmt.Sprintf("%s: request %d", filepath.Base(w.Request), i+1))
		}
		return requests, names, nil, err
	}
	for _, n := range w.Items {
		for _, labels := range w.Labels {
			name := fmt.Sprintf("score_b%d_l%d", n, labels)
			switch {
			case lim.items > 0 && n > lim.items:
				skipped = append(skipped, fmt.Sprintf("%s: the server takes %d items", name, lim.items))
				continue
			case lim.tokens > 0 && w.QueryTokens+w.ItemTokens > lim.tokens:
				skipped = append(skipped, fmt.Sprintf("%s: %d tokens, the server takes %d", name, w.QueryTokens+w.ItemTokens, lim.tokens))
				continue
			case lim.vocab > 0 && safeTokens+labels > lim.vocab:
				skipped = append(skipped, fmt.Sprintf("%s: the model has %d tokens", name, lim.vocab))
				continue
			}
			r, err := w.shape(n, labels)
			if err != nil {
				return nil, nil, nil, err
			}
			requests, names = append(requests, r), append(names, name)
		}
	}
	return requests, names, skipped, nil
}

// safeTokens is where the ids of requests begin: special tokens of small
// vocabularies are below.
const safeTokens = 16

// shape is one request: the query's token repeated, items of two tokens in turn.
func (w *workload) shape(n, labels int) (map[string]json.RawMessage, error) {
	items := make([][]int, n)
	for i := range items {
		items[i] = slices.Repeat([]int{safeTokens + 2 + i%2}, w.ItemTokens)
	}
	ids := make([]int, labels)
	for i := range ids {
		ids[i] = safeTokens + i
	}
	out := make(map[string]json.RawMessage)
	for key, v := range map[string]any{"query": slices.Repeat([]int{safeTokens + 1}, w.QueryTokens), "items": items, "label_token_ids": ids, "apply_softmax": true} {
		text, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		out[key] = text
	}
	return out, nil
}
