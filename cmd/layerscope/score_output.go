// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"

	"github.com/layerscope/layerscope/engine"
	"github.com/layerscope/layerscope/internal/term"
)

// printScores prints a result: an item a line, or JSON.
func (a *app) printScores(f *scoreFlags, req *engine.Request, res *engine.Result, model string) error {
	if f.json {
		enc := json.NewEncoder(a.stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(map[string]any{
			"object": "scoring", "id": res.ID, "model": res.Model, "scores": res.Scores, "log_probs": res.LogProbs, "algorithm": res.Algorithm, "reason": res.Reason,
			"usage":  map[string]int{"prompt_tokens": res.PromptTokens, "completion_tokens": 0, "total_tokens": res.PromptTokens},
			"tokens": res.Tokens, "padded_tokens": res.PaddedTokens, "sequences": res.Sequences, "warnings": append([]string{}, res.Warnings...),
		})
	}
	for i, scores := range res.Scores {
		for _, v := range scores {
			if _, err := fmt.Fprintf(a.stdout, "%8.6f  ", v); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintln(a.stdout, itemText(req, i)); err != nil {
			return err
		}
	}
	for _, w := range res.Warnings {
		a.say("%s", "warning: "+w)
	}
	a.say("%s", model)
	a.say("%s", fmt.Sprintf("%s (%s): %d tokens, %d with padding, in %d sequences, %.2f ms", res.Algorithm, res.Reason, res.Tokens, res.PaddedTokens, res.Sequences, float64(res.Total.Microseconds())/1000))
	if f.trace != "" {
		a.next("layerscope report " + quoted(f.trace))
	}
	return nil
}

func itemText(req *engine.Request, i int) string {
	if i < len(req.Items) {
		return term.Safe(req.Items[i])
	}
	return fmt.Sprintf("item %d", i)
}
