// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/layerscope/layerscope/engine"
	"github.com/layerscope/layerscope/internal/term"
	"github.com/layerscope/layerscope/internal/term/termtext"
)

// printScores prints a result: an item a line under the labels' texts, or JSON.
func (a *app) printScores(f *scoreFlags, req *engine.Request, res *engine.Result, model string, heads []string, to *target) error {
	if f.json {
		enc := json.NewEncoder(a.stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(map[string]any{
			"object": "scoring", "id": res.ID, "model": res.Model, "scores": res.Scores, "log_probs": res.LogProbs, "algorithm": res.Algorithm, "reason": res.Reason,
			"usage":  map[string]int{"prompt_tokens": res.PromptTokens, "completion_tokens": 0, "total_tokens": res.PromptTokens},
			"tokens": res.Tokens, "padded_tokens": res.PaddedTokens, "sequences": res.Sequences, "warnings": append([]string{}, res.Warnings...),
		})
	}
	if err := writeScores(a.stdout, heads, req, res.Scores); err != nil {
		return err
	}
	for _, w := range res.Warnings {
		a.say("%s", "warning: "+w)
	}
	a.say("%s", model)
	a.say("%s", fmt.Sprintf("%s (%s): %d tokens, %d with padding, in %d sequences, %.2f ms", res.Algorithm, res.Reason, res.Tokens, res.PaddedTokens, res.Sequences, float64(res.Total.Microseconds())/1000))
	if f.trace != "" && (to == nil || !to.sums && !to.table) {
		a.next("layerscope report " + quoted(f.trace))
	}
	return nil
}

// labelHeads are the headings of the labels' columns: their quoted texts, or #N
// where the model has no tokenizer.
func labelHeads(e *engine.Engine, labels []int32) []string {
	var out []string
	for _, id := range labels {
		if text, err := e.TokenText([]int32{id}); err == nil && text != "" {
			out = append(out, term.Safe(`"`+text+`"`))
		} else {
			out = append(out, fmt.Sprintf("#%d", id))
		}
	}
	return out
}

// writeScores writes the table. The item comes last, so that its length does not
// matter.
func writeScores(w io.Writer, heads []string, req *engine.Request, scores [][]float64) error {
	const digits = 8 // of a probability: 0.123456
	var b strings.Builder
	for _, h := range heads {
		b.WriteString(strings.Repeat(" ", max(0, digits-termtext.Width(h))) + h + "  ")
	}
	b.WriteString("item\n")
	for i, row := range scores {
		for j, v := range row {
			fmt.Fprintf(&b, "%*.6f  ", max(digits, termtext.Width(heads[j])), v)
		}
		b.WriteString(itemText(req, i) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func itemText(req *engine.Request, i int) string {
	if i < len(req.Items) {
		return term.Safe(req.Items[i])
	}
	return fmt.Sprintf("item %d", i)
}
