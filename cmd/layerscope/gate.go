// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports"
)

// A hintedError is a failure with what to do about it.
type hintedError struct {
	error
	hint string
}

func (e *hintedError) Unwrap() error { return e.error }

// gate judges the comparisons and sets the exit code. What could not be decided
// is a warning, or exit 4 when that was asked for.
func (a *app) gate(cs []*analyze.Comparison, rules []analyze.GateRule, f *diffFlags) error {
	strict := f.inconclusive == "fail"
	for _, c := range cs {
		failed, undecided, err := c.Judge(rules)
		if err != nil {
			return err
		}
		if len(rules) == 0 {
			undecided = strict && (c.Verdict == "INCONCLUSIVE" || c.Verdict == "DIFFERS")
		}
		switch {
		case failed:
			a.code = exitGate
		case undecided && strict && a.code == exitDone:
			a.code = exitUntrusted
		}
		if undecided && !strict && !failed {
			a.say("layerscope: warning: %s: the gate passes, but not every rule could be decided", c.New.Label)
		}
	}
	return nil
}

// toGitHub appends the report to the step summary of a GitHub workflow and writes
// an annotation for each rule that did not pass for sure, and for each row that
// changed. Annotations go to standard error, where the runner looks, too.
func (a *app) toGitHub(cs []*analyze.Comparison, ro reports.Options) error {
	if err := a.summariseToGitHub(reports.Diff(ro, cs...)); err != nil {
		return err
	}
	for _, c := range cs {
		for i := range c.Gate {
			g := &c.Gate[i]
			switch {
			case !g.Pass && !g.Warn:
				a.annotate("error", "layerscope: "+g.Rule, g.Detail)
			case !g.Pass:
				a.annotate("warning", "layerscope: "+g.Rule, g.Detail)
			case g.Verdict != "EQUIVALENT":
				a.annotate("warning", "layerscope: "+g.Rule+" not decided", g.Detail)
			}
		}
		if len(c.Gate) == 0 && (c.Verdict == "REGRESSION" || c.Verdict == "DIFFERS") {
			a.annotate("warning", "layerscope: "+c.Verdict, changedKeys(c))
		}
	}
	return nil
}

// changedKeys names the layers and the step that changed.
func changedKeys(c *analyze.Comparison) string {
	var out []string
	for i := range c.Rows {
		r := &c.Rows[i]
		if (r.Level == "layer" || r.Level == "step") && (r.Verdict == "REGRESSION" || r.Verdict == "DIFFERS") && len(out) < 8 {
			out = append(out, fmt.Sprintf("%s %+.1f %%", r.Key, 100*r.Effect))
		}
	}
	return strings.Join(out, ", ")
}

// annotate writes a workflow command. Its text must not hold raw newlines or
// percent signs, nor its properties colons and commas.
func (a *app) annotate(level, title, text string) {
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	fmt.Fprintf(a.progress, "::%s title=%s::%s\n", level, property.Replace(title), data.Replace(text))
}

func appendFile(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if end := f.Close(); err == nil {
		err = end
	}
	return err
}

// summariseToGitHub adds a report to the summary of the workflow's step.
func (a *app) summariseToGitHub(r *reports.Report) error {
	path := a.env("GITHUB_STEP_SUMMARY")
	if path == "" {
		a.say("layerscope: GITHUB_STEP_SUMMARY is not set: no summary written")
		return nil
	}
	var b bytes.Buffer
	if err := r.Markdown(&b); err != nil {
		return err
	}
	if err := appendFile(path, b.Bytes()); err != nil {
		return fmt.Errorf("%s: %w", path, cause(err))
	}
	return nil
}
