// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/layerscope/layerscope/engine"
)

// scoreFlags are one request from the shell.
type scoreFlags struct {
	engineFlags
	query, request, algorithm string
	items, labels             []string
	softmax, itemFirst, json  bool
	repeat                    int
	trace, memory, layers     string
	compat                    bool
}

func (a *app) score() *cobra.Command {
	var f scoreFlags
	cmd := &cobra.Command{
		Use:   "score --query TEXT --item TEXT… --label TEXT…",
		Short: "Score items against a query once, from the shell; with a capture if wanted",
		Long: `score loads a model and computes, for each item, the probability of each label as the next token after query and item.
Without --model it is the small embedded model, which answers questions about colours and things with " yes" or " no".`,
		Example: `  layerscope score --query "Is there a small red spoon?" --item " a small red spoon" --item " a small red chair" --softmax
  layerscope score --request request.json --trace host.xplane.pb && layerscope report host.xplane.pb`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runScore(cmd, &f) },
	}
	f.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.query, "query", "", "the query's `TEXT`")
	flags.StringArrayVar(&f.items, "item", nil, "an item's `TEXT`; repeat for more")
	flags.StringArrayVar(&f.labels, "label", nil, "a label: a `TEXT` of one token, or a token id as #N; repeat for more (default \" yes\" and \" no\")")
	flags.StringVar(&f.request, "request", "", "a `FILE` with a /v1/score request as JSON (- for standard input) instead of the flags above")
	flags.BoolVar(&f.softmax, "softmax", false, "make an item's scores sum to 1 over the labels")
	flags.BoolVar(&f.itemFirst, "item-first", false, "put the item before the query")
	flags.StringVar(&f.algorithm, "algorithm", "auto", "`NAME` is auto, serial, packed or prefill_extend")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	flags.IntVar(&f.repeat, "repeat", 1, "score `N` times (one step each in the capture)")
	flags.StringVar(&f.trace, "trace", "", "write a capture to `FILE`: NAME.xplane.pb, or NAME.json.gz and the other formats of convert, by the extension")
	flags.BoolVar(&f.compat, "xprof-compat", false, "name the device in the capture as XProf wants it, and mark the file synthetic")
	flags.StringVar(&f.memory, "memory", "", "write memory reports and profiles into `DIR`")
	flags.StringVar(&f.layers, "memory-layers", "all", "layers after which memory is looked at: `LIST` is all, N for every N-th, or layers")
	return cmd
}

func (a *app) runScore(cmd *cobra.Command, f *scoreFlags) error {
	switch {
	case f.request == "" && (f.query == "" || len(f.items) == 0):
		return usagef(`layerscope score --query "Is there a small red spoon?" --item " a small red spoon"`, "score: want --query and at least one --item, or --request")
	case f.repeat < 1:
		return usagef("", "--repeat %d: want 1 or more", f.repeat)
	}
	opt, err := f.options()
	if err != nil {
		return err
	}
	var to *target
	if f.trace != "" {
		if to, err = f.captureTarget(); err != nil {
			return err
		}
	}
	memory := memoryLog{dir: f.memory}
	if f.memory != "" {
		opt.SnapshotLayers, opt.OnSnapshot = f.layers, memory.add
	}
	e, err := engine.Open(opt)
	if err != nil {
		return modelError(err)
	}
	req, err := a.scoreRequest(e, f)
	if err != nil {
		return errors.Join(err, e.Close())
	}
	var res engine.Result
	work := func() error {
		for range max(1, f.repeat) {
			if res, err = e.Score(cmd.Context(), *req); err != nil {
				return err
			}
		}
		return nil
	}
	if f.trace != "" {
		if _, err = e.Score(cmd.Context(), *req); err == nil { // programs are made before the capture
			err = a.scoreCapture(e, f, to, work)
		}
	} else {
		err = work()
	}
	if err == nil && f.memory != "" {
		err = memory.write()
	}
	model, heads := describeModel(e), labelHeads(e, req.Labels)
	if err = errors.Join(err, e.Close()); err != nil {
		return err
	}
	return a.printScores(f, req, &res, model, heads, to)
}

// scoreRequest makes the request of the flags or of the file.
func (a *app) scoreRequest(e *engine.Engine, f *scoreFlags) (*engine.Request, error) {
	req := &engine.Request{Query: f.query, Items: f.items, Softmax: f.softmax, ItemFirst: f.itemFirst, Algorithm: engine.Algorithm(f.algorithm)}
	if f.request != "" {
		if err := a.readRequest(f.request, req); err != nil {
			return nil, err
		}
	}
	if f.request == "" || len(f.labels) > 0 {
		labels := f.labels
		if len(labels) == 0 {
			labels = []string{" yes", " no"}
		}
		for _, l := range labels {
			id, err := labelID(e, l)
			if err != nil {
				return nil, err
			}
			req.Labels = append(req.Labels, id)
		}
	}
	return req, nil
}

func labelID(e *engine.Engine, label string) (int32, error) {
	if len(label) > 1 && label[0] == '#' {
		n, err := strconv.ParseInt(label[1:], 10, 32)
		if err != nil {
			return 0, usagef("", "--label %s: want # and a token id", label)
		}
		return int32(n), nil
	}
	return e.LabelID(label)
}

// readRequest reads the body of a /v1/score request.
func (a *app) readRequest(path string, req *engine.Request) error {
	var b []byte
	var err error
	if path == "-" {
		b, err = io.ReadAll(a.stdin)
	} else {
		b, err = os.ReadFile(path)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, cause(err))
	}
	var body struct {
		Query     json.RawMessage `json:"query"`
		Items     json.RawMessage `json:"items"`
		Labels    []int32         `json:"label_token_ids"`
		Softmax   bool            `json:"apply_softmax"`
		ItemFirst bool            `json:"item_first"`
	}
	if err := json.Unmarshal(b, &body); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	*req = engine.Request{Labels: body.Labels, Softmax: body.Softmax || req.Softmax, ItemFirst: body.ItemFirst || req.ItemFirst, Algorithm: req.Algorithm}
	if bytes.HasPrefix(body.Query, []byte(`"`)) {
		err = errors.Join(json.Unmarshal(body.Query, &req.Query), json.Unmarshal(body.Items, &req.Items))
	} else {
		err = errors.Join(json.Unmarshal(body.Query, &req.QueryIDs), json.Unmarshal(body.Items, &req.ItemIDs))
	}
	if err != nil {
		return fmt.Errorf("%s: query and items: %w", path, err)
	}
	return nil
}
